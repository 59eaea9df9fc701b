"""Deleted files, files that have moved, and what is left behind in the file system: nothing."""

from __future__ import annotations

import errno
import fcntl
import os
import select
import stat
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from crtools.abi.fcntl import F_SET_RW_HINT
from crtools.errors import ImageError, RestoreConflict, UnsupportedObject
from crtools.images.messages.crtools_ghost import GhostAttributeEntry
from crtools.images.messages.crtools_path import CrtoolsPathEntry
from crtools.kinds.files import inode, protected
from crtools.kinds.files.table import FilesDump
from unit.kinds.files.interpreter import Tree, fdinfo_of, take
from unit.kinds.files.roundtrip import Roundtrip, open_at, set_size

pytestmark = pytest.mark.root

# Entries of an access control list: group, mask, others (linux/posix_acl_xattr.h).
NO_ID = 0xFFFFFFFF
OTHERS = (4, 7, NO_ID, 16, 7, NO_ID, 32, 7, NO_ID)


def content_of(pid: int, fd: int) -> bytes:
    with open(f"/proc/{pid}/fd/{fd}", "rb") as file:
        return file.read()


def test_deleted_file_comes_back_with_its_name_content_owner_mode_and_times(
    roundtrip: Roundtrip, tmp_path: Path
) -> None:
    path = tmp_path / "gone"

    def body() -> None:
        open_at(0, path, os.O_RDWR | os.O_CREAT)
        os.write(0, b"unlinked but open")
        os.fchown(0, 12, 34)
        os.fchmod(0, 0o4751)
        os.utime(0, ns=(1_000_000_001_000, 2_000_000_002_000))
        open_at(1, path, os.O_RDONLY)  # another open file of the same inode
        os.unlink(path)

    (worker,) = roundtrip(body)
    assert worker.fds() == {0: f"{path} (deleted)", 1: f"{path} (deleted)"}
    assert fdinfo_of(worker.pid, 0)["pos"] == "17"
    found = os.stat(f"/proc/{worker.pid}/fd/0")
    assert (found.st_uid, found.st_gid, found.st_mode) == (12, 34, stat.S_IFREG | 0o4751)
    assert (found.st_atime_ns, found.st_mtime_ns) == (1_000_000_001_000, 2_000_000_002_000)
    assert found.st_ino == os.stat(f"/proc/{worker.pid}/fd/1").st_ino
    assert content_of(worker.pid, 1) == b"unlinked but open"
    assert os.listdir(tmp_path) == ["images"]


def test_holes_of_a_deleted_file_stay_holes(roundtrip: Roundtrip, tmp_path: Path) -> None:
    def body() -> None:
        open_at(0, tmp_path / "sparse", os.O_RDWR | os.O_CREAT)
        os.pwrite(0, b"a" * 4096, 1 << 20)
        os.pwrite(0, b"b" * 10, 3 << 30)
        os.ftruncate(0, 5 << 30)
        os.unlink(tmp_path / "sparse")

    (worker,) = roundtrip(body)
    found = os.stat(f"/proc/{worker.pid}/fd/0")
    assert found.st_size == 5 << 30
    assert found.st_blocks * 512 < 100_000
    fd = take(worker.pid, 0)
    assert os.pread(fd, 4097, 1 << 20) == b"a" * 4096 + b"\0"
    assert os.pread(fd, 11, 3 << 30) == b"b" * 10 + b"\0"
    os.close(fd)


def test_a_file_that_is_only_a_hole(roundtrip: Roundtrip, tmp_path: Path) -> None:
    def body() -> None:
        open_at(0, tmp_path / "hole", os.O_RDWR | os.O_CREAT)
        os.ftruncate(0, 1 << 40)
        open_at(1, tmp_path / "empty", os.O_RDWR | os.O_CREAT)
        os.unlink(tmp_path / "hole")
        os.unlink(tmp_path / "empty")

    (worker,) = roundtrip(body)
    assert [os.stat(f"/proc/{worker.pid}/fd/{fd}").st_size for fd in (0, 1)] == [1 << 40, 0]


