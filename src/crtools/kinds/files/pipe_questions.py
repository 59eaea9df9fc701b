"""What a dump asks of many pipes at once, and the bytes of those that hold nothing but bytes.

tee(2) adds the contents of a hundred pipes to one of our own, one behind the other, without taking
them out, and one read gets them all. What is not that simple is left to
crtools.kinds.files.pipe_buffer, which looks at one pipe at a time: packets, where a read ends, and
what there is no room for.
"""

from __future__ import annotations

import os

from crtools.abi import kernel
from crtools.abi.fcntl import F_GETPIPE_SZ, F_SETPIPE_SZ, O_ACCMODE, O_WRONLY
from crtools.abi.x86_64 import SYS_fcntl, SYS_ioctl, SYS_tee
from crtools.kinds.files.pipe_buffer import FIONREAD, IOC_WATCH_QUEUE_SET_SIZE, SPLICE_F_NONBLOCK
from crtools.kinds.files.questions import Questions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from crtools.kinds.files.base import DumpContext, OpenFile

_BATCH = 128
_COPY_BYTES = 1 << 20  # of a pipe that may hold 256 pieces; nobody may need CAP_SYS_RESOURCE for it
_ALL = 1 << 30  # bytes: more than there are in any pipe
_MARK = b"\0"


class Seen:
    """Size of a pipe, its bytes, and the answer to what only a queue of notifications takes."""

    __slots__ = ("content", "notifying", "size")

    def __init__(self, size: int, content: bytes, notifying: int) -> None:
        self.size = size
        self.content = content
        self.notifying = notifying


class PipeQuestions:
    """The questions, and the pipe of ours that takes the contents."""

    def __init__(self) -> None:
        self._ends = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        kernel.raw(SYS_fcntl, self._ends[1], F_SETPIPE_SZ, _COPY_BYTES)
        q = self._questions = Questions()
        self._size = q.reserve_answer()
        self._length = q.reserve(bytes(4))
        self._copied = q.reserve_answer()
        self._notifying = q.reserve_answer()
        # A queue of notifications looks like any pipe, but for this: pipe_buffer says more.
        q.ask(SYS_ioctl, IOC_WATCH_QUEUE_SET_SIZE, 0, answer=self._notifying)
        q.ask(SYS_fcntl, F_GETPIPE_SZ, answer=self._size)
        q.ask(SYS_ioctl, FIONREAD, self._length, inside=(1,))
        q.skip(1, self._length, 0)
        q.ask(SYS_tee, self._ends[1], _ALL, SPLICE_F_NONBLOCK, answer=self._copied)

    def close(self) -> None:
        for fd in self._ends:
            os.close(fd)

    def look(self, context: DumpContext, files: Sequence[OpenFile]) -> Iterator[tuple[int, Seen]]:
        """Which of these files, ends of as many pipes, hold nothing but bytes, and what that is."""
        by_task: dict[int, list[int]] = {}
        for index, file in enumerate(files):
            if file.flags & O_ACCMODE != O_WRONLY:
                by_task.setdefault(file.tid, []).append(index)
        for indexes in by_task.values():
            pidfd = context.pidfd_of(files[indexes[0]])
            for start in range(0, len(indexes), _BATCH):
                yield from self._look(pidfd, files, indexes[start : start + _BATCH])

    def _look(
        self, pidfd: int, files: Sequence[OpenFile], indexes: list[int]
    ) -> Iterator[tuple[int, Seen]]:
        number = int.from_bytes
        seen: list[tuple[int, int, int, int]] = []
        total = 0
        for index, (record, _) in zip(
            indexes, self._questions.put(pidfd, [files[index].fd for index in indexes]), strict=True
        ):
            length = number(record[self._length : self._length + 4], "little")
            copied = 0
            if length:
                copied = number(record[self._copied : self._copied + 8], "little", signed=True)
                total += max(copied, 0)
            size = number(record[self._size : self._size + 8], "little", signed=True)
            notifying = number(record[self._notifying : self._notifying + 8], "little", signed=True)
            if copied == length <= size:
                seen.append((index, size, length, notifying))
            elif copied > 0:
                # Only a part of it came, or more than there may be: it is passed over.
                seen.append((-1, 0, copied, 0))
        content = self._take(total)
        if content is None:
            return
        at = 0
        for index, size, length, notifying in seen:
            if index >= 0:
                yield index, Seen(size, content[at : at + length], notifying)
            at += length

    def _take(self, total: int) -> bytes | None:
        """The `total` bytes in our own pipe, which is empty then; None if there are packets among
        them: a read ends with one."""
        reader, writer = self._ends
        try:
            marked = os.write(writer, _MARK) if total else 0
        except BlockingIOError:
            marked = 0
        content = os.read(reader, total + marked) if total else b""
        left = total + marked - len(content)
        while left:
            left -= len(os.read(reader, left))
            marked = 0
        return content if marked or not total else None
