"""Images as JSON, in the spelling of crit, so that either tool encodes what the other decoded.

A file is {"magic": NAME, "entries": [...]}, an entry an object of its fields. Enums are names;
bytes are base64 in lines, as MIME has them; raw bytes after an entry are its "extra". Pretty, some
numbers become text too: hex, names of flags joined by " | ", device numbers, addresses: the `show`
options of proto/*.proto tell which. Encoding takes any spelling for any field.

Ours alone: "_unknown", the raw fields that the schema does not know, and "_extra", the raw bytes
after an entry where "extra" does not tell all (padding that is not zero).
"""

from __future__ import annotations

import binascii

from crtools.errors import ImageError
from crtools.images.framing import (
    encode_ipc_messages,
    padded,
    parse_ipc_messages,
)
from crtools.images.registry import find_by_magic_name
from crtools.images.wire import resolve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from crtools.images.registry import ImageKind
    from crtools.images.wire import Field, Message

    Json = Any

# Flags by show option: the bits that have names; what is left is printed in hex. Names are crit's;
# values are Linux's on x86-64, which open flags of an image always are.
FLAGS: dict[str, tuple[tuple[str, int], ...]] = {
    "mmap.prot": (("PROT_READ", 0x1), ("PROT_WRITE", 0x2), ("PROT_EXEC", 0x4)),
    "mmap.flags": (
        ("MAP_SHARED", 0x1),
        ("MAP_PRIVATE", 0x2),
        ("MAP_ANON", 0x20),
        ("MAP_GROWSDOWN", 0x100),
    ),
    "vma.status": (
        ("VMA_AREA_REGULAR", 1 << 0),
        ("VMA_AREA_STACK", 1 << 1),
        ("VMA_AREA_VSYSCALL", 1 << 2),
        ("VMA_AREA_VDSO", 1 << 3),
        ("VMA_AREA_HEAP", 1 << 5),
        ("VMA_FILE_PRIVATE", 1 << 6),
        ("VMA_FILE_SHARED", 1 << 7),
        ("VMA_ANON_SHARED", 1 << 8),
        ("VMA_ANON_PRIVATE", 1 << 9),
        ("VMA_AREA_SYSVIPC", 1 << 10),
        ("VMA_AREA_SOCKET", 1 << 11),
        ("VMA_AREA_VVAR", 1 << 12),
        ("VMA_AREA_AIORING", 1 << 13),
        ("VMA_AREA_MEMFD", 1 << 14),
    ),
    "open.flags": (
        ("O_WRONLY", 0o1),
        ("O_RDWR", 0o2),
        ("O_CREAT", 0o100),
        ("O_EXCL", 0o200),
        ("O_NOCTTY", 0o400),
        ("O_TRUNC", 0o1000),
        ("O_APPEND", 0o2000),
        ("O_NONBLOCK", 0o4000),
        ("O_DSYNC", 0o10000),
        ("FASYNC", 0o20000),
        ("O_DIRECT", 0o40000),
        ("O_LARGEFILE", 0o100000),
        ("O_DIRECTORY", 0o200000),
        ("O_NOFOLLOW", 0o400000),
        ("O_NOATIME", 0o1000000),
        ("O_CLOEXEC", 0o2000000),
    ),
    "memfd.seals": (
        ("F_SEAL_SEAL", 0x1),
        ("F_SEAL_SHRINK", 0x2),
        ("F_SEAL_GROW", 0x4),
        ("F_SEAL_WRITE", 0x8),
        ("F_SEAL_FUTURE_WRITE", 0x10),
    ),
    "pagemap.flags": (("PE_PARENT", 0x1), ("PE_LAZY", 0x2), ("PE_PRESENT", 0x4)),
}
# Values by show option: those that have names; others are printed as numbers.
VALUES: dict[str, dict[int, str]] = {
    # crit's names, wrong for 3, which is a stopped task; the spelling is what both tools share.
    "task.state": {1: "Alive", 3: "Zombie", 6: "Stopped"},
    "socket.family": {1: "UNIX", 2: "INET", 10: "INET6", 16: "NETLINK", 17: "PACKET"},
    "socket.type": {1: "STREAM", 2: "DGRAM", 3: "RAW", 5: "SEQPACKET", 10: "PACKET"},
    "socket.proto": {0: "IP", 6: "TCP", 17: "UDP", 136: "UDPLITE"},
    "socket.state": {
        1: "ESTABLISHED",
        2: "SYN_SENT",
        3: "SYN_RECV",
        4: "FIN_WAIT1",
        5: "FIN_WAIT2",
        6: "TIME_WAIT",
        7: "CLOSE",
        8: "CLOSE_WAIT",
        9: "LAST_ACK",
        10: "LISTEN",
    },
}
_LINE = 57  # bytes in a line of base64


