"""The agent in a process whose seccomp filters forbid what the way home consists of.

While the tool lives, PTRACE_O_SUSPEND_SECCOMP lifts the filters; the moment it is dead they hold
again, and a task that just then makes a call that they forbid is killed. So nothing that the task
does by itself here is a system call, but for rt_sigreturn(2), which strict mode and nearly every
filter allow: without it no signal handler returns (docs/decisions/0006-seccomp-and-death.md).

- The area is mapped and unmapped through the gate (agent/home.S), where the task waits with its
  signals unblocked. It is unmapped when the tree is let go of and not before: a signal that comes
  meanwhile is delivered, and what its handler changes must not get between a process's images.
- In the area the agent spins, and looks for our death before every call. Its way
  home is a signal frame with all registers and the mask. The area is left behind then.
"""

from __future__ import annotations

import os
import struct
import time

from crtools.abi import kernel
from crtools.agent.blob import read_blob
from crtools.agent.inject import (
    AREA_BYTES,
    CAVE_MARK,
    CODE_AT,
    MAP_SHARED_ANON,
    NO_DESCRIPTORS_AT,
    OWNER_AT,
    OWNER_ROOM_AT,
    PROT_RWX,
    VISITOR_AT,
    VISITOR_ROOM,
    VISITOR_ROOM_AT,
    Agent,
    Cave,
    explain_mmap,
    find_cave,
    home_data,
)
from crtools.agent.slot import CAREFUL_HOME, CAREFUL_LOOK, Slot
from crtools.errors import InternalError, RemoteSyscallError, UnsupportedObject
from crtools.procfs.maps import read_maps
from crtools.procfs.stat import read_stat
from crtools.tracee import ptrace
from crtools.tracee import x86_64 as arch
from crtools.tracee.seize import SIGSTOP, watch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.agent.program import Program
    from crtools.agent.slot import Executed
    from crtools.tracee.seize import Tracee

SYS_mmap, SYS_munmap, SYS_perf_event_open = 9, 11, 298
# linux/perf_event.h: PERF_TYPE_SOFTWARE, sizeof(struct perf_event_attr), PERF_COUNT_SW_TASK_CLOCK
_TASK_CLOCK = struct.pack("<IIQ", 1, 112, 1).ljust(112, b"\0")
_PERF_FLAG_FD_CLOEXEC = 8
_ANY = (1 << 64) - 1  # every CPU; no group
# The upper part of the area. A handler that runs after our death may use the agent's stack.
OWNER_CONTEXT_AT = 0xC0000
VISITOR_CONTEXT_AT = 0xD0000
VISITOR_STACK_TOP = 0xF0000
OWNER_STACK_TOP = 0x100000
_OWNER_ROOM = OWNER_CONTEXT_AT - OWNER_ROOM_AT

_PATIENCE = 1 << 24  # turns of the gate's loops, about a second of its running
_LOOK_NS = 300_000
_OPEN_SECONDS = 1.0  # after which the gate is opened without having seen the task run
_TRIES = 50  # signals that are waited out
_GO_AT = 200  # of the gate's data: agent/home.S GATE_OPEN
_CARRIES_OVER = 1 << 11  # the overflow flag

# struct ucontext (asm/ucontext.h) up to its signal mask: flags, link, stack, sigcontext_64
# (asm/sigcontext.h), mask.
_CONTEXT = struct.Struct("<QQQiIQ 18Q4H4Q Q64x 8s")
_XSTATE_AT = 320  # behind it; aligned to 64 bytes, as XRSTOR wants it
_UC_FLAGS = 7  # UC_FP_XSTATE | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS
# sigaltstack(2) refuses these flags, so that the task's alternate stack stays what it is: the
# kernel does not mind (kernel/signal.c, restore_altstack).
_NO_STACK = 0x77
# What stands in the XSAVE area for programs, asm/sigcontext.h struct _fpx_sw_bytes.
_SOFTWARE_AT = 464
_SOFTWARE = struct.Struct("<IIQI28x")
_MAGIC1, _MAGIC2 = 0x46505853, 0x46505845
_XSTATE_COMPONENTS = 0xD  # the CPUID leaf
_TILES = 1 << 17 | 1 << 18  # AMX: not in the frames of a task that has not asked for them


