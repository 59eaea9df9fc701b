"""Incremental images: pages that lie in the directory of an earlier dump, or of one before that.

`parent` in a directory is a symbolic link to the one before (criu(8), --prev-images-dir). An entry
of a pagemap that is "in parent" says nothing of where: the parent's own pagemap of the same process
tells, and may point further back itself.
"""

from __future__ import annotations

import os

from crtools.errors import ImageError
from crtools.kinds.memory.content import FILE_SHIFT, Content
from crtools.kinds.memory.pages import IN_PARENT, PRESENT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.images.messages.pagemap import PagemapEntry
    from crtools.images.store import ImageStore

PAGE = 4096
MOST = 1 << 11  # directories in a chain: a file's number has eleven bits


class Parents:
    """The directories behind one, read when a page is first looked for in them."""

    def __init__(self, store: ImageStore) -> None:
        self._store = store
        self._pages: dict[int, list[Content]] = {}  # by pid: those of the parent and behind
        self._names: dict[int, tuple[str, ...]] = {}

    def names(self, pid: int) -> tuple[str, ...]:
        """The pages files that lie behind the process's own, from its directory."""
        return self._names.get(pid, ())

    def find(self, pid: int, start: int, end: int) -> list[Content]:
        """The pages at addresses that a pagemap says are in its parent. Raises ImageError if one of
        them is not there."""
        return _take(self.pages(pid), start, end, f"pagemap-{pid}.img")

    def pages(self, pid: int) -> list[Content]:
        """All pages of a process in the directories behind, ascending. Raises ImageError."""
        pages = self._pages.get(pid)
        if pages is None:
            pages = self._pages[pid] = self._read(pid)
        return pages

    def check_files(self, pid: int) -> None:
        """Raises ImageError unless the pages files behind are as long as the pagemaps say."""
        ends: dict[int, int] = {}
        for page in self.pages(pid):
            file = page.offset >> FILE_SHIFT
            end = (page.offset & ((1 << FILE_SHIFT) - 1)) + page.end - page.start
            ends[file] = max(ends.get(file, 0), end)
        for file, end in ends.items():
            name = self._names[pid][file - 1]
            fd = self._store.open_named(name)
            try:
                size = os.fstat(fd).st_size
            finally:
                os.close(fd)
            if size < end:
                raise ImageError(
                    f"{name} of {self._store.path} is cut off",
                    because=f"it has {size} bytes and {end} are needed",
                )

    def _read(self, pid: int) -> list[Content]:
        levels: list[list[PagemapEntry]] = []
        names: list[str] = []
        store = self._store
        try:
            while not levels or any(map(_in_parent, levels[-1])):
                here, store = store, _open_behind(store, len(levels) + 1)
                if here is not self._store:
                    here.close()
                if not store.has("pagemap", pid):
                    raise ImageError(
                        f"Pages of task {pid} are said to be in the parent directory",
                        because=f"{store.path} has no pagemap-{pid}.img",
                        hint="put back the directories that were there at the dump",
                    )
                check_parent(store, pid)
                head, *entries = store.read("pagemap", pid)
                levels.append(entries)
                names.append("parent/" * len(levels) + f"pages-{head.pages_id}.img")
        finally:
            if store is not self._store:
                store.close()
        self._names[pid] = tuple(names)
        pages: list[Content] = []
        for depth in range(len(levels), 0, -1):
            pages = _resolve(levels[depth - 1], pages, depth, f"pagemap-{pid}.img")
        return pages


def _resolve(
    entries: list[PagemapEntry], behind: list[Content], depth: int, name: str
) -> list[Content]:
    """The pages of one directory's pagemap, those in the directories behind it among them."""
    where = f"{'parent/' * depth}{name}"
    pages: list[Content] = []
    offset = depth << FILE_SHIFT
    last = 0
    for entry in entries:
        count = entry.nr_pages if entry.nr_pages is not None else entry.compat_nr_pages
        start, end = entry.vaddr, entry.vaddr + count * PAGE
        if start % PAGE or start < last or end > 1 << 57:
            raise ImageError(f"{where} has pages at {start:x}-{end:x}, which are not ascending")
        last = end
        if _in_parent(entry):
            pages += _take(behind, start, end, where)
        elif entry.flags is None or entry.flags & PRESENT:
            pages.append(Content(start=start, end=end, offset=offset))
            offset += end - start
    return pages


def check_parent(store: ImageStore, pid: int) -> None:
    """Raises ImageError for a directory that no other can build upon: what of its pagemap is "in
    parent" lies in a relative's pages file."""
    if store.has("crtools-pages", pid):
        raise ImageError(
            f"{store.path} cannot be the parent of another directory",
            because="it was dumped with --share-pages",
            hint="dump anew without a parent",
            subject=("image", f"crtools-pages-{pid}.img"),
        )


def _open_behind(store: ImageStore, depth: int) -> ImageStore:
    if depth >= MOST:
        raise ImageError(
            f"{store.path} is one of {MOST} parent directories in a row",
            because="a link leads back, or nobody has ever made a whole dump",
        )
    return store.open_parent()


def _in_parent(entry: PagemapEntry) -> bool:
    return bool(entry.in_parent or (entry.flags is not None and entry.flags & IN_PARENT))


def _take(pages: list[Content], start: int, end: int, name: str) -> list[Content]:
    """The part of ascending `pages` that lies from `start` to `end`, which has no gap."""
    low, high = 0, len(pages)
    while low < high:
        middle = (low + high) // 2
        if pages[middle].end <= start:
            low = middle + 1
        else:
            high = middle
    taken: list[Content] = []
    at = start
    while at < end:
        page = pages[low] if low < len(pages) else None
        if page is None or page.start > at:
            raise ImageError(
                f"{name} says that the page at {at:x} is in its parent, which does not have it",
                hint="put back the directories that were there at the dump",
            )
        stop = min(page.end, end)
        taken.append(Content(start=at, end=stop, offset=page.offset + at - page.start))
        at = stop
        low += 1
    return taken
