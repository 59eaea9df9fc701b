"""From a line to an exit status: verbs, directories, log, errors, what is told to whom."""

from __future__ import annotations

import os
import subprocess
import sys
import types
from pathlib import Path

import pytest

import crtools
from crtools import log
from crtools.cli.main import main
from crtools.errors import ImageError, UsageError

SRC = Path(crtools.__file__).parents[1]


class Result:
    root_pid = 1 << 22  # above any pid: nobody to wait for
    shortfalls: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    def summary_line(self) -> str:
        return "3 tasks, 12 KiB"

    def stats_lines(self) -> tuple[str, ...]:
        return ("Frozen: 3 us", "Written: 3 pages")


@pytest.fixture
def api(monkeypatch):
    """An API that notes what it is asked for; set `fails` to have it raise."""
    fake = types.ModuleType("crtools.api")
    fake.asked = []
    fake.fails = None

    def serve(verb):
        def run(options, **_):
            fake.asked.append((verb, options))
            log.info("working")
            if fake.fails is not None:
                raise fake.fails
            return ["first step", "second step"] if verb == "plan" else Result()

        return run

    fake.dump_with = serve("dump")
    fake.restore_with = serve("restore")
    fake.plan_with = serve("plan")
    monkeypatch.setitem(sys.modules, "crtools.api", fake)
    monkeypatch.setattr(crtools, "api", fake, raising=False)
    monkeypatch.setenv("HOME", "/nonexistent")
    monkeypatch.delenv("CRIU_CONFIG_FILE", raising=False)
    return fake


def _run(*words: object) -> int:
    return main([str(word) for word in words])


def test_a_typical_callers_lines_reach_the_api(api, tmp_path, monkeypatch):
    (tmp_path / "rel").mkdir()
    monkeypatch.chdir(tmp_path)
    line = f"--no-default-config --log-file dump.log --images-dir rel --verbosity=4 --timeout 10 \
        --pidfile {tmp_path}/pid"
    assert _run("dump", *line.split(), "--tree", os.getpid()) == 0
    assert _run("restore", *line.replace("dump", "restore").split(), "--restore-detached") == 0
    (_, dump), (_, restore) = api.asked
    assert dump.tree == os.getpid()
    assert dump.images_dir == dump.work_dir == f"{tmp_path}/rel"
    assert restore.log_file == f"{tmp_path}/rel/restore.log"
    assert restore.restore_detached
    assert not (tmp_path / "pid").exists()
    text = (tmp_path / "rel/dump.log").read_text()
    assert "Version: 4.2" in text
    assert "Dumping finished successfully" in text
    assert "Restore finished successfully" in (tmp_path / "rel/restore.log").read_text()


def test_a_dump_makes_a_private_directory_and_a_failed_one_removes_it(api, tmp_path):
    made = tmp_path / "made"
    assert _run("dump", "-t", 1, "-D", made) == 0
    assert made.stat().st_mode & 0o777 == 0o700
    api.fails = ImageError("No")
    assert _run("dump", "-t", 1, "-D", tmp_path / "other") == 1
    assert not (tmp_path / "other").exists()


