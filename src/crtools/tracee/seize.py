"""Seizing tasks with ptrace: stopping them where they are, and letting go of them unchanged.

A seized task is in exactly one of three states: running, stopped (registers may be read and
written), or gone. Only PTRACE_EVENT_STOP counts as stopped: there the kernel still decides about an
interrupted system call when the task goes on, with the registers that it finds then.
"""

from __future__ import annotations

import errno
import os
import struct
import time

from crtools.abi.kernel import address_of, raw
from crtools.errors import InternalError, MissingFeature, PermissionDenied, TaskVanished
from crtools.tracee import ptrace
from crtools.tracee import x86_64 as arch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SYS_process_vm_readv = 310
SIGKILL, SIGTRAP, SIGCONT, SIGSTOP = 9, 5, 18, 19
FAULTS = (4, 7, 8, 11)  # SIGILL, SIGBUS, SIGFPE, SIGSEGV: no mask holds off what code causes itself
STOP_SIGNALS = (19, 20, 21, 22)  # SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU
OPTIONS = ptrace.PTRACE_O_TRACESYSGOOD
OF_BIRTHS = ptrace.PTRACE_O_TRACEFORK | ptrace.PTRACE_O_TRACECLONE
BIRTHS = (ptrace.PTRACE_EVENT_FORK, ptrace.PTRACE_EVENT_CLONE)
SYSCALL_STOP = 0x80 | SIGTRAP  # PTRACE_O_TRACESYSGOOD


