"""Plans for trees whose processes share, played in a model of clone, unshare, execve and exit.

Random histories are played in the model; the tree that they leave is planned, the plan is played in
a fresh model, and who shares what with whom must be the same.
"""

from __future__ import annotations

import random

import pytest

from crtools.abi.clone import CLONE_FILES, CLONE_FS, CLONE_SIGHAND, CLONE_VM
from crtools.errors import UnsupportedObject
from crtools.kinds.births import classes_of
from crtools.kinds.process.relations import (
    EXIT,
    REAP,
    SETPGID,
    SETSID,
    SUBREAPER,
    TOOL,
    UNSHARE,
    Relation,
    RelationsPlan,
    plan_relations,
)

ROOT = 10
FLAGS = (CLONE_VM, CLONE_SIGHAND, CLONE_FILES, CLONE_FS)


class Model:
    """Which object of each kind a process has, and whose child it is. The root takes in orphans."""

    def __init__(self) -> None:
        self.parent = {ROOT: TOOL}
        self.objects = dict.fromkeys([ROOT], dict.fromkeys(FLAGS, 0))
        self.last = 0

    def new(self) -> int:
        self.last += 1
        return self.last

    def clone(self, by: int, pid: int, share: int, *, sibling: bool) -> None:
        assert not share & CLONE_SIGHAND or share & CLONE_VM, "EINVAL"
        assert not (sibling and by == ROOT)
        self.parent[pid] = self.parent[by] if sibling else by
        theirs = self.objects[by]
        self.objects[pid] = {f: theirs[f] if share & f else self.new() for f in FLAGS}

    def unshare(self, pid: int, flags: int) -> None:
        assert not flags & ~(CLONE_FILES | CLONE_FS), "EINVAL"
        for flag in FLAGS:
            if flags & flag:
                self.objects[pid][flag] = self.new()

    def execve(self, pid: int) -> None:
        for flag in (CLONE_VM, CLONE_SIGHAND, CLONE_FILES):
            self.objects[pid][flag] = self.new()

    def exit(self, pid: int) -> None:
        del self.objects[pid]
        for child, parent in self.parent.items():
            if parent == pid:
                self.parent[child] = ROOT
        del self.parent[pid]

    def tree(self) -> list[Relation]:
        entries = []
        pids = [ROOT]
        for pid in pids:
            vm, sighand, files, fs = (self.objects[pid][flag] + 1 for flag in FLAGS)
            entries.append(
                Relation(
                    pid=pid, ppid=self.parent[pid], pgid=ROOT, sid=ROOT,
                    vm_id=vm, sighand_id=sighand, files_id=files, fs_id=fs,
                )
            )  # fmt: skip
            pids += [child for child, parent in self.parent.items() if parent == pid]
        return entries


def play(plan: RelationsPlan) -> Model:
    model = Model()
    for step in plan.steps:
        match step.kind:
            case "clone" if step.by != TOOL:
                model.clone(step.by, step.pid, step.share, sibling=step.clone_parent)
            case "unshare":
                model.unshare(step.by, step.share)
            case _:
                assert step.kind in ("clone", SETSID, SETPGID, SUBREAPER, EXIT, REAP)
    return model


def groups(entries: list[Relation]) -> set[tuple[int, tuple[int, ...]]]:
    """Who shares, without the numbers of the objects."""
    found: dict[tuple[int, int], list[int]] = {}
    for flag, own in classes_of(entries).items():
        for pid, id in own.items():
            found.setdefault((flag, id), []).append(pid)
    return {(flag, tuple(sorted(pids))) for (flag, _), pids in found.items()}


def history(chance: random.Random, *, memory: bool, siblings: bool) -> Model:
    model = Model()
    for pid in range(ROOT + 1, ROOT + 1 + chance.randrange(2, 9)):
        by = chance.choice(list(model.parent))
        share = chance.choice((0, CLONE_FILES, CLONE_FS, CLONE_FILES | CLONE_FS))
        if memory:
            share |= chance.choice((0, CLONE_VM, CLONE_VM | CLONE_SIGHAND))
        sibling = siblings and by != ROOT and chance.random() < 0.4
        model.clone(by, pid, share, sibling=sibling)
        who = chance.choice(list(model.parent))
        what = chance.random()
        if what < 0.3:
            model.unshare(who, chance.choice((CLONE_FILES, CLONE_FS)))
        elif what < 0.4:
            model.execve(who)
        elif what < 0.5 and who != ROOT:
            model.exit(who)
    return model


