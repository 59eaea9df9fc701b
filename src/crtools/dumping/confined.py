"""Which agent a process under seccomp gets: what its filters would do to it if the tool died."""

from __future__ import annotations

from crtools.abi.seccomp import SECCOMP_MODE_STRICT
from crtools.agent.careful import CarefulAgent
from crtools.agent.inject import way_home_calls
from crtools.agent.slot import CAREFUL_LOOK
from crtools.errors import UnsupportedObject
from crtools.tracee.filters import allow

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from crtools.agent.inject import Agent
    from crtools.kinds.process.seccomp import Confined
    from crtools.model.tree import Process
    from crtools.procfs.maps import Vma

SYS_rt_sigreturn = 15


def choose_agent(
    process: Process,
    confined: dict[int, Confined],
    agent: type[Agent],
    proc: int,
    mappings: Sequence[Vma],
) -> Agent:
    """The usual agent where all filters of all threads allow the way home; it looks for the tool's
    death before each call of its programs, which they may forbid. Else the careful one.

    Raises UnsupportedObject for filters that forbid rt_sigreturn(2) as well.
    """
    careful = False
    for tracee in process.tracees:
        own = confined.get(tracee.tid)
        if own is None:
            continue
        careful = careful or tracee.again is not None
        if own.mode == SECCOMP_MODE_STRICT:
            careful = True
            continue
        careful = careful or not allow(own.chain, way_home_calls(tracee.home))
        if careful and not allow(own.chain, [(SYS_rt_sigreturn, ())]):
            raise UnsupportedObject(
                f"Cannot dump {process.name}: seccomp filters of thread {tracee.tid} would kill it"
                " if crtools were killed meanwhile",
                because="they forbid the way out of it, and rt_sigreturn as well",
                subject=("task", tracee.tid),
            )
    if not careful:
        return agent(proc, process.tracees, mappings, careful=CAREFUL_LOOK)
    return CarefulAgent(proc, process.tracees, mappings)
