"""Generated from proto/crtools_kinds.proto by tools/generate_messages.py: do not edit."""

from __future__ import annotations

from crtools.images.wire import (
    Message,
    bad_value,
    field,
    find_damage,
    finish,
    read_bool,
    read_int64,
    read_run,
    read_sint64,
    read_varint32,
    read_varint64,
    recall,
    require,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Self

    from crtools.images.messages.fown import FownEntry
    from crtools.images.messages.ipc_shm import IpcShmEntry

_bool_3 = field(3, "bool")
_bool_10 = field(10, "bool")
_bool_11 = field(11, "bool")
_bool_12 = field(12, "bool")
_bool_13 = field(13, "bool")
_bool_16 = field(16, "bool")
_int64_2 = field(2, "int64")
_length_1 = field(1, "length")
_length_4 = field(4, "length")
_length_5 = field(5, "length")
_length_9 = field(9, "length")
_length_10 = field(10, "length")
_length_11 = field(11, "length")
_length_12 = field(12, "length")
_length_13 = field(13, "length")
_sint32_14 = field(14, "sint32")
_sint64_2 = field(2, "sint64")
_sint64_3 = field(3, "sint64")
_uint32_1 = field(1, "uint32")
_uint32_2 = field(2, "uint32")
_uint32_4 = field(4, "uint32")
_uint32_5 = field(5, "uint32")
_uint32_6 = field(6, "uint32")
_uint32_7 = field(7, "uint32")
_uint32_8 = field(8, "uint32")
_uint32_9 = field(9, "uint32")
_uint32_14 = field(14, "uint32")
_uint32_15 = field(15, "uint32")
_uint32_17 = field(17, "uint32")
_uint64_1 = field(1, "uint64")
_uint64_2 = field(2, "uint64")
_uint64_3 = field(3, "uint64")


class CrtoolsShmEntry(Message):
    """crtools-shm.img: the System V segments that the tree has attached, in the host's ipc
    namespace."""

    __slots__ = (
        "segment",
        "ctime",
        "contents",
    )

    NAME = "crtools_shm_entry"
    FIELDS = (
        (1, "segment", "required", "message", "ipc_shm:IpcShmEntry", None, None),
        (2, "ctime", "required", "int64", None, None, None),
        (3, "contents", "optional", "uint64", None, None, None),
    )

    def __init__(
        self,
        *,
        segment: IpcShmEntry,
        ctime: int,
        contents: int | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.segment = segment
        self.ctime = ctime
        self.contents = contents
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _length_1[len(b := self.segment.encode())] + b,
                    _int64_2[self.ctime],
                    b"" if self.contents is None else _uint64_3[self.contents],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        segment: Any = None
        ctime: Any = None
        contents: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 10:
                from crtools.images.messages.ipc_shm import IpcShmEntry

                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                segment = IpcShmEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                ctime = buf[at + 1]
                at += 2
                if ctime > 127:
                    ctime, at = read_int64(buf, at, ctime)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                contents = buf[at + 1]
                at += 2
                if contents > 127:
                    contents, at = read_varint64(buf, at, contents)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.segment = segment
        new.ctime = ctime
        new.contents = contents
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if segment is None or ctime is None:
            require(new, begin)
        return new


class CrtoolsMemfdEntry(Message):
    """crtools-memfd.img: what memfd.img has no field for, of each memfd_create(2) file there."""

    __slots__ = (
        "inode_id",
        "atime",
        "mtime",
    )

    NAME = "crtools_memfd_entry"
    FIELDS = (
        (1, "inode_id", "required", "uint64", None, None, None),
        (2, "atime", "required", "sint64", None, None, None),
        (3, "mtime", "required", "sint64", None, None, None),
    )

    def __init__(
        self,
        *,
        inode_id: int,
        atime: int,
        mtime: int,
        unknown: bytes = b"",
    ) -> None:
        self.inode_id = inode_id
        self.atime = atime
        self.mtime = mtime
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint64_1[self.inode_id],
                    _sint64_2[self.atime],
                    _sint64_3[self.mtime],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        inode_id: Any = None
        atime: Any = None
        mtime: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                inode_id = buf[at + 1]
                at += 2
                if inode_id > 127:
                    inode_id, at = read_varint64(buf, at, inode_id)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                atime = buf[at + 1]
                at += 2
                if atime > 127:
                    atime, at = read_sint64(buf, at, atime)
                else:
                    atime = atime >> 1 ^ -(atime & 1)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                mtime = buf[at + 1]
                at += 2
                if mtime > 127:
                    mtime, at = read_sint64(buf, at, mtime)
                else:
                    mtime = mtime >> 1 ^ -(mtime & 1)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.inode_id = inode_id
        new.atime = atime
        new.mtime = mtime
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if inode_id is None or atime is None or mtime is None:
            require(new, begin)
        return new


class UringBufferEntry(Message):
    """A registered buffer of an io_uring; of no length: a slot without one."""

    __slots__ = (
        "start",
        "length",
    )

    NAME = "uring_buffer_entry"
    FIELDS = (
        (1, "start", "required", "uint64", None, None, "hex"),
        (2, "length", "required", "uint64", None, None, None),
    )

    def __init__(
        self,
        *,
        start: int,
        length: int,
        unknown: bytes = b"",
    ) -> None:
        self.start = start
        self.length = length
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint64_1[self.start],
                    _uint64_2[self.length],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        start: Any = None
        length: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                start = buf[at + 1]
                at += 2
                if start > 127:
                    start, at = read_varint64(buf, at, start)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                length = buf[at + 1]
                at += 2
                if length > 127:
                    length, at = read_varint64(buf, at, length)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.start = start
        new.length = length
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if start is None or length is None:
            require(new, begin)
        return new


class CrtoolsUringEntry(Message):
    """crtools-uring.img: io_urings, which files.img has with the type 17234 and this id."""

    __slots__ = (
        "id",
        "flags",
        "inode",
        "fown",
        "setup",
        "sq_entries",
        "cq_entries",
        "sq_head",
        "cq_tail",
        "rings",
        "sqes",
        "offsets",
        "buffers",
        "files",
    )

    NAME = "crtools_uring_entry"
    FIELDS = (
        (1, "id", "required", "uint32", None, None, None),
        (2, "flags", "required", "uint32", None, None, "open.flags"),
        (3, "inode", "required", "uint64", None, None, None),
        (4, "fown", "required", "message", "fown:FownEntry", None, None),
        (5, "setup", "required", "uint32", None, None, "hex"),
        (6, "sq_entries", "required", "uint32", None, None, None),
        (7, "cq_entries", "required", "uint32", None, None, None),
        (8, "sq_head", "required", "uint32", None, None, None),
        (9, "cq_tail", "required", "uint32", None, None, None),
        (10, "rings", "required", "bytes", None, None, None),
        (11, "sqes", "required", "bytes", None, None, None),
        (12, "offsets", "required", "bytes", None, None, None),
        (13, "buffers", "repeated", "message", "crtools_kinds:UringBufferEntry", None, None),
        (14, "files", "repeated", "sint32", None, None, None),
    )

    def __init__(
        self,
        *,
        id: int,
        flags: int,
        inode: int,
        fown: FownEntry,
        setup: int,
        sq_entries: int,
        cq_entries: int,
        sq_head: int,
        cq_tail: int,
        rings: bytes,
        sqes: bytes,
        offsets: bytes,
        buffers: Sequence[UringBufferEntry] = (),
        files: Sequence[int] = (),
        unknown: bytes = b"",
    ) -> None:
        self.id = id
        self.flags = flags
        self.inode = inode
        self.fown = fown
        self.setup = setup
        self.sq_entries = sq_entries
        self.cq_entries = cq_entries
        self.sq_head = sq_head
        self.cq_tail = cq_tail
        self.rings = rings
        self.sqes = sqes
        self.offsets = offsets
        self.buffers = buffers
        self.files = files
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.id],
                    _uint32_2[self.flags],
                    _uint64_3[self.inode],
                    _length_4[len(b := self.fown.encode())] + b,
                    _uint32_5[self.setup],
                    _uint32_6[self.sq_entries],
                    _uint32_7[self.cq_entries],
                    _uint32_8[self.sq_head],
                    _uint32_9[self.cq_tail],
                    _length_10[len(b := self.rings)] + b,
                    _length_11[len(b := self.sqes)] + b,
                    _length_12[len(b := self.offsets)] + b,
                    *[_length_13[len(b)] + b for b in [m.encode() for m in self.buffers]],
                    *map(_sint32_14.__getitem__, self.files),
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        id: Any = None
        flags: Any = None
        inode: Any = None
        fown: Any = None
        setup: Any = None
        sq_entries: Any = None
        cq_entries: Any = None
        sq_head: Any = None
        cq_tail: Any = None
        rings: Any = None
        sqes: Any = None
        offsets: Any = None
        buffers: Any = ()
        files: Any = ()
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                id = buf[at + 1]
                at += 2
                if id > 127:
                    id, at = read_varint32(buf, at, id)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                flags = buf[at + 1]
                at += 2
                if flags > 127:
                    flags, at = read_varint32(buf, at, flags)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                inode = buf[at + 1]
                at += 2
                if inode > 127:
                    inode, at = read_varint64(buf, at, inode)
                tag = buf[at] if at < stop else 0
            if tag == 34:
                from crtools.images.messages.fown import FownEntry

                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                fown = recall(FownEntry, buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 40:
                setup = buf[at + 1]
                at += 2
                if setup > 127:
                    setup, at = read_varint32(buf, at, setup)
                tag = buf[at] if at < stop else 0
            if tag == 48:
                sq_entries = buf[at + 1]
                at += 2
                if sq_entries > 127:
                    sq_entries, at = read_varint32(buf, at, sq_entries)
                tag = buf[at] if at < stop else 0
            if tag == 56:
                cq_entries = buf[at + 1]
                at += 2
                if cq_entries > 127:
                    cq_entries, at = read_varint32(buf, at, cq_entries)
                tag = buf[at] if at < stop else 0
            if tag == 64:
                sq_head = buf[at + 1]
                at += 2
                if sq_head > 127:
                    sq_head, at = read_varint32(buf, at, sq_head)
                tag = buf[at] if at < stop else 0
            if tag == 72:
                cq_tail = buf[at + 1]
                at += 2
                if cq_tail > 127:
                    cq_tail, at = read_varint32(buf, at, cq_tail)
                tag = buf[at] if at < stop else 0
            if tag == 82:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                rings = buf[at - span : at]
                tag = buf[at] if at < stop else 0
            if tag == 90:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                sqes = buf[at - span : at]
                tag = buf[at] if at < stop else 0
            if tag == 98:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                offsets = buf[at - span : at]
                tag = buf[at] if at < stop else 0
            if tag == 106:
                buffers = []
                while tag == 106:
                    span = buf[at + 1]
                    at += 2
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    buffers.append(UringBufferEntry.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
            if tag == 112:
                files, at = read_run(buf, at, stop, b"\x70", "sint32")
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.id = id
        new.flags = flags
        new.inode = inode
        new.fown = fown
        new.setup = setup
        new.sq_entries = sq_entries
        new.cq_entries = cq_entries
        new.sq_head = sq_head
        new.cq_tail = cq_tail
        new.rings = rings
        new.sqes = sqes
        new.offsets = offsets
        new.buffers = buffers
        new.files = files
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if (
            id is None
            or flags is None
            or inode is None
            or fown is None
            or setup is None
            or sq_entries is None
            or cq_entries is None
            or sq_head is None
            or cq_tail is None
            or rings is None
            or sqes is None
            or offsets is None
        ):
            require(new, begin)
        return new


class CrtoolsTtyEntry(Message):
    """crtools-tty.img: what tty-info.img has no field for, of the slave of each pair of
    terminals, and of serial lines."""

    __slots__ = (
        "id",
        "mode",
        "closed",
        "master",
        "directory",
        "status",
        "ends",
        "no_ends",
        "beyond",
        "quoting",
        "stopped",
        "suspended",
        "master_suspended",
        "column",
        "line_column",
        "hung_up",
        "modem",
    )

    NAME = "crtools_tty_entry"
    FIELDS = (
        (1, "id", "required", "uint32", None, None, None),
        (2, "mode", "required", "uint32", None, None, None),
        (3, "closed", "required", "bool", None, None, None),
        (4, "master", "optional", "uint32", None, None, None),
        (5, "directory", "optional", "string", None, None, None),
        (6, "status", "optional", "uint32", None, None, "hex"),
        (7, "ends", "repeated", "uint32", None, None, None),
        (8, "no_ends", "repeated", "uint32", None, None, None),
        (9, "beyond", "optional", "bytes", None, None, None),
        (10, "quoting", "optional", "bool", None, None, None),
        (11, "stopped", "optional", "bool", None, None, None),
        (12, "suspended", "optional", "bool", None, None, None),
        (13, "master_suspended", "optional", "bool", None, None, None),
        (14, "column", "optional", "uint32", None, None, None),
        (15, "line_column", "optional", "uint32", None, None, None),
        (16, "hung_up", "optional", "bool", None, None, None),
        (17, "modem", "optional", "uint32", None, None, "hex"),
    )

    def __init__(
        self,
        *,
        id: int,
        mode: int,
        closed: bool,
        master: int | None = None,
        directory: str | None = None,
        status: int | None = None,
        ends: Sequence[int] = (),
        no_ends: Sequence[int] = (),
        beyond: bytes | None = None,
        quoting: bool | None = None,
        stopped: bool | None = None,
        suspended: bool | None = None,
        master_suspended: bool | None = None,
        column: int | None = None,
        line_column: int | None = None,
        hung_up: bool | None = None,
        modem: int | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.id = id
        self.mode = mode
        self.closed = closed
        self.master = master
        self.directory = directory
        self.status = status
        self.ends = ends
        self.no_ends = no_ends
        self.beyond = beyond
        self.quoting = quoting
        self.stopped = stopped
        self.suspended = suspended
        self.master_suspended = master_suspended
        self.column = column
        self.line_column = line_column
        self.hung_up = hung_up
        self.modem = modem
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.id],
                    _uint32_2[self.mode],
                    _bool_3[self.closed],
                    b"" if self.master is None else _uint32_4[self.master],
                    b""
                    if self.directory is None
                    else _length_5[len(b := self.directory.encode("utf-8", "surrogateescape"))] + b,
                    b"" if self.status is None else _uint32_6[self.status],
                    *map(_uint32_7.__getitem__, self.ends),
                    *map(_uint32_8.__getitem__, self.no_ends),
                    b"" if self.beyond is None else _length_9[len(b := self.beyond)] + b,
                    b"" if self.quoting is None else _bool_10[self.quoting],
                    b"" if self.stopped is None else _bool_11[self.stopped],
                    b"" if self.suspended is None else _bool_12[self.suspended],
                    b"" if self.master_suspended is None else _bool_13[self.master_suspended],
                    b"" if self.column is None else _uint32_14[self.column],
                    b"" if self.line_column is None else _uint32_15[self.line_column],
                    b"" if self.hung_up is None else _bool_16[self.hung_up],
                    b"" if self.modem is None else _uint32_17[self.modem],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        id: Any = None
        mode: Any = None
        closed: Any = None
        master: Any = None
        directory: Any = None
        status: Any = None
        ends: Any = ()
        no_ends: Any = ()
        beyond: Any = None
        quoting: Any = None
        stopped: Any = None
        suspended: Any = None
        master_suspended: Any = None
        column: Any = None
        line_column: Any = None
        hung_up: Any = None
        modem: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                id = buf[at + 1]
                at += 2
                if id > 127:
                    id, at = read_varint32(buf, at, id)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                mode = buf[at + 1]
                at += 2
                if mode > 127:
                    mode, at = read_varint32(buf, at, mode)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                closed = buf[at + 1]
                at += 2
                if closed > 1:
                    closed, at = read_bool(buf, at, closed)
                else:
                    closed = closed == 1
                tag = buf[at] if at < stop else 0
            if tag == 32:
                master = buf[at + 1]
                at += 2
                if master > 127:
                    master, at = read_varint32(buf, at, master)
                tag = buf[at] if at < stop else 0
            if tag == 42:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                directory = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
            if tag == 48:
                status = buf[at + 1]
                at += 2
                if status > 127:
                    status, at = read_varint32(buf, at, status)
                tag = buf[at] if at < stop else 0
            if tag == 56:
                ends, at = read_run(buf, at, stop, b"\x38", "uint32")
                tag = buf[at] if at < stop else 0
            if tag == 64:
                no_ends, at = read_run(buf, at, stop, b"\x40", "uint32")
                tag = buf[at] if at < stop else 0
            if tag == 74:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                beyond = buf[at - span : at]
                tag = buf[at] if at < stop else 0
            if tag == 80:
                quoting = buf[at + 1]
                at += 2
                if quoting > 1:
                    quoting, at = read_bool(buf, at, quoting)
                else:
                    quoting = quoting == 1
                tag = buf[at] if at < stop else 0
            if tag == 88:
                stopped = buf[at + 1]
                at += 2
                if stopped > 1:
                    stopped, at = read_bool(buf, at, stopped)
                else:
                    stopped = stopped == 1
                tag = buf[at] if at < stop else 0
            if tag == 96:
                suspended = buf[at + 1]
                at += 2
                if suspended > 1:
                    suspended, at = read_bool(buf, at, suspended)
                else:
                    suspended = suspended == 1
                tag = buf[at] if at < stop else 0
            if tag == 104:
                master_suspended = buf[at + 1]
                at += 2
                if master_suspended > 1:
                    master_suspended, at = read_bool(buf, at, master_suspended)
                else:
                    master_suspended = master_suspended == 1
                tag = buf[at] if at < stop else 0
            if tag == 112:
                column = buf[at + 1]
                at += 2
                if column > 127:
                    column, at = read_varint32(buf, at, column)
                tag = buf[at] if at < stop else 0
            if tag == 120:
                line_column = buf[at + 1]
                at += 2
                if line_column > 127:
                    line_column, at = read_varint32(buf, at, line_column)
                tag = buf[at] if at < stop else 0
            if tag == 128 and buf[at + 1] == 1:
                hung_up = buf[at + 2]
                at += 3
                if hung_up > 1:
                    hung_up, at = read_bool(buf, at, hung_up)
                else:
                    hung_up = hung_up == 1
                tag = buf[at] if at < stop else 0
            if tag == 136 and buf[at + 1] == 1:
                modem = buf[at + 2]
                at += 3
                if modem > 127:
                    modem, at = read_varint32(buf, at, modem)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.id = id
        new.mode = mode
        new.closed = closed
        new.master = master
        new.directory = directory
        new.status = status
        new.ends = ends
        new.no_ends = no_ends
        new.beyond = beyond
        new.quoting = quoting
        new.stopped = stopped
        new.suspended = suspended
        new.master_suspended = master_suspended
        new.column = column
        new.line_column = line_column
        new.hung_up = hung_up
        new.modem = modem
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if id is None or mode is None or closed is None:
            require(new, begin)
        return new
