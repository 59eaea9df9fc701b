"""The agent's machine code and where its parts lie (agent/entry.S)."""

from __future__ import annotations

import os
import struct

from crtools.errors import InternalError
from crtools.model.value import Value

HOME_DATA_BYTES = 208  # agent/home.S: DATA_BYTES
_HEAD = struct.Struct("<8s16I")


class Blob(Value):
    """Offsets into `code`. The ways home are [start, end), their data at [data, end)."""

    code: bytes
    entry: int
    syscall: int
    owner_home: int
    owner_data: int
    owner_end: int
    owner_unmap: int
    owner_heal: int
    visitor_home: int
    visitor_data: int
    visitor_end: int
    gate: int
    gate_passed: int
    gate_left: int
    gate_data: int
    gate_end: int
    leave: int


def _read(name: str) -> bytes:
    path = os.path.join(os.path.dirname(__file__), name)
    with open(path, "rb", buffering=0) as file:
        return file.read()


_blob: list[Blob] = []


def read_blob() -> Blob:
    """The agent as built; read once."""
    if not _blob:
        code = _read("agent.bin")
        magic, *offsets = _HEAD.unpack_from(code)
        if magic != b"crtools\0" or offsets[4] - offsets[3] != HOME_DATA_BYTES:
            raise InternalError("agent.bin does not fit this version of crtools", hint="reinstall")
        names = Blob._fields[1:]
        _blob.append(Blob(code=code, **dict(zip(names, offsets, strict=True))))
    return _blob[0]


def read_skeleton() -> bytes:
    """The ELF program that every restored process starts as."""
    return _read("skeleton.elf")


def read_keeper() -> bytes:
    """The ELF program that holds the tracking of memory between commands (agent/keeper.c)."""
    return _read("keeper.elf")
