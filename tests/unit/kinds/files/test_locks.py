"""Locks: which are refused, and images of them that lie."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from crtools.errors import ImageError, UnsupportedObject
from crtools.images.messages.crtools_locks import CrtoolsLeaseEntry
from crtools.images.messages.file_lock import FileLockEntry
from crtools.kinds.files import locks
from crtools.kinds.files.locks import LocksPlan
from crtools.kinds.files.plan import FilesPlan
from crtools.procfs.mountinfo import Mount, parse_mountinfo
from unit.kinds.files.roundtrip import Roundtrip, open_at

pytestmark = pytest.mark.root


def dump_locked(roundtrip: Roundtrip, path: Path) -> None:
    def body() -> None:
        open_at(0, path / "locked", os.O_RDWR | os.O_CREAT)
        fcntl.lockf(0, fcntl.LOCK_EX, 5, 3)

    roundtrip.options = roundtrip.options.but(file_locks=True)
    roundtrip.dump(body)


def plan(roundtrip: Roundtrip) -> LocksPlan:
    files = FilesPlan(roundtrip.store, roundtrip.tables, roundtrip.options)
    return LocksPlan(roundtrip.store, files, {})


def test_range_of_a_posix_lock(roundtrip: Roundtrip, tmp_path: Path) -> None:
    dump_locked(roundtrip, tmp_path)
    (entry,) = roundtrip.store.read("filelocks")
    assert (entry.flag, entry.type, entry.fd, entry.start, entry.len) == (1, fcntl.F_WRLCK, 0, 3, 5)
    assert list(plan(roundtrip).pids) == [entry.pid]


def test_lock_on_a_remote_file_system_is_refused(
    roundtrip: Roundtrip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_mountinfo(*_: int) -> dict[int, Mount]:
        mounts = parse_mountinfo(Path("/proc/self/mountinfo").read_bytes())
        for mount in mounts.values():
            mount.fstype = b"nfs4"
        return mounts

    monkeypatch.setattr(locks, "read_mountinfo", read_mountinfo)
    with pytest.raises(UnsupportedObject, match=f"a POSIX lock on {tmp_path}/locked") as caught:
        dump_locked(roundtrip, tmp_path)
    assert "remote file system" in caught.value.because


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("flag", 4, "impossible lock"),
        ("type", 2, "impossible lock"),
        ("start", -1, "impossible lock"),
        ("len", -1, "impossible lock"),
        ("fd", 77, "a lock of fd 77"),
        ("pid", 1, "of task 1"),
    ],
)
def test_images_that_lie_are_refused(
    roundtrip: Roundtrip, tmp_path: Path, field: str, value: int, words: str
) -> None:
    dump_locked(roundtrip, tmp_path)
    (entry,) = roundtrip.store.read("filelocks")
    setattr(entry, field, value)
    roundtrip.store.remove("filelocks")
    roundtrip.store.write("filelocks", [entry])
    with pytest.raises(ImageError, match=words):
        plan(roundtrip)


def test_lease_that_is_to_become_something_else_is_an_error(
    roundtrip: Roundtrip, tmp_path: Path
) -> None:
    dump_locked(roundtrip, tmp_path)
    roundtrip.store.write("crtools-lease", [CrtoolsLeaseEntry(id=1, target=1)])
    with pytest.raises(ImageError, match="to become 1"):
        plan(roundtrip)


def test_entry_is_what_fcntl_takes() -> None:
    lock = FileLockEntry(flag=1, type=1, pid=1, fd=0, start=3, len=5)
    packed = locks._FLOCK.pack(lock.type, os.SEEK_SET, lock.start, lock.len, 0)
    fd = os.memfd_create("x")
    try:
        fcntl.fcntl(fd, fcntl.F_SETLK, packed)
        info = Path(f"/proc/self/fdinfo/{fd}").read_text()
    finally:
        os.close(fd)
    assert info.splitlines()[-1].endswith(" 3 7")
