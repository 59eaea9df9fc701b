"""Whom the kernel signals about a file; files behind other links of /proc than descriptors."""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
import threading
import time
from pathlib import Path

import pytest

from crtools.abi import kernel
from crtools.agent.program import Program
from crtools.errors import UnsupportedObject
from crtools.kinds.files.plan import FilesPlan
from crtools.kinds.files.table import FilesDump
from crtools.kinds.process.fs import dump_fs, plan_fs
from unit.kinds.files.interpreter import Process, Tree, Worker, fdinfo_of, take
from unit.kinds.files.roundtrip import Roundtrip, open_at

pytestmark = pytest.mark.root

F_SETOWN_EX, F_GETOWN_EX, F_GETOWNER_UIDS = 15, 16, 17
F_OWNER_TID, F_OWNER_PID, F_OWNER_PGRP = 0, 1, 2


def owner_of(fd: int) -> tuple[int, ...]:
    """Kind, pid, signal, real and effective uid of who named the owner."""
    kind, pid = struct.unpack("2i", fcntl.fcntl(fd, F_GETOWN_EX, bytes(8)))
    uids = struct.unpack("2I", fcntl.fcntl(fd, F_GETOWNER_UIDS, bytes(8)))
    return kind, pid, fcntl.fcntl(fd, fcntl.F_GETSIG), *uids


@pytest.mark.parametrize("kind", [F_OWNER_TID, F_OWNER_PID, F_OWNER_PGRP])
def test_owner_signal_and_async_flag_come_back(roundtrip: Roundtrip, kind: int) -> None:
    def body() -> None:
        os.pipe2(0)
        os.setpgid(0, 0)
        os.setresuid(0, 0, 0)
        fcntl.fcntl(0, fcntl.F_SETSIG, 40)
        fcntl.fcntl(0, F_SETOWN_EX, struct.pack("2i", kind, os.getpid()))
        fcntl.fcntl(0, fcntl.F_SETFL, os.O_ASYNC)

    roundtrip.dump(body)
    (pid, _) = roundtrip.tables[0]
    images = roundtrip.store.read("files")
    assert images[0].pipe.fown.pid == pid
    assert (images[0].pipe.fown.signum, images[0].pipe.fown.pid_type) == (40, kind)
    # A pid that is there now, and somebody else who named it.
    owner = os.getpgid(0) if kind == F_OWNER_PGRP else os.getpid()
    images[0].pipe.fown.pid = owner
    images[0].pipe.fown.uid, images[0].pipe.fown.euid = 12, 34
    roundtrip.store.write("files", images)
    (worker,) = roundtrip.restore()
    fd = take(worker.pid, 0)
    assert owner_of(fd) == (kind, owner, 40, 12, 34)
    os.close(fd)
    assert int(fdinfo_of(worker.pid, 0)["flags"], 8) & os.O_ASYNC
    with open(f"/proc/{worker.pid}/status") as status:
        assert "Uid:\t0\t0\t0\t0\n" in status.read()


def test_an_owner_that_is_a_thread_waits_for_the_threads(roundtrip: Roundtrip) -> None:
    def body() -> None:
        os.pipe2(0)
        fcntl.fcntl(0, F_SETOWN_EX, struct.pack("2i", F_OWNER_TID, os.getpid()))

    roundtrip.dump(body)
    # As the images say it, the owner is a task that is no process.
    plan = FilesPlan(roundtrip.store, [(1, roundtrip.tables[0][1])], roundtrip.options)
    early, late = Program(), Program()
    plan.plan_close(1, early)
    plan.plan_late(1, late)
    assert early.count == 0
    assert late.count == 1


def test_a_table_is_seen_through_a_thread_when_the_leader_has_exited(roundtrip: Roundtrip) -> None:
    def body() -> None:
        open_at(0, "/dev/null", os.O_RDWR)
        os.pipe2(0)
        os.write(2, b"still here")
        threading.Thread(target=time.sleep, args=(1000,)).start()
        kernel.raw(60, 0)  # exit(2), of this thread only

    with Process(body) as process:
        while True:
            with open(f"/proc/{process.pid}/stat") as file:
                if file.read().rpartition(")")[2].split()[0] == "Z":
                    break
        (tid,) = (int(t) for t in os.listdir(f"/proc/{process.pid}/task") if int(t) != process.pid)
        dump = FilesDump(roundtrip.proc, roundtrip.store, roundtrip.options)
        entries = dump.add_table(process.pid, tid)
        fs = dump_fs(dump, process.pid, 0o22, tid)
        dump.finish()
    assert [entry.fd for entry in entries] == [0, 1, 2]
    roundtrip.tables = [(process.pid, entries)]
    (worker,) = roundtrip.restore()
    assert roundtrip.plan.path_of(fs.root_id) == "/"
    fd = take(worker.pid, 1)
    assert os.read(fd, 100) == b"still here"
    os.close(fd)


