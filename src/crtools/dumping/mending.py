"""What the mere stop of a task did to it, taken back in the registers that will be put back."""

from __future__ import annotations

import os
import struct
import time

from crtools.errors import CrtoolsError, MissingFeature
from crtools.procfs.files import read_task_file
from crtools.procfs.sched import read_exec_start
from crtools.procfs.stat import parse_stat
from crtools.procfs.syscall import read_syscall
from crtools.tracee import ptrace
from crtools.tracee import x86_64 as arch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    from crtools.procfs.syscall import BlockedIn
    from crtools.tracee.seize import Tracee

    # When a task last ran, by its CPU's scheduler clock in ns, and its stat text, which names that
    # CPU.
    Asleep: TypeAlias = tuple[int, bytes]

EINTR = 4
# These answer -EINTR for a mere stop, unlike all others (signal(7), "Interruption of system calls
# and library functions by stop signals"): epoll_wait, epoll_pwait, epoll_pwait2, semop,
# semtimedop, rt_sigtimedwait, io_getevents, io_pgetevents, io_uring_enter; and on sockets with a
# time limit (SO_RCVTIMEO, SO_SNDTIMEO) read, write, readv, writev, connect, accept, sendto,
# recvfrom, sendmsg, recvmsg, accept4, recvmmsg, sendmmsg. The program must not see it: they begin
# again. None of them has done anything when it answers that.
ANSWER_EINTR = frozenset(
    (
        *(232, 281, 441, 65, 220, 128, 208, 333, 426),
        *(0, 1, 19, 20, 42, 43, 44, 45, 46, 47, 288, 299, 307),
    )
)
# semtimedop, rt_sigtimedwait, io_getevents, io_pgetevents, epoll_pwait2
LIMITS_IN_MEMORY = (220, 128, 208, 333, 441)
EPOLL_WAITS = (232, 281)  # epoll_wait, epoll_pwait: milliseconds in r10
# These are interrupted with ERESTART_RESTARTBLOCK: poll, nanosleep, restart_syscall,
# clock_nanosleep; and futex, where it has a timeout.
LIMITED = frozenset((*EPOLL_WAITS, *LIMITS_IN_MEMORY, 7, 35, 219, 230))
SYS_futex = 202
# The same in 32-bit code (arch/x86/entry/syscalls/syscall_32.tbl): that is refused, unharmed.
# epoll_wait, epoll_pwait (milliseconds in esi), epoll_pwait2, semtimedop_time64, rt_sigtimedwait,
# rt_sigtimedwait_time64, io_getevents; SEMOP and SEMTIMEDOP of ipc(2).
ANSWER_EINTR_32 = frozenset((256, 319, 441, 420, 177, 421, 247))
EPOLL_WAITS_32 = (256, 319)
SYS_ipc_32, SEM_CALLS = 117, (1, 4)


def _answers_eintr_32(call: int, first: int) -> bool:
    return call in ANSWER_EINTR_32 or (call == SYS_ipc_32 and first & 0xFFFF in SEM_CALLS)


def _has_limit(blocked: BlockedIn) -> bool:
    """Whether a task may be in a call that ends after a time which our stop makes unknown."""
    if blocked.number == SYS_futex:
        return blocked.arguments[3] != 0
    return blocked.number in LIMITED or blocked.instruction_pointer < 1 << 32


