"""What lies in pages files: which of them, where, and how it gets into memory."""

from __future__ import annotations

import struct

from crtools.model.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from crtools.agent.program import Arg, Program, Ref

# The offset of a content has the number of its pages file above: 0 is the process's own, 1 that in
# the parent directory, and so on. No file is larger than this (ext4: 2**44 bytes; xfs: 2**63).
FILE_SHIFT = 52

SYS_preadv = 295
_IOV = struct.Struct("<QQ")
_PIECE = 8 << 20
_HUGE = 2 << 20  # a huge page, x86-64


class Content(Value):
    """A run of pages in a pages file: addresses, and its offset in bytes with the number of the
    file above (FILE_SHIFT)."""

    start: int
    end: int
    offset: int


def by_file(contents: Sequence[Content]) -> Iterator[tuple[int, Sequence[Content]]]:
    """The contents of each pages file, by the file's number, with their offsets in it."""
    if not any(content.offset >> FILE_SHIFT for content in contents):
        yield 0, contents
        return
    files: dict[int, list[Content]] = {}
    for content in contents:
        file = content.offset >> FILE_SHIFT
        own = content.but(offset=content.offset & ((1 << FILE_SHIFT) - 1))
        files.setdefault(file, []).append(own)
    yield from sorted(files.items())


def build_fill(program: Program, image: Arg, contents: Sequence[Content]) -> int:
    """Reads runs that follow each other in the file with as few calls as there can be; returns the
    bytes read."""
    total = at = 0
    while at < len(contents):
        first = contents[at]
        offset = first.offset
        vector: list[bytes] = []
        length = 0
        while at < len(contents) and contents[at].offset == offset + length and len(vector) < 2048:
            start, end = contents[at].start, contents[at].end
            for piece in range(start, end, _PIECE):
                vector.append(_IOV.pack(piece, min(_PIECE, end - piece)))
            length += end - start
            at += 1
        program.transfer(
            SYS_preadv,
            image,
            program.put(b"".join(vector)),
            len(vector),
            offset,
            length,
            f"read its memory from {first.start:x} on",
        )
        total += length
    return total


def halve(contents: Sequence[Content]) -> tuple[tuple[Content, ...], tuple[Content, ...]]:
    """Two parts of about equal size, cut on a boundary that keeps huge pages whole."""
    half = sum([c.end - c.start for c in contents]) // 2
    first: list[Content] = []
    second: list[Content] = []
    for content in contents:
        length = content.end - content.start
        if half <= 0:
            second.append(content)
        elif length <= half:
            first.append(content)
        else:
            cut = min((content.start + half + _HUGE - 1) & ~(_HUGE - 1), content.end)
            first.append(content.but(end=cut))
            if cut < content.end:
                offset = content.offset + cut - content.start
                second.append(Content(start=cut, end=content.end, offset=offset))
        half -= length
    return tuple(first), tuple(second)


def build_merge(
    program: Program, image: Arg, contents: Sequence[Content], scratch: int, room: int
) -> list[Ref]:
    """Compares pages with what was inherited, by way of the scratch memory; the results count the
    pages that differed."""
    copied: list[Ref] = []
    batch: list[Content] = []
    size = 0

    def flush() -> None:
        nonlocal size
        if not batch:
            return
        vector: list[bytes] = []
        at = scratch
        offset = batch[0].offset
        for content in batch:
            vector.append(_IOV.pack(at, content.end - content.start))
            at += content.end - content.start
        program.transfer(
            SYS_preadv,
            image,
            program.put(b"".join(vector)),
            len(vector),
            offset,
            at - scratch,
            f"read its memory from {batch[0].start:x} on",
        )
        at = scratch
        for content in batch:
            copied.append(program.merge(content.start, at, content.end - content.start))
            at += content.end - content.start
        batch.clear()
        size = 0

    for content in contents:
        start = content.start
        while start < content.end:
            offset = content.offset + start - content.start
            if batch and (
                size == room or batch[-1].offset + batch[-1].end - batch[-1].start != offset
            ):
                flush()
            end = min(content.end, start + room - size)
            batch.append(Content(start=start, end=end, offset=offset))
            size += end - start
            start = end
    flush()
    return copied
