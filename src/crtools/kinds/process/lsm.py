"""A process's security label: its profile of AppArmor, its context of SELinux.

/proc/PID/attr/current tells it and takes it (proc_pid_attr(5)): SELinux the context, AppArmor the
word changeprofile and a name (apparmor_parser's documentation, security/apparmor/lsm.c). Each
thread has one and inherits it, so the first thread takes it before it begets the others: SELinux
lets only a process of one thread change its context.
"""

from __future__ import annotations

import os

from crtools.errors import RestoreConflict, UnsupportedObject, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TypeAlias

    from crtools.agent.program import Program

    Label: TypeAlias = tuple[int, str]  # of which module; "": unconfined

SYS_write, SYS_close, SYS_openat = 1, 3, 257
AT_FDCWD = -100
NO_LSM, SELINUX, APPARMOR, OTHER = range(4)  # lsmtype of inventory.proto, and what it has not
NAMES = ("no security module", "SELinux", "AppArmor", "another security module")
# What the next of something gets. CRIU's schema has a place for one of them alone.
_NEXT = {
    APPARMOR: ("exec",),
    SELINUX: ("exec", "fscreate", "keycreate", "sockcreate"),
}


def parse_label(text: bytes) -> Label:
    """What attr/current says; nothing if no module has labels.

    AppArmor: "unconfined", or a name and a mode, "firefox (enforce)". SELinux: "user:role:type" and
    mostly a level, closed by a zero byte.
    """
    label = text.rstrip(b"\0\n").decode(errors="surrogateescape")
    if not label:
        return NO_LSM, ""
    if label == "unconfined":
        return APPARMOR, ""
    name, bracket, _ = label.rpartition(" (")
    if bracket and label.endswith(")"):
        return APPARMOR, name
    if label.count(":") >= 2:
        return SELINUX, label
    return OTHER, label


def parse_option(text: str) -> Label:
    """--lsm-profile's TYPE:NAME. Raises UsageError."""
    kind, _, name = text.partition(":")
    if kind not in ("apparmor", "selinux") or not name:
        raise UsageError(
            f"Invalid argument for --lsm-profile: {text}", hint="apparmor:NAME or selinux:CONTEXT"
        )
    if kind == "selinux":
        return SELINUX, name
    return APPARMOR, "" if name == "unconfined" else name


class LsmDump:
    """The labels of a tree, on a host that has them.

    `read(pid, tid, name)` is the text of /proc/PID/task/TID/attr/NAME, `own` the tool's own label.
    """

    def __init__(self, own: bytes, read: Callable[[int, int, str], bytes]) -> None:
        self._own = parse_label(own)
        self._read = read
        self.type = self._own[0] if self._own[0] != OTHER else NO_LSM
        self.labels: dict[int, str | None] = {}  # by pid, as creds_entry has them

    def collect(self, pid: int, name: str, tids: Iterable[int]) -> None:
        """Raises UnsupportedObject for what the images have no place for."""
        found = {parse_label(self._read(pid, tid, "current")) for tid in tids}
        if len(found) > 1:
            shown = ", ".join(sorted([label or "unconfined" for _, label in found]))
            raise UnsupportedObject(
                f"Cannot dump {name}: its threads have different security labels",
                because=f"they are {shown}, and crtools gives one to all threads",
                subject=("task", pid),
            )
        for kind, label in found:
            if kind == OTHER and (kind, label) != self._own:
                raise UnsupportedObject(
                    f"Cannot dump {name}: its security label {label} is of a module that crtools"
                    " does not know",
                    because="neither AppArmor nor SELinux has such labels",
                    subject=("task", pid),
                )
            self.labels[pid] = label or None if kind != OTHER else None
        for what in _NEXT.get(self._own[0], ()):
            for tid in tids:
                if self._read(pid, tid, what).rstrip(b"\0\n"):
                    raise UnsupportedObject(
                        f"Cannot dump {name}: thread {tid} has chosen a security label for what"
                        f" comes next (attr/{what})",
                        because="crtools does not carry that",
                        subject=("task", tid),
                    )


def plan_label(
    pid: int, name: str, wanted: Label, threads: Iterable[str | None], host: Label
) -> str | None:
    """What a restored process's first thread has to become; None: what it is.

    `wanted` is --lsm-profile's, or the images' module and the first thread's label; `threads` are
    all threads' labels in the images, `host` is the tool's own. Raises RestoreConflict.
    """
    kind, label = wanted
    if len(set(threads)) > 1:
        raise RestoreConflict(
            f"Cannot restore {name}: its threads have different security labels",
            because="crtools gives one to all threads",
            hint="choose one with --lsm-profile",
            subject=("task", pid),
        )
    if kind != host[0]:
        if not label:
            return None
        raise RestoreConflict(
            f"Cannot restore {name} with the security label {label}",
            because=f"that is of {NAMES[kind]}, and here is {NAMES[host[0]]}",
            hint="restore where that module is active",
            subject=("task", pid),
        )
    return None if wanted == host else label or "unconfined"


def build_label(program: Program, kind: int, label: str) -> None:
    """Before there are other threads, and before the root changes: it is a file of /proc."""
    text = label.encode(errors="surrogateescape")
    if kind == APPARMOR:
        text = b"changeprofile " + text
    fd = program.call(
        *(SYS_openat, AT_FDCWD, program.put(b"/proc/self/attr/current\0")),
        *(os.O_WRONLY | os.O_CLOEXEC, 0),
        label="open its security label",
    )
    program.call(
        *(SYS_write, fd, program.put(text), len(text)),
        label=f"take the security label {label} of {NAMES[kind]}",
    )
    program.call(SYS_close, fd)