class Mender:
    """Mends tasks that have been stopped: calls that answer EINTR to any stop begin again with what
    is left of their time, a restartable sequence goes on at its abort handler."""

    def __init__(self, proc: int) -> None:
        self._proc = proc
        self._clocks: dict[int, int] = {}  # of CPUs, less CLOCK_MONOTONIC

    def asleep_since(self, pid: int, tid: int) -> Asleep | None:
        """Of a task that sleeps for a limited time, just before it is stopped; None where the
        kernel does not tell (CONFIG_SCHED_DEBUG)."""
        try:
            blocked = read_syscall(self._proc, pid, tid)
            if blocked is None or not _has_limit(blocked):
                return None
        except MissingFeature:
            pass  # CONFIG_HAVE_ARCH_TRACEHOOK: then everybody's is looked up
        except CrtoolsError:
            return None
        try:
            start = read_exec_start(self._proc, pid, tid)
            return None if start is None else (start, read_task_file(self._proc, pid, "stat", tid))
        except CrtoolsError:
            return None

    def _slept(self, asleep: Asleep) -> int:
        """How long ago that was, in ns: never more than it really was.

        Every CPU's scheduler clock leaves out what interrupts and the hypervisor took of that CPU,
        so it is compared with the same CPU's clock now: when we last ran, having just been moved
        there.
        """
        start, text = asleep
        cpu = parse_stat(text).processor
        if cpu not in self._clocks:
            allowed = os.sched_getaffinity(0)
            try:
                os.sched_setaffinity(0, (cpu,))
            except OSError:
                return 0  # not ours to use: as if it had just fallen asleep
            try:
                own = os.getpid()
                before = time.monotonic_ns()
                now = read_exec_start(self._proc, own, own) or 0
                self._clocks[cpu] = now - before
            finally:
                os.sched_setaffinity(0, allowed)
        return max(time.monotonic_ns() + self._clocks[cpu] - start, 0)

    def mend(self, tracee: Tracee, asleep: Asleep | None) -> None:
        """Takes back what our stop alone did to the task's registers."""
        home = tracee.home
        call = home[arch.ORIG_RAX]
        native = home[arch.CS] == arch.CS_64
        answers_eintr = arch.result(home) == -EINTR and (
            call in ANSWER_EINTR if native else _answers_eintr_32(call, home[arch.RBX])
        )
        if asleep and (answers_eintr or arch.interrupted_with(home) == arch.ERESTART_RESTARTBLOCK):
            tracee.slept = self._slept(asleep)
        if arch.interrupted_with(home) == arch.ERESTART_RESTARTBLOCK:
            self._secure_sleep(tracee)
        if answers_eintr:
            home[arch.RAX] = (1 << 64) - arch.ERESTARTNOHAND
            where = arch.R10 if native else arch.RSI
            milliseconds = home[where]
            if call in (EPOLL_WAITS if native else EPOLL_WAITS_32) and 0 < milliseconds < 1 << 31:
                # Begun anew with the whole time, a wait that is dumped often would never end.
                home[where] = max(milliseconds - tracee.slept // 1_000_000, 0)
            elif native and call in LIMITS_IN_MEMORY:
                from crtools.kinds.process import waiting

                waiting.shorten(tracee)
            # At once: the task may be let go of without anything else having been changed.
            tracee.set_registers(home)
        tracee.rseq = rseq = ptrace.rseq(tracee.tid)
        if rseq and rseq[0]:
            self._leave_critical_section(tracee, rseq[0])

    def _secure_sleep(self, tracee: Tracee) -> None:
        """Filters may forbid to continue a sleep: if we die now, it begins anew."""
        # Most have none, and what knows of filters is not imported for them.
        if not ptrace.has_filters(tracee.tid):
            return
        from crtools.tracee.asleep import may_continue
        from crtools.tracee.filters import read_chain

        if may_continue(read_chain(tracee.tid), tracee.home):
            return
        from crtools.kinds.process.restart import interrupted_call

        memory = os.open(f"{tracee.pid}/mem", os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._proc)
        try:
            call = interrupted_call(tracee.home, memory)
        finally:
            os.close(memory)
        if call:
            tracee.begin_again(call)

    def _leave_critical_section(self, tracee: Tracee, address: int) -> None:
        """A task stopped inside a restartable sequence goes on at its abort handler, as after any
        preemption (rseq(2)); the kernel would do it from rseq_cs, which our own code in there makes
        it forget."""
        fd = os.open(f"{tracee.tid}/mem", os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._proc)
        try:
            pointer = struct.unpack("<Q", os.pread(fd, 8, address + 8))[0]
            if not pointer:
                return
            _, _, start, length, abort = struct.unpack("<IIQQQ", os.pread(fd, 32, pointer))
        except (OSError, struct.error):
            return  # the kernel would find no sequence there either
        finally:
            os.close(fd)
        if start <= tracee.home[arch.RIP] < start + length:
            tracee.home[arch.RIP] = abort
