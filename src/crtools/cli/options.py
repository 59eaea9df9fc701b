"""Every option of CRIU 4.2 and our own: one table, and from what was given to `Options`.

The table is a literal, so that loading it costs nothing. Sources: criu(8), `criu --help`.
"""

from __future__ import annotations

import os

from crtools.cli.getopt import (
    FLAG,
    MAY_HAVE_VALUE,
    NEEDS_VALUE,
    OWN_FLAG,
    SWITCH,
    parse_number,
    parse_words,
)
from crtools.errors import UsageError
from crtools.model.options import DEFAULT_LOG_LEVEL, Options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from crtools.cli.getopt import Found, Row

# long name, letter, form, field, how the value reads
TABLE: tuple[Row, ...] = (
    ("tree", "t", NEEDS_VALUE, "tree", "pid"),
    ("leave-stopped", "s", FLAG, "leave_stopped", "end"),
    ("leave-running", "R", FLAG, "leave_running", "end"),
    ("restore-detached", "d", SWITCH, "restore_detached", "flag"),
    ("restore-sibling", "S", SWITCH, "restore_sibling", "flag"),
    ("daemon", "", SWITCH, "daemon", "flag"),
    ("images-dir", "D", NEEDS_VALUE, "images_dir", "path"),
    ("work-dir", "W", NEEDS_VALUE, "work_dir", "path"),
    ("log-file", "o", NEEDS_VALUE, "log_file", "path"),
    ("join-ns", "J", NEEDS_VALUE, "join_ns", "join-ns"),
    ("root", "r", NEEDS_VALUE, "root", "text"),
    ("help", "h", FLAG, "help", "flag"),
    ("tcp-established", "", SWITCH, "tcp_established", "flag"),
    ("close", "", NEEDS_VALUE, "close", "descriptors"),
    ("log-pid", "", SWITCH, "log_pid", "flag"),
    ("version", "V", FLAG, "version", "flag"),
    ("evasive-devices", "", SWITCH, "evasive_devices", "flag"),
    ("pidfile", "", NEEDS_VALUE, "pidfile", "path"),
    ("veth-pair", "", NEEDS_VALUE, "veth_pair", "veth-pair"),
    ("action-script", "", NEEDS_VALUE, "action_scripts", "texts"),
    ("link-remap", "", SWITCH, "link_remap", "flag"),
    ("shell-job", "j", SWITCH, "shell_job", "flag"),
    ("file-locks", "l", SWITCH, "file_locks", "flag"),
    ("page-server", "", SWITCH, "page_server", "flag"),
    ("address", "", NEEDS_VALUE, "address", "text"),
    ("port", "", NEEDS_VALUE, "port", "port"),
    ("prev-images-dir", "", NEEDS_VALUE, "prev_images_dir", "path"),
    ("ms", "", FLAG, "ms", "flag"),
    ("track-mem", "", SWITCH, "track_mem", "flag"),
    ("auto-dedup", "", SWITCH, "auto_dedup", "flag"),
    ("libdir", "L", NEEDS_VALUE, "libdir", "text"),
    ("cpu-cap", "", MAY_HAVE_VALUE, "cpu_cap", "cpu-cap"),
    ("force-irmap", "", SWITCH, "force_irmap", "flag"),
    ("ext-mount-map", "M", NEEDS_VALUE, "ext_mount_map", "ext-mount-map"),
    ("exec-cmd", "", FLAG, "exec_cmd", "flag"),
    ("manage-cgroups", "", MAY_HAVE_VALUE, "manage_cgroups", "manage-cgroups"),
    ("cgroup-root", "", NEEDS_VALUE, "cgroup_root", "texts"),
    ("inherit-fd", "", NEEDS_VALUE, "inherit_fd", "inherit-fd"),
    ("feature", "", NEEDS_VALUE, "feature", "text"),
    ("skip-mnt", "", NEEDS_VALUE, "skip_mnt", "texts"),
    ("enable-fs", "", NEEDS_VALUE, "enable_fs", "words"),
    ("enable-external-sharing", "", FLAG, "enable_external_sharing", "flag"),
    ("enable-external-masters", "", FLAG, "enable_external_masters", "flag"),
    ("freeze-cgroup", "", NEEDS_VALUE, "freeze_cgroup", "path"),
    ("ghost-limit", "", NEEDS_VALUE, "ghost_limit", "size"),
    ("irmap-scan-path", "", NEEDS_VALUE, "irmap_scan_path", "texts"),
    ("lsm-profile", "", NEEDS_VALUE, "lsm_profile", "text"),
    ("timeout", "", NEEDS_VALUE, "timeout", "number"),
    ("external", "", NEEDS_VALUE, "external", "texts"),
    ("empty-ns", "", NEEDS_VALUE, "empty_ns", "empty-ns"),
    ("ext-unix-sk", "x", MAY_HAVE_VALUE, "ext_unix_sk", "sockets"),
    ("lazy-pages", "", FLAG, "lazy_pages", "flag"),
    ("extra", "", SWITCH, "extra", "flag"),
    ("experimental", "", SWITCH, "experimental", "flag"),
    ("all", "", FLAG, "all", "flag"),
    ("cgroup-props", "", NEEDS_VALUE, "cgroup_props", "text"),
    ("cgroup-props-file", "", NEEDS_VALUE, "cgroup_props_file", "path"),
    ("cgroup-dump-controller", "", NEEDS_VALUE, "cgroup_dump_controller", "texts"),
    ("skip-in-flight", "", SWITCH, "skip_in_flight", "flag"),
    ("deprecated", "", SWITCH, "deprecated", "flag"),
    ("display-stats", "", SWITCH, "display_stats", "flag"),
    ("weak-sysctls", "", SWITCH, "weak_sysctls", "flag"),
    ("status-fd", "", NEEDS_VALUE, "status_fd", "descriptor"),
    ("tcp-close", "", SWITCH, "tcp_close", "flag"),
    ("verbosity", "v", MAY_HAVE_VALUE, "log_level", "level"),
    ("ps-socket", "", NEEDS_VALUE, "ps_socket", "descriptor"),
    ("stream", "", SWITCH, "stream", "flag"),
    ("config", "", NEEDS_VALUE, "config", "path"),
    ("no-default-config", "", FLAG, "no_default_config", "flag"),
    ("tls-cacert", "", NEEDS_VALUE, "tls_cacert", "path"),
    ("tls-cacrl", "", NEEDS_VALUE, "tls_cacrl", "path"),
    ("tls-cert", "", NEEDS_VALUE, "tls_cert", "path"),
    ("tls-key", "", NEEDS_VALUE, "tls_key", "path"),
    ("tls", "", SWITCH, "tls", "flag"),
    ("tls-no-cn-verify", "", FLAG, "tls_no_cn_verify", "flag"),
    ("cgroup-yard", "", NEEDS_VALUE, "cgroup_yard", "path"),
    ("pre-dump-mode", "", NEEDS_VALUE, "pre_dump_mode", "pre-dump-mode"),
    ("file-validation", "", NEEDS_VALUE, "file_validation", "file-validation"),
    ("skip-file-rwx-check", "", SWITCH, "skip_file_rwx_check", "flag"),
    ("lsm-mount-context", "", NEEDS_VALUE, "lsm_mount_context", "text"),
    ("network-lock", "", NEEDS_VALUE, "network_lock", "network-lock"),
    ("mntns-compat-mode", "", SWITCH, "mntns_compat_mode", "flag"),
    ("unprivileged", "", SWITCH, "unprivileged", "flag"),
    ("ghost-fiemap", "", SWITCH, "ghost_fiemap", "flag"),
    ("allow-uprobes", "", SWITCH, "allow_uprobes", "flag"),
    # Ours. None may take a unique abbreviation away from CRIU's (a test watches it).
    ("dry-run", "", OWN_FLAG, "dry_run", "flag"),
    ("timens", "", OWN_FLAG, "timens", "flag"),
    ("strict", "", OWN_FLAG, "strict", "flag"),
    ("share-pages", "", OWN_FLAG, "share_pages", "flag"),
    ("reflink-pages", "", OWN_FLAG, "reflink_pages", "flag"),
    ("keep-zero-pages", "", OWN_FLAG, "keep_zero_pages", "flag"),
    ("checksums", "", OWN_FLAG, "checksums", "flag"),
    ("snapshot", "", OWN_FLAG, "snapshot", "flag"),
    ("iterate", "", OWN_FLAG, "iterate", "flag"),
    ("iterate-rounds", "", NEEDS_VALUE, "iterate_rounds", "number"),
    ("iterate-rate", "", NEEDS_VALUE, "iterate_rate", "size"),
)

