"""Unix sockets: connected when all are made, filled when everybody has every file."""

from __future__ import annotations

from crtools.kinds.files.base import Programs
from crtools.restoring.script import Script

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.agent.program import Program
    from crtools.kinds.files.unix_plan import Step, UnixPlanner
    from crtools.restoring.skeleton import Workshop


def connect_sockets(unix: UnixPlanner, shop: Workshop) -> None:
    for step in unix.connecting:
        _run(step, shop)
    # No datagram needs a name to be sent to from here on but those whose queues are filled.


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
