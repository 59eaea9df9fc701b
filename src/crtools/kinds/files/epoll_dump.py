"""An epoll set, dumped: what it watches, what is ready and what the program has been told of.

A watch is ready or not as the watched file is. With EPOLLET there is more to it: the program may
have been told already, and is told again only when something happens. Which it is the kernel keeps
in the list of what is ready; poll(2) on the set says whether there is anything in it. If there is,
and nothing else tells what, the kernel's memory does (docs/decisions/0018-what-epoll-has-told.md).

Whoever polls a set that watches a signalfd asks for his own signals, and the kernel takes what is
not ready for him out of the list: the program would not be told of its signals. Such sets are not
polled.
"""

from __future__ import annotations

import os
import struct

from crtools import log
from crtools.abi import kernel
from crtools.abi.clone import KCMP_EPOLL_TFD
from crtools.abi.ioctl import EPIOCGPARAMS
from crtools.abi.x86_64 import SYS_epoll_wait, SYS_ioctl, SYS_kcmp, SYS_poll
from crtools.errors import MissingFeature, PermissionDenied
from crtools.images.messages.eventpoll import EventpollFileEntry, EventpollTfdEntry
from crtools.images.messages.fdinfo import FdTypes, FileEntry
from crtools.kinds.files.base import FileDumper, OpenFile
from crtools.kinds.files.epoll import EPOLLET, EPOLLONESHOT, is_disabled
from crtools.procfs.files import misread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.images.messages.crtools_events import CrtoolsEpollEntry
    from crtools.kinds.files.base import DumpContext
    from crtools.tracee.kernel_memory import KernelMemory

_SLOT = struct.Struct("<3I")  # struct kcmp_epoll_slot: efd, tfd, toff
_POLL = struct.Struct("<ihh")  # struct pollfd
_PARAMS = struct.Struct("<IHBx")  # struct epoll_params
_EVENT = struct.Struct("<IQ")  # struct epoll_event, packed
_POLLIN = 1


class Watch:
    """A line of fdinfo. `device` is as stat(2) has it, `sdev` as the kernel does; `repeated` counts
    the watches before it that have the same number; `target` and `type` are of the file in the
    images."""

    __slots__ = (
        "data",
        "device",
        "events",
        "fd",
        "inode",
        "pos",
        "repeated",
        "sdev",
        "target",
        "type",
    )

    def __init__(self, text: bytes) -> None:
        # "4 events: 80000019 data: 4  pos:0 ino:40e sdev:10"
        try:
            fd, _, events, _, data, pos, inode, device = text.split()
            self.sdev = int(device[5:], 16)
            self.fd = int(fd)
            self.events = int(events, 16)
            self.data = int(data, 16)
            self.pos = int(pos[4:])
            self.inode = int(inode[4:], 16)
        except ValueError:
            raise misread("/proc/PID/fdinfo", text) from None
        # MKDEV of linux/kdev_t.h
        self.device = os.makedev(self.sdev >> 20, self.sdev & 0xFFFFF)
        self.repeated = 0
        self.target = 0
        self.type = 0

    @property
    def is_told_once(self) -> bool:
        """Whether what is ready may be in the list or not."""
        return bool(self.events & EPOLLET) and not is_disabled(self.events)


class Set:
    """An epoll set: `ready` and `reported` are indices of watches."""

    __slots__ = ("entry", "file", "params", "ready", "reported", "watches")

    def __init__(self, file: OpenFile, entry: EventpollFileEntry, watches: list[Watch]) -> None:
        self.file = file
        self.entry = entry
        self.watches = watches
        self.params = (0, 0, 0)
        self.ready: list[int] = []
        self.reported: list[int] = []
        counts: dict[int, int] = {}
        for watch in watches:
            watch.repeated = counts.get(watch.fd, 0)
            counts[watch.fd] = watch.repeated + 1


