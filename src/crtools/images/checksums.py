"""Checksums of all files of a set: crtools-checksums.img.

They are for damage that happens by itself: on a disk, in a copy that stopped half-way, by a file
that was put into the wrong directory. Whoever wants to change images unnoticed can write them
anew. A file has a CRC-32 for each MiB, so that several threads can work on a large one, and that
pages can be taken out of one (crtools.images.dedup) without losing what is known of the rest.
"""

from __future__ import annotations

import os
from zlib import crc32

from crtools.errors import CrtoolsError, ImageError
from crtools.images.framing import encode_file, parse_file
from crtools.images.messages.crtools_checksums import (
    CrtoolsChecksumsEntry,
    CrtoolsChecksumsHead,
)
from crtools.images.registry import BY_KEY, find_by_name
from crtools.images.store import read_whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from crtools.images.store import ImageStore

KEY = "crtools-checksums"
ALGORITHM = "crc32"
CHUNK = 1 << 20
PIECE = 64  # chunks that a thread takes at a time
THREADS_FROM = 32 << 20  # bytes: for less, a second thread does not pay
# Written, or written anew, after the set is complete; and the checksums themselves.
EXEMPT = ("stats-restore", BY_KEY[KEY].file_name())


class FileSum:
    """The size of a file and the checksums of its chunks."""

    __slots__ = ("chunks", "size")

    def __init__(self, size: int, chunks: Sequence[int]) -> None:
        self.size = size
        self.chunks = list(chunks)


def covered_names(store: ImageStore) -> list[str]:
    """The files that have checksums: all images, whatever their kind, and nothing else."""
    return [name for name in store.names() if name not in EXEMPT and find_by_name(name) is not None]


def record(store: ImageStore) -> int:
    """Writes the checksums of all images that are there; the number of bytes read.

    Raises ImageError, PermissionDenied.
    """
    store.remove(KEY)
    sums = sum_files(store, covered_names(store))
    write(store, sums)
    return sum([one.size for one in sums.values()])


def write(store: ImageStore, sums: dict[str, FileSum]) -> None:
    entries = [
        CrtoolsChecksumsEntry(name=name, size=one.size, chunks=one.chunks)
        for name, one in sorted(sums.items())
    ]
    head = CrtoolsChecksumsHead(algorithm=ALGORITHM, chunk_bytes=CHUNK)
    store.write(KEY, [head, *entries])


