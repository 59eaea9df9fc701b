"""CRIU's images: their files are planned, and made; what we write has the same shape."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from crtools.agent.program import Program
from crtools.images.messages.fdinfo import FdinfoEntry, FdTypes
from crtools.images.store import ImageStore
from crtools.kinds.files.build_id import read_build_id
from crtools.kinds.files.plan import FilesPlan
from crtools.kinds.files.table import FilesDump
from crtools.kinds.process.fs import check_fs, dump_fs, plan_fs
from crtools.model.options import Options
from unit.kinds.files.interpreter import Tree, Worker, fdinfo_of, take
from unit.kinds.files.roundtrip import Roundtrip, open_at

GOLDEN = Path(__file__).parents[3] / "golden"
ROOT_NUMBER = 901


def tables_of(store: ImageStore) -> list[tuple[int, list[FdinfoEntry]]]:
    tables = []
    for task in store.read("pstree"):
        if store.has("ids", task.pid):
            number = store.read_one("ids", task.pid).files_id
            tables.append((task.pid, store.read("fdinfo", number)))
    return tables


@pytest.mark.parametrize("name", ["counter", "memory", "threads", "tree"])
def test_golden_sets_are_planned(name: str) -> None:
    with ImageStore.open(str(GOLDEN / name)) as store:
        tables = tables_of(store)
        plan = FilesPlan(store, tables, Options())
        assert plan.path_of(1) == f"/opt/golden/bin/{name}"
        for pid, entries in tables:
            for phase in (plan.plan_create, plan.plan_fetch, plan.plan_close):
                program = Program()
                phase(pid, program)
                for label in program.labels.values():
                    assert label() if callable(label) else label
            assert len(plan.tables[pid].wanted) == len(entries)


def test_golden_pipes_are_made_once_and_fetched_by_the_others() -> None:
    with ImageStore.open(str(GOLDEN / "tree")) as store:
        tables = tables_of(store)
        plan = FilesPlan(store, tables, Options())
        first, *others = [pid for pid, _ in tables]
        assert {file.pid for file in plan.files.values()} == {first}
        assert not any(file.parked for file in plan.files.values())
        for pid in others:
            program = Program()
            plan.plan_create(pid, program)
            assert program.count == 0


def test_sockets_of_a_set_are_planned() -> None:
    """CRIU's messages say less of a socket than ours, and what they say is enough."""
    with ImageStore.open(str(GOLDEN / "fds")) as store:
        tables = [
            (pid, [entry for entry in entries if entry.type == FdTypes.INETSK])
            for pid, entries in tables_of(store)
        ]
        plan = FilesPlan(store, tables, Options())
        ((pid, entries),) = tables
        names = [plan.name_of(plan.files[entry.id]) for entry in entries]
        assert any("UDP socket 127.0.0.1:58974" in name for name in names)
        program = Program()
        plan.plan_create(pid, program)
        assert program.count


@pytest.mark.root
def test_golden_files_fifo_and_ghost_come_back_below_another_root(tmp_path: Path) -> None:
    root = tmp_path / "root"
    run = root / "opt/golden/run/fds"
    shutil.copytree(GOLDEN / "run/fds", run)
    (run / "fds.txt").chmod(0o640)
    os.mkfifo(run / "fds.fifo", 0o600)
    (root / "opt/golden/bin").mkdir()
    shutil.copy(GOLDEN / "bin/fds", root / "opt/golden/bin")
    (root / "dev/pts").mkdir(parents=True)
    os.mknod(root / "dev/null", 0o20666, os.makedev(1, 3))
    os.chmod(root / "dev/null", 0o666)
    # Terminals are not for us; their paths are in the set all the same.
    os.mknod(root / "dev/ptmx", 0o20666, os.makedev(5, 2))
    os.chmod(root / "dev/ptmx", 0o666)
    os.mknod(root / "dev/pts/1", 0o20600, os.makedev(136, 1))
    os.chmod(root / "dev/pts/1", 0o600)
    with ImageStore.open(str(GOLDEN / "fds")) as store, Worker() as worker:
        ((_, entries),) = tables_of(store)
        ours = [entry for entry in entries if entry.type in (FdTypes.REG, FdTypes.FIFO)]
        plan = FilesPlan(store, [(worker.pid, ours)], Options())
        plan.root_number = ROOT_NUMBER
        directory = os.open(root, os.O_PATH)
        program = Program()
        path = program.put(os.fsencode(root) + b"\0")
        fd = program.call(257, -100, path, os.O_PATH, 0, label="open the root")
        plan.move(program, fd, ROOT_NUMBER, False, lambda: "root")
        try:
            plan.check_files(directory)
            plan.create_held(os.getpid(), directory)
            plan.plan_create(worker.pid, program)
            plan.plan_fetch(worker.pid, program)
            plan.plan_close(worker.pid, program)
            worker.run(program)
        finally:
            plan.close_held(restored=True)
            os.close(directory)
        links = worker.fds()
        del links[ROOT_NUMBER]
        assert links == {
            **dict.fromkeys((0, 1, 2), f"{root}/dev/null"),
            3: f"{run}/deleted.txt (deleted)",
            4: f"{run}/fds.txt",
            18: f"{run}/fds.fifo",
            40: f"{run}/fds.txt",
        }
        assert fdinfo_of(worker.pid, 3)["pos"] == "17"
        assert fdinfo_of(worker.pid, 40)["flags"] == "0102002"
        fifo = take(worker.pid, 18)
        assert os.read(fifo, 100) == b"fifo"
        os.close(fifo)
        with open(f"/proc/{worker.pid}/fd/3", "rb") as file:
            assert file.read() == b"unlinked but open"


