"""Options of sockets: all of a table are read at once, and those that differ are set.

A table has the options of a level that can be read and set again, each with the kernel's default.
What differs from that is dumped: in the field that CRIU's messages have for it, else in
crtools-socket.img, which has level, number and value of an option. On the way back the options of a
fresh socket are read as well, once for each family, type and protocol, since sysctls give others
than the kernel's defaults; those are set that differ from what is wanted.

Levels of families stand with their kinds. socket(7), net/core/sock.c: sk_getsockopt, sk_setsockopt.
"""

from __future__ import annotations

import errno
import os
import struct

from crtools.abi import kernel
from crtools.abi.socket import (
    SO_ATTACH_FILTER,
    SO_BINDTODEVICE,
    SO_BROADCAST,
    SO_BUF_LOCK,
    SO_BUSY_POLL,
    SO_DEBUG,
    SO_DONTROUTE,
    SO_GET_FILTER,
    SO_INCOMING_CPU,
    SO_INQ,
    SO_KEEPALIVE,
    SO_LINGER,
    SO_LOCK_FILTER,
    SO_MARK,
    SO_MAX_PACING_RATE,
    SO_NO_CHECK,
    SO_NOFCS,
    SO_OOBINLINE,
    SO_PASSCRED,
    SO_PASSPIDFD,
    SO_PASSRIGHTS,
    SO_PASSSEC,
    SO_PEEK_OFF,
    SO_PREFER_BUSY_POLL,
    SO_PRIORITY,
    SO_RCVBUF,
    SO_RCVBUFFORCE,
    SO_RCVLOWAT,
    SO_RCVMARK,
    SO_RCVPRIORITY,
    SO_RCVTIMEO,
    SO_RESERVE_MEM,
    SO_REUSEADDR,
    SO_REUSEPORT,
    SO_RXQ_OVFL,
    SO_SELECT_ERR_QUEUE,
    SO_SNDBUF,
    SO_SNDBUFFORCE,
    SO_SNDTIMEO,
    SO_TIMESTAMP_NEW,
    SO_TIMESTAMP_OLD,
    SO_TIMESTAMPING_NEW,
    SO_TIMESTAMPING_OLD,
    SO_TIMESTAMPNS_NEW,
    SO_TIMESTAMPNS_OLD,
    SO_TXREHASH,
    SO_TXTIME,
    SO_WIFI_STATUS,
    SO_ZEROCOPY,
    SOCK_CLOEXEC,
    SOF_TIMESTAMPING_OPT_ID,
    SOL_SOCKET,
)
from crtools.abi.x86_64 import SYS_getsockopt, SYS_setsockopt, SYS_socket
from crtools.agent.program import OR_ERRNO, Program, errnos, ref_at
from crtools.errors import ImageError, MissingFeature
from crtools.images.messages.sk_opts import SkOptsEntry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TypeAlias

    from crtools.kinds.files.base import DumpContext, OpenFile
    from crtools.kinds.files.questions import Questions

    Option: TypeAlias = tuple[int, int]  # level and number
    Values: TypeAlias = dict[Option, bytes]

_OFF = bytes(4)
_ON = (1).to_bytes(4, "little")
_MINUS_ONE = b"\xff" * 4
_2I64 = struct.Struct("<2q")
_2I32 = struct.Struct("<2i")
_U32 = struct.Struct("<I")
_ROW = struct.Struct("<7q")
_NAME_BYTES = 16  # linux/if.h: IFNAMSIZ
MOST_INSTRUCTIONS = 4096  # linux/bpf_common.h: BPF_MAXINSNS


