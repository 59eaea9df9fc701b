"""Names for messages: errors, system calls, capabilities."""

from __future__ import annotations

import errno

import pytest

from crtools.abi.capabilities import CAP_CHOWN, CAP_SYS_PTRACE, capability_names
from crtools.abi.errno_names import ERESTARTSYS, errno_name
from crtools.abi.syscall_numbers import syscall_name


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (errno.ENOMEM, "ENOMEM"),
        (-errno.EPERM, "EPERM"),
        (errno.EWOULDBLOCK, "EAGAIN"),
        (errno.EDEADLOCK, "EDEADLK"),
        (errno.ENOTSUP, "EOPNOTSUPP"),
        (-ERESTARTSYS, "ERESTARTSYS"),
        (-516, "ERESTART_RESTARTBLOCK"),
        (4000, "errno 4000"),
        (0, "errno 0"),
    ],
)
def test_errno_has_its_usual_name(number: int, name: str) -> None:
    assert errno_name(number) == name


def test_system_calls_are_named() -> None:
    assert syscall_name(9) == "mmap"
    assert syscall_name(435) == "clone3"
    assert syscall_name(999) == "syscall 999"


def test_capabilities_are_named_by_number() -> None:
    mask = 1 << CAP_SYS_PTRACE | 1 << CAP_CHOWN | 1 << 60
    assert capability_names(mask) == ["CAP_CHOWN", "CAP_SYS_PTRACE", "CAP_60"]
    assert capability_names(0) == []
