"""Open files of real processes, dumped into images and made again by workers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from crtools.kinds.files.table import FilesDump
from unit.kinds.files.interpreter import Tree, fdinfo_of, take
from unit.kinds.files.roundtrip import Roundtrip, get_size, open_at, set_size

pytestmark = pytest.mark.root


# --- Regular files ---


def test_position_flags_and_close_on_exec_come_back(roundtrip: Roundtrip, tmp_path: Path) -> None:
    path = tmp_path / "some.txt"
    path.write_text("0123456789")

    def body() -> None:
        open_at(0, path, os.O_RDONLY, 3)
        open_at(1, path, os.O_RDWR | os.O_APPEND, 10)
        open_at(7, path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC, 99)
        open_at(40, path, os.O_RDONLY | os.O_SYNC)

    (worker,) = roundtrip(body)
    infos = {fd: fdinfo_of(worker.pid, fd) for fd in (0, 1, 7, 40)}
    assert [info["pos"] for info in infos.values()] == ["3", "10", "99", "0"]
    assert [int(info["flags"], 8) & ~0o100000 for info in infos.values()] == [
        0,
        os.O_RDWR | os.O_APPEND,
        os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC,
        os.O_SYNC,
    ]
    assert set(worker.fds().values()) == {str(path)}


def test_one_open_file_stays_one_across_dup_and_fork(roundtrip: Roundtrip, tmp_path: Path) -> None:
    path = tmp_path / "shared"
    path.write_bytes(bytes(100))

    def parent() -> None:
        open_at(3, path, os.O_RDWR, 5)
        os.dup2(3, 9)
        open_at(4, path, os.O_RDWR, 5)  # the same in all respects but being another one

    def child() -> None:
        os.dup2(3, 30)
        os.close(3)

    first, second = roundtrip(parent, child)
    mine = take(first.pid, 9)
    os.lseek(mine, 77, os.SEEK_SET)
    os.close(mine)
    positions = {
        (worker is second, fd): fdinfo_of(worker.pid, fd)["pos"]
        for worker in (first, second)
        for fd in worker.fds()
    }
    assert positions == {
        (False, 3): "77",
        (False, 4): "5",
        (False, 9): "77",
        (True, 4): "5",
        (True, 9): "77",
        (True, 30): "77",
    }


def test_directories_devices_and_places(roundtrip: Roundtrip, tmp_path: Path) -> None:
    for number in range(10):
        (tmp_path / f"file{number}").touch()
    (tmp_path / "link").symlink_to("/nowhere")

    def body() -> None:
        open_at(0, "/dev/null", os.O_RDWR)
        open_at(1, "/dev/zero", os.O_RDONLY)
        open_at(2, "/proc/self/status", os.O_RDONLY, 4)
        open_at(3, tmp_path, os.O_RDONLY | os.O_DIRECTORY)
        open_at(4, tmp_path / "file1", os.O_PATH)
        open_at(5, tmp_path / "link", os.O_PATH | os.O_NOFOLLOW)
        open_at(6, "/", os.O_PATH | os.O_DIRECTORY)

    roundtrip.dump(body)
    # The status file of a task that is in the tree: its pid is there again when files are made.
    (pid, entries) = roundtrip.tables[0]
    roundtrip.tables[0] = (pid, [entry for entry in entries if entry.fd != 2])
    images = roundtrip.store.read("files")
    assert f"/proc/{pid}/status" in [entry.reg.name for entry in images]
    roundtrip.store.write(
        "files", [entry for entry in images if not entry.reg.name.startswith("/proc")]
    )
    (worker,) = roundtrip.restore()
    assert worker.fds() == {
        0: "/dev/null",
        1: "/dev/zero",
        3: str(tmp_path),
        4: str(tmp_path / "file1"),
        5: str(tmp_path / "link"),
        6: "/",
    }
    assert int(fdinfo_of(worker.pid, 5)["flags"], 8) == os.O_PATH | os.O_NOFOLLOW


# --- Pipes ---


def test_pipe_data_and_size_come_back(roundtrip: Roundtrip) -> None:
    def body() -> None:
        reader, writer = os.pipe()
        os.write(writer, b"left in the pipe")
        set_size(writer, 8192)
        assert (reader, writer) == (0, 1)

    (worker,) = roundtrip(body)
    reader, writer = take(worker.pid, 0), take(worker.pid, 1)
    assert get_size(reader) == 8192
    os.write(writer, b", and more")
    assert os.read(reader, 100) == b"left in the pipe, and more"
    os.close(reader)
    os.close(writer)


def test_pipe_ends_swapped_and_shared(roundtrip: Roundtrip) -> None:
    def parent() -> None:
        reader, writer = os.pipe()
        os.set_inheritable(reader, True)
        os.set_inheritable(writer, True)
        # The ends change places: what pipe2 gives has to get out of its own way.
        os.dup2(reader, 5)
        os.dup2(writer, 0)
        os.dup2(5, 1)
        os.close(5)

    def child() -> None:
        os.close(0)

    first, second = roundtrip(parent, child)
    writer = take(first.pid, 0)
    os.write(writer, b"x")
    os.close(writer)
    reader = take(second.pid, 1)
    assert os.read(reader, 10) == b"x"
    os.close(reader)
    assert first.fds()[0] == first.fds()[1] == second.fds()[1]


def test_pipeline_whose_ends_are_in_different_processes(roundtrip: Roundtrip) -> None:
    def shell() -> None:
        os.pipe2(0)

    def writing() -> None:
        os.close(0)

    def reading() -> None:
        os.close(1)

    # The shell has closed its ends by the time of the dump: only the other two have them.
    with Tree(shell, writing, reading) as tree:
        dump = FilesDump(roundtrip.proc, roundtrip.store, roundtrip.options)
        dump.add_process(tree.pids[0])
        roundtrip.tables = [(pid, dump.add_table(pid, pid)) for pid in tree.pids[1:]]
        dump.finish()
    left, right = roundtrip.restore()
    assert list(left.fds()) == [1]
    assert list(right.fds()) == [0]
    assert left.fds()[1] == right.fds()[0]
    os.write(end := take(left.pid, 1), b"through")
    os.close(end)
    left.end()
    end = take(right.pid, 0)
    assert os.read(end, 100) == b"through"
    assert os.read(end, 100) == b""  # nobody else has kept the write end
    os.close(end)


def test_ends_that_were_opened_again_stay_separate(roundtrip: Roundtrip) -> None:
    def body() -> None:
        os.pipe2(0)
        open_at(2, "/proc/self/fd/0", os.O_RDONLY | os.O_NONBLOCK)
        open_at(3, "/proc/self/fd/1", os.O_RDWR)
        os.write(1, b"data")

    def child() -> None:
        os.close(0)
        os.close(1)

    first, second = roundtrip(body, child)
    flags = {fd: int(fdinfo_of(first.pid, fd)["flags"], 8) for fd in first.fds()}
    assert flags == {0: 0, 1: 1, 2: 0o104000, 3: 0o100002}
    assert len(set(first.fds().values()) | set(second.fds().values())) == 1
    end = take(second.pid, 2)
    assert os.read(end, 10) == b"data"
    with pytest.raises(BlockingIOError):
        os.read(end, 10)
    os.close(end)


def test_packet_mode_and_nonblocking_are_of_each_end(roundtrip: Roundtrip) -> None:
    def body() -> None:
        os.pipe2(os.O_DIRECT)
        os.set_blocking(0, False)

    (worker,) = roundtrip(body)
    flags = [int(fdinfo_of(worker.pid, fd)["flags"], 8) for fd in (0, 1)]
    assert flags == [os.O_NONBLOCK, os.O_DIRECT | os.O_WRONLY]


def test_pipe_with_a_mebibyte_in_it(roundtrip: Roundtrip) -> None:
    content = os.urandom(1 << 20)

    def body() -> None:
        os.pipe2(0)
        set_size(1, 1 << 20)
        assert os.write(1, content) == len(content)

    (worker,) = roundtrip(body)
    end = take(worker.pid, 0)
    got = b""
    while len(got) < len(content):
        got += os.read(end, 1 << 20)
    os.close(end)
    assert got == content


def test_pipe_whose_other_end_was_closed(roundtrip: Roundtrip) -> None:
    def body() -> None:
        os.pipe2(0)
        os.write(1, b"last words")
        os.close(1)
        os.pipe2(0)
        os.dup2(2, 9)
        os.close(1)
        os.close(2)

    (worker,) = roundtrip(body)
    assert sorted(worker.fds()) == [0, 9]
    end = take(worker.pid, 0)
    assert os.read(end, 100) == b"last words"
    assert os.read(end, 100) == b""
    os.close(end)
    end = take(worker.pid, 9)
    with pytest.raises(BrokenPipeError):
        os.write(end, b"x")
    os.close(end)
