"""Generated from proto/fs.proto by tools/generate_messages.py: do not edit."""

from __future__ import annotations

from crtools.images.wire import (
    Message,
    bad_value,
    field,
    find_damage,
    finish,
    read_varint32,
    require,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

_uint32_1 = field(1, "uint32")
_uint32_2 = field(2, "uint32")
_uint32_3 = field(3, "uint32")


class FsEntry(Message):
    """Ids in files.img of working directory and root, and the umask."""

    __slots__ = (
        "cwd_id",
        "root_id",
        "umask",
    )

    NAME = "fs_entry"
    FIELDS = (
        (1, "cwd_id", "required", "uint32", None, None, None),
        (2, "root_id", "required", "uint32", None, None, None),
        (3, "umask", "optional", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        cwd_id: int,
        root_id: int,
        umask: int | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.cwd_id = cwd_id
        self.root_id = root_id
        self.umask = umask
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.cwd_id],
                    _uint32_2[self.root_id],
                    b"" if self.umask is None else _uint32_3[self.umask],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        cwd_id: Any = None
        root_id: Any = None
        umask: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                cwd_id = buf[at + 1]
                at += 2
                if cwd_id > 127:
                    cwd_id, at = read_varint32(buf, at, cwd_id)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                root_id = buf[at + 1]
                at += 2
                if root_id > 127:
                    root_id, at = read_varint32(buf, at, root_id)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                umask = buf[at + 1]
                at += 2
                if umask > 127:
                    umask, at = read_varint32(buf, at, umask)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.cwd_id = cwd_id
        new.root_id = root_id
        new.umask = umask
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if cwd_id is None or root_id is None:
            require(new, begin)
        return new
