"""The image directory: what is written, what is removed first, what is refused on reading."""

from __future__ import annotations

import os
import resource
import stat

import pytest

from crtools.errors import ImageError, PermissionDenied
from crtools.images.messages.core import TaskKobjIdsEntry
from crtools.images.messages.ghost_file import GhostFileEntry
from crtools.images.messages.inventory import InventoryEntry
from crtools.images.messages.pipe_data import PipeDataEntry
from crtools.images.messages.pstree import PstreeEntry
from crtools.images.registry import BY_KEY, find_by_name
from crtools.images.store import MAX_FILE, ImageStore
from unit.images.golden_sets import GOLDEN, SETS

INVENTORY = InventoryEntry(img_version=2)
ROOT_ENTRY = PstreeEntry(pid=1, ppid=0, pgid=1, sid=1, threads=[1])


@pytest.fixture(autouse=True)
def _no_descriptor_is_lost():
    before = sorted(os.listdir("/proc/self/fd"))
    yield
    assert sorted(os.listdir("/proc/self/fd")) == before


@pytest.fixture
def store(tmp_path):
    with ImageStore.create(str(tmp_path / "images")) as store:
        yield store


def mode(path) -> int:
    return stat.S_IMODE(os.lstat(path).st_mode)


@pytest.mark.parametrize("name", SETS)
def test_a_golden_set_is_read_and_written_the_same(name, store):
    with ImageStore.open(str(GOLDEN / name)) as golden:
        for file in golden.names():
            kind, id = find_by_name(file)
            if kind.raw:
                continue
            store.write(kind.key, golden.read_with_extra(kind.key, id), id)
            written = os.path.join(store.path, file)
            with open(written, "rb") as ours, open(GOLDEN / name / file, "rb") as theirs:
                assert ours.read() == theirs.read()
            assert mode(written) == 0o600


def test_a_missing_directory_is_made_for_its_owner_only(tmp_path):
    before = os.umask(0)
    try:
        ImageStore.create(str(tmp_path / "new")).close()
    finally:
        os.umask(before)
    assert mode(tmp_path / "new") == 0o700


def test_an_existing_directory_keeps_its_mode(tmp_path):
    tmp_path.chmod(0o751)
    ImageStore.create(str(tmp_path)).close()
    assert mode(tmp_path) == 0o751


def test_the_inventory_of_an_earlier_dump_goes_first(tmp_path):
    (tmp_path / "inventory.img").write_bytes(b"old")
    (tmp_path / "dump.log").write_bytes(b"kept")
    ImageStore.create(str(tmp_path)).close()
    assert os.listdir(tmp_path) == ["dump.log"]


def test_a_set_without_inventory_is_refused(store):
    store.write("pstree", [ROOT_ENTRY])
    with pytest.raises(ImageError, match=r"(?s)incomplete.*did not finish"):
        ImageStore.open(store.path)
    with ImageStore.open(store.path, allow_incomplete=True) as looked:
        assert looked.read_one("pstree") == ROOT_ENTRY
    store.write("inventory", [INVENTORY])
    with ImageStore.open(store.path) as complete:
        assert complete.read_one("inventory") == INVENTORY


def test_an_inventory_that_is_a_link_completes_nothing(store, tmp_path):
    (tmp_path / "elsewhere").write_bytes(b"")
    os.symlink(tmp_path / "elsewhere", os.path.join(store.path, "inventory.img"))
    with pytest.raises(ImageError, match="incomplete"):
        ImageStore.open(store.path)


def test_a_directory_can_be_given_by_descriptor(store):
    with ImageStore.from_fd(store.fd, for_writing=True) as other:
        other.write("inventory", [INVENTORY])
    with ImageStore.from_fd(store.fd, for_writing=False) as other:
        assert other.fd != store.fd
        assert other.has("inventory")
    with ImageStore.from_fd(store.fd, for_writing=True):
        assert not store.has("inventory")
    with pytest.raises(ImageError, match="incomplete"):
        ImageStore.from_fd(store.fd, for_writing=False)


def test_an_old_file_is_replaced_not_overwritten(store):
    store.write("pstree", [ROOT_ENTRY] * 3)
    path = os.path.join(store.path, "pstree.img")
    os.link(path, path + ".kept")
    store.write("pstree", [ROOT_ENTRY])
    assert len(store.read("pstree")) == 1
    assert os.stat(path).st_size < os.stat(path + ".kept").st_size


def test_a_link_is_replaced_not_followed(store, tmp_path):
    target = tmp_path / "precious"
    target.write_bytes(b"precious")
    os.symlink(target, os.path.join(store.path, "pages-1.img"))
    os.close(store.create_raw("pages", 1))
    assert target.read_bytes() == b"precious"
    assert not os.path.islink(os.path.join(store.path, "pages-1.img"))


def test_a_link_is_not_read(store, tmp_path):
    os.symlink(GOLDEN / "counter" / "pstree.img", os.path.join(store.path, "pstree.img"))
    with pytest.raises(ImageError, match="symbolic link"):
        store.read("pstree")
    assert not store.has("pstree")


