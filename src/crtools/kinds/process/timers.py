"""Interval timers (getitimer(2)): what is left of them, and their intervals, in microseconds."""

from __future__ import annotations

import struct

from crtools.images.messages.timer import ItimerEntry, TaskTimersEntry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from crtools.agent.program import Program, Ref
    from crtools.agent.slot import Executed

SYS_getitimer, SYS_setitimer = 36, 38
SI_KERNEL = 128
_NAMES = ("ITIMER_REAL", "ITIMER_VIRTUAL", "ITIMER_PROF")
_VALUE = struct.Struct("<4q")  # it_interval, it_value: seconds and microseconds


def ask_timers(program: Program) -> Ref:
    room = program.reserve(3 * _VALUE.size)
    for which, name in enumerate(_NAMES):
        program.call(
            SYS_getitimer, which, (room[0], room[1] + which * _VALUE.size), label=f"ask for {name}"
        )
    return room


def forget_expired(entry: TaskTimersEntry, shared: Sequence[bytes], passed: int) -> None:
    """The timers go on while the process is stopped: one that has expired since it was asked, its
    signal being among the `shared` ones by now, would expire once more. It was asked `passed` ns
    ago at the most."""
    for itimer, number in ((entry.real, 14), (entry.virt, 26), (entry.prof, 27)):
        if (itimer.vsec * 1_000_000 + itimer.vusec) * 1000 > passed:
            continue
        if (number, SI_KERNEL) in [struct.unpack_from("<iii", info)[::2] for info in shared]:
            itimer.vsec = itimer.vusec = 0


def timers(executed: Executed, room: Ref) -> TaskTimersEntry:
    data = executed.bytes(room, 3 * _VALUE.size)
    entries = [
        ItimerEntry(isec=isec, iusec=iusec, vsec=vsec, vusec=vusec)
        for isec, iusec, vsec, vusec in _VALUE.iter_unpack(data)
    ]
    return TaskTimersEntry(real=entries[0], virt=entries[1], prof=entries[2])


def build_timers(program: Program, entry: TaskTimersEntry | None) -> None:
    """Armed last: their time runs from then on."""
    if entry is None:
        return
    for which, itimer in enumerate((entry.real, entry.virt, entry.prof)):
        left = itimer.vsec, itimer.vusec
        if left == (0, 0):
            # A periodic ITIMER_REAL that has fired begins its next period when its signal is taken
            # from the queue (kernel/signal.c, dequeue_signal): until then nothing is left of it.
            left = itimer.isec, itimer.iusec
        if left == (0, 0):
            continue
        value = program.put(_VALUE.pack(itimer.isec, itimer.iusec, *left))
        program.call(SYS_setitimer, which, value, 0, label=f"set {_NAMES[which]}")
