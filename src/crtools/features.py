"""What this kernel, with the privileges we have, lets us do: tried, never inferred from a version.

Each probe does the real thing to itself or to a child made for it, and says why it failed. Also
the names of `check --feature`: which of them crtools can serve, and by which probe.

Probes run in single-threaded commands: they fork. Those of what only some tasks have are in
probes.py.
"""

from __future__ import annotations

import errno
import os
import struct

from crtools.abi import x86_64 as syscalls
from crtools.abi.clone import KCMP_FILE
from crtools.abi.fcntl import AT_EMPTY_PATH, AT_FDCWD, RESOLVE_IN_ROOT
from crtools.abi.ioctl import PAGE_IS_GUARD, PAGE_IS_PRESENT, PAGEMAP_SCAN
from crtools.abi.kernel import PAGE, address_of, checked, raw
from crtools.abi.mman import MAP_ANONYMOUS, MAP_FIXED_NOREPLACE, MAP_PRIVATE, PROT_NONE
from crtools.abi.prctl import (
    ARCH_MAP_VDSO_64,
    PR_GET_TID_ADDRESS,
    PR_SET_MM,
    PR_SET_MM_MAP,
    PR_TIMER_CREATE_RESTORE_IDS,
    PR_TIMER_CREATE_RESTORE_IDS_GET,
)
from crtools.abi.signals import SIGCHLD
from crtools.changes import find_method
from crtools.errors import InternalError, UsageError
from crtools.probes import PROBES, in_child, with_child, with_tracee

TYPE_CHECKING = False
if TYPE_CHECKING:
    pass

# linux/ptrace.h; the layer that has them all, tracee, lies above this one.
_PTRACE_POKEUSER = 6
_PTRACE_GETREGSET = 0x4204
_PTRACE_SEIZE = 0x4206
_PTRACE_INTERRUPT = 0x4207
_PTRACE_PEEKSIGINFO = 0x4209
_PTRACE_GETSIGMASK = 0x420A
_PTRACE_SETSIGMASK = 0x420B
_PTRACE_GET_RSEQ_CONFIGURATION = 0x420F
_PTRACE_O_SUSPEND_SECCOMP = 1 << 21
_NT_X86_XSTATE = 0x202  # linux/elf.h
_OFFSET_OF_DEBUGREG = 848  # sys/user.h: offsetof(struct user, u_debugreg)
_MFD_EXEC = 0x10  # linux/memfd.h

# A program of nine bytes: mov eax, 60; xor edi, edi; syscall (exit with 0).
_EXIT_ZERO = b"\xb8\x3c\x00\x00\x00\x31\xff\x0f\x05"


def probe(name: str) -> str:
    """Why the named probe fails here; "" where it succeeds. Asked once, remembered after that."""
    if name not in _answers:
        entry = _PROBES.get(name)
        if entry is None:
            raise InternalError(f"There is no probe {name!r}")
        try:
            _answers[name] = entry()
        except OSError as error:
            _answers[name] = error.strerror or str(error)
    return _answers[name]


def probe_feature(name: str) -> str:
    """Why crtools can't do what a name of `check --feature` stands for; "" where it can.

    Raises UsageError for a name that does not exist.
    """
    if name in SERVED:
        return probe(SERVED[name])
    if name in NOT_SERVED:
        return f"crtools does not carry {NOT_SERVED[name]} yet"
    raise UsageError(f"Unknown feature {name}", hint="`check --feature list` prints those known")


# --- What tasks look like ---


def _try_proc_children() -> str:
    with open(f"/proc/self/task/{os.getpid()}/children", "rb") as file:
        file.read()
    return ""


def _try_ns_pid() -> str:
    with open("/proc/self/status", "rb") as file:
        return "" if b"\nNSpid:" in file.read() else "/proc/PID/status has no NSpid"


def _try_mnt_id() -> str:
    some = os.open("/proc/self/status", os.O_RDONLY | os.O_CLOEXEC)
    try:
        with open(f"/proc/self/fdinfo/{some}", "rb") as file:
            return "" if b"mnt_id:" in file.read() else "/proc/PID/fdinfo has no mnt_id"
    finally:
        os.close(some)


