"""What a task does with its CPU and is refused: the kernels and CPUs for it need not be at hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from crtools.errors import UnsupportedObject
from crtools.kinds.process import modes
from crtools.procfs.status import Status, parse_status
from crtools.tracee import x86_64 as arch
from crtools.tracee.seize import Tracee


def status(*lines: bytes) -> Status:
    own = Path("/proc/self/status").read_bytes().split(b"\n")[:-1]
    names = [line.split(b":")[0] for line in lines]
    kept = [line for line in own if line.split(b":")[0] not in names]
    return parse_status(b"\n".join([*kept, *lines, b""]))


def tracee(**registers: int) -> Tracee:
    made = Tracee(10, 11)
    made.home = [0] * 27
    made.home[arch.CS] = arch.CS_64
    made.home[arch.FLAGS] = 0x246
    for name, value in registers.items():
        made.home[getattr(arch, name)] = value
    return made


@pytest.fixture(autouse=True)
def _no_ports(monkeypatch):
    monkeypatch.setattr(modes, "_ports", [False])


def refusal(of: Tracee, *lines: bytes) -> str:
    with pytest.raises(UnsupportedObject) as caught:
        modes.check_modes([tracee(), of], status(*lines), "task 10 (x)")
    return str(caught.value)


def test_an_ordinary_task_passes():
    modes.check_modes([tracee(), tracee(FLAGS=0x244ED7)], status(), "task 10 (x)")
    modes.check_modes([tracee()], status(b"untag_mask:\t0xffffffffffffffff"), "task 10 (x)")
    modes.check_modes([tracee()], status(b"x86_Thread_features:\t"), "task 10 (x)")


def test_a_shadow_stack_is_refused_by_name():
    said = refusal(tracee(), b"x86_Thread_features:\tshstk wrss ")
    assert "shadow stack" in said
    assert "GLIBC_TUNABLES" in said


def test_tagged_addresses_are_refused_by_name():
    assert "address masking" in refusal(tracee(), b"untag_mask:\t0x81ffffffffffffff")


def test_32_bit_code_is_refused_by_name():
    assert "thread 11 runs 32-bit code" in refusal(tracee(CS=0x23))


def test_the_trap_flag_is_refused_by_name():
    assert "thread 11 single-steps itself" in refusal(tracee(FLAGS=0x346))


def test_permitted_ports_are_refused_by_name(monkeypatch):
    monkeypatch.setattr(modes, "_ports", [True])
    monkeypatch.setattr(modes, "_has_ports", lambda tid: tid == 11)
    assert "thread 11 has access to I/O ports (ioperm)" in refusal(tracee())


def test_a_thread_that_was_given_no_port_has_none():
    # Of a task that is no tracee of ours the kernel says nothing at all.
    assert modes._has_ports(1) is False


def test_the_kernel_is_asked_once_whether_there_are_ports(monkeypatch):
    monkeypatch.setattr(modes, "_ports", [])
    assert modes._knows_ports() is modes._knows_ports()
    assert len(modes._ports) == 1
