"""getopt_long(3)'s reading of a line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crtools.cli.getopt import CommandLineError, parse_number, parse_words
from crtools.cli.options import TABLE, read_options
from crtools.errors import UsageError

FLAGS = (
    "shell_job",
    "leave_running",
    "leave_stopped",
    "restore_detached",
    "restore_sibling",
    "file_locks",
)


def _read(line: str):
    """Field, value (or True/False for flags) of each option, and the operands."""
    found, operands = parse_words(line.split(), TABLE)
    return [(row[3], positive if value is None else value) for row, value, positive, _ in found], (
        operands
    )


@pytest.mark.parametrize(
    ("line", "options", "operands"),
    [
        ("dump -t 7", [("tree", "7")], ["dump"]),
        ("-t 7 dump", [("tree", "7")], ["dump"]),
        ("-t7 dump", [("tree", "7")], ["dump"]),
        ("--tree 7 dump", [("tree", "7")], ["dump"]),
        ("--tree=7 dump", [("tree", "7")], ["dump"]),
        ("--tree= dump", [("tree", "")], ["dump"]),
        ("--tree --root dump", [("tree", "--root")], ["dump"]),
        ("-t -D dump", [("tree", "-D")], ["dump"]),
        ("--tre 7", [("tree", "7")], []),
        ("--tcp-e", [("tcp_established", True)], []),
        ("--no-tcp-e", [("tcp_established", False)], []),
        ("--no-default-config", [("no_default_config", True)], []),
        ("--verb=4", [("log_level", "4")], []),
        ("--verbosity 4", [("log_level", True)], ["4"]),
        ("-v4", [("log_level", "4")], []),
        ("-v 4", [("log_level", True)], ["4"]),
        ("-vv", [("log_level", True)] * 2, []),
        ("-vd", [("log_level", True), ("restore_detached", True)], []),
        ("-vvd", [("log_level", True)] * 2 + [("restore_detached", True)], []),
        ("-dv4", [("restore_detached", True), ("log_level", "4")], []),
        ("-vv4", [("log_level", True), ("log_level", "4")], []),
        ("-verbosity=0", [("log_level", "erbosity=0")], []),
        ("-vD dir", [("log_level", True), ("images_dir", "dir")], []),
        ("-jRsdSl", [(f, True) for f in FLAGS], []),
        ("-jDdir", [("shell_job", True), ("images_dir", "dir")], []),
        ("-x", [("ext_unix_sk", True)], []),
        ("-x33", [("ext_unix_sk", "33")], []),
        ("--manage-cgroups=full", [("manage_cgroups", "full")], []),
        ("--manage-cgroups full", [("manage_cgroups", True)], ["full"]),
        ("restore --exec-cmd -- sh -c x", [("exec_cmd", True)], ["restore", "sh", "-c", "x"]),
        ("dump - x", [], ["dump", "-", "x"]),
        ("--tls", [("tls", True)], []),
        ("--extra", [("extra", True)], []),
        ("--log-p", [("log_pid", True)], []),
        ("--no-lo", [("log_pid", False)], []),
    ],
)
def test_a_line_reads_as_getopt_long_reads_it(line, options, operands):
    assert _read(line) == (options, operands)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("dump --frob", "unrecognized option '--frob'"),
        ("dump --frob=1", "unrecognized option '--frob'"),
        ("dump -q", "invalid option -- 'q'"),
        ("dump -jq", "invalid option -- 'q'"),
        ("dump -t", "option requires an argument -- 't'"),
        ("dump --tree", "option '--tree' requires an argument"),
        ("dump --tre", "option '--tree' requires an argument"),
        ("dump --leave-running=3", "option '--leave-running' doesn't allow an argument"),
        ("dump --no-log-pid=3", "option '--no-log-pid' doesn't allow an argument"),
        ("dump --no-leave-running", "unrecognized option '--no-leave-running'"),
        (
            "dump --lea",
            "option '--lea' is ambiguous; possibilities: '--leave-stopped' '--leave-running'",
        ),
    ],
)
def test_a_wrong_line_is_refused_in_glibcs_words(line, message):
    with pytest.raises(CommandLineError) as caught:
        _read(line)
    assert caught.value.what == message


def test_an_exact_name_wins_over_the_longer_ones_it_starts():
    assert _read("--tls --all --ms --close 5")[0] == [
        ("tls", True),
        ("all", True),
        ("ms", True),
        ("close", "5"),
    ]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("7", 7),
        ("  7", 7),
        ("\t-7x", -7),
        ("+3", 3),
        ("", 0),
        ("x", 0),
        ("- 3", 0),
        ("--3", 0),
        ("0x10", 0),
        ("010", 10),
        ("4294967295", -1),
        ("4294967297", 1),
        ("99999999999999999999999", -1),
        ("-99999999999999999999999", 0),
        ("1.9", 1),
        ("٣", 0),
    ],
)
def test_numbers_read_as_atoi_reads_them(text, number):
    assert parse_number(text) == number


_WORDS = [
    *("--" + row[0] for row in TABLE),
    *("--no-" + row[0] for row in TABLE),
    *("-" + row[1] for row in TABLE if row[1]),
    *("dump", "restore", "--", "-", "--x=", "-v9", "fd[3]:x", "1", "-1", "1K", "net:1", "a=b"),
]


@given(st.lists(st.one_of(st.sampled_from(_WORDS), st.text(max_size=12)), max_size=8))
def test_any_line_gives_options_or_a_usage_error(words):
    try:
        options, operands = read_options(words, directory="/here")
    except UsageError:
        return
    assert options.images_dir.startswith("/")
    assert all(word in words for word in operands)


@given(st.text())
def test_atoi_never_fails_and_stays_an_int(text):
    assert -(1 << 31) <= parse_number(text) < 1 << 31
