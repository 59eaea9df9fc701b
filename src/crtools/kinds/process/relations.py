"""Parents, sessions and process groups: how a tree of processes is made with them.

Nothing sets a parent, a session or a group to an arbitrary value; they come about as they came
about the first time. The rules (kernel/fork.c, kernel/sys.c, kernel/exit.c):

- a child has the session and the group that its begetter has at that moment; its parent is its
  begetter, or with CLONE_PARENT the begetter's parent (and then it takes the exit signal over);
- setsid() begins a session and a group, both numbered by the caller's pid;
- setpgid() moves the caller, or its child, into a group of its own session that has a member, or
  begins the one numbered by the pid that is moved; a session's leader stays where it is;
- who loses its parent goes to the nearest ancestor with PR_SET_CHILD_SUBREAPER, with SIGCHLD as its
  exit signal.

So whoever is to be in session S must be begotten by somebody in S. For most that is the parent. The
cases left:

- a child of a session's leader that is in another session: begotten before the parent's setsid();
- a session whose leader is gone: a helper with its pid, which is a child of the deepest process
  that needs children in the session, calls setsid(), begets them and exits; they go to that
  process, which is a subreaper for the moment;
- a session whose leader L is there, and a member that is the child of an ancestor of L, which is in
  another session: begotten by L with CLONE_PARENT, or where that ancestor is not L's parent, by a
  helper that L begets and that exits;
- a group whose leader is gone: a helper with its pid begins it and exits when others are in it.

The plan is pure. Steps are grouped into rounds: within one round every process runs its own steps
in order, and the processes among themselves in any order.
"""

from __future__ import annotations

from crtools.errors import ImageError, InternalError, UnsupportedObject
from crtools.model.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

SIGCHLD = 17  # asm/signal.h
TOOL = 0  # `by` of the step that makes the root: the tool itself
FIRST_SPARE = 300  # below: what a boot's daemons hold (RESERVED_PIDS, kernel/pid.c)

# Kinds of steps.
CLONE = "clone"
SETSID = "setsid"
SETPGID = "setpgid"
SUBREAPER = "subreaper"
EXIT = "exit"
REAP = "reap"
UNSHARE = "unshare"


class Relation(Value):
    """One process of a tree, zombies too: a pstree_entry without its threads.

    `exit_signal` is what its parent gets at its end, 0: nothing. Processes with equal ids share
    that object; 0: it is not known to be shared.
    """

    pid: int
    ppid: int
    pgid: int
    sid: int
    exit_signal: int = SIGCHLD
    vm_id: int = 0
    files_id: int = 0
    fs_id: int = 0
    sighand_id: int = 0


class Step(Value):
    """One system call of the process `by`, or of the tool where that is TOOL.

    kind       meaning
    clone      clone3() of `pid`; `clone_parent`: with CLONE_PARENT and no exit signal of its own;
               `helper`: it is no process of the tree and exits again; `memory`: the process of the
               tree whose memory it begins with (TOOL: none's); `share`: CLONE_* flags of what it
               shares with `by`
    unshare    unshare(`share`)
    setsid     setsid()
    setpgid    setpgid(pid, pgid), `pid` being `by` or a child of it
    subreaper  prctl(PR_SET_CHILD_SUBREAPER, on)
    exit       `by`, a helper, exits with status 0; this is done when it has been reaped
    reap       wait for `pid`, a helper that was made by `by`: wait4(pid, __WALL)
    """

    by: int
    kind: str
    pid: int
    round: int
    pgid: int = 0
    clone_parent: bool = False
    helper: bool = False
    exit_signal: int = 0
    memory: int = TOOL
    on: bool = False
    share: int = 0


class RelationsPlan(Value):
    """`steps` in an order in which they can be run one after the other; `pids`: every number that
    has to be free, helpers included; `helpers`: those that are gone in the end."""

    steps: tuple[Step, ...]
    pids: tuple[int, ...]
    helpers: tuple[int, ...]

    def rounds(self) -> list[dict[int, list[Step]]]:
        """One dictionary a round: process -> its steps in that round, in order."""
        last = max((step.round for step in self.steps), default=-1)
        rounds: list[dict[int, list[Step]]] = [{} for _ in range(last + 1)]
        for step in self.steps:
            rounds[step.round].setdefault(step.by, []).append(step)
        return rounds


