"""Who shares what with whom: how a tree of processes is begotten with it. Pure.

A descriptor table, a place in the file system, an address space and a table of signal actions come
to be shared in one way only: clone(2) with CLONE_FILES, CLONE_FS, CLONE_VM, CLONE_SIGHAND. Sharing
ends with unshare(2) for the first two, for the others with execve(2) alone, which also ends all
other sharing but CLONE_FS (kernel/fork.c, fs/exec.c). So:

- who shares with an ancestor is begotten with it, and so is everybody on the way down; those on the
  way who do not share leave afterwards, by unshare;
- siblings that share what their parent does not are begotten by the parent while it shares it for a
  time, or where it cannot (it may not leave what it has itself, or memory) by the first of them,
  with CLONE_PARENT.

Signal actions are shared only where memory is: the kernel takes CLONE_SIGHAND with CLONE_VM only.

`arrange` reorders who begets whom, before kinds/process/relations.py makes steps of it; `share`
adds the flags and the calls of unshare to the steps.
"""

from __future__ import annotations

from crtools.abi.clone import CLONE_FILES, CLONE_FS, CLONE_SIGHAND, CLONE_VM
from crtools.errors import UnsupportedObject

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from crtools.kinds.process.relations import Relation, Step

WHAT = {
    CLONE_FILES: "descriptor table",
    CLONE_FS: "root, working directory and umask",
    CLONE_VM: "memory",
    CLONE_SIGHAND: "signal actions",
}
# What can be left again, by unshare(2).
LEAVABLE = CLONE_FILES | CLONE_FS


def classes_of(entries: Sequence[Relation]) -> dict[int, dict[int, int]]:
    """Flag -> pid -> id of what it shares with others of the tree; who shares nothing is absent."""
    found: dict[int, dict[int, int]] = {}
    for flag, ids in (
        (CLONE_VM, [entry.vm_id for entry in entries]),
        (CLONE_SIGHAND, [entry.sighand_id for entry in entries]),
        (CLONE_FILES, [entry.files_id for entry in entries]),
        (CLONE_FS, [entry.fs_id for entry in entries]),
    ):
        count: dict[int, int] = {}
        for id in ids:
            count[id] = count.get(id, 0) + 1
        own = {e.pid: id for e, id in zip(entries, ids, strict=True) if id and count[id] > 1}
        if own:
            found[flag] = own
    return found


class _Needs:
    """For each process the ids of what it must be begotten with: what somebody below it (by
    begetting) or it itself shares with somebody who is not below it."""

    def __init__(self, own: Mapping[int, int], children: Callable[[int], Iterable[int]]) -> None:
        self._total: dict[int, int] = {}
        for id in own.values():
            self._total[id] = self._total.get(id, 0) + 1
        self._own = own
        self._children = children
        self._of: dict[int, list[int]] = {}

    def start(self, root: int) -> None:
        order = [root]
        for pid in order:  # it grows on the way
            order += self._children(pid)
        below: dict[int, dict[int, int]] = {}
        for pid in reversed(order):
            counts: dict[int, int] = {}
            if pid in self._own:
                counts[self._own[pid]] = 1
            for child in self._children(pid):
                for id, count in below.pop(child).items():
                    counts[id] = counts.get(id, 0) + count
            below[pid] = counts = {i: n for i, n in counts.items() if n < self._total[i]}
            self._of[pid] = list(counts)

    def of(self, pid: int) -> list[int]:
        return self._of.get(pid, [])


def arrange(
    entries: Sequence[Relation],
    before: dict[int, list[int]],
    after: dict[int, list[int]],
    siblings: set[int],
) -> None:
    """Changes whom each process begets before and after its setsid(): the children of one that
    cannot share with them go to the first of these, and the rest is put into an order in which
    it can leave what it shared for a time. `siblings` get those made with CLONE_PARENT."""
    by_pid = {entry.pid: entry for entry in entries}
    root = entries[0].pid

    def children(pid: int) -> list[int]:
        return [*before.get(pid, ()), *after.get(pid, ())]

    found = classes_of(entries)
    for flag, own in found.items():
        needs = _Needs(own, children)
        needs.start(root)
        for pid in by_pid:
            kept = own.get(pid)
            if flag & LEAVABLE and (kept is None or kept not in needs.of(pid)):
                continue
            for lists in (before, after):
                first: dict[tuple[int, int], int] = {}
                for child in list(lists.get(pid, ())):
                    wanted = [id for id in needs.of(child) if id != kept]
                    if not wanted or child not in by_pid:
                        continue
                    begetter = first.setdefault((wanted[0], by_pid[child].ppid), child)
                    if begetter == child:
                        continue
                    lists[pid].remove(child)
                    siblings.add(child)
                    # A leader of a session is born into the one that its siblings are born into.
                    leads = by_pid[begetter].sid == begetter
                    (before if leads else after).setdefault(begetter, []).append(child)
    for flag, own in found.items():
        if not flag & LEAVABLE:
            continue
        needs = _Needs(own, children)
        needs.start(root)
        for pid in by_pid:
            brought = needs.of(pid)
            for lists in (before, after):
                mine = lists.get(pid, [])
                # What it was born with first, what it keeps last; who needs none follows the one
                # before.
                keys: dict[int, int] = {}
                ranks: dict[int, int] = dict.fromkeys(brought, 0)
                if pid in own:
                    ranks.setdefault(own[pid], len(entries) + 1)
                last = 0
                for child in mine:
                    for id in needs.of(child):
                        last = ranks.setdefault(id, len(ranks) + 1)
                    keys[child] = last
                mine.sort(key=keys.__getitem__)


