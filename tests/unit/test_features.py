"""Probes of the kernel: each really tries, and leaves nothing behind."""

from __future__ import annotations

import errno
import gzip
import os
from pathlib import Path

import pytest

from crtools import features, probes
from crtools.errors import InternalError, UsageError

ALL = features.REQUIRED + features.EXTRA + features.EXPERIMENTAL
NEEDS_ROOT = {
    "clone_with_pid",
    "map_files",
    "seccomp_suspend",
    "seccomp_filters",
    "link_by_descriptor",
    "sysv_shm",
    "time_namespace",
}


@pytest.fixture(autouse=True)
def _ask_again(monkeypatch):
    monkeypatch.setattr(features, "_answers", {})


def _children() -> str:
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text()


@pytest.mark.parametrize("name", sorted(features._PROBES))
def test_a_probe_answers_and_leaves_no_process_or_descriptor(name):
    if name in NEEDS_ROOT and os.geteuid():
        pytest.skip("needs root")
    before = _children(), sorted(os.listdir("/proc/self/fd"))
    answer = features.probe(name)
    assert isinstance(answer, str)
    assert (_children(), sorted(os.listdir("/proc/self/fd"))) == before


@pytest.mark.parametrize("name", ["ptrace", "proc_children", "fixed_noreplace", "kcmp", "xstate"])
def test_what_every_kernel_here_has_is_found(name):
    assert features.probe(name) == ""


def test_every_probe_is_described_once():
    names = [name for name, _, _ in ALL]
    assert len(names) == len(set(names))
    assert set(names) | set(features.SERVED.values()) == set(features._PROBES)


def test_a_failure_is_explained(monkeypatch):
    def fail() -> str:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setitem(features._PROBES, "kcmp", fail)
    assert features.probe("kcmp") == "Operation not permitted"


def test_an_answer_is_remembered(monkeypatch):
    monkeypatch.setitem(features._PROBES, "kcmp", lambda: "once")
    assert features.probe("kcmp") == "once"
    monkeypatch.setitem(features._PROBES, "kcmp", lambda: "twice")
    assert features.probe("kcmp") == "once"


def test_an_attempt_in_a_child_reports_errno_signal_and_success():
    assert probes.in_child(lambda: 0) == ""
    assert probes.in_child(lambda: errno.ENOSYS) == "Function not implemented"
    assert "signal 9" in probes.in_child(lambda: os.kill(os.getpid(), 9) or 0)

    def fail() -> int:
        raise OSError(errno.EPERM, "x")

    assert probes.in_child(fail) == "Operation not permitted"


def test_every_name_of_check_feature_has_one_answer():
    assert len(set(features.FEATURES)) == len(features.FEATURES) == 45
    assert set(features.SERVED) | set(features.NOT_SERVED) == set(features.FEATURES)
    assert not set(features.SERVED) & set(features.NOT_SERVED)


@pytest.mark.parametrize("name", sorted(features.NOT_SERVED))
def test_what_crtools_does_not_carry_is_answered_with_no(name):
    assert "does not carry" in features.probe_feature(name)


def test_a_served_name_asks_its_probe(monkeypatch):
    monkeypatch.setitem(features._PROBES, "openat2", lambda: "broken")
    assert features.probe_feature("openat2") == "broken"
    monkeypatch.setitem(features._PROBES, "rseq", lambda: "")
    assert features.probe_feature("get_rseq_conf") == ""


def test_unknown_names_are_errors():
    with pytest.raises(UsageError, match="Unknown feature teleport"):
        features.probe_feature("teleport")
    with pytest.raises(InternalError):
        features.probe("teleport")


@pytest.mark.parametrize("name", sorted(probes.PROBES))
def test_a_probe_succeeds_or_gives_the_kernels_own_refusal(name):
    if name in NEEDS_ROOT and os.geteuid():
        pytest.skip("needs root")
    refusals = (errno.ENOSYS, errno.EINVAL, errno.EPERM, errno.ENOENT)
    # EIO, or the attempt's death, would be a mistake of the probe.
    answer = features.probe(name).partition(": this CPU")[0]
    assert answer in ("", *map(os.strerror, refusals))


# What the kernel says of itself, where it does; pkey_alloc asks the CPU as well.
CONFIGURED = {
    "aio": "AIO",
    "area_names": "ANON_VMA_NAME",
    "io_uring": "IO_URING",
    "local_table": "MODIFY_LDT_SYSCALL",
    "loginuid": "AUDIT",
    "membarrier": "MEMBARRIER",
    "seccomp_filters": "SECCOMP_FILTER",
    "sysv_sem": "SYSVIPC",
    "sysv_shm": "SYSVIPC",
    "time_namespace": "TIME_NS",
    "tls_segments": "IA32_EMULATION",
    "userfaultfd": "USERFAULTFD",
}


@pytest.mark.parametrize("name", sorted(CONFIGURED))
def test_a_probe_agrees_with_the_kernels_configuration(name):
    config = Path("/proc/config.gz")
    if not config.exists() or os.geteuid():
        pytest.skip("needs root, and a kernel with CONFIG_IKCONFIG_PROC")
    built = f"\nCONFIG_{CONFIGURED[name]}=y\n" in gzip.decompress(config.read_bytes()).decode()
    assert (features.probe(name) == "") is built


def test_a_preparation_that_fails_is_the_answer():
    def prepare() -> None:
        raise OSError(errno.ENOSYS, "x")

    def attempt(pid: int) -> int:
        raise AssertionError("nothing is tried on it")

    assert probes.with_child(attempt, prepare) == "Function not implemented"


def test_a_child_that_ends_while_it_prepares_is_no_success():
    assert probes.with_child(lambda pid: 0, lambda: os._exit(0)) == "No such process"


def test_every_probe_of_the_second_file_is_described():
    assert set(probes.PROBES) <= {name for name, _, _ in ALL}
