"""The protobuf wire format, as far as image messages use it: what generated code is built from.

`tools/generate_messages.py` turns `proto/*.proto` into straight-line classes in `messages/`; this
module holds what they share. The protobuf runtime would cost 12 ms at start-up, which is half of
what a whole dump may take.

Encoding is by table: a `VarintField` maps a value to its finished bytes (tag and varint), and
remembers the values it has met, because images repeat themselves (flags, ids, zero registers).
Decoding has a fast way, generated, which expects fields in ascending order as every writer puts
them, and a complete one, `read_rest`, which takes over where the fast way meets anything else.
Nothing in a message is trusted: whatever is wrong becomes an ImageError with the message, the field
and the byte offset.

Source: protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

from crtools.errors import ImageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar, Self

    # number, name, label, type, target, default, show
    Field = tuple[int, str, str, str, str | None, int | None, str | None]

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types; 3 and 4, groups, are in no image

U64_MAX = 0xFFFFFFFFFFFFFFFF
RANGES = {
    "uint32": (0, 0xFFFFFFFF),
    "uint64": (0, U64_MAX),
    "int32": (-0x80000000, 0x7FFFFFFF),
    "int64": (-0x8000000000000000, 0x7FFFFFFFFFFFFFFF),
    "sint32": (-0x80000000, 0x7FFFFFFF),
    "sint64": (-0x8000000000000000, 0x7FFFFFFFFFFFFFFF),
    "bool": (0, 1),
    "enum": (-0x80000000, 0x7FFFFFFF),
    "fixed64": (0, U64_MAX),
}
_REMEMBERED = 1024  # values a table keeps: some 200 KiB at most
_ASCII = bytes(range(128))
_WINDOW = 512


def encode_varint(value: int) -> bytes:
    """`value`, 0 to 2**64 - 1, as a base-128 varint of 1 to 10 bytes."""
    if value < 0x80:
        return bytes((value,))
    if value < 0x4000:
        return bytes((value & 127 | 128, value >> 7))
    if value < 0x200000:
        return bytes((value & 127 | 128, value >> 7 & 127 | 128, value >> 14))
    if value < 0x10000000:
        return _spread(value).to_bytes(4, "little")
    if value < 0x800000000:
        return (_spread(value & 0xFFFFFFF) | 1 << 31 | value >> 28 << 32).to_bytes(5, "little")
    return bytes(
        (
            value & 127 | 128,
            value >> 7 & 127 | 128,
            value >> 14 & 127 | 128,
            value >> 21 & 127 | 128,
            value >> 28 & 127 | 128,
        )
    ) + encode_varint(value >> 35)


def _spread(value: int) -> int:
    """28 bits as the bytes of a varint, of which the last is not marked as one that goes on."""
    return (
        value & 0x7F
        | value << 1 & 0x7F00
        | value << 2 & 0x7F0000
        | value << 3 & 0x7F000000
        | 0x808080
    )


class VarintField(dict[int, bytes]):
    """value -> the bytes of one field: tag, then varint. Raises ValueError for one out of range."""

    __slots__ = ("high", "low", "plain", "tag", "zigzag")

    def __init__(self, number: int, kind: str) -> None:
        self.tag = encode_varint(number << 3 | VARINT)
        self.low, self.high = RANGES[kind]
        self.zigzag = kind in ("sint32", "sint64")
        self.plain = not self.zigzag and self.high > 1

    def __missing__(self, value: int) -> bytes:
        # What differs from message to message: ids, inodes.
        if self.plain and 0x80 <= value < 0x200000:
            if value < 0x4000:
                field = self.tag + bytes((value & 127 | 128, value >> 7))
            else:
                field = self.tag + bytes((value & 127 | 128, value >> 7 & 127 | 128, value >> 14))
            if len(self) < _REMEMBERED:
                self[value] = field
            return field
        if not self.low <= value <= self.high:
            raise ValueError(value)
        if self.zigzag:
            field = self.tag + encode_varint(value << 1 if value >= 0 else ~value << 1 | 1)
        else:
            field = self.tag + encode_varint(value & U64_MAX)
        if len(self) < _REMEMBERED:
            self[value] = field
        return field


class Fixed64Field:
    """value -> tag and 8 bytes, little-endian."""

    __slots__ = ("tag",)

    def __init__(self, number: int) -> None:
        self.tag = encode_varint(number << 3 | FIXED64)

    def __getitem__(self, value: int) -> bytes:
        return self.tag + value.to_bytes(8, "little")


class LengthField(VarintField):
    """length -> what precedes a string, a byte string or a message of that length."""

    __slots__ = ()

    def __init__(self, number: int) -> None:
        super().__init__(number, "uint32")
        self.tag = encode_varint(number << 3 | BYTES)


_tables: dict[tuple[int, str], Any] = {}


def field(number: int, kind: str) -> Any:
    """The table that encodes field `number` of type `kind`, shared by all messages."""
    key = (number, kind)
    table = _tables.get(key)
    if table is None:
        if kind == "length":
            table = LengthField(number)
        elif kind == "fixed64":
            table = Fixed64Field(number)
        else:
            table = VarintField(number, kind)
        _tables[key] = table
    return table


def read_varint64(buf: bytes, at: int, first: int) -> tuple[int, int]:
    """The rest of a varint whose first byte, already read, is `first` (>= 128): (value, next at).

    Raises ValueError if it is longer than 10 bytes or exceeds 64 bits, IndexError at the end.
    """
    byte = buf[at]
    if byte < 128:
        return first - 0x80 + (byte << 7), at + 1
    first += byte << 7
    byte = buf[at + 1]
    if byte < 128:
        return first - 0x4080 + (byte << 14), at + 2
    first += byte << 14
    byte = buf[at + 2]
    if byte < 128:
        return first - 0x204080 + (byte << 21), at + 3
    first += byte << 21
    byte = buf[at + 3]
    if byte < 128:
        return first - 0x10204080 + (byte << 28), at + 4
    first += (byte << 28) - 0x810204080
    shift = 35
    at += 4
    while True:
        byte = buf[at]
        at += 1
        if byte < 128:
            break
        first += byte - 128 << shift
        shift += 7
        if shift > 63:
            raise ValueError("a varint of more than 10 bytes")
    first += byte << shift
    if first > U64_MAX:
        raise ValueError("a varint of more than 64 bits")
    return first, at


def read_varint32(buf: bytes, at: int, first: int) -> tuple[int, int]:
    """As read_varint64, of a value that must fit in 32 bits unsigned."""
    # Up to 21 bits here: images have thousands of ids, and a call costs as much as all of this.
    byte = buf[at]
    if byte < 128:
        return first - 0x80 + (byte << 7), at + 1
    more = buf[at + 1]
    if more < 128:
        return first - 0x4080 + (byte << 7) + (more << 14), at + 2
    value, at = read_varint64(buf, at, first)
    if value > 0xFFFFFFFF:
        raise ValueError("a value of more than 32 bits")
    return value, at


def read_int32(buf: bytes, at: int, first: int) -> tuple[int, int]:
    """As read_varint64, of a signed value; negative ones are written sign-extended to 64 bits.

    A bare 32-bit pattern is taken as negative too: protobuf readers do.
    """
    value, at = read_varint64(buf, at, first)
    if value > 0x7FFFFFFF:
        value -= 0x100000000 if value <= 0xFFFFFFFF else 0x10000000000000000
        if value < -0x80000000 or value > 0x7FFFFFFF:
            raise ValueError("a value of more than 32 bits")
    return value, at


def read_int64(buf: bytes, at: int, first: int) -> tuple[int, int]:
    """As read_varint64, of a signed value in two's complement."""
    value, at = read_varint64(buf, at, first)
    return value - (value >> 63 << 64), at


