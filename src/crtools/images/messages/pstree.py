"""Generated from proto/pstree.proto by tools/generate_messages.py: do not edit."""

from __future__ import annotations

from crtools.images.wire import (
    Message,
    bad_value,
    field,
    find_damage,
    finish,
    read_run,
    read_varint32,
    require,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Self

_uint32_1 = field(1, "uint32")
_uint32_2 = field(2, "uint32")
_uint32_3 = field(3, "uint32")
_uint32_4 = field(4, "uint32")
_uint32_5 = field(5, "uint32")


class PstreeEntry(Message):
    """One process; a dead one's `threads` is [0]."""

    __slots__ = (
        "pid",
        "ppid",
        "pgid",
        "sid",
        "threads",
    )

    NAME = "pstree_entry"
    FIELDS = (
        (1, "pid", "required", "uint32", None, None, None),
        (2, "ppid", "required", "uint32", None, None, None),
        (3, "pgid", "required", "uint32", None, None, None),
        (4, "sid", "required", "uint32", None, None, None),
        (5, "threads", "repeated", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        pid: int,
        ppid: int,
        pgid: int,
        sid: int,
        threads: Sequence[int] = (),
        unknown: bytes = b"",
    ) -> None:
        self.pid = pid
        self.ppid = ppid
        self.pgid = pgid
        self.sid = sid
        self.threads = threads
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.pid],
                    _uint32_2[self.ppid],
                    _uint32_3[self.pgid],
                    _uint32_4[self.sid],
                    *map(_uint32_5.__getitem__, self.threads),
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        pid: Any = None
        ppid: Any = None
        pgid: Any = None
        sid: Any = None
        threads: Any = ()
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                pid = buf[at + 1]
                at += 2
                if pid > 127:
                    pid, at = read_varint32(buf, at, pid)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                ppid = buf[at + 1]
                at += 2
                if ppid > 127:
                    ppid, at = read_varint32(buf, at, ppid)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                pgid = buf[at + 1]
                at += 2
                if pgid > 127:
                    pgid, at = read_varint32(buf, at, pgid)
                tag = buf[at] if at < stop else 0
            if tag == 32:
                sid = buf[at + 1]
                at += 2
                if sid > 127:
                    sid, at = read_varint32(buf, at, sid)
                tag = buf[at] if at < stop else 0
            if tag == 40:
                threads, at = read_run(buf, at, stop, b"\x28", "uint32")
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.pid = pid
        new.ppid = ppid
        new.pgid = pgid
        new.sid = sid
        new.threads = threads
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if pid is None or ppid is None or pgid is None or sid is None:
            require(new, begin)
        return new
