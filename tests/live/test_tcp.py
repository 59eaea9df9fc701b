"""TCP connections whose peer is outside the tree: it sees a pause and nothing else."""

from __future__ import annotations

import contextlib
import os
import random
import re
import select
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from live.network import list_tables, own_network
from live.roundtrip import TOOL, Run, Skipped
from live.snapshot import collect_tree

pytestmark = pytest.mark.root

ROUNDS = int(os.environ.get("CRTOOLS_TCP_ROUNDS", "3"))
WALL = 0x40000000  # waitpid(2): also for children that end without a signal
KILLS = int(os.environ.get("CRTOOLS_TCP_KILLS", "10"))
PIECE = 40_000


class Peer:
    """One end of a connection whose other end sends back what it gets; sends and checks."""

    def __init__(self, port: int, *, window: int = 0) -> None:
        self.socket = socket.socket()
        if window:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setblocking(False)
        self.sent = b""
        self.got = 0

    def pump(self, seconds: float, *, most: int = 1 << 30, reads: bool = True) -> None:
        """Sends and receives for that time, or until `most` bytes have come back."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.got < most:
            readable, writable, _ = select.select(
                [self.socket] if reads else [],
                [self.socket] if len(self.sent) < most else [],
                [],
                0.005,
            )
            if writable:
                piece = os.urandom(min(3000, most - len(self.sent)))
                self.sent += piece[: self.socket.send(piece)]
            if readable:
                self.take(self.socket.recv(10_000))

    def take(self, data: bytes) -> None:
        assert data, "the connection was closed"
        assert data == self.sent[self.got : self.got + len(data)]
        self.got += len(data)

    def finish(self) -> None:
        """All that was sent comes back."""
        self.pump(20, most=len(self.sent))
        assert self.got == len(self.sent)
        self.socket.close()


@pytest.fixture
def connect() -> Iterator[Callable[..., Peer]]:
    """Makes peers, in a network of the test's own."""
    peers: list[Peer] = []

    def make(port: int, *, window: int = 0) -> Peer:
        peers.append(Peer(port, window=window))
        return peers[-1]

    with own_network():
        yield make
        for peer in peers:
            peer.socket.close()


def start(new_run: Callable[..., Run], *args: str) -> tuple[Run, int]:
    """A run of the program, and the port that it listens at."""
    run = new_run("tcp", *args, compare=False, dump_options=("--tcp-established",))
    try:
        run.start()
    except Skipped as reason:
        pytest.skip(str(reason))
    return run, port_of(run)


def port_of(run: Run) -> int:
    port = re.search(r"PORT (\d+)", run.out)
    return int(port[1]) if port else 0


def tables() -> str:
    return " ".join(list_tables())


def test_peer_sees_only_a_pause(connect: Callable[..., Peer], new_run: Callable[..., Run]) -> None:
    run, port = start(new_run, "echo")
    peers = [connect(port), connect(port, window=4096), connect(port)]
    peers[1].pump(0.2, reads=False)  # both queues are full
    for _ in range(ROUNDS):
        peers[0].pump(0.02)
        images = run.dump()
        assert tables().startswith("CRIU-")
        peers[0].pump(0.05)
        run.restore(images)
        assert tables() == ""
        # New connections can be made meanwhile.
        peers.append(connect(port))
        peers[-1].pump(20, most=5000)
        peers[-1].finish()
    finish(run, *peers[:3])


def test_peer_of_a_tree_left_running_sees_nothing(
    connect: Callable[..., Peer], new_run: Callable[..., Run]
) -> None:
    run, port = start(new_run, "echo")
    peer = connect(port)
    for options in (("--leave-running",), ("--leave-stopped",)):
        peer.pump(0.02)
        run.dump(*options, kills=False)
        os.kill(run.pid, signal.SIGCONT)
        assert tables() == ""
    finish(run, peer)


@contextlib.contextmanager
def script(directory: Path, *lines: str) -> Iterator[str]:
    path = directory / "script"
    path.write_text("\n".join(("#!/bin/sh", *lines)) + "\n")
    path.chmod(0o700)
    yield str(path)


def finish(run: Run, *peers: Peer) -> None:
    """All that was sent comes back, and some more; the program is content."""
    for peer in peers:
        peer.pump(20, most=len(peer.sent) + PIECE)
        peer.finish()
    run.expect_pass()


