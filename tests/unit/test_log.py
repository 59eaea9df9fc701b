"""The log: CRIU's lines, silent until it is configured."""

from __future__ import annotations

import os
import re

import pytest

from crtools import log
from crtools.errors import ImageError


@pytest.fixture(autouse=True)
def _silent_afterwards():
    yield
    log.close()


def test_nothing_is_written_before_it_is_configured(capfd):
    log.error("lost")
    log.debug("lost")
    log.close()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("level", "kept"),
    [(0, []), (1, ["e"]), (2, ["w", "e"]), (3, ["i", "w", "e"]), (4, ["d", "i", "w", "e"])],
)
def test_a_level_keeps_its_lines_and_those_below(tmp_path, level, kept):
    path = tmp_path / "log"
    log.configure(level, path=str(path))
    log.debug("d")
    log.info("i")
    log.warning("w")
    log.error("e")
    log.close()
    assert [line[-1] for line in path.read_text().splitlines()] == kept


def test_lines_look_like_criu_s(tmp_path):
    path = tmp_path / "log"
    log.configure(log.DEBUG, path=str(path))
    log.info("%d files", 3)
    log.debug("about one", pid=812)
    log.warning("odd")
    log.error("bad", pid=7)
    log.close()
    patterns = [
        r"\(\d\d+\.\d{6}\) 3 files",
        r"\(\d\d+\.\d{6}\)    812: about one",
        r"\(\d\d+\.\d{6}\) Warn  \(test_log\.py:\d+\): odd",
        r"\(\d\d+\.\d{6}\)      7: Error \(test_log\.py:\d+\): bad",
    ]
    lines = path.read_text().splitlines()
    assert len(lines) == 4
    for pattern, line in zip(patterns, lines, strict=True):
        assert re.fullmatch(pattern, line)


def test_there_are_no_times_below_info(capfd):
    log.configure(log.WARNING)
    log.warning("odd")
    log.close()
    assert re.fullmatch(r"Warn  \(test_log\.py:\d+\): odd\n", capfd.readouterr().err)


def test_percent_signs_without_arguments_are_text(tmp_path):
    log.configure(log.INFO, path=str(tmp_path / "log"))
    log.info("100% of %s")
    log.close()
    assert (tmp_path / "log").read_text().endswith("100% of %s\n")


def test_a_name_cannot_forge_a_line_and_any_text_can_be_written(tmp_path):
    log.configure(log.INFO, path=str(tmp_path / "log"))
    log.info("task a\nError (x:1): b \udcff \ud800")
    log.close()
    assert (tmp_path / "log").read_bytes().count(b"\n") == 1


def test_lines_wait_in_memory_until_an_error(tmp_path):
    path = tmp_path / "log"
    log.configure(log.DEBUG, path=str(path))
    log.debug("first")
    assert path.read_text() == ""
    log.error("second")
    assert len(path.read_text().splitlines()) == 2


def test_much_is_written_in_between(tmp_path):
    path = tmp_path / "log"
    log.configure(log.DEBUG, path=str(path))
    for _ in range(1000):
        log.debug("x" * 100)
    assert path.stat().st_size > 1 << 16


def test_a_forked_child_does_not_write_its_parents_lines_again(tmp_path):
    path = tmp_path / "log"
    log.configure(log.INFO, path=str(path))
    log.info("once")
    pid = os.fork()
    if not pid:
        log.flush()
        os._exit(0)
    os.waitpid(pid, 0)
    log.close()
    assert len(path.read_text().splitlines()) == 1


def test_discard_forgets(tmp_path):
    log.configure(log.INFO, path=str(tmp_path / "log"))
    log.info("gone")
    log.discard()
    log.close()
    assert (tmp_path / "log").read_text() == ""


def test_log_pid_gives_each_task_a_file_of_its_own(tmp_path):
    path = tmp_path / "log"
    log.configure(log.INFO, path=str(path), per_task=True)
    log.info("all")
    log.info("one", pid=12)
    log.info("other", pid=13)
    log.flush()
    log.info("one again", pid=12)
    log.close()
    assert len(path.read_text().splitlines()) == 1
    assert len((tmp_path / "log.12").read_text().splitlines()) == 2
    assert (tmp_path / "log.13").read_text().endswith("    13: other\n")


def test_an_older_log_is_replaced_and_private(tmp_path):
    path = tmp_path / "log"
    log.configure(log.INFO, path=str(path))
    log.info("one")
    log.configure(log.INFO, path=str(path))
    log.info("two")
    log.close()
    assert path.read_text().endswith(" two\n")
    assert len(path.read_text().splitlines()) == 1
    assert path.stat().st_mode & 0o077 == 0


def test_an_exception_is_reported_where_it_was_raised(tmp_path):
    def fail():
        raise ImageError("Bad", because="it is")

    log.configure(log.WARNING, path=str(tmp_path / "log"))
    try:
        fail()
    except ImageError as error:
        log.exception(error)
    line = fail.__code__.co_firstlineno + 1
    assert (tmp_path / "log").read_text() == (
        f"Error (test_log.py:{line}): Bad.\nError (test_log.py:{line}): Because: it is.\n"
    )


def test_a_log_that_cannot_be_written_stops_nothing():
    log.configure(log.INFO, path="/dev/full")
    log.info("x")
    log.error("y")
    log.close()


def test_stages_reach_the_log_once_and_the_watcher_always(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(log, "watcher", lambda *stage: seen.append(stage))
    log.configure(log.INFO, path=str(tmp_path / "log"))
    log.stage("writing", 0, 10)
    log.stage("writing", 5, 10)
    log.close()
    assert seen == [("writing", 0, 10), ("writing", 5, 10)]
    assert len((tmp_path / "log").read_text().splitlines()) == 1