def _try_map_files() -> str:
    def open_one(pid: int) -> int:
        directory = f"/proc/{pid}/map_files"
        for name in os.listdir(directory):
            os.close(os.open(f"{directory}/{name}", os.O_RDONLY | os.O_CLOEXEC))
            return 0
        return errno.ENOENT

    return with_child(open_one)


def _try_pagemap_scan() -> str:
    return _scan_pages(PAGE_IS_PRESENT)


def _try_tracking() -> str:
    return "" if find_method() else "neither soft-dirty bits nor userfaultfd's WP_ASYNC"


def _try_guard_pages() -> str:
    return _scan_pages(PAGE_IS_GUARD)


def _scan_pages(category: int) -> str:
    memory = bytearray(2 * PAGE)
    start = address_of(memory) & -PAGE
    regions = bytearray(24)
    argument = bytearray(
        # struct pm_scan_arg: size, flags, start, end, walk_end, vec, vec_len, max_pages,
        # category_inverted, category_mask, category_anyof_mask, return_mask
        struct.pack(
            "=12Q", 96, 0, start, start + PAGE, 0, address_of(regions), 1, 0, 0, 0, 0, category
        )
    )
    fd = os.open("/proc/self/pagemap", os.O_RDONLY | os.O_CLOEXEC)
    try:
        checked(syscalls.SYS_ioctl, fd, PAGEMAP_SCAN, address_of(argument))
    finally:
        os.close(fd)
    return ""


def _try_kcmp() -> str:
    first = os.open("/proc/self/stat", os.O_RDONLY | os.O_CLOEXEC)
    second = os.dup(first)
    try:
        me = os.getpid()
        same = checked(syscalls.SYS_kcmp, me, me, KCMP_FILE, first, second) == 0
    finally:
        os.close(first)
        os.close(second)
    return "" if same else "kcmp takes two names of one file for two files"


def _try_pidfd_getfd() -> str:
    def take_input(pid: int) -> int:
        pidfd = os.pidfd_open(pid)
        try:
            os.close(checked(syscalls.SYS_pidfd_getfd, pidfd, reader, 0))
        finally:
            os.close(pidfd)
        return 0

    reader, writer = os.pipe()
    try:
        return with_child(take_input)
    finally:
        os.close(reader)
        os.close(writer)


def _try_foreign_memory() -> str:
    word = bytearray(8)
    address = address_of(word)

    def write_and_read(pid: int) -> int:
        fd = os.open(f"/proc/{pid}/mem", os.O_RDWR | os.O_CLOEXEC)
        try:
            os.pwrite(fd, b"crtools!", address)
            return 0 if os.pread(fd, 8, address) == b"crtools!" else errno.EIO
        finally:
            os.close(fd)

    return with_child(write_and_read)


def _try_tid_address() -> str:
    place = bytearray(8)
    checked(syscalls.SYS_prctl, PR_GET_TID_ADDRESS, address_of(place), 0, 0, 0)
    return ""


# --- ptrace ---


def _try_ptrace() -> str:
    return with_tracee(lambda pid: 0)


def _try_signal_mask() -> str:
    def read_and_write(pid: int) -> int:
        mask = bytearray(8)
        checked(syscalls.SYS_ptrace, _PTRACE_GETSIGMASK, pid, 8, address_of(mask))
        return -raw(syscalls.SYS_ptrace, _PTRACE_SETSIGMASK, pid, 8, address_of(mask))

    return with_tracee(read_and_write)


def _try_pending_signals() -> str:
    def peek(pid: int) -> int:
        # struct ptrace_peeksiginfo_args: off, flags, nr
        what = bytearray(struct.pack("=QIi", 0, 0, 1))
        info = bytearray(128)
        found = raw(
            syscalls.SYS_ptrace, _PTRACE_PEEKSIGINFO, pid, address_of(what), address_of(info)
        )
        return max(0, -found)

    return with_tracee(peek)


def _try_xstate() -> str:
    def read(pid: int) -> int:
        state = bytearray(1 << 16)
        vector = bytearray(struct.pack("=QQ", address_of(state), len(state)))
        return -raw(syscalls.SYS_ptrace, _PTRACE_GETREGSET, pid, _NT_X86_XSTATE, address_of(vector))

    return with_tracee(read)


