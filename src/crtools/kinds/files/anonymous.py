"""What all kinds have in common that are nothing but an open file: they have no name and no place,
and the kernel has one inode for all of them (fs/anon_inodes.c).

So it is kcmp(2) alone that tells whether two descriptors are the same one.
"""

from __future__ import annotations

from crtools.abi import kernel
from crtools.abi.clone import KCMP_EPOLL_TFD, KCMP_FILE
from crtools.abi.fcntl import (
    F_SETFL,
    FASYNC,
    O_ACCMODE,
    O_APPEND,
    O_CLOEXEC,
    O_EXCL,
    O_NOATIME,
    O_NONBLOCK,
    O_RDWR,
)
from crtools.abi.x86_64 import SYS_fcntl, SYS_kcmp
from crtools.errors import ImageError
from crtools.kinds.files.base import FilePlanner, choose_place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

    from crtools.agent.program import Program, Ref
    from crtools.kinds.files.base import PlanContext, PlannedFile, Programs
    from crtools.kinds.files.look import Key

    # An open file at its first sight: task, descriptor, id, type.
    Known: TypeAlias = tuple[int, int, int, int]

_LARGE = 0o100000  # O_LARGEFILE, which open(2) adds where it is not said
_POSSIBLE = O_ACCMODE | O_EXCL | O_NONBLOCK | O_CLOEXEC | FASYNC | _LARGE | O_APPEND | O_NOATIME
_SETTABLE = O_APPEND | O_NOATIME | O_NONBLOCK


class Lookup:
    """Finds open files of the tree. `lists` are those that may be one, in kcmp's order."""

    def __init__(self, lists: dict[Key, list[Known]]) -> None:
        self._lists: dict[tuple[int, int], list[list[Known]]] = {}
        self.inodes: dict[int, tuple[int, int]] = {}  # by id: device and inode
        self.places: dict[int, tuple[int, int]] = {}  # by id: task and descriptor
        for key, same in lists.items():
            inode = key[:2]
            self._lists.setdefault(inode, []).append(same)
            for tid, fd, id, _ in same:
                self.inodes[id] = inode
                self.places[id] = tid, fd

    def is_alone(self, id: int) -> bool:
        """Whether its inode has no other open file."""
        return len(self._lists[self.inodes[id]]) == 1 == len(self._lists[self.inodes[id]][0])

    def find_watched(self, device: int, inode: int, tid: int, slot: int) -> Known | None:
        """What an epoll set of a task watches; `slot` is where a struct kcmp_epoll_slot is."""
        same = self._sorted(device, inode)
        low, high = 0, len(same)
        while low < high:
            middle = (low + high) // 2
            known = same[middle]
            order = kernel.raw(SYS_kcmp, known[0], tid, KCMP_EPOLL_TFD, known[1], slot)
            if order == 0:
                return known
            if order == 1:
                low = middle + 1
            elif order == 2:
                high = middle
            else:
                return None
        return None

    def _sorted(self, device: int, inode: int) -> list[Known]:
        """All open files of an inode in kcmp's order, which each list is in already."""
        lists = self._lists.get((device, inode), [])
        while len(lists) > 1:
            pairs = zip(lists[::2], lists[1::2], strict=False)
            rest = lists[-1:] if len(lists) % 2 else []
            lists = self._lists[device, inode] = [_merge(*pair) for pair in pairs] + rest
        return lists[0] if lists else []


def _merge(first: list[Known], second: list[Known]) -> list[Known]:
    merged: list[Known] = []
    at = there = 0
    while at < len(first) and there < len(second):
        one, other = first[at], second[there]
        if kernel.raw(SYS_kcmp, one[0], other[0], KCMP_FILE, one[1], other[1]) == 1:
            merged.append(one)
            at += 1
        else:
            merged.append(other)
            there += 1
    return merged + first[at:] + second[there:]


class AnonymousPlanner(FilePlanner):
    """Each file is made by its first user. A kind says how: `build`."""

    what = ""  # "an eventfd"
    later = O_APPEND | O_NOATIME  # what F_SETFL gives, beside what is said at birth

    def __init__(self, context: PlanContext) -> None:
        self.context = context
        self.files: list[PlannedFile] = []

    def add(self, file: PlannedFile) -> None:
        flags = file.message.flags
        if flags & ~_POSSIBLE or flags & O_ACCMODE != O_RDWR:
            raise ImageError(f"File {file.id}, {self.what}, has impossible flags: {flags:#o}")
        self.check_entry(file)
        self.files.append(file)

    def check_entry(self, file: PlannedFile) -> None:
        """Raises ImageError."""

    def name(self, file: PlannedFile) -> str:
        return self.what

    def place(self) -> None:
        choose_place(self.context, self.files)
        for file in self.files:
            self.context.add_job(file.pid, Making(self, file))

    def build(self, program: Program, file: PlannedFile, flags: int) -> Ref:
        """Instructions that make it with O_NONBLOCK and O_CLOEXEC as in `flags`, of less than a
        kibibyte: the result is the descriptor."""
        raise NotImplementedError

    def build_rest(self, program: Program, file: PlannedFile) -> None:
        """What is done when it has its number."""


class Making:
    """Makes one, at its number."""

    __slots__ = ("file", "planner")

    def __init__(self, planner: AnonymousPlanner, file: PlannedFile) -> None:
        self.planner = planner
        self.file = file

    def __call__(self, programs: Programs) -> None:
        planner, file = self.planner, self.file
        cloexec = file.users[0][2]
        flags = file.message.flags
        program = programs.need(1024)
        made = planner.build(program, file, flags & O_NONBLOCK | (O_CLOEXEC if cloexec else 0))
        planner.context.move(program, made, file.number, cloexec, self.what)
        if flags & planner.later:
            program.call(
                SYS_fcntl,
                file.number,
                F_SETFL,
                flags & _SETTABLE,
                label=lambda: f"set the flags of {self.what()}",
            )
        planner.build_rest(program, file)

    def what(self) -> str:
        return self.planner.context.describe(self.file)


def read_own(context: PlanContext, key: str) -> dict[int, Any]:
    """The entries of an image of our own, by the id of the open file that they add to."""
    if not context.store.has(key):
        return {}
    found: dict[int, Any] = {}
    for entry in context.store.read(key):
        if entry.id in found:
            raise ImageError(f"{key}.img has two entries for file {entry.id}")
        found[entry.id] = entry
    return found
