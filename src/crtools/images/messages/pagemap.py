"""Generated from proto/pagemap.proto by tools/generate_messages.py: do not edit."""

from __future__ import annotations

from crtools.images.wire import (
    Message,
    bad_value,
    field,
    find_damage,
    finish,
    read_bool,
    read_varint32,
    read_varint64,
    require,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

_bool_3 = field(3, "bool")
_uint32_1 = field(1, "uint32")
_uint32_2 = field(2, "uint32")
_uint32_4 = field(4, "uint32")
_uint64_1 = field(1, "uint64")
_uint64_5 = field(5, "uint64")


class PagemapHead(Message):
    """The first entry of a pagemap: the N of pages-N.img."""

    __slots__ = (
        "pages_id",
    )

    NAME = "pagemap_head"
    FIELDS = (
        (1, "pages_id", "required", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        pages_id: int,
        unknown: bytes = b"",
    ) -> None:
        self.pages_id = pages_id
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.pages_id],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        pages_id: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                pages_id = buf[at + 1]
                at += 2
                if pages_id > 127:
                    pages_id, at = read_varint32(buf, at, pages_id)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.pages_id = pages_id
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if pages_id is None:
            require(new, begin)
        return new


class PagemapEntry(Message):
    """A run of pages. `nr_pages` counts; old sets have only `compat_nr_pages`, new ones write 0
    there."""

    __slots__ = (
        "vaddr",
        "compat_nr_pages",
        "in_parent",
        "flags",
        "nr_pages",
    )

    NAME = "pagemap_entry"
    FIELDS = (
        (1, "vaddr", "required", "uint64", None, None, "hex"),
        (2, "compat_nr_pages", "required", "uint32", None, None, None),
        (3, "in_parent", "optional", "bool", None, None, None),
        (4, "flags", "optional", "uint32", None, None, "pagemap.flags"),
        (5, "nr_pages", "optional", "uint64", None, None, None),
    )

    def __init__(
        self,
        *,
        vaddr: int,
        compat_nr_pages: int,
        in_parent: bool | None = None,
        flags: int | None = None,
        nr_pages: int | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.vaddr = vaddr
        self.compat_nr_pages = compat_nr_pages
        self.in_parent = in_parent
        self.flags = flags
        self.nr_pages = nr_pages
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint64_1[self.vaddr],
                    _uint32_2[self.compat_nr_pages],
                    b"" if self.in_parent is None else _bool_3[self.in_parent],
                    b"" if self.flags is None else _uint32_4[self.flags],
                    b"" if self.nr_pages is None else _uint64_5[self.nr_pages],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        vaddr: Any = None
        compat_nr_pages: Any = None
        in_parent: Any = None
        flags: Any = None
        nr_pages: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                vaddr = buf[at + 1]
                at += 2
                if vaddr > 127:
                    vaddr, at = read_varint64(buf, at, vaddr)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                compat_nr_pages = buf[at + 1]
                at += 2
                if compat_nr_pages > 127:
                    compat_nr_pages, at = read_varint32(buf, at, compat_nr_pages)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                in_parent = buf[at + 1]
                at += 2
                if in_parent > 1:
                    in_parent, at = read_bool(buf, at, in_parent)
                else:
                    in_parent = in_parent == 1
                tag = buf[at] if at < stop else 0
            if tag == 32:
                flags = buf[at + 1]
                at += 2
                if flags > 127:
                    flags, at = read_varint32(buf, at, flags)
                tag = buf[at] if at < stop else 0
            if tag == 40:
                nr_pages = buf[at + 1]
                at += 2
                if nr_pages > 127:
                    nr_pages, at = read_varint64(buf, at, nr_pages)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.vaddr = vaddr
        new.compat_nr_pages = compat_nr_pages
        new.in_parent = in_parent
        new.flags = flags
        new.nr_pages = nr_pages
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if vaddr is None or compat_nr_pages is None:
            require(new, begin)
        return new