def image_to_json(
    kind: ImageKind, entries: list[tuple[Message, bytes]], *, pretty: bool
) -> dict[str, Json]:
    """A file's entries as crit prints them."""
    return {
        "magic": kind.magic_name,
        "entries": [
            _entry_to_json(kind, index, message, extra, pretty)
            for index, (message, extra) in enumerate(entries)
        ],
    }


def image_from_json(data: Json) -> tuple[ImageKind, list[tuple[Message, bytes]]]:
    """The inverse of `image_to_json`, of either form. Raises ImageError, naming the field."""
    if not isinstance(data, dict) or not isinstance(data.get("magic"), str):
        raise ImageError("This JSON is no image", because='it is no object with a "magic"')
    kind = find_by_magic_name(data["magic"])
    if kind is None:
        raise ImageError("This JSON is no image", because=f'its "magic" {data["magic"]} is unknown')
    listed = data.get("entries")
    if not isinstance(listed, list):
        raise ImageError("This JSON is no image", because='"entries" is no list')
    entries = []
    for index, entry in enumerate(listed):
        where = f"entries[{index}]"
        if not isinstance(entry, dict):
            raise _bad(where, "it is no object")
        own = {key: value for key, value in entry.items() if key not in ("extra", "_extra")}
        message = message_from_json(kind.message_class(index), own, where)
        extra = _extra_from_json(kind, entry, where)
        # Sizes that the message tells are checked when it is framed: framing.encode_file.
        entries.append((message, extra))
    return kind, entries


def message_to_json(message: Message, *, pretty: bool) -> dict[str, Json]:
    """A message's fields that are present, by name and in the order of their numbers."""
    result: dict[str, Json] = {}
    for field in message.FIELDS:
        _, name, label, *_ = field
        value = getattr(message, name)
        if value is None or (label == "repeated" and not len(value)):
            continue
        if label != "repeated":
            result[name] = _value_to_json(field, value, pretty)
        elif pretty and field[6] == "ip":
            result[name] = _addresses_to_json(value)
        else:
            result[name] = [_value_to_json(field, one, pretty) for one in value]
    if message.unknown:
        result["_unknown"] = encode_base64(message.unknown)
    return result


def message_from_json(cls: type[Message], data: Json, where: str) -> Message:
    """A message of class `cls`; `where` is for errors. Raises ImageError."""
    if not isinstance(data, dict):
        raise _bad(where, "it is no object")
    fields = {field[1]: field for field in cls.FIELDS}
    values: dict[str, Any] = {}
    for name, value in data.items():
        path = f"{where}.{name}"
        if name == "_unknown":
            values["unknown"] = decode_base64(value, path)
            continue
        field = fields.get(name)
        if field is None:
            raise _bad(path, f"{cls.NAME} has no such field")
        if field[2] != "repeated":
            values[name] = _value_from_json(field, value, path)
            continue
        if not isinstance(value, list):
            raise _bad(path, "it is no list")
        if field[6] == "ip":
            values[name] = _addresses_from_json(value, path)
        else:
            values[name] = [
                _value_from_json(field, one, f"{path}[{index}]") for index, one in enumerate(value)
            ]
    for _, name, label, _, _, default, _ in cls.FIELDS:
        if label == "required" and default is None and name not in values:
            raise _bad(where, f"the required field {name} of {cls.NAME} is missing")
    return cls(**values)


