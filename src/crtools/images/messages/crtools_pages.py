"""Generated from proto/crtools_pages.proto by tools/generate_messages.py: do not edit."""

from __future__ import annotations

from crtools.images.wire import (
    Message,
    bad_value,
    field,
    find_damage,
    finish,
    read_varint32,
    read_varint64,
    require,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

_uint32_3 = field(3, "uint32")
_uint64_1 = field(1, "uint64")
_uint64_2 = field(2, "uint64")
_uint64_4 = field(4, "uint64")


class CrtoolsPagesEntry(Message):
    """A run of pages that the pagemap of the process says are "in parent", though there is none."""

    __slots__ = (
        "vaddr",
        "nr_pages",
        "pages_id",
        "page",
    )

    NAME = "crtools_pages_entry"
    FIELDS = (
        (1, "vaddr", "required", "uint64", None, None, "hex"),
        (2, "nr_pages", "required", "uint64", None, None, None),
        (3, "pages_id", "required", "uint32", None, None, None),
        (4, "page", "required", "uint64", None, None, None),
    )

    def __init__(
        self,
        *,
        vaddr: int,
        nr_pages: int,
        pages_id: int,
        page: int,
        unknown: bytes = b"",
    ) -> None:
        self.vaddr = vaddr
        self.nr_pages = nr_pages
        self.pages_id = pages_id
        self.page = page
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint64_1[self.vaddr],
                    _uint64_2[self.nr_pages],
                    _uint32_3[self.pages_id],
                    _uint64_4[self.page],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        vaddr: Any = None
        nr_pages: Any = None
        pages_id: Any = None
        page: Any = None
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
                nr_pages = buf[at + 1]
                at += 2
                if nr_pages > 127:
                    nr_pages, at = read_varint64(buf, at, nr_pages)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                pages_id = buf[at + 1]
                at += 2
                if pages_id > 127:
                    pages_id, at = read_varint32(buf, at, pages_id)
                tag = buf[at] if at < stop else 0
            if tag == 32:
                page = buf[at + 1]
                at += 2
                if page > 127:
                    page, at = read_varint64(buf, at, page)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.vaddr = vaddr
        new.nr_pages = nr_pages
        new.pages_id = pages_id
        new.page = page
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if vaddr is None or nr_pages is None or pages_id is None or page is None:
            require(new, begin)
        return new
