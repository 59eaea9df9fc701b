"""The table of options, and what their values become."""

from __future__ import annotations

import pytest

from crtools.cli.getopt import (
    FLAG,
    MAY_HAVE_VALUE,
    NEEDS_VALUE,
    SWITCH,
    CommandLineError,
    find_long,
)
from crtools.cli.options import TABLE, read_options
from crtools.cli.usage import HELP
from crtools.errors import UsageError
from crtools.model.options import Options

# CRIU 4.2's long options. B: boolean with --no-X, A: needs a value, O: may have one.
CRIU = """
tree A, leave-stopped, leave-running, restore-detached B, restore-sibling B, daemon B,
images-dir A, work-dir A, log-file A, join-ns A, root A, help, tcp-established B, close A,
log-pid B, version, evasive-devices B, pidfile A, veth-pair A, action-script A, link-remap B,
shell-job B, file-locks B, page-server B, address A, port A, prev-images-dir A, ms, track-mem B,
auto-dedup B, libdir A, cpu-cap O, force-irmap B, ext-mount-map A, exec-cmd, manage-cgroups O,
cgroup-root A, inherit-fd A, feature A, skip-mnt A, enable-fs A, enable-external-sharing,
enable-external-masters, freeze-cgroup A, ghost-limit A, irmap-scan-path A, lsm-profile A,
timeout A, external A, empty-ns A, ext-unix-sk O, lazy-pages, extra B, experimental B, all,
cgroup-props A, cgroup-props-file A, cgroup-dump-controller A, skip-in-flight B, deprecated B,
display-stats B, weak-sysctls B, status-fd A, tcp-close B, verbosity O, ps-socket A, stream B,
config A, no-default-config, tls-cacert A, tls-cacrl A, tls-cert A, tls-key A, tls B,
tls-no-cn-verify, cgroup-yard A, pre-dump-mode A, file-validation A, skip-file-rwx-check B,
lsm-mount-context A, network-lock A, mntns-compat-mode B, unprivileged B, ghost-fiemap B,
allow-uprobes B
"""
CRIU_FORMS = {
    words[0]: {"B": SWITCH, "A": NEEDS_VALUE, "O": MAY_HAVE_VALUE}[words[1]] if words[1:] else FLAG
    for words in (item.split() for item in CRIU.split(","))
}
OURS = {
    *("checksums", "dry-run", "strict", "timens"),
    *("keep-zero-pages", "reflink-pages", "share-pages"),
    *("iterate", "iterate-rounds", "iterate-rate", "snapshot"),
}
LETTERS = dict(
    pair.split("=")
    for pair in (
        "t=tree s=leave-stopped R=leave-running d=restore-detached S=restore-sibling h=help "
        "D=images-dir o=log-file v=verbosity V=version r=root j=shell-job J=join-ns l=file-locks "
        "W=work-dir L=libdir M=ext-mount-map x=ext-unix-sk"
    ).split()
)


def _read(*words: str) -> Options:
    return read_options(["dump", *words], directory="/here")[0]


def test_the_table_has_every_option_of_criu_in_its_form():
    assert {row[0]: row[2] for row in TABLE if row[0] not in OURS} == CRIU_FORMS


def test_the_letters_are_criu_s():
    assert {row[1]: row[0] for row in TABLE if row[1]} == LETTERS


def test_every_field_of_options_is_reachable():
    fields = {row[3] for row in TABLE} | {"exec_words"}
    assert fields == set(Options._fields)


def test_our_own_options_take_no_abbreviation_away_from_criu_s():
    theirs = tuple(row for row in TABLE if row[0] not in OURS)
    full = [("no-" * no) + row[0] for row in theirs for no in (0, 1)]
    for name in {word[:end] for word in full for end in range(1, len(word) + 1)}:
        try:
            meant = find_long(name, theirs)
        except CommandLineError:
            continue
        assert find_long(name, TABLE) == meant


def test_the_help_names_every_option():
    words = HELP.replace("*", " ").replace("[", " ").replace("=", " ").replace(",", " ").split()
    missing = {row[0] for row in TABLE} - {word.strip(";:.")[2:] for word in words}
    assert not missing


