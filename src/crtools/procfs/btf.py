"""The kernel's own types, /sys/kernel/btf/vmlinux: Documentation/bpf/btf.rst, linux/btf.h.

Only where a member of a structure lies is wanted here.
"""

from __future__ import annotations

import struct

from crtools.errors import MissingFeature

PATH = "/sys/kernel/btf/vmlinux"
_HEADER = struct.Struct("<HBBIIIII")
_MAGIC = 0xEB9F
STRUCT, UNION = 4, 5  # BTF_KIND_*
# Words after the three that every type begins with: so many, and so many for each of its members.
# By kind, 0 to 19: enum64.
_FIXED = (0, 1, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0)
_EACH = (0, 0, 0, 0, 3, 3, 2, 0, 0, 0, 0, 0, 0, 2, 0, 3, 0, 0, 0, 3)


class Btf:
    """Types by name. Raises MissingFeature where something is not there."""

    def __init__(self, data: bytes) -> None:
        if len(data) < _HEADER.size:
            raise self._missing("it is cut off")
        magic, _, _, length, types, types_size, strings, strings_size = _HEADER.unpack_from(data)
        if magic != _MAGIC or types_size % 4 or length + strings + strings_size > len(data):
            raise self._missing("it is of an unknown form")
        self._strings = data[length + strings : length + strings + strings_size]
        whole = memoryview(data)[length + types : length + types + types_size]
        self._words = words = whole.cast("I")
        self._starts = starts = [0]
        # Where each begins, by where its name is; and those that somebody has asked for by name.
        self._structs: dict[int, int] = {}
        self._named: dict[str, int] = {}
        at, end = 0, len(words)
        fixed, each, structs = _FIXED, _EACH, self._structs
        try:
            while at < end:
                starts.append(at)
                info = words[at + 1]
                kind = info >> 24 & 31
                if kind == STRUCT:
                    structs.setdefault(words[at], at)
                at += 3 + fixed[kind] + each[kind] * (info & 0xFFFF)
        except IndexError:
            raise self._missing("it has types of an unknown kind") from None

    def _missing(self, because: str) -> MissingFeature:
        return MissingFeature(f"Cannot read the kernel's types, {PATH}", because=because)

    def _struct(self, name: str) -> int:
        """Where the structure of that name begins."""
        at = self._named.get(name, -1)
        if at >= 0:
            return at
        wanted = self._strings.find(b"\0" + name.encode() + b"\0") + 1
        if wanted and wanted in self._structs:
            at = self._named[name] = self._structs[wanted]
            return at
        raise self._missing(f"there is no struct {name}")

    def offset(self, name: str, member: str) -> int:
        """Where in a structure a member lies, in bytes; members of nameless structures are its own.
        Of bits, where the word is that has them. "flow.stopped" is a member of the member flow."""
        at, place = self._struct(name), 0
        for part in member.split("."):
            found = self._find(at, part.encode()) if at >= 0 else None
            if found is None:
                raise self._missing(f"struct {name} has no {member}")
            place += found[0]
            inner = self._starts[found[1]]
            at = inner if self._words[inner + 1] >> 24 & 31 in (STRUCT, UNION) else -1
        return place // 8

    def size(self, name: str) -> int:
        """The size of a structure, in bytes."""
        return self._words[self._struct(name) + 2]

    def bit(self, name: str, member: str) -> tuple[int, int]:
        """A member of one bit: the byte that it is in, and its number there."""
        found = self._find(self._struct(name), member.encode())
        if found is None:
            raise self._missing(f"struct {name} has no {member}")
        return found[0] // 8, found[0] % 8

    def _find(self, at: int, member: bytes) -> tuple[int, int] | None:
        """Where a member lies, in bits, and its type."""
        words, strings = self._words, self._strings
        fields = words[at + 1] >> 31  # members have a size in bits beside their place
        for index in range(words[at + 1] & 0xFFFF):
            name, type, place = words[at + 3 + 3 * index : at + 6 + 3 * index]
            if fields:
                place &= 0xFFFFFF
            if name:
                if strings.startswith(member + b"\0", name):
                    return place, type
                continue
            inner = self._starts[type]
            if words[inner + 1] >> 24 & 31 in (STRUCT, UNION):
                found = self._find(inner, member)
                if found is not None:
                    return place + found[0], found[1]
        return None


_known: list[Btf] = []  # this kernel's, once it has been read: several kinds may want it


def read_btf() -> Btf:
    """This kernel's. Raises MissingFeature."""
    if _known:
        return _known[0]
    try:
        with open(PATH, "rb", buffering=0) as file:
            _known.append(Btf(file.readall()))
        return _known[0]
    except OSError as error:
        raise MissingFeature(
            f"Cannot read the kernel's types, {PATH}",
            because=error.strerror or "",
            hint="a kernel with CONFIG_DEBUG_INFO_BTF",
        ) from error
