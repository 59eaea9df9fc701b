"""Messages by the thousand that differ in a few numbers: encoded from what is around these.

A frame is made from one of them, by encoding it once for each number and seeing where that lies, so
nothing of a message's schema is known here.
"""

from __future__ import annotations

from crtools.errors import ImageError, InternalError
from crtools.images.messages.fdinfo import FdinfoEntry
from crtools.images.wire import encode_varint, field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from crtools.images.wire import Message


class Frame:
    """What is before, between and after the numbers: one piece more than there are of them."""

    __slots__ = ("pieces",)

    def __init__(self, message: Message, names: Sequence[str]) -> None:
        """`names` are those fields of the message, of type uint32, whose values differ: in the
        order in which they are encoded. They are left with 0."""
        for name in names:
            setattr(message, name, 0)
        plain = message.encode()
        self.pieces: list[bytes] = []
        start = 0
        for name in names:
            setattr(message, name, 1)
            marked = message.encode()
            setattr(message, name, 0)
            at = next(i for i, byte in enumerate(plain) if marked[i] != byte)
            if at < start or marked[:at] + b"\0" + marked[at + 1 :] != plain:
                raise InternalError(f"Field {name} of {message.NAME} is not where it has to be")
            self.pieces.append(plain[start:at])
            start = at + 1
        self.pieces.append(plain[start:])


class FileFrame:
    """What entries of the files image have in common: each a FileEntry with nothing but a type, an
    id and the message of one kind, whose first number is the id again."""

    __slots__ = ("bytes", "form", "length")

    def __init__(self, entry: Any, name: str, names: Sequence[str]) -> None:
        """`entry` is such a FileEntry, whose message is the field `name`; `names` are those fields
        of the message behind its id that differ. The entry is of no use afterwards."""
        number = next(number for number, called, *_ in entry.FIELDS if called == name)
        self.length = field(number, "length")
        message = Frame(getattr(entry, name), ("id", *names)).pieces
        setattr(entry, name, None)
        head, tail = Frame(entry, ("id",)).pieces
        # For id, length of the message, id and numbers, as bytes.
        self.form = b"%b".join(piece.replace(b"%", b"%%") for piece in (head, tail, *message))
        self.bytes = sum(map(len, message))  # of the message without the numbers


class FramedFile:
    """An entry of the files image of which only the numbers are kept."""

    __slots__ = ("frame", "id", "numbers")

    def __init__(self, frame: FileFrame, id: int, *numbers: int) -> None:
        self.frame = frame
        self.id = id
        self.numbers = numbers

    def encode(self) -> bytes:
        """As FileEntry does. Raises ImageError for an impossible number."""
        frame = self.frame
        id = encode_varint(self.id)
        length = frame.bytes + len(id)
        numbers = []
        for number in self.numbers:
            if number >> 32:
                raise ImageError(
                    f"Cannot write file {self.id} to the files image",
                    because=f"{number} does not fit into 32 bits",
                )
            encoded = encode_varint(number)
            length += len(encoded)
            numbers.append(encoded)
        return frame.form % (id, frame.length[length], id, *numbers)


class FramedDescriptor(FdinfoEntry):
    """An entry of an fdinfo image, of which there may be thousands."""

    __slots__ = ()

    def __init__(self, id: int, flags: int, type: int, fd: int) -> None:
        self.id = id
        self.flags = flags
        self.type = type
        self.fd = fd
        self.xattr_security_selinux = None
        self.unknown = b""

    def encode(self) -> bytes:
        """As FdinfoEntry does."""
        like = (self.flags, self.type)
        form = _descriptors.get(like)
        if form is None:
            entry = FdinfoEntry(id=0, flags=self.flags, type=self.type, fd=0)
            pieces = Frame(entry, ("id", "fd")).pieces
            form = b"%b".join(piece.replace(b"%", b"%%") for piece in pieces)
            _descriptors[like] = form
        return form % (encode_varint(self.id), encode_varint(self.fd))


_descriptors: dict[tuple[int, int], bytes] = {}
