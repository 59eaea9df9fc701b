"""Generated from proto/stats.proto by tools/generate_messages.py: do not edit."""

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

_length_1 = field(1, "length")
_length_2 = field(2, "length")
_uint32_1 = field(1, "uint32")
_uint32_2 = field(2, "uint32")
_uint32_3 = field(3, "uint32")
_uint32_4 = field(4, "uint32")
_uint32_8 = field(8, "uint32")
_uint64_1 = field(1, "uint64")
_uint64_2 = field(2, "uint64")
_uint64_5 = field(5, "uint64")
_uint64_6 = field(6, "uint64")
_uint64_7 = field(7, "uint64")
_uint64_9 = field(9, "uint64")
_uint64_10 = field(10, "uint64")
_uint64_11 = field(11, "uint64")
_uint64_12 = field(12, "uint64")
_uint64_13 = field(13, "uint64")
_uint64_14 = field(14, "uint64")


class DumpStatsEntry(Message):
    """Figures of a dump."""

    __slots__ = (
        "freezing_time",
        "frozen_time",
        "memdump_time",
        "memwrite_time",
        "pages_scanned",
        "pages_skipped_parent",
        "pages_written",
        "irmap_resolve",
        "pages_lazy",
        "page_pipes",
        "page_pipe_bufs",
        "shpages_scanned",
        "shpages_skipped_parent",
        "shpages_written",
    )

    NAME = "dump_stats_entry"
    FIELDS = (
        (1, "freezing_time", "required", "uint32", None, None, None),
        (2, "frozen_time", "required", "uint32", None, None, None),
        (3, "memdump_time", "required", "uint32", None, None, None),
        (4, "memwrite_time", "required", "uint32", None, None, None),
        (5, "pages_scanned", "required", "uint64", None, None, None),
        (6, "pages_skipped_parent", "required", "uint64", None, None, None),
        (7, "pages_written", "required", "uint64", None, None, None),
        (8, "irmap_resolve", "optional", "uint32", None, None, None),
        (9, "pages_lazy", "required", "uint64", None, None, None),
        (10, "page_pipes", "optional", "uint64", None, None, None),
        (11, "page_pipe_bufs", "optional", "uint64", None, None, None),
        (12, "shpages_scanned", "optional", "uint64", None, None, None),
        (13, "shpages_skipped_parent", "optional", "uint64", None, None, None),
        (14, "shpages_written", "optional", "uint64", None, None, None),
    )

    def __init__(
        self,
        *,
        freezing_time: int,
        frozen_time: int,
        memdump_time: int,
        memwrite_time: int,
        pages_scanned: int,
        pages_skipped_parent: int,
        pages_written: int,
        irmap_resolve: int | None = None,
        pages_lazy: int,
        page_pipes: int | None = None,
        page_pipe_bufs: int | None = None,
        shpages_scanned: int | None = None,
        shpages_skipped_parent: int | None = None,
        shpages_written: int | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.freezing_time = freezing_time
        self.frozen_time = frozen_time
        self.memdump_time = memdump_time
        self.memwrite_time = memwrite_time
        self.pages_scanned = pages_scanned
        self.pages_skipped_parent = pages_skipped_parent
        self.pages_written = pages_written
        self.irmap_resolve = irmap_resolve
        self.pages_lazy = pages_lazy
        self.page_pipes = page_pipes
        self.page_pipe_bufs = page_pipe_bufs
        self.shpages_scanned = shpages_scanned
        self.shpages_skipped_parent = shpages_skipped_parent
        self.shpages_written = shpages_written
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.freezing_time],
                    _uint32_2[self.frozen_time],
                    _uint32_3[self.memdump_time],
                    _uint32_4[self.memwrite_time],
                    _uint64_5[self.pages_scanned],
                    _uint64_6[self.pages_skipped_parent],
                    _uint64_7[self.pages_written],
                    b"" if self.irmap_resolve is None else _uint32_8[self.irmap_resolve],
                    _uint64_9[self.pages_lazy],
                    b"" if self.page_pipes is None else _uint64_10[self.page_pipes],
                    b"" if self.page_pipe_bufs is None else _uint64_11[self.page_pipe_bufs],
                    b"" if self.shpages_scanned is None else _uint64_12[self.shpages_scanned],
                    b""
                    if self.shpages_skipped_parent is None
                    else _uint64_13[self.shpages_skipped_parent],
                    b"" if self.shpages_written is None else _uint64_14[self.shpages_written],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        freezing_time: Any = None
        frozen_time: Any = None
        memdump_time: Any = None
        memwrite_time: Any = None
        pages_scanned: Any = None
        pages_skipped_parent: Any = None
        pages_written: Any = None
        irmap_resolve: Any = None
        pages_lazy: Any = None
        page_pipes: Any = None
        page_pipe_bufs: Any = None
        shpages_scanned: Any = None
        shpages_skipped_parent: Any = None
        shpages_written: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                freezing_time = buf[at + 1]
                at += 2
                if freezing_time > 127:
                    freezing_time, at = read_varint32(buf, at, freezing_time)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                frozen_time = buf[at + 1]
                at += 2
                if frozen_time > 127:
                    frozen_time, at = read_varint32(buf, at, frozen_time)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                memdump_time = buf[at + 1]
                at += 2
                if memdump_time > 127:
                    memdump_time, at = read_varint32(buf, at, memdump_time)
                tag = buf[at] if at < stop else 0
            if tag == 32:
                memwrite_time = buf[at + 1]
                at += 2
                if memwrite_time > 127:
                    memwrite_time, at = read_varint32(buf, at, memwrite_time)
                tag = buf[at] if at < stop else 0
            if tag == 40:
                pages_scanned = buf[at + 1]
                at += 2
                if pages_scanned > 127:
                    pages_scanned, at = read_varint64(buf, at, pages_scanned)
                tag = buf[at] if at < stop else 0
            if tag == 48:
                pages_skipped_parent = buf[at + 1]
                at += 2
                if pages_skipped_parent > 127:
                    pages_skipped_parent, at = read_varint64(buf, at, pages_skipped_parent)
                tag = buf[at] if at < stop else 0
            if tag == 56:
                pages_written = buf[at + 1]
                at += 2
                if pages_written > 127:
                    pages_written, at = read_varint64(buf, at, pages_written)
                tag = buf[at] if at < stop else 0
            if tag == 64:
                irmap_resolve = buf[at + 1]
                at += 2
                if irmap_resolve > 127:
                    irmap_resolve, at = read_varint32(buf, at, irmap_resolve)
                tag = buf[at] if at < stop else 0
            if tag == 72:
                pages_lazy = buf[at + 1]
                at += 2
                if pages_lazy > 127:
                    pages_lazy, at = read_varint64(buf, at, pages_lazy)
                tag = buf[at] if at < stop else 0
            if tag == 80:
                page_pipes = buf[at + 1]
                at += 2
                if page_pipes > 127:
                    page_pipes, at = read_varint64(buf, at, page_pipes)
                tag = buf[at] if at < stop else 0
            if tag == 88:
                page_pipe_bufs = buf[at + 1]
                at += 2
                if page_pipe_bufs > 127:
                    page_pipe_bufs, at = read_varint64(buf, at, page_pipe_bufs)
                tag = buf[at] if at < stop else 0
            if tag == 96:
                shpages_scanned = buf[at + 1]
                at += 2
                if shpages_scanned > 127:
                    shpages_scanned, at = read_varint64(buf, at, shpages_scanned)
                tag = buf[at] if at < stop else 0
            if tag == 104:
                shpages_skipped_parent = buf[at + 1]
                at += 2
                if shpages_skipped_parent > 127:
                    shpages_skipped_parent, at = read_varint64(buf, at, shpages_skipped_parent)
                tag = buf[at] if at < stop else 0
            if tag == 112:
                shpages_written = buf[at + 1]
                at += 2
                if shpages_written > 127:
                    shpages_written, at = read_varint64(buf, at, shpages_written)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.freezing_time = freezing_time
        new.frozen_time = frozen_time
        new.memdump_time = memdump_time
        new.memwrite_time = memwrite_time
        new.pages_scanned = pages_scanned
        new.pages_skipped_parent = pages_skipped_parent
        new.pages_written = pages_written
        new.irmap_resolve = irmap_resolve
        new.pages_lazy = pages_lazy
        new.page_pipes = page_pipes
        new.page_pipe_bufs = page_pipe_bufs
        new.shpages_scanned = shpages_scanned
        new.shpages_skipped_parent = shpages_skipped_parent
        new.shpages_written = shpages_written
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if (
            freezing_time is None
            or frozen_time is None
            or memdump_time is None
            or memwrite_time is None
            or pages_scanned is None
            or pages_skipped_parent is None
            or pages_written is None
            or pages_lazy is None
        ):
            require(new, begin)
        return new


