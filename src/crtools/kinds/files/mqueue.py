"""POSIX message queues, mq_overview(7): an open file each, upon a queue that has a name.

A queue belongs to an ipc namespace and outlives its users, messages and all; its name may have been
removed. What is in it, crtools.kinds.files.queues reads. A restore opens a queue that is still
there, if it is as it was, and makes others anew (docs/decisions/0019-unread-events-and-queues.md).
crtools opens all of them, with the flags that each open file had, before a name is removed again;
tasks take them over from it. To open one through /proc would set O_LARGEFILE, which mq_open(3) does
not, and F_GETFL shows.

A descriptor from mq_open(2) is always close-on-exec. Whoever asks for O_CLOEXEC as well has that in
the flags of the open file for ever, and fdinfo shows it of every copy: then all are restored so.
"""

from __future__ import annotations

import errno
import os
import struct

from crtools.abi import kernel
from crtools.abi.fcntl import O_ACCMODE, O_NONBLOCK, O_PATH, SEEK_SET
from crtools.abi.x86_64 import SYS_lseek
from crtools.errors import ImageError, RestoreConflict
from crtools.images.messages.crtools_mqueue import CrtoolsMqueueEntry, MqueueEntry
from crtools.images.messages.fdinfo import FileEntry
from crtools.kinds.files.base import FileDumper, FileKind, FilePlanner, choose_place
from crtools.kinds.files.queues import QUEUE_BYTES, QueueReader, is_queue
from crtools.kinds.files.registry import MQUEUE
from crtools.procfs.files import split_deleted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from crtools.kinds.files.base import DumpContext, OpenFile, PlanContext, PlannedFile, Programs

SYS_mq_open, SYS_mq_unlink, SYS_mq_timedsend, SYS_mq_notify, SYS_mq_getsetattr = (
    240,
    241,
    242,
    244,
    245,
)
SIGEV_SIGNAL, SIGEV_NONE, SIGEV_THREAD = range(3)  # asm-generic/siginfo.h
_ATTR = struct.Struct("<4q32x")  # struct mq_attr: flags, maxmsg, msgsize, curmsgs
_SIGEVENT = struct.Struct("<Qii48x")
_MAX_PRIORITY = 32768  # MQ_PRIO_MAX
_MAX_SIZE = 1 << 24  # HARD_MSGSIZEMAX
_MAX_MESSAGES = 1 << 16  # HARD_MSGMAX


class Mqueue(FileKind):
    type = MQUEUE
    field = ""  # of an image of our own

    def matches(self, file: OpenFile) -> bool:
        return file.stat.st_size == QUEUE_BYTES and not file.flags & O_PATH and is_queue(file)

    def message(self, entry: FileEntry, store: Any) -> Any:
        entries = store.read("crtools-mqueue") if store.has("crtools-mqueue") else ()
        return next((own for own in entries if own.id == entry.id), None)

    def dumper(self, context: DumpContext) -> FileDumper:
        return MqueueDumper(context)

    def planner(self, context: PlanContext) -> FilePlanner:
        return MqueuePlanner(context)


class MqueueDumper(FileDumper):
    def __init__(self, context: DumpContext) -> None:
        self.context = context
        self.reader = QueueReader()
        self.entries: list[CrtoolsMqueueEntry] = []
        self.queues: dict[int, OpenFile] = {}
        self.notified: list[tuple[OpenFile, int]] = []

    def dump(self, file: OpenFile, id: int) -> FileEntry:
        inode = file.stat.st_ino
        queue = None
        if inode not in self.queues:
            self.queues[inode] = file
            queue = self._dump_queue(file)
        owner = self.context.owner_of(file)
        self.entries.append(
            CrtoolsMqueueEntry(
                id=id, flags=file.flags, pos=file.pos, fown=owner, inode=inode, queue=queue
            )
        )
        return FileEntry(type=MQUEUE, id=id)

    def _dump_queue(self, file: OpenFile) -> MqueueEntry:
        fd = self.context.borrow(file)
        try:
            _, maxmsg, msgsize, count = read_attributes(fd)
            messages, notify = self.reader.read(fd)
        finally:
            os.close(fd)
        if len(messages) != count:
            raise self.context.refuse(
                file,
                "messages come and go in its queue",
                f"there were {count} and then {len(messages)}, so somebody else uses it just now",
                "stop who else uses it, or dump that too",
            )
        name, deleted = split_deleted(file.link)
        deleted = deleted and file.stat.st_nlink == 0
        if deleted:
            self.context.watch(file, f"the deleted message queue {name.decode(errors='replace')}")
        if notify is not None:
            # One that is outside goes on waiting.
            if notify.pid not in {process.pid for process in self.context.processes}:
                notify = None
            elif notify.notify not in (SIGEV_SIGNAL, SIGEV_NONE):
                raise self.context.refuse(
                    file,
                    "the next message in its queue begins a thread (mq_notify, SIGEV_THREAD)",
                    "libc waits for that at a socket which the kernel alone knows",
                    "let the program be told by a signal, or wait in a thread of its own",
                )
        return MqueueEntry(
            name=(name if deleted else file.link)
            .rpartition(b"/")[2]
            .decode("utf-8", "surrogateescape"),
            deleted=deleted,
            mode=file.stat.st_mode & 0o7777,
            uid=file.stat.st_uid,
            gid=file.stat.st_gid,
            atime=file.stat.st_atime_ns,
            mtime=file.stat.st_mtime_ns,
            maxmsg=maxmsg,
            msgsize=msgsize,
            messages=messages,
            notify=notify,
        )

    def finish(self) -> None:
        self.context.store.write("crtools-mqueue", self.entries)


