"""Undo values of System V semaphores: semop(2) with SEM_UNDO.

What a process has taken from a semaphore with SEM_UNDO is given back at its end: the kernel keeps a
value for each semaphore, semadj, and nothing tells it. But semop answers ERANGE when semadj would
leave -32768 to 32767 (ipc/sem.c, perform_atomic_semop_slow), and a list of operations is done as a
whole or not at all: operations that would bring semadj to its limit, followed by one that would
block, fail in any case, and the error tells on which side of a number semadj is. Nobody can see or
wait for what happens in between, and no operation counts as done (sempid, sem_otime). One trace is
left: the process now has a place for undo values of each set, all zero, and its end, as that of
whoever has one, sets the set's sem_otime (exit_sem).

The tree's end applies the values, so a restore takes them back: as by the program's own semop,
which may find that somebody else has taken the semaphore since. docs/decisions/0008-whose-ipc.md.

Processes without any undo list are told apart by kcmp(2); threads have one through CLONE_SYSVSEM.
Where there are no semaphores that were ever used, nothing is asked.
"""

from __future__ import annotations

import errno
import os
import struct

from crtools.abi import kernel
from crtools.agent.program import OR_ERRNO, Program, errnos
from crtools.errors import ImageError, RemoteSyscallError, RestoreConflict, UnsupportedObject
from crtools.images.messages.crtools_parts import CrtoolsSemUndoEntry
from crtools.images.messages.ipc_desc import IpcDescEntry
from crtools.model.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from crtools.agent.inject import Agent
    from crtools.agent.slot import Executed
    from crtools.model.tree import Process
    from crtools.tracee.seize import Tracee

SYS_semop, SYS_semctl, SYS_kcmp = 65, 66, 312
IPC_STAT = 2  # linux/ipc.h
GETALL, SEM_STAT, SEM_INFO = 13, 18, 19  # linux/sem.h
IPC_NOWAIT, SEM_UNDO = 0o4000, 0x1000
SEMVMX = 32767  # linux/sem.h: of values and, as SEMAEM, of undo values
KCMP_SYSVSEM = 6  # linux/kcmp.h
# struct semid64_ds, asm/sembuf.h, with struct ipc64_perm: ids, otime, ctime, number of semaphores.
_DS = struct.Struct("<6IHH4x16xq8xq8xQ16x")
_INFO = struct.Struct("<10i")
_OP = struct.Struct("<Hhh")
# Whatever the value is, the second of them would block. None ever does (IPC_NOWAIT, in `_probe`):
# the value may be another one by then.
_NEVER = ((-SEMVMX, 0), (-SEMVMX, 0))
# A set that was removed meanwhile, or that the task may not alter, has nothing of the task's to
# give back: ipc/sem.c, freeary, frees the undo values with the set.
_ANSWERS = errnos(errno.EAGAIN, errno.ERANGE, errno.EACCES, errno.EINVAL, errno.EIDRM)


class SemaphoreSet(Value):
    """A set of the namespace; `used` says whether semop was ever called on it."""

    id: int
    key: int
    cuid: int
    cgid: int
    ctime: int  # seconds since 1970
    count: int
    used: bool


def parse_set(id: int, data: bytes | bytearray) -> SemaphoreSet:
    key, _, _, cuid, cgid, _, _, _, otime, ctime, count = _DS.unpack(data)
    return SemaphoreSet(
        id=id, key=key, cuid=cuid, cgid=cgid, ctime=ctime, count=count, used=bool(otime)
    )


def collect_sets() -> list[SemaphoreSet]:
    """The sets of our ipc namespace in which some semaphore may have an undo value."""
    buffer = bytearray(_DS.size)
    at = kernel.address_of(buffer)
    highest = kernel.raw(SYS_semctl, 0, 0, SEM_INFO, at)
    if highest < 0 or not _INFO.unpack_from(buffer)[7]:
        return []
    found: list[SemaphoreSet] = []
    for index in range(highest + 1):
        id = kernel.raw(SYS_semctl, index, 0, SEM_STAT, at)
        if id >= 0:
            one = parse_set(id, buffer)
            if one.used:
                found.append(one)
    return found


def read_values(one: SemaphoreSet) -> tuple[int, ...]:
    """The semaphores' values; () if the set is gone."""
    buffer = bytearray(2 * one.count)
    if kernel.raw(SYS_semctl, one.id, 0, GETALL, kernel.address_of(buffer)) < 0:
        return ()
    return struct.unpack(f"<{one.count}H", buffer)


