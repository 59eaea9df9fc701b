"""What of seccomp a program cannot find out about itself, and what is refused."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from crtools.images.messages.seccomp import SeccompFilter
from crtools.images.store import ImageStore
from live.roundtrip import TOOL, Run

pytestmark = pytest.mark.root

NewRun = Callable[..., Run]
LOG = 2  # SECCOMP_FILTER_FLAG_LOG


def filters(images: Path) -> list[SeccompFilter]:
    with ImageStore.open(str(images)) as store:
        return list(store.read_one("seccomp").seccomp_filters)


def test_filters_and_their_flags_are_the_same_after_a_restore(new_run: NewRun) -> None:
    run = new_run("seccomp")
    run.start()
    first = run.dump()
    run.restore(first)
    second = run.dump("-R", kills=False)
    before, after = filters(first), filters(second)
    # A chain of two, and a third of the child's; nothing twice.
    assert [(entry.prev, entry.flags) for entry in before] == [(None, LOG), (0, None), (1, None)]
    assert [entry.encode() for entry in after] == [entry.encode() for entry in before]
    run.expect_pass()


def test_filters_that_forbid_every_way_out_are_refused(new_run: NewRun) -> None:
    run = new_run("seccomp", "no-return")
    run.start()
    before = run.snapshot()
    done = run.try_dump(run.new_images())
    assert done.returncode == 1
    assert "rt_sigreturn" in done.stderr, done.stderr
    run.expect_same(before, "after a refused dump")
    run.expect_pass()


def confined_tool(verb: str, *words: str) -> subprocess.CompletedProcess[str]:
    """crtools under a filter that allows everything."""
    code = (
        "import ctypes, os, struct, sys\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "code = ctypes.create_string_buffer(struct.pack('<HBBI', 6, 0, 0, 0x7FFF0000))\n"
        "head = struct.pack('<HxxxxxxQ', 1, ctypes.addressof(code))\n"
        "assert libc.prctl(22, 2, head) == 0, ctypes.get_errno()\n"
        "os.execv(sys.argv[1], sys.argv[1:])\n"
    )
    command = ["python3", "-c", code, str(TOOL), verb, *words]
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
    )


def test_a_tool_that_is_confined_itself_says_what_it_may_not(new_run: NewRun) -> None:
    run = new_run("seccomp")
    run.start()
    before = run.snapshot()
    images = run.new_images()
    done = confined_tool("dump", "-t", str(run.pid), "-D", str(images))
    assert done.returncode == 1
    assert "under no seccomp filter itself" in done.stderr, done.stderr
    run.expect_same(before, "after a refused dump")
    images = run.dump()
    done = confined_tool("restore", "-d", "-D", str(images))
    assert done.returncode == 1
    assert "under a seccomp filter itself" in done.stderr, done.stderr
    assert not Path(f"/proc/{run.pid}").exists()
    run.restore(images)
    run.expect_pass()


def test_a_confined_tool_warns_that_what_it_restores_is_confined_as_well(new_run: NewRun) -> None:
    run = new_run("anonymous")
    run.start()
    images = run.dump()
    done = confined_tool("restore", "-d", "-D", str(images))
    assert done.returncode == 0, done.stderr
    assert "under the seccomp filters of crtools" in done.stderr
    run.status = None
    run.expect_pass()
