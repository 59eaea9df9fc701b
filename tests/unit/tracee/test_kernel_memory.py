"""Looking into the kernel: what is refused where it cannot be, and that it sees what is there."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from crtools.abi import kernel
from crtools.errors import MissingFeature, PermissionDenied
from crtools.procfs import btf
from crtools.tracee import kernel_memory
from crtools.tracee.kernel_memory import KernelMemory

needs_types = pytest.mark.skipif(not Path(btf.PATH).exists(), reason=f"no {btf.PATH}")


REAL = kernel.raw


def failing(error: int) -> object:
    """kernel.raw, with a bpf(2) that fails."""

    def raw(nr: int, *args: int) -> int:
        assert nr == kernel_memory.SYS_bpf
        return -error

    return raw


@needs_types
@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (errno.EPERM, PermissionDenied),
        (errno.EACCES, PermissionDenied),
        (errno.ENOSYS, MissingFeature),
        (errno.EINVAL, MissingFeature),
    ],
)
def test_kernel_that_does_not_let_us_is_named(
    error: int, kind: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel_memory.kernel, "raw", failing(error))
    with pytest.raises(kind, match="BPF program"):
        KernelMemory()


@pytest.mark.root
@needs_types
def test_signal_while_a_program_is_checked_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[int] = []

    def raw(nr: int, command: int, *args: int) -> int:
        if command == kernel_memory.BPF_PROG_LOAD:
            tries.append(nr)
            if len(tries) < 3:
                return -errno.EAGAIN
        return REAL(nr, command, *args)

    monkeypatch.setattr(kernel_memory.kernel, "raw", raw)
    try:
        KernelMemory()
    except PermissionDenied as error:
        pytest.skip(f"needs CAP_BPF and CAP_PERFMON: {error}")
    assert len(tries) == 3


def test_kernel_without_types_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(btf, "_known", [])
    monkeypatch.setattr(btf, "PATH", "/nowhere/btf")
    with pytest.raises(MissingFeature, match="/nowhere/btf"):
        KernelMemory()


@pytest.mark.root
@needs_types
def test_our_own_pid_and_address_space_are_seen() -> None:
    try:
        memory = KernelMemory()
    except PermissionDenied as error:
        pytest.skip(f"needs CAP_BPF and CAP_PERFMON: {error}")
    assert memory.unsigned(memory.task, "task_struct", "tgid") == os.getpid()
    fd = os.open("/proc/self/mem", os.O_RDONLY)
    try:
        assert memory.private_data(fd) == memory.pointer(memory.task, "task_struct", "mm")
    finally:
        os.close(fd)
    assert len(memory.per_cpu()) >= (os.cpu_count() or 1)
    with pytest.raises(MissingFeature):
        memory.word(kernel.PAGE)