# Values out of a fixed set, by the word in the table's last column.
CHOICES = {
    "pre-dump-mode": ("splice", "read"),
    "file-validation": ("filesize", "buildid"),
    "network-lock": ("iptables", "nftables", "skip"),
    "manage-cgroups": ("none", "props", "soft", "full", "strict", "ignore"),
    "empty-ns": ("net",),
}
_JOINABLE = ("ipc", "net", "time", "user", "uts")
_CPU_CAPS = ("none", "fpu", "ins", "cpu", "all")
_UNITS = {"": 0, "k": 10, "m": 20, "g": 30}
# Kinds of value that add up when an option is given again; of the others the last one counts.
_LISTS = (
    "texts",
    "words",
    "join-ns",
    "descriptors",
    "veth-pair",
    "ext-mount-map",
    "inherit-fd",
    "empty-ns",
    "sockets",
)


def resolve(found: list[Found], operands: list[str], *, directory: str) -> Options:
    """What all options given, in the order of their precedence, ask for. `directory` is where
    relative paths start. `operands` beyond the verb are --exec-cmd's command.

    Raises UsageError on a value that makes no sense.
    """
    values: dict[str, Any] = {}
    for row, text, positive, shown in found:
        field, kind = row[3], row[4]
        if kind == "flag":
            values[field] = positive
        elif kind == "end":
            # One decision with two names: the last one counts.
            values["leave_running"] = values["leave_stopped"] = False
            values[field] = True
        elif kind == "level":
            values[field] = _read_level(text, values.get(field, DEFAULT_LOG_LEVEL))
        elif kind in _LISTS:
            values[field] = (values.get(field) or ()) + _read_items(kind, text, shown)
        else:
            values[field] = _read_value(kind, text or "", text is not None, shown)
    if values.get("exec_cmd"):
        values["exec_words"] = tuple(operands)
    _resolve_paths(values, directory)
    return Options(**values)