class Tracee:
    """A seized task and what it was doing.

    `home` is its registers and `mask` its blocked signals as they have to be when it is let go;
    `group_stop` is the signal that had stopped its process, or 0; `swallowed` counts SIGSTOPs that
    came meanwhile and are sent again afterwards; `slept` is how long it had been asleep, in ns, as
    far as that is known; what it begets while it is seized goes to `births`; `leads`: it is the
    first of several threads. A `newborn` was seized by the kernel, as its parent was, and stops
    before its first instruction of itself. `rseq` is (address, bytes, signature) of its struct
    rseq, None where the kernel does not tell. `again`: registers that begin a sleep anew, for one
    that may not be continued (crtools.tracee.asleep); they are set while the tool could die.
    """

    __slots__ = (
        *("again", "births", "group_stop", "home", "leads", "mask", "newborn", "pid", "rseq"),
        "slept",
        *("stopped", "swallowed", "tid"),
    )

    def __init__(self, pid: int, tid: int, births: list[int] | None = None) -> None:
        self.births = births
        self.newborn = False
        self.pid = pid
        self.tid = tid
        self.home: list[int] = []
        self.again: list[int] | None = None
        self.mask = b""
        self.group_stop = 0
        self.swallowed = 0
        self.slept = 0
        self.rseq: tuple[int, int, int] | None = None
        self.leads = False
        self.stopped = False

    def __repr__(self) -> str:
        return f"Tracee({self.pid}/{self.tid}, {'stopped' if self.stopped else 'running'})"

    def gone(self) -> TaskVanished:
        return TaskVanished(
            f"Task {self.tid} ended while it was being looked at",
            hint="run the command again",
            subject=("task", self.tid),
        )

    def save(self) -> None:
        """Reads what has to be put back: call it once, at the first stop."""
        self.again = None
        try:
            self.home = arch.unpack(ptrace.registers(self.tid))
            self.mask = ptrace.signal_mask(self.tid)
        except OSError as error:
            raise self.gone() from error

    def begin_again(self, call: int) -> None:
        """From now on, its sleep begins anew with the system call `call` if we die."""
        self.again = arch.at_call(self.home, self.home[arch.RIP] - len(arch.SYSCALL_BYTES), call)
        self.set_registers(self.again)

    def put_back(self) -> None:
        """Sets the registers that it has at rest, while it is stopped."""
        self.set_registers(self.again or self.home)

    def set_registers(self, registers: list[int]) -> None:
        try:
            ptrace.set_registers(self.tid, arch.pack(registers))
        except OSError as error:
            raise self.gone() from error

    def set_mask(self, mask: bytes) -> None:
        try:
            ptrace.set_signal_mask(self.tid, mask)
        except OSError as error:
            raise self.gone() from error

    def go(self) -> None:
        """Lets it run, still seized."""
        try:
            ptrace.cont(self.tid)
        except OSError as error:
            raise self.gone() from error
        self.stopped = False

    def interrupt(self) -> None:
        """Asks for a stop; where the task has ended, waiting for it will tell."""
        try:
            ptrace.interrupt(self.tid)
        except OSError as error:
            if error.errno != errno.ESRCH:
                raise

    def stop(self, deadline: float | None = None) -> bool:
        """Interrupts it and waits until it has stopped; False if the deadline passed first."""
        if self.stopped:
            return True
        try:
            ptrace.interrupt(self.tid)
        except OSError as error:
            raise self.gone() from error
        return self.wait_until_stopped(deadline)

    def wait_until_stopped(
        self, deadline: float | None = None, *, run_signals: bool = False
    ) -> bool:
        """Waits for the PTRACE_EVENT_STOP of an interrupt that was asked for.

        With `run_signals`, other signals on the way are delivered (the task runs its own code);
        otherwise a stop signal is put by and the rest stays blocked.
        """
        while True:
            status = self._wait(deadline)
            if status is None:
                return False
            signal = status >> 8 & 0xFF
            if status >> 16 == ptrace.PTRACE_EVENT_STOP:
                self.stopped = True
                self.group_stop = signal if signal in STOP_SIGNALS else 0
                return True
            if status >> 16 in BIRTHS and self.births is not None:
                self.births.append(self._begotten())
            self._pass_on(signal if status >> 16 == 0 else 0, run_signals)

    def _begotten(self) -> int:
        try:
            return ptrace.event_message(self.tid)
        except OSError as error:
            raise self.gone() from error

    def _wait(self, deadline: float | None = None) -> int | None:
        """The status of its next stop; None if the deadline passed first.

        The end of a first thread is reported when those of the others have been, for which nobody
        waits here: so it is looked at whether it is still there.
        """
        spins = 0
        while True:
            try:
                status = ptrace.wait(self.tid, block=deadline is None and not self.leads)
            except ChildProcessError as error:
                raise self.gone() from error
            if status is not None:
                if not os.WIFSTOPPED(status):
                    raise self.gone()
                return status
            spins += 1
            if deadline is not None and time.monotonic() > deadline:
                return None
            if spins <= 50:
                os.sched_yield()
                continue
            if self.leads and spins % 16 == 0 and not _has_memory(self.tid):
                raise self.gone()
            time.sleep(min(0.001, spins * 0.00001))

    def next_stop(self) -> int:
        """Waits for whatever stops it next; the status. It is stopped then."""
        status = self._wait()
        assert status is not None  # there is no deadline
        self.stopped = True
        return status

    def _pass_on(self, signal: int, deliver: bool) -> None:
        if signal == SYSCALL_STOP:
            signal = 0
        if signal and not deliver:
            self._swallow(signal)
            signal = 0
        try:
            ptrace.cont(self.tid, signal)
        except OSError as error:
            raise self.gone() from error

    def _swallow(self, signal: int) -> None:
        """SIGSTOP cannot be masked: it would stop our own code in there. It is sent again."""
        if signal in FAULTS:
            # Going on would run into it again, for ever. The task is stopped: it can be put back.
            self.stopped = True
            raise InternalError(
                f"crtools' own code in task {self.tid} ended with signal {signal}",
                subject=("task", self.tid),
            )
        self.swallowed += 1

    def run_syscall(self, registers: list[int]) -> int:
        """Runs the one system call that `registers` are set up for; ends at its exit, stopped.

        The result is the kernel's: negative is minus an errno.
        """
        self.set_registers(registers)
        for _ in range(2):  # entry, exit
            while True:
                try:
                    ptrace.cont_to_syscall(self.tid)
                except OSError as error:
                    raise self.gone() from error
                self.stopped = False
                status = self.next_stop()
                signal = status >> 8 & 0xFF
                if signal == SYSCALL_STOP and status >> 16 == 0:
                    break
                if status >> 16 == 0:
                    self._swallow(signal)
        return arch.result(arch.unpack(ptrace.registers(self.tid)))

    def to_event_stop(self) -> None:
        """From a system call's exit to a PTRACE_EVENT_STOP, without running an instruction.

        Only there does the kernel look at the registers for a call to be restarted; at the exit
        stop it is past that (kernel/entry/common.c, arch/x86/kernel/signal.c).
        """
        try:
            ptrace.interrupt(self.tid)
        except OSError as error:
            raise self.gone() from error
        self.go()
        self.wait_until_stopped()

    def release(self) -> None:
        """Lets go of it for good; it must be stopped with its own registers and mask."""
        try:
            self.send_swallowed()
            ptrace.detach(self.tid)
        except OSError as error:
            if error.errno != errno.ESRCH:
                raise
        self.stopped = False

    def send_swallowed(self) -> None:
        """Sends the SIGSTOP again that had come meanwhile; it waits until the task, stopped now, is
        let go of. Raises OSError.

        To be called for all tasks before any runs: one could take in a SIGCONT that ends the stop,
        and nothing would tell of that when the next one is let go of.
        """
        if self.swallowed and not self._continued():
            ptrace.tgkill(self.pid, self.tid, SIGSTOP)
        self.swallowed = 0

    def _continued(self) -> bool:
        """Whether a SIGCONT waits for it. That came after the stop that was swallowed, since a stop
        signal takes a waiting SIGCONT away, and this one, sent again, would do so now
        (kernel/signal.c, prepare_signal). All signals of a tracee are queued, ignored ones too."""
        return any(
            int.from_bytes(info[:4], "little") == SIGCONT
            for shared in (False, True)
            for info in ptrace.pending_signals(self.tid, shared=shared)
        )


