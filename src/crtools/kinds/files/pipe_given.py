"""A pipe or fifo that a restore is given: --inherit-fd, for one whose other side is outside.

Bytes that nobody had read go with whoever is to read them. If that is the tree, they are put into
the pipe that is given, in front of what will come, unless it is the old one, which has them still.
"""

from __future__ import annotations

import os
from stat import S_IFMT

from crtools.abi import kernel
from crtools.abi.fcntl import F_GETFL, F_SETFL, O_ACCMODE, O_DIRECT, O_NONBLOCK, O_PATH
from crtools.abi.x86_64 import SYS_fcntl, SYS_ioctl, SYS_tee
from crtools.errors import RestoreConflict
from crtools.kinds.files.path import TYPE_NAMES
from crtools.kinds.files.pipe_buffer import FIONREAD, SPLICE_F_NONBLOCK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.kinds.files.pipe_buffer import Content

_FIFO = 0o010000  # S_IFIFO


class Given:
    """Our descriptor `fd`, for pipe `number`, called `what`. `content` is what the tree has to find
    in it."""

    __slots__ = ("content", "fd", "mode", "number", "what", "_filled")

    def __init__(self, fd: int, number: int, content: Content, what: str) -> None:
        self.fd = fd
        self.number = number
        self.content = content
        self.what = what
        self.mode = -1  # O_ACCMODE, -1: what it was opened with is of no use to anybody
        self._filled = False

    def check(self) -> None:
        """Whether it is a pipe. Raises RestoreConflict."""
        kind = S_IFMT(os.fstat(self.fd).st_mode)
        if kind != _FIFO:
            raise self._conflict("is no pipe", f"it is {TYPE_NAMES.get(kind, 'something else')}")
        flags = kernel.checked(SYS_fcntl, self.fd, F_GETFL)
        if not flags & O_PATH:
            self.mode = flags & O_ACCMODE

    def fill(self) -> None:
        """Puts the content into it. Raises RestoreConflict."""
        data = self.content.data
        if not data:
            return
        count = bytearray(4)
        path = f"/proc/self/fd/{self.fd}"
        end = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            kernel.checked(SYS_ioctl, end, FIONREAD, kernel.address_of(count))
            there = int.from_bytes(count, "little")
            if os.fstat(end).st_ino & 0xFFFFFFFF == self.number and there >= len(data):
                return
            if there:
                raise self._conflict(
                    "is not empty",
                    f"it has {there} bytes in it, and {len(data)} that were there at the dump come"
                    " before them",
                )
            done = 0
            try:
                for piece, packet in self.content.parts():
                    flags = O_NONBLOCK | O_DIRECT if packet else O_NONBLOCK
                    kernel.checked(SYS_fcntl, end, F_SETFL, flags)
                    if packet or not self.content.pieces:
                        done += os.write(end, piece)
                    else:
                        done += _bring(end, piece)
            except BlockingIOError:
                pass
            if done < len(data):
                if done:
                    os.read(end, done)
                raise self._conflict(
                    "is too small",
                    f"{len(data)} bytes were unread at the dump, and only {done} go into it",
                )
            self._filled = True
        finally:
            os.close(end)

    def close(self, *, restored: bool) -> None:
        """Takes the content out again if the restore has failed."""
        if not self._filled or restored:
            return
        self._filled = False
        end = os.open(f"/proc/self/fd/{self.fd}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            left = len(self.content.data)
            while left and (piece := os.read(end, left)):
                left -= len(piece)
        except BlockingIOError:
            pass
        finally:
            os.close(end)

    def _conflict(self, what: str, because: str) -> RestoreConflict:
        return RestoreConflict(
            f"Descriptor {self.fd}, given for {self.what}, {what}",
            because=because,
            hint="give a new pipe",
            subject=("pipe", self.number),
        )


def _bring(to: int, piece: bytes) -> int:
    """Writes bytes to which the kernel will not add a packet (plan_content)."""
    reader, writer = os.pipe2(os.O_CLOEXEC)
    try:
        os.write(writer, piece)
        return kernel.checked(SYS_tee, reader, to, len(piece), SPLICE_F_NONBLOCK)
    finally:
        os.close(reader)
        os.close(writer)
