"""The command line from end to end: what callers see of a dump and of a restore.

Sources: criu(8), reference texts of CRIU's options; how the words of a line are read is tested in
tests/unit/cli.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import crtools
from crtools.errors import CrtoolsError, RestoreConflict, UsageError
from crtools.kinds.files.build_id import read_build_id
from live.roundtrip import SECONDS, TOOL, Run, Skipped, run_in_namespace
from live.snapshot import collect_tree

pytestmark = pytest.mark.root

PAGE = 4096
NOTE_SCRIPT = """#!/bin/sh
echo "$CRTOOLS_SCRIPT_ACTION $CRTOOLS_IMAGE_DIR ${CRTOOLS_INIT_PID:-none}" >>"$NOTES"
[ "$CRTOOLS_SCRIPT_ACTION" != "$FAIL_AT" ]
"""
NewRun = Callable[..., Run]


@pytest.fixture
def run(new_run: NewRun) -> Run:
    """A process that is ready and passes if nothing is lost."""
    run = new_run("anonymous")
    run.start()
    return run


def tool(run: Run, verb: str, images: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """A command that may fail."""
    if verb == "dump":
        options = ("-t", str(run.pid), *options)
    return run.run_tool(verb, "-D", str(images), *options, check=False)


def expect_refusal(run: Run, done: subprocess.CompletedProcess[str], *words: str) -> None:
    if done.returncode != 1 or "Traceback" in done.stderr:
        run.fail(f"no refusal, status {done.returncode}:\n{done.stderr}")
    for word in words:
        if word not in done.stderr:
            run.fail(f"the refusal does not say {word!r}:\n{done.stderr}")


def expect_nothing_left(run: Run) -> None:
    left = set(collect_tree(os.getpid())) - run._before
    names = {pid: Path(f"/proc/{pid}/comm").read_text() for pid in left}
    assert not left, f"left behind: {names}"


def stats(directory: Path, verb: str) -> dict[str, int]:
    done = subprocess.run(
        [TOOL, "image", "decode", directory / f"stats-{verb}"],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=True,
    )
    found = json.loads(done.stdout)["entries"][0][verb]
    return {name: int(value) for name, value in found.items()}


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


# --- What becomes of the tasks ---


def test_dump_ends_the_tree_and_restore_brings_it_back_ten_times(new_run: NewRun) -> None:
    run = new_run("pipes")
    run.start()
    before = run.snapshot()
    for _ in range(10):
        run.restore(run.dump())
    run.expect_same(before, "after ten rounds")
    run.expect_pass()


def test_dump_of_ten_in_one_directory_after_the_other(run: Run) -> None:
    """The newest images replace all that is older."""
    images = run.new_images()
    for _ in range(3):
        assert tool(run, "dump", images, "-R").returncode == 0
    run.kill()
    run.restore(images)
    run.expect_pass()


def test_leave_running_leaves_it_running(run: Run) -> None:
    run.dump("--leave-running", kills=False)
    assert state(run.pid) in "SR"
    run.expect_pass()


def test_leave_stopped_leaves_it_stopped(new_run: NewRun) -> None:
    run = new_run("threads")
    run.start()
    run.dump("--leave-stopped", kills=False)
    run.wait_until(lambda: state(run.pid) == "T", "it is stopped")
    os.kill(run.pid, signal.SIGCONT)
    run.expect_pass()


def test_images_of_a_tree_left_stopped_do_not_say_that_it_was(run: Run) -> None:
    images = run.dump("-s", kills=False)
    run.kill()
    run.restore(images)
    assert state(run.pid) in "SR"
    run.expect_pass()


def test_restore_leaves_stopped_what_sigcont_continues(run: Run) -> None:
    images = run.dump()
    run.restore(images, "--leave-stopped")
    run.wait_until(lambda: state(run.pid) == "T", "it is stopped")
    os.kill(run.pid, signal.SIGCONT)
    run.expect_pass()


def test_restore_that_is_not_detached_waits_until_the_root_ends(run: Run) -> None:
    images = run.dump()
    read, write = os.pipe()
    command = [TOOL, "restore", "-D", images, "--status-fd", str(write)]
    with subprocess.Popen(command, pass_fds=[write], stdin=subprocess.DEVNULL) as tool:
        os.close(write)
        assert os.read(read, 2) == b"\0"
        os.close(read)
        assert parent(run.pid) == tool.pid
        assert tool.poll() is None
        run.tell()
        assert tool.wait(SECONDS) == 0
    assert run.out.endswith("PASS\n")
    assert not os.path.exists(f"/proc/{run.pid}")


def test_restore_sibling_is_a_child_of_the_caller(run: Run) -> None:
    images = run.dump()
    read, write = os.pipe()
    command = [TOOL, "restore", "-D", images, "--restore-sibling", "--status-fd", str(write)]
    with subprocess.Popen(command, pass_fds=[write], stdin=subprocess.DEVNULL) as tool:
        os.close(write)
        assert os.read(read, 2) == b"\0"
        os.close(read)
        run.status = None
        assert parent(run.pid) == os.getpid()
        assert tool.poll() is None
        run.expect_pass()
        assert tool.wait(SECONDS) == 0


def test_shell_job_needs_the_option_and_joins_the_session_of_the_tool(
    new_run: NewRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = new_run("pipes")
    with monkeypatch.context() as patch:
        patch.setattr(os, "setsid", lambda: None)
        run.start()
    assert os.getsid(run.pid) == os.getsid(0)
    expect_refusal(run, tool(run, "dump", run.new_images()), "--shell-job", "session")
    images = run.new_images()
    tree = collect_tree(run.pid)
    done = tool(run, "dump", images, "--shell-job")
    assert done.returncode == 0, done.stderr
    run.reap(tree)
    expect_refusal(run, tool(run, "restore", images, "-d"), "--shell-job")
    expect_nothing_left(run)
    run.restore(images, "-j")
    assert os.getsid(run.pid) == os.getsid(0)
    assert os.getpgid(run.pid) == os.getpgrp()
    run.expect_pass()


def test_shell_job_whose_session_began_outside_of_the_pid_namespace(directory: Path) -> None:
    run_in_namespace(directory, "session-from-outside", "pipes")


def test_a_number_above_pid_max_is_refused_and_nothing_is_left(directory: Path) -> None:
    try:
        run_in_namespace(directory, "numbers-above-the-most", "threads")
    except Skipped as reason:
        pytest.skip(str(reason))


# --- Who is told ---


def test_pidfile_has_the_pid_and_is_never_overwritten(run: Run) -> None:
    images = run.dump("--pidfile", "/nonexistent/not-written-on-dump")
    pidfile = run.directory / "pid"
    pidfile.write_text("another's")
    done = tool(run, "restore", images, "-d", "--pidfile", str(pidfile))
    expect_refusal(run, done, str(pidfile), "exists")
    assert pidfile.read_text() == "another's"
    expect_nothing_left(run)
    pidfile.unlink()
    assert tool(run, "restore", images, "-d", "--pidfile", str(pidfile)).returncode == 0
    assert int(pidfile.read_text()) == run.pid
    run.status = None
    run.expect_pass()


def test_pidfile_is_relative_to_the_work_directory(run: Run) -> None:
    images = run.dump()
    work = run.directory / "work"
    work.mkdir()
    assert tool(run, "restore", images, "-d", "-W", str(work), "--pidfile", "it").returncode == 0
    assert int((work / "it").read_text()) == run.pid
    run.status = None
    run.expect_pass()


@pytest.mark.parametrize("verb", ["dump", "restore"])
def test_status_fd_gets_one_zero_byte_and_the_end(verb: str, run: Run) -> None:
    images = run.new_images() if verb == "dump" else run.dump()
    read, write = os.pipe()
    words = ["-t", str(run.pid), "-R"] if verb == "dump" else ["-d"]
    command = [TOOL, verb, "-D", images, "--status-fd", str(write), *words]
    subprocess.run(command, pass_fds=[write], check=True, timeout=SECONDS)
    os.close(write)
    assert os.read(read, 10) == b"\0"
    assert os.read(read, 10) == b"", "the restored program has it too"
    os.close(read)
    if verb == "restore":
        run.status = None
    run.expect_pass()


class Scripts:
    """An action script that notes how it was called."""

    def __init__(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        self.notes = run.directory / "notes"
        self.script = run.directory / "script"
        self.script.write_text(NOTE_SCRIPT)
        self.script.chmod(0o755)
        self._monkeypatch = monkeypatch
        monkeypatch.setenv("NOTES", str(self.notes))
        self.fail_at("")

    def fail_at(self, action: str) -> None:
        self._monkeypatch.setenv("FAIL_AT", action)

    def said(self) -> list[str]:
        lines = self.notes.read_text().splitlines() if self.notes.exists() else []
        self.notes.unlink(missing_ok=True)
        return lines


@pytest.fixture
def scripts(run: Run, monkeypatch: pytest.MonkeyPatch) -> Scripts:
    return Scripts(run, monkeypatch)


def test_action_scripts_are_told_action_directory_and_pid(run: Run, scripts: Scripts) -> None:
    option = ("--action-script", str(scripts.script))
    images = run.dump(*option)
    about = f"{images} {run.pid}"
    assert scripts.said() == [f"pre-dump {about}", f"post-dump {about}"]
    run.restore(images, *option)
    said = scripts.said()
    assert said[0] == f"pre-restore {images} none"
    wanted = ["post-restore", "network-unlock", "pre-resume", "post-resume"]
    assert said[1:] == [f"{action} {about}" for action in wanted]
    run.expect_pass()


def test_pid_file_is_there_when_the_later_scripts_run(run: Run, scripts: Scripts) -> None:
    pidfile = run.directory / "pid"
    looks = f'[ -e {pidfile} ] && echo "$CRTOOLS_SCRIPT_ACTION" >>{scripts.notes}; true'
    images = run.dump()
    done = tool(run, "restore", images, "-d", "--pidfile", str(pidfile), "--action-script", looks)
    assert done.returncode == 0, done.stderr
    assert scripts.said() == ["network-unlock", "pre-resume", "post-resume"]
    run.status = None
    run.expect_pass()


@pytest.mark.parametrize("action", ["pre-dump", "post-dump"])
def test_failing_script_of_a_dump_lets_the_target_go_on(
    action: str, run: Run, scripts: Scripts
) -> None:
    scripts.fail_at(action)
    before = run.snapshot()
    images = run.new_images()
    done = tool(run, "dump", images, "--action-script", str(scripts.script))
    expect_refusal(run, done, str(scripts.script), action)
    assert not (images / "inventory.img").exists()
    run.expect_same(before, "after the failure")
    run.expect_pass()


@pytest.mark.parametrize("action", ["pre-restore", "post-restore", "pre-resume"])
def test_failing_script_of_a_restore_leaves_nothing(
    action: str, run: Run, scripts: Scripts
) -> None:
    images = run.dump()
    pidfile = run.directory / "pid"
    scripts.fail_at(action)
    options = ("-d", "--pidfile", str(pidfile), "--action-script", str(scripts.script))
    expect_refusal(run, tool(run, "restore", images, *options), str(scripts.script), action)
    expect_nothing_left(run)
    assert not pidfile.exists()
    scripts.fail_at("")
    run.restore(images, *options[3:])
    run.expect_pass()


def test_failing_script_after_the_tasks_go_on_does_not_take_them_back(
    run: Run, scripts: Scripts
) -> None:
    images = run.dump()
    scripts.fail_at("post-resume")
    done = tool(run, "restore", images, "-d", "--action-script", str(scripts.script))
    assert done.returncode == 0
    assert "failed at post-resume" in done.stderr
    run.status = None
    run.expect_pass()


def test_display_stats_prints_figures(run: Run) -> None:
    images = run.new_images()
    done = tool(run, "dump", images, "--display-stats", "-R")
    figures = dict(re.findall(r"^(.+?): (\d+)", done.stdout, re.MULTILINE))
    assert int(figures["Pages written"]) == stats(images, "dump")["pages_written"] > 0
    assert int(figures["Frozen time"]) > 0
    run.kill()
    done = tool(run, "restore", images, "--display-stats", "-d")
    figures = dict(re.findall(r"^(.+?): (\d+)", done.stdout, re.MULTILINE))
    assert int(figures["Pages restored"]) == stats(images, "restore")["pages_restored"] > 0
    assert int(figures["Restore time"]) >= int(figures["Forking time"]) > 0
    run.status = None
    run.expect_pass()


def test_log_pid_gives_each_task_a_log_of_its_own(new_run: NewRun) -> None:
    run = new_run("groups")
    run.start()
    tree = collect_tree(run.pid)
    images = run.dump("--log-pid")
    assert (images / "dump.log").stat().st_size
    run.restore(images, "--log-pid")
    for log in ("dump.log", "restore.log"):
        found = {int(path.suffix[1:]) for path in images.glob(f"{log}.*")}
        assert found <= set(tree)
        assert run.pid in found, log
        for pid in found:
            text = (images / f"{log}.{pid}").read_text()
            assert text.startswith("(0")
    run.expect_pass()


# --- Directories and figures ---


def test_work_directory_has_logs_and_figures_and_the_images_directory_has_images_only(
    new_run: NewRun,
) -> None:
    run = new_run("shared_anonymous")
    run.start()
    images, work = run.new_images(), run.directory / "work"
    work.mkdir()
    where = ("-W", str(work))
    tree = collect_tree(run.pid)
    assert tool(run, "dump", images, *where, "-o", "dump.log").returncode == 0
    run.reap(tree)
    assert {path.name for path in work.iterdir()} == {"dump.log", "stats-dump"}
    assert all(path.suffix == ".img" for path in images.iterdir())
    dumped = stats(work, "dump")
    pages = sum(path.stat().st_size for path in images.glob("pages-*.img"))
    assert dumped["shpages_written"] > 0
    assert pages == PAGE * (dumped["pages_written"] + dumped["shpages_written"])
    assert dumped["pages_scanned"] >= dumped["pages_written"] > 0
    assert dumped["frozen_time"] > dumped["memdump_time"] > 0
    assert dumped["frozen_time"] > dumped["memwrite_time"] > 0
    assert dumped["freezing_time"] > 0

    had = sorted(images.iterdir())
    images.chmod(0o500)
    assert tool(run, "restore", images, "-d", *where, "-o", "restore.log").returncode == 0
    run.status = None
    assert sorted(images.iterdir()) == had
    assert {path.name for path in work.iterdir()} == {
        *("dump.log", "stats-dump", "restore.log", "stats-restore"),
    }
    restored = stats(work, "restore")
    assert restored["restore_time"] >= restored["forking_time"] > 0
    assert restored["pages_restored"] * PAGE <= pages
    assert restored["pages_skipped_cow"] <= restored["pages_compared"]
    assert (restored["pages_restored"] + restored["pages_skipped_cow"]) * PAGE == pages
    run.expect_pass()


def test_images_directory_is_made_for_the_owner_alone(run: Run) -> None:
    images = run.directory / "made"
    assert tool(run, "dump", images, "-R").returncode == 0
    assert images.stat().st_mode & 0o7777 == 0o700
    run.expect_pass()


@pytest.mark.parametrize("mode", [0o755, 0o750])
def test_mode_of_an_existing_images_directory_is_kept(mode: int, run: Run) -> None:
    images = run.directory / "there"
    images.mkdir()
    images.chmod(mode)
    assert tool(run, "dump", images, "-R").returncode == 0
    assert images.stat().st_mode & 0o7777 == mode
    for path in images.iterdir():
        assert not path.stat().st_mode & 0o077, path
    run.expect_pass()


def test_images_directory_without_a_parent_is_refused(run: Run) -> None:
    done = tool(run, "dump", run.directory / "no" / "where")
    expect_refusal(run, done, "no/where")
    assert not (run.directory / "no").exists()
    run.expect_pass()


def test_failed_dump_leaves_no_old_inventory(new_run: NewRun) -> None:
    run = new_run("anonymous")
    run.start()
    images = run.dump("-R", kills=False)
    other = new_run("holds", "foreign-pipe")
    other.start()
    expect_refusal(other, tool(other, "dump", images))
    assert not (images / "inventory.img").exists()
    run.kill()
    expect_refusal(run, tool(run, "restore", images, "-d"), "inventory.img")
    other.expect_pass()


def test_dry_run_prints_the_plan_and_touches_nothing(run: Run) -> None:
    images = run.dump()
    had = {path.name: path.stat().st_mtime_ns for path in images.iterdir()}
    done = tool(run, "restore", images, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert f"clone {run.pid}" in done.stdout
    assert "pages to read" in done.stdout
    expect_nothing_left(run)
    assert {path.name: path.stat().st_mtime_ns for path in images.iterdir()} == had
    run.restore(images)
    run.expect_pass()


# --- Refusals ---


def test_pid_in_use_is_refused_with_the_name_of_its_holder(run: Run) -> None:
    images = run.dump("-R", kills=False)
    done = tool(run, "restore", images, "-d")
    expect_refusal(run, done, f"task {run.pid}", "(anonymous)", "in use")
    run.expect_pass()


def test_zombie_in_the_way_is_waited_for_and_then_named(run: Run) -> None:
    images = run.new_images()
    assert tool(run, "dump", images).returncode == 0
    assert state(run.pid) == "Z"  # we have not waited for it
    expect_refusal(run, tool(run, "restore", images, "-d"), f"task {run.pid}", "zombie")
    command = [TOOL, "restore", "-D", images, "-d"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as tool_:
        os.waitpid(run.pid, 0)
        assert tool_.wait(SECONDS) == 0
    run.expect_pass()


def test_another_size_of_a_file_is_refused_until_it_is_as_it_was(new_run: NewRun) -> None:
    run = new_run("positions")
    run.start()
    images = run.dump()
    data = run.work / "data"
    size = data.stat().st_size
    with data.open("ab") as file:
        file.write(b"more")
    done = tool(run, "restore", images, "-d")
    expect_refusal(run, done, str(data), str(size), str(size + 4))
    expect_nothing_left(run)
    os.truncate(data, size)
    run.restore(images)
    run.expect_pass()


def test_another_build_of_a_program_is_refused_unless_told_otherwise(run: Run) -> None:
    program = Path(run.command[0])
    images = run.dump()
    fd = os.open(program, os.O_RDONLY)
    build_id = b"".join(word.to_bytes(4, "little") for word in read_build_id(fd))
    os.close(fd)
    content = program.read_bytes()
    assert content.count(build_id) == 1
    program.write_bytes(content.replace(build_id, bytes(reversed(build_id))))
    done = tool(run, "restore", images, "-d")
    expect_refusal(run, done, str(program), "build id", "--file-validation")
    expect_nothing_left(run)
    run.restore(images, "--file-validation", "filesize")
    run.expect_pass()


def test_other_permissions_of_a_file_are_refused_unless_told_otherwise(run: Run) -> None:
    program = Path(run.command[0])
    images = run.dump()
    program.chmod(0o711)
    done = tool(run, "restore", images, "-d")
    expect_refusal(run, done, str(program), "0711", "--skip-file-rwx-check")
    expect_nothing_left(run)
    run.restore(images, "--skip-file-rwx-check")
    run.expect_pass()


# --- The same from Python ---


def test_python_api_answers_figures_and_raises_errors(run: Run) -> None:
    images = run.directory / "made-by-the-api"
    result = crtools.dump(run.pid, str(images), leave_running=True)
    assert result.pid == run.pid
    assert result.processes == result.threads == 1
    assert 0 < result.freezing_us < result.frozen_us < result.total_us
    pages = sum(path.stat().st_size for path in images.glob("pages-*.img"))
    assert result.pages * PAGE == pages
    assert "1 processes" in result.summary_line()
    with pytest.raises(RestoreConflict) as caught:
        crtools.restore(str(images))
    assert str(run.pid) in str(caught.value)
    run.kill()
    restored = crtools.restore(str(images), restore_detached=True)
    assert restored.root_pid == run.pid
    assert restored.pages == result.pages
    assert parent(run.pid) == os.getpid()
    run.status = None
    run.expect_pass()


def test_python_api_refuses_what_makes_no_sense(run: Run) -> None:
    with pytest.raises(UsageError):
        crtools.dump(run.pid, str(run.new_images()), lazy_pages=True)
    with pytest.raises(TypeError):
        crtools.dump(run.pid, str(run.new_images()), no_such_option=True)
    with pytest.raises(CrtoolsError):
        crtools.restore(str(run.directory / "nowhere"))
    run.expect_pass()
