"""`crtools check`: findings, verdicts, exit status."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import crtools
from crtools import features
from crtools.cli import check
from crtools.model.options import Options

SRC = Path(crtools.__file__).parents[1]


@pytest.fixture
def lacking(monkeypatch):
    """Lets the probes named fail and all others succeed."""

    def lack(*names: str) -> None:
        monkeypatch.setattr(features, "_answers", {})
        for name in features._PROBES:
            answer = "Operation not permitted" if name in names else ""
            monkeypatch.setitem(features._PROBES, name, lambda answer=answer: answer)

    return lack


def _check(capsys, **options: object) -> tuple[int, list[str]]:
    status = check.main(Options(**options))
    return status, capsys.readouterr().out.splitlines()


def test_all_is_well(lacking, capsys):
    lacking()
    assert _check(capsys) == (0, ["Looks good."])
    assert _check(capsys, all=True) == (0, ["Looks good."])


def test_what_is_required_and_missing_is_said_with_its_cost(lacking, capsys):
    lacking("clone_with_pid")
    status, lines = _check(capsys)
    assert status == 1
    assert lines == [
        "clone_with_pid is missing (creating a task with the pid it had): Operation not permitted."
        " Without it nothing can be restored.",
        "Does not look good.",
    ]


@pytest.mark.parametrize(
    ("options", "status", "verdict"),
    [
        ({}, 0, "Looks good."),
        ({"extra": True}, 1, "Looks good but some features are missing."),
        ({"all": True}, 1, "Looks good but some features are missing."),
        ({"experimental": True}, 0, "Looks good."),
    ],
)
def test_extra_features_are_asked_for_when_wanted(lacking, capsys, options, status, verdict):
    lacking("pagemap_scan")
    found, lines = _check(capsys, **options)
    assert (found, lines[-1]) == (status, verdict)


def test_more_words_name_what_is_there(lacking, capsys):
    lacking()
    _, lines = _check(capsys, log_level=3)
    assert len(lines) == len(features.REQUIRED) + 1


def test_features_are_listed_and_answered(lacking, capsys):
    lacking("rseq")
    assert _check(capsys, feature="list") == (0, list(features.FEATURES))
    assert _check(capsys, feature="openat2") == (0, ["openat2: yes"])
    assert _check(capsys, feature="get_rseq_conf") == (
        1,
        ["get_rseq_conf: no: Operation not permitted"],
    )
    status, lines = _check(capsys, feature="cgroupns")
    assert status == 1
    assert "does not carry cgroup namespaces yet" in lines[0]


def test_a_table_is_for_terminals(lacking, capsys, monkeypatch):
    pytest.importorskip("rich")
    lacking("kcmp")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    status, lines = _check(capsys)
    assert status == 1
    assert lines[-1] == "Does not look good."
    assert any("Operation not permitted" in line for line in lines)


def test_without_rich_a_terminal_gets_lines(lacking, capsys, monkeypatch):
    lacking("kcmp")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setitem(sys.modules, "rich", None)
    assert len(_check(capsys)[1]) == 2


@pytest.mark.parametrize("words", ["check", "check --all", "check --feature pagemap_scan"])
def test_the_real_kernel_gives_a_verdict(words):
    done = subprocess.run(
        [sys.executable, "-m", "crtools", *words.split(), "--no-default-config"],
        env={**os.environ, "PYTHONPATH": str(SRC)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stderr == ""
    assert done.returncode in (0, 1)
    assert "ook" in done.stdout or done.stdout.startswith("pagemap_scan: ")
    if done.returncode == 0:
        assert done.stdout in ("Looks good.\n", "pagemap_scan: yes\n")