def encode_base64(data: bytes) -> str:
    """Base64 in lines of 76 characters, each ended by a newline; nothing for nothing."""
    return "".join(
        binascii.b2a_base64(data[at : at + _LINE]).decode() for at in range(0, len(data), _LINE)
    )


def decode_base64(text: Json, where: str) -> bytes:
    """The inverse; line ends and spaces do not matter. Raises ImageError."""
    if not isinstance(text, str):
        raise _bad(where, "it is no base64 text")
    try:
        return binascii.a2b_base64("".join(text.split()), strict_mode=True)
    except ValueError as error:
        raise _bad(where, f"it is no base64: {error}") from None


def _bad(where: str, because: str) -> ImageError:
    return ImageError(f"The JSON is wrong at {where}", because=because)


def _value_to_json(field: Field, value: Any, pretty: bool) -> Json:
    _, _, _, kind, target, _, show = field
    if kind == "message":
        return message_to_json(value, pretty=pretty)
    if kind == "bytes":
        return _encode_quoted(value) if show == "quoted" else encode_base64(value)
    if kind == "enum" and target is not None:
        return resolve(target).NAMES.get(value, value)
    if not pretty or show is None:
        return value
    if show == "hex":
        return hex(value)
    if show == "dev":
        return f"{value >> 20}:{value & 0xFFFFF}"
    if show == "rdev":
        return f"{value >> 8 & 0xFFF}:{value & 0xFF | value >> 12 & 0xFFF00}"
    if show in VALUES:
        return VALUES[show].get(value, value)
    names = [name for name, bits in FLAGS[show] if value & bits]
    for _, bits in FLAGS[show]:
        value &= ~bits
    return " | ".join([*names, hex(value)] if value else names)


def _value_from_json(field: Field, value: Json, where: str) -> Any:
    _, _, _, kind, target, _, show = field
    if kind == "message" and target is not None:
        return message_from_json(resolve(target), value, where)
    if kind == "string":
        if not isinstance(value, str):
            raise _bad(where, "it is no text")
        return value
    if kind == "bytes":
        return _decode_quoted(value, where) if show == "quoted" else decode_base64(value, where)
    if kind == "bool":
        if value not in (True, False):
            raise _bad(where, "it is neither true nor false")
        return bool(value)
    if kind == "enum" and target is not None:
        names = resolve(target).NAMES
        return _named_number(value, {name: number for number, name in names.items()}, where)
    if show in VALUES:
        return _named_number(value, {name: one for one, name in VALUES[show].items()}, where)
    if show in FLAGS and isinstance(value, str):
        known = dict(FLAGS[show])
        flags = 0
        for word in value.split("|") if value.strip() else []:
            flags |= _named_number(word.strip(), known, where)
        return flags
    if show in ("dev", "rdev") and isinstance(value, str) and ":" in value:
        text, _, rest = value.partition(":")
        major, minor = _number(text, where), _number(rest, where)
        if show == "dev":
            return major << 20 | minor
        return major << 8 | minor & 0xFF | (minor & ~0xFF) << 12
    return _number(value, where)


def _number(value: Json, where: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str):
        try:
            return int(value, 0)
        except ValueError:
            pass
    raise _bad(where, f"{value!r} is no number")


def _named_number(value: Json, names: dict[str, int], where: str) -> int:
    if isinstance(value, str) and value in names:
        return names[value]
    try:
        return _number(value, where)
    except ImageError:
        raise _bad(where, f"{value!r} is neither a number nor one of {', '.join(names)}") from None


def _encode_quoted(data: bytes) -> str:
    text = binascii.b2a_qp(data)
    if binascii.a2b_qp(text) != data:  # line ends of other systems: quote them as well
        text = binascii.b2a_qp(data, istext=False)
    return text.decode()


def _decode_quoted(text: Json, where: str) -> bytes:
    if not isinstance(text, str) or not text.isascii():
        raise _bad(where, "it is no quoted-printable text")
    return binascii.a2b_qp(text)