def comes_back(entries: list[Relation]) -> RelationsPlan:
    plan = plan_relations(entries)
    after = play(plan).tree()
    assert groups(after) == groups(entries)
    assert {(e.pid, e.ppid) for e in after} == {(e.pid, e.ppid) for e in entries}
    return plan


def refused(seed: int, *, memory: bool, siblings: bool) -> int:
    """How many of a thousand trees cannot be planned; all others come back."""
    chance = random.Random(seed)
    count = 0
    for _ in range(1000):
        entries = history(chance, memory=memory, siblings=siblings).tree()
        try:
            comes_back(entries)
        except UnsupportedObject:
            count += 1
    return count


def test_what_can_be_left_comes_back_but_for_orphans_of_those_in_between() -> None:
    # Who shares with a process further down than its parent, since its own parent has died.
    assert refused(1, memory=False, siblings=False) < 5


def test_most_trees_come_back_and_the_others_are_refused() -> None:
    assert refused(2, memory=True, siblings=True) < 100


def entry(pid: int, ppid: int, **ids: int) -> Relation:
    return Relation(pid=pid, ppid=ppid, pgid=ROOT, sid=ROOT, **ids)


def test_nothing_is_added_where_nothing_is_shared() -> None:
    plan = comes_back([entry(ROOT, 0, files_id=1), entry(11, ROOT, files_id=2)])
    assert not any(step.share or step.kind == UNSHARE for step in plan.steps)


def test_who_is_between_a_grandparent_and_a_grandchild_leaves_by_unshare() -> None:
    plan = comes_back([entry(ROOT, 0, files_id=1), entry(11, ROOT), entry(12, 11, files_id=1)])
    assert [(s.by, s.share) for s in plan.steps if s.kind == UNSHARE] == [(11, CLONE_FILES)]


def test_a_sibling_is_begotten_by_its_sibling_where_the_parent_keeps_what_it_has() -> None:
    plan = comes_back(
        [
            entry(ROOT, 0, fs_id=1),
            entry(11, ROOT, fs_id=1),
            entry(12, 11, fs_id=2),
            entry(13, 11, fs_id=2),
        ]
    )
    (step,) = (step for step in plan.steps if step.pid == 13)
    assert (step.by, step.clone_parent, step.share) == (12, True, CLONE_FS)


def test_memory_of_a_grandparent_behind_a_parent_that_called_execve_is_refused() -> None:
    entries = [entry(ROOT, 0, vm_id=1), entry(11, ROOT), entry(12, 11, vm_id=1)]
    with pytest.raises(UnsupportedObject, match=r"process 1[12] and who shares one memory: 10, 12"):
        plan_relations(entries)


def test_signal_actions_without_memory_are_refused() -> None:
    entries = [entry(ROOT, 0, sighand_id=1), entry(11, ROOT, sighand_id=1)]
    with pytest.raises(UnsupportedObject, match="shares its signal actions but not its memory"):
        plan_relations(entries)


def test_two_objects_that_cross_are_refused() -> None:
    entries = [
        entry(ROOT, 0, files_id=1),
        entry(11, ROOT, files_id=2),
        entry(12, 11, files_id=1),
        entry(13, 12, files_id=2),
    ]
    with pytest.raises(UnsupportedObject, match="Cannot recreate"):
        plan_relations(entries)


def test_another_exit_signal_is_given_at_birth_and_not_by_a_sibling() -> None:
    entries = [entry(ROOT, 0), entry(11, ROOT).but(exit_signal=10)]
    assert comes_back(entries).steps[-1].exit_signal == 10
    entries = [
        entry(ROOT, 0),
        entry(11, ROOT, vm_id=1).but(exit_signal=10),
        entry(12, ROOT, vm_id=1),
    ]
    with pytest.raises(UnsupportedObject, match="whose parent gets signal 17 at its end"):
        plan_relations(entries)
