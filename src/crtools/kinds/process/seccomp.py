"""seccomp(2): strict mode, and chains of filters, which threads of a process may have apart.

seccomp.img holds each filter once, linked to the one installed before it; threads name their last.
Filters of relatives that are equal share their entries. What the kernel does not tell, and what
comes of it:

- Which filters are one object and which only equal. It shows in SECCOMP_FILTER_FLAG_TSYNC alone,
  which wants the filters of all threads to be older ones of the caller's. What all threads of a
  process have in common is one again after a restore (installed with TSYNC).
- Whether a supervisor listens to a filter (SECCOMP_FILTER_FLAG_NEW_LISTENER, seccomp_unotify(2)):
  the listening descriptor may be anywhere. Filters that can answer SECCOMP_RET_USER_NOTIF are
  refused.
- SECCOMP_FILTER_FLAG_SPEC_ALLOW. Filters are installed with it, so that the speculation controls of
  a task stay what they are (arch/x86/kernel/cpu/bugs.c, arch_seccomp_spec_mitigate).
"""

from __future__ import annotations

import errno
import struct

from crtools.abi.prctl import PR_SET_SECCOMP
from crtools.abi.seccomp import (
    BPF_INSN_BYTES,
    BPF_MAXINSNS,
    SECCOMP_FILTER_FLAG_LOG,
    SECCOMP_FILTER_FLAG_SPEC_ALLOW,
    SECCOMP_FILTER_FLAG_TSYNC,
    SECCOMP_MODE_DISABLED,
    SECCOMP_MODE_FILTER,
    SECCOMP_MODE_STRICT,
    SECCOMP_SET_MODE_FILTER,
)
from crtools.abi.x86_64 import SYS_prctl, SYS_seccomp
from crtools.errors import ImageError, PermissionDenied, UnsupportedObject
from crtools.images.messages.seccomp import SeccompEntry, SeccompFilter
from crtools.tracee import ptrace
from crtools.tracee.filters import notifies, read_chain
from crtools.tracee.seize import OF_BIRTHS, OPTIONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from crtools.agent.program import Program
    from crtools.images.messages.core import CoreEntry, TaskCoreEntry
    from crtools.tracee.filters import Chain
    from crtools.tracee.seize import Tracee

# Instructions of a whole chain, plus a few for each filter (kernel/seccomp.c, MAX_INSNS_PER_PATH).
_CHAIN_BYTES = 1 << 18

_FPROG = struct.Struct("<HxxxxxxQ")  # struct sock_fprog, linux/filter.h


class Confined:
    """What a thread is under: its mode, its filters, and its last filter's index in the image."""

    __slots__ = ("chain", "index", "mode")

    def __init__(self, mode: int, chain: Chain, index: int | None) -> None:
        self.mode = mode
        self.chain = chain
        self.index = index


class SeccompDump:
    """The filters of all tasks of one dump."""

    def __init__(self) -> None:
        self._entries: list[SeccompFilter] = []
        self._known: dict[tuple[int | None, bytes, int], int] = {}

    def collect(self, tracee: Tracee, mode: int, name: str) -> Confined:
        """What a stopped thread is under, `mode` being SECCOMP_MODE_STRICT or _FILTER.

        Raises UnsupportedObject for filters with a supervisor, PermissionDenied, MissingFeature.
        """
        if mode not in (SECCOMP_MODE_STRICT, SECCOMP_MODE_FILTER):
            raise UnsupportedObject(
                f"Cannot dump {name}: thread {tracee.tid} is in the unknown seccomp mode {mode}",
                because="crtools carries strict mode and filters",
                subject=("task", tracee.tid),
            )
        self._check_suspended(tracee, name)
        if mode == SECCOMP_MODE_STRICT:
            return Confined(mode, (), None)
        chain = read_chain(tracee.tid)
        index: int | None = None
        for filter, flags in chain:
            if notifies(filter):
                raise UnsupportedObject(
                    f"Cannot dump {name}: a seccomp filter of it hands system calls to a"
                    " supervisor (SECCOMP_RET_USER_NOTIF)",
                    because="nothing tells who listens, and a restored filter would have nobody",
                    subject=("task", tracee.tid),
                )
            key = index, filter, flags
            if key not in self._known:
                self._known[key] = len(self._entries)
                self._entries.append(SeccompFilter(filter=filter, prev=index, flags=flags or None))
            index = self._known[key]
        return Confined(mode, chain, index)

    def _check_suspended(self, tracee: Tracee, name: str) -> None:
        """Seizing does without PTRACE_O_SUSPEND_SECCOMP where it is denied: here it is needed."""
        try:
            ptrace.set_options(tracee.tid, OPTIONS | OF_BIRTHS | ptrace.PTRACE_O_SUSPEND_SECCOMP)
        except OSError as error:
            if error.errno == errno.ESRCH:
                raise tracee.gone() from error
            raise PermissionDenied(
                f"Cannot dump {name}: its seccomp filters cannot be suspended",
                because="that needs CAP_SYS_ADMIN, a tool that is under no seccomp filter itself,"
                " and a kernel with CONFIG_CHECKPOINT_RESTORE",
                hint="run crtools as root, outside of the container or with seccomp=unconfined",
                subject=("task", tracee.tid),
            ) from error

    def entry(self) -> SeccompEntry:
        return SeccompEntry(seccomp_filters=self._entries)