def _addresses_to_json(words: Any) -> list[Json]:
    """One word is an IPv4 address, four are one of IPv6; words are as they lie in memory."""
    import socket

    raw = b"".join([word.to_bytes(4, "little") for word in words])
    if len(raw) == 4:
        return [socket.inet_ntop(socket.AF_INET, raw)]
    if len(raw) == 16:
        return [socket.inet_ntop(socket.AF_INET6, raw)]
    return list(words)


def _addresses_from_json(values: list[Json], where: str) -> list[int]:
    import socket

    words = []
    for value in values:
        if isinstance(value, str) and ("." in value or ":" in value):
            family = socket.AF_INET6 if ":" in value else socket.AF_INET
            try:
                raw = socket.inet_pton(family, value)
            except (OSError, ValueError):
                raise _bad(where, f"{value!r} is no address") from None
            words += [int.from_bytes(raw[at : at + 4], "little") for at in range(0, len(raw), 4)]
        else:
            words.append(_number(value, where))
    return words


def _entry_to_json(
    kind: ImageKind, index: int, message: Message, extra: bytes, pretty: bool
) -> dict[str, Json]:
    result = message_to_json(message, pretty=pretty)
    if not kind.extra:
        return result
    shown = _extra_to_json(kind.extra, index, message, extra)
    if shown is not None:
        result["extra"] = shown
    if _extra_from_json(kind, result, "") != extra:
        result["_extra"] = encode_base64(extra)
    return result


def _extra_to_json(rule: str, index: int, entry: Message, extra: bytes) -> Json | None:
    message: Any = entry
    if rule == "tcp-queues":
        inq, outq = extra[: message.inq_len], extra[message.inq_len :]
        return {"inq": encode_base64(inq), "outq": encode_base64(outq)}
    if rule == "ghost" and index == 0 and message.chunks:
        return None
    if rule == "ipc-shm":
        return None if message.in_pagemaps else encode_base64(extra[: message.size])
    if rule == "ipc-sem":
        values = memoryview(extra)[: 2 * message.nsems].cast("H")
        return values.tolist()
    if rule == "ipc-msg":
        shown: list[Json] = []
        for part, data in parse_ipc_messages(extra, message.qnum, message.NAME):
            shown += (message_to_json(part, pretty=False), encode_base64(data[: part.msize]))
        return shown
    return encode_base64(extra)


def _extra_from_json(kind: ImageKind, data: dict[str, Json], where: str) -> bytes:
    rule = kind.extra
    where = f"{where}.extra"
    if "_extra" in data:
        return decode_base64(data["_extra"], where)
    if "extra" not in data:
        return b""
    extra = data["extra"]
    if not rule:
        raise _bad(where, f"no raw bytes follow an entry of {kind.magic_name}")
    if rule == "tcp-queues":
        if not isinstance(extra, dict) or set(extra) != {"inq", "outq"}:
            raise _bad(where, 'it is no object of "inq" and "outq"')
        return b"".join([decode_base64(extra[name], where) for name in ("inq", "outq")])
    if rule == "ipc-sem":
        if not isinstance(extra, list):
            raise _bad(where, "it is no list")
        values = [_number(one, where) for one in extra]
        if not all(0 <= one <= 0xFFFF for one in values):
            raise _bad(where, "a semaphore has 16 bits")
        raw = b"".join([one.to_bytes(2, "little") for one in values])
        return raw.ljust(padded(len(raw), 8), b"\0")
    if rule == "ipc-msg":
        if not isinstance(extra, list) or len(extra) % 2:
            raise _bad(where, "it is no list of messages, each with its data")
        parts = []
        for part, text in zip(extra[::2], extra[1::2], strict=True):
            content = decode_base64(text, where)
            one = message_from_json(resolve("ipc_msg:IpcMsg"), part, where)
            parts.append((one, content.ljust(padded(len(content), 8), b"\0")))
        return encode_ipc_messages(parts)
    raw = decode_base64(extra, where)
    return raw.ljust(padded(len(raw), 4), b"\0") if rule == "ipc-shm" else raw