def read_sint32(buf: bytes, at: int, first: int) -> tuple[int, int]:
    """As read_varint32, of a zigzag-encoded value."""
    value, at = read_varint32(buf, at, first)
    return value >> 1 ^ -(value & 1), at


def read_sint64(buf: bytes, at: int, first: int) -> tuple[int, int]:
    """As read_varint64, of a zigzag-encoded value."""
    value, at = read_varint64(buf, at, first)
    return value >> 1 ^ -(value & 1), at


def read_bool(buf: bytes, at: int, first: int) -> tuple[bool, int]:
    """As read_varint64, of 0 or 1; `first` may be a whole byte that is neither."""
    if first < 128:
        raise ValueError("a bool that is neither 0 nor 1")
    value, at = read_varint64(buf, at, first)
    if value > 1:
        raise ValueError("a bool that is neither 0 nor 1")
    return value == 1, at


_LONG_READERS: dict[str, Any] = {
    "uint32": read_varint32,
    "uint64": read_varint64,
    "int32": read_int32,
    "int64": read_int64,
    "sint32": read_sint32,
    "sint64": read_sint64,
    "bool": read_bool,
    "enum": read_int32,
}


def read_scalar(buf: bytes, at: int, stop: int, kind: str) -> tuple[int, int]:
    """The scalar of type `kind` at `at`: (value, next at). Raises ValueError, IndexError."""
    if kind == "fixed64":
        if at + 8 > stop:
            raise IndexError
        return int.from_bytes(buf[at : at + 8], "little"), at + 8
    value = buf[at]
    if value > 127:
        value, at = _LONG_READERS[kind](buf, at + 1, value)
    else:
        at += 1
        if kind == "sint32" or kind == "sint64":
            value = value >> 1 ^ -(value & 1)
        elif kind == "bool":
            if value > 1:
                raise ValueError("a bool that is neither 0 nor 1")
            return value == 1, at
    if at > stop:
        raise IndexError
    return value, at