def test_a_fifo_or_directory_in_a_files_place_is_refused_at_once(store):
    os.mkfifo(os.path.join(store.path, "pstree.img"))
    os.mkdir(os.path.join(store.path, "files.img"))
    with pytest.raises(ImageError, match="no regular file"):
        store.read("pstree")
    with pytest.raises(ImageError, match="no regular file"):
        store.read("files")
    with pytest.raises(ImageError, match=r"Cannot create files\.img"):
        store.write("files", [])


def test_a_missing_file_is_named(store):
    with pytest.raises(ImageError, match=r"core-7\.img is missing"):
        store.read("core", 7)
    assert not store.has("core", 7)
    store.remove("core", 7)


def test_damage_is_named_with_the_file(store):
    with open(os.path.join(store.path, "pstree.img"), "wb") as file:
        file.write(bytes.fromhex("1943565430302750") + b"\x07\0\0\0\x08")
    with pytest.raises(ImageError, match=r"pstree\.img is damaged at byte 8"):
        store.read("pstree")


def test_a_file_too_large_for_messages_is_not_read(store):
    fd = store.create_raw("pstree")
    os.ftruncate(fd, MAX_FILE + 1)
    os.close(fd)
    with pytest.raises(ImageError, match="too large"):
        store.read("pstree")


def test_an_image_of_one_entry_must_have_one(store):
    store.write("pstree", [ROOT_ENTRY] * 2)
    with pytest.raises(ImageError, match="2 entries instead of one"):
        store.read_one("pstree")
    store.write("ids", [], 5)
    with pytest.raises(ImageError, match="ids-5"):
        store.read("ids", 5)


def test_raw_files_are_for_bytes(store):
    fd = store.create_raw("pages", 3)
    os.write(fd, b"page" * 1024)
    os.close(fd)
    fd = store.open_raw("pages", 3)
    assert os.read(fd, 4) == b"page"
    with pytest.raises(OSError, match="Bad file"):
        os.write(fd, b"x")
    os.close(fd)
    fd = store.open_raw("pages", 3, for_writing=True)
    os.pwrite(fd, b"P", 0)
    os.close(fd)
    assert store.names() == ["pages-3.img"]
    assert BY_KEY["pages"].raw


def test_entries_carry_their_raw_bytes(store):
    entries = [(PipeDataEntry(pipe_id=1, bytes=3, size=65536), b"abc")]
    store.write("pipes-data", entries)
    assert store.read_with_extra("pipes-data") == entries
    assert store.read("pipes-data") == [entries[0][0]]


def test_a_large_ghost_file_need_not_go_through_memory(store):
    head = GhostFileEntry(uid=0, gid=0, mode=0o100600)
    fd = store.begin("ghost-file", [head], 0x1F)
    os.write(fd, b"the file's own bytes")
    os.close(fd)
    found, fd = store.open_after_head("ghost-file", 0x1F)
    assert found == head
    assert os.read(fd, 100) == b"the file's own bytes"
    os.close(fd)
    assert store.read_with_extra("ghost-file", 0x1F) == [(head, b"the file's own bytes")]


@pytest.mark.parametrize("keep", range(0, 20, 3))
def test_a_head_that_is_cut_short_is_refused(store, keep):
    fd = store.begin("ghost-file", [GhostFileEntry(uid=0, gid=0, mode=0o100600)], 1)
    os.ftruncate(fd, min(keep, os.fstat(fd).st_size - 1))
    os.close(fd)
    with pytest.raises(ImageError, match="damaged"):
        store.open_after_head("ghost-file", 1)


def test_an_impossible_message_leaves_no_file(store):
    with pytest.raises(ImageError, match="vm_id"):
        store.write("ids", [TaskKobjIdsEntry(vm_id=-1, files_id=1, fs_id=1, sighand_id=1)], 1)
    assert store.names() == []


def test_a_full_disk_is_an_error(store):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(ImageError, match=r"(?s)Cannot write pstree\.img.*too large"):
            store.write("pstree", [ROOT_ENTRY] * 100)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_directories_that_cannot_be_used_are_named(tmp_path, monkeypatch):
    with pytest.raises(ImageError, match=r"There is no directory .*absent"):
        ImageStore.open(str(tmp_path / "absent"))
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ImageError, match="is no directory"):
        ImageStore.create(str(tmp_path / "file"))
    with pytest.raises(ImageError, match="Cannot make the directory"):
        ImageStore.create(str(tmp_path / "absent" / "inner"))
    with pytest.raises(ImageError, match="is no directory"):
        ImageStore.create(str(tmp_path / "file"))

    def refuse(*_args: object, **_kwargs: object) -> int:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(os, "mkdir", refuse)
        with pytest.raises(PermissionDenied):
            ImageStore.create(str(tmp_path / "new"))


def test_closing_twice_does_nothing(tmp_path):
    store = ImageStore.create(str(tmp_path))
    store.close()
    store.close()