def _try_rseq() -> str:
    def read(pid: int) -> int:
        # struct ptrace_rseq_configuration, 24 bytes; the result is its size
        area = bytearray(24)
        size = raw(
            syscalls.SYS_ptrace, _PTRACE_GET_RSEQ_CONFIGURATION, pid, len(area), address_of(area)
        )
        return max(0, -size)

    return with_tracee(read)


def _try_breakpoints() -> str:
    def set_one(pid: int) -> int:
        poke = syscalls.SYS_ptrace, _PTRACE_POKEUSER, pid
        # Debug register 0 has the address, bit 0 of register 7 makes it an execution breakpoint.
        checked(*poke, _OFFSET_OF_DEBUGREG, PAGE)
        return -raw(*poke, _OFFSET_OF_DEBUGREG + 7 * 8, 1)

    return with_tracee(set_one)


def _try_seccomp_suspend() -> str:
    return with_tracee(lambda pid: 0, options=_PTRACE_O_SUSPEND_SECCOMP)


# --- Bringing tasks back ---


def _try_clone_with_pid() -> str:
    for _ in range(8):
        # A pid that was in use a moment ago is free now; on a busy machine maybe not any more.
        free = os.fork()
        if not free:
            os._exit(0)
        os.waitpid(free, 0)
        wanted = bytearray(struct.pack("=i", free))
        # struct clone_args: exit_signal is the fifth word, set_tid and its length 9th and 10th
        arguments = bytearray(
            struct.pack("=11Q", 0, 0, 0, 0, SIGCHLD, 0, 0, 0, address_of(wanted), 1, 0)
        )
        pid = raw(syscalls.SYS_clone3, address_of(arguments), len(arguments))
        if pid == 0:
            os._exit(0)
        if pid > 0:
            os.waitpid(pid, 0)
            return "" if pid == free else "clone3 chose another pid than it was told"
        if pid != -errno.EEXIST:
            return os.strerror(-pid)
    return "no free pid was found"


def _try_mm_map() -> str:
    def set_own() -> int:
        with open("/proc/self/stat", "rb") as file:
            # proc(5) numbers the fields from 1; the name, field 2, may hold blanks and brackets.
            fields = [b"", b"", b"", *file.read().rpartition(b")")[2].split()]
        start_code, end_code, start_stack = (int(fields[n]) for n in (26, 27, 28))
        start_data, end_data, start_brk = (int(fields[n]) for n in (45, 46, 47))
        arguments = [int(fields[n]) for n in (48, 49, 50, 51)]
        brk = checked(syscalls.SYS_brk, 0)
        # struct prctl_mm_map: no auxv (address and size 0), exe_fd -1: the executable stays.
        areas = bytearray(
            struct.pack(
                "=12Q2I",
                *(start_code, end_code, start_data, end_data, start_brk, brk, start_stack),
                *(*arguments, 0, 0, 0xFFFFFFFF),
            )
        )
        where = address_of(areas)
        return -raw(syscalls.SYS_prctl, PR_SET_MM, PR_SET_MM_MAP, where, len(areas), 0)

    return in_child(set_own)


def _try_vdso() -> str:
    def move() -> int:
        low = high = 0
        with open("/proc/self/maps") as file:
            for line in file:
                if line.rstrip().endswith(("[vvar]", "[vvar_vclock]", "[vdso]")):
                    start, end = (int(word, 16) for word in line.split()[0].split("-"))
                    low, high = low or start, end
        if not low:
            return errno.ENOENT
        checked(syscalls.SYS_munmap, low, high - low)
        return -min(0, raw(syscalls.SYS_arch_prctl, ARCH_MAP_VDSO_64, low))

    return in_child(move)


def _try_fixed_noreplace() -> str:
    memory = bytearray(3 * PAGE)
    taken = (address_of(memory) + PAGE) & -PAGE
    flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE
    result = raw(syscalls.SYS_mmap, taken, PAGE, PROT_NONE, flags, 0xFFFFFFFFFFFFFFFF, 0)
    if result == -errno.EEXIST:
        return ""
    if result > 0:
        checked(syscalls.SYS_munmap, result, PAGE)
    return "mmap does not know MAP_FIXED_NOREPLACE"