def expect_answers(peers: list[Peer]) -> None:
    """Each connection goes on."""
    for peer in peers:
        before = peer.got
        peer.pump(20, most=len(peer.sent) + 300)
        assert peer.got > before


def reap_others(run: Run) -> None:
    """Who does what must not be left half-way outlives a tool that was killed by a moment, and is
    ours then."""
    for pid in set(collect_tree(os.getpid())) - {os.getpid(), run.pid}:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, WALL)


def fail_restore(run: Run, images: Path, directory: Path, does: str) -> None:
    """A restore whose script `does` something that ends it, when all but the program's going on is
    done."""
    with script(directory, f'[ "$CRTOOLS_SCRIPT_ACTION" != pre-resume ] || {does}') as path:
        command = [str(TOOL), "restore", "-D", str(images), "-d", "--action-script", path]
        done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode
    run.reap([run.pid])


@pytest.mark.parametrize("does", ["exit 1", "kill -9 $PPID"], ids=["failed", "killed"])
def test_dump_that_ends_when_all_is_read_leaves_the_connection(
    does: str, connect: Callable[..., Peer], new_run: Callable[..., Run], directory: Path
) -> None:
    run, port = start(new_run, "echo")
    peer = connect(port)
    peer.pump(0.02)
    with script(directory, f'[ "$CRTOOLS_SCRIPT_ACTION" != post-dump ] || {does}') as path:
        done = run.try_dump(run.new_images(), "--action-script", path)
    assert done.returncode
    assert tables() == ""
    finish(run, peer)


def test_dumps_killed_at_any_time_leave_the_connections_or_complete_images(
    connect: Callable[..., Peer], new_run: Callable[..., Run]
) -> None:
    run, port = start(new_run, "echo")
    peers = [connect(port) for _ in range(8)]
    rare = random.Random(17)
    for _ in range(KILLS):
        images = run.new_images()
        command = [str(TOOL), "dump", "-t", str(run.pid), "-D", str(images), "--tcp-established"]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as dumping:
            peers[0].pump(rare.uniform(0.03, 0.2))
            dumping.kill()
        reap_others(run)
        # Tasks that were killed may still be on their way out.
        killed = (images / "inventory.img").exists() and bool(tables())
        if killed:
            run.reap([run.pid])
            run.restore(images)
        assert not run.has_ended()
        assert tables() == ""
        expect_answers(peers)
    finish(run, *peers)


def test_restore_that_fails_can_be_tried_again(
    connect: Callable[..., Peer], new_run: Callable[..., Run], directory: Path
) -> None:
    run, port = start(new_run, "echo")
    peer = connect(port)
    peer.pump(0.02)
    images = run.dump()
    for does in ("exit 1", "kill -9 $PPID"):
        fail_restore(run, images, directory, does)
        assert tables().startswith("CRIU-")
    run.restore(images)
    finish(run, peer)


def test_half_closed_by_the_peer_comes_back(
    connect: Callable[..., Peer], new_run: Callable[..., Run]
) -> None:
    run, port = start(new_run, "echo")
    peer = connect(port, window=4096)
    peer.pump(0.2, reads=False)
    peer.socket.shutdown(socket.SHUT_WR)
    images = run.dump()
    run.restore(images)
    peer.pump(20, most=len(peer.sent))
    assert peer.got == len(peer.sent)
    peer.socket.settimeout(20)
    assert peer.socket.recv(1) == b""
    run.expect_pass()


def test_what_was_closed_and_still_delivers_is_not_in_the_way(
    connect: Callable[..., Peer], new_run: Callable[..., Run]
) -> None:
    """Nobody has it any more: it is not dumped, and goes on without the tree."""
    run = new_run("tcp", "closes", compare=False, dump_options=("--tcp-established",))
    run.start(wait=False)
    run.wait_until_ready("PORT")
    port = port_of(run)
    peer = socket.socket()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    peer.connect(("127.0.0.1", port))
    peer.settimeout(20)
    run.wait_until_ready()
    size = int(peer.recv(8, socket.MSG_WAITALL))
    images = run.dump()
    run.restore(images)
    while size:
        data = peer.recv(10_000)
        assert data
        size -= len(data)
    assert peer.recv(1) == b""
    peer.close()
    run.expect_pass()


