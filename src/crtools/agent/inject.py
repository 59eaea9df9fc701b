"""Putting the agent into a stopped process, and taking it out again.

The order of steps here is what keeps the process unharmed if we die between any two of them
(docs/decisions/0001-who-dies-when.md): before a task's registers change, its way home is written to
executable padding in its own memory, and whatever its instruction pointer is set to leads there.
"""

from __future__ import annotations

import errno
import os
import struct

from crtools.abi import kernel
from crtools.agent.blob import HOME_DATA_BYTES, read_blob
from crtools.agent.program import ANY, ARG_AREA, ARG_AREA32, Program
from crtools.agent.slot import LEFT_AT, ROBUST_OFFSET, SLOT_BYTES, Slot
from crtools.errors import (
    CrtoolsError,
    InternalError,
    MissingFeature,
    RemoteSyscallError,
    UnsupportedObject,
)
from crtools.tracee import ptrace
from crtools.tracee import x86_64 as arch
from crtools.tracee.seize import watch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from crtools.agent.slot import Executed
    from crtools.procfs.maps import Vma
    from crtools.tracee.filters import Call
    from crtools.tracee.seize import Tracee

SYS_close, SYS_mmap, SYS_mprotect, SYS_munmap, SYS_rt_sigprocmask = 3, 9, 10, 11, 14
SYS_futex, SYS_restart_syscall, SYS_ppoll = 202, 219, 271
_SET_TO_ONE = 0x1000  # FUTEX_OP_SET: agent/home.S

# The area: the agent's code, the slots, a stack for each, room for programs and their data.
CODE_AT = 0
OWNER_AT = 4096
VISITOR_AT = OWNER_AT + SLOT_BYTES
KEEP_AT = OWNER_AT + 512
KEEPS = 8
NO_DESCRIPTORS_AT = KEEP_AT + 64  # 1: the agent may not be given any descriptor
OWNER_STACK_TOP = 12288
VISITOR_STACK_TOP = 16384
VISITOR_ROOM_AT = 16384
VISITOR_ROOM = 16384
OWNER_ROOM_AT = 32768
AREA_BYTES = 1 << 20
OWNER_ROOM = AREA_BYTES - OWNER_ROOM_AT

# What marks our padding, so that it is found again after we were killed while using it.
CAVE_MARK = b"crtools cave\0\0\0\0"
PROT_RWX, _PROT_RX, _PROT_RW = 7, 5, 3
MAP_SHARED_ANON = 0x4021  # MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE
_U32 = struct.Struct("<I")
_THEN_HOME = struct.Struct("<2s2sQ2sQ2sQ2s")
_MMAP_HINTS = {
    errno.ENOMEM: "raise vm.max_map_count or the limit on its address space (ulimit -v)",
    errno.EACCES: "let the task's security module permit it executable shared memory",
}


# Executable, and yet no place for anything: what is there is the kernel's, in use at any moment.
_NOT_OURS = (b"[vsyscall]", b"[uprobes]", b"[uprobes-trampoline]")


class Cave:
    """Executable padding of a process: zeroes behind the end of a program's or library's code.

    Nothing can be running there, since zeroes are no sensible code, so using it disturbs none of
    the process's other threads.
    """

    __slots__ = ("address", "length")

    def __init__(self, address: int, length: int) -> None:
        self.address = address
        self.length = length


def find_cave(memory: int, mappings: Sequence[Vma], need: int) -> Cave | None:
    """Room for `need` bytes; `memory` is the process's /proc/PID/mem. The vDSO's is tried first:
    changing it copies no page of a file."""
    # Readable as well: the way home has data, and a CPU with protection keys makes memory that can
    # be executed only just that.
    candidates = [
        m for m in mappings if m.prot & 5 == 5 and not m.shared and m.path not in _NOT_OURS
    ]
    candidates.sort(key=lambda m: m.path != b"[vdso]")
    for mapping in candidates:
        # Padding is in the last pages; nothing is read of what may lie behind a file's end.
        start = max(mapping.start, mapping.end - 8192)
        try:
            tail = os.pread(memory, mapping.end - start, start)
        except OSError:
            continue
        at = tail.find(CAVE_MARK)
        if at < 0:
            # The margin keeps off a last instruction whose operands end in zeroes.
            at = (len(tail.rstrip(b"\0")) + 16 + 15) & ~15
        if len(tail) - at >= need:
            return Cave(start + at, len(tail) - at)
    return None


