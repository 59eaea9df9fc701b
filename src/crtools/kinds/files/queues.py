"""What is in a POSIX message queue, without taking it out: ipc/mqueue.c.

mq_receive(3) takes a message away, and whoever else waits for one would notice, so a queue is read
from the kernel's memory (docs/decisions/0014-reading-the-kernel.md). Messages lie in a tree of
lists, one for each priority; a long one goes on in further pieces (ipc/msgutil.c, alloc_msg).
"""

from __future__ import annotations

import os
from stat import S_IFMT, S_IFREG

from crtools.abi import kernel
from crtools.abi.kernel import PAGE
from crtools.abi.x86_64 import SYS_statfs
from crtools.errors import InternalError
from crtools.images.messages.crtools_mqueue import MqueueMessageEntry, MqueueNotifyEntry
from crtools.tracee.kernel_memory import KernelMemory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from crtools.kinds.files.base import OpenFile

QUEUE_BYTES = 80  # FILENT_SIZE: what fstat(2) says of every queue
MQUEUE_MAGIC = 0x19800202  # linux/magic.h
_MOST = 1 << 16  # HARD_MSGMAX


def is_queue(file: OpenFile) -> bool:
    """Whether a regular file, of this size and of no device, is a message queue."""
    stat = file.stat
    if S_IFMT(stat.st_mode) != S_IFREG or stat.st_size != QUEUE_BYTES or os.major(stat.st_dev):
        return False
    return file_system_of(file.via) == MQUEUE_MAGIC


def file_system_of(via: str) -> int:
    """The type of the file system that a link of /proc leads to, 0 if it leads nowhere."""
    answer = bytearray(120)  # struct statfs, asm-generic/statfs.h: f_type first
    path = f"/proc/{via}\0".encode()
    kernel.raw(SYS_statfs, kernel.address_of(path), kernel.address_of(answer))
    return int.from_bytes(answer[:8], "little")


class QueueReader:
    """Raises MissingFeature or PermissionDenied where the kernel cannot be read."""

    def __init__(self) -> None:
        self._memory = KernelMemory()

    def read(self, fd: int) -> tuple[list[MqueueMessageEntry], MqueueNotifyEntry | None]:
        """The messages, in the order in which they would be received, and who is to be told of the
        next. `fd` is a descriptor of ours."""
        memory = self._memory
        inode = memory.pointer(memory.own_file(fd), "file", "f_inode")
        queue = inode - memory.types.offset("mqueue_inode_info", "vfs_inode")
        root = memory.pointer(queue, "mqueue_inode_info", "msg_tree")
        messages = [entry for node in self._nodes(root) for entry in self._messages(node)]
        return messages, self._notify(queue)

    def _nodes(self, node: int) -> Iterator[int]:
        """Nodes of the tree, the largest priority first."""
        memory = self._memory
        above: list[int] = []
        while node or above:
            while node:
                above.append(node)
                node = memory.pointer(node, "rb_node", "rb_right")
                if len(above) > _MOST:
                    raise InternalError("A message queue's tree has no end")
            node = above.pop()
            yield node - memory.types.offset("posix_msg_tree_node", "rb_node")
            node = memory.pointer(node, "rb_node", "rb_left")

    def _messages(self, node: int) -> Iterator[MqueueMessageEntry]:
        memory = self._memory
        head = memory.at(node, "posix_msg_tree_node", "msg_list")
        in_message = memory.types.offset("msg_msg", "m_list")
        link = memory.word(head)
        for _ in range(_MOST):
            if link == head:
                return
            message = link - in_message
            yield MqueueMessageEntry(
                priority=memory.pointer(message, "msg_msg", "m_type"),
                content=self._content(message),
            )
            link = memory.word(link)
        raise InternalError("A message queue's list has no end")

    def _content(self, message: int) -> bytes:
        memory = self._memory
        left = memory.pointer(message, "msg_msg", "m_ts")
        piece, head = message, memory.types.size("msg_msg")
        further = memory.pointer(message, "msg_msg", "next")
        parts: list[bytes] = []
        while True:
            length = min(left, PAGE - head)
            words = [memory.word(piece + head + at) for at in range(0, length, 8)]
            parts.append(b"".join([word.to_bytes(8, "little") for word in words])[:length])
            left -= length
            if not left:
                return b"".join(parts)
            if not further:
                raise InternalError("A message of a queue ends early")
            piece, head = further, memory.types.size("msg_msgseg")
            further = memory.pointer(piece, "msg_msgseg", "next")

    def _notify(self, queue: int) -> MqueueNotifyEntry | None:
        memory = self._memory
        owner = memory.pointer(queue, "mqueue_inode_info", "notify_owner")
        if not owner:
            return None
        event = memory.at(queue, "mqueue_inode_info", "notify")
        return MqueueNotifyEntry(
            pid=memory.pid_number(owner),
            notify=memory.unsigned(event, "sigevent", "sigev_notify"),
            signo=memory.unsigned(event, "sigevent", "sigev_signo"),
            value=memory.pointer(event, "sigevent", "sigev_value"),
        )
