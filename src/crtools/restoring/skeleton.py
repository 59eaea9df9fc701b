"""Skeletons: processes that hold nothing but the agent, on their way to be restored ones.

All share one piece of memory with the tool, mapped at the same address in each: the agent's code,
and a slot, a stack and room for programs for every task. They are traced from birth with
PTRACE_O_EXITKILL, so that none outlives a tool that fails or is killed.
"""

from __future__ import annotations

import errno
import os
import struct

from crtools.abi import kernel
from crtools.abi.clone import CLONE_PARENT, CLONE_PTRACE, CLONE_VFORK, CLONE_VM
from crtools.agent.blob import read_blob, read_skeleton
from crtools.agent.program import ANY, Program
from crtools.agent.slot import SLOT_BYTES, Slot
from crtools.errors import InternalError, PermissionDenied, TaskVanished
from crtools.kinds.process.registers import Xstates
from crtools.restoring.conflict import explain_pid
from crtools.tracee import ptrace
from crtools.tracee import x86_64 as arch
from crtools.tracee.seize import Tracee, go_all, watch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from crtools.agent.program import Ref
    from crtools.agent.slot import Executed

SYS_close, SYS_mmap, SYS_munmap, SYS_close_range, SYS_memfd_create = 3, 9, 11, 436, 319
SYS_prctl, PR_SET_CHILD_SUBREAPER, PR_GET_CHILD_SUBREAPER = 157, 36, 37
# struct clone_args, linux/sched.h, and behind it the tid that is wanted
CLONE_ARGS = struct.Struct("<11Q")
BIRTH = struct.Struct("<11Qi")
CODE_BYTES = 4096
# What each has of the shared memory: its slot, room for programs right behind it, so that those of
# most threads touch no page more, and the stack.
PROCESS_ROOM = 512 << 10
THREAD_ROOM = 24 << 10
STACK_BYTES = 8192
SCRATCH_BYTES = 1 << 20
SKELETON_CALL = 10  # agent/skeleton.S: from its start to its system call instruction
OPTIONS = ptrace.PTRACE_O_TRACESYSGOOD | ptrace.PTRACE_O_EXITKILL
SIGKILL, SIGSTOP = 9, 19
# CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM
THREAD_FLAGS = 0x100 | 0x200 | 0x400 | 0x800 | 0x10000 | 0x40000


class Skeleton:
    """One task being restored: its slot, and how the tool holds it."""

    __slots__ = ("at", "pid", "slot", "tid", "tracee")

    def __init__(self, pid: int, tid: int, at: int, slot: Slot) -> None:
        self.pid = pid
        self.tid = tid
        self.at = at
        self.slot = slot
        self.tracee = Tracee(pid, tid)