class EpollDumper(FileDumper):
    def __init__(self, context: DumpContext) -> None:
        self.context = context
        self.sets: dict[int, Set] = {}
        self._memory: KernelMemory | None = None
        self._told = False

    def dump(self, file: OpenFile, id: int) -> FileEntry:
        entry = EventpollFileEntry(
            id=id, flags=file.flags, fown=self.context.owner_of(file), tfd=[]
        )
        watches = [Watch(text) for text in file.extra.get(b"tfd", ())]
        one = self.sets[id] = Set(file, entry, watches)
        one.params = self._read_params(file)
        self.context.watch(file, "the epoll set")
        return FileEntry(type=FdTypes.EVENTPOLL, id=id, epfd=entry)

    def _read_params(self, file: OpenFile) -> tuple[int, int, int]:
        """Microseconds and budget of busy polling, and whether it is preferred. Without them (Linux
        6.9, CONFIG_NET_RX_BUSY_POLL) nobody can have set any."""
        room = bytearray(_PARAMS.size)
        fd = self.context.borrow(file)
        try:
            result = kernel.raw(SYS_ioctl, fd, EPIOCGPARAMS, kernel.address_of(room))
        finally:
            os.close(fd)
        return _PARAMS.unpack(room) if result == 0 else (0, 0, 0)

    # --- When all tables are known ---

    def check(self) -> None:
        sets = [one for one in self.sets.values() if one.watches]
        for one in sets:
            self._find_targets(one)
        for one in sets:
            self._find_ready(one)
        self._memory = None

    def _find_targets(self, one: Set) -> None:
        # One that is in flight, and seen by ourselves, is in no table.
        file, lookup = one.file, self.context.lookup()
        ids = {entry.fd: entry for entry in self.context.tables.get(file.pid, ())}
        inodes = lookup.inodes
        raw, tid = kernel.raw, file.tid
        slot = bytearray(_SLOT.size)
        at = kernel.address_of(slot)
        for watch in one.watches:
            _SLOT.pack_into(slot, 0, file.fd, watch.fd, watch.repeated)
            there = ids.get(watch.fd)
            # kcmp walks through all watches of the set: it is asked only where it has to be, and
            # never for sockets.
            if (
                there is not None
                and inodes.get(there.id) == (watch.device, watch.inode)
                and (
                    lookup.is_alone(there.id)
                    or raw(SYS_kcmp, tid, tid, KCMP_EPOLL_TFD, watch.fd, at) == 0
                )
            ):
                watch.target, watch.type = there.id, there.type
                continue
            known = lookup.find_watched(watch.device, watch.inode, tid, at)
            if known is None:
                raise self.context.refuse(
                    file,
                    f"it is an epoll set that watches a file that was fd {watch.fd}",
                    "no process that is being dumped has that file open",
                    "dump the tree of a task that has it too, or let the program end the watch",
                )
            watch.target, watch.type = known[2:]

    def _watches_signals(self, one: Set, seen: set[int]) -> bool:
        """Whether it watches a signalfd, or a set that does."""
        for watch in one.watches:
            if watch.type == FdTypes.SIGNALFD:
                return True
            if watch.type == FdTypes.EVENTPOLL and watch.target not in seen:
                seen.add(watch.target)
                if self._watches_signals(self.sets[watch.target], seen):
                    return True
        return False

    def _find_ready(self, one: Set) -> None:
        enabled = [n for n, watch in enumerate(one.watches) if not is_disabled(watch.events)]
        once = [n for n in enabled if one.watches[n].is_told_once]
        if self._watches_signals(one, set()):
            if once:
                self._read_ready(one, once)
            return
        if not once and len(enabled) < 2:
            return
        fd = self.context.borrow(one.file)
        try:
            if not _is_ready(fd):
                one.reported = once
            elif len(enabled) == 1:
                one.ready = enabled
            elif any(one.watches[n].events & (EPOLLET | EPOLLONESHOT) for n in enabled):
                self._read_ready(one, once)
            else:
                self._take_ready(one, fd)
        finally:
            os.close(fd)

    def _take_ready(self, one: Set, fd: int) -> None:
        """The order of what is ready, of a set where all is told of as long as it is ready: it is
        put back at the end of the list in the same order."""
        room = bytearray(_EVENT.size * len(one.watches))
        count = kernel.checked(SYS_epoll_wait, fd, kernel.address_of(room), len(one.watches), 0)
        places: dict[int, list[int]] = {}
        for index, watch in enumerate(one.watches):
            places.setdefault(watch.data, []).append(index)
        for _, data in _EVENT.iter_unpack(room[: count * _EVENT.size]):
            # Of several with the same data the order does not matter: nobody can tell them apart.
            if places.get(data):
                one.ready.append(places[data].pop(0))

    def _read_ready(self, one: Set, once: list[int]) -> None:
        """What is in the list, as the kernel's memory has it."""
        if not once:
            return  # it is only the order that is not known
        try:
            if self._memory is None:
                from crtools.tracee.kernel_memory import KernelMemory

                self._memory = KernelMemory()
            one.ready = self._walk(self._memory, one)
        except (MissingFeature, PermissionDenied) as error:
            if not self._told:
                self._told = True
                log.warning(
                    f"{self.context.describe(one.file)}: it is not known which events with EPOLLET"
                    " the program has been told of; those that are ready it will be told of again"
                    f" ({error.because})",
                    pid=one.file.pid,
                )
            return
        one.reported = sorted(set(once) - set(one.ready))

    def _walk(self, memory: KernelMemory, one: Set) -> list[int]:
        """The list of struct eventpoll: from the one that is told of first."""
        fd = self.context.borrow(one.file)
        try:
            head = memory.at(memory.private_data(fd), "eventpoll", "rdllist")
        finally:
            os.close(fd)
        link = memory.types.offset("epitem", "rdllink")
        places: dict[tuple[int, int], list[int]] = {}
        for index, watch in enumerate(one.watches):
            places.setdefault((watch.fd, watch.data), []).append(index)
        found: list[int] = []
        at = memory.word(head)
        while at != head and len(found) < len(one.watches):
            item = at - link
            filefd = memory.at(item, "epitem", "ffd")
            event = memory.at(item, "epitem", "event")
            # struct epoll_event is packed: the data is at 4.
            key = memory.unsigned(filefd, "epoll_filefd", "fd"), memory.word(event + 4)
            same = places.get(key, [])
            if len(same) > 1:
                found.append(self._which(memory, one, same, filefd))
            elif same:
                found.append(same[0])
            at = memory.word(at)
        return found

    def _which(self, memory: KernelMemory, one: Set, same: list[int], filefd: int) -> int:
        """Of watches with one number and the same data that of a file in the kernel's memory."""
        wanted = memory.pointer(filefd, "epoll_filefd", "file")
        for index in same:
            fd = self.context.borrow_id(one.watches[index].target)
            try:
                if memory.own_file(fd) == wanted:
                    return index
            finally:
                os.close(fd)
        raise MissingFeature(
            "Cannot look into the kernel", because="an epoll set changes while it is looked at"
        )

    # --- Images ---

    def finish(self) -> None:
        own = []
        for one in self.sets.values():
            one.entry.tfd = [
                EventpollTfdEntry(
                    id=one.entry.id,
                    tfd=watch.fd,
                    events=watch.events,
                    data=watch.data,
                    dev=watch.sdev,
                    inode=watch.inode,
                    pos=watch.pos & 0xFFFFFFFFFFFFFFFF,
                )
                for watch in one.watches
            ]
            entry = self._own_entry(one)
            if entry is not None:
                own.append(entry)
        if own:
            self.context.store.write("crtools-epoll", own)

    def _own_entry(self, one: Set) -> CrtoolsEpollEntry | None:
        numbers = {entry.fd: entry.id for entry in self.context.tables.get(one.file.pid, ())}
        elsewhere = [
            index
            for index, watch in enumerate(one.watches)
            if numbers.get(watch.fd) != watch.target
        ]
        if not elsewhere and not one.ready and not one.reported and not any(one.params):
            return None
        from crtools.images.messages.crtools_events import CrtoolsEpollEntry, EpollTargetEntry

        usecs, budget, prefer = one.params
        return CrtoolsEpollEntry(
            id=one.entry.id,
            targets=[
                EpollTargetEntry(index=index, file=one.watches[index].target) for index in elsewhere
            ],
            ready=one.ready,
            reported=one.reported,
            usecs=usecs or None,
            budget=budget or None,
            prefer=bool(prefer) or None,
        )


def _is_ready(fd: int) -> bool:
    """Whether there is anything in the list that is ready; what is not any more goes, as it would
    when the program asks."""
    room = bytearray(_POLL.pack(fd, _POLLIN, 0))
    return bool(kernel.checked(SYS_poll, kernel.address_of(room), 1, 0))