def test_a_deleted_working_directory(roundtrip: Roundtrip, tmp_path: Path) -> None:
    def body() -> None:
        (tmp_path / "cwd").mkdir(mode=0o750)
        os.chdir(tmp_path / "cwd")
        (tmp_path / "cwd").rmdir()

    with Tree(body) as tree:
        dump = FilesDump(roundtrip.proc, roundtrip.store, roundtrip.options)
        entry = dump_fs(dump, tree.pid, 0o22)
        dump.finish()
    plan = FilesPlan(roundtrip.store, [], roundtrip.options)
    root = os.open("/", os.O_PATH)
    with Worker() as worker:
        plan.check_files(root)
        plan.create_held(os.getpid(), root)
        program = Program()
        plan_fs(program, entry, plan, worker.pid)
        worker.run(program)
        plan.close_held(restored=True)
        assert os.readlink(f"/proc/{worker.pid}/cwd") == f"{tmp_path}/cwd (deleted)"
        assert os.stat(f"/proc/{worker.pid}/cwd").st_mode & 0o777 == 0o750
    os.close(root)
    assert os.listdir(tmp_path) == ["images"]


def test_mapped_files_deleted_ones_too(roundtrip: Roundtrip, tmp_path: Path) -> None:
    (tmp_path / "mapped").write_bytes(b"m" * 8192)
    (tmp_path / "deleted").write_bytes(b"d" * 4096)
    kept = []

    def body() -> None:
        for name in ("mapped", "deleted"):
            open_at(0, tmp_path / name, os.O_RDWR)
            kept.append(mmap.mmap(0, 0))
            os.closerange(0, 10)
        (tmp_path / "deleted").unlink()

    with Tree(body) as tree:
        areas = {}
        for area in os.listdir(f"/proc/{tree.pid}/map_files"):
            name = os.readlink(f"/proc/{tree.pid}/map_files/{area}").removesuffix(" (deleted)")
            areas[os.path.basename(name)] = f"map_files/{area}"
        # Python keeps duplicates of the descriptors; they do not matter here.
        dump = FilesDump(roundtrip.proc, roundtrip.store, roundtrip.options)
        mapped = dump.add_path(tree.pid, areas["mapped"], flags=os.O_RDWR)
        assert mapped == dump.add_path(tree.pid, areas["mapped"], flags=os.O_RDWR)
        assert mapped != dump.add_path(tree.pid, areas["mapped"], flags=os.O_RDONLY)
        deleted = dump.add_path(tree.pid, areas["deleted"], flags=os.O_RDWR)
        dump.finish()
    plan = FilesPlan(roundtrip.store, [], roundtrip.options)
    assert plan.path_of(mapped) == str(tmp_path / "mapped")
    root = os.open("/", os.O_PATH)
    with Worker() as worker:
        plan.check_files(root)
        plan.create_held(os.getpid(), root)
        program = Program()
        for id in (mapped, deleted):
            plan.plan_open(program, id, os.O_RDWR)
        worker.run(program)
        plan.close_held(restored=True)
        assert worker.fds() == {
            0: str(tmp_path / "mapped"),
            1: f"{tmp_path}/deleted (deleted)",
        }
        with open(f"/proc/{worker.pid}/fd/1", "rb") as file:
            assert file.read() == b"d" * 4096
    os.close(root)


def test_a_ghost_can_be_executed(roundtrip: Roundtrip, tmp_path: Path) -> None:
    """What holds it must not hold it for writing."""

    def body() -> None:
        open_at(0, tmp_path / "program", os.O_RDWR | os.O_CREAT, mode=0o755)
        os.write(0, b"#!/bin/true\n")
        os.unlink(tmp_path / "program")

    roundtrip.dump(body)
    ((pid, entries),) = roundtrip.tables
    plan = FilesPlan(roundtrip.store, [(pid, entries)], roundtrip.options)
    root = os.open("/", os.O_PATH)
    plan.create_held(os.getpid(), root)
    os.close(root)
    assert plan._held is not None
    (number,) = plan._held.numbers.values()
    assert os.waitstatus_to_exitcode(os.system(f"exec /proc/{os.getpid()}/fd/{number}")) == 0
    plan.close_held(restored=False)


def test_paths_are_refused_that_are_none(roundtrip: Roundtrip) -> None:
    def body() -> None:
        open_at(0, "/proc/self/ns/uts", os.O_RDONLY)

    with Tree(body) as tree:
        dump = FilesDump(roundtrip.proc, roundtrip.store, roundtrip.options)
        with pytest.raises(UnsupportedObject, match=r"ns/uts|uts of task"):
            dump.add_path(tree.pid, "ns/uts")
        dump.close()