@pytest.mark.parametrize(
    ("words", "field", "value"),
    [
        ("", "images_dir", "/here/"),
        ("-D a/b", "images_dir", "/here/a/b"),
        ("-D /a", "images_dir", "/a"),
        ("-D a", "work_dir", "/here/a"),
        ("-D a -W w", "work_dir", "/here/w"),
        ("-D a -o x.log", "log_file", "/here/a/x.log"),
        ("-D a -W /w -o x.log", "log_file", "/w/x.log"),
        ("-D a -W w -o /x.log", "log_file", "/x.log"),
        ("-D a --pidfile p", "pidfile", "/here/a/p"),
        ("--pidfile /p -D a", "pidfile", "/p"),
        ("-D a --prev-images-dir ../b", "prev_images_dir", "../b"),
        ("-r mnt", "root", "/here/mnt"),
        ("-t 12", "tree", 12),
        ("-t 12x", "tree", 12),
        ("-t 12 -t 13", "tree", 13),
        ("", "log_level", 2),
        ("-v", "log_level", 3),
        ("-vv", "log_level", 4),
        ("-vvv", "log_level", 4),
        ("-v0", "log_level", 0),
        ("-v9", "log_level", 4),
        ("-v-1", "log_level", 4),
        ("-verbosity=0", "log_level", 0),
        ("-v4 -v1", "log_level", 1),
        ("-v1 -v", "log_level", 2),
        ("--verbosity", "log_level", 3),
        ("--verbosity=4", "log_level", 4),
        ("-R", "leave_running", True),
        ("-R -s", "leave_running", False),
        ("-s -R", "leave_stopped", False),
        ("-d --no-restore-detached", "restore_detached", False),
        ("", "ghost_limit", 1 << 20),
        ("--ghost-limit 5", "ghost_limit", 5),
        ("--ghost-limit 5K", "ghost_limit", 5 << 10),
        ("--ghost-limit 5m", "ghost_limit", 5 << 20),
        ("--ghost-limit=5G", "ghost_limit", 5 << 30),
        ("", "timeout", 10),
        ("--timeout 0", "timeout", 0),
        ("--timeout 7s", "timeout", 7),
        ("--manage-cgroups", "manage_cgroups", "soft"),
        ("--manage-cgroups=full", "manage_cgroups", "full"),
        ("--cpu-cap", "cpu_cap", ("all",)),
        ("--cpu-cap=", "cpu_cap", ("all",)),
        ("--cpu-cap=cpu,^fpu", "cpu_cap", ("cpu", "^fpu")),
        ("", "cpu_cap", None),
        ("--file-validation filesize", "file_validation", "filesize"),
        ("--external a --external b", "external", ("a", "b")),
        ("--inherit-fd fd[3]:pipe[44]", "inherit_fd", ((3, "pipe[44]"),)),
        ("--inherit-fd fd[3]:a --inherit-fd fd[04]:b", "inherit_fd", ((3, "a"), (4, "b"))),
        ("--close 5 --close 6", "close", (5, 6)),
        ("--status-fd 7", "status_fd", 7),
        ("--join-ns net:12", "join_ns", ("net:12",)),
        ("-J user:1,2,3", "join_ns", ("user:1,2,3",)),
        ("--veth-pair a=b", "veth_pair", (("a", "b"),)),
        ("-M a:b:c", "ext_mount_map", (("a", "b:c"),)),
        ("--enable-fs a,b --enable-fs all", "enable_fs", ("a", "b", "all")),
        ("-x", "ext_unix_sk", ()),
        ("-x5 -x -x6", "ext_unix_sk", (5, 6)),
        ("", "ext_unix_sk", None),
        ("--action-script x.sh", "action_scripts", ("x.sh",)),
        ("--exec-cmd -- a -b", "exec_words", ("a", "-b")),
        ("--empty-ns net", "empty_ns", ("net",)),
        ("--port 27", "port", 27),
    ],
)
def test_values_become_fields(words, field, value):
    assert getattr(_read(*words.split()), field) == value


@pytest.mark.parametrize(
    "words",
    [
        "-t 0",
        "-t x",
        "-t -4",
        "--port 0",
        "--port 65536",
        "--timeout -1",
        "--ghost-limit 5T",
        "--ghost-limit M",
        "--ghost-limit -5",
        "--ghost-limit 1.5M",
        "--manage-cgroups=all",
        "--cpu-cap=sse",
        "--file-validation=md5",
        "--network-lock x",
        "--pre-dump-mode x",
        "--empty-ns pid",
        "--join-ns pid:1",
        "--join-ns net",
        "--join-ns net:",
        "--veth-pair a",
        "--ext-mount-map a",
        "--inherit-fd x",
        "--inherit-fd fd[x]:a",
        "--inherit-fd fd[3]:",
        "--inherit-fd fd[-3]:a",
        "--close x",
        "--close -1",
        "--status-fd x",
        "-x0",
        "-D=",
    ],
)
def test_values_that_make_no_sense_are_refused(words):
    if words == "-D=":
        words = "--images-dir="
    with pytest.raises(UsageError) as caught:
        _read(*words.split())
    assert "nvalid argument for -" in str(caught.value)


def test_a_script_beside_the_caller_becomes_absolute(tmp_path):
    (tmp_path / "hook").touch()
    words = ["--action-script", "./hook", "--action-script", "echo ./hook"]
    options, _ = read_options(words, directory=str(tmp_path))
    assert options.action_scripts == (f"{tmp_path}/./hook", "echo ./hook")


def test_options_are_frozen_and_know_their_fields():
    options = Options(tree=4)
    assert options.but(timeout=3) == Options(timeout=3, tree=4)
    with pytest.raises(AttributeError):
        options.tree = 5
    with pytest.raises(TypeError, match="no field 'threes'"):
        Options(threes=5)