class Gate:
    """Makes one system call at a time in a stopped task; if we die, the task goes on as it was."""

    def __init__(self, proc: int, memory: int, cave: Cave, tracee: Tracee) -> None:
        self._proc = proc
        blob = read_blob()
        self._memory = memory
        self._tracee = tracee
        self._start = cave.address + len(CAVE_MARK)
        self._passed = self._start + blob.gate_passed - blob.gate
        self._left = self._start + blob.gate_left - blob.gate
        self._data = self._start + blob.gate_data - blob.gate
        self._end = self._start + blob.gate_end - blob.gate
        self._cave = cave
        self._code = blob.code[blob.gate : blob.gate_data]

    @staticmethod
    def room() -> int:
        blob = read_blob()
        return len(CAVE_MARK) + blob.gate_end - blob.gate

    def call(self, nr: int, *args: int) -> int:
        """The result. The task is stopped behind the gate then: set its registers.

        A signal that comes before is delivered, as if it had come before we did; what the task has
        to return to is then another place. Raises UnsupportedObject where too many come.
        """
        tracee = self._tracee
        for _ in range(_TRIES):
            self._poke(self._start, self._code + self._home())
            self._poke(self._cave.address, CAVE_MARK)
            registers = arch.at_call(tracee.home, self._start, nr, *args)
            registers[arch.R15] = registers[arch.R14] = _PATIENCE
            tracee.set_registers(registers)
            tracee.go()
            self._open()
            result = self._wait()
            if result is not None:
                return result
        raise UnsupportedObject(
            f"Cannot run anything in task {tracee.tid}",
            because="signals come faster than a system call can be made",
            hint="dump it at a quieter moment",
            subject=("task", tracee.tid),
        )

    def clear(self) -> None:
        self._poke(self._cave.address, bytes(self._end - self._cave.address))

    def _open(self) -> None:
        """Opens the gate while the task runs: it passes at once. A task that is waiting for a CPU
        just then could come to the call when we are dead.

        A task-clock event (perf_event_open(2)) tells exactly how long a task has run until now.
        Where there is none, or only one CPU, or the machine is too busy to see both of us running,
        the gate is opened all the same.
        """
        end = time.monotonic() + (_OPEN_SECONDS if (os.cpu_count() or 1) > 1 else 0.0)
        clock = kernel.raw(
            SYS_perf_event_open,
            kernel.address_of(_TASK_CLOCK),
            self._tracee.tid,
            _ANY,
            _ANY,
            _PERF_FLAG_FD_CLOEXEC,
        )
        if clock >= 0:
            allowed = os.sched_getaffinity(0)
            try:
                self._make_way(allowed)
                while time.monotonic() < end:
                    if self._open_if_running(clock):
                        return
                    os.sched_yield()
            finally:
                os.sched_setaffinity(0, allowed)
                os.close(clock)
        self._poke(self._data + _GO_AT, b"\1")

    def _make_way(self, allowed: set[int]) -> None:
        """To another CPU than the task's: where we wake it, it is often put on our own."""
        others = allowed - {read_stat(self._proc, self._tracee.tid).processor}
        if others:
            os.sched_setaffinity(0, others)

    def _open_if_running(self, clock: int) -> bool:
        # If the look takes long, the task may have run while we did not, and does not now. It is
        # one line: nothing comes between the look and the opening, no test's kill either.
        now, read, write = time.monotonic_ns, os.read, os.pwrite
        c, m, at, much = clock, self._memory, self._data + _GO_AT, _LOOK_NS
        done = (
            (t := now()) and read(c, 8) != read(c, 8) and now() - t < much and write(m, b"\1", at)
        )
        return bool(done)

    def _home(self) -> bytes:
        overflow = 1 if self._tracee.home[arch.FLAGS] & _CARRIES_OVER else 0
        return home_data(self._tracee, overflow << 32)

    def _wait(self) -> int | None:
        """The call's result, or None where a signal came instead and was delivered."""
        tracee = self._tracee
        passed = False
        result = 0
        while True:
            # It takes a moment, and to be stopped just before the call would be the wrong one.
            time.sleep(0.00005)
            # Shut before it is stopped: stopped in front of an open gate, it would go through it
            # after our death.
            self._poke(self._data + _GO_AT, b"\0")
            try:
                ptrace.interrupt(tracee.tid)
                status = tracee.next_stop()
                registers = arch.unpack(ptrace.registers(tracee.tid))
            except OSError as error:
                raise tracee.gone() from error
            at = registers[arch.RIP]
            if not self._start <= at < self._left:
                # On its way home, or there: then these are its own registers.
                if not self._start <= at < self._end:
                    tracee.save()
                raise InternalError(
                    f"Task {tracee.tid} did not wait for crtools",
                    because="crtools was held up for too long",
                    hint="run the command again",
                )
            if at >= self._passed:
                passed, result = True, arch.result(registers)
            signal = status >> 8 & 0xFF
            if status >> 16 == ptrace.PTRACE_EVENT_STOP:
                if passed:
                    return result
                # At its beginning again.
                registers[arch.RIP] = self._start
                registers[arch.R15] = _PATIENCE
                tracee.set_registers(registers)
                tracee.go()
                self._open()
            elif signal == SIGSTOP:
                tracee.swallowed += 1
                self._go_on(0)
            else:
                tracee.set_registers(tracee.home)
                self._go_on(signal)
                tracee.wait_until_stopped(run_signals=True)
                self._save()
                return result if passed else None

    def _save(self) -> None:
        """Where it has to return to now, after a signal."""
        tracee = self._tracee
        call = tracee.again[arch.RAX] if tracee.again is not None else 0
        tracee.save()
        if call and arch.interrupted_with(tracee.home) == arch.ERESTART_RESTARTBLOCK:
            tracee.begin_again(call)  # no handler ran: it is in the same sleep

    def _go_on(self, signal: int) -> None:
        try:
            ptrace.cont(self._tracee.tid, signal)
        except OSError as error:
            raise self._tracee.gone() from error
        self._tracee.stopped = False

    def _poke(self, address: int, content: bytes) -> None:
        if os.pwrite(self._memory, content, address) != len(content):
            raise InternalError(f"Cannot write to the padding of task {self._tracee.tid}")


