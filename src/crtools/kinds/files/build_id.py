"""The build id of an ELF file: the note NT_GNU_BUILD_ID that the linker leaves (elf(5))."""

from __future__ import annotations

import os
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

PT_NOTE = 4  # linux/elf.h
NT_GNU_BUILD_ID = 3  # elf.h of libc: the note's type, with the name "GNU"
_LONGEST_NOTES = 65536  # bytes of notes that are read; real ones have some hundred
_LONGEST_ID = 64  # bytes; SHA-1, the usual one, has 20

# The words are of the file's own byte order; only that of this machine is looked at.
_HEADER_64 = struct.Struct("<16x16xQ14xHH")  # e_phoff, e_phentsize, e_phnum
_HEADER_32 = struct.Struct("<16x12xI10xHH")
_SEGMENT_64 = struct.Struct("<I4xQ16xQ")  # p_type, p_offset, p_filesz
_SEGMENT_32 = struct.Struct("<II8xI")
_NOTE = struct.Struct("<III")  # n_namesz, n_descsz, n_type


def read_build_id(fd: int) -> tuple[int, ...]:
    """The build id of an open file as the images have it, () if there is none.

    Images hold it as 32-bit words, little-endian, the last one filled up with zeroes.
    """
    head = os.pread(fd, 4096, 0)
    if head[:4] != b"\x7fELF" or len(head) < 64 or head[5] != 1 or head[4] not in (1, 2):
        return ()
    wide = head[4] == 2
    offset, size, count = (_HEADER_64 if wide else _HEADER_32).unpack_from(head)
    segment = _SEGMENT_64 if wide else _SEGMENT_32
    if size < segment.size or count > 1024:
        return ()
    table = _part(fd, head, offset, size * count)
    for at in range(0, len(table) - segment.size + 1, size):
        kind, start, length = segment.unpack_from(table, at)
        if kind == PT_NOTE:
            found = find_build_id(_part(fd, head, start, min(length, _LONGEST_NOTES)))
            if found:
                found += bytes(-len(found) % 4)
                return struct.unpack(f"<{len(found) // 4}I", found)
    return ()


def find_build_id(notes: bytes) -> bytes:
    """The build id in a PT_NOTE segment's bytes, b"" if there is none."""
    at = 0
    while at + 12 <= len(notes):
        name_length, length, kind = _NOTE.unpack_from(notes, at)
        at += 12
        name = notes[at : at + name_length]
        at += name_length + 3 & ~3
        if kind == NT_GNU_BUILD_ID and name == b"GNU\0":
            found = notes[at : at + length]
            return found if 0 < length <= _LONGEST_ID and len(found) == length else b""
        at += length + 3 & ~3
    return b""


def spell(words: Sequence[int]) -> str:
    """In the digits that file(1) and readelf(1) show."""
    return b"".join([word.to_bytes(4, "little") for word in words]).hex()


def _part(fd: int, head: bytes, start: int, length: int) -> bytes:
    if start + length <= len(head):
        return head[start : start + length]
    try:
        return os.pread(fd, length, start)
    except (OSError, OverflowError):
        return b""
