"""parse_cpuinfo."""

from __future__ import annotations

import os

import pytest

from crtools.errors import InternalError
from crtools.procfs.cpuinfo import CpuInfo, parse_cpuinfo, read_cpuinfo

SAMPLE = b"""\
processor\t: 0
vendor_id\t: AuthenticAMD
cpu family\t: 25
model\t\t: 17
model name\t: AMD EPYC: a CPU
stepping\t: 1
flags\t\t: fpu vme avx512f
bugs\t\t: sysret_ss_attrs
power management:

processor\t: 1
vendor_id\t: AuthenticAMD
cpu family\t: 25
model\t\t: 17
stepping\t: unknown
flags\t\t: fpu
power management:

"""


def test_one_entry_a_cpu() -> None:
    assert parse_cpuinfo(SAMPLE) == [
        CpuInfo(
            0,
            b"AuthenticAMD",
            25,
            17,
            1,
            b"AMD EPYC: a CPU",
            frozenset({b"fpu", b"vme", b"avx512f"}),
        ),
        CpuInfo(1, b"AuthenticAMD", 25, 17, 0, b"", frozenset({b"fpu"})),
    ]


def test_an_entry_without_flags_is_named() -> None:
    with pytest.raises(InternalError, match="/proc/cpuinfo"):
        parse_cpuinfo(SAMPLE.replace(b"flags", b"Features"))


def test_our_own_cpus(proc: int) -> None:
    cpus = read_cpuinfo(proc)
    assert len(cpus) >= len(os.sched_getaffinity(0))
    assert all(b"fpu" in cpu.flags for cpu in cpus)
