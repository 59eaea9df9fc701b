"""The registry of kinds of files says what the folder holds."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest

from crtools.images.messages.fdinfo import FdTypes, FileEntry
from crtools.images.messages.fown import FownEntry
from crtools.images.messages.sk_inet import InetSkEntry
from crtools.images.messages.sk_opts import SkOptsEntry
from crtools.kinds.files.registry import FILE_KINDS, SOCKET_KINDS, kind_of_entry, load_kind

ROOT = Path(__file__).resolve().parents[4]
FOLDER = ROOT / "src" / "crtools" / "kinds" / "files"
NAMES = [name for name, _, _ in FILE_KINDS] + [name for name, *_ in SOCKET_KINDS]


def classes_of_kinds() -> set[str]:
    """The classes upon FileKind, as "module:Class"."""
    found = set()
    for path in FOLDER.glob("*.py"):
        for node in ast.parse(path.read_text()).body:
            bases = node.bases if isinstance(node, ast.ClassDef) else []
            if "FileKind" in [ast.unparse(base) for base in bases]:
                found.add(f"{path.stem}:{node.name}")
    return found


def test_every_kind_of_the_folder_is_registered_once():
    assert sorted(NAMES) == sorted(classes_of_kinds())
    types = [type for _, type, _ in FILE_KINDS]
    assert len(set(types)) == len(types)


@pytest.mark.parametrize(("name", "type", "formats"), FILE_KINDS, ids=NAMES[: len(FILE_KINDS)])
def test_a_kind_is_what_its_line_says(name, type, formats):
    kind = load_kind(name)
    assert kind.type == type
    assert kind_of_entry(FileEntry(type=type, id=1)) is kind
    # What has no field there has a number that CRIU's schema has not got, and an image of its own.
    assert (type in FdTypes.NAMES) is bool(kind.field)
    assert not kind.field or kind.field in FileEntry.__slots__
    assert formats


def test_every_socket_is_of_one_kind_at_most():
    taken = [
        (family, type, protocol)
        for _, _, families, types, protocols in SOCKET_KINDS
        for family in families
        for type in types or range(16)
        for protocol in protocols or range(256)
    ]
    assert len(set(taken)) == len(taken)


@pytest.mark.parametrize(
    ("name", "type", "families", "types", "protocols"),
    SOCKET_KINDS,
    ids=NAMES[len(FILE_KINDS) :],
)
def test_a_kind_of_sockets_is_what_its_line_says(name, type, families, types, protocols):
    kind = load_kind(name)
    assert kind.type == type
    assert kind.field in FileEntry.__slots__
    if kind.field == "isk":
        isk = InetSkEntry(
            family=families[0],
            type=(types or (1,))[0],
            proto=(protocols or (1,))[0],
            **dict.fromkeys(("id", "ino", "state", "src_port", "dst_port", "flags", "backlog"), 1),
            fown=FownEntry(uid=0, euid=0, signum=0, pid_type=0, pid=0),
            opts=SkOptsEntry(
                **dict.fromkeys(("so_sndbuf", "so_rcvbuf", "so_snd_tmo_sec", "so_snd_tmo_usec"), 1),
                **dict.fromkeys(("so_rcv_tmo_sec", "so_rcv_tmo_usec"), 1),
            ),
        )
        assert kind_of_entry(FileEntry(type=type, id=1, isk=isk)) is kind
    else:
        assert kind_of_entry(FileEntry(type=type, id=1)) is kind


def test_no_kind_may_import_another():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (independent,) = [c["modules"] for c in contracts["contracts"] if c["type"] == "independence"]
    for name in NAMES:
        assert f"crtools.kinds.files.{name.partition(':')[0]}" in independent
