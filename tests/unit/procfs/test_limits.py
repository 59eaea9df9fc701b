"""parse_limits, against getrlimit(2)."""

from __future__ import annotations

import os
import resource

import pytest

from crtools.abi.rlimit import RLIM64_INFINITY, RLIM_NLIMITS, RLIMIT_NOFILE
from crtools.errors import InternalError
from crtools.procfs.files import read_task_file
from crtools.procfs.limits import parse_limits, read_limits


def test_our_own_limits(proc: int) -> None:
    limits = read_limits(proc, os.getpid())
    assert len(limits) == RLIM_NLIMITS
    for number, (soft, hard) in enumerate(limits):
        assert (soft, hard) == tuple(
            value % 2**64 for value in resource.prlimit(os.getpid(), number)
        )


def test_a_changed_limit_shows_at_its_number(proc: int, child: int) -> None:
    resource.prlimit(child, resource.RLIMIT_NOFILE, (17, 19))
    assert read_limits(proc, child)[RLIMIT_NOFILE] == (17, 19)


def test_unlimited_is_the_kernels_own_value(proc: int, child: int) -> None:
    data = read_task_file(proc, child, "limits")
    assert (b"unlimited" in data) == any(RLIM64_INFINITY in limit for limit in parse_limits(data))


def test_odd_text_is_an_error_that_shows_it(proc: int) -> None:
    data = read_task_file(proc, os.getpid(), "limits")
    for broken in (
        b"",
        data[:-1],
        data + b"Max new thing  1 2 things\n",
        data.replace(b"Max open files", b"Max shut files"),
        data.replace(b"unlimited", b"endless  "),
        data.replace(b"Max nice priority         0                    0", b"Max nice priority 0"),
    ):
        with pytest.raises(InternalError, match="/proc/PID/limits"):
            parse_limits(broken)
