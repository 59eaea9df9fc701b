"""Probes of what only some tasks have, and the children that probes are tried with.

Each probe gives "" or says why it failed; what they are for, and what a lack costs, stands in
features.py. What changes the caller is done in a child.
"""

from __future__ import annotations

import errno
import os
import struct

from crtools.abi import x86_64 as syscalls
from crtools.abi.clone import __WALL, KCMP_EPOLL_TFD
from crtools.abi.ioctl import TFD_IOC_SET_TICKS
from crtools.abi.kernel import PAGE, address_of, checked, raw
from crtools.abi.mman import (
    MADV_COLD,
    MADV_GUARD_INSTALL,
    MAP_ANONYMOUS,
    MAP_DROPPABLE,
    MAP_PRIVATE,
    PROT_READ,
    PROT_WRITE,
)
from crtools.abi.prctl import (
    PR_SET_NO_NEW_PRIVS,
    PR_SET_PDEATHSIG,
    PR_SET_SECCOMP,
    PR_SET_VMA,
    PR_SET_VMA_ANON_NAME,
)
from crtools.abi.signals import SIGKILL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_NO_FD = 0xFFFFFFFFFFFFFFFF
_CLOCK_MONOTONIC = 1  # linux/time.h
_EPOLL_CTL_ADD = 1  # linux/eventpoll.h
# linux/ptrace.h, asm/ptrace-abi.h; the layer that has them all, tracee, lies above this one.
_PTRACE_SEIZE = 0x4206
_PTRACE_INTERRUPT = 0x4207
_PTRACE_SECCOMP_GET_FILTER = 0x420C
_PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG = 0x4211
_PTRACE_GET_THREAD_AREA = 25
_GDT_ENTRY_TLS_MIN = 12  # asm/segment.h
_SECCOMP_MODE_FILTER = 2  # linux/seccomp.h
# A filter of one instruction, "return SECCOMP_RET_ALLOW": struct sock_filter, linux/filter.h
_ALLOW = struct.pack("=HBBI", 6, 0, 0, 0x7FFF0000)
_CLONE_NEWTIME = 0x80  # linux/sched.h
_MEMBARRIER_CMD_GET_REGISTRATIONS = 1 << 9  # linux/membarrier.h
_IPC_PRIVATE, _IPC_RMID = 0, 0  # linux/ipc.h
_UFFD_USER_MODE_ONLY = 1  # linux/userfaultfd.h


# --- Memory ---


def _try_guard_install() -> str:
    def install() -> int:
        return -raw(syscalls.SYS_madvise, _map_page(), PAGE, MADV_GUARD_INSTALL)

    return in_child(install)


def _try_mseal() -> str:
    def seal() -> int:
        page = _map_page()
        checked(syscalls.SYS_mseal, page, PAGE, 0)
        return 0 if raw(syscalls.SYS_munmap, page, PAGE) == -errno.EPERM else errno.EIO

    return in_child(seal)


def _try_droppable() -> str:
    def map_one() -> int:
        _map_page(MAP_DROPPABLE)
        return 0

    return in_child(map_one)


def _try_area_names() -> str:
    name = bytearray(b"crtools-check\0")

    def give() -> int:
        page = _map_page()
        where = address_of(name)
        checked(syscalls.SYS_prctl, PR_SET_VMA, PR_SET_VMA_ANON_NAME, page, PAGE, where)
        with open("/proc/self/maps", "rb") as maps:
            return 0 if b"[anon:crtools-check]" in maps.read() else errno.ENOSYS

    return in_child(give)


def _map_page(flags: int = MAP_PRIVATE) -> int:
    access = PROT_READ | PROT_WRITE
    return checked(syscalls.SYS_mmap, 0, PAGE, access, flags | MAP_ANONYMOUS, _NO_FD, 0)


def _try_process_madvise() -> str:
    memory = bytearray(2 * PAGE)
    start = (address_of(memory) + PAGE - 1) & -PAGE
    vector = bytearray(struct.pack("=QQ", start, PAGE))

    def advise(pid: int) -> int:
        pidfd = os.pidfd_open(pid)
        try:
            checked(syscalls.SYS_process_madvise, pidfd, address_of(vector), 1, MADV_COLD, 0)
        finally:
            os.close(pidfd)
        return 0

    return with_child(advise)


def _try_userfaultfd() -> str:
    os.close(checked(syscalls.SYS_userfaultfd, os.O_CLOEXEC | _UFFD_USER_MODE_ONLY))
    return ""


def _try_io_uring() -> str:
    parameters = bytearray(120)  # struct io_uring_params, linux/io_uring.h
    os.close(checked(syscalls.SYS_io_uring_setup, 1, address_of(parameters)))
    return ""


def _try_aio() -> str:
    context = bytearray(8)
    checked(syscalls.SYS_io_setup, 1, address_of(context))
    checked(syscalls.SYS_io_destroy, int.from_bytes(context, "little"))
    return ""