def read_run(buf: bytes, at: int, stop: int, tag: bytes, kind: str) -> tuple[list[int], int]:
    """The values of a repeated field written one by one, from the tag at `at` to the first other.

    Runs of small values under a one-byte tag (register files that are mostly zero) are taken by
    slicing: every second byte is the tag, the ones between are values below 128.
    """
    values: list[int] = []
    width = len(tag)
    fast = width == 1 and (kind == "uint32" or kind == "uint64")
    while at < stop and buf.startswith(tag, at):
        if fast and buf[at + 1] < 128:
            edge = min(stop, at + _WINDOW)
            tags = buf[at:edge:2]
            count = len(tags) - len(tags.lstrip(tag))
            small = buf[at + 1 : min(edge, at + 2 * count) : 2]
            count = len(small)
            if not count:
                raise IndexError
            if not small.isascii():
                count -= len(small.lstrip(_ASCII))
            values += small[:count]
            at += 2 * count
        else:
            value, at = read_scalar(buf, at + width, stop, kind)
            values.append(value)
    return values, at


# By class and encoding, while a Sharing is in force.
_met: dict[tuple[type[Message], bytes], Message] | None = None
_MET = 256  # that many are remembered, of some 2 KiB each at most


class Sharing:
    """While it is in force, messages that are equal in many places, as what threads have in common,
    are read once: what `recall` gives may be in several places, and is not to be changed."""

    def __enter__(self) -> None:
        global _met
        _met = {}

    def __exit__(self, *_: object) -> None:
        global _met
        _met = None


def recall(cls: type[Any], buf: bytes, at: int, stop: int) -> Any:
    """cls.read_at, of a message that Sharing is for."""
    if _met is None:
        return cls.read_at(buf, at, stop)
    key = cls, buf[at:stop]
    known = _met.get(key)
    if known is None:
        known = cls.read_at(buf, at, stop)
        if len(_met) >= _MET:
            _met.clear()
        _met[key] = known
    return known