def home_data(tracee: Tracee, last_word: int) -> bytes:
    """What the way home needs of a task (agent/home.S): registers, mask, and where -EINTR leads.

    A system call that was interrupted is begun again, as the kernel would do it; one that has to
    return -EINTR if a handler runs first (pause, sleeps, poll) has that as its other way.
    """
    registers = list(tracee.again or tracee.home)
    eintr = 0
    error = arch.interrupted_with(registers)
    if error:
        if error in (arch.ERESTARTNOHAND, arch.ERESTART_RESTARTBLOCK):
            eintr = registers[arch.RIP]
        registers[arch.RAX] = (
            SYS_restart_syscall if error == arch.ERESTART_RESTARTBLOCK else registers[arch.ORIG_RAX]
        )
        registers[arch.RIP] -= len(arch.SYSCALL_BYTES)
    return struct.pack(
        "<20Q8s8s16xQQ", *registers[:20], tracee.mask, ptrace.ALL_SIGNALS, eintr, last_word
    )


def explain_mmap(pid: int, number: int) -> RemoteSyscallError:
    return RemoteSyscallError(
        f"Task {pid} could not map memory for the agent",
        task=pid,
        call="mmap",
        errno=number,
        because=os.strerror(number),
        hint=_MMAP_HINTS.get(number, ""),
    )


def way_home_calls(home: list[int]) -> list[Call]:
    """All system calls of ours that a task may make when we are dead (agent/home.S, vm.c): filters
    may forbid them. `home`: its registers, which say what it does then."""
    calls: list[Call] = [
        (SYS_mmap, (0, AREA_BYTES, PROT_RWX, MAP_SHARED_ANON, -1, 0)),
        (SYS_mmap, (0, AREA_BYTES, _PROT_RX, MAP_SHARED_ANON, -1, 0)),
        (SYS_mprotect, (None, AREA_BYTES - OWNER_AT, _PROT_RW)),
        (SYS_munmap, (None, AREA_BYTES)),
        (SYS_close, (None,)),
        (SYS_rt_sigprocmask, (2, None, 0, 8)),
        (SYS_futex, (None, 0, None, 0, 0, 0)),  # FUTEX_WAIT
        (SYS_futex, (None, 1, 1, 0, 0, 0)),  # FUTEX_WAKE
        (SYS_futex, (None, 5, 1, 0, None, _SET_TO_ONE)),  # FUTEX_WAKE_OP
    ]
    error = arch.interrupted_with(home)
    if error in (arch.ERESTARTNOHAND, arch.ERESTART_RESTARTBLOCK):
        calls.append((SYS_ppoll, (0, 0, None, None, 8)))
    if error == arch.ERESTART_RESTARTBLOCK:
        calls.append((SYS_restart_syscall, [home[index] for index in arch.ARGUMENTS]))
    return calls


