"""Local descriptors: what the kernel made of a struct user_desc leads back to it."""

from __future__ import annotations

import errno
import os
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crtools.abi.kernel import address_of, raw
from crtools.errors import ImageError
from crtools.kinds.process.ldt import ENTRIES, ENTRY_BYTES, READ, WRITE, SYS_modify_ldt, plan_ldt

BITS = {"seg_32bit": 0, "contents": 1, "read_exec_only": 3, "in_pages": 4, "absent": 5, "avl": 6}


def in_child(body) -> None:
    """The table of a child: ours is left as it is."""
    pid = os.fork()
    if not pid:
        try:
            body()
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(pid, 0)[1] == 0


def set_entry(desc: bytes) -> int:
    return raw(SYS_modify_ldt, WRITE, address_of(desc), len(desc))


@pytest.fixture(autouse=True)
def _needs_modify_ldt():
    if raw(SYS_modify_ldt, READ, 0, 0) == -errno.ENOSYS:
        pytest.skip("this kernel has no modify_ldt (CONFIG_MODIFY_LDT_SYSCALL)")


def test_every_descriptor_that_the_kernel_takes_comes_back(tmp_path: Path):
    descs = []
    for number, bits in enumerate(range(128)):
        if bits >> BITS["contents"] & 3 == 3 and not bits >> BITS["absent"] & 1:
            continue  # conforming code must be absent (write_ldt)
        descs.append(struct.pack("<IIII", number, 0x89ABCDEF ^ bits << 24, 0xFEDCB ^ bits, bits))

    def body() -> None:
        for desc in descs:
            assert set_entry(desc) == 0
        table = bytearray(len(descs) * 2 * ENTRY_BYTES)
        assert raw(SYS_modify_ldt, READ, address_of(table), len(table)) == len(table)
        (tmp_path / "table").write_bytes(table)

    in_child(body)
    assert plan_ldt((tmp_path / "table").read_bytes()) == descs


def test_an_empty_table_has_no_entries():
    assert plan_ldt(b"") == plan_ldt(bytes(80)) == []


@pytest.mark.parametrize(
    "table",
    [
        b"\0" * 9,
        bytes((ENTRIES + 1) * ENTRY_BYTES),
        (1 << 47 | 3 << 45).to_bytes(8, "little"),  # a gate
        (1 << 47 | 1 << 44 | 3 << 40).to_bytes(8, "little"),  # of privilege 0
        (1 << 47 | 7 << 44 | 1 << 53 | 11 << 40).to_bytes(8, "little"),  # 64-bit code
    ],
)
def test_descriptors_that_no_process_can_have_are_refused(table):
    with pytest.raises(ImageError):
        plan_ldt(table)


@given(st.binary(max_size=64))
def test_any_bytes_are_a_table_or_an_error(table):
    try:
        assert len(plan_ldt(table)) <= len(table) // ENTRY_BYTES
    except ImageError:
        pass