def share(
    entries: Sequence[Relation], steps: Sequence[Step], unshare: Callable[[Step, int], Step]
) -> list[Step]:
    """The steps with what each clone shares, and those of unshare(2) among them. `unshare` makes
    one that follows a given step of the same process.

    Raises UnsupportedObject where the tree cannot be begotten so.
    """
    by_pid = {entry.pid: entry for entry in entries}
    begotten: dict[int, list[int]] = {}
    for step in steps:
        if step.kind == "clone" and step.by:
            begotten.setdefault(step.by, []).append(step.pid)
    flags: dict[int, int] = {}  # pid -> what it is begotten with
    leave_before: dict[int, int] = {}  # pid of a child -> what its begetter leaves before its birth
    leave_at_last: dict[int, int] = {}  # pid -> what it leaves after its last child
    for flag, own in classes_of(entries).items():
        needs = _Needs(own, lambda pid: begotten.get(pid, ()))
        needs.start(entries[0].pid)
        holds: dict[int, int | None] = {entries[0].pid: None}
        begun: set[int] = set()
        for step in steps:
            if step.kind != "clone" or not step.by:
                continue
            by, pid = step.by, step.pid
            wanted = needs.of(pid)
            if len(wanted) > 1:
                raise _cannot(flag, by_pid, pid, own)
            holds[pid] = wanted[0] if wanted else None
            if not wanted:
                continue
            (id,) = wanted
            flags[pid] = flags.get(pid, 0) | flag
            held = holds[by]
            if held == id:
                continue
            # Others than helpers, which exit, must be able to leave what is not theirs.
            theirs = by not in by_pid or own.get(by) == id
            stays = not flag & LEAVABLE and (held is not None or not theirs)
            if id in begun or stays or held == own.get(by, 0):
                raise _cannot(flag, by_pid, pid, own)
            if held is not None:
                leave_before[pid] = leave_before.get(pid, 0) | flag
            begun.add(id)
            holds[by] = id
        for pid in by_pid:
            if holds[pid] != own.get(pid):
                if not flag & LEAVABLE or pid in own:
                    raise _cannot(flag, by_pid, pid, own)
                leave_at_last[pid] = leave_at_last.get(pid, 0) | flag
    result: list[Step] = []
    for step in steps:
        if step.kind != "clone":
            result.append(step)
            continue
        if step.pid in leave_before:
            result.append(unshare(step, leave_before[step.pid]))
        result.append(step.but(share=flags[step.pid]) if step.pid in flags else step)
        if step.by in leave_at_last and begotten[step.by][-1] == step.pid:
            result.append(unshare(step, leave_at_last[step.by]))
    for pid, flag in flags.items():
        if flag & CLONE_SIGHAND and not flag & CLONE_VM:
            raise UnsupportedObject(
                f"Cannot recreate process {pid}: it shares its signal actions but not its memory",
                because="clone(2) makes no such process",
                subject=("task", pid),
            )
    return result


def _cannot(
    flag: int, by_pid: Mapping[int, Relation], pid: int, own: Mapping[int, int]
) -> UnsupportedObject:
    members: dict[int, list[int]] = {}
    for member, id in own.items():
        members.setdefault(id, []).append(member)
    groups = "; ".join(", ".join(map(str, group)) for group in members.values())
    return UnsupportedObject(
        f"Cannot recreate process {pid} and who shares one {WHAT[flag]}: {groups}",
        because="their parents and sessions leave no order in which they can be begotten so",
        hint="dump again when one of them has ended",
        subject=("task", pid if pid in by_pid else min(own)),
    )
