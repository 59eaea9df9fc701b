"""Generated from proto/ipc-var.proto by tools/generate_messages.py: do not edit."""

from __future__ import annotations

from crtools.images.wire import (
    Message,
    bad_value,
    field,
    find_damage,
    finish,
    read_run,
    read_varint32,
    read_varint64,
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
_uint32_8 = field(8, "uint32")
_uint32_9 = field(9, "uint32")
_uint32_10 = field(10, "uint32")
_uint32_11 = field(11, "uint32")
_uint32_12 = field(12, "uint32")
_uint32_13 = field(13, "uint32")
_uint32_14 = field(14, "uint32")
_uint32_15 = field(15, "uint32")
_uint32_16 = field(16, "uint32")
_uint32_17 = field(17, "uint32")
_uint64_6 = field(6, "uint64")
_uint64_7 = field(7, "uint64")


class IpcVarEntry(Message):
    """The message ipc_var_entry."""

    __slots__ = (
        "sem_ctls",
        "msg_ctlmax",
        "msg_ctlmnb",
        "msg_ctlmni",
        "auto_msgmni",
        "shm_ctlmax",
        "shm_ctlall",
        "shm_ctlmni",
        "shm_rmid_forced",
        "mq_queues_max",
        "mq_msg_max",
        "mq_msgsize_max",
        "mq_msg_default",
        "mq_msgsize_default",
        "msg_next_id",
        "sem_next_id",
        "shm_next_id",
    )

    NAME = "ipc_var_entry"
    FIELDS = (
        (1, "sem_ctls", "repeated", "uint32", None, None, None),
        (2, "msg_ctlmax", "required", "uint32", None, None, None),
        (3, "msg_ctlmnb", "required", "uint32", None, None, None),
        (4, "msg_ctlmni", "required", "uint32", None, None, None),
        (5, "auto_msgmni", "required", "uint32", None, None, None),
        (6, "shm_ctlmax", "required", "uint64", None, None, None),
        (7, "shm_ctlall", "required", "uint64", None, None, None),
        (8, "shm_ctlmni", "required", "uint32", None, None, None),
        (9, "shm_rmid_forced", "required", "uint32", None, None, None),
        (10, "mq_queues_max", "required", "uint32", None, None, None),
        (11, "mq_msg_max", "required", "uint32", None, None, None),
        (12, "mq_msgsize_max", "required", "uint32", None, None, None),
        (13, "mq_msg_default", "optional", "uint32", None, None, None),
        (14, "mq_msgsize_default", "optional", "uint32", None, None, None),
        (15, "msg_next_id", "optional", "uint32", None, None, None),
        (16, "sem_next_id", "optional", "uint32", None, None, None),
        (17, "shm_next_id", "optional", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        sem_ctls: Sequence[int] = (),
        msg_ctlmax: int,
        msg_ctlmnb: int,
        msg_ctlmni: int,
        auto_msgmni: int,
        shm_ctlmax: int,
        shm_ctlall: int,
        shm_ctlmni: int,
        shm_rmid_forced: int,
        mq_queues_max: int,
        mq_msg_max: int,
        mq_msgsize_max: int,
        mq_msg_default: int | None = None,
        mq_msgsize_default: int | None = None,
        msg_next_id: int | None = None,
        sem_next_id: int | None = None,
        shm_next_id: int | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.sem_ctls = sem_ctls
        self.msg_ctlmax = msg_ctlmax
        self.msg_ctlmnb = msg_ctlmnb
        self.msg_ctlmni = msg_ctlmni
        self.auto_msgmni = auto_msgmni
        self.shm_ctlmax = shm_ctlmax
        self.shm_ctlall = shm_ctlall
        self.shm_ctlmni = shm_ctlmni
        self.shm_rmid_forced = shm_rmid_forced
        self.mq_queues_max = mq_queues_max
        self.mq_msg_max = mq_msg_max
        self.mq_msgsize_max = mq_msgsize_max
        self.mq_msg_default = mq_msg_default
        self.mq_msgsize_default = mq_msgsize_default
        self.msg_next_id = msg_next_id
        self.sem_next_id = sem_next_id
        self.shm_next_id = shm_next_id
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    *map(_uint32_1.__getitem__, self.sem_ctls),
                    _uint32_2[self.msg_ctlmax],
                    _uint32_3[self.msg_ctlmnb],
                    _uint32_4[self.msg_ctlmni],
                    _uint32_5[self.auto_msgmni],
                    _uint64_6[self.shm_ctlmax],
                    _uint64_7[self.shm_ctlall],
                    _uint32_8[self.shm_ctlmni],
                    _uint32_9[self.shm_rmid_forced],
                    _uint32_10[self.mq_queues_max],
                    _uint32_11[self.mq_msg_max],
                    _uint32_12[self.mq_msgsize_max],
                    b"" if self.mq_msg_default is None else _uint32_13[self.mq_msg_default],
                    b"" if self.mq_msgsize_default is None else _uint32_14[self.mq_msgsize_default],
                    b"" if self.msg_next_id is None else _uint32_15[self.msg_next_id],
                    b"" if self.sem_next_id is None else _uint32_16[self.sem_next_id],
                    b"" if self.shm_next_id is None else _uint32_17[self.shm_next_id],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        sem_ctls: Any = ()
        msg_ctlmax: Any = None
        msg_ctlmnb: Any = None
        msg_ctlmni: Any = None
        auto_msgmni: Any = None
        shm_ctlmax: Any = None
        shm_ctlall: Any = None
        shm_ctlmni: Any = None
        shm_rmid_forced: Any = None
        mq_queues_max: Any = None
        mq_msg_max: Any = None
        mq_msgsize_max: Any = None
        mq_msg_default: Any = None
        mq_msgsize_default: Any = None
        msg_next_id: Any = None
        sem_next_id: Any = None
        shm_next_id: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                sem_ctls, at = read_run(buf, at, stop, b"\x08", "uint32")
                tag = buf[at] if at < stop else 0
            if tag == 16:
                msg_ctlmax = buf[at + 1]
                at += 2
                if msg_ctlmax > 127:
                    msg_ctlmax, at = read_varint32(buf, at, msg_ctlmax)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                msg_ctlmnb = buf[at + 1]
                at += 2
                if msg_ctlmnb > 127:
                    msg_ctlmnb, at = read_varint32(buf, at, msg_ctlmnb)
                tag = buf[at] if at < stop else 0
            if tag == 32:
                msg_ctlmni = buf[at + 1]
                at += 2
                if msg_ctlmni > 127:
                    msg_ctlmni, at = read_varint32(buf, at, msg_ctlmni)
                tag = buf[at] if at < stop else 0
            if tag == 40:
                auto_msgmni = buf[at + 1]
                at += 2
                if auto_msgmni > 127:
                    auto_msgmni, at = read_varint32(buf, at, auto_msgmni)
                tag = buf[at] if at < stop else 0
            if tag == 48:
                shm_ctlmax = buf[at + 1]
                at += 2
                if shm_ctlmax > 127:
                    shm_ctlmax, at = read_varint64(buf, at, shm_ctlmax)
                tag = buf[at] if at < stop else 0
            if tag == 56:
                shm_ctlall = buf[at + 1]
                at += 2
                if shm_ctlall > 127:
                    shm_ctlall, at = read_varint64(buf, at, shm_ctlall)
                tag = buf[at] if at < stop else 0
            if tag == 64:
                shm_ctlmni = buf[at + 1]
                at += 2
                if shm_ctlmni > 127:
                    shm_ctlmni, at = read_varint32(buf, at, shm_ctlmni)
                tag = buf[at] if at < stop else 0
            if tag == 72:
                shm_rmid_forced = buf[at + 1]
                at += 2
                if shm_rmid_forced > 127:
                    shm_rmid_forced, at = read_varint32(buf, at, shm_rmid_forced)
                tag = buf[at] if at < stop else 0
            if tag == 80:
                mq_queues_max = buf[at + 1]
                at += 2
                if mq_queues_max > 127:
                    mq_queues_max, at = read_varint32(buf, at, mq_queues_max)
                tag = buf[at] if at < stop else 0
            if tag == 88:
                mq_msg_max = buf[at + 1]
                at += 2
                if mq_msg_max > 127:
                    mq_msg_max, at = read_varint32(buf, at, mq_msg_max)
                tag = buf[at] if at < stop else 0
            if tag == 96:
                mq_msgsize_max = buf[at + 1]
                at += 2
                if mq_msgsize_max > 127:
                    mq_msgsize_max, at = read_varint32(buf, at, mq_msgsize_max)
                tag = buf[at] if at < stop else 0
            if tag == 104:
                mq_msg_default = buf[at + 1]
                at += 2
                if mq_msg_default > 127:
                    mq_msg_default, at = read_varint32(buf, at, mq_msg_default)
                tag = buf[at] if at < stop else 0
            if tag == 112:
                mq_msgsize_default = buf[at + 1]
                at += 2
                if mq_msgsize_default > 127:
                    mq_msgsize_default, at = read_varint32(buf, at, mq_msgsize_default)
                tag = buf[at] if at < stop else 0
            if tag == 120:
                msg_next_id = buf[at + 1]
                at += 2
                if msg_next_id > 127:
                    msg_next_id, at = read_varint32(buf, at, msg_next_id)
                tag = buf[at] if at < stop else 0
            if tag == 128 and buf[at + 1] == 1:
                sem_next_id = buf[at + 2]
                at += 3
                if sem_next_id > 127:
                    sem_next_id, at = read_varint32(buf, at, sem_next_id)
                tag = buf[at] if at < stop else 0
            if tag == 136 and buf[at + 1] == 1:
                shm_next_id = buf[at + 2]
                at += 3
                if shm_next_id > 127:
                    shm_next_id, at = read_varint32(buf, at, shm_next_id)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.sem_ctls = sem_ctls
        new.msg_ctlmax = msg_ctlmax
        new.msg_ctlmnb = msg_ctlmnb
        new.msg_ctlmni = msg_ctlmni
        new.auto_msgmni = auto_msgmni
        new.shm_ctlmax = shm_ctlmax
        new.shm_ctlall = shm_ctlall
        new.shm_ctlmni = shm_ctlmni
        new.shm_rmid_forced = shm_rmid_forced
        new.mq_queues_max = mq_queues_max
        new.mq_msg_max = mq_msg_max
        new.mq_msgsize_max = mq_msgsize_max
        new.mq_msg_default = mq_msg_default
        new.mq_msgsize_default = mq_msgsize_default
        new.msg_next_id = msg_next_id
        new.sem_next_id = sem_next_id
        new.shm_next_id = shm_next_id
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if (
            msg_ctlmax is None
            or msg_ctlmnb is None
            or msg_ctlmni is None
            or auto_msgmni is None
            or shm_ctlmax is None
            or shm_ctlall is None
            or shm_ctlmni is None
            or shm_rmid_forced is None
            or mq_queues_max is None
            or mq_msg_max is None
            or mq_msgsize_max is None
        ):
            require(new, begin)
        return new
