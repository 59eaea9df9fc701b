"""parse_status, on the text of several kernels and on our own."""

from __future__ import annotations

import ctypes
import os
import signal
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crtools.errors import InternalError
from crtools.procfs.status import parse_status, read_status

SAMPLE = b"""\
Name:\ta\\\\n\\nb
Umask:\t0022
State:\tt (tracing stop)
Tgid:\t812
Ngid:\t0
Pid:\t813
PPid:\t655
TracerPid:\t900
Uid:\t1000\t1001\t1002\t1003
Gid:\t100\t101\t102\t103
FDSize:\t64
Groups:\t4 24 65536\x20
NStgid:\t812\t7
NSpid:\t813\t8
NSpgid:\t812\t7
NSsid:\t812\t0
Kthread:\t0
VmPeak:\t   13104 kB
VmLck:\t       8 kB
VmRSS:\t    9660 kB
RssAnon:\t    2000 kB
VmPTE:\t     100 kB
VmSwap:\t      11 kB
HugetlbPages:\t    4096 kB
CoreDumping:\t0
THP_enabled:\t1
untag_mask:\t0xffffffffffffffff
Threads:\t12
SigQ:\t3/96365
SigPnd:\t8000000000000000
ShdPnd:\t0000000000000200
SigBlk:\t0000000000010000
SigIgn:\t0000000001001000
SigCgt:\t0000000180000002
CapInh:\t0000000000000001
CapPrm:\t000001ffffffffff
CapEff:\t000001fffffffffe
CapBnd:\t000001fffffffffd
CapAmb:\t0000000000000002
NoNewPrivs:\t1
Seccomp:\t2
Seccomp_filters:\t3
Speculation_Store_Bypass:\tthread vulnerable
SpeculationIndirectBranch:\tconditional enabled
Cpus_allowed:\tf,00000003
Cpus_allowed_list:\t0-1,32-35
Mems_allowed:\t00000000,00000001
Mems_allowed_list:\t0
voluntary_ctxt_switches:\t150
nonvoluntary_ctxt_switches:\t10
x86_Thread_features:\tshstk wrss\x20
x86_Thread_features_locked:\tshstk\x20
"""


def without(*names: bytes) -> bytes:
    lines = SAMPLE.splitlines(keepends=True)
    return b"".join(line for line in lines if line.split(b":")[0] not in names)


def test_every_line_of_use_is_read() -> None:
    status = parse_status(SAMPLE)
    assert status.name == b"a\\n\nb"
    assert status.umask == 0o022
    assert status.state == "t"
    assert (status.tgid, status.pid, status.ppid, status.tracer_pid) == (812, 813, 655, 900)
    assert status.uids == (1000, 1001, 1002, 1003)
    assert status.gids == (100, 101, 102, 103)
    assert status.groups == (4, 24, 65536)
    assert status.ns_tgids == (812, 7)
    assert status.ns_pids == (813, 8)
    assert status.ns_pgids == (812, 7)
    assert status.ns_sids == (812, 0)
    assert not status.kthread
    assert status.vm_locked == 8192
    assert status.vm_rss == 9660 * 1024
    assert status.vm_own == 2111 * 1024
    assert status.vm_huge == 4 << 20
    assert not status.core_dumping
    assert status.thp_enabled is True
    assert status.untag_mask == 2**64 - 1
    assert status.threads == 12
    assert status.sigq == (3, 96365)
    assert status.sig_pending == 1 << 63
    assert status.shared_pending == 1 << (signal.SIGUSR1 - 1)
    assert status.sig_blocked == 1 << (signal.SIGCHLD - 1)
    assert (status.sig_ignored, status.sig_caught) == (0x1001000, 0x180000002)
    assert (status.cap_inheritable, status.cap_ambient) == (1, 2)
    assert (status.cap_permitted, status.cap_effective, status.cap_bounding) == (
        2**41 - 1,
        2**41 - 2,
        2**41 - 3,
    )
    assert status.no_new_privs
    assert (status.seccomp, status.seccomp_filters) == (2, 3)
    assert status.cpus_allowed == 0xF00000003
    assert status.mems_allowed == 1
    assert status.thread_features == (b"shstk", b"wrss")
    assert status.thread_features_locked == (b"shstk",)


