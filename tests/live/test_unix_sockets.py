"""Unix sockets: peers outside the tree, what waits to be accepted, and a hundred times in a row."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from live.roundtrip import SECONDS, TOOL, Run

pytestmark = pytest.mark.root
NewRun = Callable[..., Run]


@pytest.fixture
def ends() -> Iterator[ExitStack]:
    """Closes the test's own sockets in the end."""
    with ExitStack() as stack:
        yield stack


def serve(ends: ExitStack, run: Run, type: int, name: str = "server") -> socket.socket:
    """A socket of the test's, at a name in the program's directory."""
    ours = ends.enter_context(socket.socket(socket.AF_UNIX, type))
    ours.bind(str(run.work / name))
    (run.work / name).chmod(0o777)
    ours.settimeout(SECONDS)
    return ours


def inode(run: Run, type: str = "socket") -> int:
    """Of the only socket that the program has."""
    links = [os.readlink(fd) for fd in Path(f"/proc/{run.pid}/fd").iterdir()]
    (found,) = [link for link in links if link.startswith(f"{type}:")]
    return int(found[len(type) + 2 : -1])


def expect_refusal(run: Run, *words: str, options: tuple[str, ...] = ()) -> str:
    images = run.new_images()
    done = run.try_dump(images, *options)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr, done.stderr
    assert not (images / "inventory.img").exists()
    return done.stderr


def restore(
    run: Run, images: Path, *options: str, fds: tuple[int, ...] = ()
) -> subprocess.CompletedProcess[str]:
    run.status = None
    return subprocess.run(
        [TOOL, "restore", "-D", images, "-d", "-o", "restore.log", "-v4", *options],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS, check=False,
        pass_fds=fds,
    )  # fmt: skip


def expect_restored(run: Run, images: Path, *options: str, fds: tuple[int, ...] = ()) -> None:
    done = restore(run, images, *options, fds=fds)
    assert done.returncode == 0, done.stderr
    run.expect_pass()


def test_peer_outside_the_tree_is_named_with_its_owner(new_run: NewRun, ends: ExitStack) -> None:
    run = new_run("unix_outside", "stream")
    server = serve(ends, run, socket.SOCK_STREAM)
    server.listen(1)
    run.start()
    accepted = ends.enter_context(server.accept()[0])
    own = os.fstat(accepted.fileno()).st_ino
    command = Path("/proc/self/comm").read_text().strip()
    expect_refusal(
        run,
        f"unix socket {own} ({run.work}/server) of task {os.getpid()} ({command})",
        "is outside the tree",
        f"--external unix[{inode(run)}]",
    )
    run.expect_pass()
    assert accepted.recv(10) == b"late"


def test_connection_that_waits_outside_is_refused(new_run: NewRun, ends: ExitStack) -> None:
    run = new_run("unix_outside", "stream")
    server = serve(ends, run, socket.SOCK_STREAM)
    server.listen(1)
    run.start()
    expect_refusal(run, "to be accepted", f"of task {os.getpid()}")
    run.expect_pass()
    assert ends.enter_context(server.accept()[0]).recv(10) == b"late"


def test_external_peer_is_gone_after_a_restore(new_run: NewRun, ends: ExitStack) -> None:
    run = new_run("unix_outside", "closed")
    server = serve(ends, run, socket.SOCK_STREAM)
    server.listen(1)
    run.start()
    ends.enter_context(server.accept()[0])
    images = run.dump("--external", f"unix[{inode(run)}]")
    expect_restored(run, images)


def test_socket_that_is_given_takes_the_place_of_an_external_one(
    new_run: NewRun, ends: ExitStack
) -> None:
    run = new_run("unix_outside", "stream")
    server = serve(ends, run, socket.SOCK_STREAM)
    server.listen(1)
    run.start()
    ends.enter_context(server.accept()[0])
    number = inode(run)
    images = run.dump(f"--ext-unix-sk={number}")
    ours, theirs = map(ends.enter_context, socket.socketpair())
    fd = theirs.fileno()
    expect_restored(run, images, "--inherit-fd", f"fd[{fd}]:socket:[{number}]", fds=(fd,))
    ours.settimeout(SECONDS)
    assert ours.recv(10) == b"late"