class Workshop:
    """All skeletons of one restore. As a context manager it ends those that are left."""

    def __init__(
        self,
        proc: int,
        hole: int,
        tasks: Sequence[tuple[int, int]],
        *,
        suspend_seccomp: bool = False,
    ) -> None:
        """`tasks` are (pid, tid), a process's first thread with pid == tid."""
        # Descendants of the root are traced as it is, with the same options.
        self._options = OPTIONS | (ptrace.PTRACE_O_SUSPEND_SECCOMP if suspend_seccomp else 0)
        self._proc = proc
        self.hole = hole
        self._blob = read_blob()
        self.at: dict[int, int] = {}
        at = CODE_BYTES
        for pid, tid in tasks:
            self.at[tid] = at
            at += (PROCESS_ROOM if pid == tid else THREAD_ROOM) + STACK_BYTES
        self.shared_bytes = at
        self.scratch = hole + at
        self.length = at + SCRATCH_BYTES
        self.skeletons: dict[int, Skeleton] = {}
        self._ended: list[int] = []  # zombies, or waited for by their parents
        self._memory = -1
        self._shared: kernel.Shared | None = None
        # Of a skeleton's registers, which have the size and layout that this host takes.
        self.xstates = Xstates(b"")
        self.directory = -1  # the images' descriptor in every skeleton

    @staticmethod
    def room(tasks: Sequence[tuple[int, int]]) -> int:
        """How many bytes of addresses they need."""
        processes = sum([pid == tid for pid, tid in tasks])
        return (
            CODE_BYTES
            + processes * (PROCESS_ROOM + STACK_BYTES)
            + (len(tasks) - processes) * (THREAD_ROOM + STACK_BYTES)
            + SCRATCH_BYTES
        )

    def __enter__(self) -> Workshop:
        self._memory = kernel.checked(
            SYS_memfd_create, kernel.address_of(b"crtools\0"), 0
        )  # inherited by the root
        os.ftruncate(self._memory, self.shared_bytes)
        self._shared = kernel.Shared(self._memory, self.shared_bytes)
        self._shared.memory[: len(self._blob.code)] = self._blob.code
        return self

    def __exit__(self, *_: object) -> None:
        self.end_all()
        if self._shared is not None:
            self._shared.close()
            self._shared = None
        if self._memory >= 0:
            os.close(self._memory)
            self._memory = -1

    def end_all(self) -> None:
        """Kills what is left; it is our descendant and traced by us, so its pid is its own."""
        left = list(self.skeletons.values())
        self.skeletons.clear()
        if not left:
            return
        # Orphans come to us and not to a first process that may wait for nobody: its zombies would
        # keep the numbers. (All are our descendants, unless the root is a sibling.)
        before = bytearray(4)
        kernel.raw(SYS_prctl, PR_GET_CHILD_SUBREAPER, kernel.address_of(before), 0, 0, 0)
        kernel.raw(SYS_prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        for skeleton in left:
            try:
                os.kill(skeleton.pid, SIGKILL)
            except ProcessLookupError:
                continue
        # Threads first: a leader's end is reported when its threads' ends have been.
        for skeleton in sorted(left, key=lambda s: s.pid == s.tid):
            try:
                while True:
                    status = ptrace.wait(skeleton.tid)
                    if status is not None and not os.WIFSTOPPED(status):
                        break
            except ChildProcessError:
                continue
        for pid in [skeleton.pid for skeleton in left] + self._ended:
            # They are our children as well as our tracees: the second report is for the parent.
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                continue
        if not any(before):
            kernel.raw(SYS_prctl, PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)

    def create_root(
        self, pid: int, directory: int, *, sibling: bool, orphan: bool = False
    ) -> Skeleton:
        """Starts the root with its pid, as our child or, with `sibling`, as our parent's child, or
        with `orphan` as that of whoever takes in orphans here."""
        program = os.memfd_create("crtools-skeleton", os.MFD_CLOEXEC)
        try:
            os.write(program, read_skeleton())
            os.set_inheritable(directory, True)
            os.set_inheritable(self._memory, True)
            tid = struct.pack("<i", pid)
            flags = CLONE_VM | CLONE_VFORK | (CLONE_PARENT if sibling else 0)
            args = CLONE_ARGS.pack(
                *(flags, 0, 0, 0, 0 if sibling else 17, 0, 0, 0, kernel.address_of(tid), 1, 0)
            )
            at = kernel.address_of(args)
            if orphan:
                result = kernel.spawn_orphan(at, len(args), program)
            else:
                result = kernel.spawn(at, len(args), program, 0 if sibling else SIGKILL)
        finally:
            os.close(program)
            os.set_inheritable(directory, False)
            os.set_inheritable(self._memory, False)
        if result < 0:
            raise explain_pid(self._proc, pid, -result)
        skeleton = self._enter(pid, pid)
        try:
            ptrace.seize(pid, self._options)
        except OSError as error:
            if error.errno in (errno.EPERM, errno.EINVAL):
                raise PermissionDenied(
                    f"Cannot trace the new task {pid}",
                    because=f"ptrace: {os.strerror(error.errno)}",
                    hint="to restore tasks under seccomp needs CAP_SYS_ADMIN and a kernel with"
                    " CONFIG_CHECKPOINT_RESTORE"
                    if self._options != OPTIONS
                    else "crtools check",
                ) from error
            raise TaskVanished(f"The new task {pid} ended at once", because=str(error)) from error
        tracee = skeleton.tracee
        tracee.stop()
        tracee.home = arch.unpack(ptrace.registers(pid))
        self.xstates = Xstates(ptrace.xstate(pid))
        tracee.set_mask(ptrace.ALL_SIGNALS)
        # Its own system call instruction, wherever it has come to: perhaps not to its pause yet.
        # 24: e_entry of linux/elf.h Elf64_Ehdr.
        call = struct.unpack_from("<Q", read_skeleton(), 24)[0] + SKELETON_CALL
        result = tracee.run_syscall(
            arch.at_call(
                tracee.home,
                call,
                SYS_mmap,
                self.hole,
                self.shared_bytes,
                7,
                0x11,  # MAP_SHARED | MAP_FIXED: its first stack may lie there, and goes
                self._memory,
                0,
            )
        )
        if result != self.hole:
            raise InternalError(
                f"Cannot map the agent at {self.hole:x}", because=f"mmap answered {result}"
            )
        self.directory = directory
        self._start(skeleton)
        # The death signal was for the time before we traced it. Whatever else was inherited from
        # us goes; signals that we ignore are set to their default in the first program.
        first = Program()
        first.call(157, 1, 0)  # prctl(PR_SET_PDEATHSIG, 0)
        first.call(SYS_close_range, directory + 1, 0xFFFFFFFF, 0)
        if directory:
            first.call(SYS_close_range, 0, directory - 1, 0)
        first.call(157, 41, 0, 0, 0, 0, expect=ANY)  # PR_SET_THP_DISABLE
        first.call(157, 67, 0, 0, 0, 0, expect=ANY)  # PR_SET_MEMORY_MERGE
        first.call(238, 0, 0, 0, expect=ANY)  # set_mempolicy(MPOL_DEFAULT)
        default = first.put(bytes(32))
        for number in range(1, 65):
            if number not in (SIGKILL, SIGSTOP):
                first.call(13, number, default, 0, 8)
        first.call(
            SYS_mmap,
            self.scratch,
            SCRATCH_BYTES,
            3,
            0x32,  # MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS
            -1,
            0,
            expect=2,
            expected=self.scratch,
        )
        skeleton.slot.run(first)
        return skeleton

    def _enter(self, pid: int, tid: int) -> Skeleton:
        shared = self._shared
        assert shared is not None
        at = self.at[tid]
        room = PROCESS_ROOM if pid == tid else THREAD_ROOM
        skeleton = Skeleton.__new__(Skeleton)
        tracee = Tracee(pid, tid)
        first = at + SLOT_BYTES
        slot = Slot(tid, shared, self.hole, at, first, room - SLOT_BYTES, watch([tracee]))
        skeleton.pid, skeleton.tid, skeleton.at, skeleton.slot = pid, tid, at, slot
        skeleton.tracee = tracee
        slot.init(self.hole, robust=False)
        self.skeletons[tid] = skeleton
        return skeleton

    def _start(self, skeleton: Skeleton) -> None:
        tracee = skeleton.tracee
        registers = arch.at_call(tracee.home, self.hole + self._blob.entry, 0)
        registers[arch.RDI] = skeleton.slot.there
        registers[arch.RSP] = self.hole + skeleton.at + PROCESS_ROOM + STACK_BYTES
        tracee.set_registers(registers)
        tracee.to_event_stop()
        tracee.set_registers(registers)
        tracee.go()

    def build_clone(
        self, program: Program, pid: int, tid: int, *, flags: int = 0, exit_signal: int = 0
    ) -> Ref:
        """Adds the birth of a task to a program; `adopt` it when the program has run."""
        skeleton = self._enter(pid, tid)
        # Its arguments lie where its own first program will.
        at = skeleton.slot.program_at
        args = self.hole + at
        # With CLONE_PTRACE the child is traced by us from its first instruction, as its begetter
        # is, without an event to be answered for each birth.
        assert self._shared is not None
        BIRTH.pack_into(
            self._shared.memory,
            at,
            flags | CLONE_PTRACE,
            *(0, 0, 0, exit_signal),
            self.hole + skeleton.at + (PROCESS_ROOM if pid == tid else THREAD_ROOM),
            STACK_BYTES,
            *(0, args + CLONE_ARGS.size, 1, 0),
            tid,
        )
        return program.clone(
            args,
            CLONE_ARGS.size,
            skeleton.slot.there,
            lambda: f"beget task {tid}",
        )

    def adopt(self, tids: Iterable[int]) -> None:
        """Catches newborn tasks at their first stop and lets them go to their slots."""
        tracees = [self.skeletons[tid].tracee for tid in tids]
        for tracee in tracees:
            tracee.wait_until_stopped()
            if tracee.pid != tracee.tid:
                self.skeletons[tracee.pid].tracee.leads = True
        go_all(tracees)

    def forget(self, tid: int) -> None:
        """A helper or a zombie ends, by the program that it runs or another way: that is reported
        to us as its tracer. RemoteSyscallError if a program does not come to its end."""
        skeleton = self.skeletons[tid]
        looks = 0
        while True:
            try:
                status = ptrace.wait(tid, block=not skeleton.slot.running)
            except ChildProcessError:
                break
            if status is None:
                # Nothing wakes us at its end: it takes microseconds.
                looks += 1
                if looks > 50:
                    skeleton.slot.check_unfinished(1)
            elif os.WIFSTOPPED(status):
                ptrace.cont(tid)
            else:
                break
        del self.skeletons[tid]
        self._ended.append(tid)

    def run(
        self, programs: dict[int, list[Program]], newborn: Iterable[int] = ()
    ) -> dict[int, list[Executed]]:
        """Runs a list of programs in each task, all tasks at once; the results are of the last.
        Those `newborn` are adopted when they have something to do, so that they need not be woken.

        RemoteSyscallError for the first that failed, after all have come to an end.
        """
        results: dict[int, list[Executed]] = {}
        failed: BaseException | None = None
        left = {tid: list(queue) for tid, queue in programs.items() if queue}
        while left and failed is None:
            for tid, queue in left.items():
                self.skeletons[tid].slot.post(queue[0])
            self.adopt(newborn)
            newborn = ()
            for tid, queue in list(left.items()):
                try:
                    results.setdefault(tid, []).append(self.skeletons[tid].slot.wait())
                except Exception as error:
                    failed = failed or error
                    left.pop(tid)
                    continue
                queue.pop(0)
                if not queue:
                    left.pop(tid)
        if failed is not None:
            raise failed
        return results

    def spare_all(self, tids: Iterable[int]) -> None:
        """From here on these run on if we die. Tasks that are stopped run then as they would if
        they were let go of, so this is the moment at which a restore is done: a few microseconds
        for each, instead of the wakening of each that letting go takes."""
        options = self._options & ~ptrace.PTRACE_O_EXITKILL
        # Where one was killed by somebody, letting go of it will say so.
        ptrace.request_all(ptrace.PTRACE_SETOPTIONS, [(tid, 0, options) for tid in tids])

    def take_out(self, skeleton: Skeleton) -> None:
        """Unmaps everything of ours from a process whose threads are all stopped, by its first
        thread, which ends at a stop where the kernel takes registers as of an interrupted call."""
        tracee = skeleton.tracee
        registers = arch.unpack(ptrace.registers(skeleton.tid))
        result = tracee.run_syscall(
            arch.at_call(
                registers, self.hole + self._blob.syscall, SYS_munmap, self.hole, self.length
            )
        )
        if result:
            raise InternalError(
                f"Cannot unmap the agent from task {skeleton.pid}",
                because=os.strerror(-result),
            )
        tracee.to_event_stop()