def read_attributes(fd: int) -> tuple[int, int, int, int]:
    """Flags, how many messages there is room for, how long they may be, how many there are."""
    answer = bytearray(_ATTR.size)
    kernel.checked(SYS_mq_getsetattr, fd, 0, kernel.address_of(answer))
    flags, maxmsg, msgsize, count = _ATTR.unpack(answer)
    return flags, maxmsg, msgsize, count


class Queue:
    """A queue being restored. The tool opens it once for each open file of the tasks."""

    def __init__(self, entry: MqueueEntry) -> None:
        self.entry = entry
        self.files: list[PlannedFile] = []
        self.held: dict[int, int] = {}  # our descriptors, by the id of their file
        self.made = b""  # the name that we have given it
        name = entry.name.encode("utf-8", "surrogateescape")
        if not 0 < len(name) < 256 or b"/" in name or b"\0" in name or name in (b".", b".."):
            raise ImageError(f"The images have a message queue without a possible name: {name!r}")
        if (
            not 0 < entry.maxmsg <= _MAX_MESSAGES
            or not 0 < entry.msgsize <= _MAX_SIZE
            or len(entry.messages) > entry.maxmsg
            or any(
                len(message.content) > entry.msgsize or message.priority >= _MAX_PRIORITY
                for message in entry.messages
            )
        ):
            raise ImageError(
                f"The images say impossible things of the message queue {entry.name}",
                because=f"it has room for {entry.maxmsg} messages of {entry.msgsize} bytes, and"
                " holds others",
            )
        self.name = name

    def check(self) -> None:
        """Whether a queue of that name is the one. Raises RestoreConflict."""
        entry = self.entry
        if entry.deleted:
            return
        fd = self._open(self.name, os.O_RDONLY | os.O_NONBLOCK)
        if fd == -errno.ENOENT:
            return
        if fd < 0:
            raise self._conflict("is there and cannot be opened", os.strerror(-fd), "")
        try:
            _, maxmsg, msgsize, count = read_attributes(fd)
        finally:
            os.close(fd)
        if (maxmsg, msgsize, count) != (entry.maxmsg, entry.msgsize, len(entry.messages)):
            raise self._conflict(
                "is not what it was",
                f"at the dump it held {len(entry.messages)} of up to {entry.maxmsg} messages of at"
                f" most {entry.msgsize} bytes, and now {count} of up to {maxmsg} of at most"
                f" {msgsize}",
                "have it made anew from the images: remove it with mq_unlink(3)",
            )

    def create(self) -> None:
        """Opens it, or makes and fills it. Raises RestoreConflict."""
        entry = self.entry
        name = self.name
        fd = self._open(name, os.O_RDONLY | os.O_NONBLOCK) if not entry.deleted else -1
        if fd < 0:
            attributes = _ATTR.pack(0, entry.maxmsg, entry.msgsize, 0)
            flags = os.O_RDWR | os.O_NONBLOCK | os.O_CREAT | os.O_EXCL
            for number in range(1000):
                fd = self._open(name, flags, attributes)
                if fd != -errno.EEXIST or not entry.deleted:
                    break
                name = b"%b.%d-%d" % (self.name[:200], os.getpid(), number)
            if fd < 0:
                raise self._conflict(
                    "cannot be made",
                    os.strerror(-fd),
                    "raise fs.mqueue.msg_max, msgsize_max and queues_max, and RLIMIT_MSGQUEUE"
                    " (ulimit -q unlimited)",
                )
            self.made = name
        try:
            if self.made:
                self._fill(fd)
            for file in self.files:
                flags = file.message.flags & (O_ACCMODE | O_NONBLOCK)
                held = self._open(name, flags)
                if held < 0:
                    raise self._conflict("cannot be opened", os.strerror(-held), "")
                self.held[file.id] = held
        finally:
            os.close(fd)
            if entry.deleted:
                self._unlink()

    def _fill(self, fd: int) -> None:
        entry = self.entry
        try:
            for message in entry.messages:
                content = bytes(message.content)
                address = kernel.address_of(content) if content else 0
                kernel.checked(SYS_mq_timedsend, fd, address, len(content), message.priority, 0)
            os.fchown(fd, entry.uid, entry.gid)
            os.fchmod(fd, entry.mode & 0o7777)
            os.utime(fd, ns=(entry.atime, entry.mtime))
        except OSError as error:
            raise self._conflict("cannot be filled again", error.strerror or "", "") from error

    def close(self, *, restored: bool) -> None:
        for fd in self.held.values():
            os.close(fd)
        self.held.clear()
        if not restored:
            self._unlink()

    def _unlink(self) -> None:
        """Takes away the name that we have given."""
        if self.made:
            text = self.made + b"\0"
            self.made = b""
            kernel.raw(SYS_mq_unlink, kernel.address_of(text))

    def _open(self, name: bytes, flags: int, attributes: bytes = b"") -> int:
        """Our descriptor, or minus an errno. The system call wants no slash (mq_open(3)), and makes
        it close-on-exec by itself."""
        text = name + b"\0"
        return kernel.raw(
            SYS_mq_open,
            kernel.address_of(text),
            flags,
            0o600,
            kernel.address_of(attributes) if attributes else 0,
        )

    def _conflict(self, what: str, because: str, hint: str) -> RestoreConflict:
        return RestoreConflict(
            f"The message queue /{self.entry.name} {what}",
            because=because,
            hint=hint,
            subject=("mqueue", self.entry.name),
        )


