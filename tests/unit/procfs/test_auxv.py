"""The auxiliary vector, against getauxval(3)."""

from __future__ import annotations

import ctypes
import os
import struct

import pytest

from crtools.abi import auxv as keys
from crtools.errors import InternalError
from crtools.procfs.auxv import auxv_values, parse_auxv, read_auxv


def test_our_own_vector(proc: int) -> None:
    vector = read_auxv(proc, os.getpid())
    assert vector[-2:] == (keys.AT_NULL, 0)
    values = auxv_values(vector)
    assert values[keys.AT_PAGESZ] == os.sysconf("SC_PAGE_SIZE")
    assert values[keys.AT_UID] == os.getuid()
    getauxval = ctypes.CDLL(None).getauxval
    getauxval.restype = getauxval.argtypes = None
    getauxval.restype, getauxval.argtypes = ctypes.c_ulong, [ctypes.c_ulong]
    for key in (keys.AT_SYSINFO_EHDR, keys.AT_RANDOM, keys.AT_ENTRY, keys.AT_HWCAP2):
        assert values[key] == getauxval(key)


def test_what_follows_the_end_is_left_out() -> None:
    data = struct.pack("=8Q", 6, 4096, 0, 0, 7, 7, 0, 0)
    assert parse_auxv(data) == (6, 4096, 0, 0)


def test_a_task_without_memory_has_none() -> None:
    assert parse_auxv(b"") == ()


@pytest.mark.parametrize("data", [b"x", struct.pack("=2Q", 6, 4096), bytes(24)])
def test_a_vector_without_end_is_an_error(data: bytes) -> None:
    with pytest.raises(InternalError, match="auxv"):
        parse_auxv(data)
