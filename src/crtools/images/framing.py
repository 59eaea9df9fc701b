"""How entries lie in an image file: magics, lengths, and the raw bytes that follow some entries.

A file is `magic entry*`; an entry is a 32-bit length, one message, and for some kinds raw bytes
whose number the message tells ("extra"). All integers are little-endian. v1.1 puts a common magic
before the file's own; v1.0 has the own one alone, as inventory.img always has.
"""

from __future__ import annotations

import struct

from crtools.errors import ImageError
from crtools.images.registry import (
    IMG_COMMON_MAGIC,
    IMG_SERVICE_MAGIC,
    INVENTORY_MAGIC,
    ImageKind,
    find_by_magic,
)
from crtools.images.wire import too_deep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from crtools.images.wire import Message

    Entry = Message | tuple[Message, bytes]

_word = struct.Struct("<I")
_two_words = struct.Struct("<II")


def damaged(name: str, at: int, because: str) -> ImageError:
    """The error for a file that is wrong at byte `at`."""
    return ImageError(
        f"{name} is damaged at byte {at}",
        because=because,
        hint="take the images from an intact copy, or dump again",
        subject=("image", name, "offset", at),
    )


def encode_header(kind: ImageKind) -> bytes:
    """The magics that a file of `kind` begins with."""
    if kind.magic == INVENTORY_MAGIC:
        return _word.pack(kind.magic)
    return _two_words.pack(IMG_SERVICE_MAGIC if kind.service else IMG_COMMON_MAGIC, kind.magic)


def encode_file(kind: ImageKind, entries: Sequence[Entry]) -> bytes:
    """A whole file: messages, each alone or with the raw bytes that follow it.

    Raises ImageError if a message can't be encoded, or is not the one that belongs there, or its
    raw bytes are not as many as it says.
    """
    parts = [encode_header(kind)]
    if not kind.extra:
        # Thousands, perhaps, and their lengths are few.
        words = _Words()
        for entry in entries:
            data = (entry[0] if isinstance(entry, tuple) else entry).encode()
            parts += (words[len(data)], data)
        return b"".join(parts)
    for index, entry in enumerate(entries):
        message, extra = entry if isinstance(entry, tuple) else (entry, b"")
        data = message.encode()
        parts += (_word.pack(len(data)), data)
        size = extra_size(kind, message, index, extra, 0, kind.key)
        if size != len(extra):
            raise ImageError(
                f"Cannot write an entry of {kind.key}",
                because=f"{len(extra)} bytes follow it, and it says {size}",
            )
        parts.append(extra)
    return b"".join(parts)


class _Words(dict[int, bytes]):
    """Numbers of 32 bits."""

    def __missing__(self, number: int) -> bytes:
        word = self[number] = _word.pack(number)
        return word


def read_header(buf: bytes, name: str, kind: ImageKind | None = None) -> tuple[ImageKind, int]:
    """The kind of the file whose first bytes are `buf`, and where its entries begin.

    Raises ImageError if the magics are unknown or, given `kind`, those of another one.
    """
    if len(buf) < 4:
        raise damaged(name, len(buf), "it ends within its magic")
    (magic,) = _word.unpack_from(buf)
    at = 4
    service = magic == IMG_SERVICE_MAGIC
    if service or magic == IMG_COMMON_MAGIC:
        if len(buf) < 8:
            raise damaged(name, len(buf), "it ends within its magic")
        (magic,) = _word.unpack_from(buf, 4)
        at = 8
    if kind is not None and kind.magic == magic:
        return kind, at
    found = find_by_magic(magic)
    if found is None:
        raise damaged(name, at - 4, f"its magic {magic:#010x} is unknown")
    if kind is not None:
        raise damaged(name, at - 4, f"it is a {found.magic_name}, not a {kind.magic_name}")
    if at == 8 and service != found.service:
        raise damaged(name, 0, f"a {found.magic_name} does not begin with {buf[:4].hex()}")
    return found, at