class MqueuePlanner(FilePlanner):
    def __init__(self, context: PlanContext) -> None:
        self.context = context
        self.files: list[PlannedFile] = []
        self.queues: dict[int, Queue] = {}

    def add(self, file: PlannedFile) -> None:
        message = file.message
        if message.queue is not None and message.inode not in self.queues:
            self.queues[message.inode] = Queue(message.queue)
        if message.flags > 0x7FFFFFFF or message.pos > 0x7FFFFFFFFFFFFFFF:
            raise ImageError(f"File {file.id}, a message queue, has impossible flags or position")
        self.files.append(file)

    def name(self, file: PlannedFile) -> str:
        queue = self.queues.get(file.message.inode)
        return f"the message queue /{queue.entry.name}" if queue is not None else "a message queue"

    def place(self) -> None:
        for file in self.files:
            queue = self.queues.get(file.message.inode)
            if queue is None:
                raise ImageError(f"File {file.id} is a message queue that is not in the images")
            queue.files.append(file)
        choose_place(self.context, self.files)
        for file in self.files:
            self.context.add_job(
                file.pid, Taking(self.context, file, self.queues[file.message.inode])
            )
        for queue in self.queues.values():
            if queue.entry.notify is not None:
                self._place_notify(queue)

    def _place_notify(self, queue: Queue) -> None:
        notify = queue.entry.notify
        assert notify is not None
        # To close any descriptor of the queue ends it (ipc/mqueue.c, mqueue_flush_file): so who
        # waits has one, and it is late, when nothing is closed any more.
        for file in queue.files:
            for pid, fd, _ in file.users:
                if pid == notify.pid:
                    self.context.add_late(pid, Notifying(queue, fd))
                    return
        raise ImageError(
            f"Task {notify.pid} is to be told of messages in /{queue.entry.name}",
            because="which it does not have open",
        )

    def check(self, root: int) -> None:
        for queue in self.queues.values():
            queue.check()

    def create(self, tool_pid: int, root: int) -> None:
        for queue in self.queues.values():
            queue.create()

    def close(self, *, restored: bool) -> None:
        for queue in self.queues.values():
            queue.close(restored=restored)


class Taking:
    """Takes an open file of a queue over from crtools."""

    def __init__(self, context: PlanContext, file: PlannedFile, queue: Queue) -> None:
        self.context = context
        self.file = file
        self.queue = queue

    def __call__(self, programs: Programs) -> None:
        file = self.file
        cloexec = file.users[0][2]
        held = self.queue.held[file.id]
        self.context.take_inherited(programs, held, file.number, cloexec, self.what)
        pos = file.message.pos
        if pos:
            programs.need(128).call(SYS_lseek, file.number, pos, SEEK_SET, label=self.what)

    def what(self) -> str:
        return self.context.describe(self.file)


class Notifying:
    """Has a process told of the next message."""

    def __init__(self, queue: Queue, fd: int) -> None:
        self.queue = queue
        self.fd = fd

    def __call__(self, programs: Programs) -> None:
        notify = self.queue.entry.notify
        assert notify is not None
        program = programs.need(512)
        event = program.put(_SIGEVENT.pack(notify.value, notify.signo, notify.notify))
        program.call(
            SYS_mq_notify,
            self.fd,
            event,
            label=lambda: f"be told of messages in /{self.queue.entry.name}",
        )