def plan_relations(
    entries: Sequence[Relation],
    *,
    outer_pgid: int | None = None,
    is_free: Callable[[int], bool] = lambda pid: True,
) -> RelationsPlan:
    """The steps that make a tree: `entries` are parent before child, the first is the root.

    outer_pgid: with --shell-job, the tool's own group, getpgrp() (0: begun outside of the pid
    namespace): where the root's session lies outside of the tree, that and its group become the
    tool's. None: such a tree is refused.
    is_free: asked for the numbers of helpers that may have any.
    No process may be a subreaper while the steps run, but through them.

    Raises ImageError where the ids contradict each other, UnsupportedObject where the tree cannot
    be made.
    """
    tree = _Tree(entries, shell_job=outer_pgid is not None)
    return _Emission(tree, _Begetting(tree, is_free), outer_pgid or 0).plan()


def is_orphaned(pgid: int, entries: Sequence[Relation]) -> bool:
    """Whether nobody of a process group has a parent in another group of the same session
    (kernel/exit.c, will_become_orphaned_pgrp): no shell is there to continue it. The parent of the
    first entry is not known, and not counted."""
    known = {entry.pid: entry for entry in entries}
    for entry in entries:
        parent = known.get(entry.ppid)
        if entry.pgid == pgid and parent and parent.sid == entry.sid and parent.pgid != pgid:
            return False
    return True


def _impossible(entry: Relation, why: str) -> ImageError:
    return ImageError(
        f"pstree.img says something impossible about process {entry.pid}",
        because=why,
        subject=("task", entry.pid),
    )


class _Tree:
    """The entries, checked; `outer` is the session outside of the tree that the root is in."""

    def __init__(self, entries: Sequence[Relation], *, shell_job: bool) -> None:
        if not entries:
            raise ImageError("The process tree is empty", because="pstree.img has no entry")
        self.entries = entries
        self.root = root = entries[0]
        self.by_pid: dict[int, Relation] = {}
        self.depth: dict[int, int] = {}
        for entry in entries:
            if entry.pid <= 0 or entry.pid in self.by_pid:
                raise _impossible(entry, "its pid is given twice" if entry.pid > 0 else "its pid")
            if entry is not root and entry.ppid not in self.by_pid:
                raise _impossible(entry, f"its parent {entry.ppid} does not come before it")
            self.by_pid[entry.pid] = entry
            self.depth[entry.pid] = 0 if entry is root else self.depth[entry.ppid] + 1
        self.outer: int | None = None
        self.outer_groups: set[int] = set()
        if root.sid != root.pid:
            if not shell_job:
                raise UnsupportedObject(
                    f"Cannot restore process {root.pid}: it is the root of the tree and its session"
                    f" {root.sid} lies outside of it",
                    because="only a session's leader can begin it, and that was not dumped",
                    hint="pass --shell-job: the tree joins the session that crtools runs in",
                    subject=("task", root.pid, "sid", root.sid),
                )
            self.outer = root.sid
            self.outer_groups = {0, root.sid}
            if root.pgid not in self.by_pid:
                self.outer_groups.add(root.pgid)
        self._check()

    def _check(self) -> None:
        of_group = {} if self.outer is None else dict.fromkeys(self.outer_groups, self.outer)
        dead_sessions = {e.sid for e in self.entries if e.sid not in self.by_pid}
        for entry in self.entries:
            if entry.sid == entry.pid:
                if entry.pgid != entry.pid:
                    raise _impossible(entry, f"a session's leader is in group {entry.pgid}")
                continue
            if entry.sid != self.outer:
                if entry.sid <= 0:
                    raise UnsupportedObject(
                        f"Cannot restore process {entry.pid}: its session began outside of its pid"
                        " namespace",
                        hint="dump from the process that entered the namespace on",
                        subject=("task", entry.pid, "sid", entry.sid),
                    )
                leader = self.by_pid.get(entry.sid)
                if leader is not None and leader.sid != leader.pid:
                    raise _impossible(
                        entry, f"its session's leader {leader.pid} is in session {leader.sid}"
                    )
            elif entry.pgid in self.outer_groups:
                continue
            leader = self.by_pid.get(entry.pgid)
            session = leader.sid if leader is not None else entry.sid
            if leader is None and entry.pgid in dead_sessions:
                session = entry.pgid
            if entry.pgid <= 0 or of_group.setdefault(entry.pgid, session) != entry.sid:
                raise _impossible(entry, f"its group {entry.pgid} is not of its session")

    def leads(self, pid: int) -> bool:
        entry = self.by_pid[pid]
        return entry.sid == pid

    def is_below(self, pid: int, ancestor: int) -> bool:
        """Whether `pid` is a strict descendant."""
        for _ in range(self.depth[pid] - self.depth[ancestor]):
            pid = self.by_pid[pid].ppid
            if pid == ancestor:
                return True
        return False