def is_above(value: int, limit: int) -> list[tuple[int, int]]:
    """Operations (op, flags) on a semaphore of that value that answer ERANGE if semadj is greater
    than `limit`, from 0 to 32766, EAGAIN if not."""
    return [*_raised(value), (limit - SEMVMX, SEM_UNDO), *_NEVER]


def is_below(value: int, limit: int) -> list[tuple[int, int]]:
    """The same, if semadj is less than -`limit`, from 0 to 32767."""
    operations = [*_raised(value), (-SEMVMX, 0)]
    left = SEMVMX + 1 - limit
    if left > SEMVMX:
        operations += [(SEMVMX, SEM_UNDO), (-SEMVMX, 0)]
        left -= SEMVMX
    return [*operations, (left, SEM_UNDO), *_NEVER]


def is_not_zero(value: int) -> list[tuple[int, int]]:
    """The same, if semadj is not 0."""
    return [*is_above(value, 0)[:-2], (SEMVMX, SEM_UNDO), *is_below(SEMVMX, 0)]


def _raised(value: int) -> list[tuple[int, int]]:
    return [(SEMVMX - value, 0)] if value != SEMVMX else []


class SemaphoresDump:
    """The semaphores of the namespace, looked at once for a stopped tree."""

    def __init__(self) -> None:
        self._sets = collect_sets()
        self._found: list[tuple[int, str]] = []

    def ask(self, process: Process, agent: Agent) -> list[CrtoolsSemUndoEntry]:
        """The undo values of a process. Raises UnsupportedObject for a list that is shared in a way
        that is not carried."""
        if not self._sets:
            return []
        first = process.tracees[0]
        own: list[CrtoolsSemUndoEntry] = []
        if not _is_same_list(os.getpid(), first.tid):
            own = self._ask(agent.run)
        for tracee in process.tracees[1:]:
            if not _is_same_list(first.tid, tracee.tid):
                self._check_thread(process, agent, tracee)
        if own:
            for pid, name in self._found:
                if _is_same_list(pid, process.via):
                    raise UnsupportedObject(
                        f"Cannot dump {process.name}: it shares its undo values of semaphores with"
                        f" {name}",
                        because="they were made with CLONE_SYSVSEM, which crtools does not carry"
                        " between processes",
                        subject=("task", process.pid),
                    )
            self._found.append((process.pid, process.name))
        return own

    def _check_thread(self, process: Process, agent: Agent, tracee: Tracee) -> None:
        if self._ask(lambda program: agent.visit(tracee, program)):
            raise UnsupportedObject(
                f"Cannot dump {process.name}: thread {tracee.tid} has undo values of semaphores of"
                " its own",
                because="it was made without CLONE_SYSVSEM, which crtools does not carry",
                hint="let it release what it took with SEM_UNDO",
                subject=("task", tracee.tid),
            )

    def _ask(self, run: Callable[[Program], Executed]) -> list[CrtoolsSemUndoEntry]:
        entries: list[CrtoolsSemUndoEntry] = []
        for one in self._sets:
            values = read_values(one)
            for begin in range(0, len(values), 500):
                part = range(begin, min(begin + 500, len(values)))
                answers = _probe(run, one.id, [(num, is_not_zero(values[num])) for num in part])
                for num, answer in zip(part, answers, strict=True):
                    if answer == -errno.ERANGE:
                        value = self._measure(run, one, num)
                        if value:
                            entries.append(_entry(one, num, value, values[num]))
        return entries

    def _measure(self, run: Callable[[Program], Executed], one: SemaphoreSet, num: int) -> int:
        """semadj of a semaphore, by bisection."""

        def answers(test: Callable[[int, int], list[tuple[int, int]]], limit: int) -> bool:
            values = read_values(one)
            if not values:
                return False
            return _probe(run, one.id, [(num, test(values[num], limit))])[0] == -errno.ERANGE

        for test, sign, most in ((is_above, 1, SEMVMX), (is_below, -1, SEMVMX + 1)):
            if not answers(test, 0):
                continue
            low, high = 1, most
            while low < high:
                middle = (low + high) // 2
                if answers(test, middle):
                    low = middle + 1
                else:
                    high = middle
            # Somebody outside the tree may have changed the value between our look and the probe,
            # which is an ERANGE of another kind: what was found must hold when asked again.
            if answers(test, low - 1) and (low == most or not answers(test, low)):
                return sign * low
            raise UnsupportedObject(
                f"Cannot read the undo value of semaphore {num} of set {one.id}",
                because="the semaphore changes all the time",
                hint="try again, or end those who use it",
                subject=("sem", one.id, num),
            )
        return 0