def read_options(words: list[str], *, directory: str) -> tuple[Options, list[str]]:
    """The options and the other words of a line, without any config file."""
    found, operands = parse_words(words, TABLE)
    return resolve(found, operands[1:], directory=directory), operands


def _resolve_paths(values: dict[str, Any], directory: str) -> None:
    """Images are beside the caller; log and pidfile are in the work directory, which is the
    images' if no other is given (criu(8), -W). A --prev-images-dir stays relative to images_dir."""
    join = os.path.join
    images = values["images_dir"] = join(directory, values.get("images_dir", ""))
    work = values.get("work_dir")
    work = values["work_dir"] = join(directory, work) if work else images
    for field in ("log_file", "pidfile"):
        if values.get(field):
            values[field] = join(work, values[field])
    for field in ("cgroup_props_file", "cgroup_yard", "freeze_cgroup", "root"):
        if values.get(field):
            values[field] = join(directory, values[field])
    if "action_scripts" in values:
        # What names no file is a command for sh (crtools.actions).
        values["action_scripts"] = tuple(
            [_resolve_script(script, directory) for script in values["action_scripts"]]
        )


def _resolve_script(script: str, directory: str) -> str:
    path = os.path.join(directory, script)
    return path if "/" in script and os.path.exists(path) else script


