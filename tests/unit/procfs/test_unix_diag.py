"""What the kernel tells of unix sockets."""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path

from crtools.procfs.unix_diag import (
    TCP_ESTABLISHED,
    TCP_LISTEN,
    UnixSockets,
    parse_socket,
    read_unix_sockets,
)


def number(sock: socket.socket) -> int:
    return os.fstat(sock.fileno()).st_ino


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("<HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def test_pair_knows_its_peer_and_what_is_queued() -> None:
    one, other = socket.socketpair()
    with one, other:
        one.send(b"12345")
        one.shutdown(socket.SHUT_WR)
        found = read_unix_sockets().find(number(other))
        assert found is not None
        assert (found.type, found.state) == (socket.SOCK_STREAM, TCP_ESTABLISHED)
        assert (found.peer, found.queued, found.shutdown) == (number(one), 5, 1)
        sender = read_unix_sockets().find(number(one))
        assert sender is not None
        assert sender.limit > 0  # memory of what nobody has read


def test_a_socket_that_the_list_lacks_is_asked_for_alone() -> None:
    one, other = socket.socketpair()
    with one, other:
        one.send(b"12345")
        whole, lacking = read_unix_sockets(), UnixSockets(())
        assert lacking.find(number(other)) is None
        found, listed = lacking.ask(number(other)), whole.find(number(other))
        assert found is not None
        assert listed is not None
        for name in found.__slots__:
            assert getattr(found, name) == getattr(listed, name), name
        assert lacking.inodes() == [number(other)]
        gone = number(one)
    assert lacking.ask(gone) is None


def test_attributes_may_come_in_any_order() -> None:
    head = struct.pack("<BBBxIII", 1, 1, 1, 4711, 0, 0)
    parts = (
        attribute(2, struct.pack("<I", 4712)),
        attribute(4, struct.pack("<II", 100, 212992)),
        attribute(6, b"\2"),
    )
    usual = parse_socket(head + b"".join(parts))
    assert usual.peer == 4712
    assert (usual.queued, usual.limit, usual.shutdown) == (100, 212992, 2)
    # As long as the usual answer, so that its length alone does not decide.
    other = parse_socket(head + b"".join(parts[::-1]))
    for name in usual.__slots__:
        assert getattr(usual, name) == getattr(other, name), name


def test_listener_tells_who_waits_and_where_its_file_is(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with (
        socket.socket(socket.AF_UNIX) as listener,
        socket.socket(socket.AF_UNIX) as client,
        socket.socket(socket.AF_UNIX) as gone,
    ):
        listener.bind(str(path))
        listener.listen(7)
        client.connect(str(path))
        gone.connect(str(path))
        gone.close()
        found = read_unix_sockets().find(number(listener))
        assert found is not None
        assert (found.state, found.limit, found.peer) == (TCP_LISTEN, 7, None)
        assert found.waiting == (number(client), 0)
        assert found.name == str(path).encode() + b"\0"
        assert found.inode == (path.stat().st_dev, path.stat().st_ino)
        waits = read_unix_sockets().find(number(client))
        assert waits is not None
        assert waits.peer == 0  # not accepted: it has no inode


def test_abstract_name_begins_with_a_nul() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(b"\0crtools %d" % os.getpid())
        found = read_unix_sockets().find(number(sock))
        assert found is not None
        assert found.name == b"\0crtools %d" % os.getpid()
        assert found.inode is None


def test_answer_is_parsed_whatever_follows() -> None:
    answer = struct.pack("<BBBxIII", 1, 5, 1, 77, 0, 0)
    answer += attribute(0, b"\0abc") + attribute(2, struct.pack("<I", 78))
    answer += attribute(3, struct.pack("<3I", 1, 0, 2)) + attribute(99, b"new") + b"\x02\0\0\0"
    found = parse_socket(answer)
    assert (found.ino, found.type, found.name, found.peer) == (77, 5, b"\0abc", 78)
    assert found.waiting == (1, 0, 2)


def test_unknown_inode_is_nothing() -> None:
    assert read_unix_sockets().find(0) is None