def _try_memfd_exec() -> str:
    flags = os.MFD_CLOEXEC | _MFD_EXEC
    try:
        fd = os.memfd_create("crtools-check", flags)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        # A kernel that does not know MFD_EXEC makes every memfd executable.
        fd = os.memfd_create("crtools-check", os.MFD_CLOEXEC)
    base = 0x400000
    size = 64 + 56 + len(_EXIT_ZERO)
    # elf(5): Elf64_Ehdr (ET_EXEC, EM_X86_64), one Elf64_Phdr (PT_LOAD, readable, executable)
    header = b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + struct.pack(
        "=HHIQQQIHHHHHH", 2, 62, 1, base + 120, 64, 0, 0, 64, 56, 1, 0, 0, 0
    )
    segment = struct.pack("=IIQQQQQQ", 1, 5, 0, base, base, size, size, PAGE)
    empty = bytearray(b"\0")
    nothing = bytearray(8)

    def run() -> int:
        where, none = address_of(empty), address_of(nothing)
        return -raw(syscalls.SYS_execveat, fd, where, none, none, AT_EMPTY_PATH)

    try:
        os.write(fd, header + segment + _EXIT_ZERO)
        return in_child(run)
    finally:
        os.close(fd)


def _try_timer_ids() -> str:
    checked(syscalls.SYS_prctl, PR_TIMER_CREATE_RESTORE_IDS, PR_TIMER_CREATE_RESTORE_IDS_GET)
    return ""


def _try_openat2() -> str:
    # struct open_how: flags, mode, resolve
    how = bytearray(struct.pack("=3Q", os.O_PATH | os.O_CLOEXEC, 0, RESOLVE_IN_ROOT))
    path = bytearray(b"/\0")
    root = os.open("/", os.O_PATH | os.O_CLOEXEC)
    try:
        os.close(checked(syscalls.SYS_openat2, root, address_of(path), address_of(how), len(how)))
    finally:
        os.close(root)
    return ""


def _try_tun() -> str:
    os.close(os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC))
    return ""


def _try_memfd_hugetlb() -> str:
    os.close(os.memfd_create("crtools-check", os.MFD_CLOEXEC | os.MFD_HUGETLB))
    return ""


