"""Pipes that a restore is given, and what images say of packets."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from crtools.abi import kernel
from crtools.abi.x86_64 import SYS_ioctl
from crtools.errors import ImageError, RestoreConflict, UnsupportedObject
from crtools.images.messages.crtools_pipes import CrtoolsPipeEntry
from crtools.images.messages.pipe_data import PipeDataEntry
from crtools.images.store import ImageStore
from crtools.kinds.files import pipe_buffer
from crtools.kinds.files.pipe_buffer import Content, read_contents
from crtools.kinds.files.pipe_given import Given
from unit.kinds.files.roundtrip import Roundtrip


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for fd in ends:
        os.close(fd)


def inode(fd: int) -> int:
    return os.fstat(fd).st_ino & 0xFFFFFFFF


def test_content_is_put_in_and_taken_out_when_the_restore_fails(pipe: tuple[int, int]) -> None:
    reader, _ = pipe
    given = Given(reader, 1, Content(65536, b"unread"), "pipe 1")
    given.check()
    assert given.mode == os.O_RDONLY
    given.fill()
    given.close(restored=False)
    os.set_blocking(reader, False)
    with pytest.raises(BlockingIOError):
        os.read(reader, 1)
    given.fill()
    given.close(restored=True)
    assert os.read(reader, 100) == b"unread"


def test_bytes_and_packets_come_in_their_order(pipe: tuple[int, int]) -> None:
    reader, _ = pipe
    content = Content(65536, b"somepacketmore", (-4, 6, -4))
    Given(reader, 1, content, "pipe 1").fill()
    # What is left of a packet after a read is lost.
    assert [os.read(reader, 7), os.read(reader, 100)] == [b"somepac", b"more"]


def test_old_pipe_has_its_content_still(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    os.write(writer, b"unread, and more")
    Given(writer, inode(writer), Content(65536, b"unread"), "pipe 1").fill()
    assert os.read(reader, 100) == b"unread, and more"


def test_pipe_that_is_too_small_is_left_empty(pipe: tuple[int, int]) -> None:
    reader, _ = pipe
    given = Given(reader, 1, Content(1 << 20, bytes(1 << 20)), "pipe 1")
    with pytest.raises(RestoreConflict, match="is too small"):
        given.fill()
    os.set_blocking(reader, False)
    with pytest.raises(BlockingIOError):
        os.read(reader, 1)


@pytest.mark.parametrize(
    "pieces", [[3], [-7], [6, 0], [5000, -4994], [7, -1], [-1, -1, 5]]
)  # of six bytes
def test_packets_that_cannot_be_are_an_error(tmp_path: Path, pieces: list[int]) -> None:
    with ImageStore.create(str(tmp_path / "images")) as store:
        store.write("pipes-data", [(PipeDataEntry(pipe_id=5, bytes=6, size=4096), b"123456")])
        store.write("crtools-pipe", [CrtoolsPipeEntry(pipe_id=5, pieces=pieces)])
        if sum(map(abs, pieces)) == 6 and 0 not in pieces:
            assert read_contents(store, "pipes-data", "crtools-pipe")[5].pieces == tuple(pieces)
            return
        with pytest.raises(ImageError, match="Pipe 5 has impossible packets"):
            read_contents(store, "pipes-data", "crtools-pipe")


def test_fifos_have_images_of_their_own(tmp_path: Path) -> None:
    with ImageStore.create(str(tmp_path / "images")) as store:
        store.write("crtools-fifo", [CrtoolsPipeEntry(pipe_id=5, pieces=[], external=True)])
        assert read_contents(store, "fifo-data", "crtools-fifo")[5].external
        assert read_contents(store, "pipes-data", "crtools-pipe") == {}


@pytest.mark.root
def test_queue_of_notifications_is_refused(
    roundtrip: Roundtrip, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = kernel.raw

    def answer(nr: int, *args: int) -> int:
        """As a kernel with CONFIG_WATCH_QUEUE does."""
        if nr == SYS_ioctl and args[1] == pipe_buffer.IOC_WATCH_QUEUE_SET_SIZE:
            return -errno.EINVAL
        return raw(nr, *args)

    def open_pipe() -> None:
        os.pipe()

    monkeypatch.setattr(kernel, "raw", answer)
    with pytest.raises(UnsupportedObject, match="a queue of notifications"):
        roundtrip.dump(open_pipe)