def test_the_limit_for_deleted_files_counts_data_and_not_holes(
    roundtrip: Roundtrip, tmp_path: Path
) -> None:
    roundtrip.options = roundtrip.options.but(ghost_limit=1000)

    def body() -> None:
        open_at(0, tmp_path / "large", os.O_RDWR | os.O_CREAT)
        os.write(0, bytes(range(256)) * 20)
        os.unlink(tmp_path / "large")

    with pytest.raises(UnsupportedObject) as caught:
        roundtrip.dump(body)
    assert f"the deleted file {tmp_path}/large has 5120 bytes" in caught.value.what
    assert "--ghost-limit 5120" in caught.value.hint


def test_a_name_that_somebody_else_has_by_now_is_left_alone(
    roundtrip: Roundtrip, tmp_path: Path
) -> None:
    path = tmp_path / "name"

    def body() -> None:
        open_at(0, path, os.O_RDWR | os.O_CREAT)
        os.write(0, b"old")
        os.unlink(path)
        path.write_text("new")

    (worker,) = roundtrip(body)
    assert path.read_text() == "new"
    assert content_of(worker.pid, 0) == b"old"
    assert sorted(os.listdir(tmp_path)) == ["images", "name"]


def test_a_deleted_file_in_a_deleted_directory(roundtrip: Roundtrip, tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"

    def body() -> None:
        inner.mkdir(parents=True)
        open_at(0, inner / "file", os.O_RDWR | os.O_CREAT)
        os.write(0, b"deep")
        open_at(1, inner, os.O_RDONLY | os.O_DIRECTORY)
        (inner / "file").unlink()
        inner.rmdir()
        (tmp_path / "a").rmdir()

    (worker,) = roundtrip(body)
    assert content_of(worker.pid, 0) == b"deep"
    found = os.stat(f"/proc/{worker.pid}/fd/1")
    assert stat.S_ISDIR(found.st_mode)
    assert found.st_nlink == 0
    assert os.listdir(tmp_path) == ["images"]


def test_deleted_fifos_and_symbolic_links(roundtrip: Roundtrip, tmp_path: Path) -> None:
    def body() -> None:
        os.mkfifo(tmp_path / "fifo", 0o640)
        open_at(0, tmp_path / "fifo", os.O_RDWR)
        os.write(0, b"queued")
        os.unlink(tmp_path / "fifo")
        os.symlink("some/target", tmp_path / "link")
        open_at(1, tmp_path / "link", os.O_PATH | os.O_NOFOLLOW)
        os.unlink(tmp_path / "link")

    (worker,) = roundtrip(body)
    assert worker.fds()[0] == f"{tmp_path}/fifo (deleted)"
    assert stat.S_IMODE(os.stat(f"/proc/{worker.pid}/fd/0").st_mode) == 0o640
    fd = take(worker.pid, 0)
    assert os.read(fd, 100) == b"queued"
    os.close(fd)
    fd = take(worker.pid, 1)
    assert os.readlink(b"", dir_fd=fd) == b"some/target"
    os.close(fd)


def test_a_file_born_without_a_name_can_still_be_given_one(
    roundtrip: Roundtrip, tmp_path: Path
) -> None:
    def body() -> None:
        open_at(0, tmp_path, os.O_TMPFILE | os.O_RDWR)
        os.write(0, b"unborn")

    (worker,) = roundtrip(body)
    # Without a directory's descriptor Python calls link(2), which follows nothing.
    os.link(f"{worker.pid}/fd/0", tmp_path / "born", src_dir_fd=roundtrip.proc)
    assert (tmp_path / "born").read_bytes() == b"unborn"


def test_extended_attributes_of_a_deleted_file_come_back(
    roundtrip: Roundtrip, tmp_path: Path
) -> None:
    path = tmp_path / "labelled"

    def body() -> None:
        open_at(0, path, os.O_RDWR | os.O_CREAT)
        os.setxattr(path, "trusted.mark", b"1\0\xff")
        os.unlink(path)

    (worker,) = roundtrip(body)
    found = f"/proc/{worker.pid}/fd/0"
    assert os.listxattr(found) == ["trusted.mark"]
    assert os.getxattr(found, "trusted.mark") == b"1\0\xff"


def test_a_deleted_file_inherits_nothing_of_its_directory(
    roundtrip: Roundtrip, tmp_path: Path
) -> None:
    def body() -> None:
        open_at(0, tmp_path / "plain", os.O_RDWR | os.O_CREAT)
        os.unlink(tmp_path / "plain")

    roundtrip.dump(body)
    entries = struct.pack("<I" + 5 * "HHI", *(2, 1, 7, NO_ID, 2, 7, 4711), *OTHERS)
    os.setxattr(tmp_path, "system.posix_acl_default", entries)
    (worker,) = roundtrip.restore()
    assert os.listxattr(f"/proc/{worker.pid}/fd/0") == []


@pytest.mark.parametrize(
    "damage", ["twice", "nameless", "long-name", "large", "flags"], ids=lambda name: name
)
def test_attributes_that_make_no_sense(roundtrip: Roundtrip, tmp_path: Path, damage: str) -> None:
    def body() -> None:
        open_at(0, tmp_path / "plain", os.O_RDWR | os.O_CREAT)
        os.unlink(tmp_path / "plain")

    roundtrip.dump(body)
    entries = roundtrip.store.read("crtools-ghost")
    if damage == "twice":
        entries *= 2
    elif damage == "flags":
        entries[0].flags = 1 << 31
    else:
        name = {"nameless": b"", "long-name": b"user." + bytes(300), "large": b"user.x"}[damage]
        value = bytes(65537 if damage == "large" else 1)
        entries[0].attributes = [GhostAttributeEntry(name=name, value=value)]
    roundtrip.store.write("crtools-ghost", entries)
    with pytest.raises(ImageError, match=r"The (image of the )?deleted file 1"):
        roundtrip.restore()
    assert os.listdir(tmp_path) == ["images"]


# --- Hard links elsewhere ---


def unlinked_elsewhere(tmp_path: Path) -> None:
    open_at(0, tmp_path / "one", os.O_RDWR | os.O_CREAT)
    os.write(0, b"two names")
    os.link(tmp_path / "one", tmp_path / "two")
    open_at(1, tmp_path / "one", os.O_RDONLY)
    os.unlink(tmp_path / "one")


def test_a_file_with_another_name_is_refused_without_link_remap(
    roundtrip: Roundtrip, tmp_path: Path
) -> None:
    with pytest.raises(UnsupportedObject) as caught:
        roundtrip.dump(lambda: unlinked_elsewhere(tmp_path))
    assert f"its name {tmp_path}/one was removed or leads elsewhere" in caught.value.what
    assert "--link-remap" in caught.value.hint
    assert sorted(os.listdir(tmp_path)) == ["images", "two"]


def test_link_remap_keeps_the_other_name_and_goes_away(
    roundtrip: Roundtrip, tmp_path: Path
) -> None:
    roundtrip.options = roundtrip.options.but(link_remap=True)
    roundtrip.dump(lambda: unlinked_elsewhere(tmp_path))
    (remapped,) = [name for name in os.listdir(tmp_path) if name.startswith("link_remap.")]
    assert (tmp_path / remapped).stat().st_nlink == 2
    (worker,) = roundtrip.restore()
    assert worker.fds() == dict.fromkeys((0, 1), f"{tmp_path}/one (deleted)")
    assert os.stat(f"/proc/{worker.pid}/fd/0").st_ino == (tmp_path / "two").stat().st_ino
    assert sorted(os.listdir(tmp_path)) == ["images", "two"]


def test_link_remap_of_a_failed_dump_leaves_no_name(roundtrip: Roundtrip, tmp_path: Path) -> None:
    roundtrip.options = roundtrip.options.but(link_remap=True)
    with Tree(lambda: unlinked_elsewhere(tmp_path)) as tree:
        dump = FilesDump(roundtrip.proc, roundtrip.store, roundtrip.options)
        dump.add_table(tree.pid, tree.pid)
        assert len(os.listdir(tmp_path)) == 3
        dump.undo()
    assert sorted(os.listdir(tmp_path)) == ["images", "two"]


def test_link_remap_is_undone_after_the_images_were_written_too(
    roundtrip: Roundtrip, tmp_path: Path
) -> None:
    roundtrip.options = roundtrip.options.but(link_remap=True)
    roundtrip.dump(lambda: unlinked_elsewhere(tmp_path)).undo()
    assert sorted(os.listdir(tmp_path)) == ["images", "two"]


@pytest.mark.parametrize(
    ("field", "value"),
    [("mode", 0o40755), ("mode", 0o600), ("size", 5), ("uid", 0xFFFFFFFF), ("atim", None)],
)
def test_ghost_images_that_make_no_sense(
    roundtrip: Roundtrip, tmp_path: Path, field: str, value: int | None
) -> None:
    def body() -> None:
        open_at(0, tmp_path / "sparse", os.O_RDWR | os.O_CREAT)
        os.pwrite(0, b"a" * 4096, 1 << 20)
        os.unlink(tmp_path / "sparse")

    roundtrip.dump(body)
    entries = roundtrip.store.read_with_extra("ghost-file", 1)
    head = entries[0][0]
    if field == "atim":
        head.atim.tv_usec = 10**6
        os.unlink(tmp_path / "images" / "crtools-ghost.img")
    else:
        setattr(head, field, value)
    roundtrip.store.write("ghost-file", entries, 1)
    with pytest.raises(ImageError, match=r"The image of the deleted file .*sparse"):
        roundtrip.restore()
    assert os.listdir(tmp_path) == ["images"]


def remove_links(tmp_path: Path) -> None:
    for name in os.listdir(tmp_path):
        if name.startswith("link_remap."):
            os.unlink(tmp_path / name)


def test_a_missing_link_remap_is_made_good_by_the_file_handle(
    roundtrip: Roundtrip, tmp_path: Path
) -> None:
    roundtrip.options = roundtrip.options.but(link_remap=True)
    roundtrip.dump(lambda: unlinked_elsewhere(tmp_path)).let_go()
    assert sorted(os.listdir(tmp_path)) == ["images", "two"]
    (worker,) = roundtrip.restore()
    assert worker.fds() == dict.fromkeys((0, 1), f"{tmp_path}/one (deleted)")
    assert os.stat(f"/proc/{worker.pid}/fd/0").st_ino == (tmp_path / "two").stat().st_ino
    assert sorted(os.listdir(tmp_path)) == ["images", "two"]


def test_what_the_file_handle_leads_to_is_compared_too(
    roundtrip: Roundtrip, tmp_path: Path
) -> None:
    roundtrip.options = roundtrip.options.but(link_remap=True)
    roundtrip.dump(lambda: unlinked_elsewhere(tmp_path)).let_go()
    (tmp_path / "two").write_text("of another size")
    with pytest.raises(RestoreConflict, match=r"link_remap\.\d+ has another size"):
        roundtrip.restore()


@pytest.mark.parametrize("handle", ["none", "stale", "too-long"])
def test_a_missing_link_remap_is_noticed_before_anything_is_made(
    roundtrip: Roundtrip, tmp_path: Path, handle: str
) -> None:
    roundtrip.options = roundtrip.options.but(link_remap=True)
    roundtrip.dump(lambda: unlinked_elsewhere(tmp_path))
    remove_links(tmp_path)
    if handle == "none":
        (tmp_path / "images" / "crtools-path.img").unlink()
    elif handle == "stale":
        (tmp_path / "two").unlink()
    else:
        paths = roundtrip.store.read("crtools-path")
        paths[0].handle.bytes = 1000
        roundtrip.store.write("crtools-path", paths)
        with pytest.raises(ImageError, match=r"impossible file handle"):
            roundtrip.restore()
        return
    with pytest.raises(RestoreConflict, match=r"link_remap\.\d+ is not there"):
        roundtrip.restore()


def test_link_remap_where_the_directory_is_gone_too(roundtrip: Roundtrip, tmp_path: Path) -> None:
    roundtrip.options = roundtrip.options.but(link_remap=True)
    inner = tmp_path / "inner"

    def body() -> None:
        inner.mkdir()
        open_at(0, inner / "one", os.O_RDWR | os.O_CREAT)
        os.link(inner / "one", tmp_path / "two")
        (inner / "one").unlink()
        inner.rmdir()

    (worker,) = roundtrip(body)
    assert os.stat(f"/proc/{worker.pid}/fd/0").st_ino == (tmp_path / "two").stat().st_ino
    assert sorted(os.listdir(tmp_path)) == ["images", "two"]


@pytest.mark.parametrize("count", [0, 2])
def test_paths_that_are_not_there_once(roundtrip: Roundtrip, tmp_path: Path, count: int) -> None:
    roundtrip.options = roundtrip.options.but(link_remap=True)
    roundtrip.dump(lambda: unlinked_elsewhere(tmp_path))
    paths = roundtrip.store.read("crtools-path") * max(count, 1)
    if not count:
        paths[0].id = 4711
    roundtrip.store.write("crtools-path", paths)
    with pytest.raises(ImageError, match=r"which is not there once"):
        roundtrip.restore()


def test_a_name_that_was_removed_and_given_back_is_the_file_itself(
    roundtrip: Roundtrip, tmp_path: Path
) -> None:
    def body() -> None:
        open_at(0, tmp_path / "one", os.O_RDWR | os.O_CREAT)
        os.link(tmp_path / "one", tmp_path / "two")
        os.unlink(tmp_path / "one")
        os.link(tmp_path / "two", tmp_path / "one")

    (worker,) = roundtrip(body)
    assert worker.fds() == {0: str(tmp_path / "one")}


def test_a_name_that_really_ends_so(roundtrip: Roundtrip, tmp_path: Path) -> None:
    path = tmp_path / "file (deleted)"

    def body() -> None:
        open_at(0, path, os.O_RDWR | os.O_CREAT)

    (worker,) = roundtrip(body)
    assert worker.fds() == {0: str(path)}


def test_a_name_that_is_no_text(roundtrip: Roundtrip, tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/\xff\xfe\n"

    def body() -> None:
        open_at(0, os.fsdecode(path), os.O_RDWR | os.O_CREAT)

    (worker,) = roundtrip(body)
    assert os.readlink(f"/proc/{worker.pid}/fd/0".encode()) == path


# --- Fifos ---


def test_fifo_with_data_and_size(roundtrip: Roundtrip, tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)

    def body() -> None:
        open_at(0, path, os.O_RDWR)
        open_at(1, path, os.O_RDONLY | os.O_NONBLOCK)
        open_at(2, path, os.O_WRONLY | os.O_CLOEXEC)
        os.write(2, b"through a name")
        set_size(0, 16384)

    (worker,) = roundtrip(body)
    assert set(worker.fds().values()) == {str(path)}
    flags = [int(fdinfo_of(worker.pid, fd)["flags"], 8) & ~0o100000 for fd in range(3)]
    assert flags == [os.O_RDWR, os.O_NONBLOCK, os.O_WRONLY | os.O_CLOEXEC]
    fd = take(worker.pid, 1)
    assert os.read(fd, 100) == b"through a name"
    os.close(fd)


def test_fifo_between_two_processes(roundtrip: Roundtrip, tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)

    def parent() -> None:
        open_at(5, path, os.O_RDWR)
        os.write(5, b"first")

    def child() -> None:
        open_at(0, path, os.O_RDONLY)
        open_at(1, path, os.O_WRONLY)
        os.write(1, b", second")
        os.close(5)

    first, second = roundtrip(parent, child)
    assert sorted(first.fds()) == [5]
    fd = take(second.pid, 0)
    assert os.read(fd, 100) == b"first, second"
    os.close(fd)


def test_fifo_reader_that_waits_for_its_first_writer_sees_no_hangup(
    roundtrip: Roundtrip, tmp_path: Path
) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    (worker,) = roundtrip(lambda: open_at(0, path, os.O_RDONLY | os.O_NONBLOCK))
    fd = take(worker.pid, 0)
    poll = select.poll()
    poll.register(fd)
    assert poll.poll(0) == []
    os.close(fd)


# --- What a deleted file has that nobody can give it again ---


def test_deleted_file_with_fs_verity_is_refused(
    roundtrip: Roundtrip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kernels with fs-verity are rare: the flag is what they would answer."""
    monkeypatch.setattr(inode, "_flags_of", lambda fd: inode.FS_VERITY_FL)

    def body() -> None:
        open_at(0, tmp_path / "signed", os.O_RDWR | os.O_CREAT)
        os.unlink(tmp_path / "signed")

    with pytest.raises(UnsupportedObject, match=r"signed is protected by fs-verity"):
        roundtrip.dump(body)


# --- Mounts ---


def test_place_on_a_mount_that_was_taken_away_is_refused(
    roundtrip: Roundtrip, tmp_path: Path
) -> None:
    place = tmp_path / "place"

    def body() -> None:
        place.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "none", place], check=True)
        try:
            (place / "inner").mkdir()
            os.chdir(place / "inner")
        finally:
            subprocess.run(["umount", "-l", place], check=True)

    with Tree(body) as tree:
        dump = FilesDump(roundtrip.proc, roundtrip.store, roundtrip.options)
        with pytest.raises(UnsupportedObject, match=r"it is /inner, a file on no mount of the"):
            dump.add_path(tree.pid, "cwd")
        dump.close()


@pytest.mark.parametrize("mountpoint", ["", "relative", "/elsewhere", "/t\0", "{path}/one/x"])
def test_mount_that_a_path_does_not_lead_through(
    roundtrip: Roundtrip, tmp_path: Path, mountpoint: str
) -> None:
    def body() -> None:
        open_at(0, tmp_path / "one", os.O_RDWR | os.O_CREAT)

    roundtrip.dump(body)
    (entry,) = roundtrip.store.read("files")
    below = CrtoolsPathEntry(id=entry.id, below=mountpoint.format(path=tmp_path))
    roundtrip.store.write("crtools-path", [below])
    with pytest.raises(ImageError, match=r"which its path does not lead through"):
        roundtrip.restore()


def test_file_below_a_mount_that_is_there_no_more(roundtrip: Roundtrip, tmp_path: Path) -> None:
    def body() -> None:
        open_at(0, tmp_path / "one", os.O_RDWR | os.O_CREAT)

    roundtrip.dump(body)
    (entry,) = roundtrip.store.read("files")
    below = CrtoolsPathEntry(id=entry.id, below=str(tmp_path))
    roundtrip.store.write("crtools-path", [below])
    (worker,) = roundtrip.restore()
    assert worker.fds() == {0: str(tmp_path / "one")}
    (tmp_path / "one").unlink()
    with pytest.raises(RestoreConflict, match=r"one is not there"):
        roundtrip.restore()


# --- What only regular files have ---


def test_hint_on_how_long_data_will_live_is_checked(roundtrip: Roundtrip, tmp_path: Path) -> None:
    def body() -> None:
        open_at(0, tmp_path / "one", os.O_RDWR | os.O_CREAT)
        fcntl.fcntl(0, F_SET_RW_HINT, struct.pack("Q", 3))

    roundtrip.dump(body)
    (hint,) = roundtrip.store.read("crtools-hint")
    assert hint.life == 3
    hint.life = 6
    roundtrip.store.write("crtools-hint", [hint])
    with pytest.raises(ImageError, match=r"impossible hint"):
        roundtrip.restore()


def test_protection_that_cannot_be_taken_away_is_a_conflict(
    roundtrip: Roundtrip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "protected"

    def body() -> None:
        open_at(0, path, os.O_RDWR | os.O_CREAT)

    checked = protected.kernel.checked

    def refuse(number: int, *rest: int) -> int:
        if number == protected.SYS_ioctl:
            raise PermissionError(errno.EPERM, "Operation not permitted")
        return checked(number, *rest)

    roundtrip.dump(body)
    subprocess.run(["chattr", "+i", path], check=True)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(protected.kernel, "checked", refuse)
            with pytest.raises(RestoreConflict) as caught:
                roundtrip.restore()
        (worker,) = roundtrip.restore()
        assert worker.fds() == {0: str(path)}
        flags = subprocess.run(["lsattr", path], check=True, capture_output=True, text=True).stdout
    finally:
        subprocess.run(["chattr", "-i", path], check=True)
    assert "immutable or append-only by now" in caught.value.because
    assert "CAP_LINUX_IMMUTABLE" in caught.value.hint
    assert "i" in flags.split()[0]


def test_build_ids_are_read_only_where_they_will_be_compared(
    roundtrip: Roundtrip, tmp_path: Path
) -> None:
    def body() -> None:
        open_at(0, os.path.realpath(sys.executable), os.O_RDONLY)

    ids = []
    for how in ("buildid", "filesize"):
        roundtrip.options = roundtrip.options.but(file_validation=how)
        roundtrip.dump(body)
        (entry,) = roundtrip.store.read("files")
        ids.append(len(entry.reg.build_id))
    assert ids == [5, 0]


def test_name_opened_itself_keeps_its_flags_by_another_name(
    roundtrip: Roundtrip, tmp_path: Path
) -> None:
    roundtrip.options = roundtrip.options.but(link_remap=True)

    def body() -> None:
        os.symlink("target", tmp_path / "one")
        os.link(tmp_path / "one", tmp_path / "two", follow_symlinks=False)
        open_at(0, tmp_path / "one", os.O_PATH | os.O_NOFOLLOW)
        os.unlink(tmp_path / "one")

    (worker,) = roundtrip(body)
    assert int(fdinfo_of(worker.pid, 0)["flags"], 8) == os.O_PATH | os.O_NOFOLLOW
    assert os.stat(f"/proc/{worker.pid}/fd/0").st_ino == os.lstat(tmp_path / "two").st_ino