def _try_link_by_descriptor() -> str:
    from tempfile import TemporaryDirectory

    with TemporaryDirectory(prefix="crtools-check-") as directory:
        fd = os.open(f"{directory}/file", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            empty = bytearray(b"\0")
            name = bytearray(f"{directory}/link\0".encode())
            cwd = AT_FDCWD & 0xFFFFFFFFFFFFFFFF
            checked(
                *(syscalls.SYS_linkat, fd, address_of(empty), cwd),
                *(address_of(name), AT_EMPTY_PATH),
            )
        finally:
            os.close(fd)
    return ""


_answers: dict[str, str] = {}

# name, what it is for, what its lack costs
REQUIRED = (
    ("ptrace", "seizing a task and stopping it", "nothing can be dumped or restored"),
    ("signal_mask", "reading and blocking a task's signals", "nothing can be dumped"),
    ("pending_signals", "reading a task's pending signals", "nothing can be dumped"),
    ("xstate", "reading a task's vector registers", "nothing can be dumped"),
    ("rseq", "reading a thread's restartable sequence", "threads of today's glibc can't be dumped"),
    ("tid_address", "PR_GET_TID_ADDRESS", "no thread can be dumped"),
    ("proc_children", "/proc/PID/task/TID/children", "a tree of processes can't be found"),
    ("ns_pid", "NSpid in /proc/PID/status", "pids can't be told from one another in namespaces"),
    ("mnt_id", "mnt_id in /proc/PID/fdinfo", "an open file's mount can't be told"),
    ("pidfd_getfd", "taking a task's open files", "no task with open files can be dumped"),
    ("kcmp", "telling whether two descriptors are one open file", "shared ones would come apart"),
    ("foreign_memory", "writing /proc/PID/mem", "nothing can be dumped"),
    ("clone_with_pid", "creating a task with the pid it had", "nothing can be restored"),
    ("memfd_exec", "executing a program from memory", "nothing can be restored"),
    ("mm_map", "PR_SET_MM_MAP", "nothing can be restored"),
    ("vdso", "mapping the vDSO where it was", "nothing can be restored"),
    ("fixed_noreplace", "MAP_FIXED_NOREPLACE", "nothing can be restored"),
)
EXTRA = (
    ("map_files", "opening /proc/PID/map_files", "deleted or replaced mapped files are refused"),
    ("pagemap_scan", "PAGEMAP_SCAN", "finding the pages to write takes longer"),
    ("tracking", "telling which pages have changed", "no pre-dump, and every dump is a whole one"),
    ("guard_pages", "telling guard pages", "guard pages inside areas can't be seen"),
    ("seccomp_suspend", "suspending a seccomp filter", "tasks under a filter can't be dumped"),
    ("openat2", "resolving paths inside a task's root", "paths are checked step by step"),
    ("tun", "tun and tap devices", "tasks that have such devices can't be restored"),
    ("memfd_hugetlb", "shared areas of huge pages", "tasks that have such areas can't be restored"),
    ("timer_ids", "choosing a timer's id", "a POSIX timer with an id above 10000 is refused"),
    ("seccomp_filters", "reading a task's seccomp filters", "tasks under a filter can't be dumped"),
    ("guard_install", "MADV_GUARD_INSTALL", "tasks that have guard pages can't be restored"),
    ("mseal", "sealing memory", "tasks that have sealed areas can't be restored"),
    ("droppable", "MAP_DROPPABLE", "tasks that have droppable memory can't be restored"),
    ("area_names", "naming anonymous memory", "tasks that name their memory can't be restored"),
    ("sysv_shm", "System V shared memory with its id", "tasks that have it can't be restored"),
    ("sysv_sem", "System V semaphores", "what tasks hold of semaphores can't be restored"),
    ("aio", "io_setup", "tasks with contexts of asynchronous I/O can't be restored"),
    ("membarrier", "asking for membarrier's registrations", "they are lost"),
    ("tls_segments", "segments in the global table", "tasks that have such can't be restored"),
    ("local_table", "modify_ldt", "tasks with a local descriptor table can't be restored"),
    ("dispatch", "telling who dispatches its own system calls", "such a task is not refused"),
    ("loginuid", "the login uid", "tasks get that of crtools"),
    ("timerfd", "counting a timerfd's expirations", "such as nobody has read can't be restored"),
    ("kcmp_epoll", "telling what an epoll set watches", "tasks that have such sets are refused"),
    ("fdinfo_lock", "locks of files in /proc/PID/fdinfo", "they can't be seen, and are lost"),
    ("tcp_repair", "TCP's repair mode", "TCP connections are refused, unless with --tcp-close"),
    (
        "nftables",
        "nftables that end with their owner",
        "connections are locked by iptables, or not at all",
    ),
    ("link_by_descriptor", "linking an open file by its descriptor", "--link-remap is refused"),
)
# What no tree needs yet, and what the issues of the next kinds need.
EXPERIMENTAL: tuple[tuple[str, str, str], ...] = (
    ("io_uring", "io_uring_setup", "rings can't be made"),
    ("userfaultfd", "userfaultfd", "no page can be brought lazily"),
    ("time_namespace", "clocks of a task's own", "clocks go on from where they are here"),
    ("process_madvise", "advice on another task's memory", "tasks give it themselves"),
    ("protection_keys", "pkey_alloc", "tasks that use protection keys can't be restored"),
)

_PROBES = {
    "breakpoints": _try_breakpoints,
    "clone_with_pid": _try_clone_with_pid,
    "fixed_noreplace": _try_fixed_noreplace,
    "foreign_memory": _try_foreign_memory,
    "guard_pages": _try_guard_pages,
    "kcmp": _try_kcmp,
    "link_by_descriptor": _try_link_by_descriptor,
    "map_files": _try_map_files,
    "memfd_exec": _try_memfd_exec,
    "memfd_hugetlb": _try_memfd_hugetlb,
    "tun": _try_tun,
    "mm_map": _try_mm_map,
    "mnt_id": _try_mnt_id,
    "ns_pid": _try_ns_pid,
    "openat2": _try_openat2,
    "pagemap_scan": _try_pagemap_scan,
    "tracking": _try_tracking,
    "pending_signals": _try_pending_signals,
    "pidfd_getfd": _try_pidfd_getfd,
    "proc_children": _try_proc_children,
    "ptrace": _try_ptrace,
    "rseq": _try_rseq,
    "seccomp_suspend": _try_seccomp_suspend,
    "signal_mask": _try_signal_mask,
    "tid_address": _try_tid_address,
    "timer_ids": _try_timer_ids,
    "vdso": _try_vdso,
    "xstate": _try_xstate,
    **PROBES,
}

# The names of `check --feature`, in the order in which `list` prints them.
FEATURES = (
    "mnt_id",
    "mem_dirty_track",
    "aio_remap",
    "timerfd",
    "tun",
    "tun_ns",
    "userns",
    "fdinfo_lock",
    "seccomp_suspend",
    "seccomp_filters",
    "loginuid",
    "cgroupns",
    "autofs",
    "tcp_half_closed",
    "compat_cr",
    "uffd",
    "uffd-noncoop",
    "can_map_vdso",
    "sk_ns",
    "sk_unix_file",
    "net_diag_raw",
    "nsid",
    "link_nsid",
    "kcmp_epoll",
    "timens",
    "external_net_ns",
    "clone3_set_tid",
    "newifindex",
    "nftables",
    "has_ipt_legacy",
    "pidfd_store",
    "ns_pid",
    "apparmor_stacking",
    "network_lock_nftables",
    "sockopt_buf_lock",
    "memfd_hugetlb",
    "move_mount_set_group",
    "openat2",
    "get_rseq_conf",
    "ipv6_freebind",
    "pagemap_scan",
    "pagemap_scan_guard_pages",
    "timer_cr_ids",
    "overlayfs_maps",
    "breakpoints",
)
# Those that crtools serves where the probe succeeds, …
SERVED = {
    "mnt_id": "mnt_id",
    "can_map_vdso": "vdso",
    "clone3_set_tid": "clone_with_pid",
    "ns_pid": "ns_pid",
    "memfd_hugetlb": "memfd_hugetlb",
    "tun": "tun",
    "openat2": "openat2",
    "get_rseq_conf": "rseq",
    "mem_dirty_track": "tracking",
    "pagemap_scan": "pagemap_scan",
    "pagemap_scan_guard_pages": "guard_pages",
    "timer_cr_ids": "timer_ids",
    "timens": "time_namespace",
    "breakpoints": "breakpoints",
    "seccomp_suspend": "seccomp_suspend",
    "seccomp_filters": "seccomp_filters",
    "loginuid": "loginuid",
    "timerfd": "timerfd",
    "kcmp_epoll": "kcmp_epoll",
    "fdinfo_lock": "fdinfo_lock",
    "tcp_half_closed": "tcp_repair",
    "network_lock_nftables": "nftables",
}
# … and what the others stand for. A kind that learns to carry it moves its name up.
NOT_SERVED = {
    "aio_remap": "contexts of asynchronous I/O",
    "tun_ns": "tun and tap devices of a network namespace",
    "userns": "user namespaces",
    "cgroupns": "cgroup namespaces",
    "autofs": "autofs mounts",
    "compat_cr": "32-bit tasks",
    "uffd": "lazy restores",
    "uffd-noncoop": "lazy restores",
    "sk_ns": "sockets of several network namespaces",
    "sk_unix_file": "unix sockets",
    "net_diag_raw": "raw sockets",
    "nsid": "network namespaces",
    "link_nsid": "links between network namespaces",
    "external_net_ns": "external network namespaces",
    "newifindex": "network devices",
    "nftables": "nftables rules",
    "has_ipt_legacy": "iptables rules",
    "pidfd_store": "pidfds",
    "apparmor_stacking": "stacked AppArmor profiles",
    "sockopt_buf_lock": "locked socket buffers",
    "move_mount_set_group": "mount namespaces",
    "ipv6_freebind": "IPv6 sockets",
    "overlayfs_maps": "mapped files of an overlay by their upper inode",
}