def read(store: ImageStore) -> dict[str, FileSum]:
    """What was recorded, by file name. Raises ImageError if it is not as it was written."""
    kind = BY_KEY[KEY]
    name = kind.file_name()
    fd = store.open_raw(KEY)
    try:
        data = read_whole(fd, name)
    finally:
        os.close(fd)
    entries = [message for message, _ in parse_file(data, name, kind)[1]]
    # It has no checksum of its own: whatever is not exactly what we write was not written by us.
    if encode_file(kind, entries) != data:
        raise ImageError(f"{name} is damaged", because="it has what crtools never writes there")
    head, *rest = entries
    assert isinstance(head, CrtoolsChecksumsHead)
    if head.algorithm != ALGORITHM or head.chunk_bytes != CHUNK:
        raise ImageError(
            f"{name} has checksums that this crtools does not know",
            because=f"they are {head.algorithm!r} of {head.chunk_bytes} bytes each",
            hint="verify with the crtools that has dumped, or record them anew",
        )
    sums: dict[str, FileSum] = {}
    last = ""
    for entry in rest:
        assert isinstance(entry, CrtoolsChecksumsEntry)
        wanted = -(-entry.size // CHUNK)
        if entry.name <= last or find_by_name(entry.name) is None or len(entry.chunks) != wanted:
            raise ImageError(
                f"{name} is damaged", because=f"its entry {entry.name!r} is impossible"
            )
        last = entry.name
        sums[entry.name] = FileSum(entry.size, entry.chunks)
    return sums


def compare(store: ImageStore, sums: dict[str, FileSum]) -> dict[str, CrtoolsError]:
    """What differs from what was recorded, by file name."""
    found: dict[str, CrtoolsError] = {}
    there = set(covered_names(store))
    for name in sorted(there - set(sums)):
        found[name] = ImageError(
            f"{store.path} has an image that does not belong to it, {name}",
            because="it was not there when the checksums were recorded",
        )
    usable: list[str] = []
    for name, one in sums.items():
        if name not in there:
            found[name] = ImageError(f"{name} is missing from the images in {store.path}")
            continue
        try:
            size = _size(store, name)
        except CrtoolsError as error:
            found[name] = error
            continue
        if size != one.size:
            found[name] = ImageError(
                f"{name} in {store.path} is damaged",
                because=f"it has {size} bytes, and had {one.size}",
            )
        else:
            usable.append(name)
    for name, now in sum_files(store, usable).items():
        wrong = _first_difference(now.chunks, sums[name].chunks)
        if wrong >= 0:
            found[name] = _differs(store, name, wrong)
    return found


def _first_difference(ours: list[int], theirs: list[int]) -> int:
    for at, (one, other) in enumerate(zip(ours, theirs, strict=True)):
        if one != other:
            return at
    return -1


def _differs(store: ImageStore, name: str, chunk: int) -> ImageError:
    return ImageError(
        f"{name} in {store.path} is damaged",
        because=f"what it has from byte {chunk * CHUNK} on is not what was written there",
        subject=("image", name),
    )


def sum_files(store: ImageStore, names: Iterable[str]) -> dict[str, FileSum]:
    """Reads files: large ones by as many threads as there are CPUs, since neither reading nor
    summing holds the interpreter's lock. Raises ImageError, PermissionDenied."""
    sums: dict[str, FileSum] = {}
    large: list[tuple[str, int]] = []  # and from which chunk on
    for name in names:
        size = _size(store, name)
        if size < CHUNK:
            sums[name] = FileSum(size, _sum(store, name, 0, 1) if size else [])
        else:
            count = -(-size // CHUNK)
            sums[name] = FileSum(size, [0] * count)
            large += [(name, first) for first in range(0, count, PIECE)]

    def run() -> None:
        while large:
            try:
                name, first = large.pop()
            except IndexError:
                return  # another one has taken the last
            chunks = sums[name].chunks
            count = min(PIECE, len(chunks) - first)
            chunks[first : first + count] = _sum(store, name, first, count)

    if sum([one.size for one in sums.values()]) < THREADS_FROM:
        run()
    else:
        _run_in_threads(run)
    return sums


def _run_in_threads(run: Callable[[], None]) -> None:
    from threading import Thread

    failed: list[BaseException] = []

    def guarded() -> None:
        try:
            run()
        except BaseException as error:
            failed.append(error)

    threads = [Thread(target=guarded) for _ in range(len(os.sched_getaffinity(0)) - 1)]
    for thread in threads:
        thread.start()
    guarded()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]


def _size(store: ImageStore, name: str) -> int:
    fd = store.open_named(name)
    try:
        return os.fstat(fd).st_size
    finally:
        os.close(fd)


def _sum(store: ImageStore, name: str, first: int, count: int) -> list[int]:
    """The checksums of `count` chunks; fewer bytes at the file's end are a shorter chunk."""
    sums: list[int] = []
    room = memoryview(bytearray(CHUNK))
    fd = store.open_named(name)
    try:
        for chunk in range(first, first + count):
            got = 0
            while got < CHUNK:
                more = os.preadv(fd, [room[got:]], chunk * CHUNK + got)
                if not more:
                    break
                got += more
            sums.append(crc32(room[:got]))
    except OSError as error:
        raise ImageError(
            f"{name} in {store.path} cannot be read", because=os.strerror(error.errno or 0)
        ) from error
    finally:
        os.close(fd)
    return sums


class Amending:
    """Around what takes pages out of a file: its checksums are true before and after. In between
    there are none, so that nothing claims to be damaged if we are killed."""

    def __init__(self, store: ImageStore, name: str, pieces: Sequence[tuple[int, int]]) -> None:
        """`pieces` are offset and length. Raises ImageError in `with` if the file is damaged where
        it is to be changed: nobody could tell afterwards."""
        self.store = store
        self.name = name
        self.chunks = sorted(
            {
                chunk
                for offset, length in pieces
                for chunk in range(offset // CHUNK, -(-(offset + length) // CHUNK))
            }
        )
        self.sums: dict[str, FileSum] = {}

    def __enter__(self) -> None:
        self.sums = read(self.store)
        known = self.sums.get(self.name)
        if known is not None:
            for chunk in self.chunks:
                now = _sum(self.store, self.name, chunk, 1)[0]
                if chunk >= len(known.chunks) or known.chunks[chunk] != now:
                    raise _differs(self.store, self.name, chunk)
        self.store.remove(KEY)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            return
        known = self.sums.get(self.name)
        if known is not None:
            for chunk in self.chunks:
                known.chunks[chunk] = _sum(self.store, self.name, chunk, 1)[0]
        self.sums.pop("inventory.img", None)  # it has gone: the set is no whole one any more
        write(self.store, self.sums)
