"""Generated from proto/remap-file-path.proto by tools/generate_messages.py: do not edit."""

from __future__ import annotations

from crtools.images.wire import (
    Message,
    bad_value,
    field,
    find_damage,
    finish,
    read_int32,
    read_varint32,
    require,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar, Self

_enum_3 = field(3, "enum")
_uint32_1 = field(1, "uint32")
_uint32_2 = field(2, "uint32")


class RemapType:
    """Values of the enum remap_type."""

    LINKED = 0
    GHOST = 1
    PROCFS = 2

    NAMES: ClassVar[dict[int, str]] = {
        0: "LINKED",
        1: "GHOST",
        2: "PROCFS",
    }


class RemapFilePathEntry(Message):
    """Where the content of the file `orig_id` is: a linked name, a ghost file, or a dead process
    of /proc."""

    __slots__ = (
        "orig_id",
        "remap_id",
        "remap_type",
    )

    NAME = "remap_file_path_entry"
    FIELDS = (
        (1, "orig_id", "required", "uint32", None, None, None),
        (2, "remap_id", "required", "uint32", None, None, None),
        (3, "remap_type", "optional", "enum", "remap_file_path:RemapType", None, None),
    )

    def __init__(
        self,
        *,
        orig_id: int,
        remap_id: int,
        remap_type: int | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.orig_id = orig_id
        self.remap_id = remap_id
        self.remap_type = remap_type
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.orig_id],
                    _uint32_2[self.remap_id],
                    b"" if self.remap_type is None else _enum_3[self.remap_type],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        orig_id: Any = None
        remap_id: Any = None
        remap_type: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                orig_id = buf[at + 1]
                at += 2
                if orig_id > 127:
                    orig_id, at = read_varint32(buf, at, orig_id)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                remap_id = buf[at + 1]
                at += 2
                if remap_id > 127:
                    remap_id, at = read_varint32(buf, at, remap_id)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                remap_type = buf[at + 1]
                at += 2
                if remap_type > 127:
                    remap_type, at = read_int32(buf, at, remap_type)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.orig_id = orig_id
        new.remap_id = remap_id
        new.remap_type = remap_type
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if orig_id is None or remap_id is None:
            require(new, begin)
        return new
