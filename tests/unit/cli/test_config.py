"""Config files: criu(8), "CONFIGURATION FILES"."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crtools.cli import config
from crtools.cli.config import parse_config, split_line
from crtools.cli.main import read_command
from crtools.cli.options import TABLE, resolve
from crtools.errors import UsageError


def _options(text: str):
    found, remarks = parse_config(text, TABLE, name="some.conf")
    return resolve(found, [], directory="/here"), remarks


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", []),
        ("   \t", []),
        ("# all of it", []),
        ("tcp-established", ["tcp-established"]),
        ("  work-dir   /a/b  ", ["work-dir", "/a/b"]),
        ("no-restore-sibling\t# another comment", ["no-restore-sibling"]),
        ('work-dir "/a b/c"', ["work-dir", "/a b/c"]),
        (r'work-dir "/home/my \"work\" directory"', ["work-dir", '/home/my "work" directory']),
        (r"work-dir /a\"b", ["work-dir", '/a"b']),
        (r'work-dir "/a\n\\b"', ["work-dir", r"/a\n\\b"]),
        ('work-dir "/a#b"', ["work-dir", "/a#b"]),
        ("work-dir /a#b", ["work-dir", "/a"]),
        ('work-dir ""', ["work-dir", ""]),
        ("work-dir /a\r", ["work-dir", "/a"]),
    ],
)
def test_a_line_splits_into_words(line, words):
    assert split_line(line, "x") == words


def test_the_manual_pages_example_reads():
    options, remarks = _options(
        'tcp-established\nwork-dir "/home/U/criu/my \\"work\\" directory"\n'
        "#this is a comment\nno-restore-sibling    # this is another comment\n"
    )
    assert options.tcp_established
    assert options.work_dir == '/home/U/criu/my "work" directory'
    assert not options.restore_sibling
    assert remarks == []


def test_a_value_may_follow_a_blank_or_an_equals_sign():
    options, remarks = _options("verbosity=4\nmanage-cgroups full\ntree=12\nghost-limit 2M\n")
    assert (options.log_level, options.manage_cgroups) == (4, "full")
    assert (options.tree, options.ghost_limit) == (12, 2 << 20)
    assert remarks == []


def test_what_is_said_in_vain_is_remarked_on():
    options, remarks = _options("leave-running 1\nlog-file a b\nconfig x\nno-default-config\n")
    assert options.leave_running
    assert options.log_file == "/here/a"
    assert len(remarks) == 4
    assert remarks[1] == "some.conf, line 2: log-file: what follows the value is ignored: b"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\nfrob\n", "some.conf, line 2: unrecognized option '--frob'"),
        ("tree\n", "some.conf, line 1: tree requires an argument"),
        ('log-file "a\n', "some.conf, line 1: a double quote is not closed"),
        ("--tcp-close\n", "some.conf, line 1: unrecognized option '----tcp-close'"),
        ("-v4\n", "some.conf, line 1: unrecognized option '---v4'"),
        ("dump\n", "some.conf, line 1: unrecognized option '--dump'"),
        ("tree x\n", "Invalid argument for some.conf, line 1: tree: x"),
    ],
)
def test_an_error_says_where_it_is(text, message):
    with pytest.raises(UsageError) as caught:
        _options(text)
    assert caught.value.what == message


@given(st.text())
def test_any_text_gives_options_or_a_usage_error(text):
    message = "some.conf, line "
    try:
        _options(text)
    except UsageError as error:
        message = str(error)
    assert "some.conf, line " in message


@pytest.fixture
def files(tmp_path, monkeypatch):
    """All four files, each with a timeout of its own; the environment that names them."""
    (tmp_path / ".criu").mkdir()
    paths = {
        "system": tmp_path / "system.conf",
        "user": tmp_path / ".criu/default.conf",
        "variable": tmp_path / "variable.conf",
        "named": tmp_path / "named.conf",
    }
    for number, path in enumerate(paths.values(), 1):
        path.write_text(f"timeout {number}\nexternal file{number}\n")
    monkeypatch.setattr(config, "SYSTEM_FILE", str(paths["system"]))
    return paths


def _timeout(files, line: str, *, variable: bool = True) -> tuple[int, tuple[str, ...]]:
    environ = {"HOME": str(files["named"].parent)}
    if variable:
        environ["CRIU_CONFIG_FILE"] = str(files["variable"])
    _, _, options, _ = read_command(line.format(**files).split(), environ)
    return options.timeout, options.external


@pytest.mark.parametrize(
    ("line", "variable", "timeout", "external"),
    [
        ("dump", False, 2, ("file1", "file2")),
        ("dump", True, 3, ("file1", "file2", "file3")),
        ("dump --config {named}", True, 4, ("file3", "file4")),
        ("dump --config {named}", False, 4, ("file4",)),
        ("dump --no-default-config", True, 3, ("file3",)),
        ("dump --no-default-config", False, 10, ()),
        ("dump --timeout 9 --external x", True, 9, ("file1", "file2", "file3", "x")),
        ("--timeout 9 dump --config {named} --no-default-config", False, 9, ("file4",)),
        ("dump --config {user} --config {named}", False, 4, ("file4",)),
    ],
)
def test_later_files_override_earlier_ones_and_the_line_all(
    files, line, variable, timeout, external
):
    assert _timeout(files, line, variable=variable) == (timeout, external)


def test_a_line_can_take_back_what_a_file_says(files):
    files["system"].write_text("tcp-close\nleave-running\n")
    _, _, options, _ = read_command(["dump", "--no-tcp-close", "-s"], {})
    assert not options.tcp_close
    assert not options.leave_running
    assert options.leave_stopped


def test_files_that_need_not_be_there_may_be_missing(files, tmp_path):
    files["system"].unlink()
    files["user"].unlink()
    environ = {"HOME": str(tmp_path), "CRIU_CONFIG_FILE": str(tmp_path / "none")}
    assert read_command(["dump"], environ)[2].timeout == 10


def test_a_named_file_must_be_there(files, tmp_path):
    with pytest.raises(UsageError, match="none does not exist"):
        read_command(["dump", "--config", str(tmp_path / "none")], {})


def test_a_directory_is_no_config_file(files, tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        read_command(["dump", "--config", str(tmp_path)], {})


def test_a_huge_file_is_not_read(files, tmp_path):
    files["named"].write_bytes(b"#" * (config.MAX_BYTES + 1))
    with pytest.raises(UsageError, match="larger than"):
        read_command(["dump", "--config", str(files["named"])], {})
