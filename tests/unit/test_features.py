"""Probes of the kernel: each really tries, and leaves nothing behind."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from crtools import features
from crtools.errors import InternalError, UsageError

ALL = features.REQUIRED + features.EXTRA + features.EXPERIMENTAL
NEEDS_ROOT = {"clone_with_pid", "map_files", "seccomp_suspend", "link_by_descriptor"}


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
    assert features._in_child(lambda: 0) == ""
    assert features._in_child(lambda: errno.ENOSYS) == "Function not implemented"
    assert "signal 9" in features._in_child(lambda: os.kill(os.getpid(), 9) or 0)

    def fail() -> int:
        raise OSError(errno.EPERM, "x")

    assert features._in_child(fail) == "Operation not permitted"


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
