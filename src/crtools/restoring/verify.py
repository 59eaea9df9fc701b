"""`crtools verify`: whether a directory of images is whole, and what it builds upon.

Nothing is changed and no process is touched. With checksums every byte is compared. Without them,
and besides: every image decodes, pages files are as long as their pagemaps say, every page that is
said to be in a parent is there, and a restore can be planned, which looks at every reference.
"""

from __future__ import annotations

import os

from crtools.errors import CrtoolsError, ImageError
from crtools.images import checksums
from crtools.images.dedup import IN_PARENT, MOST, PAGE, places
from crtools.images.framing import parse_file
from crtools.images.registry import BY_KEY, find_by_name
from crtools.images.store import ImageStore, read_whole
from crtools.model.value import Value
from crtools.restoring.plan import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.images.messages.pagemap import PagemapEntry
    from crtools.model.options import Options

_PAGEMAPS = ("pagemap", "pagemap-shmem")
Range = tuple[int, int]


class Verified(Value):
    """What was looked at and found. `directory` is followed by those behind it."""

    directories: tuple[str, ...]
    recorded: tuple[bool, ...]  # which of them have checksums
    files: int
    bytes: int
    problems: tuple[CrtoolsError, ...]
    remarks: tuple[CrtoolsError, ...]  # what would keep a restore from being done here and now


def verify(options: Options, *, deep: bool = True) -> Verified:
    """Looks at options.images_dir and, if `deep`, at all directories behind it. Raises CrtoolsError
    for a directory that cannot be looked at."""
    found = _Findings()
    endless = ImageError(f"{options.images_dir} has {MOST} parent directories in a row")
    store = here = ImageStore.open(options.images_dir, allow_incomplete=True)
    try:
        try:
            store.require_complete()
        except ImageError as error:
            found.add(store, BY_KEY["inventory"].file_name(), error)
        found.look_at(store)
        _check_references(store, options, found, deep=deep)
        needed = _in_parent(store, {})
        for _ in range(MOST if deep else 0):
            if not here.has_parent():
                _tell_lost(here, needed, found)
                break
            try:
                behind = here.open_parent()
            except CrtoolsError as gone:
                found.add(here, "parent", gone)
                break
            if here is not store:
                here.close()
            here = behind
            found.look_at(here)
            needed = _require(here, needed, found)
        else:
            if deep:
                found.add(store, "parent", endless)
    finally:
        if here is not store:
            here.close()
        store.close()
    return Verified(
        directories=tuple(found.directories),
        recorded=tuple(found.recorded),
        files=found.files,
        bytes=found.bytes,
        problems=tuple(found.problems.values()),
        remarks=tuple(found.remarks),
    )


class _Findings:
    """What is wrong: one thing a file, the first that was found."""

    def __init__(self) -> None:
        self.directories: list[str] = []
        self.recorded: list[bool] = []
        self.files = 0
        self.bytes = 0
        self.problems: dict[tuple[str, str], CrtoolsError] = {}
        self.remarks: list[CrtoolsError] = []

    def add(self, store: ImageStore, name: str, error: CrtoolsError) -> None:
        self.problems.setdefault((store.path, name), error)

    def has(self, store: ImageStore, name: str) -> bool:
        return (store.path, name) in self.problems

    def look_at(self, store: ImageStore) -> None:
        """One directory by itself."""
        self.directories.append(store.path)
        self.recorded.append(store.has(checksums.KEY))
        sums = None
        if self.recorded[-1]:
            try:
                sums = checksums.read(store)
            except CrtoolsError as error:
                self.add(store, BY_KEY[checksums.KEY].file_name(), error)
        if sums is not None:
            for name, damage in checksums.compare(store, sums).items():
                self.add(store, name, damage)
        for name in checksums.covered_names(store):
            self.files += 1
            try:
                self.bytes += self._decode(store, name)
            except CrtoolsError as error:
                self.add(store, name, error)
        self._check_lengths(store)

    def _decode(self, store: ImageStore, name: str) -> int:
        """Its size in bytes."""
        found = find_by_name(name)
        assert found is not None
        fd = store.open_named(name)
        try:
            if not found[0].raw:
                parse_file(read_whole(fd, name), name, found[0])
            return os.fstat(fd).st_size
        finally:
            os.close(fd)

    def _check_lengths(self, store: ImageStore) -> None:
        """Pages files are as long as the pagemaps say that they belong to."""
        lengths: dict[int, list[tuple[str, int]]] = {}
        for key, id, name in _pagemaps(store):
            if self.has(store, name):
                continue
            try:
                head, *entries = store.read(key, id)
                own = places(entries, name)
            except CrtoolsError as error:
                self.add(store, name, error)
                continue
            length = own[-1][2] + own[-1][1] - own[-1][0] if own else 0
            lengths.setdefault(head.pages_id, []).append((name, length))
        for pages_id, wanted in lengths.items():
            pages = BY_KEY["pages"].file_name(pages_id)
            longest = max(wanted, key=lambda pair: pair[1])
            if self.has(store, pages):
                continue
            try:
                fd = store.open_named(pages)
            except CrtoolsError as error:
                if longest[1]:
                    self.add(store, pages, error)
                continue
            size = os.fstat(fd).st_size
            os.close(fd)
            # Where several share one, each says only how much of it there is at least.
            if size < longest[1] or (len(wanted) == 1 and size != longest[1]):
                self.add(
                    store,
                    pages,
                    ImageError(
                        f"{pages} in {store.path} is damaged",
                        because=f"it has {size} bytes, and {longest[0]} tells of {longest[1]}",
                        subject=("image", pages),
                    ),
                )


