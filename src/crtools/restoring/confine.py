"""Strict mode and seccomp filters, in all processes at once.

They are installed while skeletons still have the tool's rights, and before no_new_privs is set: a
filter needs the one or the other. What comes afterwards is forbidden by none of them: skeletons are
traced with PTRACE_O_SUSPEND_SECCOMP until they are let go of.
"""

from __future__ import annotations

from crtools import log
from crtools.agent.program import Program
from crtools.errors import PermissionDenied
from crtools.kinds.process import seccomp
from crtools.restoring.script import PROCESS_BYTES, THREAD_BYTES, Script
from crtools.restoring.skeleton import SCRATCH_BYTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.images.store import ImageStore
    from crtools.procfs.status import Status
    from crtools.restoring.read import TaskImages
    from crtools.restoring.skeleton import Workshop
    from crtools.tracee.filters import Chain

# Of instructions that a program copies: the largest filter has 32 KiB.
_COPY_BYTES = 64 << 10


def plan_confinements(store: ImageStore, tasks: list[TaskImages]) -> dict[int, seccomp.Confinement]:
    """By process, those that have any."""
    chains: list[Chain] = []
    if store.has("seccomp"):
        chains = seccomp.read_chains(store.read_one("seccomp"))
    found: dict[int, seccomp.Confinement] = {}
    for task in tasks:
        confinement = seccomp.plan_confinement(task.cores, task.task, chains)
        if confinement is not None:
            found[task.pid] = confinement
    return found


def check_host(status: Status, confined: bool) -> None:
    """The tool's own filters are inherited by all that it makes, and nothing removes them."""
    if not status.seccomp:
        return
    if confined:
        raise PermissionDenied(
            "Cannot restore tasks under seccomp",
            because="crtools is under a seccomp filter itself, so it may not suspend theirs",
            hint="run crtools restore outside of the container or with seccomp=unconfined",
        )
    log.warning("the restored tasks are under the seccomp filters of crtools, as they were not")


class Confining:
    """Installs what the processes are to be under."""

    def __init__(self, shop: Workshop, confinements: dict[int, seccomp.Confinement]) -> None:
        self.shop = shop
        self.confinements = confinements

    def run(self) -> None:
        # Those that all threads have first: nobody has one of his own then, as TSYNC wants it.
        self._install(
            {pid: {pid: c.common} for pid, c in self.confinements.items()}, all_threads=True
        )
        self._install({pid: c.own for pid, c in self.confinements.items()}, all_threads=False)
        strict: dict[int, list[Program]] = {}
        for confinement in self.confinements.values():
            for tid in confinement.strict:
                program = Program()
                seccomp.build_strict(program)
                strict[tid] = [program]
        self.shop.run(strict)

    def _install(self, wanted: dict[int, dict[int, Chain]], *, all_threads: bool) -> None:
        """`wanted`: filters by thread by process. Their instructions go to the scratch memory that
        a process's threads have in common; as many threads at a time as it has room for."""
        while wanted:
            copies: dict[int, list[Program]] = {}
            installs: dict[int, list[Program]] = {}
            left: dict[int, dict[int, Chain]] = {}
            for pid, threads in wanted.items():
                places: dict[bytes, int] = {}
                for tid, chain in threads.items():
                    filters = [(filter, 0) for filter in places] + list(chain)
                    more, fit = seccomp.place_filters(filters, self.shop.scratch, SCRATCH_BYTES)
                    if not fit:
                        left.setdefault(pid, {})[tid] = chain
                        continue
                    places = more
                    script = Script(PROCESS_BYTES if tid == pid else THREAD_BYTES)
                    for filter, flags in chain:
                        seccomp.build_filter(
                            script.program(200),
                            places[filter],
                            filter,
                            flags,
                            all_threads=all_threads,
                        )
                    if chain:
                        installs[tid] = script.programs
                script = Script(_COPY_BYTES)
                for filter, address in places.items():
                    program = script.program(len(filter))
                    program.copy(address, program.put(filter), len(filter))
                copies[pid] = script.programs
            self.shop.run(copies)
            self.shop.run(installs)
            wanted = left
