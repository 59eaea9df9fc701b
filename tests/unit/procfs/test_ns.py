"""Namespaces of a task."""

from __future__ import annotations

import os

import pytest

from crtools.errors import InternalError, TaskVanished
from crtools.procfs.ns import parse_namespace_link, read_namespaces


def test_a_link_names_kind_and_inode() -> None:
    assert parse_namespace_link(b"net:[4026531833]") == ("net", 4026531833)


@pytest.mark.parametrize("target", [b"", b"net:4026531833", b"net:[x]", b"net:[1", b"\xff:[1]"])
def test_an_odd_link_is_named(target: bytes) -> None:
    with pytest.raises(InternalError, match="/proc/PID/ns"):
        parse_namespace_link(target)


def test_our_own_namespaces(proc: int, child: int) -> None:
    namespaces = read_namespaces(proc, os.getpid())
    assert namespaces.keys() == set(os.listdir("/proc/self/ns"))
    for name, (kind, inode) in namespaces.items():
        assert kind == name.removesuffix("_for_children")
        assert inode == os.stat(f"/proc/self/ns/{name}").st_ino
    assert read_namespaces(proc, child, child) == namespaces


def test_a_zombie_keeps_two(proc: int) -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    namespaces = read_namespaces(proc, pid)
    os.waitpid(pid, 0)
    assert "user" in namespaces
    assert "mnt" not in namespaces
    with pytest.raises(TaskVanished):
        read_namespaces(proc, 4194305)
