"""Groups of system calls that a killed tool leaves done or not begun."""

from __future__ import annotations

import os
import signal
import socket
import struct
import time
from collections.abc import Callable

from crtools.abi import kernel
from crtools.abi.x86_64 import SYS_getsockopt, SYS_recvfrom, SYS_sendto

ROW = struct.Struct("<7q")
TEXT = bytearray(b"ab")
INTO = bytearray(8)
AT, INTO_AT = kernel.address_of(TEXT), kernel.address_of(INTO)


def calls_apart(
    *sockets: socket.socket, rows: tuple[tuple[int, ...], ...]
) -> tuple[int, bytearray]:
    """Makes the calls on each; how many were done, and the rows with their results."""
    table = bytearray(
        b"".join(ROW.pack(row[0], one.fileno(), *row[1:], 0) for one in sockets for row in rows)
    )
    done = kernel.calls_apart(kernel.address_of(table), len(rows), len(sockets))
    return done, table


def test_results_come_back_also_of_what_fails() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        rows = ((SYS_sendto, AT, 1, 0, 0), (SYS_getsockopt, 99, 99, 0, 0))
        done, table = calls_apart(ours, ours, rows=rows)
        assert done == 2
        results = [ROW.unpack_from(table, at)[6] for at in range(0, len(table), ROW.size)]
        assert results[0] == results[2] == 1
        assert results[1] == results[3] < 0
        assert theirs.recv(10) == b"aa"


def test_nobody_is_left_to_be_waited_for() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        calls_apart(ours, rows=((SYS_sendto, AT, 1, 0, 0),))
    try:
        assert os.waitpid(-1, os.WNOHANG | 0x40000000)[0] == 0
    except ChildProcessError:
        pass


def test_a_killed_tool_leaves_nothing_half_done() -> None:
    first, told = socket.socketpair()
    second, untouched = socket.socketpair()
    with first, told, second, untouched:
        tool = os.fork()
        if tool == 0:
            # It sends, waits until it is told to go on, and sends again.
            rows = (
                (SYS_sendto, AT, 1, 0, 0),
                (SYS_recvfrom, INTO_AT, 1, 0, 0),
                (SYS_sendto, AT + 1, 1, 0, 0),
            )
            calls_apart(first, second, rows=rows)
            os._exit(0)
        assert told.recv(1) == b"a"
        os.kill(tool, signal.SIGKILL)
        os.waitpid(tool, 0)
        told.settimeout(10)
        told.send(b"x")
        assert told.recv(1) == b"b"
        # Nor does it begin with the next: it has ended when nobody has the other ends.
        first.close()
        second.close()
        wait_until(lambda: untouched.recv(1) == b"")


def wait_until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.001)