def _is_same_list(a: int, b: int) -> bool:
    """Whether two tasks have the same undo list, or both have none."""
    return kernel.raw(SYS_kcmp, a, b, KCMP_SYSVSEM, 0, 0) == 0


def _probe(
    run: Callable[[Program], Executed], id: int, tests: Sequence[tuple[int, list[tuple[int, int]]]]
) -> list[int]:
    program = Program()
    refs = []
    for num, operations in tests:
        data = program.put(
            b"".join([_OP.pack(num, op, flags | IPC_NOWAIT) for op, flags in operations])
        )
        refs.append(
            program.call(
                SYS_semop,
                id,
                data,
                len(operations),
                expect=OR_ERRNO,
                expected=_ANSWERS,
                label=f"ask for undo values of semaphore set {id}",
            )
        )
    executed = run(program)
    return [executed.result(ref) for ref in refs]


def _entry(one: SemaphoreSet, num: int, value: int, now: int) -> CrtoolsSemUndoEntry:
    # At the end of the process a semaphore goes no further than its limits (ipc/sem.c, exit_sem).
    after = now + value
    return CrtoolsSemUndoEntry(
        desc=IpcDescEntry(
            key=one.key, uid=0, gid=0, cuid=one.cuid, cgid=one.cgid, mode=0, id=one.id
        ),
        ctime=one.ctime,
        num=num,
        value=value,
        lost=after - min(max(after, 0), SEMVMX) or None,
    )


def check_undo(entries: Iterable[CrtoolsSemUndoEntry], name: str) -> None:
    """Whether the sets are still there. Raises RestoreConflict, ImageError."""
    for entry in entries:
        desc = entry.desc
        if (
            not -SEMVMX - 1 <= entry.value <= SEMVMX
            or abs(entry.lost or 0) > SEMVMX
            or not entry.value
            or desc.id >= 1 << 31
        ):
            raise ImageError(f"{name} has an impossible undo value of semaphore {entry.num}")
        buffer = bytearray(_DS.size)
        gone = kernel.raw(SYS_semctl, desc.id, 0, IPC_STAT, kernel.address_of(buffer)) < 0
        there = parse_set(desc.id, buffer)
        if (
            gone
            or (there.key, there.cuid, there.cgid) != (desc.key, desc.cuid, desc.cgid)
            or entry.num >= there.count
            or (not desc.key and there.ctime != entry.ctime)
        ):
            raise RestoreConflict(
                f"Cannot restore {name}: it holds semaphore {entry.num} of set {desc.id}",
                because="that set is not there any more"
                if gone
                else "another set has that number now",
                hint="start what makes the semaphores, and dump again",
                subject=("sem", desc.id, entry.num),
            )


def build_undo(program: Program, entries: Iterable[CrtoolsSemUndoEntry], *, taking: bool) -> None:
    """Takes what the process had taken (`taking`), or gives what it had given, with SEM_UNDO."""
    sets: dict[int, list[bytes]] = {}
    for entry in entries:
        if (entry.value > 0) is taking:
            # -32768, the least semadj, takes two operations.
            first = min(-entry.value, SEMVMX)
            operations = [(first, SEM_UNDO | IPC_NOWAIT)]
            if entry.lost:
                operations.append((entry.lost, IPC_NOWAIT))
            if first != -entry.value:
                operations.append((-entry.value - first, SEM_UNDO | IPC_NOWAIT))
            sets.setdefault(entry.desc.id, []).extend(
                [_OP.pack(entry.num, op, flags) for op, flags in operations]
            )
    for id, packed in sets.items():
        # sysctl kernel.sem: 500 operations in a call, unless it was made less.
        for begin in range(0, len(packed), 90):
            part = packed[begin : begin + 90]
            program.call(
                SYS_semop,
                id,
                program.put(b"".join(part)),
                len(part),
                label=f"take semaphore set {id} again",
            )


def explain_undo(error: RemoteSyscallError) -> RestoreConflict:
    return RestoreConflict(
        error.what,
        because="somebody else has taken since what the process held"
        if error.errno == errno.EAGAIN
        else os.strerror(error.errno),
        hint="end who holds it",
        subject=("task", error.task),
    )
