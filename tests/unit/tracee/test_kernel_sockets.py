"""Sockets' queues in the kernel's memory: all that is in them is seen, and stays there."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from crtools.errors import MissingFeature, PermissionDenied
from crtools.procfs import btf
from crtools.tracee.kernel_pages import KernelPages
from crtools.tracee.kernel_sockets import KernelSockets

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(not Path(btf.PATH).exists(), reason=f"no {btf.PATH}"),
]
SO_SNDBUFFORCE = 32  # asm-generic/socket.h
ROOM = 1 << 20


@pytest.fixture(scope="module")
def sockets() -> KernelSockets:
    try:
        return KernelSockets()
    except PermissionDenied as error:
        pytest.skip(f"needs CAP_BPF and CAP_PERFMON: {error}")


@pytest.fixture
def ends() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def pair(ends: ExitStack, type: int) -> tuple[socket.socket, socket.socket]:
    made = socket.socketpair(socket.AF_UNIX, type)
    for end in made:
        ends.enter_context(end)
        end.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, ROOM)
    return made


def read_all(sockets: KernelSockets, end: socket.socket) -> list[bytes]:
    queue = sockets.read_queue(sockets.find(end.fileno()))
    return [sockets.read_data(packet) for packet in queue]


@pytest.mark.parametrize("type", [socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET])
def test_packets_of_all_lengths_are_seen_and_stay(
    sockets: KernelSockets, ends: ExitStack, type: int
) -> None:
    one, other = pair(ends, type)
    assert read_all(sockets, other) == []
    # Short, in one piece; longer than a page, than a piece of memory, than what is read at once.
    sent = [os.urandom(length) for length in (1, 3000, 5000, 30001, 140000)]
    for data in sent:
        assert one.send(data) == len(data)
    for _ in range(2):
        seen = read_all(sockets, other)
        if type == socket.SOCK_STREAM:
            assert b"".join(seen) == b"".join(sent)
        else:
            assert seen == sent
    assert read_all(sockets, one) == []
    assert other.recv(1) == sent[0]


def test_data_from_a_file_is_seen(sockets: KernelSockets, ends: ExitStack, tmp_path: Path) -> None:
    one, other = pair(ends, socket.SOCK_STREAM)
    content = os.urandom(50_000)
    (tmp_path / "file").write_bytes(content)
    with open(tmp_path / "file", "rb") as file:
        left = 777
        while left < len(content):
            left += os.sendfile(one.fileno(), file.fileno(), left, len(content) - left)
    assert b"".join(read_all(sockets, other)) == content[777:]


def test_task_and_its_number_are_found(sockets: KernelSockets) -> None:
    memory = sockets.memory
    fd = os.open(f"/proc/{os.getpid()}", os.O_RDONLY | os.O_DIRECTORY)
    try:
        task = memory.task_of(fd)
    finally:
        os.close(fd)
    assert task == memory.task
    pid = memory.pointer(task, "task_struct", "thread_pid")
    assert memory.pid_number(pid) == os.getpid()


def test_address_that_is_no_page_is_an_error(sockets: KernelSockets) -> None:
    pages = KernelPages(sockets.memory)
    with pytest.raises(MissingFeature, match="is not a page of memory"):
        pages.address(sockets.memory.task)
    with pytest.raises(MissingFeature, match="cannot be read"):
        sockets.memory.block(4096, 100)
