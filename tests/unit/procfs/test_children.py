"""Children and threads."""

from __future__ import annotations

import os
import threading

import pytest

from crtools.errors import InternalError
from crtools.procfs.children import parse_children, read_children, read_threads


def test_pids_are_parted_by_spaces() -> None:
    assert parse_children(b"812 900 4194303 ") == (812, 900, 4194303)
    assert parse_children(b"") == ()
    with pytest.raises(InternalError, match="children"):
        parse_children(b"812 x ")


def test_our_own_children_zombies_included(proc: int, child: int) -> None:
    zombie = os.fork()
    if zombie == 0:
        os._exit(0)
    os.waitid(os.P_PID, zombie, os.WEXITED | os.WNOWAIT)
    children = read_children(proc, os.getpid(), threading.get_native_id())
    os.waitpid(zombie, 0)
    assert child in children
    assert zombie in children


def test_our_own_threads(proc: int) -> None:
    done = threading.Event()
    threads = [threading.Thread(target=done.wait) for _ in range(3)]
    for thread in threads:
        thread.start()
    tids = read_threads(proc, os.getpid())
    done.set()
    for thread in threads:
        thread.join()
    assert {os.getpid(), *(thread.native_id for thread in threads)} <= set(tids)
    assert tids == sorted(tids)
