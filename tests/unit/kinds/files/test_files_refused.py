"""What is not carried over is refused by name, saying why and what to do."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from crtools.abi import kernel
from crtools.errors import UnsupportedObject
from crtools.images.messages.fdinfo import FileEntry
from crtools.kinds.files import registry
from crtools.kinds.files.base import OpenFile
from crtools.kinds.files.registry import (
    FILE_KINDS,
    SOCKET_KINDS,
    kinds_for,
    load_kind,
)
from crtools.kinds.files.table import FilesDump
from unit.kinds.files.interpreter import Process, Tree
from unit.kinds.files.roundtrip import Roundtrip, open_at

pytestmark = pytest.mark.root


def make_socket() -> None:
    socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM).detach()


def make_pathless_pipe() -> None:
    os.pipe2(0)
    open_at(0, "/proc/self/fd/0", os.O_PATH)
    os.close(1)


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (make_socket, r"it is a socket \(vsock, stream\), inode \d+"),
        (make_pathless_pipe, "it is an O_PATH descriptor of something without a path"),
        (lambda: open_at(0, "/dev/kmsg", os.O_RDONLY), "it is the device /dev/kmsg, 1:11"),
    ],
)
def test_other_kinds_are_refused_by_name(
    roundtrip: Roundtrip, body: Callable[[], None], what: str
) -> None:
    with pytest.raises(UnsupportedObject, match=what) as caught:
        roundtrip.dump(body)
    error = caught.value
    assert error.what.startswith("Cannot dump fd 0 of task ")
    assert error.because
    assert error.hint
    assert error.subject[0] == "task"
    assert error.subject[2:] == ("fd", 0)


def test_every_file_is_of_one_kind_at_most(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    fds = [
        *os.pipe(),
        os.open(tmp_path / "fifo", os.O_RDWR),
        os.open(tmp_path / "fifo", os.O_PATH),
        os.open(tmp_path, os.O_RDONLY),
        os.open("/dev/null", os.O_RDWR),
        os.open("/proc/self/maps", os.O_RDONLY),
        os.open(tmp_path / "regular", os.O_RDWR | os.O_CREAT),
    ]
    kinds = []
    for fd in fds:
        link = os.readlink(f"/proc/self/fd/{fd}".encode())
        flags = fcntl.fcntl(fd, fcntl.F_GETFL)
        file = OpenFile(os.getpid(), os.getpid(), fd, "", link, os.fstat(fd), flags)
        everything = [load_kind(name) for name, _, _ in FILE_KINDS]
        kinds.append([kind.field for kind in everything if kind.matches(file)])
        assert kinds[-1] == [kind.field for kind in kinds_for(file) if kind.matches(file)]
        os.close(fd)
    assert kinds == [["pipe"], ["pipe"], ["fifo"], ["reg"], ["reg"], ["reg"], ["reg"], ["reg"]]


def test_the_registry_is_the_folder() -> None:
    folder = Path(registry.__file__).parent
    named = [name for name, *_ in (*FILE_KINDS, *SOCKET_KINDS)]
    assert {name.partition(":")[0] for name in named} == {
        path.stem for path in folder.glob("*.py") if "(FileKind):" in path.read_text()
    }
    for name, type, *_ in (*FILE_KINDS, *SOCKET_KINDS):
        assert load_kind(name).type == type
        assert load_kind(name).field in ("", *FileEntry.__slots__)


@pytest.mark.parametrize("held", ["flock", "posix", "ofd", "lease"])
def test_locks_are_refused(roundtrip: Roundtrip, tmp_path: Path, held: str) -> None:
    def body() -> None:
        open_at(0, tmp_path / "locked", os.O_RDWR | os.O_CREAT)
        if held == "flock":
            fcntl.flock(0, fcntl.LOCK_EX)
        elif held == "posix":
            fcntl.lockf(0, fcntl.LOCK_EX)
        elif held == "ofd":
            lock = bytearray(32)
            lock[0:2] = fcntl.F_WRLCK.to_bytes(2, "little")
            kernel.checked(72, 0, 37, kernel.address_of(lock))  # F_OFD_SETLK
        else:
            kernel.checked(72, 0, 1024, fcntl.F_WRLCK)  # F_SETLEASE

    name = {"flock": "a flock", "posix": "a POSIX lock", "ofd": "an open file lock"}
    with pytest.raises(UnsupportedObject, match=f"it holds {name.get(held, 'a lease')}"):
        roundtrip.dump(body)


def test_a_file_of_a_thread_that_has_ended(roundtrip: Roundtrip) -> None:
    def body() -> None:
        opened = threading.Event()
        thread = threading.Thread(target=opened.wait)
        thread.start()
        open_at(0, f"/proc/{os.getpid()}/task/{thread.native_id}/status", os.O_RDONLY)
        opened.set()
        thread.join()
        while thread.native_id in map(int, os.listdir("/proc/self/task")):
            time.sleep(0.001)  # Python is done with it before the kernel is

    with pytest.raises(UnsupportedObject, match=r"it is /proc/.*/status, of a thread that has"):
        roundtrip.dump(body)


@pytest.mark.parametrize("side", ["read", "write"])
def test_a_pipe_that_leads_out_of_the_tree(roundtrip: Roundtrip, side: str) -> None:
    reader, writer = os.pipe()
    ours, theirs = (reader, writer) if side == "read" else (writer, reader)

    def outside() -> None:
        signal.pause()

    # Both have nothing but their end, and this process has none.
    with Process(outside, keep=ours) as other, Process(outside, keep=theirs) as target:
        os.close(reader)
        os.close(writer)
        dump = FilesDump(roundtrip.proc, roundtrip.store, roundtrip.options)
        dump.add_table(target.pid, target.pid)
        with pytest.raises(UnsupportedObject) as caught:
            dump.check()
        dump.close()
        assert f"the {side} end of pipe " in caught.value.what
        assert caught.value.because.startswith(f"task {other.pid} (")


def test_a_pipe_that_somebody_else_has_too(roundtrip: Roundtrip) -> None:
    def parent() -> None:
        os.pipe2(0)

    with Tree(parent, lambda: None) as tree:
        dump = FilesDump(roundtrip.proc, roundtrip.store, roundtrip.options)
        dump.add_table(tree.pids[0], tree.pids[0])
        with pytest.raises(UnsupportedObject, match=r"pipe \d+ is also open outside") as caught:
            dump.check()
        assert caught.value.because.startswith(f"task {tree.pids[1]} (")
        dump.close()


def test_a_fifo_with_a_reader_outside(roundtrip: Roundtrip, tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    with (
        Tree(lambda: open_at(0, path, os.O_RDWR)),
        pytest.raises(UnsupportedObject, match="is also open outside the tree"),
    ):
        roundtrip.dump(lambda: open_at(0, path, os.O_RDWR))


def test_signals_to_somebody_outside(roundtrip: Roundtrip) -> None:
    with Process(signal.pause) as other:

        def body() -> None:
            os.pipe2(0)
            fcntl.fcntl(0, fcntl.F_SETOWN, other.pid)

        with pytest.raises(UnsupportedObject, match=f"its signals go to task {other.pid} "):
            roundtrip.dump(body)