class Message:
    """What generated messages share. Fields are plain attributes: None where absent, sequences
    where repeated; `unknown` holds the raw bytes of fields that the schema does not know."""

    __slots__ = ("unknown",)

    NAME: ClassVar[str] = ""
    FIELDS: ClassVar[tuple[Field, ...]] = ()

    if TYPE_CHECKING:
        unknown: bytes

        def encode(self) -> bytes:
            """The message in wire format. Raises ImageError for a missing or impossible value."""

        @classmethod
        def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
            """The message in buf[at:stop]. Raises ImageError with offsets relative to `buf`."""

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The message in `data`. Raises ImageError if it is damaged or incomplete."""
        try:
            return cls.read_at(data, 0, len(data))
        except RecursionError:
            raise too_deep(cls) from None

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        for _, name, label, *_ in self.FIELDS:
            mine, theirs = getattr(self, name), getattr(other, name)
            if label == "repeated":
                mine, theirs = list(mine), list(theirs)
            if mine != theirs:
                return False
        return self.unknown == other.unknown

    __hash__ = None  # type: ignore[assignment]  # a message is mutable

    def __repr__(self) -> str:
        parts = []
        for _, name, label, *_ in self.FIELDS:
            value = getattr(self, name, None)
            if value is not None and (label != "repeated" or len(value)):
                parts.append(f"{name}={value!r}")
        if self.unknown:
            parts.append(f"unknown={self.unknown!r}")
        return f"{type(self).__name__}({', '.join(parts)})"


class Settled:
    """A message that nobody changes any more, encoded once: for one that thousands contain."""

    __slots__ = ("_data", "_message")

    def __init__(self, message: Message) -> None:
        self._message = message
        self._data = message.encode()

    def encode(self) -> bytes:
        return self._data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._message, name)


def settle(message: Any) -> Any:
    """The message, to be read and encoded only. Raises ImageError for an impossible value."""
    return Settled(message)


def resolve(target: str) -> type[Any]:
    """The class that "module:Class" names, `module` being one of crtools.images.messages."""
    module, _, name = target.partition(":")
    found: type[Any] = getattr(
        __import__(f"crtools.images.messages.{module}", fromlist=(name,)), name
    )
    return found


def too_deep(cls: type[Message]) -> ImageError:
    """The error for messages nested deeper than the interpreter's stack."""
    return ImageError(f"{cls.NAME} is damaged", because="its messages are nested too deep")


def _damaged(cls: type[Message], name: str, because: str, at: int) -> ImageError:
    where = f"{cls.NAME}.{name}" if name else cls.NAME
    return ImageError(
        f"{where} is damaged", because=f"{because}, at byte {at}", subject=("offset", at)
    )


def _read_key(cls: type[Message], buf: bytes, at: int, stop: int) -> tuple[int, int, int]:
    try:
        key, after = read_scalar(buf, at, stop, "uint32")
    except (IndexError, ValueError):
        raise _damaged(cls, "", "a field's tag is cut short or no number", at) from None
    if key < 8:
        raise _damaged(cls, "", "a field has the number 0", at)
    return key >> 3, key & 7, after


def _read_extent(
    cls: type[Message], name: str, buf: bytes, at: int, stop: int, wire: int
) -> tuple[int, int]:
    """Where the payload at `at` begins and ends, for a wire type. Raises ImageError."""
    start = at
    try:
        if wire == VARINT:
            _, end = read_scalar(buf, at, stop, "uint64")
        elif wire == FIXED64:
            end = at + 8
        elif wire == FIXED32:
            end = at + 4
        elif wire == BYTES:
            size, start = read_scalar(buf, at, stop, "uint32")
            end = start + size
        else:
            raise _damaged(cls, name, f"wire type {wire} is unknown", at)
    except IndexError:
        raise _damaged(cls, name, "the data ends inside it", at) from None
    except ValueError as error:
        raise _damaged(cls, name, str(error), at) from None
    if end > stop:
        raise _damaged(cls, name, f"it needs {end - stop} bytes more than there are", at)
    return start, end


_WIRE_TYPES = {"string": BYTES, "bytes": BYTES, "message": BYTES, "fixed64": FIXED64}