class Agent:
    """The agent in one stopped process; use it as a context manager.

    `takes_descriptors`: whether it may be given any, which it closes if we die.

    All threads of the process must be stopped. The first of `tracees` runs the programs; others
    visit one at a time. Leaving the context puts everything back, still stopped.
    """

    def __init__(
        self,
        proc: int,
        tracees: Sequence[Tracee],
        mappings: Sequence[Vma],
        *,
        careful: int = 0,
    ) -> None:
        """`careful`: 0, or CAREFUL_LOOK for a process under seccomp filters."""
        self._proc = proc
        self._tracees = list(tracees)
        self._mappings = mappings
        self._careful = careful
        self._owner = self._tracees[0]
        self._blob = read_blob()
        self._memory = -1
        self._cave: Cave | None = None
        self._shared: kernel.Shared | None = None
        self._entered = False
        self._mapping = False
        self._started = False
        self._visiting: Tracee | None = None
        self.base = 0
        self.slot: Slot

    takes_descriptors = True

    def __enter__(self) -> Agent:
        try:
            self._enter()
        except BaseException as error:
            self._leave_after(error)
            raise
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None:
            self._leave_after(error)
            return
        try:
            self._leave()
        except BaseException as failure:
            self._leave_after(failure)
            raise

    @property
    def shared(self) -> kernel.Shared:
        """Its area, while it is in there."""
        assert self._shared is not None
        return self._shared

    @property
    def careful(self) -> int:
        """As it was told."""
        return self._careful

    def run(self, program: Program) -> Executed:
        """Runs a program in the first task; RemoteSyscallError if a result was not as expected."""
        self.post(program)
        return self.wait()

    def post(self, program: Program) -> None:
        """Starts a program in the first task, when the one before has ended (and raises what that
        has to raise): meanwhile the tool does what needs no stopped task."""
        if self.slot.running:
            self.slot.wait()
        self.slot.post(program)

    def wait(self) -> Executed:
        """Waits for the end of the program; its results are valid until the next."""
        return self.slot.wait()

    def _enter(self) -> None:
        owner, blob = self._owner, self._blob
        pid = owner.pid
        self._memory = os.open(f"{owner.tid}/mem", os.O_RDWR | os.O_CLOEXEC, dir_fd=self._proc)
        owner_bytes = blob.owner_end - blob.owner_home
        visitor_bytes = blob.visitor_end - blob.visitor_home
        need = len(CAVE_MARK) + owner_bytes + (visitor_bytes if len(self._tracees) > 1 else 0)
        cave = find_cave(self._memory, self._mappings, need)
        if cave is None:
            raise UnsupportedObject(
                f"Cannot run anything in task {pid}",
                because=f"none of its executable areas ends in {need} bytes of padding",
                hint="run it with a vDSO (no vdso=0 on the kernel's command line)",
                subject=("task", pid),
            )
        self._check_recovered(cave)
        self._cave = cave
        home = bytearray(blob.code[blob.owner_home : blob.owner_end])
        home[-HOME_DATA_BYTES:] = home_data(owner, AREA_BYTES)
        self._poke(cave.address + len(CAVE_MARK), bytes(home))
        self._poke(cave.address, CAVE_MARK)
        self._owner_home = cave.address + len(CAVE_MARK)
        self._visitor_home = self._owner_home + owner_bytes
        # From here on: registers first, then the mask. The other way round, a task let go in
        # between would run its own code with all signals blocked.
        mapping = arch.at_call(
            owner.home,
            self._owner_home,
            SYS_mmap,
            0,
            AREA_BYTES,
            PROT_RWX,
            MAP_SHARED_ANON,
            -1,
            0,
        )
        self._entered = True
        owner.set_registers(mapping)
        owner.set_mask(ptrace.ALL_SIGNALS)
        self._mapping = True
        base = owner.run_syscall(mapping)
        denied = base == -errno.EACCES
        if denied:
            mapping = arch.at_call(
                *(owner.home, self._owner_home, SYS_mmap),
                *(0, AREA_BYTES, _PROT_RX, MAP_SHARED_ANON, -1, 0),
            )
            base = owner.run_syscall(mapping)
        if base < 0:
            raise explain_mmap(pid, -base)
        self.base = base
        self._mapping = False
        self._map(owner.tid, base)
        if denied:
            self._give_up_writing_or_executing(owner)
        self._start(owner)

    def _give_up_writing_or_executing(self, owner: Tracee) -> None:
        """For a task that denies itself memory that is writable and executable (PR_SET_MDWE, or a
        security module): code that it may not write, which we do, and the rest, which it may not
        execute. Only gaining the right to execute is denied, not giving it up."""
        shared, blob = self._shared, self._blob
        assert shared is not None
        # If we die meanwhile: what follows the call goes home, as owner_home does after its mmap.
        at = -(-len(blob.code) // 16) * 16
        code = _THEN_HOME.pack(
            *(arch.SYSCALL_BYTES, b"\x48\xbf", self.base),  # mov base, %rdi
            *(b"\x48\xbe", AREA_BYTES),  # mov length, %rsi
            *(b"\x48\xb8", self._owner_home + blob.owner_unmap - blob.owner_home),  # mov to, %rax
            b"\xff\xe0",  # jmp *%rax
        )
        if at + len(code) > OWNER_AT:
            raise InternalError("the agent's code leaves no room for a way home")
        shared.memory[CODE_AT : CODE_AT + len(blob.code)] = blob.code
        shared.memory[at : at + len(code)] = code
        result = owner.run_syscall(
            arch.at_call(
                *(owner.home, self.base + at, SYS_mprotect),
                *(self.base + OWNER_AT, AREA_BYTES - OWNER_AT, _PROT_RW),
            )
        )
        if result:
            raise RemoteSyscallError(
                f"Task {owner.pid} could not write to memory for the agent",
                task=owner.pid,
                call="mprotect",
                errno=-result,
                because=os.strerror(-result),
            )

    def _check_recovered(self, cave: Cave) -> None:
        """Refuses a task that is still on its way home from a tool that was killed: a task that is
        stopped, perhaps, which gets there when it is continued. Its way home lies in the cave."""
        areas = [(cave.address, cave.address + cave.length)]
        for mapping in self._mappings:
            if (
                mapping.end - mapping.start in (AREA_BYTES, OWNER_AT)
                and mapping.path == b"/dev/zero (deleted)"
                and os.pread(self._memory, 8, mapping.start) == self._blob.code[:8]
            ):
                areas.append((mapping.start, mapping.end))
        for tracee in self._tracees:
            if any(start <= tracee.home[arch.RIP] < end for start, end in areas):
                raise UnsupportedObject(
                    f"Cannot dump task {tracee.pid}: an earlier crtools was killed while it was"
                    " dumping it, and it has not recovered yet",
                    hint=f"kill -CONT {tracee.pid}, if it is stopped; then dump it again",
                    subject=("task", tracee.pid),
                )

    def _map(self, pid: int, base: int) -> None:
        name = f"{pid}/map_files/{base:x}-{base + AREA_BYTES:x}"
        try:
            fd = os.open(name, os.O_RDWR | os.O_CLOEXEC, dir_fd=self._proc)
        except OSError as error:
            raise MissingFeature(
                f"Cannot share memory with task {pid}",
                because=f"/proc/{name}: {os.strerror(error.errno or 0)}",
                hint="run with CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN",
            ) from error
        try:
            self._shared = kernel.Shared(fd, AREA_BYTES)
        finally:
            os.close(fd)

    def _start(self, owner: Tracee) -> None:
        shared, base, blob = self._shared, self.base, self._blob
        assert shared is not None
        shared.memory[CODE_AT : CODE_AT + len(blob.code)] = blob.code
        look = watch(self._tracees)
        self.slot = Slot(owner.tid, shared, base, OWNER_AT, OWNER_ROOM_AT, OWNER_ROOM, look)
        self._visitor = Slot(0, shared, base, VISITOR_AT, VISITOR_ROOM_AT, VISITOR_ROOM, look)
        self.slot.init(
            base,
            home=self._owner_home + self._blob.owner_unmap - self._blob.owner_home,
            area_bytes=AREA_BYTES,
            visitor=base + VISITOR_AT,
            keep=base + KEEP_AT,
            keeps=KEEPS,
            careful=self._careful,
            robust=True,
        )
        self._visitor.init(
            base,
            home=self._visitor_home,
            area_bytes=AREA_BYTES,
            careful=self._careful,
            robust=True,
        )
        _U32.pack_into(shared.memory, VISITOR_AT + LEFT_AT, 1)
        shared.memory[KEEP_AT : KEEP_AT + 4 * KEEPS] = b"\xff" * (4 * KEEPS)
        self._run_agent(owner, self.slot, OWNER_STACK_TOP)
        self._started = True

    def _run_agent(self, tracee: Tracee, slot: Slot, stack_top: int) -> None:
        registers = arch.at_call(tracee.home, self.base + self._blob.entry, 0)
        registers[arch.RDI] = slot.there
        registers[arch.RSP] = self.base + stack_top
        tracee.set_registers(registers)
        tracee.go()

    def visit(self, tracee: Tracee, program: Program) -> Executed:
        """Runs a program in another thread of the process, which is then back at home, stopped.

        The results are valid until the next visit.
        """
        if tracee is self._owner:
            return self.run(program)
        shared = self._shared
        assert shared is not None
        blob, slot = self._blob, self._visitor
        home = bytearray(blob.code[blob.visitor_home : blob.visitor_end])
        home[-HOME_DATA_BYTES:] = home_data(tracee, self.base + VISITOR_AT + LEFT_AT)
        self._poke(self._visitor_home, bytes(home))
        way_home = arch.at_call(tracee.home, self._visitor_home, 0)
        self._visiting = tracee
        try:
            tracee.set_registers(way_home)
            # The owner waits for this if we die: only now that the visitor is sure to say it.
            _U32.pack_into(shared.memory, VISITOR_AT + LEFT_AT, 0)
            tracee.set_mask(ptrace.ALL_SIGNALS)
            slot.task = tracee.tid
            self._run_agent(tracee, slot, VISITOR_STACK_TOP)
            return slot.run(program)
        finally:
            self._end_visit()

    def unmap(self) -> None:
        """Nothing is left to be unmapped when the tree is let go of, but by a CarefulAgent."""

    def _end_visit(self) -> None:
        tracee, shared = self._visiting, self._shared
        if tracee is None or shared is None:
            return
        tracee.stop()
        tracee.set_registers(arch.at_call(tracee.home, self._visitor_home, 0))
        tracee.set_mask(tracee.mask)
        _U32.pack_into(shared.memory, VISITOR_AT + LEFT_AT, 1)
        tracee.set_registers(tracee.home)
        self._visiting = None

    def _leave(self) -> None:
        owner = self._owner
        if self._entered:
            owner.stop()
            self._started = False
            if self._mapping and not self.base:
                # It is mapped already if we were interrupted between the call's end and its result.
                answer = arch.result(arch.unpack(ptrace.registers(owner.tid)))
                self.base = answer if answer > 0 and answer % kernel.PAGE == 0 else 0
            self._mapping = False
            if self.base:
                result = owner.run_syscall(
                    arch.at_call(
                        owner.home,
                        self._owner_home + self._blob.owner_unmap - self._blob.owner_home,
                        0,
                        self.base,
                        AREA_BYTES,
                    )
                )
                if result:
                    raise RemoteSyscallError(
                        f"Task {owner.pid} could not unmap the agent",
                        task=owner.pid,
                        call="munmap",
                        errno=-result,
                    )
                self.base = 0
            healing = arch.at_call(
                owner.home, self._owner_home + self._blob.owner_heal - self._blob.owner_home, 0
            )
            owner.set_registers(healing)
            owner.to_event_stop()
            owner.set_mask(owner.mask)
            owner.set_registers(owner.home)
            self._entered = False
        if self._shared is not None:
            if hasattr(self, "_visitor"):
                self.slot.forget()
                self._visitor.forget()
            self._shared.close()
            self._shared = None
        # A visitor that could not be put back has its way home there.
        if self._cave is not None and self._visiting is None:
            used = self._blob.visitor_end - self._blob.owner_home + len(CAVE_MARK)
            self._poke(self._cave.address, bytes(min(used, self._cave.length)))
            self._cave = None
        if self._memory >= 0:
            os.close(self._memory)
            self._memory = -1

    def _leave_after(self, error: BaseException) -> None:
        """Puts everything back after a failure, which stays the error that is reported."""
        for step in (self._end_visit, self._close_kept, self._leave):
            try:
                step()
            except (CrtoolsError, OSError) as second:
                error.add_note(f"And putting task {self._owner.pid} back failed: {second}")

    def _close_kept(self) -> None:
        """Closes the descriptors that a program which failed has left open in the task."""
        if not self._started:
            return
        slot = self.slot
        slot.end()
        program = Program()
        nothing = program.put(b"\xff" * 4)
        for at in range(KEEP_AT, KEEP_AT + 4 * KEEPS, 4):
            if slot.memory[at : at + 4] != b"\xff" * 4:
                program.call(SYS_close, (ARG_AREA32, at), expect=ANY)
                program.copy((ARG_AREA, at), nothing, 4)
        if program.count:
            slot.run(program)

    def _poke(self, address: int, content: bytes) -> None:
        written = os.pwrite(self._memory, content, address)
        if written != len(content):
            raise UnsupportedObject(
                f"Cannot write to the padding at {address:#x} of task {self._owner.pid}",
                because=f"{written} of {len(content)} bytes were written",
            )


class RobustList:
    """While it is open, the agents' slots are marked when this thread dies, however it dies."""

    def __enter__(self) -> None:
        if (result := kernel.robust_begin(ROBUST_OFFSET)) < 0:
            raise MissingFeature("Cannot set a robust futex list", because=os.strerror(-result))

    def __exit__(self, *_: object) -> None:
        kernel.robust_end()
