"""Questions that are put to many descriptors at once."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from crtools.abi.x86_64 import SYS_fcntl, SYS_ioctl, SYS_read
from crtools.kinds.files.base import DumpContext, OpenFile
from crtools.kinds.files.pipe_questions import PipeQuestions
from crtools.kinds.files.questions import Questions, was_asked
from crtools.kinds.files.socket_options import OTHERS, SOCKET
from crtools.kinds.files.socket_questions import SocketQuestions

FIONREAD, F_GETPIPE_SZ = 0x541B, 1032
SO_PEEK_OFF, SO_ZEROCOPY, SO_RESERVE_MEM, SO_TXREHASH = 42, 60, 73, 74


@contextmanager
def own_pidfd() -> Iterator[int]:
    pidfd = os.pidfd_open(os.getpid())
    try:
        yield pidfd
    finally:
        os.close(pidfd)


def test_answers_come_for_each_descriptor_in_order() -> None:
    questions = Questions()
    length = questions.reserve(struct.pack("<i", 7))
    size, read, missing = (questions.reserve_answer() for _ in range(3))
    room = questions.reserve_room(8)
    questions.ask(SYS_ioctl, FIONREAD, length, inside=(1,))
    questions.ask(SYS_fcntl, F_GETPIPE_SZ, answer=size)
    questions.skip(1, length, 0)
    questions.ask(SYS_read, room, 3, inside=(0,), answer=read)
    questions.skip(1, length, 5, unless=True)
    questions.ask(SYS_fcntl, 9999, answer=missing)
    pipes = [os.pipe() for _ in range(300)]
    try:
        for index, (_, writer) in enumerate(pipes):
            os.write(writer, b"%05d" % index if index % 2 else b"")
        with own_pidfd() as pidfd:
            ends = [reader for reader, _ in pipes]
            for index, (record, found) in enumerate(questions.put(pidfd, ends)):
                word = struct.Struct("<q").unpack_from
                assert word(record, size)[0] >= 4096
                assert struct.unpack_from("<i", record, length)[0] == (5 if index % 2 else 0)
                if index % 2:
                    assert word(record, read)[0] == 3
                    assert bytes(found[:3]) == (b"%05d" % index)[:3]
                    assert word(record, missing)[0] == -22
                else:
                    assert not was_asked(word(record, read)[0])
                    assert not was_asked(word(record, missing)[0])
            assert index == 299
    finally:
        for ends_of_one in pipes:
            for fd in ends_of_one:
                os.close(fd)


def test_a_descriptor_that_is_not_there_is_an_error() -> None:
    with own_pidfd() as pidfd, pytest.raises(OSError, match="Bad file"):
        list(Questions().put(pidfd, [0x7FFFFFF0]))


class Context(DumpContext):
    def __init__(self, pidfd: int) -> None:
        self.pidfd = pidfd

    def pidfd_of(self, file: OpenFile) -> int:
        return self.pidfd


def test_of_many_pipes_those_that_hold_bytes_alone_are_read() -> None:
    pid = os.getpid()
    pipes = [os.pipe2(os.O_NONBLOCK) for _ in range(20)]
    packets = os.pipe2(os.O_DIRECT)
    full = os.pipe2(os.O_NONBLOCK)
    try:
        for index, (_, writer) in enumerate(pipes):
            os.write(writer, bytes([index]) * 100 * index)
        os.write(full[1], b"x" * (1 << 20))
        with own_pidfd() as pidfd:
            context = Context(pidfd)
            every = [*pipes, full]
            files = [OpenFile(pid, pid, r, "", b"", os.fstat(r)) for r, _ in every]
            # An end that cannot be read from is passed over.
            files.append(OpenFile(pid, pid, full[1], "", b"", os.fstat(full[1]), os.O_WRONLY))
            for _ in range(2):  # nothing was taken out
                questions = PipeQuestions()
                seen = dict(questions.look(context, files))
                questions.close()
                assert {index: seen[index].content for index in range(20)} == {
                    index: bytes([index]) * 100 * index for index in range(20)
                }
                assert all(seen[index].size == 65536 for index in range(20))
                assert seen[20].content == b"x" * 65536
                assert 21 not in seen
            # Packets: where one ends is not told by this.
            for text in (b"one", b"two"):
                os.write(packets[1], text)
                for order in ([*every, packets], [packets, *every]):
                    files = [OpenFile(pid, pid, r, "", b"", os.fstat(r)) for r, _ in order]
                    questions = PipeQuestions()
                    assert dict(questions.look(context, files)) == {}
                    questions.close()
            assert os.read(packets[0], 100) == b"one"
    finally:
        for ends in (*pipes, packets, full):
            for fd in ends:
                os.close(fd)


def ask_one(sock: socket.socket) -> object:
    with own_pidfd() as pidfd:
        (answers,) = SocketQuestions().put(pidfd, [sock.fileno()])
    return answers.content


def test_a_stream_that_holds_bytes_is_read_and_keeps_them() -> None:
    one, other = socket.socketpair()
    with one, other:
        assert ask_one(one) is None  # empty: nothing was seen
        other.send(b"some ")
        other.send(b"bytes")
        for _ in range(2):
            assert ask_one(one) == b"some bytes"
        assert one.recv(100) == b"some bytes"
        other.send(b"x" * 5000)
        assert ask_one(one) is None  # more than there is room for


def test_what_is_more_than_bytes_is_left_to_whoever_looks_closely() -> None:
    one, other = socket.socketpair()
    with one, other:
        one.setsockopt(socket.SOL_SOCKET, SO_PEEK_OFF, 2)
        other.send(b"abcdef")
        assert ask_one(one) is None
        assert one.getsockopt(socket.SOL_SOCKET, SO_PEEK_OFF) == 2
    one, other = socket.socketpair()
    with one, other:
        socket.send_fds(other, [b"with a file"], [0])
        assert ask_one(one) is None
    one, other = socket.socketpair()
    with one, other:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        other.send(b"with credentials")
        assert ask_one(one) is None
    one, other = socket.socketpair()
    with one, other:
        other.send(b"ab", socket.MSG_OOB)
        assert ask_one(one) is None


def test_an_error_stays_where_it_waits() -> None:
    """A stream that was reset gives its error to the first who reads: that is the program."""
    one, other = socket.socketpair()
    with one:
        one.send(b"never read")
        other.close()
        ask_one(one)
        with pytest.raises(ConnectionResetError):
            one.recv(1)


def test_options_are_those_that_one_call_each_gives() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock, own_pidfd() as pidfd:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY, 5)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("<2i", 1, 30))
        (answers,) = SocketQuestions().put(pidfd, [sock.fileno()])
        assert answers.options == SOCKET.read(sock.fileno())
        assert answers.others == OTHERS.read(sock.fileno())
        assert answers.socket == (socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_UDP)
        assert not answers.are_alike  # nobody has asked for a peer
    for family in (socket.AF_UNIX, socket.AF_INET):
        with socket.socket(family) as sock, own_pidfd() as pidfd:
            # What no unix socket can have on some kernels is asked of all others.
            for number in (socket.SO_REUSEPORT, SO_ZEROCOPY, SO_TXREHASH, SO_RESERVE_MEM):
                with suppress(OSError):
                    sock.setsockopt(
                        socket.SOL_SOCKET, number, 4096 if number == SO_RESERVE_MEM else 1
                    )
            (answers,) = SocketQuestions().put(pidfd, [sock.fileno()])
            assert answers.options == SOCKET.read(sock.fileno())
            if family == socket.AF_INET:
                assert SOCKET.find_changed(answers.options).keys() >= {
                    (socket.SOL_SOCKET, socket.SO_REUSEPORT),
                    (socket.SOL_SOCKET, SO_ZEROCOPY),
                }
    one, other = socket.socketpair()
    with one, other, own_pidfd() as pidfd:
        first, second = SocketQuestions().put(pidfd, [one.fileno(), other.fileno()])
        assert first.alike == second.alike
        assert first.are_alike
        one.setsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY, 5)
        first, second = SocketQuestions().put(pidfd, [one.fileno(), other.fileno()])
        assert first.alike != second.alike
        assert first.peer is not None
        assert struct.unpack("<iII", first.peer[0]) == (os.getpid(), os.getuid(), os.getgid())
        assert sorted(struct.unpack(f"<{len(first.peer[1]) // 4}I", first.peer[1])) == sorted(
            os.getgroups()
        )