def test_a_given_directory_keeps_its_mode_and_stays(api, tmp_path):
    tmp_path.chmod(0o755)
    api.fails = ImageError("No")
    assert _run("dump", "-t", 1, "-D", tmp_path) == 1
    assert tmp_path.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize(
    "line",
    ["restore -D {}/none", "dump -t 1 -D {}/none/deeper", "dump -t 1 -D {} -W {}/none"],
)
def test_directories_that_must_exist(api, tmp_path, line, capfd):
    assert _run(*line.replace("{}", str(tmp_path)).split()) == 1
    assert "none" in capfd.readouterr().err
    assert api.asked == []


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("frob", "crtools: unknown command: frob"),
        ("dump --frob", "crtools: unrecognized option '--frob'"),
        ("dump -t", "crtools: option requires an argument -- 't'"),
        ("dump -t 1 more", "crtools: excessive parameter for command dump: more"),
        ("check more", "crtools: excessive parameter for command check: more"),
        ("cpuinfo", "crtools: cpuinfo requires an action: dump or check"),
        ("restore --exec-cmd", "crtools: --exec-cmd requires a command"),
    ],
)
def test_a_wrong_line_gets_its_error_and_the_usage(api, line, message, capfd):
    assert _run(*line.split()) == 1
    out, err = capfd.readouterr()
    assert err == message + "\n"
    assert out.startswith("Usage:\n")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("dump", "dump needs the pid of the tree's root."),
        ("dump -t 0", "Invalid argument for -t: 0."),
        ("dump --tree x", "Invalid argument for --tree: x."),
        ("exec", "`exec` is removed."),
        ("pre-dump", "pre-dump needs the pid of the tree's root."),
        ("lazy-pages", "`crtools lazy-pages` is not available yet."),
        ("page-server", "`crtools page-server` is not available yet."),
        ("service", "`crtools service` is not available yet."),
        ("swrk 3", "`crtools swrk` is not available yet."),
        ("dump -t 1 --stream", "--stream is not available yet."),
        ("restore --inherit-fd fd[x]:y", "Invalid argument for --inherit-fd: x."),
        ("dump -t 1 --external teapot[1]", "Invalid argument for --external: teapot[1]."),
        (
            "restore --external veth[a]:b",
            "--external veth[...] is not available yet for a restore.",
        ),
        ("dump -t 1 --dry-run", "--dry-run is there for restore only."),
        ("dump -t 1 --timens", "--timens is there for restore only."),
        ("restore --iterate", "--iterate is there for dump only."),
        ("dump -t 1 --strict", "--strict is there for restore only."),
        ("check --ms", "--ms is deprecated."),
        ("check --feature teleport", "Unknown feature teleport."),
        ("restore --close 99999", "Descriptor 99999 of --close cannot be closed."),
        ("restore --config /nonexistent/x", "The config file /nonexistent/x does not exist."),
    ],
)
def test_what_makes_no_sense_is_refused_before_any_work(
    api, line, message, capfd, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert _run(*line.split()) == 1
    out, err = capfd.readouterr()
    assert err.splitlines()[0] == message
    assert out == ""
    assert api.asked == []


def test_without_a_verb_there_is_the_usage(api, capfd):
    assert main([]) == 1
    assert capfd.readouterr().out.startswith("Usage:\n")


@pytest.mark.parametrize("line", ["--version", "-V", "dump --version", "restore -V -t 3"])
def test_the_version_is_the_one_that_callers_look_for(api, line, capfd):
    assert _run(*line.split()) == 0
    assert capfd.readouterr().out == f"Version: 4.2\ncrtools {crtools.__version__}\n"


@pytest.mark.parametrize("line", ["--help", "-h", "frob --help"])
def test_help_is_help(api, line, capfd):
    assert _run(*line.split()) == 0
    assert "--leave-running" in capfd.readouterr().out


def test_an_error_is_told_once_and_logged(api, tmp_path, capfd):
    api.fails = ImageError("Cannot read a.img", because="it is short", hint="dump again")
    assert _run("restore", "-D", tmp_path, "-o", "r.log", "-v1") == 1
    text = "Cannot read a.img.\nBecause: it is short.\nTry: dump again.\n"
    assert capfd.readouterr() == ("", text)
    lines = (tmp_path / "r.log").read_text().splitlines()
    assert [line.partition("): ")[2] for line in lines] == text.splitlines()
    assert all(line.startswith("Error (test_main.py:") for line in lines)


@pytest.mark.parametrize(("level", "told"), [("-v0", 0), ("-v1", 1), ("-v2", 1), ("-v4", 1)])
def test_without_a_log_file_an_error_is_told_once(api, tmp_path, capfd, level, told):
    api.fails = ImageError("Cannot read a.img")
    assert _run("restore", "-D", tmp_path, level) == 1
    assert capfd.readouterr().err.count("Cannot read a.img.") == told


def test_an_unexpected_exception_is_our_bug_with_its_traceback_in_the_log(api, tmp_path, capfd):
    api.fails = ZeroDivisionError("three by none")
    assert _run("dump", "-t", 1, "-D", tmp_path, "-o", "d.log") == 1
    err = capfd.readouterr().err
    assert err.splitlines()[:2] == [
        "crtools failed: ZeroDivisionError: three by none",
        "Because: this is our bug, nothing that you did.",
    ]
    assert "Traceback" not in err
    assert "raise fake.fails" in (tmp_path / "d.log").read_text()


def test_an_unexpected_exception_without_a_log_shows_its_traceback(api, tmp_path, capfd):
    api.fails = ZeroDivisionError("three by none")
    assert _run("dump", "-t", 1, "-D", tmp_path) == 1
    assert "Traceback" in capfd.readouterr().err


def test_an_interrupt_is_status_130(api, tmp_path, capfd):
    api.fails = KeyboardInterrupt()
    assert _run("dump", "-t", 1, "-D", tmp_path, "-o", "d.log") == 130
    assert capfd.readouterr().err == "crtools: interrupted\n"
    assert "Interrupted" in (tmp_path / "d.log").read_text()


def test_a_log_that_cannot_be_made_is_an_error_before_any_work(api, tmp_path, capfd):
    assert _run("dump", "-t", 1, "-D", tmp_path, "-o", "no/d.log") == 1
    assert f"The log file {tmp_path}/no/d.log cannot be created." in capfd.readouterr().err
    assert api.asked == []


def test_stats_are_printed_when_asked_for(api, tmp_path, capfd):
    assert _run("dump", "-t", 1, "-D", tmp_path, "--display-stats") == 0
    assert capfd.readouterr().out == "Frozen: 3 us\nWritten: 3 pages\n"
    assert _run("dump", "-t", 1, "-D", tmp_path) == 0
    assert capfd.readouterr() == ("", "")


def test_a_waiting_parent_hears_of_success_only(api, tmp_path):
    reader, writer = os.pipe()
    assert _run("dump", "-t", 1, "-D", tmp_path, "--status-fd", writer) == 0
    assert os.read(reader, 5) == b"\0"
    assert os.read(reader, 5) == b""
    os.close(reader)
    reader, writer = os.pipe()
    api.fails = ImageError("No")
    assert _run("dump", "-t", 1, "-D", tmp_path, "--status-fd", writer) == 1
    os.close(writer)
    assert os.read(reader, 5) == b""
    os.close(reader)


def test_close_comes_before_anything_else(api, tmp_path):
    reader, writer = os.pipe()
    assert _run("dump", "-t", 1, "-D", tmp_path, "--close", writer) == 0
    assert os.read(reader, 5) == b""
    os.close(reader)


def test_a_dry_run_prints_the_plan(api, tmp_path, capfd):
    assert _run("restore", "-D", tmp_path, "--dry-run") == 0
    assert [verb for verb, _ in api.asked] == ["plan"]
    assert capfd.readouterr().out == "first step\nsecond step\n"


def test_what_a_restore_lacks_is_told_on_the_terminal(api, tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(Result, "shortfalls", ("task 3 (x): its y is 1, was 2: because",))
    assert _run("restore", "-D", tmp_path, "-o", "log") == 0
    assert capfd.readouterr().err == "Warning: task 3 (x): its y is 1, was 2: because\n"
    # Without a log file the log's own warning is on the terminal already; and some want silence.
    assert _run("restore", "-D", tmp_path) == 0
    assert _run("restore", "-D", tmp_path, "-o", "log", "-v1") == 0
    assert capfd.readouterr().err == ""


def test_restore_waits_for_the_root_unless_detached(api, tmp_path):
    pid = os.fork()
    if not pid:
        os._exit(7)
    Result.root_pid, above = pid, Result.root_pid
    try:
        assert _run("restore", "-D", tmp_path) == 0
        with pytest.raises(ChildProcessError):
            os.waitpid(pid, 0)
    finally:
        Result.root_pid = above


def test_remarks_on_options_without_effect_are_warnings(api, tmp_path, capfd):
    config = tmp_path / "conf"
    config.write_text("leave-running 1\nlibdir /x\n")
    assert _run("dump", "-t", 1, "-D", tmp_path, "--config", config) == 0
    err = capfd.readouterr().err
    assert err.count("Warn  (cli/main.py:") == 2
    assert "leave-running takes no value" in err


@pytest.mark.parametrize("verb", ["image", "verify"])
def test_verbs_with_words_of_their_own_get_the_rest_of_the_line(verb, monkeypatch):
    got = []
    fake = types.ModuleType(f"crtools.cli.{verb}")
    fake.main = lambda words: got.append(words) or 4
    monkeypatch.setitem(sys.modules, f"crtools.cli.{verb}", fake)
    monkeypatch.setattr(crtools.cli, verb, fake, raising=False)
    assert main([verb, "show", "--pretty", "x"]) == 4
    assert got == [["show", "--pretty", "x"]]


def test_an_error_of_image_is_told(monkeypatch, capfd):
    def fail(words):
        raise UsageError("No such file")

    fake = types.ModuleType("crtools.cli.image")
    fake.main = fail
    monkeypatch.setitem(sys.modules, "crtools.cli.image", fake)
    monkeypatch.setattr(crtools.cli, "image", fake, raising=False)
    assert main(["image"]) == 1
    assert capfd.readouterr().err == "No such file.\n"


# --- As a process of its own ---


def _command(line: str, stdout: int = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
    """A line of sh; $crtools is the command."""
    crtools = f"{sys.executable} -m crtools"
    return subprocess.run(
        ["sh", "-c", line],
        env={**os.environ, "crtools": crtools, "PYTHONPATH": str(SRC)},
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_full_disk_behind_standard_output_is_an_error():
    done = _command("$crtools --help > /dev/full")
    assert done.returncode == 1
    assert done.stderr == "Standard output cannot be written.\nBecause: No space left on device.\n"


def test_a_reader_that_is_gone_is_no_traceback():
    reader, writer = os.pipe()
    os.close(reader)
    done = _command("$crtools --help", stdout=writer)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")


def test_closed_standard_descriptors_get_nobody_elses_words(tmp_path):
    """Else the log file would be descriptor 2 and the error text would be written over it."""
    done = _command(
        f"$crtools restore -D {tmp_path} -o r.log -v4 --pidfile x <&- >&- 2>&-; echo $?"
    )
    assert done.stdout != "0\n"
    assert all(
        line.startswith("(") for line in (tmp_path / "r.log").read_text().splitlines() if line
    )
    assert _command("$crtools --version >&-").returncode == 0


def test_snapshot_is_a_dump_whose_tree_runs_on(api, tmp_path, capfd):
    assert _run("snapshot", "-t", "7", "-D", tmp_path) == 0
    verb, options = api.asked[0]
    assert (verb, options.tree, options.leave_running, options.snapshot) == ("dump", 7, True, True)


def test_what_a_snapshot_did_otherwise_is_told(api, tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(Result, "remarks", ("The memory is written while it is stopped",))
    assert _run("snapshot", "-t", "7", "-D", tmp_path, "-o", "dump.log") == 0
    assert "Warning: The memory is written while it is stopped\n" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("snapshot",), "snapshot needs the pid of the tree's root"),
        (("snapshot", "-t", "7", "-s"), "--leave-stopped is there for dump only"),
        (("restore", "--snapshot"), "--snapshot is there for dump only"),
        (("snapshot", "-t", "7", "--dry-run"), "--dry-run is there for restore only"),
    ],
)
def test_words_that_do_not_go_with_a_snapshot(api, tmp_path, capfd, words, said):
    assert _run(*words, "-D", tmp_path) == 1
    assert said in capfd.readouterr().err
    assert not api.asked
