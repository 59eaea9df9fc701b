"""Every kind of image file: its name, its magic, the messages in it.

Dump, restore, the viewer, `check` and the support matrix read this one table. A message is named
"module:Class" (crtools.images.messages) and imported when it is needed, so this module is cheap.
"""

from __future__ import annotations

from crtools.errors import ImageError
from crtools.images.wire import resolve
from crtools.model.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.images.wire import Message

IMG_COMMON_MAGIC = 0x54564319  # first word of a v1.1 file
IMG_SERVICE_MAGIC = 0x55105940  # the same, for stats-* and irmap-cache
INVENTORY_MAGIC = 0x58313116


class ImageKind(Value):
    """A kind of image file.

    `pattern` is its file name; `%u`, `%lu` and `%x` stand for the id. `magic_name` is what crit
    calls `magic`; a raw file has neither, nor messages. `head` is the message of the first entry
    where that differs from the others' `message`. `extra` is the rule for raw bytes after an entry
    (crtools.images.framing), "" for none. `single`: the file has exactly one entry.
    """

    key: str
    pattern: str
    magic_name: str = ""
    magic: int = 0
    message: str = ""
    head: str = ""
    extra: str = ""
    single: bool = False
    service: bool = False

    @property
    def raw(self) -> bool:
        """Whether the file is bytes without magic and framing."""
        return not self.magic

    def file_name(self, id: int | None = None) -> str:
        """The file's name for `id`, which kinds without an id must not have.

        Raises ImageError for an id that is missing, superfluous or no unsigned 64-bit number.
        """
        if "%" not in self.pattern:
            if id is not None:
                raise ImageError(f"An image of kind {self.key} has no id", subject=(self.key,))
            return self.pattern
        if id is None or not 0 <= id < 1 << 64:
            raise ImageError(
                f"An image of kind {self.key} can't have the id {id}", subject=(self.key,)
            )
        return self.pattern % id

    def message_class(self, index: int) -> type[Message]:
        """The class of entry number `index`."""
        return resolve(self.head if self.head and index == 0 else self.message)


def _k(
    key: str,
    pattern: str,
    magic_name: str,
    magic: int,
    message: str,
    *,
    head: str = "",
    extra: str = "",
    service: bool = False,
) -> ImageKind:
    return ImageKind(
        key=key,
        pattern=pattern,
        magic_name=magic_name,
        magic=magic,
        message=message,
        head=head,
        extra=extra,
        service=service,
    )


def _one(
    key: str,
    pattern: str,
    magic_name: str,
    magic: int,
    message: str,
    *,
    extra: str = "",
    service: bool = False,
) -> ImageKind:
    return ImageKind(
        key=key,
        pattern=pattern,
        magic_name=magic_name,
        magic=magic,
        message=message,
        extra=extra,
        service=service,
        single=True,
    )


def _raw(key: str, pattern: str) -> ImageKind:
    return ImageKind(key=key, pattern=pattern)


