"""Time namespaces: time_namespaces(7), /proc/PID/timens_offsets.

A tree whose processes share one time namespace is carried with what its clocks show, in
timens-0.img, where CRIU writes the clocks of every tree. It is restored into a new time namespace
where CLOCK_MONOTONIC and CLOCK_BOOTTIME go on from there; a tree that lived in the tool's own
namespace as well, if it is asked for: what it has of points in time (absolute timers and sleeps,
its own notes) then holds after any pause, and on another host.

A namespace's offsets can be set until its first process enters it: the tool makes the namespace for
its children, sets them, starts the root, which enters it in execve(2), and goes back to its own.
They are offsets from the host's clocks, whatever namespace one is in.
"""

from __future__ import annotations

import os
import time

from crtools.abi import kernel
from crtools.errors import ImageError, MissingFeature, RestoreConflict, UnsupportedObject
from crtools.images.messages.timens import TimensEntry, Timespec
from crtools.procfs.files import read_task_file
from crtools.procfs.ns import read_namespaces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

    from crtools.model.tree import Process

CLONE_NEWTIME = 0x80  # linux/sched.h
SYS_unshare, SYS_setns = 272, 308
LINKS = ("time", "time_for_children")
_NSEC = 1_000_000_000


def read_offsets(proc: int, pid: int) -> tuple[int, int]:
    """Of the monotonic and the boot clock, in ns: those of the namespace that children get."""
    found = {}
    for line in read_task_file(proc, pid, "timens_offsets").splitlines():
        name, seconds, nsec = line.split()
        found[name] = int(seconds) * _NSEC + int(nsec)
    return found[b"monotonic"], found[b"boottime"]


def check_namespace(proc: int, processes: list[Process]) -> tuple[int, int]:
    """The offsets of a namespace that is not the tool's, which all processes have to share."""
    first = processes[0]
    theirs = _namespace(proc, first)
    for process in processes[1:]:
        if _namespace(proc, process) != theirs:
            raise UnsupportedObject(
                f"Cannot dump {process.name}: it is in another time namespace than {first.name}",
                because="crtools carries one time namespace for a whole tree",
                subject=("task", process.pid),
            )
    if theirs[0] != theirs[1]:
        raise UnsupportedObject(
            f"Cannot dump {first.name}: its children would be in another time namespace than it",
            because="crtools carries one time namespace for a whole tree",
            subject=("task", first.pid),
        )
    return read_offsets(proc, first.via)


def _namespace(proc: int, process: Process) -> tuple[tuple[str, int] | None, ...]:
    found = read_namespaces(proc, process.via)
    return tuple(found.get(name) for name in LINKS)


def clocks(proc: int, offsets: tuple[int, int] | None) -> TimensEntry:
    """What a tree's clocks show now: the tool's own if it has no namespace of its own."""
    monotonic = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    boot = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    if offsets is not None:
        ours = read_offsets(proc, os.getpid())
        monotonic += offsets[0] - ours[0]
        boot += offsets[1] - ours[1]
    return TimensEntry(
        monotonic=Timespec(tv_sec=monotonic // _NSEC, tv_nsec=monotonic % _NSEC),
        boottime=Timespec(tv_sec=boot // _NSEC, tv_nsec=boot % _NSEC),
    )


def check_entered(proc: int, pid: int) -> None:
    """Whether the root came into the namespace: before Linux 6.1 execve(2) led nobody in."""
    found = read_namespaces(proc, pid)
    if found.get("time") != found.get("time_for_children"):
        raise MissingFeature(
            f"Task {pid} did not come into its time namespace",
            because="this kernel's execve(2) does not enter it (Linux 6.1 does)",
        )


def plan_clocks(entry: TimensEntry) -> tuple[int, int]:
    """What the monotonic and the boot clock are to show, in ns."""
    for clock in (entry.monotonic, entry.boottime):
        if clock.tv_sec >= 1 << 32 or clock.tv_nsec >= _NSEC:
            raise ImageError("timens-0.img has an impossible time")
    return (
        entry.monotonic.tv_sec * _NSEC + entry.monotonic.tv_nsec,
        entry.boottime.tv_sec * _NSEC + entry.boottime.tv_nsec,
    )


class NewNamespace:
    """As a context manager: what the tool starts in it has clocks that show `clocks`."""

    def __init__(self, proc: int, clocks: tuple[int, int]) -> None:
        self._proc = proc
        self._clocks = clocks
        self._own = -1

    def __enter__(self) -> NewNamespace:
        proc, pid = self._proc, os.getpid()
        try:
            self._own = os.open(f"{pid}/ns/time", os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc)
            ours = read_offsets(proc, pid)
            kernel.checked(SYS_unshare, CLONE_NEWTIME)
        except OSError as error:
            self._close()
            raise MissingFeature(
                "Cannot make a time namespace",
                because=f"unshare(CLONE_NEWTIME): {os.strerror(error.errno or 0)}",
                hint="that takes CAP_SYS_ADMIN and CONFIG_TIME_NS, Linux 5.6",
            ) from error
        try:
            self._set(ours)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _set(self, ours: tuple[int, int]) -> None:
        now = (
            time.clock_gettime_ns(time.CLOCK_MONOTONIC) - ours[0],
            time.clock_gettime_ns(time.CLOCK_BOOTTIME) - ours[1],
        )
        text = ""
        for name, wanted, host in zip(("monotonic", "boottime"), self._clocks, now, strict=True):
            # The file takes nanoseconds from 0 to 999999999 with seconds of either sign.
            seconds, nsec = divmod(wanted - host, _NSEC)
            text += f"{name} {seconds} {nsec}\n"
        fd = os.open(f"{os.getpid()}/timens_offsets", os.O_WRONLY | os.O_CLOEXEC, dir_fd=self._proc)
        try:
            os.write(fd, text.encode())
        except OSError as error:
            raise RestoreConflict(
                "Cannot set the clocks of a time namespace",
                because=f"timens_offsets: {os.strerror(error.errno or 0)} ({text.strip()!r})",
            ) from error
        finally:
            os.close(fd)

    def __exit__(
        self, kind: type[BaseException] | None, value: object, trace: TracebackType | None
    ) -> None:
        """Later children of the tool, action scripts, are not to be in it."""
        try:
            kernel.checked(SYS_setns, self._own, CLONE_NEWTIME)
        finally:
            self._close()

    def _close(self) -> None:
        if self._own >= 0:
            os.close(self._own)
            self._own = -1
