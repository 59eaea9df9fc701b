"""A POSIX message queue is opened again if it is what it was, and made anew if it is gone."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from crtools.abi import kernel
from live.roundtrip import Run, Skipped

pytestmark = pytest.mark.root

SYS_mq_open, SYS_mq_unlink, SYS_mq_timedreceive = 240, 241, 243


def start(new_run: Callable[..., Run]) -> tuple[Run, bytes]:
    """The program, and the name of its queue."""
    run = new_run("mqueue")
    try:
        run.start()
    except Skipped as reason:
        pytest.skip(str(reason))
    return run, os.readlink(f"/proc/{run.pid}/fd/3".encode())[1:] + b"\0"


def test_a_queue_that_is_gone_is_made_anew_with_its_messages(new_run: Callable[..., Run]) -> None:
    run, name = start(new_run)
    images = run.dump()
    kernel.checked(SYS_mq_unlink, kernel.address_of(name))
    run.restore(images)
    run.expect_pass()


def test_a_queue_that_holds_less_now_is_refused(new_run: Callable[..., Run]) -> None:
    run, name = start(new_run)
    images = run.dump()
    fd = kernel.checked(SYS_mq_open, kernel.address_of(name), os.O_RDWR)
    room = bytearray(8192)
    kernel.checked(SYS_mq_timedreceive, fd, kernel.address_of(room), len(room), 0, 0)
    os.close(fd)
    where = ("-D", str(images), "-d", "-o", "restore.log")
    refused = run.run_tool("restore", *where, check=False)
    assert refused.returncode == 1
    assert f"The message queue /{name[:-1].decode()} is not what it was" in refused.stderr
    assert "it held 6 of up to 8 messages" in refused.stderr
    assert "remove it with mq_unlink(3)" in refused.stderr
    kernel.checked(SYS_mq_unlink, kernel.address_of(name))
    run.restore(images)
    run.expect_pass()


def test_a_restore_that_fails_leaves_no_queue(new_run: Callable[..., Run]) -> None:
    run, name = start(new_run)
    images = run.dump()
    kernel.checked(SYS_mq_unlink, kernel.address_of(name))
    # Too late for a check: the script before the tasks go says no.
    script = images / "no"
    script.write_text('#!/bin/sh\ntest "$CRTOOLS_SCRIPT_ACTION" != post-restore\n')
    script.chmod(0o755)
    where = ("-D", str(images), "-d", "-o", "restore.log", "--action-script", str(script))
    refused = run.run_tool("restore", *where, check=False)
    assert refused.returncode != 0
    run.reap_dumped()
    assert kernel.raw(SYS_mq_open, kernel.address_of(name), os.O_RDONLY) == -2  # ENOENT
    run.restore(images)
    run.expect_pass()
