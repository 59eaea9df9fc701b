"""`crtools dedup`: pages that a later dump has anew are taken out of the directories behind it.

Holes are punched into the pages files (fallocate(2)); pagemaps and all other pages stay, so that
what lies behind still serves as a parent. It does not serve alone any more: its inventory goes.
"""

from __future__ import annotations

import os

from crtools.abi import kernel
from crtools.errors import ImageError
from crtools.images.registry import BY_KEY, find_by_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.images.messages.pagemap import PagemapEntry
    from crtools.images.store import ImageStore

PAGE = 4096
IN_PARENT, PRESENT = 1, 4  # pagemap_entry.flags
MOST = 1 << 11  # directories in a chain
SYS_fallocate = 285
PUNCH_HOLE = 3  # FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, linux/falloc.h
_PAGEMAPS = ("pagemap", "pagemap-shmem")

Place = tuple[int, int, int]  # addresses, or bytes of a shared object, and offset in the pages file


def dedup(store: ImageStore) -> int:
    """Takes what `store` has itself out of the directories behind it; the number of bytes.

    Raises ImageError, PermissionDenied.
    """
    _check(store)
    own: dict[tuple[str, int], list[Place]] = {}
    for name in store.names():
        found = find_by_name(name)
        if found is not None and found[0].key in _PAGEMAPS and found[1] is not None:
            key = found[0].key, found[1]
            own[key] = places(store.read(*key)[1:], name)
    taken = 0
    here = store
    try:
        for _ in range(MOST):
            if not here.has_parent():
                return taken
            behind = here.open_parent()
            if here is not store:
                here.close()
            here = behind
            _check(here)
            taken += _punch(here, own)
    finally:
        if here is not store:
            here.close()
    raise ImageError(f"{store.path} has {MOST} parent directories in a row: a link leads back")


def _check(store: ImageStore) -> None:
    """What one process does not need any more, relatives may, and their pagemaps do not say so."""
    for name in store.names():
        found = find_by_name(name)
        if found is not None and found[0].key == "crtools-pages":
            raise ImageError(
                f"Nothing can be taken out of {store.path}",
                because="it was dumped with --share-pages: processes have pages in each other's"
                " files",
                subject=("image", name),
            )


def places(entries: list[PagemapEntry], name: str) -> list[Place]:
    """Where the pages are that a pagemap's own pages file has. Raises ImageError."""
    found: list[Place] = []
    offset = last = 0
    for entry in entries:
        count = entry.nr_pages if entry.nr_pages is not None else entry.compat_nr_pages
        start, end = entry.vaddr, entry.vaddr + count * PAGE
        if start % PAGE or start < last:
            raise ImageError(f"{name} has pages at {start:x}-{end:x}, which are not ascending")
        last = end
        flags = PRESENT if entry.flags is None else entry.flags
        if flags & PRESENT and not (flags & IN_PARENT or entry.in_parent):
            found.append((start, end, offset))
            offset += end - start
    return found


def overlaps(ours: list[Place], theirs: list[Place]) -> list[tuple[int, int]]:
    """The pieces of `theirs`, offset and length, whose pages `ours` has too."""
    pieces: list[tuple[int, int]] = []
    at = 0
    for start, end, offset in theirs:
        while at < len(ours) and ours[at][1] <= start:
            at += 1
        inside = at
        while inside < len(ours) and ours[inside][0] < end:
            first, last = max(start, ours[inside][0]), min(end, ours[inside][1])
            pieces.append((offset + first - start, last - first))
            inside += 1
    return pieces


def _punch(behind: ImageStore, own: dict[tuple[str, int], list[Place]]) -> int:
    taken = 0
    for (key, id), ours in own.items():
        if not behind.has(key, id):
            continue
        head, *entries = behind.read(key, id)
        pieces = overlaps(ours, places(entries, f"{behind.path}/{key}-{id}.img"))
        if not pieces:
            continue
        name = BY_KEY["pages"].file_name(head.pages_id)
        if behind.has("crtools-checksums"):
            from crtools.images.checksums import Amending

            with Amending(behind, name, pieces):
                taken += punch(behind, name, pieces)
        else:
            taken += punch(behind, name, pieces)
    return taken


def punch(store: ImageStore, name: str, pieces: list[tuple[int, int]]) -> int:
    """Takes pieces, offset and length, out of a pages file of a set that is none any more from then
    on; the number of bytes. Raises ImageError, PermissionDenied."""
    store.remove("inventory")
    image = store.open_named(name, for_writing=True)
    try:
        for offset, length in pieces:
            try:
                kernel.checked(SYS_fallocate, image, PUNCH_HOLE, offset, length)
            except OSError as error:
                raise ImageError(
                    f"Cannot take pages out of {store.path}/{name}",
                    because=os.strerror(error.errno or 0),
                    hint="a file system that knows holes (ext4, xfs, btrfs, tmpfs)",
                ) from error
    finally:
        os.close(image)
    return sum([length for _, length in pieces])
