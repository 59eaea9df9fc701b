"""Opening files of /proc: whole, relative to the one that was given, and errors told apart."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crtools.errors import MissingFeature, PermissionDenied, TaskVanished
from crtools.procfs import files
from crtools.procfs.files import (
    list_task_directory,
    open_proc,
    read_optional_task_file,
    read_task_file,
    read_task_link,
    split_deleted,
    unescape,
)

NO_PID = 4194304 + 1  # above PID_MAX_LIMIT


def test_a_directory_that_is_no_procfs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingFeature, match="no procfs"):
        open_proc(str(tmp_path))
    with pytest.raises(MissingFeature, match="Cannot open procfs"):
        open_proc(str(tmp_path / "absent"))


def test_a_file_is_read_whole_however_long_it_is(fake_proc: Callable[[str, bytes], int]) -> None:
    for size in (0, 1, 65536, 65537, 300000):
        data = os.urandom(size)
        assert read_task_file(fake_proc("7/x", data), 7, "x") == data


def test_a_thread_has_its_own_files(fake_proc: Callable[[str, bytes], int]) -> None:
    fake_proc("7/comm", b"process")
    proc = fake_proc("7/task/8/comm", b"thread")
    assert read_task_file(proc, 7, "comm") == b"process"
    assert read_task_file(proc, 7, "comm", 8) == b"thread"


def test_a_task_that_is_gone_is_said_to_have_vanished(proc: int) -> None:
    for read in (read_task_file, read_task_link, list_task_directory, read_optional_task_file):
        with pytest.raises(TaskVanished, match=str(NO_PID)) as caught:
            read(proc, NO_PID, "status")
        assert caught.value.subject == ("task", NO_PID)
    with pytest.raises(TaskVanished):
        read_task_file(proc, os.getpid(), "status", NO_PID)


def test_a_file_that_the_kernel_lacks_is_not_a_vanished_task(proc: int) -> None:
    with pytest.raises(MissingFeature, match=f"/proc/{os.getpid()}/no_such_file"):
        read_task_file(proc, os.getpid(), "no_such_file")
    assert read_optional_task_file(proc, os.getpid(), "no_such_file") is None


def test_a_refusal_names_the_file_and_the_privilege(
    proc: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(files.os, "open", refuse)
    with pytest.raises(PermissionDenied, match="/proc/1/maps") as caught:
        read_task_file(proc, 1, "maps")
    assert "CAP_SYS_PTRACE" in caught.value.hint


def test_an_unexpected_error_is_passed_on(proc: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> int:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(files.os, "open", fail)
    with pytest.raises(OSError, match="Too many"):
        read_task_file(proc, 1, "maps")


def test_links_are_bytes(proc: int) -> None:
    assert read_task_link(proc, os.getpid(), "cwd") == os.getcwdb()


def test_the_suffix_of_deleted_files_becomes_a_flag() -> None:
    assert split_deleted(b"/tmp/x (deleted)") == (b"/tmp/x", True)
    assert split_deleted(b"/tmp/x (deleted) ") == (b"/tmp/x (deleted) ", False)


def escape(text: bytes, special: bytes) -> bytes:
    """As the kernel's mangle_path does it."""
    return b"".join(b"\\%03o" % byte if byte in special else bytes([byte]) for byte in text)


@given(st.binary())
def test_escaped_text_comes_back(text: bytes) -> None:
    assert unescape(escape(text, b" \t\n\\#")) == text


@pytest.mark.parametrize("text", [b"\\", b"a\\9", b"\\08", b"\\777", b"\\04", b"\\\\040 "])
def test_a_backslash_that_escapes_nothing_stays(text: bytes) -> None:
    assert unescape(text).startswith(
        text[: text.rindex(b"\\") + 1] if b"040" not in text else b"\\"
    )