class RestoreStatsEntry(Message):
    """Figures of a restore."""

    __slots__ = (
        "pages_compared",
        "pages_skipped_cow",
        "forking_time",
        "restore_time",
        "pages_restored",
    )

    NAME = "restore_stats_entry"
    FIELDS = (
        (1, "pages_compared", "required", "uint64", None, None, None),
        (2, "pages_skipped_cow", "required", "uint64", None, None, None),
        (3, "forking_time", "required", "uint32", None, None, None),
        (4, "restore_time", "required", "uint32", None, None, None),
        (5, "pages_restored", "optional", "uint64", None, None, None),
    )

    def __init__(
        self,
        *,
        pages_compared: int,
        pages_skipped_cow: int,
        forking_time: int,
        restore_time: int,
        pages_restored: int | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.pages_compared = pages_compared
        self.pages_skipped_cow = pages_skipped_cow
        self.forking_time = forking_time
        self.restore_time = restore_time
        self.pages_restored = pages_restored
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint64_1[self.pages_compared],
                    _uint64_2[self.pages_skipped_cow],
                    _uint32_3[self.forking_time],
                    _uint32_4[self.restore_time],
                    b"" if self.pages_restored is None else _uint64_5[self.pages_restored],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        pages_compared: Any = None
        pages_skipped_cow: Any = None
        forking_time: Any = None
        restore_time: Any = None
        pages_restored: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                pages_compared = buf[at + 1]
                at += 2
                if pages_compared > 127:
                    pages_compared, at = read_varint64(buf, at, pages_compared)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                pages_skipped_cow = buf[at + 1]
                at += 2
                if pages_skipped_cow > 127:
                    pages_skipped_cow, at = read_varint64(buf, at, pages_skipped_cow)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                forking_time = buf[at + 1]
                at += 2
                if forking_time > 127:
                    forking_time, at = read_varint32(buf, at, forking_time)
                tag = buf[at] if at < stop else 0
            if tag == 32:
                restore_time = buf[at + 1]
                at += 2
                if restore_time > 127:
                    restore_time, at = read_varint32(buf, at, restore_time)
                tag = buf[at] if at < stop else 0
            if tag == 40:
                pages_restored = buf[at + 1]
                at += 2
                if pages_restored > 127:
                    pages_restored, at = read_varint64(buf, at, pages_restored)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.pages_compared = pages_compared
        new.pages_skipped_cow = pages_skipped_cow
        new.forking_time = forking_time
        new.restore_time = restore_time
        new.pages_restored = pages_restored
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if (
            pages_compared is None
            or pages_skipped_cow is None
            or forking_time is None
            or restore_time is None
        ):
            require(new, begin)
        return new


class StatsEntry(Message):
    """Figures of one run."""

    __slots__ = (
        "dump",
        "restore",
    )

    NAME = "stats_entry"
    FIELDS = (
        (1, "dump", "optional", "message", "stats:DumpStatsEntry", None, None),
        (2, "restore", "optional", "message", "stats:RestoreStatsEntry", None, None),
    )

    def __init__(
        self,
        *,
        dump: DumpStatsEntry | None = None,
        restore: RestoreStatsEntry | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.dump = dump
        self.restore = restore
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    b"" if self.dump is None else _length_1[len(b := self.dump.encode())] + b,
                    b"" if self.restore is None else _length_2[len(b := self.restore.encode())] + b,
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        dump: Any = None
        restore: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 10:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                dump = DumpStatsEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 18:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                restore = RestoreStatsEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.dump = dump
        new.restore = restore
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        return new