def parse_file(
    buf: bytes, name: str, kind: ImageKind | None = None
) -> tuple[ImageKind, list[tuple[Message, bytes]]]:
    """The entries of a whole file, each with the raw bytes that follow it, padding included.

    `name` is for errors; `kind` is the one expected, if any. Raises ImageError for whatever is
    wrong, naming the file and the byte.
    """
    kind, at = read_header(buf, name, kind)
    entries: list[tuple[Message, bytes]] = []
    stop = len(buf)
    cls: type[Message] | None = None
    if not kind.extra and not kind.head and at < stop:
        # Thousands, perhaps: the checks of read_extent and read_message in place.
        cls = kind.message_class(0)
        read_at, unpack = cls.read_at, _word.unpack_from
        while stop - at >= 4:
            begin = at + 4
            end = begin + unpack(buf, at)[0]
            if end > stop:
                break
            try:
                entries.append((read_at(buf, begin, end), b""))
            except (ImageError, RecursionError):
                read_message(cls, buf, begin, end, name)
                raise
            at = end
    # What is left is wrong, or has more to it.
    while at < stop:
        if cls is None or kind.head:
            cls = kind.message_class(len(entries))
        begin, end = read_extent(buf, at, stop, name)
        message = read_message(cls, buf, begin, end, name)
        at = end
        extra = b""
        if kind.extra:
            size = extra_size(kind, message, len(entries), buf, at, name)
            if size > stop - at:
                raise damaged(name, at, f"{size} bytes should follow, and {stop - at} do")
            extra = buf[at : at + size]
            at += size
        entries.append((message, extra))
    if kind.single and len(entries) != 1:
        raise damaged(name, stop, f"it has {len(entries)} entries instead of one")
    if kind.head and not entries:
        raise damaged(name, stop, "its first entry is missing")
    return kind, entries


def read_extent(buf: bytes, at: int, stop: int, name: str) -> tuple[int, int]:
    """Where the message of the entry at `at` begins and ends. Raises ImageError."""
    if stop - at < 4:
        raise damaged(name, at, "it ends within the length of an entry")
    (size,) = _word.unpack_from(buf, at)
    if size > stop - at - 4:
        raise damaged(name, at, f"an entry of {size} bytes has {stop - at - 4}")
    return at + 4, at + 4 + size


def read_message(cls: type[Message], buf: bytes, at: int, stop: int, name: str) -> Message:
    """The message in buf[at:stop] of the file `name`. Raises ImageError."""
    try:
        return cls.read_at(buf, at, stop)
    except ImageError as error:
        where = error.subject[1] if error.subject[:1] == ("offset",) else at
        raise damaged(name, int(where), f"{error.what}: {error.because}") from None
    except RecursionError:
        raise damaged(name, at, too_deep(cls).because) from None


def padded(size: int, unit: int) -> int:
    """`size` rounded up to a multiple of `unit`."""
    return -(-size // unit) * unit


def extra_size(kind: ImageKind, entry: Message, index: int, buf: bytes, at: int, name: str) -> int:
    """How many bytes follow `entry`, which is number `index` of its file; `at` is where they begin.

    It may be more than there are. Raises ImageError if what follows is itself damaged.
    """
    message: Any = entry
    rule = kind.extra
    if rule == "bytes":
        return int(message.bytes)
    if rule == "length":
        return int(message.length)
    if rule == "tcp-queues":
        return int(message.inq_len + message.outq_len)
    if rule == "ghost":
        # The head of a file without chunks is followed by the file itself.
        if index == 0:
            return 0 if message.chunks else len(buf) - at
        return int(message.len)
    if rule == "keys-values":
        return int(message.keys_bytes + message.values_bytes)
    if rule == "ipc-shm":
        return 0 if message.in_pagemaps else padded(message.size, 4)
    if rule == "ipc-sem":
        return padded(2 * message.nsems, 8)
    assert rule == "ipc-msg", rule
    end = at
    for _ in range(message.qnum):
        _, end = _read_ipc_message(buf, end, name)
    return end - at


def _read_ipc_message(buf: bytes, at: int, name: str) -> tuple[Any, int]:
    from crtools.images.messages.ipc_msg import IpcMsg

    begin, end = read_extent(buf, at, len(buf), name)
    message: Any = read_message(IpcMsg, buf, begin, end, name)
    size = padded(message.msize, 8)
    if size > len(buf) - end:
        raise damaged(name, end, f"a message of {size} bytes has {len(buf) - end}")
    return message, end + size


def parse_ipc_messages(extra: bytes, count: int, name: str) -> list[tuple[Any, bytes]]:
    """The `count` messages of a System V queue in `extra`: each with its data and padding."""
    messages = []
    at = 0
    for _ in range(count):
        message, end = _read_ipc_message(extra, at, name)
        messages.append((message, extra[end - padded(message.msize, 8) : end]))
        at = end
    return messages


def encode_ipc_messages(messages: Sequence[tuple[Message, bytes]]) -> bytes:
    """The raw bytes after an ipc_msg_entry: each message with its data, padded already."""
    parts: list[bytes] = []
    for message, data in messages:
        encoded = message.encode()
        parts += (_word.pack(len(encoded)), encoded, data)
    return b"".join(parts)
