"""Generated from proto/mm.proto by tools/generate_messages.py: do not edit."""

from __future__ import annotations

from crtools.images.wire import (
    Message,
    bad_value,
    field,
    find_damage,
    finish,
    read_bool,
    read_int32,
    read_run,
    read_varint32,
    read_varint64,
    require,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Self

    from crtools.images.messages.vma import VmaEntry

_bool_17 = field(17, "bool")
_int32_15 = field(15, "int32")
_length_14 = field(14, "length")
_length_16 = field(16, "length")
_uint32_2 = field(2, "uint32")
_uint32_3 = field(3, "uint32")
_uint32_12 = field(12, "uint32")
_uint64_1 = field(1, "uint64")
_uint64_2 = field(2, "uint64")
_uint64_3 = field(3, "uint64")
_uint64_4 = field(4, "uint64")
_uint64_5 = field(5, "uint64")
_uint64_6 = field(6, "uint64")
_uint64_7 = field(7, "uint64")
_uint64_8 = field(8, "uint64")
_uint64_9 = field(9, "uint64")
_uint64_10 = field(10, "uint64")
_uint64_11 = field(11, "uint64")
_uint64_13 = field(13, "uint64")


class AioRingEntry(Message):
    """The ring of an io_setup(2) context."""

    __slots__ = (
        "id",
        "nr_req",
        "ring_len",
    )

    NAME = "aio_ring_entry"
    FIELDS = (
        (1, "id", "required", "uint64", None, None, None),
        (2, "nr_req", "required", "uint32", None, None, None),
        (3, "ring_len", "required", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        id: int,
        nr_req: int,
        ring_len: int,
        unknown: bytes = b"",
    ) -> None:
        self.id = id
        self.nr_req = nr_req
        self.ring_len = ring_len
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint64_1[self.id],
                    _uint32_2[self.nr_req],
                    _uint32_3[self.ring_len],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        id: Any = None
        nr_req: Any = None
        ring_len: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                id = buf[at + 1]
                at += 2
                if id > 127:
                    id, at = read_varint64(buf, at, id)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                nr_req = buf[at + 1]
                at += 2
                if nr_req > 127:
                    nr_req, at = read_varint32(buf, at, nr_req)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                ring_len = buf[at + 1]
                at += 2
                if ring_len > 127:
                    ring_len, at = read_varint32(buf, at, ring_len)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.id = id
        new.nr_req = nr_req
        new.ring_len = ring_len
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if id is None or nr_req is None or ring_len is None:
            require(new, begin)
        return new


class MmEntry(Message):
    """An address space: where its areas are (PR_SET_MM_MAP, prctl(2)) and its mappings."""

    __slots__ = (
        "mm_start_code",
        "mm_end_code",
        "mm_start_data",
        "mm_end_data",
        "mm_start_stack",
        "mm_start_brk",
        "mm_brk",
        "mm_arg_start",
        "mm_arg_end",
        "mm_env_start",
        "mm_env_end",
        "exe_file_id",
        "mm_saved_auxv",
        "vmas",
        "dumpable",
        "aios",
        "thp_disabled",
    )

    NAME = "mm_entry"
    FIELDS = (
        (1, "mm_start_code", "required", "uint64", None, None, "hex"),
        (2, "mm_end_code", "required", "uint64", None, None, "hex"),
        (3, "mm_start_data", "required", "uint64", None, None, "hex"),
        (4, "mm_end_data", "required", "uint64", None, None, "hex"),
        (5, "mm_start_stack", "required", "uint64", None, None, "hex"),
        (6, "mm_start_brk", "required", "uint64", None, None, "hex"),
        (7, "mm_brk", "required", "uint64", None, None, "hex"),
        (8, "mm_arg_start", "required", "uint64", None, None, "hex"),
        (9, "mm_arg_end", "required", "uint64", None, None, "hex"),
        (10, "mm_env_start", "required", "uint64", None, None, "hex"),
        (11, "mm_env_end", "required", "uint64", None, None, "hex"),
        (12, "exe_file_id", "required", "uint32", None, None, None),
        (13, "mm_saved_auxv", "repeated", "uint64", None, None, None),
        (14, "vmas", "repeated", "message", "vma:VmaEntry", None, None),
        (15, "dumpable", "optional", "int32", None, None, None),
        (16, "aios", "repeated", "message", "mm:AioRingEntry", None, None),
        (17, "thp_disabled", "optional", "bool", None, None, None),
    )

    def __init__(
        self,
        *,
        mm_start_code: int,
        mm_end_code: int,
        mm_start_data: int,
        mm_end_data: int,
        mm_start_stack: int,
        mm_start_brk: int,
        mm_brk: int,
        mm_arg_start: int,
        mm_arg_end: int,
        mm_env_start: int,
        mm_env_end: int,
        exe_file_id: int,
        mm_saved_auxv: Sequence[int] = (),
        vmas: Sequence[VmaEntry] = (),
        dumpable: int | None = None,
        aios: Sequence[AioRingEntry] = (),
        thp_disabled: bool | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.mm_start_code = mm_start_code
        self.mm_end_code = mm_end_code
        self.mm_start_data = mm_start_data
        self.mm_end_data = mm_end_data
        self.mm_start_stack = mm_start_stack
        self.mm_start_brk = mm_start_brk
        self.mm_brk = mm_brk
        self.mm_arg_start = mm_arg_start
        self.mm_arg_end = mm_arg_end
        self.mm_env_start = mm_env_start
        self.mm_env_end = mm_env_end
        self.exe_file_id = exe_file_id
        self.mm_saved_auxv = mm_saved_auxv
        self.vmas = vmas
        self.dumpable = dumpable
        self.aios = aios
        self.thp_disabled = thp_disabled
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint64_1[self.mm_start_code],
                    _uint64_2[self.mm_end_code],
                    _uint64_3[self.mm_start_data],
                    _uint64_4[self.mm_end_data],
                    _uint64_5[self.mm_start_stack],
                    _uint64_6[self.mm_start_brk],
                    _uint64_7[self.mm_brk],
                    _uint64_8[self.mm_arg_start],
                    _uint64_9[self.mm_arg_end],
                    _uint64_10[self.mm_env_start],
                    _uint64_11[self.mm_env_end],
                    _uint32_12[self.exe_file_id],
                    *map(_uint64_13.__getitem__, self.mm_saved_auxv),
                    *[_length_14[len(b)] + b for b in [m.encode() for m in self.vmas]],
                    b"" if self.dumpable is None else _int32_15[self.dumpable],
                    *[_length_16[len(b)] + b for b in [m.encode() for m in self.aios]],
                    b"" if self.thp_disabled is None else _bool_17[self.thp_disabled],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        mm_start_code: Any = None
        mm_end_code: Any = None
        mm_start_data: Any = None
        mm_end_data: Any = None
        mm_start_stack: Any = None
        mm_start_brk: Any = None
        mm_brk: Any = None
        mm_arg_start: Any = None
        mm_arg_end: Any = None
        mm_env_start: Any = None
        mm_env_end: Any = None
        exe_file_id: Any = None
        mm_saved_auxv: Any = ()
        vmas: Any = ()
        dumpable: Any = None
        aios: Any = ()
        thp_disabled: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                mm_start_code = buf[at + 1]
                at += 2
                if mm_start_code > 127:
                    mm_start_code, at = read_varint64(buf, at, mm_start_code)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                mm_end_code = buf[at + 1]
                at += 2
                if mm_end_code > 127:
                    mm_end_code, at = read_varint64(buf, at, mm_end_code)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                mm_start_data = buf[at + 1]
                at += 2
                if mm_start_data > 127:
                    mm_start_data, at = read_varint64(buf, at, mm_start_data)
                tag = buf[at] if at < stop else 0
            if tag == 32:
                mm_end_data = buf[at + 1]
                at += 2
                if mm_end_data > 127:
                    mm_end_data, at = read_varint64(buf, at, mm_end_data)
                tag = buf[at] if at < stop else 0
            if tag == 40:
                mm_start_stack = buf[at + 1]
                at += 2
                if mm_start_stack > 127:
                    mm_start_stack, at = read_varint64(buf, at, mm_start_stack)
                tag = buf[at] if at < stop else 0
            if tag == 48:
                mm_start_brk = buf[at + 1]
                at += 2
                if mm_start_brk > 127:
                    mm_start_brk, at = read_varint64(buf, at, mm_start_brk)
                tag = buf[at] if at < stop else 0
            if tag == 56:
                mm_brk = buf[at + 1]
                at += 2
                if mm_brk > 127:
                    mm_brk, at = read_varint64(buf, at, mm_brk)
                tag = buf[at] if at < stop else 0
            if tag == 64:
                mm_arg_start = buf[at + 1]
                at += 2
                if mm_arg_start > 127:
                    mm_arg_start, at = read_varint64(buf, at, mm_arg_start)
                tag = buf[at] if at < stop else 0
            if tag == 72:
                mm_arg_end = buf[at + 1]
                at += 2
                if mm_arg_end > 127:
                    mm_arg_end, at = read_varint64(buf, at, mm_arg_end)
                tag = buf[at] if at < stop else 0
            if tag == 80:
                mm_env_start = buf[at + 1]
                at += 2
                if mm_env_start > 127:
                    mm_env_start, at = read_varint64(buf, at, mm_env_start)
                tag = buf[at] if at < stop else 0
            if tag == 88:
                mm_env_end = buf[at + 1]
                at += 2
                if mm_env_end > 127:
                    mm_env_end, at = read_varint64(buf, at, mm_env_end)
                tag = buf[at] if at < stop else 0
            if tag == 96:
                exe_file_id = buf[at + 1]
                at += 2
                if exe_file_id > 127:
                    exe_file_id, at = read_varint32(buf, at, exe_file_id)
                tag = buf[at] if at < stop else 0
            if tag == 104:
                mm_saved_auxv, at = read_run(buf, at, stop, b"\x68", "uint64")
                tag = buf[at] if at < stop else 0
            if tag == 114:
                from crtools.images.messages.vma import VmaEntry

                vmas = []
                while tag == 114:
                    span = buf[at + 1]
                    at += 2
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    vmas.append(VmaEntry.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
            if tag == 120:
                dumpable = buf[at + 1]
                at += 2
                if dumpable > 127:
                    dumpable, at = read_int32(buf, at, dumpable)
                tag = buf[at] if at < stop else 0
            if tag == 130 and buf[at + 1] == 1:
                aios = []
                while tag == 130 and buf[at + 1] == 1:
                    span = buf[at + 2]
                    at += 3
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    aios.append(AioRingEntry.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
            if tag == 136 and buf[at + 1] == 1:
                thp_disabled = buf[at + 2]
                at += 3
                if thp_disabled > 1:
                    thp_disabled, at = read_bool(buf, at, thp_disabled)
                else:
                    thp_disabled = thp_disabled == 1
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.mm_start_code = mm_start_code
        new.mm_end_code = mm_end_code
        new.mm_start_data = mm_start_data
        new.mm_end_data = mm_end_data
        new.mm_start_stack = mm_start_stack
        new.mm_start_brk = mm_start_brk
        new.mm_brk = mm_brk
        new.mm_arg_start = mm_arg_start
        new.mm_arg_end = mm_arg_end
        new.mm_env_start = mm_env_start
        new.mm_env_end = mm_env_end
        new.exe_file_id = exe_file_id
        new.mm_saved_auxv = mm_saved_auxv
        new.vmas = vmas
        new.dumpable = dumpable
        new.aios = aios
        new.thp_disabled = thp_disabled
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if (
            mm_start_code is None
            or mm_end_code is None
            or mm_start_data is None
            or mm_end_data is None
            or mm_start_stack is None
            or mm_start_brk is None
            or mm_brk is None
            or mm_arg_start is None
            or mm_arg_end is None
            or mm_env_start is None
            or mm_env_end is None
            or exe_file_id is None
        ):
            require(new, begin)
        return new