def test_datagram_socket_is_connected_to_its_server_again(new_run: NewRun, ends: ExitStack) -> None:
    run = new_run("unix_outside", "datagram")
    server = serve(ends, run, socket.SOCK_DGRAM)
    run.start()
    expect_refusal(run, "is outside the tree", "--ext-unix-sk", f"of task {os.getpid()}")
    images = run.dump("--ext-unix-sk")
    done = restore(run, images)
    assert done.returncode != 0
    assert "pass --ext-unix-sk to the restore" in done.stderr
    expect_restored(run, images, "--ext-unix-sk")
    assert server.recv(10) == b"late"


def test_sender_from_outside_is_named(new_run: NewRun, ends: ExitStack) -> None:
    run = new_run("unix_outside", "receiver")
    run.start()
    sender = ends.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
    sender.connect(str(run.work / "here"))
    expect_refusal(run, "is connected to it, from outside the tree", f"of task {os.getpid()}")
    images = run.dump("--ext-unix-sk")
    restore(run, images, "--ext-unix-sk")
    again = ends.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
    again.sendto(b"more", str(run.work / "here"))
    run.expect_pass()


def test_client_from_outside_that_waits_is_named(new_run: NewRun, ends: ExitStack) -> None:
    run = new_run("unix_outside", "waits")
    run.start()
    client = ends.enter_context(socket.socket(socket.AF_UNIX))
    client.connect(str(run.work / "here"))
    expect_refusal(run, "waits to be accepted", f"of task {os.getpid()}")
    client.sendall(b"more")
    run.expect_pass()


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("given", ("no process of the tree has what it leads to open besides",)),
        ("named", ("came from @crtools named", "has that name now")),
    ],
)
def test_connection_that_waits_and_cannot_be_made_again_is_refused(
    what: str, words: tuple[str, ...], new_run: NewRun
) -> None:
    run = new_run("unix_outside", what)
    run.start()
    expect_refusal(run, *words, "dump when the program has accepted")
    run.expect_pass()


@pytest.mark.parametrize("what", ["sent", "left"])
def test_connection_that_waits_is_refused_where_the_kernel_cannot_be_read(
    what: str, new_run: NewRun
) -> None:
    run = new_run("unix_outside", what)
    run.start()
    images = run.new_images()
    done = subprocess.run(
        [
            *("setpriv", "--bounding-set=-sys_admin,-bpf,-perfmon"),
            *(TOOL, "dump", "-t", str(run.pid), "-D", images, "-o", "dump.log", "-v4"),
        ],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "a connection that waits to be accepted" in done.stderr
    assert "in the kernel's memory only" in done.stderr
    assert "CAP_BPF" in done.stderr
    assert not (images / "inventory.img").exists()
    # As root it is carried.
    run.restore(run.dump())
    run.expect_pass()


def test_name_that_is_taken_meanwhile_is_a_conflict(new_run: NewRun, ends: ExitStack) -> None:
    run = new_run("unix_outside", "receiver")
    run.start()
    images = run.dump()
    (run.work / "here").unlink()
    taken = serve(ends, run, socket.SOCK_DGRAM, "here")
    number = os.fstat(taken.fileno()).st_ino
    done = restore(run, images)
    assert done.returncode != 0
    assert f"{run.work}/here" in done.stderr
    assert f"unix socket {number} is bound to it" in done.stderr
    assert sorted(path.name for path in run.work.iterdir()) == ["here", "out"]
    taken.close()
    assert restore(run, images).returncode == 0
    sender = ends.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
    sender.sendto(b"more", str(run.work / "here"))
    run.expect_pass()
