"""BTF, as Documentation/bpf/btf.rst has it, put together by hand."""

from __future__ import annotations

import struct

import pytest

from crtools.errors import MissingFeature
from crtools.procfs.btf import Btf

INT, STRUCT, UNION = 1, 4, 5


def build(*types: tuple[str, int, list[tuple[str, int, int]], bool]) -> bytes:
    """Types of (name, kind, members of (name, type, place), whether members have sizes in bits)."""
    strings = b"\0"

    def name(text: str) -> int:
        nonlocal strings
        if not text:
            return 0
        strings += text.encode() + b"\0"
        return len(strings) - len(text) - 1

    body = b""
    for title, kind, members, sized in types:
        info = kind << 24 | len(members) | sized << 31
        body += struct.pack("<III", name(title), info, 64)
        if kind == INT:
            body += bytes(4)
        for member, type, place in members:
            body += struct.pack("<III", name(member), type, place)
    return struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(body), len(body), len(strings)) + (
        body + strings
    )


TYPES = build(
    ("int", INT, [], False),
    ("", STRUCT, [("deep", 1, 32), ("deeper", 1, 64)], False),
    ("", UNION, [("one", 1, 0), ("", 2, 0)], False),
    ("other", STRUCT, [("first", 1, 0)], False),
    ("task", STRUCT, [("first", 1, 64), ("", 3, 128), ("bit", 1, 1 << 24 | 517)], True),
    ("outer", STRUCT, [("first", 1, 0), ("inner", 2, 64)], False),
)


@pytest.mark.parametrize(
    ("name", "member", "offset"),
    [
        *[("task", "first", 8), ("task", "one", 16), ("task", "deeper", 24), ("other", "first", 0)],
        *[("outer", "inner", 8), ("outer", "inner.deeper", 16)],
    ],
)
def test_offset_of_a_member(name: str, member: str, offset: int) -> None:
    assert Btf(TYPES).offset(name, member) == offset


def test_bit_of_a_member() -> None:
    assert Btf(TYPES).bit("task", "bit") == (64, 5)


@pytest.mark.parametrize(("name", "member"), [("task", "none"), ("none", "first"), ("int", "x")])
def test_what_is_not_there_is_named(name: str, member: str) -> None:
    with pytest.raises(MissingFeature, match="kernel's types"):
        Btf(TYPES).offset(name, member)


@pytest.mark.parametrize("data", [b"", bytes(100), TYPES[:60], TYPES[:-1]])
def test_what_is_no_btf_is_told(data: bytes) -> None:
    with pytest.raises(MissingFeature):
        Btf(data)