def _unshare(step: Step, flags: int) -> Step:
    return Step(by=step.by, kind=UNSHARE, pid=step.by, round=step.round, share=flags)


class _Helper(Value):
    """A helper of a session that exits to leave its children to `reaper`."""

    pid: int
    begetter: int
    reaper: int


class _Begetting:
    """Who begets whom, and in which part of its life.

    before, after: pid -> whom it begets before and after its setsid(); who calls none has `after`.
    """

    def __init__(self, tree: _Tree, is_free: Callable[[int], bool]) -> None:
        self.tree = tree
        # Session's leader -> the session that it must be born into; others are free.
        self.birth: dict[int, int] = {}
        # Session -> members whose parent cannot beget them there.
        self.detached: dict[int, list[int]] = {}
        self.before: dict[int, list[int]] = {}
        self.after: dict[int, list[int]] = {}
        self.siblings: set[int] = set()  # made with CLONE_PARENT
        self.leaders: list[_Helper] = []  # of sessions whose leader is gone
        self.movers: list[_Helper] = []  # begotten in a session, to leave a member further up
        self._numbers: Iterator[int] | None = None
        self._is_free = is_free
        self._find_detached()
        self._assign()
        self.shares = any(
            entry.vm_id or entry.files_id or entry.fs_id or entry.sighand_id
            for entry in tree.entries
        )
        if self.shares:
            from crtools.kinds.births import arrange

            arrange(tree.entries, self.before, self.after, self.siblings)

    def spare(self) -> int:
        """A number for a helper that may have any."""
        if self._numbers is None:
            used = {n for e in self.tree.entries for n in (e.pid, e.pgid, e.sid)}
            self._numbers = (n for n in range(FIRST_SPARE, 1 << 22) if n not in used)
        for number in self._numbers:
            if self._is_free(number):
                return number
        raise InternalError("No number is free for a helper process")

    def session_at_birth(self, pid: int) -> int | None:
        entry = self.tree.by_pid[pid]
        return self.birth.get(pid) if entry.sid == pid else entry.sid

    def begets_in(self, pid: int, session: int) -> bool:
        """Whether the process is in the session at some time of its life."""
        return self.tree.by_pid[pid].sid == session or self.birth.get(pid) == session

    def _find_detached(self) -> None:
        tree = self.tree
        for entry in tree.entries[1:]:
            if entry.sid != entry.pid and tree.by_pid[entry.ppid].sid != entry.sid:
                self.detached.setdefault(entry.sid, []).append(entry.pid)
        alive = [s for s in self.detached if s in tree.by_pid or s == tree.outer]
        gone = [s for s in self.detached if s not in alive]
        for session in alive:
            self._settle(session)
        for session in gone:
            self._lift(session, self._is_beside_another)
        for session in gone:
            self._lift(session, self._is_not_topmost)

    def _settle(self, session: int) -> None:
        """The leader is there: who cannot be begotten from below its parent is so by its parent,
        a leader itself, before the setsid()."""
        tree = self.tree
        while True:
            wrong = [
                parent
                for parent in self._parents(session)
                if session == tree.outer or not tree.is_below(session, parent)
            ]
            if not wrong:
                return
            for parent in wrong:
                if not self._can_be_born_in(parent, session):
                    raise self._cannot(session, self._children_in(session, parent)[0])
                self._bear_in(parent, session)

    def _lift(self, session: int, is_better: Callable[[int, set[int]], bool]) -> None:
        """The leader is gone, and its helper's place is free: prefer parents that beget their
        children before their own setsid() to moving these up from below."""
        while True:
            parents = self._parents(session)
            chosen = [
                parent
                for parent in parents
                if self._can_be_born_in(parent, session) and is_better(parent, parents)
            ]
            if not chosen:
                return
            for parent in chosen:
                self._bear_in(parent, session)

    def _is_beside_another(self, parent: int, parents: set[int]) -> bool:
        below = self.tree.is_below
        return any(p != parent and not below(p, parent) and not below(parent, p) for p in parents)

    def _is_not_topmost(self, parent: int, parents: set[int]) -> bool:
        return any(p != parent and not self.tree.is_below(p, parent) for p in parents)

    def _can_be_born_in(self, pid: int, session: int) -> bool:
        return (
            self.tree.leads(pid)
            and pid != self.tree.root.pid
            and self.birth.get(pid, session) == session
        )

    def _bear_in(self, leader: int, session: int) -> None:
        """The leader is born into the session, and begets those children itself."""
        self.birth[leader] = session
        by_pid = self.tree.by_pid
        rest = [pid for pid in self.detached[session] if by_pid[pid].ppid != leader]
        if not self.begets_in(by_pid[leader].ppid, session):
            rest.append(leader)
        self.detached[session] = rest

    def _parents(self, session: int) -> set[int]:
        return {self.tree.by_pid[pid].ppid for pid in self.detached[session]}

    def _children_in(self, session: int, parent: int) -> list[int]:
        return [p for p in self.detached[session] if self.tree.by_pid[p].ppid == parent]

    def _assign(self) -> None:
        tree = self.tree
        moved = {pid for members in self.detached.values() for pid in members}
        for entry in tree.entries[1:]:
            if entry.pid in moved:
                continue
            birth = self.session_at_birth(entry.pid)
            after = birth is None or birth == tree.by_pid[entry.ppid].sid
            (self.after if after else self.before).setdefault(entry.ppid, []).append(entry.pid)
        for session, members in self.detached.items():
            if not members:
                continue
            parents = sorted(self._parents(session), key=lambda pid: -tree.depth[pid])
            for upper, lower in zip(parents[1:], parents, strict=False):
                if not tree.is_below(lower, upper):
                    raise self._cannot(session, self._children_in(session, lower)[0])
            if session in tree.by_pid:
                at = tree.by_pid[session].ppid
            else:
                at = parents[0]
                self.leaders.append(_Helper(pid=session, begetter=at, reaper=at))
                self.after.setdefault(at, []).append(session)
            for parent in parents:
                children = self._children_in(session, parent)
                begetter = session
                if parent != at:
                    begetter = self.spare()
                    self.after.setdefault(session, []).append(begetter)
                    self.movers.append(_Helper(pid=begetter, begetter=session, reaper=parent))
                elif session in tree.by_pid:
                    self.siblings.update(children)
                self.after.setdefault(begetter, []).extend(children)

    def _cannot(self, session: int, pid: int) -> UnsupportedObject:
        parent = self.tree.by_pid[pid].ppid
        return UnsupportedObject(
            f"Cannot recreate process {pid} as a child of {parent} in session {session}",
            because=f"nobody in that session can beget it: {parent} is not in the session and no"
            f" leader of it is below {parent}",
            hint="dump again when the processes of that session have ended",
            subject=("task", pid, "sid", session),
        )