class CarefulAgent(Agent):
    """As Agent; leaving the context leaves the area mapped, until `unmap`."""

    takes_descriptors = False

    def _enter(self) -> None:
        owner = self._owner
        self._memory = os.open(f"{owner.tid}/mem", os.O_RDWR | os.O_CLOEXEC, dir_fd=self._proc)
        gate = self._gate()
        base = self._pass(gate, SYS_mmap, 0, AREA_BYTES, PROT_RWX, MAP_SHARED_ANON, -1, 0)
        if base < 0:
            raise explain_mmap(owner.pid, -base)
        self.base = base
        self._check_mappings()
        self._map(owner.tid, base)
        self._start_careful()

    def unmap(self) -> None:
        """Takes the area away; all threads are stopped, and will be let go of."""
        if not self.base:
            return
        owner = self._owner
        self._memory = os.open(f"{owner.tid}/mem", os.O_RDWR | os.O_CLOEXEC, dir_fd=self._proc)
        try:
            result = self._pass(self._gate(), SYS_munmap, self.base, AREA_BYTES)
        finally:
            os.close(self._memory)
            self._memory = -1
        if result:
            raise RemoteSyscallError(
                f"Task {owner.pid} could not unmap the agent",
                task=owner.pid,
                call="munmap",
                errno=-result,
            )
        self.base = 0

    def _gate(self) -> Gate:
        cave = find_cave(self._memory, self._mappings, Gate.room())
        if cave is None:
            raise UnsupportedObject(
                f"Cannot run anything in task {self._owner.pid}",
                because=f"none of its executable areas ends in {Gate.room()} bytes of padding",
                hint="run it with a vDSO (no vdso=0 on the kernel's command line)",
                subject=("task", self._owner.pid),
            )
        self._check_recovered(cave)
        return Gate(self._proc, self._memory, cave, self._owner)

    def _pass(self, gate: Gate, nr: int, *args: int) -> int:
        owner = self._owner
        try:
            return gate.call(nr, *args)
        finally:
            if owner.stopped:
                owner.put_back()
                gate.clear()

    def _check_mappings(self) -> None:
        """A handler that ran meanwhile may have made the stack grow: the areas that are to be
        dumped are known already."""
        now = [
            (vma.start, vma.end)
            for vma in read_maps(self._proc, self._owner.tid)
            if not self.base <= vma.start < self.base + AREA_BYTES
        ]
        if now != [(vma.start, vma.end) for vma in self._mappings]:
            raise UnsupportedObject(
                f"Cannot dump task {self._owner.pid}: its memory changed while it was looked at",
                because="a signal came",
                hint="run the command again",
                subject=("task", self._owner.pid),
            )

    def _start_careful(self) -> None:
        shared, base, blob, owner = self._shared, self.base, self._blob, self._owner
        assert shared is not None
        shared.memory[CODE_AT : CODE_AT + len(blob.code)] = blob.code
        shared.memory[NO_DESCRIPTORS_AT : NO_DESCRIPTORS_AT + 4] = b"\1\0\0\0"
        look = watch(self._tracees)
        self.slot = Slot(owner.tid, shared, base, OWNER_AT, OWNER_ROOM_AT, _OWNER_ROOM, look)
        self._visitor = Slot(0, shared, base, VISITOR_AT, VISITOR_ROOM_AT, VISITOR_ROOM, look)
        for slot, context in (
            (self.slot, OWNER_CONTEXT_AT),
            (self._visitor, VISITOR_CONTEXT_AT),
        ):
            slot.init(base, home=base + context, careful=CAREFUL_LOOK | CAREFUL_HOME, robust=True)
            slot.look_ms = 1  # nobody wakes us
        self._entered = True
        self._go_in(owner, self.slot, OWNER_CONTEXT_AT, OWNER_STACK_TOP)
        self._started = True

    def _go_in(self, tracee: Tracee, slot: Slot, context_at: int, stack_top: int) -> None:
        shared = self._shared
        assert shared is not None
        context = signal_context(tracee, self.base + context_at)
        shared.memory[context_at : context_at + len(context)] = context
        registers = arch.at_call(tracee.home, self.base + self._blob.entry, 0)
        registers[arch.RDI] = slot.there
        registers[arch.RSP] = self.base + stack_top
        tracee.set_registers(registers)
        tracee.set_mask(ptrace.ALL_SIGNALS)
        tracee.go()

    def _come_out(self, tracee: Tracee) -> None:
        """The mask first: in the agent, the way home puts it back as well."""
        tracee.stop()
        tracee.set_mask(tracee.mask)
        tracee.put_back()

    def visit(self, tracee: Tracee, program: Program) -> Executed:
        if tracee is self._owner:
            return self.run(program)
        slot = self._visitor
        slot.task = tracee.tid
        self._visiting = tracee
        try:
            self._go_in(tracee, slot, VISITOR_CONTEXT_AT, VISITOR_STACK_TOP)
            return slot.run(program)
        finally:
            self._end_visit()

    def _end_visit(self) -> None:
        if self._visiting is not None:
            self._come_out(self._visiting)
            self._visiting = None

    def _leave(self) -> None:
        if self._entered:
            if self._started:
                self.slot.end()
                self._started = False
            self._come_out(self._owner)
            self._entered = False
        if self._shared is not None:
            if hasattr(self, "_visitor"):
                self.slot.forget()
                self._visitor.forget()
            self._shared.close()
            self._shared = None
        if self._memory >= 0:
            os.close(self._memory)
            self._memory = -1

    def _close_kept(self) -> None:
        """Descriptors are not given to such a task."""


