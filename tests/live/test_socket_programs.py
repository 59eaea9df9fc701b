"""Sockets with programs of extended BPF: found again, or refused by name."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from crtools.errors import RestoreConflict
from crtools.images.messages.crtools_socket import SocketProgramEntry
from crtools.images.store import ImageStore
from crtools.kinds.files.socket_programs import Info, find_program, open_by_id, open_pinned
from live.roundtrip import Run, Skipped

pytestmark = pytest.mark.root


@contextmanager
def bpf_file_system(run: Run) -> Iterator[Path]:
    place = run.work / "bpf"
    place.mkdir()
    done = subprocess.run(["mount", "-t", "bpf", "none", place], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no bpf file systems here: {done.stderr}")
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


def start(run: Run) -> None:
    try:
        run.start()
    except Skipped as reason:
        pytest.skip(str(reason))


def wait_until_freed(run: Run, id: int) -> None:
    """The kernel drops a dead socket's filter, and with it the program, after all that may still
    be looking at it (RCU): its number leads to it until then."""

    def freed() -> bool:
        try:
            os.close(open_by_id(id))
        except FileNotFoundError:
            return True
        return False

    run.wait_until(freed, f"program {id} is freed")


def iter_programs(images: Path) -> Iterator[SocketProgramEntry]:
    with ImageStore.open(str(images)) as store:
        for entry in store.read("crtools-socket"):
            if entry.group_program is not None:
                yield entry.group_program


def number_of(program: Path) -> int:
    fd = open_pinned(str(program))
    try:
        return Info(fd).id
    finally:
        os.close(fd)


@pytest.mark.parametrize("variant", ["filter", "group", "drop"])
def test_program_that_is_pinned_is_found_again(variant: str, new_run: Callable[..., Run]) -> None:
    run = new_run("bpf_filters", variant)
    with bpf_file_system(run):
        start(run)
        images = run.dump()
        run.restore(images)
        images = run.dump()
        run.restore(images)
        run.expect_pass()


def test_program_at_the_same_name_must_be_the_same(new_run: Callable[..., Run]) -> None:
    run, other = new_run("bpf_filters", "filter"), new_run("bpf_filters", "group")
    with bpf_file_system(run) as place:
        start(run)
        images = run.dump()
        program = number_of(place / "filter")
        (place / "filter").unlink()
        wait_until_freed(run, program)
        with bpf_file_system(other) as elsewhere:
            subprocess.run(["mount", "--bind", place, elsewhere], check=True)
            try:
                start(other)
            finally:
                subprocess.run(["umount", elsewhere], check=True)
        done = run.run_tool("restore", "-D", str(images), "-d", "-o", "restore.log", check=False)
        assert done.returncode != 0
        assert "its BPF program, no_x, is not here any more" in done.stderr
        assert f"pin it at {place}/filter again" in done.stderr
        other.expect_pass()


def test_program_that_somebody_else_has_is_found_while_it_is_there(
    new_run: Callable[..., Run],
) -> None:
    run = new_run("bpf_filters", "filter")
    with bpf_file_system(run) as place:
        start(run)
        held = open_pinned(str(place / "filter"))
    try:
        program = Info(held).id
        images = run.dump()
        run.restore(images)
        images = run.dump()
    finally:
        os.close(held)
    wait_until_freed(run, program)
    done = run.run_tool("restore", "-D", str(images), "-d", "-o", "restore.log", check=False)
    assert done.returncode != 0
    assert "its BPF program, no_x, is not here any more" in done.stderr
    assert "pin it before the dump" in done.stderr


@pytest.mark.parametrize("variant", ["filter", "group"])
def test_program_that_nobody_else_has_is_refused_by_name(
    variant: str, new_run: Callable[..., Run]
) -> None:
    run = new_run("bpf_filters", variant)
    with bpf_file_system(run):
        start(run)
    done = run.try_dump(run.new_images())
    assert done.returncode != 0
    assert "it is a socket with a program of extended BPF" in done.stderr
    assert "program no_x (" in done.stderr
    assert "bpftool prog pin id" in done.stderr
    run.expect_pass()


def test_program_that_chooses_among_sockets_of_a_map_is_refused_by_name(
    new_run: Callable[..., Run],
) -> None:
    run = new_run("bpf_filters", "select")
    with bpf_file_system(run):
        start(run)
        before = run.snapshot()
        done = run.try_dump(run.new_images())
        run.expect_same(before, "after the refusal")
    assert done.returncode != 0
    assert "it is a socket with a program of extended BPF" in done.stderr
    assert "program divides (" in done.stderr
    assert "chooses among sockets of a map" in done.stderr
    run.expect_pass()


def test_program_of_another_type_is_not_the_same(new_run: Callable[..., Run]) -> None:
    run = new_run("bpf_filters", "drop")
    with bpf_file_system(run) as place:
        start(run)
        images = run.dump()
        entry = next(iter_programs(images))
        assert entry.type == 21  # BPF_PROG_TYPE_SK_REUSEPORT
        held = find_program(entry, "it")
        os.close(held)
        entry.type = None
        with pytest.raises(RestoreConflict, match=f"or another is at {place}/filter"):
            find_program(entry, "it")
        run.restore(images)
        run.expect_pass()
