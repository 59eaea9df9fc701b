"""Scheduling: what images may say, what this machine lacks, cookies that no machine here has."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from crtools import log
from crtools.abi import kernel
from crtools.errors import ImageError, RestoreConflict, TaskVanished, UnsupportedObject
from crtools.images.messages.core import ThreadCoreEntry
from crtools.images.messages.crtools import CrtoolsTaskEntry
from crtools.images.messages.crtools_parts import SchedEntry
from crtools.kinds.process import scheduling
from crtools.kinds.process.scheduling import (
    PR_SCHED_CORE,
    Restoring,
    Scheduling,
    SYS_prctl,
    SYS_sched_getattr,
    SYS_sched_setattr,
    check_scheduling,
    own_scheduling,
)
from crtools.model.shortfall import Shortfalls


@pytest.fixture
def process() -> Iterator[int]:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as child:
        yield child.pid


def thread(policy: int = 0, nice: int = 0, priority: int | None = None) -> ThreadCoreEntry:
    return ThreadCoreEntry(
        futex_rla=0, futex_rla_len=0, sched_policy=policy, sched_nice=nice, sched_prio=priority
    )


def mask(*cpus: int) -> bytes:
    return sum(1 << cpu for cpu in cpus).to_bytes(120, "little").rstrip(b"\0")


class Kernel:
    """Answers one system call itself and leaves the rest to the real one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, nr: int, first: int | None = None) -> None:
        self.nr, self.first = nr, first
        self.answer = 0
        self.word: tuple[int, bytes] | None = None  # written at an offset of the last argument
        self.real = kernel.raw
        monkeypatch.setattr(kernel, "raw", self.raw)

    def raw(self, nr: int, *args: int) -> int:
        if nr != self.nr or (self.first is not None and args[0] != self.first):
            return self.real(nr, *args)
        if self.word is not None:
            where = args[1] if nr == SYS_sched_getattr else args[4]
            offset, content = self.word
            kernel.view(where + offset, len(content))[:] = content
        return self.answer


def test_cookie_of_core_scheduling_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Kernel(monkeypatch, SYS_prctl, PR_SCHED_CORE)
    own = own_scheduling()
    assert own.cookies
    Scheduling(os.getpid(), 0, cookies=True)
    fake.word = (0, b"\x80\0\0\0\0\0\xff\xff")
    with pytest.raises(UnsupportedObject, match="core scheduling cookie") as caught:
        Scheduling(os.getpid(), 0, cookies=True)
    assert caught.value.subject == ("task", os.getpid())
    assert "addresses of the kernel" in caught.value.because