def go_all(tracees: Sequence[Tracee]) -> None:
    """As Tracee.go of each."""
    results = ptrace.request_all(ptrace.PTRACE_CONT, [(tracee.tid, 0, 0) for tracee in tracees])
    for tracee, result in zip(tracees, results, strict=True):
        if result < 0:
            raise tracee.gone()
        tracee.stopped = False


def stop_all(tracees: Sequence[Tracee]) -> None:
    """As Tracee.stop of each, all at once."""
    wanted = [tracee for tracee in tracees if not tracee.stopped]
    results = ptrace.request_all(ptrace.PTRACE_INTERRUPT, [(tracee.tid, 0, 0) for tracee in wanted])
    for tracee, result in zip(wanted, results, strict=True):
        if result < 0:
            raise tracee.gone()
    for tracee in wanted:
        tracee.wait_until_stopped()


def set_all(tracees: Sequence[Tracee], request: int, rows: Sequence[tuple[int, int, int]]) -> None:
    """A request that sets something of stopped tasks: ptrace.request_all, a row for each. Raises
    TaskVanished, or OSError for what the kernel does not take."""
    for tracee, result in zip(tracees, ptrace.request_all(request, rows), strict=True):
        if result == -errno.ESRCH:
            raise tracee.gone()
        if result < 0:
            raise OSError(-result, os.strerror(-result))


def _has_memory(tid: int) -> bool:
    """Whether a task has an address space; one that has ended has none: process_vm_readv(2)
    answers ESRCH then, and EFAULT for an address where nothing is."""
    byte = bytearray(1)
    ours, theirs = struct.pack("<QQ", address_of(byte), 1), struct.pack("<QQ", 0, 1)
    there = raw(SYS_process_vm_readv, tid, address_of(ours), 1, address_of(theirs), 1, 0)
    return there != -errno.ESRCH


def seize(
    pid: int, tid: int, births: list[int] | None = None, *, suspend_seccomp: bool = True
) -> Tracee | None:
    """Seizes a task that runs on until it is stopped; None if it has ended or is a zombie.

    With `births`, the threads and processes that it begets are seized as it is and stop before
    their first instruction; their tids are added there when the task is next waited for. Children
    of vfork() are not: their parent could not be stopped before they have run.

    Raises InterruptedError where it would wait for the end of an execve in the process for longer
    than kernel.seize_patience was told.
    """
    options = OPTIONS
    if births is not None:
        options |= OF_BIRTHS
    if suspend_seccomp:
        options |= ptrace.PTRACE_O_SUSPEND_SECCOMP
    try:
        ptrace.seize(tid, options)
    except OSError as error:
        if error.errno == errno.ESRCH:
            return None
        if suspend_seccomp and error.errno in (errno.EPERM, errno.EINVAL):
            # SUSPEND_SECCOMP needs CAP_SYS_ADMIN in the initial user namespace and
            # CONFIG_CHECKPOINT_RESTORE; a task without a filter does without it.
            return seize(pid, tid, births, suspend_seccomp=False)
        if error.errno == errno.EPERM:
            return None
        if error.errno == errno.EINTR:
            raise
        raise MissingFeature(
            f"Cannot seize task {tid}",
            because=f"ptrace: {os.strerror(error.errno or 0)}",
            hint="crtools check",
            subject=("task", tid),
        ) from error
    return Tracee(pid, tid, births)


def denied(tid: int, tracer: int) -> PermissionDenied:
    """The error for a live task that could not be seized."""
    if tracer:
        return PermissionDenied(
            f"Cannot seize task {tid}",
            because=f"task {tracer} is tracing it already, and a task has one tracer at a time",
            hint=f"detach the debugger or tracer {tracer} first",
            subject=("task", tid),
        )
    return PermissionDenied(
        f"Cannot seize task {tid}",
        because="the kernel does not let this user trace it (ptrace(2), access mode checking)",
        hint="run crtools as root, or as the task's user with CAP_SYS_PTRACE",
        subject=("task", tid),
    )


def watch(tracees: list[Tracee]) -> Callable[[], None]:
    """For use while agents run: sees to stop signals, and raises TaskVanished where one died."""

    def look() -> None:
        for tracee in tracees:
            if tracee.stopped:
                continue
            try:
                status = ptrace.wait(tracee.tid, block=False)
            except ChildProcessError as error:
                raise tracee.gone() from error
            if status is None:
                # A first thread's end is reported after those of the others: as in Tracee._wait.
                if tracee.leads and not _has_memory(tracee.tid):
                    raise tracee.gone()
                continue
            if not os.WIFSTOPPED(status):
                raise tracee.gone()
            tracee._pass_on(status >> 8 & 0xFF if status >> 16 == 0 else 0, False)

    return look