def _pagemaps(store: ImageStore) -> list[tuple[str, int, str]]:
    """Key, id and name of all pagemaps in a directory."""
    found = []
    for name in store.names():
        kind = find_by_name(name)
        if kind is not None and kind[0].key in _PAGEMAPS and kind[1] is not None:
            found.append((kind[0].key, kind[1], name))
    return found


def _check_references(store: ImageStore, options: Options, found: _Findings, *, deep: bool) -> None:
    """Whether a restore can be planned. Where files are known to be damaged nothing more would be
    learned; and without the directories behind there is no plan."""
    if found.problems or (store.has_parent() and not deep):
        return
    if store.read_one("inventory").pre_dump_mode is not None:
        return  # pages, and nothing that could be restored
    try:
        Plan(store, options)
    except ImageError as error:
        found.add(store, "", error)
    except CrtoolsError as error:
        found.remarks.append(error)


def _in_parent(
    store: ImageStore, wanted: dict[tuple[str, int], list[Range]]
) -> dict[tuple[str, int], list[Range]]:
    """The addresses that pagemaps say to be further behind; of those `wanted`, if any are."""
    needed: dict[tuple[str, int], list[Range]] = {}
    for key, id, _ in _pagemaps(store):
        try:
            entries = store.read(key, id)[1:]
        except CrtoolsError:
            continue  # told of already
        ranges = [_range(entry) for entry in entries if _is_in_parent(entry)]
        if wanted:
            ranges = _common(ranges, wanted.get((key, id), []))
        if ranges:
            needed[key, id] = ranges
    return needed


def _require(
    store: ImageStore, needed: dict[tuple[str, int], list[Range]], found: _Findings
) -> dict[tuple[str, int], list[Range]]:
    """Checks that the pages which the directory in front needs are here or further behind; what
    is further behind."""
    for (key, id), ranges in needed.items():
        name = BY_KEY[key].file_name(id)
        if not store.has(key, id):
            found.add(
                store,
                name,
                ImageError(
                    f"{name} is missing from the images in {store.path}",
                    because="the directory in front of it says that pages are there",
                ),
            )
            continue
        try:
            entries = store.read(key, id)[1:]
            there = [(start, end) for start, end, _ in places(entries, name)]
        except CrtoolsError:
            continue  # told of already
        there = sorted(there + [_range(entry) for entry in entries if _is_in_parent(entry)])
        for start, end in ranges:
            at = start
            for piece in _common([(start, end)], there):
                if piece[0] > at:
                    break
                at = piece[1]
            if at < end:
                found.add(
                    store,
                    name,
                    ImageError(
                        f"The page at {at:x} is nowhere",
                        because=f"it is said to be in {store.path}, whose {name} does not have it",
                    ),
                )
                break
    return _in_parent(store, needed) if needed else {}


def _tell_lost(
    store: ImageStore, needed: dict[tuple[str, int], list[Range]], found: _Findings
) -> None:
    """Pages that are said to be further behind the last directory of all."""
    for (key, id), ranges in needed.items():
        if key == "pagemap" and store.has("crtools-pages", id):
            continue  # with relatives, in the same directory: the plan has looked at that
        name = BY_KEY[key].file_name(id)
        found.add(
            store,
            name,
            ImageError(
                f"The page at {ranges[0][0]:x} is nowhere",
                because=f"{name} says that it is in the parent directory of {store.path}, which has"
                " none",
                hint="put back the directories that were there at the dump",
            ),
        )


def _range(entry: PagemapEntry) -> Range:
    count = entry.nr_pages if entry.nr_pages is not None else entry.compat_nr_pages
    return entry.vaddr, entry.vaddr + count * PAGE


def _is_in_parent(entry: PagemapEntry) -> bool:
    return bool(entry.in_parent or (entry.flags is not None and entry.flags & IN_PARENT))


def _common(ours: list[Range], theirs: list[Range]) -> list[Range]:
    """What two ascending lists have in common."""
    pieces: list[Range] = []
    mine = yours = 0
    while mine < len(ours) and yours < len(theirs):
        start = max(ours[mine][0], theirs[yours][0])
        end = min(ours[mine][1], theirs[yours][1])
        if start < end:
            pieces.append((start, end))
        if ours[mine][1] < theirs[yours][1]:
            mine += 1
        else:
            yours += 1
    return pieces