def signal_context(tracee: Tracee, address: int) -> bytes:
    """What rt_sigreturn(2) takes all of a task's registers and its mask from: a struct ucontext
    that lies at `address`, and the extended state behind it."""
    words = struct.unpack_from("<20Q", home_data(tracee, 0))
    home = list(words) + tracee.home[len(words) :]
    order = (
        *(arch.R8, arch.R9, arch.R10, arch.R11, arch.R12, arch.R13, arch.R14, arch.R15),
        *(arch.RDI, arch.RSI, arch.RBP, arch.RBX, arch.RDX, arch.RAX, arch.RCX, arch.RSP),
        *(arch.RIP, arch.FLAGS),
    )
    head = _CONTEXT.pack(
        *(_UC_FLAGS, 0, 0, _NO_STACK, 0, 0),
        *[home[index] for index in order],
        *(home[arch.CS], 0, 0, home[arch.SS]),
        *(0, 0, 0, 0),
        address + _XSTATE_AT,
        tracee.mask,
    )
    return head.ljust(_XSTATE_AT, b"\0") + frame_xstate(ptrace.xstate(tracee.tid))


def frame_xstate(xstate: bytes) -> bytes:
    """An XSAVE area as ptrace gives it, as a signal frame has it."""
    enabled = int.from_bytes(xstate[_SOFTWARE_AT : _SOFTWARE_AT + 8], "little")
    used = int.from_bytes(xstate[512:520], "little")
    if not used & _TILES:
        enabled &= ~_TILES
    size = 512 + 64
    for component in range(2, 63):
        if enabled >> component & 1:
            length, offset, _, _ = kernel.cpuid(_XSTATE_COMPONENTS, component)
            size = max(size, offset + length)
    area = bytearray(xstate[:size].ljust(size, b"\0"))
    _SOFTWARE.pack_into(area, _SOFTWARE_AT, _MAGIC1, size + 4, enabled, size)
    return bytes(area) + _MAGIC2.to_bytes(4, "little")