class _Emission:
    """Runs the begetting in thought, from the root on, and notes each step with its round."""

    def __init__(self, tree: _Tree, begetting: _Begetting, outer_pgid: int) -> None:
        self.tree = tree
        self.begetting = begetting
        self.outer_pgid = outer_pgid
        self.steps: list[Step] = []
        self.order: list[int] = []  # whoever has steps of its own to take, as created
        self.next = {TOOL: 0}  # pid -> the first round that its next step may be in
        self.group = {TOOL: outer_pgid}
        self.memory = {TOOL: TOOL}  # pid -> the process of the tree whose memory it has
        # Group -> (round, pid) of the step that began it. What began it stays in it until the end.
        self.begun: dict[int, tuple[int, int]] = {outer_pgid: (-1, TOOL)}
        # Group -> (round, pid) of each step that brought somebody there.
        self.joined: dict[int, list[tuple[int, int]]] = {}
        self.keepers: list[_Helper] = []  # helpers that hold a group
        self.leaders = {helper.pid for helper in begetting.leaders}
        self.leaders.update(entry.pid for entry in tree.entries if entry.sid == entry.pid)
        # pid -> the group it goes to when it is born: its own, but one whose number is another
        # group's begins that first. Helpers and leaders of sessions need none.
        groups = {entry.pgid for entry in tree.entries}
        self.target = {
            entry.pid: entry.pid if entry.pid in groups else self._group_of(entry)
            for entry in tree.entries
            if entry.sid != entry.pid
        }

    def _group_of(self, entry: Relation) -> int:
        outside = entry.sid == self.tree.outer and entry.pgid in self.tree.outer_groups
        return self.outer_pgid if outside else entry.pgid

    def plan(self) -> RelationsPlan:
        tree, begetting = self.tree, self.begetting
        self._clone(TOOL, tree.root.pid)
        for pid in self.order:  # it grows on the way
            self._live(pid)
        for entry in tree.entries:
            if entry.pid not in self.memory:
                raise UnsupportedObject(
                    f"Cannot recreate process {entry.pid} as a child of {entry.ppid} in session"
                    f" {entry.sid}",
                    because="whoever could beget it there is itself to be born after it",
                    subject=("task", entry.pid, "sid", entry.sid),
                )
        self._settle_groups()
        self._dismiss_keepers()
        self._dismiss_leaders(self._dismiss_movers())
        helpers = [helper.pid for helper in (*self.keepers, *begetting.leaders, *begetting.movers)]
        if begetting.shares:
            from crtools.kinds.births import share

            self.steps = share(tree.entries, self.steps, _unshare)
        self._check_exit_signals()
        return RelationsPlan(
            steps=tuple(self.steps), pids=(*tree.by_pid, *helpers), helpers=tuple(helpers)
        )

    def _check_exit_signals(self) -> None:
        """One made with CLONE_PARENT has its begetter's; one that has lost its parent, SIGCHLD."""
        by_pid = self.tree.by_pid
        moved = {helper.pid for helper in self.begetting.movers}
        moved.update(helper.pid for helper in self.begetting.leaders)
        for step in self.steps:
            if step.kind != CLONE or step.helper or step.by == TOOL:
                continue
            has = by_pid[step.pid].exit_signal
            gets = by_pid[step.by].exit_signal if step.clone_parent and step.by in by_pid else has
            if step.by in moved:
                gets = SIGCHLD
            if gets != has:
                raise UnsupportedObject(
                    f"Cannot recreate process {step.pid}, whose parent gets signal {has} at its"
                    " end",
                    because=f"it has to be begotten by {step.by}, and then gives signal {gets}",
                    subject=("task", step.pid),
                )

    def _emit(self, by: int, kind: str, *, after: int = 0, pid: int = 0, on: bool = False) -> int:
        """Notes a step in the first round from `after` on that `by` can take it in."""
        at = self._turn(by, after)
        self.steps.append(Step(by=by, kind=kind, pid=pid or by, round=at, on=on))
        return at

    def _turn(self, by: int, after: int = 0) -> int:
        self.next[by] = at = max(self.next[by], after)
        return at

    def _live(self, pid: int) -> None:
        """A process's own steps: its group, its children, its session, its other children."""
        if self.group[pid] != self.target.get(pid, self.group[pid]):
            self._join(pid, pid)
        self._beget(pid, self.begetting.before.get(pid, ()))
        if pid in self.leaders:
            self.begun[pid] = (self._emit(pid, SETSID), pid)
            self.group[pid] = pid
        self._beget(pid, self.begetting.after.get(pid, ()))

    def _beget(self, by: int, children: Iterable[int]) -> None:
        for pid in children:
            self._clone(by, pid)
        for pid in children:  # whose group's leader is a younger sibling
            if pid not in self.begetting.siblings:
                self._join_at_birth(by, pid)

    def _clone(self, by: int, pid: int) -> None:
        """Clones a process and puts it into its group if its begetter can do that now."""
        real = pid in self.tree.by_pid
        sibling = pid in self.begetting.siblings
        at = self._turn(by)
        self.steps.append(
            Step(
                by=by,
                kind=CLONE,
                pid=pid,
                round=at,
                clone_parent=sibling,
                helper=not real,
                exit_signal=self.tree.by_pid[pid].exit_signal if real and not sibling else 0,
                memory=self.memory[by],
            )
        )
        self.next[pid] = at + 1
        self.group[pid] = group = self.group[by]
        self.memory[pid] = pid if real else self.memory[by]
        self.joined.setdefault(group, []).append((at, by))
        self.order.append(pid)
        if by != TOOL and not sibling:
            self._join_at_birth(by, pid)

    def _join_at_birth(self, by: int, pid: int) -> None:
        """The begetter's setpgid() for its child, if it needs one and need not wait for that."""
        target = self.target.get(pid, self.group[pid])
        if self.group[pid] == target:
            return
        begun = self.begun.get(target, (-1, by)) if target != pid else (-1, by)
        if self._round_after(begun, by) <= self.next[by]:
            self._join(by, pid)

    def _join(self, by: int, pid: int) -> bool:
        """Moves a process to its target, which may have to begin; False: its leader must come."""
        target = self.target[pid]
        if target != pid and target not in self.begun and target in self.tree.by_pid:
            return False
        self._move(by, pid, target)
        return True

    def _move(self, by: int, pid: int, group: int) -> None:
        """Moves a process to a group; where the group's leader is gone, a helper begins it."""
        if group != pid and group not in self.begun:
            self._keep(by, group)
            self._set_group(by, group, group)
        self._set_group(by, pid, group)

    def _keep(self, by: int, helper: int) -> None:
        """Clones a helper whose only use is the group that it is in."""
        self._clone(by, helper)
        self.keepers.append(_Helper(pid=helper, begetter=by, reaper=by))

    def _set_group(self, by: int, pid: int, group: int) -> None:
        if group == 0:  # setpgid(pid, 0) would begin a group, setpgid(2)
            raise UnsupportedObject(
                f"Cannot restore process {pid}: it would have to go back to the group of crtools,"
                " which was begun outside of this pid namespace and has no number here",
                hint="run crtools from a shell of this pid namespace, or with setsid",
                subject=("task", pid, "pgid"),
            )
        at = self._turn(by, 0 if pid == group else self._round_after(self.begun[group], by))
        self.steps.append(Step(by=by, kind=SETPGID, pid=pid, round=at, pgid=group))
        if pid == group:
            self.begun[group] = (at, by)
        self.joined.setdefault(group, []).append((at, by))
        self.group[pid] = group
        if by != pid:  # the child's own steps come later: its children inherit the group
            self.next[pid] = max(self.next[pid], at + 1)

    @staticmethod
    def _round_after(step: tuple[int, int], by: int) -> int:
        """The first round in which `by` can build on a step."""
        at, who = step
        return at if who == by else at + 1

    def _after_joining(self, group: int, by: int) -> int:
        """The first round in which `by` knows that all have joined the group."""
        return max((self._round_after(step, by) for step in self.joined.get(group, ())), default=0)

    def _settle_groups(self) -> None:
        """The groups that could not be had at birth, then those of who held another's until now."""
        for pid, target in self.target.items():
            if self.group[pid] != target and not self._join(pid, pid):
                raise InternalError(f"Group {target} of process {pid} has not begun")
        for entry in self.tree.entries:
            pid, group = entry.pid, self._group_of(entry)
            if self.group[pid] == group:
                continue
            if not any(
                self.group[other.pid] == pid for other in self.tree.entries if other != entry
            ):
                self._keep(pid, self.begetting.spare())  # until those come who hold others now
            self._turn(pid, self._after_joining(pid, pid))
            self._move(pid, pid, group)

    def _dismiss_keepers(self) -> None:
        gone = [
            (helper, self._emit(helper.pid, EXIT, after=self._after_joining(group, helper.pid)))
            for helper in self.keepers
            for group in (self.group[helper.pid],)
        ]
        for helper, at in gone:
            self._emit(helper.begetter, REAP, pid=helper.pid, after=at + 1)

    def _dismiss_movers(self) -> int:
        """One at a time: no other subreaper may lie on the way. Returns the round after."""
        free = 0
        for helper in self.begetting.movers:
            on = self._emit(helper.reaper, SUBREAPER, on=True, after=free)
            gone = self._emit(helper.pid, EXIT, after=on + 1)
            reaped = self._emit(helper.begetter, REAP, pid=helper.pid, after=gone + 1)
            free = self._emit(helper.reaper, SUBREAPER, after=reaped + 1) + 1
        return free

    def _dismiss_leaders(self, free: int) -> None:
        """Their reapers are their parents, so all can go at once."""
        reapers = dict.fromkeys(helper.reaper for helper in self.begetting.leaders)
        on = {pid: self._emit(pid, SUBREAPER, on=True, after=free) for pid in reapers}
        gone: dict[int, int] = {}
        for helper in self.begetting.leaders:
            after = max(on[helper.reaper] + 1, self._after_joining(helper.pid, helper.pid))
            gone[helper.pid] = self._emit(helper.pid, EXIT, after=after)
        for helper in self.begetting.leaders:
            self._emit(helper.reaper, REAP, pid=helper.pid, after=gone[helper.pid] + 1)
        for pid in reapers:
            self._emit(pid, SUBREAPER)