@pytest.mark.root
def test_what_is_written_has_the_shape_of_the_golden_sets(
    roundtrip: Roundtrip, tmp_path: Path
) -> None:
    def body() -> None:
        open_at(0, "/dev/null", os.O_RDWR)
        open_at(1, tmp_path / "out", os.O_RDWR | os.O_CREAT)
        os.write(1, b"x" * 66)
        open_at(2, tmp_path / "gone", os.O_RDWR | os.O_CREAT, mode=0o600)
        os.write(2, b"y" * 17)
        os.unlink(tmp_path / "gone")
        os.pipe2(0)

    roundtrip.dump(body)

    def shape(message: object) -> dict[str, object]:
        names = [field[1] for field in type(message).FIELDS]  # type: ignore[attr-defined]
        values = {name: getattr(message, name) for name in names}
        return {name: value for name, value in values.items() if value not in (None, ())}

    with ImageStore.open(str(GOLDEN / "counter")) as store:
        golden = {entry.id: entry.reg for entry in store.read("files")}
    ours = {entry.id: entry for entry in roundtrip.store.read("files")}
    assert shape(ours[1].reg) == {**shape(golden[2]), "id": 1}
    assert shape(ours[2].reg) == {**shape(golden[3]), "id": 2, "name": str(tmp_path / "out")}
    assert shape(ours[3].reg).keys() == shape(golden[3]).keys()
    with ImageStore.open(str(GOLDEN / "tree")) as store:
        files = {entry.id: entry.pipe for entry in store.read("files")}
        data = store.read("pipes-data")[0]
    number = ours[4].pipe.pipe_id
    assert shape(ours[4].pipe) == {**shape(files[3]), "id": 4, "pipe_id": number}
    assert shape(ours[5].pipe) == {**shape(files[4]), "id": 5, "pipe_id": number}
    assert shape(roundtrip.store.read_one("pipes-data")) == {**shape(data), "pipe_id": number}
    with ImageStore.open(str(GOLDEN / "fds")) as store:
        ghost = store.read_one("ghost-file", 1)
        remap = store.read_one("remap-fpath")
    assert shape(roundtrip.store.read_one("ghost-file", 1)).keys() == shape(ghost).keys()
    assert shape(roundtrip.store.read_one("remap-fpath")) == {**shape(remap), "orig_id": 3}


@pytest.mark.root
def test_the_executable_and_places_have_entries_of_their_own(
    roundtrip: Roundtrip, tmp_path: Path
) -> None:
    def body() -> None:
        os.chdir(tmp_path)
        os.umask(0o27)

    with Tree(body, lambda: None) as tree:
        dump = FilesDump(roundtrip.proc, roundtrip.store, roundtrip.options)
        exe = dump.add_path(tree.pid, "exe")
        entries = [dump_fs(dump, pid, 0o27) for pid in tree.pids]
        assert entries[0] == entries[1]
        assert dump.add_path(tree.pid, "exe") == exe
        dump.finish()
    files = {entry.id: entry.reg for entry in roundtrip.store.read("files")}
    target = os.path.realpath("/proc/self/exe")
    with open(target, "rb") as program:
        assert (
            files[exe].build_id == list(read_build_id(program.fileno())) or not files[exe].build_id
        )
    assert (files[exe].name, files[exe].flags) == (target, 0)
    assert files[entries[0].cwd_id].name == str(tmp_path)
    assert files[entries[0].root_id].name == "/"
    plan = FilesPlan(roundtrip.store, [], Options())
    check_fs(entries[0], plan)
    with Worker() as worker:
        program = Program()
        plan_fs(program, entries[0], plan, worker.pid)
        worker.run(program)
        assert os.readlink(f"/proc/{worker.pid}/cwd") == str(tmp_path)
        with open(f"/proc/{worker.pid}/status") as status:
            assert "Umask:\t0027" in status.read()
        assert worker.fds() == {}


@pytest.mark.root
def test_another_root_directory(roundtrip: Roundtrip, tmp_path: Path) -> None:
    (tmp_path / "jail/inside").mkdir(parents=True)

    def body() -> None:
        os.chroot(tmp_path / "jail")
        os.chdir("/inside")
        open_at(0, "/file", os.O_RDWR | os.O_CREAT)

    with Tree(body) as tree:
        dump = FilesDump(roundtrip.proc, roundtrip.store, roundtrip.options)
        entries = dump.add_table(tree.pid, tree.pid)
        entry = dump_fs(dump, tree.pid, 0o22)
        dump.finish()
    with Worker() as worker:
        plan = FilesPlan(roundtrip.store, [(worker.pid, entries)], Options())
        program = Program()
        plan.plan_create(worker.pid, program)
        plan_fs(program, entry, plan, worker.pid)
        worker.run(program)
        assert os.readlink(f"/proc/{worker.pid}/root") == str(tmp_path / "jail")
        assert os.readlink(f"/proc/{worker.pid}/cwd") == str(tmp_path / "jail/inside")
        assert worker.fds() == {0: str(tmp_path / "jail/file")}