def test_lines_that_older_kernels_lack_are_not_needed() -> None:
    status = parse_status(
        without(
            *b"Kthread THP_enabled untag_mask Seccomp Seccomp_filters NStgid NSpid NSpgid".split(),
            *b"NSsid CoreDumping x86_Thread_features x86_Thread_features_locked".split(),
        )
    )
    assert (status.ns_tgids, status.ns_pids, status.ns_pgids) == ((812,), (813,), ())
    assert (status.thp_enabled, status.untag_mask, status.seccomp) == (None, None, 0)
    assert status.thread_features == ()


def test_a_zombie_has_neither_umask_nor_memory() -> None:
    status = parse_status(without(b"Umask", b"VmPeak", b"VmLck", b"VmRSS"))
    assert (status.umask, status.vm_locked, status.vm_rss) == (None, None, None)


def test_a_missing_line_is_named() -> None:
    with pytest.raises(InternalError, match="no line b'SigQ'"):
        parse_status(without(b"SigQ"))


def test_a_line_without_a_colon_is_named() -> None:
    with pytest.raises(InternalError, match="nonsense"):
        parse_status(SAMPLE + b"nonsense\n")
    with pytest.raises(InternalError, match="cut off"):
        parse_status(SAMPLE + b"nonsense")


def test_our_own_status(proc: int) -> None:
    umask = os.umask(0o027)
    try:
        status = read_status(proc, os.getpid())
    finally:
        os.umask(umask)
    assert status.umask == 0o027
    assert (status.tgid, status.pid, status.ppid) == (os.getpid(), os.getpid(), os.getppid())
    assert status.uids[:3] == os.getresuid()
    assert status.gids[:3] == os.getresgid()
    assert sorted(status.groups) == sorted(os.getgroups())
    assert status.threads == len(os.listdir("/proc/self/task"))
    assert status.state == "R"
    allowed = os.sched_getaffinity(0)
    assert status.cpus_allowed == sum(1 << cpu for cpu in allowed)


def test_signals_of_the_process_and_of_the_thread_are_told_apart(proc: int) -> None:
    # In a process of its own, whose only thread blocks them: any other one would take them.
    ready, told = os.pipe()
    pid = os.fork()
    if pid == 0:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1, signal.SIGUSR2})
        signal.raise_signal(signal.SIGUSR1)  # tgkill: to the thread
        os.kill(os.getpid(), signal.SIGUSR2)
        os.write(told, b"x")
        signal.pause()
    try:
        assert os.read(ready, 1) == b"x"
        status = read_status(proc, pid)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(ready)
        os.close(told)
    assert status.sig_pending == 1 << (signal.SIGUSR1 - 1)
    assert status.shared_pending == 1 << (signal.SIGUSR2 - 1)
    assert status.sig_blocked >> (signal.SIGUSR1 - 1) & 1
    assert status.sigq[0] >= 2


@pytest.mark.parametrize("name", [b"a\nb", b"\\n", b"a\\\nb", b"\\\\", b" x\t)", b"\xff\x01"])
def test_our_own_name_is_unescaped(proc: int, name: bytes) -> None:
    libc = ctypes.CDLL(None)
    before = ctypes.create_string_buffer(16)
    libc.prctl(16, before, 0, 0, 0)  # PR_GET_NAME
    libc.prctl(15, name, 0, 0, 0)  # PR_SET_NAME
    try:
        assert read_status(proc, os.getpid(), threading.get_native_id()).name == name
    finally:
        libc.prctl(15, before, 0, 0, 0)


@given(st.binary(max_size=15).map(lambda name: name.replace(b"\0", b"")))
def test_a_name_of_any_bytes_comes_back(name: bytes) -> None:
    escaped = name.replace(b"\\", b"\\\\").replace(b"\n", b"\\n")
    assert parse_status(SAMPLE.replace(b"a\\\\n\\nb", escaped)).name == name