def read_rest(message: Message, buf: bytes, at: int, stop: int) -> None:
    """Read the fields from `at` on into `message`: any order, unknown ones, packed arrays,
    repetitions of a single field (the last one counts, messages are merged)."""
    cls = type(message)
    fields = {entry[0]: entry for entry in cls.FIELDS}
    unknown = []
    while at < stop:
        begin = at
        number, wire, at = _read_key(cls, buf, at, stop)
        entry = fields.get(number)
        name = entry[1] if entry else f"field {number}"
        start, end = _read_extent(cls, name, buf, at, stop, wire)
        at = end
        if entry is None:
            unknown.append(buf[begin:end])
            continue
        _, _, label, kind, target, _, _ = entry
        expected = _WIRE_TYPES.get(kind, VARINT)
        value: Any
        if wire != expected:
            if not (label == "repeated" and wire == BYTES):
                raise _damaged(cls, name, f"its wire type is {wire}, not {expected}", begin)
            _append(message, name, _read_packed(cls, name, buf, start, end, kind))
            continue
        if kind == "string":
            value = buf[start:end].decode("utf-8", "surrogateescape")
        elif kind == "bytes":
            value = buf[start:end]
        elif kind == "message":
            assert target is not None
            earlier = getattr(message, name) if label != "repeated" else None
            if earlier is not None:
                read_rest(earlier, buf, start, end)
                continue
            value = resolve(target).read_at(buf, start, end)
        else:
            try:
                value, _ = read_scalar(buf, start, end, kind)
            except (IndexError, ValueError) as error:
                raise _damaged(cls, name, str(error), begin) from None
        if label == "repeated":
            _append(message, name, [value])
        else:
            setattr(message, name, value)
    message.unknown += b"".join(unknown)


def _append(message: Message, name: str, values: list[Any]) -> None:
    earlier = getattr(message, name)
    if isinstance(earlier, list):
        earlier += values
    else:
        setattr(message, name, [*earlier, *values])


def _read_packed(
    cls: type[Message], name: str, buf: bytes, at: int, stop: int, kind: str
) -> list[int]:
    values = []
    while at < stop:
        try:
            value, at = read_scalar(buf, at, stop, kind)
        except IndexError:
            raise _damaged(cls, name, "the data ends inside it", at) from None
        except ValueError as error:
            raise _damaged(cls, name, str(error), at) from None
        values.append(value)
    return values


def find_damage(cls: type[Message], buf: bytes, at: int, stop: int) -> ImageError:
    """The error that tells why buf[at:stop] can't be read, found by a scan of its fields alone."""
    begin = at
    fields = {entry[0]: entry for entry in cls.FIELDS}
    while at < stop:
        first = at
        try:
            number, wire, at = _read_key(cls, buf, at, stop)
            entry = fields.get(number)
            name = entry[1] if entry else f"field {number}"
            start, end = _read_extent(cls, name, buf, at, stop, wire)
            kind = entry[3] if entry else "bytes"
            if wire == VARINT and entry and kind in _LONG_READERS:
                read_scalar(buf, start, end, kind)
        except ImageError as error:
            return error
        except (IndexError, ValueError) as error:
            return _damaged(cls, name, str(error), first)
        at = end
    return _damaged(cls, "", "its fields do not add up", begin)


def finish(message: Message, buf: bytes, begin: int, at: int, stop: int) -> None:
    """Read what the fast way, which began at `begin` and got to `at`, left. Raises ImageError."""
    if at > stop:
        raise find_damage(type(message), buf, begin, stop)
    read_rest(message, buf, at, stop)


def require(message: Message, at: int) -> None:
    """Raise ImageError if a required field of `message`, read at `at`, is missing."""
    for _, name, label, *_ in message.FIELDS:
        if label == "required" and getattr(message, name) is None:
            raise _damaged(type(message), name, "a required field is missing from the message", at)


def bad_value(message: Message, error: Exception) -> ImageError:
    """The error for a message that can't be encoded; names the field whose value is impossible."""
    for _, name, label, kind, target, _, _ in message.FIELDS:
        value = getattr(message, name, None)
        if value is None and label == "optional":
            continue
        if value is None:
            return ImageError(
                f"{message.NAME} can't be written", because=f"its field {name} has no value"
            )
        for one in value if label == "repeated" else (value,):
            if not _is_valid(one, kind, target):
                return ImageError(
                    f"{message.NAME} can't be written",
                    because=f"{one!r} is no {target or kind} for its field {name}",
                )
    return ImageError(f"{message.NAME} can't be written", because=repr(error))


def _is_valid(value: object, kind: str, target: str | None) -> bool:
    if kind == "string":
        return isinstance(value, str)
    if kind == "bytes":
        return isinstance(value, (bytes, bytearray))
    if kind == "message":
        assert target is not None
        return isinstance(value, resolve(target))
    low, high = RANGES[kind]
    return isinstance(value, int) and low <= value <= high
