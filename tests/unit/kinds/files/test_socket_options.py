"""Options of sockets: read, kept, and set on a fresh socket."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable
from typing import Any

import pytest

from crtools.abi import kernel
from crtools.agent.program import Program
from crtools.errors import ImageError, UnsupportedObject
from crtools.images.messages.sk_opts import SkOptsEntry
from crtools.kinds.files.base import DumpContext, OpenFile
from crtools.kinds.files.socket_options import (
    Fresh,
    Table,
    build_buffers,
    build_filter,
    build_options,
    check_options,
    read_options,
)
from crtools.kinds.files.sockets import SocketsDump
from unit.kinds.files.interpreter import execute

pytestmark = pytest.mark.root

SOL = socket.SOL_SOCKET
UDP = (socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_UDP)
# Of each option: number and what to set it to; what it reads as, where that is another value.
CHANGES: dict[str, tuple[tuple[int, int | bytes], ...]] = {
    "flags": ((1, 1), (2, 1), (15, 1), (5, 1), (6, 1), (9, 1), (10, 1), (11, 1)),
    "numbers": ((12, 5), (18, 77), (36, 4711)),
    "linger": ((13, struct.pack("<2i", 1, 30)),),
    "linger, off again": ((13, struct.pack("<2i", 1, 30)), (13, bytes(8))),
    "times": ((20, struct.pack("<2q", 3, 500000)), (21, struct.pack("<2q", 0, 40000))),
    "device": ((25, b"lo\0"),),
    "timestamps": ((29, 1),),
    "timestamps in nanoseconds": ((35, 1),),
    "timestamps of the new form": ((63, 1),),
    "timestamps in nanoseconds, new form": ((64, 1),),
    "timestamping": ((37, 0x2A),),
    "timestamping, new form": ((65, 0x2A),),
    "both": ((65, 0x2A), (64, 1)),
    "reports": ((40, 1), (41, 1), (45, 1), (75, 1), (43, 1), (60, 1)),
    "peeking": ((42, 12),),
    "polling": ((46, 50), (69, 1)),
    "pacing": ((47, struct.pack("<Q", 5 << 32)),),
    "cpu": ((49, 0),),
    "times to send at": ((61, struct.pack("<iI", 1, 2)),),
    "buffers": ((32, 5 << 20), (33, 3000)),
    "buffers, not locked": ((32, 5 << 20), (72, 0)),
    "locks alone": ((72, 3),),
}


class Context(DumpContext):
    def __init__(self) -> None:
        self.sockets = SocketsDump(self)

    def describe(self, file: OpenFile) -> str:
        return "the socket"

    def borrow(self, file: OpenFile) -> int:
        return os.dup(file.fd)


def look(
    sock: socket.socket, context: Context | None = None
) -> tuple[SkOptsEntry, dict[tuple[int, int], bytes]]:
    context = context or Context()
    fd = sock.fileno()
    file = OpenFile(os.getpid(), os.getpid(), fd, "", b"", os.fstat(fd))
    message = read_options(context, file, fd, 1)
    options = context.sockets.entry(1).options
    context.sockets.close()
    return message, {(option.level, option.number): option.value for option in options}


def make_again(message: SkOptsEntry, others: Any) -> socket.socket:
    message = SkOptsEntry.decode(message.encode())
    sock = socket.socket(*UDP)
    program, fresh = Program(), Fresh(*UDP)
    build_options(program, sock.fileno(), message, others, fresh, lambda: "it")
    build_buffers(program, sock.fileno(), message, fresh, lambda: "it")
    build_filter(program, sock.fileno(), message, others, lambda: "it")
    stopped, results = execute(bytes(program.code), program.data)
    assert stopped == program.count, (program.labels[stopped](), results[stopped])  # type: ignore[operator]
    return sock


@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES)
def test_options_come_back(changes: tuple[tuple[int, int | bytes], ...]) -> None:
    with socket.socket(*UDP) as sock:
        for number, value in changes:
            sock.setsockopt(SOL, number, value)
        seen = look(sock)
        with socket.socket(*UDP) as fresh:
            assert seen[1] or seen[0].encode() != look(fresh)[0].encode()
        check_options(*seen)
        with make_again(*seen) as again:
            assert look(again)[0].encode() == seen[0].encode()
            assert look(again)[1] == seen[1]


def test_what_is_as_in_a_fresh_socket_is_neither_written_nor_set() -> None:
    with socket.socket(*UDP) as sock:
        message, others = look(sock)
    assert not others
    assert message.reuseaddr is None
    program = Program()
    build_options(program, 3, message, others, Fresh(*UDP), lambda: "it")
    build_buffers(program, 3, message, Fresh(*UDP), lambda: "it")
    build_filter(program, 3, message, others, lambda: "it")
    assert program.count == 0


def test_a_filter_comes_back_with_its_lock() -> None:
    code = [(0x28, 0, 0, 12), (0x15, 0, 1, 0x800), (0x06, 0, 0, 0x40000), (0x06, 0, 0, 0)]
    wanted = b"".join([struct.pack("<HBBI", *row) for row in code])
    raw = bytearray(wanted)
    header = struct.pack("<HxxxxxxQ", len(code), kernel.address_of(raw))
    with socket.socket(*UDP) as sock:
        sock.setsockopt(SOL, 26, header)
        sock.setsockopt(SOL, 44, 1)
        with make_again(*look(sock)) as again:
            assert struct.pack("<4Q", *look(again)[0].so_filter) == wanted
            assert again.getsockopt(SOL, 44) == 1
            with pytest.raises(PermissionError):
                again.setsockopt(SOL, 27, 0)


def refuse(sock: socket.socket, words: str) -> None:
    with sock, pytest.raises(UnsupportedObject, match=words) as caught:
        look(sock)
    assert caught.value.because
    assert caught.value.hint


def test_numbered_timestamps_are_refused() -> None:
    sock = socket.socket(*UDP)
    sock.setsockopt(SOL, 37, 0x2A | 0x80)
    refuse(sock, "SOF_TIMESTAMPING_OPT_ID")


def test_extended_filters_that_nobody_else_has_are_refused() -> None:
    # r0 = 0; exit
    code = bytearray(struct.pack("<BBhi", 0xB7, 0, 0, 0) + struct.pack("<BBhi", 0x95, 0, 0, 0))
    text = bytearray(b"GPL\0")
    attr = bytearray(
        struct.pack("<IIQQ", 1, 2, kernel.address_of(code), kernel.address_of(text)).ljust(
            128, b"\0"
        )
    )
    fd = kernel.checked(321, 5, kernel.address_of(attr), 128)  # BPF_PROG_LOAD
    sock = socket.socket(*UDP)
    sock.setsockopt(SOL, 50, fd)
    os.close(fd)
    context = Context()
    look(sock, context)
    with pytest.raises(UnsupportedObject, match="extended BPF") as caught:
        context.sockets.check()
    assert "goes when nobody has it any more" in caught.value.because
    assert "bpftool prog pin id" in caught.value.hint
    sock.close()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda message, others: others.update({(1, 50): bytes(4)}),
        lambda message, others: others.update({(1, 42): bytes(8)}),
        lambda message, others: others.update({(41, 1): bytes(4)}),
        lambda message, others: setattr(message, "so_bound_dev", "a" * 16),
        lambda message, others: setattr(message, "so_bound_dev", "a\0b"),
        lambda message, others: setattr(message, "so_sndbuf", 1 << 31),
        lambda message, others: setattr(message, "so_filter", [6] * 4097),
    ],
)
def test_options_that_make_no_sense_are_refused(
    spoil: Callable[[SkOptsEntry, dict[tuple[int, int], bytes]], None],
) -> None:
    with socket.socket(*UDP) as sock:
        message, others = look(sock)
    spoil(message, others)
    with pytest.raises(ImageError):
        check_options(message, others)


def test_an_option_that_a_socket_has_not_reads_as_the_default() -> None:
    table = Table(((SOL, 2, bytes(4)), (SOL, 77, b"\x07" * 4)))
    with socket.socket(*UDP) as sock:
        assert table.read_changed(sock.fileno()) == {}