def test_cookie_that_is_not_told_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    Kernel(monkeypatch, SYS_prctl, PR_SCHED_CORE).answer = -errno.EPERM
    with pytest.raises(UnsupportedObject, match="is not told"):
        Scheduling(os.getpid(), 0, cookies=True)


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENODEV])
def test_kernel_without_core_scheduling_is_not_asked_again(
    number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    Kernel(monkeypatch, SYS_prctl, PR_SCHED_CORE).answer = -number
    assert not own_scheduling().cookies


@pytest.mark.parametrize(
    ("policy", "flags", "words"),
    [(7, 0, "sched_ext"), (4, 0, "does not know"), (0, 0x80, "does not know")],
)
def test_scheduling_that_nobody_knows_is_refused(
    policy: int, flags: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = Kernel(monkeypatch, SYS_sched_getattr)
    fake.word = (4, policy.to_bytes(4, "little") + flags.to_bytes(8, "little"))
    with pytest.raises(UnsupportedObject) as caught:
        Scheduling(os.getpid(), 0)
    assert f"policy {policy}, flags {flags:#x}" in caught.value.what
    assert words in caught.value.because


def test_clamps_are_kept_where_somebody_set_them(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Kernel(monkeypatch, SYS_sched_getattr)
    usual = own_scheduling()
    for low, high, kept in ((0, 1024, False), (100, 1024, True), (0, 512, True), (0, 0, False)):
        fake.word = (48, low.to_bytes(4, "little") + high.to_bytes(4, "little"))
        entry = CrtoolsTaskEntry(tid=os.getpid())
        Scheduling(os.getpid(), 0).fill(entry, usual)
        sched = entry.sched
        assert (sched is not None) == kept, (low, high)
        if sched is not None:
            assert (sched.util_min, sched.util_max) == (low, high)


def test_clamps_that_this_kernel_lacks_are_not_dropped(
    process: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = CrtoolsTaskEntry(tid=process, sched=SchedEntry(util_min=100, util_max=1024))
    restoring = Restoring(own_scheduling(), Shortfalls(strict=True))
    Kernel(monkeypatch, SYS_sched_setattr).answer = -errno.EOPNOTSUPP
    with pytest.raises(RestoreConflict, match=f"Cannot restore task {process}.*its scheduling"):
        restoring.restore(process, f"task {process} (cat)", thread(), own)


def test_priority_without_the_privilege_falls_short(
    process: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    shortfalls = Shortfalls(strict=False)
    restoring = Restoring(own_scheduling(), shortfalls)
    Kernel(monkeypatch, SYS_sched_setattr).answer = -errno.EPERM
    restoring.restore(process, "task 1 (a)", thread(policy=1, priority=5), None)
    (found,) = shortfalls.found
    assert found.what == f"the scheduling of its thread {process}"
    assert (found.wanted, found.got) == (
        "policy 1, priority 5, nice 0",
        "policy 0, priority 0, nice 0",
    )
    assert "CAP_SYS_NICE" in found.because


def test_killed_task_is_no_shortfall(process: int, monkeypatch: pytest.MonkeyPatch) -> None:
    restoring = Restoring(own_scheduling(), Shortfalls(strict=False))
    Kernel(monkeypatch, SYS_sched_setattr).answer = -errno.ESRCH
    with pytest.raises(TaskVanished):
        restoring.restore(process, "task 1 (a)", thread(nice=3), None)


def test_task_of_cpus_that_are_partly_here_gets_those_with_a_warning(
    process: int, tmp_path: Path
) -> None:
    log.configure(log.WARNING, path=str(tmp_path / "log"))
    here = min(os.sched_getaffinity(0))
    own = CrtoolsTaskEntry(tid=process, cpu_affinity=mask(here, 900, 901))
    Restoring(own_scheduling(), Shortfalls(strict=True)).restore(
        process, f"task {process} (cat)", thread(), own
    )
    log.close()
    assert os.sched_getaffinity(process) == {here}
    assert f"ran on CPUs {here},900-901: here it has {here}" in (tmp_path / "log").read_text()


def test_task_of_cpus_that_are_not_here_falls_short(process: int) -> None:
    shortfalls = Shortfalls(strict=False)
    own = CrtoolsTaskEntry(tid=process, cpu_affinity=mask(900))
    Restoring(own_scheduling(), shortfalls).restore(process, f"task {process} (cat)", thread(), own)
    (found,) = shortfalls.found
    assert (found.what, found.wanted) == ("its CPU affinity", "CPUs 900")
    assert found.because == "none of those is here"
    assert os.sched_getaffinity(process) == os.sched_getaffinity(0)


def test_nice_value_of_a_session_that_is_gone_falls_short(tmp_path: Path) -> None:
    shortfalls = Shortfalls(strict=False)
    directory = os.open(tmp_path, os.O_RDONLY)
    try:
        scheduling.restore_autogroup_nice(directory, 5, -3, "task 5 (a)", shortfalls)
    finally:
        os.close(directory)
    assert (shortfalls.found[0].wanted, shortfalls.found[0].got) == ("-3", "0")


def test_slice_that_the_kernel_forgets_is_warned_about(
    process: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.configure(log.WARNING, path=str(tmp_path / "log"))
    restoring = Restoring(own_scheduling(), Shortfalls(strict=True))
    Kernel(monkeypatch, SYS_sched_setattr)
    restoring.restore(
        process,
        f"task {process} (cat)",
        thread(),
        CrtoolsTaskEntry(tid=1, sched=SchedEntry(runtime=1234567)),
    )
    log.close()
    assert "its slice of 1234567 ns is" in (tmp_path / "log").read_text()


@pytest.mark.parametrize(
    ("entry", "own"),
    [
        (thread(policy=7), None),
        (thread(policy=4), None),
        (thread(nice=20), None),
        (thread(nice=-21), None),
        (thread(policy=1, priority=0), None),
        (thread(policy=2, priority=100), None),
        (thread(priority=1), None),
        (thread(policy=6), None),
        (thread(policy=6), SchedEntry(flags=1)),
        (thread(), SchedEntry(flags=8)),
        (thread(), SchedEntry(runtime=1 << 63)),
        (thread(), SchedEntry(util_min=5, util_max=4)),
        (thread(), SchedEntry(util_min=5, util_max=1025)),
    ],
)
def test_impossible_scheduling_in_images_is_refused(
    entry: ThreadCoreEntry, own: SchedEntry | None
) -> None:
    with pytest.raises(ImageError, match="impossible scheduling"):
        check_scheduling(entry, CrtoolsTaskEntry(tid=5, sched=own), 5)


@pytest.mark.parametrize(
    "own",
    [
        CrtoolsTaskEntry(tid=5, autogroup_nice=20),
        CrtoolsTaskEntry(tid=5, cpu_affinity=b""),
        CrtoolsTaskEntry(tid=5, cpu_affinity=bytes(1025)),
    ],
)
def test_impossible_attributes_in_images_are_refused(own: CrtoolsTaskEntry) -> None:
    with pytest.raises(ImageError, match="impossible scheduling"):
        check_scheduling(thread(), own, 5)


def test_images_of_criu_without_scheduling_are_taken() -> None:
    check_scheduling(ThreadCoreEntry(futex_rla=0, futex_rla_len=0), None, 5)
    check_scheduling(None, None, 5)
    check_scheduling(thread(policy=1, priority=1), None, 5)


def test_cpus_are_named_as_people_write_them() -> None:
    assert scheduling._cpus(mask(0, 1, 2, 3, 8)) == "0-3,8"
    assert scheduling._cpus(mask(5)) == "5"
