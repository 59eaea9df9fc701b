"""What mountinfo tells of an autofs, and images that say impossible things of one."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

import pytest

from crtools import log
from crtools.errors import ImageError, MissingFeature
from crtools.images.messages.crtools_autofs import CrtoolsAutofsEntry
from crtools.images.messages.fdinfo import FdinfoEntry, FdTypes, FileEntry
from crtools.images.messages.fown import FownEntry
from crtools.images.messages.pipe import PipeEntry
from crtools.kinds.files.autofs import (
    AutofsDump,
    find_free,
    find_mounts,
    number_of,
    options_of,
    pack_request,
)
from crtools.kinds.files.plan import FilesPlan
from crtools.model.options import Options
from crtools.procfs.files import open_proc
from crtools.tracee import kernel_memory

NOBODY = FownEntry(uid=0, euid=0, signum=0, pid_type=0, pid=0)
TEXT = (
    b"27 1 254:0 / / rw,relatime - ext4 /dev/root rw\n"
    b"42 27 0:39 / /net rw,relatime - autofs none"
    b" rw,fd=4,pgrp=812,timeout=300,minproto=5,maxproto=5,indirect,pipe_ino=70513008\n"
    b"43 27 0:40 / /misc rw,relatime shared:7 - autofs /etc/auto.misc"
    b" rw,fd=-1,pgrp=655,timeout=0,minproto=5,maxproto=5,direct,pipe_ino=-1\n"
)


def test_mounts_are_told_from_others() -> None:
    asking, quiet = find_mounts(TEXT)
    assert (asking.mountpoint, quiet.mountpoint) == (b"/net", b"/misc")
    options = options_of(asking)
    assert number_of(options, b"pipe_ino") == 70513008
    assert number_of(options, b"pgrp") == 812
    assert number_of(options_of(quiet), b"pipe_ino") == -1  # it asks nobody
    assert number_of({b"rw": b""}, b"pipe_ino") == -1  # this kernel does not tell
    assert list(find_mounts(TEXT.splitlines(keepends=True)[0])) == []


def test_mount_that_asks_nobody_or_the_same_group_is_free() -> None:
    asking, quiet = find_mounts(TEXT)
    assert find_free([asking], 812) is asking
    assert find_free([asking], 813) is None
    assert find_free([quiet], 813) is quiet
    assert find_free([asking, quiet], 813) is quiet
    assert find_free([], 812) is None


def test_request_says_how_long_it_is() -> None:
    request = pack_request(b"/net", 0x27)
    assert request.hex() == "01000000010000001d000000ffffffff27000000000000002f6e657400"


def test_where_the_kernel_cannot_be_read_it_is_said_that_somebody_may_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail() -> None:
        raise MissingFeature("Cannot look", because="there is no BTF")

    said = []
    monkeypatch.setattr(kernel_memory, "KernelMemory", fail)
    monkeypatch.setattr(log, "warning", lambda text, *words, pid: said.append(text % words))
    proc = open_proc()
    try:
        context: Any = SimpleNamespace(proc=proc, describe=lambda file: "fd 3 of task 5")
        reader: Any = SimpleNamespace(pid=5)
        assert not AutofsDump(context)._is_waited_for(reader, next(find_mounts(TEXT)))
    finally:
        os.close(proc)
    assert said == [
        "fd 3 of task 5: who waits for an answer to what was read already, would be told that there"
        " is nothing (there is no BTF)"
    ]


class Images:
    """A store that has one pipe, number 9, whose ends task 5 has at 3 and 4."""

    def __init__(self, entry: CrtoolsAutofsEntry) -> None:
        ends = [PipeEntry(id=id, pipe_id=9, flags=id - 1, fown=NOBODY) for id in (1, 2)]
        files = [FileEntry(type=FdTypes.PIPE, id=end.id, pipe=end) for end in ends]
        self.images: dict[str, list[Any]] = {"files": files, "crtools-autofs": [entry]}

    def has(self, key: str, id: int | None = None) -> bool:
        return key in self.images

    def read(self, key: str, id: int | None = None) -> list[Any]:
        return self.images[key]


def plan(numbers: tuple[int, ...], **changed: Any) -> None:
    values = {"pipe_id": 9, "mountpoint": b"/net", "pid": 5, "pgrp": 5, **changed}
    table = [FdinfoEntry(id=id, flags=0, type=FdTypes.PIPE, fd=2 + id) for id in numbers]
    FilesPlan(Images(CrtoolsAutofsEntry(**values)), [(5, table)], Options())


@pytest.mark.parametrize(
    ("numbers", "changed"),
    [
        ((1, 2), {"pipe_id": 8}),
        ((1, 2), {"pid": 6}),
        ((2,), {}),  # only the write end
        ((1,), {"mountpoint": b""}),
        ((1,), {"mountpoint": b"/net\0/etc"}),
        ((1,), {"mountpoint": b"/" + b"n" * 4096}),
    ],
)
def test_impossible_pipe_is_an_error(numbers: tuple[int, ...], changed: dict[str, Any]) -> None:
    with pytest.raises(ImageError, match="crtools-autofs image has an impossible pipe"):
        plan(numbers, **changed)


def test_pipe_whose_reader_is_there_is_taken() -> None:
    plan((1,))
    plan((1, 2))
