"""Terminals, when all files and all groups are there: who has which in the foreground, or none."""

from __future__ import annotations

import os

from crtools.agent.program import Program
from crtools.kinds.files.tty_jobs import build_no_terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.kinds.files.tty_restore import TtyPlanner
    from crtools.restoring.plan import Plan
    from crtools.restoring.skeleton import Workshop


def restore_terminals(plan: Plan, shop: Workshop) -> None:
    terminals: TtyPlanner | None = plan.files.terminals
    sessions = set(terminals.sessions) if terminals is not None else set()
    # Who is in the session of a shell is in ours now, and has our terminal if we have one.
    outer = {task.entry.sid for task in plan.alive} - set(plan.by_pid)
    if outer and _has_terminal():
        sessions |= outer
    scripts: dict[int, list[Program]] = {}
    for task in plan.alive:
        own = task.own.get(task.pid)
        program = Program()
        if own is not None and own.no_terminal and task.entry.sid in sessions:
            build_no_terminal(program)
        if terminals is not None:
            terminals.build_foreground(program, task.pid)
        if program.count:
            scripts[task.pid] = [program]
    shop.run(scripts)
    if terminals is not None:
        terminals.lock()


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True
