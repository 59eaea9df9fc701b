"""Before anything is made: files are compared with what the images say of them."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from crtools.agent.program import Program
from crtools.errors import CrtoolsError, ImageError, RestoreConflict, UnsupportedObject
from crtools.images.messages.fdinfo import FdinfoEntry, FdTypes, FileEntry
from crtools.images.messages.fown import FownEntry
from crtools.images.messages.pipe import PipeEntry
from crtools.images.messages.regfile import RegFileEntry
from crtools.kinds.files.path import check_path, reopening
from crtools.kinds.files.plan import FilesPlan
from crtools.model.options import Options
from unit.kinds.files.roundtrip import Roundtrip, open_at

NOBODY = FownEntry(uid=0, euid=0, signum=0, pid_type=0, pid=0)


@pytest.fixture
def dumped(roundtrip: Roundtrip, tmp_path: Path) -> Roundtrip:
    (tmp_path / "data").write_bytes(b"12345")
    (tmp_path / "data").chmod(0o640)
    shutil.copy(shutil.which("sleep") or sys.executable, tmp_path / "program")

    def body() -> None:
        open_at(0, tmp_path / "data", os.O_RDWR)
        open_at(1, tmp_path / "program", os.O_RDONLY)

    roundtrip.dump(body)
    return roundtrip


def problem(dumped: Roundtrip) -> RestoreConflict:
    with pytest.raises(RestoreConflict) as caught:
        dumped.restore()
    return caught.value


@pytest.mark.root
def test_a_file_that_is_gone(dumped: Roundtrip, tmp_path: Path) -> None:
    (tmp_path / "data").unlink()
    assert f"The file {tmp_path}/data is not there" in problem(dumped).what


@pytest.mark.root
def test_a_file_of_another_size(dumped: Roundtrip, tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"123456")
    error = problem(dumped)
    assert f"The file {tmp_path}/data has another size" in error.what
    assert "it had 5 bytes at the dump and has 6 now" in error.because
    assert "truncate -s 5" in error.hint


@pytest.mark.root
def test_something_else_at_the_path(dumped: Roundtrip, tmp_path: Path) -> None:
    (tmp_path / "data").unlink()
    (tmp_path / "data").mkdir()
    error = problem(dumped)
    assert "it was a regular file at the dump and is a directory now" in error.because


@pytest.mark.root
def test_a_device_of_another_number(tmp_path: Path) -> None:
    (tmp_path / "dev").mkdir()
    os.mknod(tmp_path / "dev" / "null", 0o020666, os.makedev(1, 5))
    owner = FownEntry(uid=0, euid=0, signum=0, pid_type=0, pid=0)
    entry = RegFileEntry(id=1, flags=0, pos=0, fown=owner, name="/dev/null", mode=0o020666)
    root = os.open(tmp_path, os.O_PATH)
    try:
        with pytest.raises(RestoreConflict, match="it is the device 1:5, and has to be 1:3"):
            check_path(entry, root, validation="filesize", rwx=False)
    finally:
        os.close(root)


def test_other_permissions_and_how_to_ignore_them(dumped: Roundtrip, tmp_path: Path) -> None:
    (tmp_path / "data").chmod(0o600)
    error = problem(dumped)
    assert "they were 0640 at the dump and are 0600 now" in error.because
    assert "--skip-file-rwx-check" in error.hint
    dumped.options = dumped.options.but(skip_file_rwx_check=True)
    dumped.restore()


@pytest.mark.root
def test_another_build_and_how_to_ignore_it(dumped: Roundtrip, tmp_path: Path) -> None:
    program = tmp_path / "program"
    (entry,) = [e.reg for e in dumped.store.read("files") if e.reg.name == str(program)]
    assert entry.build_id
    content = bytearray(program.read_bytes())
    at = content.index(entry.build_id[0].to_bytes(4, "little"))
    content[at] ^= 1
    program.write_bytes(content)
    error = problem(dumped)
    assert f"The file {program} is another build" in error.what
    assert content[at : at + 20].hex() in error.because
    assert "--file-validation filesize" in error.hint
    dumped.options = dumped.options.but(file_validation="filesize")
    dumped.restore()


# --- Images that make no sense ---


class Images:
    """A store with a files image of our own making."""

    def __init__(self, *files: FileEntry, **others: list[Any]) -> None:
        self.images = {"files": list(files), **others}

    def has(self, key: str, id: int | None = None) -> bool:
        return key.replace("-", "_") in self.images

    def read(self, key: str, id: int | None = None) -> list[Any]:
        return self.images[key.replace("-", "_")]

    read_with_extra = read


def regular(file: int, **changes: Any) -> FileEntry:
    fields = {"id": file, "flags": 0, "pos": 0, "fown": NOBODY, "name": "/etc/passwd", **changes}
    return FileEntry(type=FdTypes.REG, id=file, reg=RegFileEntry(**fields))


def pipe(id: int, pipe_id: int, flags: int) -> FileEntry:
    entry = PipeEntry(id=id, pipe_id=pipe_id, flags=flags, fown=NOBODY)
    return FileEntry(type=FdTypes.PIPE, id=id, pipe=entry)


def fd(number: int, id: int, type: int = FdTypes.REG) -> FdinfoEntry:
    return FdinfoEntry(id=id, flags=0, type=type, fd=number)


@pytest.mark.parametrize(
    ("images", "table", "error", "what"),
    [
        (Images(), [fd(0, 1)], ImageError, "fd 0 of task 5 is file 1"),
        (Images(regular(1), regular(1)), [], ImageError, "File 1 is twice"),
        (Images(regular(1)), [fd(0, 1), fd(0, 1)], ImageError, "impossible fd 0 for task 5"),
        (Images(regular(1)), [fd(1 << 31, 1)], ImageError, "impossible fd 2147483648"),
        (Images(regular(1)), [fd(0, 1, FdTypes.PIPE)], ImageError, "fd 0 of task 5 is file 1"),
        (Images(regular(1, id=2)), [fd(0, 1)], ImageError, "fd 0 of task 5 is file 1"),
        (Images(regular(1, name="etc/passwd")), [fd(0, 1)], ImageError, "no possible name"),
        (Images(regular(1, name="/a\0b")), [fd(0, 1)], ImageError, "no possible name"),
        (Images(regular(1, pos=1 << 63)), [fd(0, 1)], ImageError, "impossible position"),
        (Images(pipe(1, 9, 3)), [fd(0, 1, FdTypes.PIPE)], ImageError, "impossible access mode"),
        (
            Images(FileEntry(type=FdTypes.REG, id=1)),
            [fd(0, 1)],
            ImageError,
            "fd 0 of task 5 is file 1",
        ),
        (
            Images(FileEntry(type=FdTypes.AUTOFS_PIPE, id=1)),
            [fd(3, 1, FdTypes.AUTOFS_PIPE)],
            UnsupportedObject,
            "Cannot restore fd 3 of task 5: it is of type AUTOFS_PIPE",
        ),
    ],
)
def test_images_that_make_no_sense(
    images: Images, table: list[FdinfoEntry], error: type[CrtoolsError], what: str
) -> None:
    with pytest.raises(error, match=what):
        FilesPlan(images, [(5, table)], Options())


def test_no_image_makes_or_empties_a_file() -> None:
    dangerous = os.O_CREAT | os.O_EXCL | os.O_TRUNC | os.O_TMPFILE | os.O_ASYNC
    assert reopening(os.O_RDWR | os.O_APPEND | dangerous) == (os.O_RDWR | os.O_APPEND | os.O_NOCTTY)


def test_an_impossible_owner() -> None:
    owner = FownEntry(uid=0, euid=0, signum=65, pid_type=0, pid=0)
    plan = FilesPlan(Images(regular(1, fown=owner)), [(5, [fd(0, 1)])], Options())
    with pytest.raises(ImageError, match="File 1 in the files image has an impossible owner"):
        plan.plan_close(5, Program())