def read_chains(entry: SeccompEntry) -> list[Chain]:
    """For each filter of the image the chain that it is the last of. Raises ImageError."""
    filters = entry.seccomp_filters
    chains: dict[int, Chain] = {}
    for number, filter in enumerate(filters):
        size = len(filter.filter)
        if not size or size % BPF_INSN_BYTES or size > BPF_MAXINSNS * BPF_INSN_BYTES:
            raise ImageError(f"Filter {number} of seccomp.img has the impossible length {size}")
        if (filter.flags or 0) & ~SECCOMP_FILTER_FLAG_LOG:
            raise ImageError(f"Filter {number} of seccomp.img has the flags {filter.flags:#x}")
        # Older ones stand before newer ones as we write it, but nothing says that they must.
        path: list[int] = []
        at: int | None = number
        while at is not None and at not in chains:
            if at >= len(filters) or at in path:
                raise ImageError(f"Filter {number} of seccomp.img comes after none that there is")
            path.append(at)
            at = filters[at].prev
        chain = chains[at] if at is not None else ()
        for index in reversed(path):
            chain = chains[index] = (*chain, (filters[index].filter, filters[index].flags or 0))
        if sum([len(filter) for filter, _ in chain]) > _CHAIN_BYTES:
            raise ImageError(f"Filter {number} of seccomp.img and those below it are too long")
    return [chains[number] for number in range(len(filters))]


def thread_mode(core: CoreEntry, task: TaskCoreEntry) -> tuple[int, int | None]:
    """A thread's mode and its last filter's number. In old images they are the process's."""
    thread = core.thread_core
    if thread is not None and thread.seccomp_mode is not None:
        return thread.seccomp_mode, thread.seccomp_filter
    return task.old_seccomp_mode or SECCOMP_MODE_DISABLED, task.old_seccomp_filter


class Confinement:
    """What a process's threads are to be under: filters that all have (`common`), then each its
    own; `strict` are the threads in strict mode."""

    __slots__ = ("chains", "common", "own", "strict")

    def __init__(self, threads: dict[int, tuple[int, Chain]]) -> None:
        """`threads`: mode and filters, by tid."""
        self.strict = [tid for tid, (mode, _) in threads.items() if mode == SECCOMP_MODE_STRICT]
        chains = [chain for _, chain in threads.values()]
        shared = min([len(chain) for chain in chains])
        while any(chain[:shared] != chains[0][:shared] for chain in chains):
            shared -= 1
        self.common = chains[0][:shared]
        self.chains = {tid: chain for tid, (_, chain) in threads.items()}
        self.own = {tid: chain[shared:] for tid, (_, chain) in threads.items() if chain[shared:]}


def plan_confinement(
    cores: dict[int, CoreEntry], task: TaskCoreEntry, chains: Sequence[Chain]
) -> Confinement | None:
    """None: no thread of the process is under seccomp. `chains` of read_chains. ImageError."""
    threads: dict[int, tuple[int, Chain]] = {}
    for tid, core in cores.items():
        mode, number = thread_mode(core, task)
        chain: Chain = ()
        if mode == SECCOMP_MODE_FILTER:
            if number is None or number >= len(chains):
                raise ImageError(f"core-{tid}.img names a filter that is not in seccomp.img")
            chain = chains[number]
        elif mode not in (SECCOMP_MODE_DISABLED, SECCOMP_MODE_STRICT):
            raise ImageError(f"core-{tid}.img has the unknown seccomp mode {mode}")
        threads[tid] = mode, chain
    if all(mode == SECCOMP_MODE_DISABLED for mode, _ in threads.values()):
        return None
    return Confinement(threads)


def build_filter(
    program: Program, address: int, filter: bytes, flags: int, *, all_threads: bool
) -> None:
    """Installs a filter whose instructions lie at an address of the task.

    It needs CAP_SYS_ADMIN: with no_new_privs instead, TSYNC would give that to all threads.
    """
    flags |= SECCOMP_FILTER_FLAG_SPEC_ALLOW
    if all_threads:
        flags |= SECCOMP_FILTER_FLAG_TSYNC
    head = program.put(_FPROG.pack(len(filter) // BPF_INSN_BYTES, address))
    program.call(
        SYS_seccomp,
        SECCOMP_SET_MODE_FILTER,
        flags,
        head,
        expect=2,
        expected=0,  # with TSYNC: else the thread that could not follow
        label="install a seccomp filter",
    )


def build_strict(program: Program) -> None:
    """Strict mode forbids rdtsc as well (kernel/seccomp.c, seccomp_set_mode_strict)."""
    program.call(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_STRICT, label="enter strict mode")


def place_filters(
    filters: Iterable[tuple[bytes, int]], address: int, room: int
) -> tuple[dict[bytes, int], bool]:
    """Addresses for the instructions of filters, each once, from `address` on; false if `room` does
    not hold them all."""
    places: dict[bytes, int] = {}
    end = address + room
    for filter, _ in filters:
        if filter in places:
            continue
        if address + len(filter) > end:
            return places, False
        places[filter] = address
        address += len(filter)
    return places, True