def _try_protection_keys() -> str:
    def allocate() -> int:
        return -min(raw(syscalls.SYS_pkey_alloc, 0, 0), 0)

    reason = in_child(allocate)
    return reason and f"{reason}: this CPU or kernel has none"


# --- System V ---


def _try_sysv_shm() -> str:
    id = checked(syscalls.SYS_shmget, _IPC_PRIVATE, PAGE, 0o600)
    checked(syscalls.SYS_shmctl, id, _IPC_RMID, 0)
    # CONFIG_CHECKPOINT_RESTORE; who may open it may set it.
    os.close(os.open("/proc/sys/kernel/shm_next_id", os.O_WRONLY | os.O_CLOEXEC))
    return ""


def _try_sysv_sem() -> str:
    id = checked(syscalls.SYS_semget, _IPC_PRIVATE, 1, 0o600)
    checked(syscalls.SYS_semctl, id, 0, _IPC_RMID, 0)
    return ""


# --- Tasks ---


def _try_seccomp_filters() -> str:
    def confine() -> None:
        program = bytearray(struct.pack("=HxxxxxxQ", 1, address_of(_ALLOW)))
        checked(syscalls.SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        checked(syscalls.SYS_prctl, PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, address_of(program))

    def read(pid: int) -> int:
        filter = bytearray(8)
        count = checked(syscalls.SYS_ptrace, _PTRACE_SECCOMP_GET_FILTER, pid, 0, address_of(filter))
        return 0 if count == 1 and filter == _ALLOW else errno.EIO

    return with_tracee(read, prepare=confine)


def _try_membarrier() -> str:
    checked(syscalls.SYS_membarrier, _MEMBARRIER_CMD_GET_REGISTRATIONS, 0, 0)
    return ""


def _try_tls_segments() -> str:
    def read(pid: int) -> int:
        segment = bytearray(16)  # struct user_desc, asm/ldt.h
        where = address_of(segment)
        return -raw(syscalls.SYS_ptrace, _PTRACE_GET_THREAD_AREA, pid, _GDT_ENTRY_TLS_MIN, where)

    return with_tracee(read)


def _try_local_table() -> str:
    checked(syscalls.SYS_modify_ldt, 0, 0, 0)
    return ""


def _try_dispatch() -> str:
    def read(pid: int) -> int:
        configuration = bytearray(32)  # struct ptrace_sud_config, linux/ptrace.h
        request = _PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG
        where = address_of(configuration)
        return -raw(syscalls.SYS_ptrace, request, pid, len(configuration), where)

    return with_tracee(read)


def _try_loginuid() -> str:
    def keep() -> int:
        fd = os.open("/proc/self/loginuid", os.O_RDWR | os.O_CLOEXEC)
        os.pwrite(fd, os.pread(fd, 16, 0), 0)
        return 0

    return in_child(keep)


def _try_fdinfo_lock() -> str:
    def lock() -> int:
        fd = os.memfd_create("locked")
        checked(syscalls.SYS_flock, fd, 2)  # LOCK_EX
        with open(f"/proc/self/fdinfo/{fd}", "rb") as file:
            return 0 if b"\nlock:" in file.read() else errno.ENODATA

    return in_child(lock)


def _try_time_namespace() -> str:
    def begin() -> int:
        checked(syscalls.SYS_unshare, _CLONE_NEWTIME)
        with open("/proc/self/timens_offsets", "wb", buffering=0) as file:
            file.write(b"monotonic 1 0\nboottime 1 0\n")
        return 0

    return in_child(begin)


def _try_timerfd() -> str:
    timer = checked(syscalls.SYS_timerfd_create, _CLOCK_MONOTONIC, os.O_CLOEXEC)
    ticks = (3).to_bytes(8, "little")
    try:
        checked(syscalls.SYS_ioctl, timer, TFD_IOC_SET_TICKS, address_of(ticks))
        with open(f"/proc/self/fdinfo/{timer}", "rb") as file:
            return "" if b"\nticks: 3\n" in file.read() else "fdinfo does not count expirations"
    finally:
        os.close(timer)


def _try_kcmp_epoll() -> str:
    me, ends = os.getpid(), os.pipe2(os.O_CLOEXEC)
    watching = checked(syscalls.SYS_epoll_create1, os.O_CLOEXEC)
    try:
        event, slot = bytes(12), struct.pack("=3I", watching, ends[0], 0)
        checked(syscalls.SYS_epoll_ctl, watching, _EPOLL_CTL_ADD, ends[0], address_of(event))
        same = checked(syscalls.SYS_kcmp, me, me, KCMP_EPOLL_TFD, ends[0], address_of(slot)) == 0
    finally:
        for fd in (*ends, watching):
            os.close(fd)
    return "" if same else "kcmp does not know the file that an epoll set watches"


def _try_tcp_repair() -> str:
    fd = checked(syscalls.SYS_socket, 2, 1 | os.O_CLOEXEC, 6)  # AF_INET, SOCK_STREAM, IPPROTO_TCP
    try:
        on = (1).to_bytes(4, "little")
        checked(syscalls.SYS_setsockopt, fd, 6, 19, address_of(on), 4)  # TCP_REPAIR
    finally:
        os.close(fd)
    return ""


def _try_nftables() -> str:
    fd = checked(syscalls.SYS_socket, 16, 3 | os.O_CLOEXEC, 12)  # AF_NETLINK, NETLINK_NETFILTER
    try:
        # NFTA_TABLE_NAME, NFTA_TABLE_FLAGS: NFT_TABLE_F_OWNER
        table = struct.pack("=HH16sHH4s", 20, 1, b"crtools-a-probe\0", 8, 2, bytes((0, 0, 0, 2)))
        # A batch: it begins, NFT_MSG_NEWTABLE of family NFPROTO_INET to be acknowledged, it ends.
        batch = b"".join(
            struct.pack("=IHHIIBBH", 20 + len(body), type, flags, 0, 0, family, 0, resource) + body
            for type, flags, family, resource, body in (
                (0x10, 1, 0, 10 << 8, b""),
                (10 << 8, 0x405, 1, 0, table),
                (0x11, 1, 0, 10 << 8, b""),
            )
        )
        os.write(fd, batch)
        failed: int = -struct.unpack_from("=i", os.read(fd, 4096), 16)[0]
        return os.strerror(failed) if failed else ""
    finally:
        # The table goes with it.
        os.close(fd)


PROBES = {
    "tcp_repair": _try_tcp_repair,
    "nftables": _try_nftables,
    "aio": _try_aio,
    "area_names": _try_area_names,
    "dispatch": _try_dispatch,
    "droppable": _try_droppable,
    "fdinfo_lock": _try_fdinfo_lock,
    "guard_install": _try_guard_install,
    "io_uring": _try_io_uring,
    "kcmp_epoll": _try_kcmp_epoll,
    "local_table": _try_local_table,
    "loginuid": _try_loginuid,
    "membarrier": _try_membarrier,
    "mseal": _try_mseal,
    "process_madvise": _try_process_madvise,
    "protection_keys": _try_protection_keys,
    "seccomp_filters": _try_seccomp_filters,
    "sysv_sem": _try_sysv_sem,
    "sysv_shm": _try_sysv_shm,
    "time_namespace": _try_time_namespace,
    "timerfd": _try_timerfd,
    "tls_segments": _try_tls_segments,
    "userfaultfd": _try_userfaultfd,
}


# --- Children to try things with ---


def in_child(attempt: Callable[[], int]) -> str:
    """Run an attempt, which gives 0 or an errno, in a forked child; say why it failed."""
    pid = os.fork()
    if not pid:
        status = errno.EIO
        try:
            status = attempt()
        except OSError as error:
            status = error.errno or errno.EIO
        finally:
            os._exit(status)
    return _explain(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def with_child(attempt: Callable[[int], int], prepare: Callable[[], None] | None = None) -> str:
    """Run an attempt on a child that does nothing, once it has prepared; say why it failed."""
    reader, writer = os.pipe()
    try:
        pid = _start_idle_child(prepare, writer)
    finally:
        os.close(writer)
    try:
        prepared = os.read(reader, 1) or bytes((errno.ESRCH,))
        return _explain(prepared[0] or attempt(pid))
    finally:
        os.close(reader)
        os.kill(pid, SIGKILL)
        os.waitpid(pid, __WALL)


def with_tracee(
    attempt: Callable[[int], int],
    options: int = 0,
    prepare: Callable[[], None] | None = None,
) -> str:
    """Run an attempt on a seized and stopped child; say why it failed."""

    def seize(pid: int) -> int:
        checked(syscalls.SYS_ptrace, _PTRACE_SEIZE, pid, 0, options)
        checked(syscalls.SYS_ptrace, _PTRACE_INTERRUPT, pid, 0, 0)
        _, status = os.waitpid(pid, __WALL)
        return attempt(pid) if os.WIFSTOPPED(status) else errno.ESRCH

    return with_child(seize, prepare)


def _start_idle_child(prepare: Callable[[], None] | None, writer: int) -> int:
    parent = os.getpid()
    pid = os.fork()
    if not pid:
        try:
            raw(syscalls.SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)
            status = 0
            try:
                if prepare is not None:
                    prepare()
            except OSError as error:
                status = error.errno or errno.EIO
            os.write(writer, bytes((status,)))
            # Whoever dies before the line above has taken effect leaves an orphan.
            while os.getppid() == parent:
                raw(syscalls.SYS_pause)
        finally:
            os._exit(0)
    return pid


def _explain(status: int) -> str:
    if status < 0:
        return f"the attempt died of signal {-status}"
    return os.strerror(status) if status else ""
