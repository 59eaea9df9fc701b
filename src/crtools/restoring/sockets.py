"""Unix sockets: connected when all are made, filled when everybody has every file."""

from __future__ import annotations

from crtools.abi.clone import CLONE_VM
from crtools.abi.x86_64 import SYS_exit_group, SYS_wait4
from crtools.agent.program import EXACTLY, Program
from crtools.kinds.files.base import Programs
from crtools.restoring.script import Script

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.kinds.files.unix_plan import Step, UnixPlanner
    from crtools.restoring.plan import Plan
    from crtools.restoring.skeleton import Workshop


_WALL = 0x40000000  # linux/wait.h, __WALL: also of children that send no signal at their end


def start_helpers(plan: Plan, shop: Workshop) -> None:
    """Processes that are no more, for what only they can do: be seen as who connected a socket or
    sent a message. They are the root's children, and share its memory."""
    root = plan.tasks[0].pid
    program = Program()
    for pid in plan.file_helpers:
        shop.build_clone(program, pid, pid, flags=CLONE_VM)
    shop.run({root: [program]} if program.count else {})
    shop.adopt(plan.file_helpers)


def end_helpers(plan: Plan, shop: Workshop) -> None:
    root = plan.tasks[0].pid
    reaping = Program()
    for pid in plan.file_helpers:
        program = Program()
        program.call(SYS_exit_group, 0)
        shop.skeletons[pid].slot.post(program)
        shop.forget(pid)
        reaping.call(
            *(SYS_wait4, pid, 0, _WALL, 0), expect=EXACTLY, expected=pid, label="reap a helper"
        )
    shop.run({root: [reaping]} if reaping.count else {})


def connect_sockets(unix: UnixPlanner, shop: Workshop) -> None:
    for step in unix.connecting:
        _run(step, shop)


def fill_sockets(unix: UnixPlanner, shop: Workshop) -> None:
    for step in unix.filling:
        _run(step, shop)
    unix.names.settle()


def _run(step: Step, shop: Workshop) -> None:
    scripts: dict[int, list[Program]] = {}
    for pid, jobs in step.items():
        script = Script()
        programs = Programs(script.program(), script.fresh)
        for job in jobs:
            job(programs)
        scripts[pid] = [program for program in script.programs if program.count]
    shop.run(scripts)