def test_nobody_else_may_listen_there(
    connect: Callable[..., Peer], new_run: Callable[..., Run]
) -> None:
    run, port = start(new_run, "echo")
    images = run.dump()
    with socket.create_server(("127.0.0.1", port)):
        command = [str(TOOL), "restore", "-D", str(images), "-d"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode
    assert f"Somebody listens at 127.0.0.1:{port} already" in done.stderr
    run.restore(images)
    run.expect_pass()


def test_connecting_goes_on(connect: Callable[..., Peer], new_run: Callable[..., Run]) -> None:
    # Nobody is accepted any more, not even half, when the queue is full.
    with socket.socket() as full, contextlib.ExitStack() as stack:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = [stack.enter_context(socket.socket()) for _ in range(2)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        assert select.select([], fillers[:1], [], 20)[1]
        run, _ = start(new_run, "connect", str(full.getsockname()[1]))
        images = run.dump()
        run.restore(images)
        full.settimeout(20)
        run.tell()
        for _ in range(3):
            ours, _ = full.accept()
            stack.enter_context(ours)
        ours.settimeout(20)
        assert ours.recv(10) == b"hello"
        run.expect_pass()


def test_tcp_close_leaves_a_closed_socket(
    connect: Callable[..., Peer], new_run: Callable[..., Run]
) -> None:
    run, port = start(new_run, "echo")
    peer = connect(port)
    peer.pump(0.02)
    images = run.new_images()
    run.dump_options = ("--tcp-close",)
    done = run.try_dump(images)
    assert done.returncode == 0, done.stderr
    run.reap_dumped()
    assert tables() == ""
    run.restore(images)
    # It reads the end, closes that connection and takes others.
    second = connect(port)
    second.pump(20, most=PIECE)
    second.finish()
    run.expect_pass()


def test_tcp_close_at_the_restore_alone(
    connect: Callable[..., Peer], new_run: Callable[..., Run]
) -> None:
    run, port = start(new_run, "echo")
    peer = connect(port)
    peer.pump(0.02)
    images = run.dump()
    run.restore(images, "--tcp-close")
    assert tables() == ""
    second = connect(port)
    second.pump(20, most=PIECE)
    second.finish()
    run.expect_pass()


# Variant of the program -> what a refusal has to say.
REFUSED = {
    "waiting": (
        "3 connections to it, at 127.0.0.1:PORT, wait to be accepted",
        "dump when the program has accepted them, or --skip-in-flight to have them reset",
    ),
    "urgent": ("urgent data",),
    "upper": ("tls",),
    "saved": ("TCP_SAVE_SYN",),
    "error": ("an error is pending",),
    "unread": ("has not been read",),
    "multipath": ("MPTCP",),
    "signed": ("TCP_MD5SIG",),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_carried_is_refused(
    what: str, connect: Callable[..., Peer], new_run: Callable[..., Run]
) -> None:
    run, port = start(new_run, what)
    done = run.try_dump(run.new_images())
    assert done.returncode
    for words in REFUSED[what]:
        assert words.replace("PORT", str(port)) in done.stderr
    assert "Traceback" not in done.stderr
    assert tables() == ""
    run.expect_pass()


def test_connections_need_an_option(
    connect: Callable[..., Peer], new_run: Callable[..., Run]
) -> None:
    run, port = start(new_run, "echo")
    peer = connect(port)
    peer.pump(0.02)
    run.dump_options = ()
    done = run.try_dump(run.new_images())
    assert done.returncode
    assert f"it is a TCP connection to 127.0.0.1:{peer.socket.getsockname()[1]}" in done.stderr
    assert "--tcp-established" in done.stderr
    peer.pump(20, most=PIECE)
    peer.finish()
    run.expect_pass()


def test_who_waits_to_be_accepted_is_reset_if_wanted(
    connect: Callable[..., Peer], new_run: Callable[..., Run]
) -> None:
    run, port = start(new_run, "echo")
    os.kill(run.pid, signal.SIGSTOP)
    with socket.create_connection(("127.0.0.1", port)) as waiting:
        images = run.dump("--skip-in-flight")
        waiting.settimeout(20)
        with pytest.raises(ConnectionResetError):
            waiting.recv(1)
    run.restore(images)
    os.kill(run.pid, signal.SIGCONT)
    peer = connect(port)
    peer.pump(20, most=PIECE)
    peer.finish()
    run.expect_pass()