# fmt: off
IMAGES = (
    # The set and its tasks.
    _one("inventory", "inventory.img", "INVENTORY", INVENTORY_MAGIC, "inventory:InventoryEntry"),
    _k("pstree", "pstree.img", "PSTREE", 0x50273030, "pstree:PstreeEntry"),
    _one("core", "core-%u.img", "CORE", 0x55053847, "core:CoreEntry"),
    _one("ids", "ids-%u.img", "IDS", 0x54432030, "core:TaskKobjIdsEntry"),
    _one("mm", "mm-%u.img", "MM", 0x57492820, "mm:MmEntry"),
    _one("fs", "fs-%u.img", "FS", 0x51403912, "fs:FsEntry"),
    _one("seccomp", "seccomp.img", "SECCOMP", 0x64413049, "seccomp:SeccompEntry"),
    _one("cgroup", "cgroup.img", "CGROUP", 0x59383330, "cgroup:CgroupEntry"),
    _one("cpuinfo", "cpuinfo.img", "CPUINFO", 0x61404013, "cpuinfo:CpuinfoEntry"),
    _k("apparmor", "apparmor.img", "APPARMOR", 0x59423047, "apparmor:ApparmorEntry"),

    # Memory.
    _k("pagemap", "pagemap-%u.img", "PAGEMAP", 0x56084025, "pagemap:PagemapEntry",
       head="pagemap:PagemapHead"),
    _k("pagemap-shmem", "pagemap-shmem-%lu.img", "PAGEMAP", 0x56084025, "pagemap:PagemapEntry",
       head="pagemap:PagemapHead"),
    _raw("pages", "pages-%u.img"),
    _k("memfd", "memfd.img", "MEMFD_INODE", 0x48453499, "memfd:MemfdInodeEntry"),

    # Open files.
    _k("fdinfo", "fdinfo-%u.img", "FDINFO", 0x56213732, "fdinfo:FdinfoEntry"),
    _k("files", "files.img", "FILES", 0x56303138, "fdinfo:FileEntry"),
    _k("pipes-data", "pipes-data.img", "PIPES_DATA", 0x56453709, "pipe_data:PipeDataEntry",
       extra="bytes"),
    _k("fifo-data", "fifo-data.img", "FIFO_DATA", 0x59333054, "pipe_data:PipeDataEntry",
       extra="bytes"),
    _k("sk-queues", "sk-queues.img", "SK_QUEUES", 0x56264026, "sk_packet:SkPacketEntry",
       extra="length"),
    _one("tcp-stream", "tcp-stream-%x.img", "TCP_STREAM", 0x51465506, "tcp_stream:TcpStreamEntry",
         extra="tcp-queues"),
    _k("remap-fpath", "remap-fpath.img", "REMAP_FPATH", 0x59133954,
       "remap_file_path:RemapFilePathEntry"),
    _k("ghost-file", "ghost-file-%x.img", "GHOST_FILE", 0x52583605, "ghost_file:GhostChunkEntry",
       head="ghost_file:GhostFileEntry", extra="ghost"),
    _k("tty-info", "tty-info.img", "TTY_INFO", 0x59453036, "tty:TtyInfoEntry"),
    _k("tty-data", "tty-data.img", "TTY_DATA", 0x59413026, "tty:TtyDataEntry"),
    _k("filelocks", "filelocks.img", "FILE_LOCKS", 0x54323616, "file_lock:FileLockEntry"),
    _k("bpfmap-data", "bpfmap-data.img", "BPFMAP_DATA", 0x64324033, "bpfmap_data:BpfmapDataEntry",
       extra="keys-values"),

    # Namespaces.
    _k("utsns", "utsns-%u.img", "UTSNS", 0x54473203, "utsns:UtsnsEntry"),
    _k("ipcns-var", "ipcns-var-%u.img", "IPC_VAR", 0x53115007, "ipc_var:IpcVarEntry"),
    _k("ipcns-shm", "ipcns-shm-%u.img", "IPCNS_SHM", 0x46283044, "ipc_shm:IpcShmEntry",
       extra="ipc-shm"),
    _k("ipcns-sem", "ipcns-sem-%u.img", "IPCNS_SEM", 0x59573019, "ipc_sem:IpcSemEntry",
       extra="ipc-sem"),
    _k("ipcns-msg", "ipcns-msg-%u.img", "IPCNS_MSG", 0x55453737, "ipc_msg:IpcMsgEntry",
       extra="ipc-msg"),
    _k("timens", "timens-%u.img", "TIMENS", 0x43114433, "timens:TimensEntry"),
    _k("pidns", "pidns-%u.img", "PIDNS", 0x61157326, "pidns:PidnsEntry"),
    _k("userns", "userns-%u.img", "USERNS", 0x55474906, "userns:UsernsEntry"),
    _k("mountpoints", "mountpoints-%u.img", "MNTS", 0x55563928, "mnt:MntEntry"),
    _k("netns", "netns-%u.img", "NETNS", 0x55933752, "netdev:NetnsEntry"),
    _k("netdev", "netdev-%u.img", "NETDEV", 0x57373951, "netdev:NetDeviceEntry"),
    _k("autofs", "autofs-%u.img", "AUTOFS", 0x49353943, "autofs:AutofsEntry"),
    _k("binfmt-misc", "binfmt-misc.img", "BINFMT_MISC", 0x67343323,
       "binfmt_misc:BinfmtMiscEntry"),
    _raw("ifaddr", "ifaddr-%u.img"),
    _raw("route", "route-%u.img"),
    _raw("route6", "route6-%u.img"),
    _raw("rule", "rule-%u.img"),
    _raw("iptables", "iptables-%u.img"),
    _raw("ip6tables", "ip6tables-%u.img"),
    _raw("nftables", "nftables-%u.img"),
    _raw("netns-ct", "netns-ct-%u.img"),
    _raw("netns-exp", "netns-exp-%u.img"),
    _raw("tmpfs", "tmpfs-%u.tar.gz.img"),
    _raw("tmpfs-dev", "tmpfs-dev-%u.tar.gz.img"),

    # Figures and caches.
    _one("stats-dump", "stats-dump", "STATS", 0x57093306, "stats:StatsEntry", service=True),
    _one("stats-restore", "stats-restore", "STATS", 0x57093306, "stats:StatsEntry", service=True),
    _k("irmap-cache", "irmap-cache", "IRMAP_CACHE", 0x57004059, "fh:IrmapCacheEntry",
       service=True),

    # Older sets have these as files of their own; today they are inside core and files.
    _one("creds", "creds-%u.img", "CREDS", 0x54023547, "creds:CredsEntry"),
    _k("itimers", "itimers-%u.img", "ITIMERS", 0x57464056, "timer:ItimerEntry"),
    _k("posix-timers", "posix-timers-%u.img", "POSIX_TIMERS", 0x52603957,
       "timer:PosixTimerEntry"),
    _k("sigacts", "sigacts-%u.img", "SIGACT", 0x55344201, "sa:SaEntry"),
    _k("rlimit", "rlimit-%u.img", "RLIMIT", 0x57113925, "rlimit:RlimitEntry"),
    _k("vmas", "vmas-%u.img", "VMAS", 0x54123737, "vma:VmaEntry"),
    _k("reg-files", "reg-files.img", "REG_FILES", 0x50363636, "regfile:RegFileEntry"),
    _k("ext-files", "ext-files.img", "EXT_FILES", 0x59255641, "ext_file:ExtFileEntry"),
    _k("ns-files", "ns-files.img", "NS_FILES", 0x61394011, "ns:NsFileEntry"),
    _k("unixsk", "unixsk.img", "UNIXSK", 0x54373943, "sk_unix:UnixSkEntry"),
    _k("inetsk", "inetsk.img", "INETSK", 0x56443851, "sk_inet:InetSkEntry"),
    _k("packetsk", "packetsk.img", "PACKETSK", 0x60454618, "packet_sock:PacketSockEntry"),
    _k("netlinksk", "netlinksk.img", "NETLINK_SK", 0x58005614, "sk_netlink:NetlinkSkEntry"),
    _k("pipes", "pipes.img", "PIPES", 0x56513555, "pipe:PipeEntry"),
    _k("fifo", "fifo.img", "FIFO", 0x58364939, "fifo:FifoEntry"),
    _k("eventfd", "eventfd.img", "EVENTFD_FILE", 0x44523722, "eventfd:EventfdFileEntry"),
    _k("eventpoll", "eventpoll.img", "EVENTPOLL_FILE", 0x45023858,
       "eventpoll:EventpollFileEntry"),
    _k("eventpoll-tfd", "eventpoll-tfd.img", "EVENTPOLL_TFD", 0x44433746,
       "eventpoll:EventpollTfdEntry"),
    _k("signalfd", "signalfd.img", "SIGNALFD", 0x57323820, "signalfd:SignalfdEntry"),
    _k("inotify", "inotify.img", "INOTIFY_FILE", 0x48424431, "fsnotify:InotifyFileEntry"),
    _k("inotify-wd", "inotify-wd.img", "INOTIFY_WD", 0x54562009, "fsnotify:InotifyWdEntry"),
    _k("fanotify", "fanotify.img", "FANOTIFY_FILE", 0x55096122, "fsnotify:FanotifyFileEntry"),
    _k("fanotify-mark", "fanotify-mark.img", "FANOTIFY_MARK", 0x56506035,
       "fsnotify:FanotifyMarkEntry"),
    _k("tty", "tty.img", "TTY_FILES", 0x59433025, "tty:TtyFileEntry"),
    _k("tunfile", "tunfile.img", "TUNFILE", 0x57143751, "tun:TunfileEntry"),
    _k("timerfd", "timerfd.img", "TIMERFD", 0x50493712, "timerfd:TimerfdEntry"),
    _k("pidfd", "pidfd.img", "PIDFD", 0x54435556, "pidfd:PidfdEntry"),
    _k("bpfmap-file", "bpfmap-file.img", "BPFMAP_FILE", 0x57506142, "bpfmap_file:BpfmapFileEntry"),

    # Our own: state that the schema has no field for. Other tools leave these files alone.
    _k("crtools-task", "crtools-task-%u.img", "CRTOOLS_TASK", 0x43520001,
       "crtools:CrtoolsTaskEntry"),
    _k("crtools-huge", "crtools-huge-%u.img", "CRTOOLS_HUGE", 0x43522501,
       "crtools_huge:CrtoolsHugeEntry"),
    _k("crtools-pages", "crtools-pages-%u.img", "CRTOOLS_PAGES", 0x43522500,
       "crtools_pages:CrtoolsPagesEntry"),
    _k("crtools-unix", "crtools-unix.img", "CRTOOLS_UNIX", 0x435200A1,
       "crtools_unix:CrtoolsUnixEntry"),
    _k("crtools-shm", "crtools-shm.img", "CRTOOLS_SHM", 0x43520080,
       "crtools_kinds:CrtoolsShmEntry"),
    _k("crtools-uring", "crtools-uring.img", "CRTOOLS_URING", 0x43520081,
       "crtools_kinds:CrtoolsUringEntry"),
    _k("crtools-memfd", "crtools-memfd.img", "CRTOOLS_MEMFD", 0x43520070,
       "crtools_kinds:CrtoolsMemfdEntry"),
    _k("crtools-lease", "crtools-lease.img", "CRTOOLS_LEASE", 0x43520B01,
       "crtools_locks:CrtoolsLeaseEntry"),
    _k("crtools-maplock", "crtools-maplock.img", "CRTOOLS_MAPLOCK", 0x43520B04,
       "crtools_locks:CrtoolsMappedLockEntry"),
    _k("crtools-pipe", "crtools-pipe.img", "CRTOOLS_PIPE", 0x43520B02,
       "crtools_pipes:CrtoolsPipeEntry"),
    _k("crtools-autofs", "crtools-autofs.img", "CRTOOLS_AUTOFS", 0x43521905,
       "crtools_autofs:CrtoolsAutofsEntry"),
    _k("crtools-fifo", "crtools-fifo.img", "CRTOOLS_FIFO", 0x43520B03,
       "crtools_pipes:CrtoolsPipeEntry"),
    _k("crtools-tty", "crtools-tty.img", "CRTOOLS_TTY", 0x43520090,
       "crtools_kinds:CrtoolsTtyEntry"),
    _k("crtools-socket", "crtools-socket.img", "CRTOOLS_SOCKET", 0x43520150,
       "crtools_socket:CrtoolsSocketEntry"),
    _k("crtools-datagrams", "crtools-datagrams.img", "CRTOOLS_DATAGRAMS", 0x43520151,
       "crtools_socket:CrtoolsDatagramEntry", extra="length"),
    _k("crtools-packet", "crtools-packet.img", "CRTOOLS_PACKET", 0x43520152,
       "crtools_packet:CrtoolsPacketEntry", extra="length"),
    _k("crtools-corked", "crtools-corked.img", "CRTOOLS_CORKED", 0x43520154,
       "crtools_corked:CrtoolsCorkedEntry"),
    _k("crtools-netlink", "crtools-netlink.img", "CRTOOLS_NETLINK", 0x43520153,
       "crtools_netlink:CrtoolsNetlinkEntry"),
    _k("crtools-inotify", "crtools-inotify.img", "CRTOOLS_INOTIFY", 0x43521900,
       "crtools_notify:CrtoolsInotifyEntry"),
    _k("crtools-fanotify", "crtools-fanotify.img", "CRTOOLS_FANOTIFY", 0x43521903,
       "crtools_notify:CrtoolsFanotifyEntry"),
    _k("crtools-tun", "crtools-tun.img", "CRTOOLS_TUN", 0x43521904, "crtools_tun:CrtoolsTunEntry"),
    _k("crtools-mqueue", "crtools-mqueue.img", "CRTOOLS_MQUEUE", 0x43521901,
       "crtools_mqueue:CrtoolsMqueueEntry"),
    _k("crtools-namespace", "crtools-namespace.img", "CRTOOLS_NAMESPACE", 0x43521902,
       "crtools_namespace:CrtoolsNamespaceEntry"),
    _k("crtools-ghost", "crtools-ghost.img", "CRTOOLS_GHOST", 0x43520020,
       "crtools_ghost:CrtoolsGhostEntry"),
    _k("crtools-path", "crtools-path.img", "CRTOOLS_PATH", 0x43520021,
       "crtools_path:CrtoolsPathEntry"),
    _k("crtools-hint", "crtools-hint.img", "CRTOOLS_HINT", 0x43520022,
       "crtools_hint:CrtoolsHintEntry"),
    _one("crtools-tracking", "crtools-tracking.img", "CRTOOLS_TRACKING", 0x43520240,
         "crtools_tracking:CrtoolsTrackingEntry"),
    _k("crtools-eventfd", "crtools-eventfd.img", "CRTOOLS_EVENTFD", 0x43520180,
       "crtools_events:CrtoolsEventfdEntry"),
    _k("crtools-timerfd", "crtools-timerfd.img", "CRTOOLS_TIMERFD", 0x43520181,
       "crtools_events:CrtoolsTimerfdEntry"),
    _k("crtools-epoll", "crtools-epoll.img", "CRTOOLS_EPOLL", 0x43520182,
       "crtools_events:CrtoolsEpollEntry"),
    _k("crtools-pidfd", "crtools-pidfd.img", "CRTOOLS_PIDFD", 0x43520183,
       "crtools_events:CrtoolsPidfdEntry"),
    _k("crtools-checksums", "crtools-checksums.img", "CRTOOLS_CHECKSUMS", 0x43520E01,
       "crtools_checksums:CrtoolsChecksumsEntry", head="crtools_checksums:CrtoolsChecksumsHead"),
)
# fmt: on

BY_KEY = {kind.key: kind for kind in IMAGES}


def find_by_name(name: str) -> tuple[ImageKind, int | None] | None:
    """The kind and the id of the file called `name`, None if no kind is called so."""
    for kind in IMAGES:
        head, percent, tail = kind.pattern.partition("%")
        if not percent:
            if name == head:
                return kind, None
            continue
        base = 16 if tail[0] == "x" else 10
        suffix = tail.lstrip("lux")
        digits = name[len(head) : len(name) - len(suffix)]
        if not name.startswith(head) or not name.endswith(suffix) or not digits.isalnum():
            continue
        try:
            id = int(digits, base)
        except ValueError:
            continue
        if kind.pattern % id == name:
            return kind, id
    return None


def find_by_magic(magic: int) -> ImageKind | None:
    """The first kind with this magic; pagemaps share one, and so do the two stats files."""
    for kind in IMAGES:
        if kind.magic == magic and magic:
            return kind
    return None


def find_by_magic_name(name: str) -> ImageKind | None:
    """The first kind that crit calls `name`, as in the "magic" of a decoded file."""
    for kind in IMAGES:
        if kind.magic_name == name and name:
            return kind
    return None