def _read_level(text: str | None, current: int) -> int:
    # -v raises the level by one, -vN sets it; CRIU takes a negative one for the highest.
    level = current + 1 if text is None else parse_number(text)
    return level if 0 <= level < 4 else 4


def _read_value(kind: str, text: str, given: bool, shown: str) -> object:
    """One value of a kind that is not a list."""
    if kind == "text":
        return text
    if kind == "path":
        if not text or "\0" in text:
            raise _invalid(shown, text)
        return text
    if kind == "number":
        number = parse_number(text)
        if number < 0:
            raise _invalid(shown, text)
        return number
    if kind in ("pid", "port"):
        number = parse_number(text)
        if number <= 0 or (kind == "port" and number > 65535):
            raise _invalid(shown, text)
        return number
    if kind == "descriptor":
        return _read_descriptor(text, shown)
    if kind == "size":
        return _read_size(text, shown)
    if kind == "cpu-cap":
        return _read_cpu_caps(text, shown)
    if kind == "manage-cgroups" and not given:
        return "soft"  # criu(8): the mode if none is named
    return _read_choice(kind, text, shown)


def _read_items(kind: str, text: str | None, shown: str) -> tuple[object, ...]:
    """What one occurrence adds to a list."""
    if kind == "sockets":
        if text is None:
            return ()
        inode = parse_number(text)
        if inode <= 0:
            raise _invalid(shown, text)
        return (inode,)
    text = text or ""
    if kind == "texts":
        if not text or "\0" in text:
            raise _invalid(shown, text)
        return (text,)
    if kind == "words":
        return tuple([word for word in text.split(",") if word])
    if kind == "descriptors":
        return (_read_descriptor(text, shown),)
    if kind == "empty-ns":
        return (_read_choice(kind, text, shown),)
    if kind == "inherit-fd":
        number, bracket, resource = text.removeprefix("fd[").partition("]:")
        if not text.startswith("fd[") or not bracket or not resource:
            raise _invalid(shown, text, "fd[NUMBER]:RESOURCE")
        return ((_read_descriptor(number, shown), resource),)
    if kind == "join-ns":
        name, colon, target = text.partition(":")
        if name not in _JOINABLE or not colon or not target:
            raise _invalid(
                shown, text, f"KIND:PID or KIND:FILE, KIND being one of {', '.join(_JOINABLE)}"
            )
        return (text,)
    separator = "=" if kind == "veth-pair" else ":"
    inside, mark, outside = text.partition(separator)
    if not mark or not inside or not outside:
        raise _invalid(shown, text, f"NAME{separator}NAME")
    return ((inside, outside),)


def _read_descriptor(text: str, shown: str) -> int:
    number = parse_number(text)
    if number < 0 or text.strip()[:1] not in "+0123456789" or not text.strip():
        raise _invalid(shown, text)
    return number


def _read_size(text: str, shown: str) -> int:
    """Bytes; K, M and G stand for powers of 1024."""
    digits = text.strip()
    unit = digits[-1:].lower() if not digits[-1:].isdigit() else ""
    digits = digits[: len(digits) - len(unit)]
    if unit not in _UNITS or not digits.isascii() or not digits.isdigit() or len(digits) > 18:
        raise _invalid(shown, text, "a number of bytes; K, M or G may follow it")
    return int(digits) << _UNITS[unit]


def _read_cpu_caps(text: str, shown: str) -> tuple[str, ...]:
    caps = tuple([cap.strip() for cap in text.split(",") if cap.strip()]) or ("all",)
    for cap in caps:
        if cap.removeprefix("^") not in _CPU_CAPS:
            raise _invalid(shown, cap, ", ".join(_CPU_CAPS))
    return caps


def _read_choice(kind: str, text: str, shown: str) -> str:
    if text not in CHOICES[kind]:
        raise _invalid(shown, text, ", ".join(CHOICES[kind]))
    return text


def _invalid(shown: str, text: str, expected: str = "") -> UsageError:
    return UsageError(f"Invalid argument for {shown}: {text}", hint=expected)
