"""What /proc says about a process tree, as lines that can be compared before and after.

A snapshot maps a place ("812 fd 3 link") to what is there. Left out is what a new life changes by
right: times, counters, resident sizes, the numbers of inodes that have no name (they are replaced
by their order of appearance, so that sharing still shows).
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

Snapshot = dict[str, str]

STATUS = (
    "Name Umask Tgid PPid Uid Gid Groups NStgid NSpid NSpgid NSsid VmLck Threads ShdPnd SigIgn "
    "SigCgt CapInh CapPrm CapEff CapBnd CapAmb NoNewPrivs Seccomp Seccomp_filters THP_enabled "
    "Speculation_Store_Bypass Cpus_allowed Mems_allowed"
).split()
DEAD_STATUS = "Name Tgid PPid Uid Gid NStgid NSpid NSpgid NSsid Threads".split()
THREAD_STATUS = (
    "Name Pid Uid Gid Groups SigPnd SigBlk CapInh CapPrm CapEff CapBnd CapAmb NoNewPrivs Seccomp "
    "Seccomp_filters Cpus_allowed"
).split()
# Fields of /proc/PID/stat, numbered as in proc_pid_stat(5).
STAT = {
    5: "pgrp", 6: "session", 7: "tty_nr", 8: "tpgid", 19: "nice", 26: "startcode", 27: "endcode",
    28: "startstack", 38: "exit_signal", 40: "rt_priority", 41: "policy", 45: "start_data",
    46: "end_data", 47: "start_brk", 48: "arg_start", 49: "arg_end", 50: "env_start",
    51: "env_end", 52: "exit_code",
}  # fmt: skip
# sd: soft-dirty is the dumper's own tool. ac: accounted, kept by an area that once was writable
# (the loader's read-only relocations) and of no effect on one that is not. gu: guard pages are
# possible, which an area also gets from a neighbour that it is joined with.
IGNORED_VM_FLAGS = {"sd", "ac", "gu"}
MANY_MAPPINGS = 5000  # above this smaps, which is slow, is not read
KCMP_FILE = 0  # linux/kcmp.h
KCMP_BEFORE, KCMP_BEHIND = 1, 2  # what kcmp(2) returns
# Signals 32 and 33, glibc's own. Its functions let nobody block them; it does itself in a thread
# that has just been made or is about to end.
GLIBC_SIGNALS = 3 << 31
SYS_KCMP = 312  # x86-64

_libc = ctypes.CDLL(None, use_errno=True)


def collect_tree(root: int) -> list[int]:
    """The pids of a process and its descendants, zombies too, in a lasting order."""
    found, todo = [], [root]
    while todo:
        pid = todo.pop(0)
        found.append(pid)
        children: set[int] = set()
        for tid in _names(f"/proc/{pid}/task"):
            try:
                children.update(map(int, _text(f"/proc/{pid}/task/{tid}/children").split()))
            except OSError:
                continue
        todo.extend(sorted(children))
    return found


def take_snapshot(root: int, *, mounts: bool = True) -> Snapshot:
    """Of all processes of the tree of `root`. `mounts`: also what is mounted there."""
    return dict(_Collector().collect(collect_tree(root), root, mounts=mounts))


def is_settled(root: int) -> bool:
    """Whether all threads have come to the program's own code: pthread_create(3) returns before
    the new thread has run, and until then that one blocks all signals."""
    for pid in collect_tree(root):
        for tid in _names(f"/proc/{pid}/task"):
            status = dict(_status(f"/proc/{pid}/task/{tid}/status", ["State", "SigBlk"]))
            blocked = int(status.get("SigBlk", "0"), 16)
            if blocked & GLIBC_SIGNALS == GLIBC_SIGNALS and status["State"][0] in "RD":
                return False
    return True


def differences(before: Snapshot, after: Snapshot) -> list[str]:
    lines = []
    for place in [*before, *(place for place in after if place not in before)]:
        was, now = before.get(place, "(nothing)"), after.get(place, "(nothing)")
        if was != now:
            lines.append(f"{place}: was {was!r}, is {now!r}")
    return lines


@dataclass
class _Area:
    start: int
    end: int
    perms: str
    offset: int
    name: str
    file: str = ""  # empty: anonymous
    flags: str = ""

    def goes_on_in(self, other: _Area) -> bool:
        mine = (self.end, self.perms, self.name, self.file, self.flags)
        theirs = (other.start, other.perms, other.name, other.file, other.flags)
        offset = self.offset + self.end - self.start if self.file else 0
        return mine == theirs and offset == other.offset


class _Collector:
    def __init__(self) -> None:
        self._ordinals: dict[tuple[object, ...], int] = {}
        self._descriptions: dict[str, list[tuple[int, int]]] = {}

    def _ordinal(self, *identity: object) -> int:
        return self._ordinals.setdefault(identity, len(self._ordinals))

    def collect(self, pids: list[int], root: int, *, mounts: bool) -> Iterator[tuple[str, str]]:
        yield "tree", " ".join(map(str, pids))
        if mounts:
            yield "mounts", _read(f"/proc/{root}/mountinfo")
        for pid in pids:
            for place, value in self._process(pid):
                yield f"{pid} {place}", value

    def _process(self, pid: int) -> Iterator[tuple[str, str]]:
        proc = f"/proc/{pid}"
        state = _stat(f"{proc}/stat")
        ended = state[3] in "ZX"
        # What signals a dead process had blocked or pending means nothing any more.
        yield from _status(f"{proc}/status", DEAD_STATUS if ended else STATUS)
        for number, name in STAT.items():
            yield name, state[number]
        yield "state", state[3] if state[3] in "TZX" else "alive"
        for name in (
            *("cmdline", "environ", "auxv", "comm", "limits", "personality", "coredump_filter"),
            *("oom_score_adj", "timerslack_ns", "cgroup", "uid_map", "timens_offsets"),
        ):
            yield name, _read(f"{proc}/{name}")
        for name in ("cwd", "root", "exe"):
            yield name, _link(f"{proc}/{name}")
        for name in _names(f"{proc}/ns"):
            yield f"ns {name}", _link(f"{proc}/ns/{name}")
        tids = _names(f"{proc}/task")
        yield "tasks", " ".join(tids)
        for tid in tids:
            if ended:
                continue
            for place, value in _status(f"{proc}/task/{tid}/status", THREAD_STATUS):
                yield f"thread {tid} {place}", value
            for number in (19, 40, 41):
                value = _stat(f"{proc}/task/{tid}/stat")[number]
                yield f"thread {tid} {STAT[number]}", value
        yield from self._maps(pid)
        for fd in _names(f"{proc}/fd"):
            yield from self._descriptor(pid, int(fd))

    def _maps(self, pid: int) -> Iterator[tuple[str, str]]:
        merged: list[_Area] = []
        for area in self._areas(pid):
            # Neighbours that are alike may be one area or two: the kernel merges when it can.
            if merged and merged[-1].goes_on_in(area):
                merged[-1].end = area.end
            else:
                merged.append(area)
        for area in merged:
            about = f"{area.perms} {area.offset:x} {area.name} {area.file} {area.flags}"
            yield f"map {area.start:x}-{area.end:x}", about

    def _areas(self, pid: int) -> Iterator[_Area]:
        lines = _read(f"/proc/{pid}/maps").splitlines()
        if len(lines) <= MANY_MAPPINGS:
            lines = _read(f"/proc/{pid}/smaps").splitlines()
        area: _Area | None = None
        for line in lines:
            first, _, others = line.partition(" ")
            if first == "VmFlags:" and area:
                area.flags = " ".join(sorted(set(others.split()) - IGNORED_VM_FLAGS))
            elif "-" in first and not first.endswith(":"):
                if area:
                    yield area
                start, end = (int(part, 16) for part in first.split("-"))
                perms, offset, device, inode, *name = others.split(None, 4)
                area = _Area(start, end, perms, 0, "".join(name))
                if inode != "0":
                    area.offset = int(offset, 16)
                    area.file = self._mapped_file(area.name, device, inode)
                    area.file += f" opened {_opened_for(f'/proc/{pid}/map_files/{first}')}"
        if area:
            yield area

    def _mapped_file(self, name: str, device: str, inode: str) -> str:
        if name.endswith("(deleted)") or name.startswith("anon_inode:"):
            return f"nameless {self._ordinal('map', device, inode)}"
        return f"{device} {inode}"

    def _descriptor(self, pid: int, fd: int) -> Iterator[tuple[str, str]]:
        path = f"/proc/{pid}/fd/{fd}"
        link = _link(path)
        kind, _, number = link.partition(":[")
        if number:
            link = f"{kind} {self._ordinal(kind, number)}"
        # Born without a name: called by the inode's number.
        link = re.sub(r"/#\d+ \(deleted\)$", "/# (deleted)", link)
        yield f"fd {fd} link", link
        try:
            yield f"fd {fd} mode", _opened_for(path)
            about = os.stat(path)
        except OSError as error:
            yield f"fd {fd} stat", _name(error)
            return
        for line in _read(f"/proc/{pid}/fdinfo/{fd}").splitlines():
            name, _, value = line.partition(":")
            if name == "lock":
                # In an order of the kernel's, and with the inode, which a nameless file has anew.
                words = value.split()
                yield f"fd {fd} lock {' '.join((*words[1:5], *words[6:]))}", "held"
                continue
            # The inode of a nameless file; of a timerfd and of an io_uring, what runs on.
            if name not in (
                *("ino", "eventfd-id", "it_value", "map_id"),
                *("SqTotalTime", "SqWorkTime", "SqThreadCpu"),
            ):
                yield f"fd {fd} {name}", value.strip()
        if not number and not link.startswith("/proc/"):
            identity = f"ino {about.st_ino}" if about.st_nlink else "nameless"
            times = f" mtime {about.st_mtime_ns}" if stat.S_ISREG(about.st_mode) else ""
            yield (
                f"fd {fd} inode",
                f"dev {about.st_dev} {identity} nlink {about.st_nlink} mode {about.st_mode:o} "
                f"owner {about.st_uid}:{about.st_gid} size {about.st_size}{times}",
            )
        yield f"fd {fd} description", self._description(pid, fd, link)

    def _description(self, pid: int, fd: int, link: str) -> str:
        """Which descriptor of the tree was the first with this open file description (kcmp(2)).

        kcmp says which of two comes first in an order of the kernel's: those known of a file are
        kept in it, for thousands may be open.
        """
        known = self._descriptions.setdefault(link, [])
        low, high = 0, len(known)
        while low < high:
            middle = (low + high) // 2
            other_pid, other_fd = known[middle]
            order = _libc.syscall(SYS_KCMP, pid, other_pid, KCMP_FILE, fd, other_fd)
            if order == 0:
                return f"that of fd {other_fd} of {other_pid}"
            if order not in (KCMP_BEFORE, KCMP_BEHIND):
                return "gone"  # closed meanwhile, or its process is
            low, high = (low, middle) if order == KCMP_BEFORE else (middle + 1, high)
        known.insert(low, (pid, fd))
        return "its own"


def _name(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, "?")


def _text(path: str) -> str:
    return Path(path).read_bytes().decode("latin-1")


def _try(read: Callable[[str], str], path: str) -> str:
    try:
        return read(path)
    except OSError as error:
        return _name(error)


def _read(path: str) -> str:
    return _try(_text, path)


def _link(path: str) -> str:
    return _try(os.readlink, path)


def _opened_for(path: str) -> str:
    """How the file behind a link of fd/ or map_files/ is open: r, w or both (proc_pid_fd(5))."""
    try:
        return stat.filemode(os.lstat(path).st_mode)[1:3]
    except OSError as error:
        return _name(error)


def _names(path: str) -> list[str]:
    try:
        names = os.listdir(path)
    except OSError:
        return []
    return sorted(names, key=lambda name: (len(name), name))


def _status(path: str, wanted: list[str]) -> Iterator[tuple[str, str]]:
    for line in _read(path).splitlines():
        name, _, value = line.partition(":")
        if name in wanted:
            yield name, " ".join(value.split())


def _stat(path: str) -> dict[int, str]:
    """Field number -> text; a task that is gone has only question marks."""
    after_name = _read(path).rpartition(")")[2].split()
    fields = dict(enumerate(after_name, start=3))
    return {number: fields.get(number, "?") for number in range(3, 53)}
