"""Interval timers (getitimer(2)): what is left of them, and their intervals, in microseconds.

POSIX timers are refused: /proc/PID/timers names them.
"""

from __future__ import annotations

import struct

from crtools.errors import UnsupportedObject
from crtools.images.messages.timer import ItimerEntry, TaskTimersEntry
from crtools.procfs.timers import read_timers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.agent.program import Program, Ref
    from crtools.agent.slot import Executed

SYS_getitimer, SYS_setitimer = 36, 38
_NAMES = ("ITIMER_REAL", "ITIMER_VIRTUAL", "ITIMER_PROF")
_VALUE = struct.Struct("<4q")  # it_interval, it_value: seconds and microseconds


def check_timers(proc: int, pid: int, name: str) -> None:
    found = read_timers(proc, pid)
    if found:
        raise UnsupportedObject(
            f"Cannot dump {name}: it has {len(found)} POSIX timers (timer_create)",
            because="crtools does not carry them yet",
            hint="delete the timers before the dump",
            subject=("task", pid),
        )


def ask_timers(program: Program) -> Ref:
    room = program.reserve(3 * _VALUE.size)
    for which, name in enumerate(_NAMES):
        program.call(
            SYS_getitimer, which, (room[0], room[1] + which * _VALUE.size), label=f"ask for {name}"
        )
    return room


def timers(executed: Executed, room: Ref) -> TaskTimersEntry:
    data = executed.bytes(room, 3 * _VALUE.size)
    entries = [
        ItimerEntry(isec=isec, iusec=iusec, vsec=vsec, vusec=vusec)
        for isec, iusec, vsec, vusec in _VALUE.iter_unpack(data)
    ]
    return TaskTimersEntry(real=entries[0], virt=entries[1], prof=entries[2])


def build_timers(program: Program, entry: TaskTimersEntry | None, name: str) -> None:
    """Armed last: their time runs from then on."""
    if entry is None:
        return
    if entry.posix:
        raise UnsupportedObject(
            f"Cannot restore {name}: it has POSIX timers",
            because="crtools does not carry them yet",
        )
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
