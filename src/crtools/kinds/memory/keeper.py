"""The keeper: the process that holds what follows changed memory, from one command to the next.

It is agent/keeper.c, a program of one page that does nothing but wait; it ends when the processes
have. Its life is also what says whether changes are still counted from where an image directory
says: who protects the pages anew ends it first and starts another
(docs/decisions/0024-what-has-changed.md).
"""

from __future__ import annotations

import errno
import os
import struct

from crtools.abi import kernel
from crtools.abi.x86_64 import (
    SYS_pidfd_getfd,
    SYS_pidfd_open,
    SYS_pidfd_send_signal,
    SYS_poll,
    SYS_socketpair,
)
from crtools.agent.blob import read_keeper
from crtools.errors import CrtoolsError, MissingFeature, TaskVanished
from crtools.procfs.files import read_task_file
from crtools.procfs.stat import read_stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

COMM = b"crtools-keeper"
USERFAULT = "anon_inode:[userfaultfd]"
_AF_UNIX, _SOCK_SEQPACKET_CLOEXEC = 1, 5 | 0o2000000
_SIGKILL, _POLLIN = 9, 1
_PATIENCE_MS = 10000
_PID = struct.Struct("<i")


class Keeper:
    """A keeper that lives; `pidfd` is ours, until `close`."""

    __slots__ = ("pid", "pidfd", "proc", "starttime")

    def __init__(self, proc: int, pid: int, starttime: int, pidfd: int) -> None:
        self.proc = proc
        self.pid = pid
        self.starttime = starttime
        self.pidfd = pidfd

    def take(self, number: int) -> int | None:
        """A descriptor of ours for the userfaultfd that it holds at `number`, None if it has none
        there."""
        try:
            if os.readlink(f"{self.pid}/fd/{number}", dir_fd=self.proc) != USERFAULT:
                return None
            return kernel.checked(SYS_pidfd_getfd, self.pidfd, number, 0)
        except OSError:
            return None

    def lives(self) -> bool:
        polled = bytearray(struct.pack("<ihh", self.pidfd, _POLLIN, 0))
        return kernel.raw(SYS_poll, kernel.address_of(polled), 1, 0) == 0

    def end(self) -> None:
        """Ends it; when this returns nobody takes anything from it any more."""
        result = kernel.raw(SYS_pidfd_send_signal, self.pidfd, _SIGKILL, 0, 0)
        if result < 0 and result != -errno.ESRCH:
            raise CrtoolsError(
                f"Cannot end the keeper, task {self.pid}", because=os.strerror(-result)
            )
        polled = bytearray(struct.pack("<ihh", self.pidfd, _POLLIN, 0))
        if kernel.raw(SYS_poll, kernel.address_of(polled), 1, _PATIENCE_MS) != 1:
            raise CrtoolsError(f"The keeper, task {self.pid}, does not end")

    def close(self) -> None:
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1


def find_keeper(proc: int, pid: int, starttime: int) -> Keeper | None:
    """The keeper with this pid, if it is still the one that began at `starttime`."""
    pidfd = kernel.raw(SYS_pidfd_open, pid, 0)
    if pidfd < 0:
        return None
    try:
        # Looked at while the pidfd says whose number that is.
        stat = read_stat(proc, pid)
        if stat.comm == COMM and stat.starttime == starttime and stat.state not in "ZX":
            keeper = Keeper(proc, pid, starttime, pidfd)
            pidfd = -1
            return keeper
    except CrtoolsError:
        pass
    finally:
        if pidfd >= 0:
            os.close(pidfd)
    return None


def find_holders(proc: int, targets: dict[int, int]) -> Iterator[tuple[Keeper, dict[int, int]]]:
    """All keepers that follow the memory of one of the processes, whatever images speak of them:
    each with the numbers of its userfaultfds by the process's pid. `targets`: pids, and when they
    began. Nothing is found of keepers in other pid namespaces."""
    for name in os.listdir(proc):
        if not name.isdigit():
            continue
        try:
            stat = read_stat(proc, int(name))
        except (TaskVanished, OSError):
            continue
        if stat.comm != COMM:
            continue
        keeper = find_keeper(proc, stat.pid, stat.starttime)
        if keeper is None:
            continue
        numbers = _held(proc, keeper, targets)
        if numbers:
            yield keeper, numbers
        else:
            keeper.close()


def _held(proc: int, keeper: Keeper, targets: dict[int, int]) -> dict[int, int]:
    """Its pidfds come first, then the userfaultfds, in the same order."""
    pids: list[int] = []
    numbers: list[int] = []
    try:
        for number in sorted(_numbers(proc, keeper.pid)):
            link = os.readlink(f"{keeper.pid}/fd/{number}", dir_fd=proc)
            if link == USERFAULT:
                numbers.append(number)
            elif "pidfd" in link:
                pids.append(_pid_of(proc, keeper.pid, number))
    except (CrtoolsError, OSError):
        return {}
    if len(pids) != len(numbers):
        return {}
    return {pid: at for pid, at in zip(pids, numbers, strict=True) if pid in targets}


def _numbers(proc: int, pid: int) -> list[int]:
    directory = os.open(f"{pid}/fd", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=proc)
    try:
        return [int(name) for name in os.listdir(directory)]
    finally:
        os.close(directory)


def _pid_of(proc: int, keeper: int, number: int) -> int:
    """Whose pidfd it is; -1 once that has ended."""
    for line in read_task_file(proc, keeper, f"fdinfo/{number}").splitlines():
        if line.startswith(b"Pid:"):
            return int(line[4:])
    return -1


class NewKeeper:
    """A keeper that has been started and ends with us, unless it is told to `stay`."""

    def __init__(self, pidfds: Sequence[int], held: Sequence[int]) -> None:
        """`pidfds` are of the processes whose end it waits for, `held` what it only holds; both
        stay ours as well. Raises MissingFeature."""
        numbers = [*pidfds, *held]
        ends = bytearray(8)
        kernel.checked(
            SYS_socketpair, _AF_UNIX, _SOCK_SEQPACKET_CLOEXEC, 0, kernel.address_of(ends)
        )
        self._ours, theirs = struct.unpack("<ii", ends)
        program = os.memfd_create("crtools-keeper", os.MFD_CLOEXEC)
        try:
            os.write(program, read_keeper())
            # Above all that is open here, so that no number is given away before it is copied.
            base = max(*numbers, self._ours, theirs, program) + 1
            pid = os.posix_spawn(
                f"/proc/self/fd/{program}",
                ["crtools-keeper", str(base), str(len(pidfds)), str(len(numbers))],
                {},
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, number, base + at)
                    for at, number in enumerate([*numbers, theirs])
                ],
            )
        except OSError as error:
            os.close(self._ours)
            raise MissingFeature(
                "Cannot start the keeper, which follows changes until the next command",
                because=os.strerror(error.errno or 0),
            ) from error
        finally:
            os.close(program)
            os.close(theirs)
        # What we started has begotten the keeper, and ends.
        os.waitpid(pid, 0)
        said = os.read(self._ours, _PID.size)
        if len(said) != _PID.size:
            os.close(self._ours)
            raise MissingFeature("The keeper, which follows changes until the next command, ended")
        self.pid: int = _PID.unpack(said)[0]
        self.first = base + len(pidfds)  # where it has the first of `held`

    def stay(self) -> None:
        """From now on it outlives us."""
        os.write(self._ours, b"\0")
        self.close()

    def close(self) -> None:
        if self._ours >= 0:
            os.close(self._ours)
            self._ours = -1
