"""Action scripts, the pid file, the status descriptor."""

from __future__ import annotations

import os
import stat

import pytest

from crtools.actions import ActionScriptFailed, announce_ready, run_action, write_pidfile
from crtools.errors import CrtoolsError, InternalError


@pytest.fixture
def script(tmp_path):
    """Makes an executable script of the lines given; they find a file `out` beside it."""

    def make(body: str, name: str = "hook", shebang: str = "#!/bin/sh\n"):
        path = tmp_path / name
        path.write_text(f"{shebang}out='{tmp_path}/out'\n{body}\n")
        path.chmod(0o755)
        return str(path)

    return make


def test_a_script_is_told_the_action_the_directory_and_the_root(script, tmp_path):
    hook = script(
        'echo "$CRTOOLS_SCRIPT_ACTION $CRTOOLS_IMAGE_DIR $CRTOOLS_INIT_PID $EXTRA $HOME" > "$out"'
    )
    run_action("post-restore", [hook], "/images", 77, {"EXTRA": "more"})
    expected = f"post-restore /images 77 more {os.environ.get('HOME', '')}\n"
    assert (tmp_path / "out").read_text() == expected


def test_there_is_no_init_pid_before_the_root_exists(script, tmp_path, monkeypatch):
    monkeypatch.setenv("CRTOOLS_INIT_PID", "3")
    run_action("pre-dump", [script('echo "${CRTOOLS_INIT_PID-unset}" > "$out"')], "/images")
    assert (tmp_path / "out").read_text() == "unset\n"


def test_scripts_run_in_their_order_until_one_fails(script, tmp_path):
    scripts = [
        script('echo one >> "$out"', "one"),
        script('echo two >> "$out"; exit 3', "two"),
        script('echo three >> "$out"', "three"),
    ]
    with pytest.raises(ActionScriptFailed) as caught:
        run_action("post-dump", scripts, "/images")
    assert (tmp_path / "out").read_text() == "one\ntwo\n"
    error = caught.value
    assert (error.action, error.script, error.status) == ("post-dump", scripts[1], 3)
    assert scripts[1] in str(error)
    assert "exited with status 3" in str(error)


def test_a_script_killed_by_a_signal_has_failed(script):
    with pytest.raises(ActionScriptFailed, match=r"died of signal 9") as caught:
        run_action("pre-dump", [script("kill -9 $$")], "/images")
    assert caught.value.status == -9


def test_a_script_without_a_shebang_is_the_shells(script, tmp_path):
    run_action("pre-dump", [script('echo yes > "$out"', shebang="")], "/images")
    assert (tmp_path / "out").read_text() == "yes\n"


def test_what_names_no_file_is_a_command(tmp_path):
    run_action("pre-dump", [f"echo $CRTOOLS_SCRIPT_ACTION > '{tmp_path}/out'"], "/images")
    assert (tmp_path / "out").read_text() == "pre-dump\n"


def test_a_path_with_blanks_is_one_path(script, tmp_path):
    run_action("pre-dump", [script('echo yes > "$out"', "a hook")], "/images")
    assert (tmp_path / "out").read_text() == "yes\n"


@pytest.mark.parametrize(("name", "status"), [("/nowhere/hook", 127), ("{}", 126)])
def test_a_script_that_cannot_run_has_failed(tmp_path, name, status, capfd):
    (tmp_path / "plain").write_text("x")
    with pytest.raises(ActionScriptFailed) as caught:
        run_action("pre-dump", [name.format(tmp_path / "plain")], "/images")
    assert caught.value.status == status


def test_a_missing_interpreter_is_a_failure(script):
    with pytest.raises(ActionScriptFailed) as caught:
        run_action("pre-dump", [script("", shebang="#!/nowhere/sh\n")], "/images")
    assert caught.value.status == 127


def test_signals_are_as_usual_in_a_script(script, tmp_path):
    # Python ignores SIGPIPE; a script that inherited it would misbehave in pipelines.
    run_action("pre-dump", [script('grep SigIgn /proc/self/status > "$out"')], "/images")
    ignored = int((tmp_path / "out").read_text().split()[1], 16)
    assert not ignored & (1 << 12 | 1 << 24)


def test_no_scripts_are_no_work_and_unknown_actions_a_bug():
    run_action("pre-dump", (), "/images")
    with pytest.raises(InternalError):
        run_action("lunch", (), "/images")


def test_a_pidfile_is_created_and_never_overwritten(tmp_path):
    path = tmp_path / "pid"
    write_pidfile(str(path), 4321)
    assert path.read_text() == "4321"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(CrtoolsError, match="File exists"):
        write_pidfile(str(path), 1)
    assert path.read_text() == "4321"


def test_a_waiting_parent_reads_one_zero_byte():
    reader, writer = os.pipe()
    announce_ready(writer)
    assert os.read(reader, 10) == b"\0"
    assert os.read(reader, 10) == b""
    os.close(reader)
    announce_ready(None)


def test_a_status_descriptor_that_is_not_open_is_an_error():
    with pytest.raises(CrtoolsError, match="Bad file descriptor"):
        announce_ready(1 << 20)