class Table:
    """Options that are read together: (level, number, default) each, in the order to set them in.

    The default's length is that of the option, and is what `read` gives where a socket does not
    have an option. Those of no fixed length are `variable`: level, number, and how many bytes they
    may have; they are set last, and of no length where they have not been set.
    """

    __slots__ = (
        *("_buffers", "_last", "_lengths", "_rows", "_unread", "_values", "defaults", "options"),
        *("places", "variable"),
    )

    def __init__(
        self,
        options: Iterable[tuple[int, int, bytes]],
        variable: tuple[tuple[int, int, int], ...] = (),
    ) -> None:
        self.variable = {(level, number): room for level, number, room in variable}
        fixed = tuple(options)
        self.options = (*fixed, *((level, number, b"") for level, number, _ in variable))
        self.places: dict[Option, tuple[int, int]] = {}
        at = 0
        for level, number, default in self.options:
            length = self.variable.get((level, number), len(default))
            self.places[level, number] = (at, at + length)
            at += -(-length // 8) * 8
        defaults = bytearray(at)
        lengths = bytearray()
        for level, number, default in self.options:
            start, end = self.places[level, number]
            defaults[start : start + len(default)] = default
            lengths += _U32.pack(end - start)
        self.defaults = bytes(defaults)
        self._last: tuple[bytes, Values] = (self.defaults, {})
        self._unread = bytes(lengths)
        self._values = defaults
        self._lengths = lengths
        values_at, lengths_at = kernel.address_of(self._values), kernel.address_of(lengths)
        self._rows = bytearray()
        for index, (level, number, _) in enumerate(self.options):
            place = values_at + self.places[level, number][0]
            self._rows += _ROW.pack(
                *(SYS_getsockopt, level, number, place, lengths_at + 4 * index, 0, 0)
            )
        self._buffers = (kernel.address_of(self._rows), len(self.options))

    def read(self, fd: int) -> bytes:
        """The values of all options, at their `places`."""
        self._values[:] = self.defaults
        self._lengths[:] = self._unread
        kernel.calls(fd, *self._buffers)
        return bytes(self._values)

    def ask(self, questions: Questions, at: int, options: Iterable[Option]) -> None:
        """Has those of the options read into a record, whose content at the offset `at` is
        `defaults`."""
        for level, number in options:
            start, end = self.places[level, number]
            length = questions.reserve(_U32.pack(end - start))
            questions.ask(SYS_getsockopt, level, number, at + start, length, inside=(2, 3))

    def find_changed(self, values: bytes) -> Values:
        """Those of values that `read` has given which are not the kernel's defaults."""
        defaults = self.defaults
        if values == defaults:
            return {}
        # Thousands of sockets may have the same values.
        if values != self._last[0]:
            changed = {
                option: values[start:end]
                for option, (start, end) in self.places.items()
                if values[start:end] != defaults[start:end]
            }
            self._last = (values, changed)
        return self._last[1].copy()

    def read_changed(self, fd: int) -> Values:
        """The options that have another value than the kernel's default."""
        changed = self.find_changed(self.read(fd))
        if changed.keys().isdisjoint(self.variable):
            return changed
        for index, (level, number, _) in enumerate(self.options):
            if (level, number) in self.variable and (level, number) in changed:
                length = _U32.unpack_from(self._lengths, 4 * index)[0]
                changed[level, number] = changed[level, number][:length]
        return changed

    def build(
        self,
        program: Program,
        number: int,
        wanted: Values,
        fresh: bytes,
        what: Callable[[], str],
        always: tuple[Option, ...] = (),
    ) -> None:
        """Instructions that set, of descriptor `number`, what differs from a fresh socket's values
        (`read`), and the options `always` whatever a fresh one has."""
        if not wanted and not always and fresh == self.defaults:
            return
        for level, name, default in self.options:
            option = (level, name)
            start, end = self.places[option]
            value = wanted.get(option, default)
            if option in self.variable:
                if value:
                    build_option(program, number, option, value, what)
            elif value != fresh[start:end] or option in always:
                build_option(program, number, option, value, what)


def build_option(
    program: Program, number: int, option: Option, value: bytes, what: Callable[[], str]
) -> None:
    program.call(
        SYS_setsockopt,
        number,
        *option,
        program.put(value),
        len(value),
        label=lambda: f"set option {option[1]} of level {option[0]} of {what()}",
    )


# CRIU's fields. Those that are flags, and two numbers, of four bytes.
_FIELDS = {
    (SOL_SOCKET, SO_REUSEADDR): "reuseaddr",
    (SOL_SOCKET, SO_REUSEPORT): "so_reuseport",
    (SOL_SOCKET, SO_DONTROUTE): "so_dontroute",
    (SOL_SOCKET, SO_BROADCAST): "so_broadcast",
    (SOL_SOCKET, SO_KEEPALIVE): "so_keepalive",
    (SOL_SOCKET, SO_OOBINLINE): "so_oobinline",
    (SOL_SOCKET, SO_NO_CHECK): "so_no_check",
    (SOL_SOCKET, SO_PASSCRED): "so_passcred",
    (SOL_SOCKET, SO_PASSSEC): "so_passsec",
    (SOL_SOCKET, SO_PRIORITY): "so_priority",
    (SOL_SOCKET, SO_RCVLOWAT): "so_rcvlowat",
    (SOL_SOCKET, SO_MARK): "so_mark",
}
_SIZES = ((SOL_SOCKET, SO_SNDBUF), (SOL_SOCKET, SO_RCVBUF))
_LINGER = (SOL_SOCKET, SO_LINGER)
_DEVICE = (SOL_SOCKET, SO_BINDTODEVICE)
_SEND_TIMEOUT = (SOL_SOCKET, SO_SNDTIMEO)
_RECEIVE_TIMEOUT = (SOL_SOCKET, SO_RCVTIMEO)
_BUFFER_LOCK = (SOL_SOCKET, SO_BUF_LOCK)
_FILTER_LOCK = (SOL_SOCKET, SO_LOCK_FILTER)
_OLD_FORM = (SOL_SOCKET, SO_TIMESTAMPING_OLD)
_NEW_FORM = (SOL_SOCKET, SO_TIMESTAMPING_NEW)
PRIORITY = (SOL_SOCKET, SO_PRIORITY)
INCOMING_CPU = (SOL_SOCKET, SO_INCOMING_CPU)

# What has no field is in crtools-socket.img. SO_TIMESTAMPING tells of both of its forms (which of
# them, the new one's answer), and its setting decides that of SO_TIMESTAMP*: so it comes first.
# Not there, because nobody can set them: cookies, SO_INCOMING_NAPI_ID, counts of drops. Because
# nobody can read them: SO_BUSY_POLL_BUDGET, SO_CNX_ADVICE.
SOCKET = Table(
    (SOL_SOCKET, number, default)
    for number, default in (
        (SO_DEBUG, _OFF),
        (SO_REUSEADDR, _OFF),
        (SO_REUSEPORT, _OFF),
        (SO_DONTROUTE, _OFF),
        (SO_BROADCAST, _OFF),
        (SO_KEEPALIVE, _OFF),
        (SO_OOBINLINE, _OFF),
        (SO_NO_CHECK, _OFF),
        (SO_PASSCRED, _OFF),
        (SO_PASSSEC, _OFF),
        (SO_PASSPIDFD, _OFF),
        (SO_PASSRIGHTS, _ON),
        (SO_PRIORITY, _OFF),
        (SO_RCVLOWAT, _ON),
        (SO_RCVTIMEO, bytes(16)),
        (SO_SNDTIMEO, bytes(16)),
        (SO_LINGER, bytes(8)),
        (SO_BINDTODEVICE, bytes(_NAME_BYTES)),
        (SO_MARK, _OFF),
        (SO_TIMESTAMPING_OLD, bytes(8)),
        (SO_TIMESTAMPING_NEW, bytes(8)),
        (SO_TIMESTAMP_OLD, _OFF),
        (SO_TIMESTAMPNS_OLD, _OFF),
        (SO_TIMESTAMP_NEW, _OFF),
        (SO_TIMESTAMPNS_NEW, _OFF),
        (SO_RXQ_OVFL, _OFF),
        (SO_WIFI_STATUS, _OFF),
        (SO_PEEK_OFF, _MINUS_ONE),
        (SO_NOFCS, _OFF),
        (SO_SELECT_ERR_QUEUE, _OFF),
        (SO_BUSY_POLL, _OFF),
        (SO_PREFER_BUSY_POLL, _OFF),
        (SO_MAX_PACING_RATE, b"\xff" * 8),
        (SO_INCOMING_CPU, _MINUS_ONE),
        (SO_ZEROCOPY, _OFF),
        (SO_TXTIME, bytes(8)),
        (SO_RESERVE_MEM, _OFF),
        (SO_TXREHASH, _ON),
        (SO_RCVMARK, _OFF),
        (SO_RCVPRIORITY, _OFF),
        (SO_INQ, _OFF),
    )
)
# What is asked and set apart: sizes of buffers, which no two families have the same of, and locks.
OTHERS = Table(
    (SOL_SOCKET, number, _OFF) for number in (SO_SNDBUF, SO_RCVBUF, SO_BUF_LOCK, SO_LOCK_FILTER)
)


def read_options(context: DumpContext, file: OpenFile, fd: int, id: int) -> SkOptsEntry:
    """The options that every socket has.

    What CRIU's message has no field for is put down for crtools-socket.img, under the `id` of the
    file. `fd` is a borrowed descriptor of it. Raises UnsupportedObject.
    """
    message, changed = parse_options(context, file)
    message.so_filter = read_filter(context, file, fd, id)
    if message.so_reuseport:
        context.sockets.programs().add_group(file, fd, lambda: context.sockets.entry(id))
    if changed:
        context.sockets.add_options(id, changed)
    return message


def parse_options(context: DumpContext, file: OpenFile) -> tuple[SkOptsEntry, Values]:
    """The message without the filter, and what that has no field for. Raises UnsupportedObject."""
    answers = context.sockets.answers(file)
    others = answers.others
    message = SkOptsEntry(
        so_sndbuf=_U32.unpack_from(others, 0)[0],
        so_rcvbuf=_U32.unpack_from(others, 8)[0],
        so_snd_tmo_sec=0,
        so_snd_tmo_usec=0,
        so_rcv_tmo_sec=0,
        so_rcv_tmo_usec=0,
    )
    lock, filter_lock = others[16:20], others[24:28]
    if lock != _OFF:
        message.so_buf_lock = _U32.unpack(lock)[0]
    changed = SOCKET.find_changed(answers.options)
    if changed:
        _take_fields(context, file, message, changed)
    if filter_lock != _OFF:
        changed[_FILTER_LOCK] = filter_lock
    return message, changed


def _take_fields(
    context: DumpContext, file: OpenFile, message: SkOptsEntry, changed: Values
) -> None:
    """Moves what the message has fields for from the values there."""
    for option in [option for option in changed if option in _FIELDS]:
        number = _U32.unpack(changed.pop(option))[0]
        field = _FIELDS[option]
        setattr(message, field, number if field in _NUMBERS else bool(number))
    if _SEND_TIMEOUT in changed:
        seconds, useconds = _2I64.unpack(changed.pop(_SEND_TIMEOUT))
        message.so_snd_tmo_sec, message.so_snd_tmo_usec = seconds, useconds
    if _RECEIVE_TIMEOUT in changed:
        seconds, useconds = _2I64.unpack(changed.pop(_RECEIVE_TIMEOUT))
        message.so_rcv_tmo_sec, message.so_rcv_tmo_usec = seconds, useconds
    if _LINGER in changed:
        on, seconds = _2I32.unpack(changed[_LINGER])
        if on:
            message.so_linger = seconds
            del changed[_LINGER]
    if _DEVICE in changed:
        name = changed.pop(_DEVICE).rstrip(b"\0")
        message.so_bound_dev = name.decode("utf-8", "surrogateescape")
    if _OLD_FORM in changed:
        if _NEW_FORM in changed:
            del changed[_OLD_FORM]
        flags = _2I32.unpack(changed.get(_NEW_FORM) or changed[_OLD_FORM])[0]
        if flags & SOF_TIMESTAMPING_OPT_ID:
            raise context.refuse(
                file,
                "it is a socket whose timestamps are numbered (SOF_TIMESTAMPING_OPT_ID)",
                "nobody tells how far the count has come, nor can anybody set it",
                "let the program close it before the dump",
            )


_NUMBERS = ("so_priority", "so_rcvlowat", "so_mark", "so_oobinline")


_length = bytearray(4)
_length_at = kernel.address_of(_length)


def read_filter(context: DumpContext, file: OpenFile, fd: int, id: int) -> list[int]:
    """The instructions of the classic BPF filter of a socket, 8 bytes each (SO_GET_FILTER counts
    in them); [] without one. One of extended BPF is put down for crtools-socket.img."""
    _length[:] = _OFF
    result = kernel.raw(SYS_getsockopt, fd, SOL_SOCKET, SO_GET_FILTER, 0, _length_at)
    if result == 0 and _length == _OFF:
        return []
    if result == -errno.EACCES:
        context.sockets.programs().add_filter(file, fd, context.sockets.entry(id))
        return []
    count = _U32.unpack(_length)[0]
    instructions = bytearray(8 * count)
    if result == 0:
        result = kernel.raw(
            *(SYS_getsockopt, fd, SOL_SOCKET, SO_GET_FILTER),
            *(kernel.address_of(instructions), _length_at),
        )
    if result < 0:
        raise MissingFeature(
            f"Cannot read the filter of {context.describe(file)}",
            because=f"SO_GET_FILTER: {os.strerror(-result)}",
            hint="crtools check",
            subject=file.subject,
        )
    return list(struct.unpack(f"<{count}Q", instructions))


# --- Setting them ---


def collect_wanted(message: SkOptsEntry, others: Values) -> Values:
    """The options of level SOL_SOCKET that are not the kernel's defaults, of a message and of
    crtools-socket.img (`others`, of which those of other levels are left out)."""
    wanted = {option: value for option, value in others.items() if option in SOCKET.places}
    for option, field in _FIELDS.items():
        number = getattr(message, field)
        if number is not None:
            wanted[option] = _U32.pack(number)
    if message.so_snd_tmo_sec or message.so_snd_tmo_usec:
        wanted[_SEND_TIMEOUT] = _2U64.pack(message.so_snd_tmo_sec, message.so_snd_tmo_usec)
    if message.so_rcv_tmo_sec or message.so_rcv_tmo_usec:
        wanted[_RECEIVE_TIMEOUT] = _2U64.pack(message.so_rcv_tmo_sec, message.so_rcv_tmo_usec)
    if message.so_linger is not None:
        wanted[_LINGER] = _2U32.pack(1, message.so_linger)
    if message.so_bound_dev:
        name = message.so_bound_dev.encode("utf-8", "surrogateescape")
        if len(name) >= _NAME_BYTES or b"\0" in name:
            raise ImageError(f"{message.so_bound_dev!r} is no name of a network device")
        wanted[_DEVICE] = name.ljust(_NAME_BYTES, b"\0")
    return wanted


_2U64 = struct.Struct("<2Q")
_2U32 = struct.Struct("<2I")


def check_options(message: SkOptsEntry, others: Values, *tables: Table) -> None:
    """Whether the options in images are such as the tables have. Raises ImageError."""
    for option, value in others.items():
        for table in (SOCKET, OTHERS, *tables):
            if option in table.places:
                start, end = table.places[option]
                room = table.variable.get(option)
                if end - start != len(value) if room is None else not 0 < len(value) <= room:
                    raise ImageError(
                        f"The crtools-socket image has {len(value)} bytes for option {option[1]}"
                        f" of level {option[0]}",
                        because=f"it is of {end - start}" + (" at most" if room else ""),
                    )
                break
        else:
            raise ImageError(
                f"The crtools-socket image has option {option[1]} of level {option[0]}",
                because="that is none which such a socket is given back",
            )
    if max(message.so_sndbuf, message.so_rcvbuf) > 0x7FFFFFFF:
        raise ImageError("A socket in the images has an impossible size of its buffers")
    if len(message.so_filter) > MOST_INSTRUCTIONS:
        raise ImageError("A socket in the images has a filter longer than any can be")
    collect_wanted(message, others)


def build_options(
    program: Program,
    number: int,
    message: SkOptsEntry,
    others: Values,
    fresh: Fresh,
    what: Callable[[], str],
    always: tuple[Option, ...] = (),
) -> None:
    """Instructions that set the options of level SOL_SOCKET of descriptor `number`: all but the
    sizes of its buffers and its filter."""
    wanted = collect_wanted(message, others)
    linger = wanted.get(_LINGER)
    if linger is not None and linger[:4] == _OFF:
        # The time is kept when lingering is switched off, and only taken when it is on.
        build_option(program, number, _LINGER, _ON + linger[4:], what)
        always = (*always, _LINGER)
    SOCKET.build(program, number, wanted, fresh.values(SOCKET), what, always)


def build_buffers(
    program: Program,
    number: int,
    message: SkOptsEntry,
    fresh: Fresh,
    what: Callable[[], str],
    *,
    always: bool = False,
) -> None:
    """Instructions that set how large the buffers of descriptor `number` are: after all options
    (SO_RCVLOWAT changes it as well), and after everything has been put into them; `always`: even
    where a fresh socket's are of that size, if they have been made larger for that."""
    own = fresh.values(OTHERS)
    changed = False
    for at, size, force in (
        (0, message.so_sndbuf, SO_SNDBUFFORCE),
        (8, message.so_rcvbuf, SO_RCVBUFFORCE),
    ):
        if always or own[at : at + 4] != _U32.pack(size):
            # The kernel doubles what it is told; and the sysctls' limits are not for the forced.
            value = program.put(_U32.pack(size // 2))
            program.call(
                *(SYS_setsockopt, number, SOL_SOCKET, force, value, 4),
                label=lambda: f"set how large the buffers of {what()} are",
            )
            changed = True
    lock = message.so_buf_lock or 0
    if changed or lock:
        # Setting a size has locked it. Kernels before 5.14 do not tell, nor can they be told.
        program.call(
            *(SYS_setsockopt, number, SOL_SOCKET, SO_BUF_LOCK, program.put(_U32.pack(lock)), 4),
            expect=OR_ERRNO,
            expected=errnos(errno.ENOPROTOOPT),
            label=lambda: f"set which buffers of {what()} keep their size",
        )


def build_filter(
    program: Program, number: int, message: SkOptsEntry, others: Values, what: Callable[[], str]
) -> None:
    """Instructions that attach a socket's filter, and lock it: last, it looks at all that comes."""
    instructions = message.so_filter
    if instructions:
        code = program.put(struct.pack(f"<{len(instructions)}Q", *instructions))
        header = program.put(struct.pack("<Q8x", len(instructions)))  # struct sock_fprog
        program.address(code, ref_at(header, 8))
        program.call(
            *(SYS_setsockopt, number, SOL_SOCKET, SO_ATTACH_FILTER, header, 16),
            label=lambda: f"attach the filter of {what()}",
        )
    if _FILTER_LOCK in others:
        build_option(program, number, _FILTER_LOCK, others[_FILTER_LOCK], what)


def is_fresh(message: SkOptsEntry, fresh: Fresh) -> bool:
    """Whether a socket that says no more than the message needs no instruction for its options."""
    program = Program()
    build_options(program, 0, message, {}, fresh, str)
    build_buffers(program, 0, message, fresh, str)
    build_filter(program, 0, message, {}, str)
    return not program.count


class Fresh:
    """The options that a socket of some family, type and protocol has here when it is made."""

    __slots__ = ("_how", "_values")

    def __init__(self, family: int, type: int, protocol: int) -> None:
        self._how = (family, type, protocol)
        self._values: dict[Table, bytes] = {}

    def values(self, table: Table) -> bytes:
        """As `Table.read` gives them; the kernel's defaults if no such socket can be had here."""
        found = self._values.get(table)
        if found is None:
            family, type, protocol = self._how
            fd = kernel.raw(SYS_socket, family, type | SOCK_CLOEXEC, protocol)
            if fd < 0:
                return table.defaults
            found = self._values[table] = table.read(fd)
            os.close(fd)
        return found
