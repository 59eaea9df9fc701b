"""Connections of unix sockets that wait to be accepted, with what was sent over them already.

The side that is to be accepted has no descriptor yet, so no call shows its queue. It is read from
the kernel's memory (crtools.tracee.kernel_sockets): each packet in the queue of the socket that
listens belongs to one such side (net/unix/af_unix.c, unix_stream_connect), in whose own queue is
what was sent. There, as nowhere else, is also what a client has left that is closed: its name and
credentials.
"""

from __future__ import annotations

import os

from crtools.errors import MissingFeature, PermissionDenied
from crtools.images.messages.crtools_unix import (
    UnixCredsEntry,
    UnixPacketEntry,
    UnixWaitingEntry,
)
from crtools.kinds.files.unix_queue import SCM_MAX_FD
from crtools.tracee.kernel_sockets import KernelSockets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from crtools.kinds.files.base import DumpContext, OpenFile
    from crtools.tracee.kernel_memory import Record

_FAMILY_BYTES = 2
_MOST_GROUPS = 65536  # NGROUPS_MAX


class WaitingReader:
    """Reads them for one dump; from `FileDumper.check` on."""

    def __init__(self, context: DumpContext) -> None:
        self.context = context
        self._sockets: KernelSockets | None = None
        self._files: dict[int, int] | None = None  # struct file: the id of the open file
        self._creds: dict[tuple[int, int], UnixCredsEntry] = {}  # by struct pid, struct cred
        self._has_urgent: bool | None = None

    def read(self, listener: OpenFile, clients: Sequence[int]) -> list[UnixWaitingEntry]:
        """The connections that wait at a socket, of clients with these inodes (0: closed), in the
        order in which they will be accepted. Raises UnsupportedObject."""
        try:
            return self._read(listener, clients)
        except (MissingFeature, PermissionDenied) as error:
            raise self.context.refuse(
                listener,
                "data was sent over a connection that waits to be accepted, or its maker has"
                " closed it",
                f"that is in the kernel's memory only, which cannot be read: {error.because}",
                "dump when the program has accepted it, or run as root, with CAP_BPF,"
                " CAP_PERFMON and CAP_SYS_ADMIN",
            ) from error

    def _read(self, listener: OpenFile, clients: Sequence[int]) -> list[UnixWaitingEntry]:
        if self._sockets is None:
            self._sockets = KernelSockets()
        sockets, memory = self._sockets, self._sockets.memory
        fd = self.context.borrow(listener)
        try:
            requests = sockets.read_queue(sockets.find(fd))
        finally:
            os.close(fd)
        sides = [memory.record(request.number("sk"), "unix_sock") for request in requests]
        peers = [side.number("peer") for side in sides]
        open_ = [bool(peer and memory.pointer(peer, "sock", "sk_socket")) for peer in peers]
        if open_ != [bool(client) for client in clients]:
            raise MissingFeature(
                "Cannot look into the kernel",
                because="others wait there than sock_diag has told",
            )
        return [
            self._entry(listener, side, peer, client)
            for side, peer, client in zip(sides, peers, clients, strict=True)
        ]

    def _entry(self, listener: OpenFile, side: Record, peer: int, client: int) -> UnixWaitingEntry:
        assert self._sockets is not None
        entry = UnixWaitingEntry(client=client, creds=self._peer_creds(side))
        if not client and peer:
            entry.name = self._name(peer) or None
        urgent = self._urgent(side)
        packets: list[UnixPacketEntry] = []
        data: list[bytes] = []
        for index, packet in enumerate(self._sockets.read_queue(side.address)):
            about = self._about(listener, packet)
            about.index = index
            if packet.address == urgent:
                about.urgent = True
            packets.append(about)
            data.append(self._sockets.read_data(packet))
        entry.packets, entry.data = packets, data
        return entry

    def _urgent(self, side: Record) -> int:
        """The packet with the urgent byte, if there is one."""
        if self._has_urgent is None:
            try:
                side.number("oob_skb")
                self._has_urgent = True
            except MissingFeature:
                self._has_urgent = False  # a kernel without CONFIG_AF_UNIX_OOB
        return side.number("oob_skb") if self._has_urgent else 0

    def _about(self, listener: OpenFile, packet: Record) -> UnixPacketEntry:
        """Who has sent a packet, and with which descriptors."""
        assert self._sockets is not None
        memory, control = self._sockets.memory, self._sockets.control
        about = UnixPacketEntry(index=0)
        pid = control(packet, "unix_skb_parms", "pid")
        if pid:
            about.creds = UnixCredsEntry(
                pid=memory.pid_number(pid),
                uid=control(packet, "unix_skb_parms", "uid", 4),
                gid=control(packet, "unix_skb_parms", "gid", 4),
            )
        rights = control(packet, "unix_skb_parms", "fp")
        if rights:
            count = memory.unsigned(rights, "scm_fp_list", "count") & 0xFFFF
            if count > SCM_MAX_FD:
                raise MissingFeature(
                    "Cannot look into the kernel",
                    because=f"{count} descriptors are in one message",
                )
            first = memory.at(rights, "scm_fp_list", "fp")
            about.rights = [
                self._id_of(listener, memory.word(first + 8 * index)) for index in range(count)
            ]
        return about

    def _peer_creds(self, side: Record) -> UnixCredsEntry | None:
        """What SO_PEERCRED and SO_PEERGROUPS will say."""
        pid, cred = side.number("sk.sk_peer_pid"), side.number("sk.sk_peer_cred")
        if not pid or not cred:
            return None
        key = pid, cred
        if key not in self._creds:
            self._creds[key] = self._read_creds(pid, cred)
        return self._creds[key]

    def _read_creds(self, pid: int, cred: int) -> UnixCredsEntry:
        assert self._sockets is not None
        memory = self._sockets.memory
        group_info = memory.pointer(cred, "cred", "group_info")
        count = memory.unsigned(group_info, "group_info", "ngroups")
        if count > _MOST_GROUPS:
            raise MissingFeature(
                "Cannot look into the kernel", because=f"a process is in {count} groups"
            )
        groups = memory.block(memory.at(group_info, "group_info", "gid"), 4 * count)
        return UnixCredsEntry(
            pid=memory.pid_number(pid),
            uid=memory.unsigned(cred, "cred", "euid"),
            gid=memory.unsigned(cred, "cred", "egid"),
            groups=list(memoryview(groups).cast("I")),
        )

    def _name(self, sock: int) -> bytes:
        """The address that a socket is bound to, without the family."""
        assert self._sockets is not None
        memory = self._sockets.memory
        address = memory.pointer(sock, "unix_sock", "addr")
        if not address:
            return b""
        length = memory.unsigned(address, "unix_address", "len")
        name = memory.at(address, "unix_address", "name")
        return memory.block(name, length)[_FAMILY_BYTES:]

    # --- Descriptors ---

    def _id_of(self, listener: OpenFile, file: int) -> int:
        """The open file of the tree that a struct file is."""
        if self._files is None:
            self._files = self._find_files()
        id = self._files.get(file)
        if id is None:
            raise self.context.refuse(
                listener,
                "a descriptor was sent over a connection that waits to be accepted",
                "no process of the tree has what it leads to open besides, so crtools cannot"
                " have it either",
                "dump when the program has accepted the connection",
            )
        return id

    def _find_files(self) -> dict[int, int]:
        """Where the kernel has the open files of the tree."""
        assert self._sockets is not None
        memory = self._sockets.memory
        tables: dict[int, int] = {}
        found: dict[int, int] = {}
        for id, (tid, fd) in self.context.lookup().places.items():
            table = tables.get(tid)
            if table is None:
                proc = os.open(str(tid), os.O_RDONLY | os.O_DIRECTORY, dir_fd=self.context.proc)
                try:
                    files = memory.pointer(memory.task_of(proc), "task_struct", "files")
                finally:
                    os.close(proc)
                descriptors = memory.pointer(files, "files_struct", "fdt")
                table = tables[tid] = memory.pointer(descriptors, "fdtable", "fd")
            found[memory.word(table + 8 * fd)] = id
        return found
