"""What a restore cannot bring back for want of a right: it says so and goes on, or refuses."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

import crtools
from crtools.abi import kernel
from crtools.abi.capabilities import CAP_SYS_RESOURCE
from crtools.abi.prctl import PR_GET_SPECULATION_CTRL, PR_SPEC_PRCTL, PR_SPEC_STORE_BYPASS
from crtools.images.store import ImageStore
from crtools.kinds.process.control import PF_IO_FLUSHER
from live.network import own_network
from live.roundtrip import SECONDS, TOOL, Run

pytestmark = pytest.mark.root


def restore(
    run: Run, images: Path, *options: str, by: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    """`crtools restore` at its usual log level, by a command with less rights than we have."""
    run.status = None
    return subprocess.run(
        [*by, TOOL, "restore", "-D", images, "-d", "-o", "restore.log", *options],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip


def edit_core(images: Path, pid: int, **values: int) -> None:
    """Changes the process's part of its core image."""
    with ImageStore.open(str(images)) as store:
        core = store.read_one("core", pid)
        for field, value in values.items():
            setattr(core.tc, field, value)
        os.unlink(images / f"core-{pid}.img")
        store.write("core", [core], id=pid)


def limits(pid: int, name: str) -> list[str]:
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()
    return next(line for line in lines if line.startswith(name))[len(name) :].split()[:2]


def has_capability(number: int) -> bool:
    effective = Path("/proc/self/status").read_text().partition("CapEff:")[2].split()[0]
    return bool(int(effective, 16) & 1 << number)


def expect_nothing_left(run: Run, done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 1
    # Whose parents ended too are ours to wait for.
    run.reap(run._dumped)
    assert not os.path.exists(f"/proc/{run.pid}")


POORER = ("prlimit", "--nofile=5000:6000", "--memlock=65536:131072")


def test_hard_limits_above_our_own_become_our_own_with_a_warning(
    new_run: Callable[..., Run],
) -> None:
    run = new_run("anonymous")
    run.start()
    name = f"task {run.pid} (anonymous)"
    was = limits(run.pid, "Max open files")
    cpu = limits(run.pid, "Max cpu time")
    images = run.dump()
    done = restore(run, images, by=POORER)
    assert done.returncode == 0, done.stderr
    said = done.stderr.splitlines()
    assert said == [
        f"Warning: {name}: its hard limit RLIMIT_{limit} is {got}, was {wanted}: crtools has no"
        " more itself, and raising it needs CAP_SYS_RESOURCE"
        for limit, got, wanted in (("NOFILE", 6000, was[1]), ("MEMLOCK", 131072, 8388608))
    ]
    for line in said:
        assert line.removeprefix("Warning: ") in (images / "restore.log").read_text()
    assert limits(run.pid, "Max open files") == [str(min(6000, int(was[0]))), "6000"]
    assert limits(run.pid, "Max locked memory") == ["131072", "131072"]
    assert limits(run.pid, "Max cpu time") == cpu
    run.expect_pass()


def test_strict_restore_refuses_a_limit_before_anything_is_made(
    new_run: Callable[..., Run],
) -> None:
    run = new_run("anonymous")
    run.start()
    images = run.dump()
    done = restore(run, images, "--strict", by=POORER)
    expect_nothing_left(run, done)
    assert "its hard limit RLIMIT_NOFILE was " in done.stderr
    assert "and would be 6000." in done.stderr
    assert "CAP_SYS_RESOURCE" in done.stderr
    assert "or without --strict" in done.stderr
    # Nothing is missing where the tool has what the task had.
    assert restore(run, images, "--strict").returncode == 0
    run.expect_pass()


def test_oom_score_that_may_not_be_lowered_is_told_of(new_run: Callable[..., Run]) -> None:
    if has_capability(CAP_SYS_RESOURCE):
        pytest.skip("needs to lack CAP_SYS_RESOURCE")
    run = new_run("anonymous")
    run.start()
    images = run.dump()
    ours = int(Path("/proc/self/oom_score_adj").read_text())
    edit_core(images, run.pid, oom_score_adj=-900)
    refused = restore(run, images, "--strict")
    expect_nothing_left(run, refused)
    assert f"its OOM score adjustment was -900 and would be {ours}" in refused.stderr
    done = restore(run, images)
    assert done.returncode == 0
    assert f"its OOM score adjustment is {ours}, was -900: lowering it needs" in done.stderr
    assert Path(f"/proc/{run.pid}/oom_score_adj").read_text() == f"{ours}\n"
    run.expect_pass()


def test_oom_score_that_may_be_raised_comes_back(new_run: Callable[..., Run]) -> None:
    run = new_run("anonymous")
    run.start()
    Path(f"/proc/{run.pid}/oom_score_adj").write_text("777")
    images = run.dump()
    done = restore(run, images, "--strict")
    assert done.returncode == 0, done.stderr
    assert Path(f"/proc/{run.pid}/oom_score_adj").read_text() == "777\n"
    run.expect_pass()


@pytest.mark.parametrize("login", [4000, 0xFFFFFFFF])
def test_login_uid_of_all_threads_comes_back(new_run: Callable[..., Run], login: int) -> None:
    run = new_run("threads")
    run.start()
    images = run.dump()
    if login == 0xFFFFFFFF:
        # The tool's own is set then, and the task's has to be taken back.
        by = ("sh", "-c", 'echo 5000 > /proc/self/loginuid && exec "$0" "$@"')
    else:
        by = ()
        edit_core(images, run.pid, loginuid=login)
    done = restore(run, images, "--strict", by=by)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    for tid in os.listdir(f"/proc/{run.pid}/task"):
        assert Path(f"/proc/{run.pid}/task/{tid}/loginuid").read_text() == str(login)
    run.expect_pass()


def test_login_uid_is_dumped(new_run: Callable[..., Run]) -> None:
    run = new_run("/bin/sh", "-c", "echo 4321 > /proc/self/loginuid; echo READY; exec sleep 1000")
    run.start(wait=False)
    run.wait_until(lambda: "READY" in run.out or run.has_ended(), "it is ready")
    images = run.new_images()
    assert run.try_dump(images, "-R").returncode == 0
    with ImageStore.open(str(images)) as store:
        assert store.read_one("core", run.pid).tc.loginuid == 4321


def test_login_uid_that_may_not_be_set_is_told_of(new_run: Callable[..., Run]) -> None:
    run = new_run("anonymous", uid=12345)
    run.start()
    images = run.dump()
    edit_core(images, run.pid, loginuid=4000)
    by = ("setpriv", "--bounding-set=-audit_control")
    # Login uids that are set once: without the right nobody changes his own.
    by = ("sh", "-c", 'echo 5000 > /proc/self/loginuid && exec "$0" "$@"', *by)
    refused = restore(run, images, "--strict", by=by)
    expect_nothing_left(run, refused)
    done = restore(run, images, by=by)
    assert done.returncode == 0
    assert "its login uid is 5000, was 4000: changing it needs CAP_AUDIT_CONTROL" in done.stderr
    run.expect_pass()


def test_what_the_tool_gave_up_for_good_is_told_of(new_run: Callable[..., Run]) -> None:
    run = new_run("anonymous", uid=12345)
    run.start()
    images = run.dump()
    by = ("setpriv", "--no-new-privs", "--bounding-set=-audit_control,-lease")
    refused = restore(run, images, "--strict", by=by)
    expect_nothing_left(run, refused)
    assert "its capability bounding set was with CAP_LEASE, CAP_AUDIT_CONTROL" in refused.stderr
    done = restore(run, images, by=by)
    assert done.returncode == 0, done.stderr
    assert "its capability bounding set is without, was with CAP_LEASE, CAP_AUDIT" in done.stderr
    assert "its no_new_privs is on, was off" in done.stderr
    assert "\nNoNewPrivs:\t1" in Path(f"/proc/{run.pid}/status").read_text()
    run.expect_pass()


def test_capabilities_that_the_tool_lacks_are_a_conflict(new_run: Callable[..., Run]) -> None:
    run = new_run("anonymous")
    run.start()
    images = run.dump()
    done = restore(run, images, by=("setpriv", "--bounding-set=-lease", "--inh-caps=-lease"))
    expect_nothing_left(run, done)
    assert "it had capabilities that crtools has not" in done.stderr
    assert "missing: CAP_LEASE" in done.stderr
    assert restore(run, images).returncode == 0
    run.expect_pass()


def test_securebits_of_the_tool_are_not_the_tasks(new_run: Callable[..., Run]) -> None:
    run = new_run("credentials", "none")
    run.start()
    images = run.dump()
    done = restore(run, images, "--strict", by=("setpriv", "--securebits=+no_setuid_fixup"))
    assert done.returncode == 0, done.stderr
    run.expect_pass()


def test_root_only_dumpable_where_the_kernel_gives_it(new_run: Callable[..., Run]) -> None:
    """After the execution of a set-id program with fs.suid_dumpable=2."""
    run = new_run("anonymous")
    run.start()
    images = run.dump()
    with ImageStore.open(str(images)) as store:
        mm = store.read_one("mm", run.pid)
        mm.dumpable = 2
        os.unlink(images / f"mm-{run.pid}.img")
        store.write("mm", [mm], id=run.pid)
    given = Path("/proc/sys/fs/suid_dumpable").read_text() == "2\n"
    if not given:
        expect_nothing_left(run, restore(run, images, "--strict"))
    done = restore(run, images)
    assert done.returncode == 0, done.stderr
    assert ("its dumpable attribute is 0, was 2" in done.stderr) is not given
    again = run.new_images()
    assert run.try_dump(again, "-R").returncode == 0
    with ImageStore.open(str(again)) as store:
        assert store.read_one("mm", run.pid).dumpable == (2 if given else 0)
    run.expect_pass()


def speculation_is_the_threads() -> bool:
    """Whether this machine leaves it to its threads: PR_SPEC_PRCTL, prctl(2)."""
    answer = kernel.raw(157, PR_GET_SPECULATION_CTRL, PR_SPEC_STORE_BYPASS, 0, 0, 0)
    return answer > 0 and bool(answer & PR_SPEC_PRCTL)


def test_a_threads_setting_that_the_machine_refuses_is_told_of(new_run: Callable[..., Run]) -> None:
    if speculation_is_the_threads():
        pytest.skip("needs a machine that does not leave speculation to the threads")
    run = new_run("control")
    run.start()
    images = run.dump()
    with ImageStore.open(str(images)) as store:
        entries = store.read("crtools-task", run.pid)
        entries[-1].store_bypass = 8
        os.unlink(images / f"crtools-task-{run.pid}.img")
        store.write("crtools-task", entries, id=run.pid)
    expect_nothing_left(run, restore(run, images, "--strict"))
    done = restore(run, images)
    assert done.returncode == 0, done.stderr
    words = f"PR_SET_SPECULATION_CTRL (store_bypass) of its thread {entries[-1].tid} is not"
    assert words in done.stderr
    run.expect_pass()


def test_io_flusher_comes_back_or_is_told_of(new_run: Callable[..., Run]) -> None:
    run = new_run("control")
    run.start()
    images = run.dump()
    with ImageStore.open(str(images)) as store:
        entries = store.read("crtools-task", run.pid)
        entries[0].io_flusher = True
        os.unlink(images / f"crtools-task-{run.pid}.img")
        store.write("crtools-task", entries, id=run.pid)
    done = restore(run, images)
    assert done.returncode == 0, done.stderr
    flags = int(Path(f"/proc/{entries[0].tid}/stat").read_text().rpartition(")")[2].split()[6])
    if has_capability(CAP_SYS_RESOURCE):
        assert flags & PF_IO_FLUSHER == PF_IO_FLUSHER
    else:
        assert "PR_SET_IO_FLUSHER of its thread" in done.stderr
        assert "CAP_SYS_RESOURCE" in done.stderr
    run.expect_pass()


def test_the_api_hands_over_what_is_missing_or_refuses(new_run: Callable[..., Run]) -> None:
    if has_capability(CAP_SYS_RESOURCE):
        pytest.skip("needs to lack CAP_SYS_RESOURCE")
    run = new_run("anonymous")
    run.start()
    images = run.dump()
    edit_core(images, run.pid, oom_score_adj=-900)
    with pytest.raises(crtools.RestoreConflict, match="OOM score"):
        crtools.restore(str(images), strict=True)
    assert not os.path.exists(f"/proc/{run.pid}")
    run.status = None
    (shortfall,) = crtools.restore(str(images)).shortfalls
    assert (shortfall.pid, shortfall.what) == (run.pid, "its OOM score adjustment")
    assert shortfall.wanted == "-900"
    run.expect_pass()


def test_pipe_that_is_larger_than_may_be_had_is_smaller(new_run: Callable[..., Run]) -> None:
    if has_capability(CAP_SYS_RESOURCE):
        pytest.skip("needs to lack CAP_SYS_RESOURCE")
    run = new_run("pipes")
    run.start()
    images = run.dump()
    most = int(Path("/proc/sys/fs/pipe-max-size").read_text())
    with ImageStore.open(str(images)) as store:
        entries = list(store.read_with_extra("pipes-data"))
        entry = next(entry for entry, data in entries if data == b"in the pipe")
        entry.size = 4 * most
        (images / "pipes-data.img").unlink()
        store.write("pipes-data", entries)
    refused = restore(run, images, "--strict")
    expect_nothing_left(run, refused)
    assert f"the size of pipe {entry.pipe_id} " in refused.stderr
    done = restore(run, images)
    assert done.returncode == 0, done.stderr
    assert f"is {most} bytes, was {4 * most} bytes: more than fs.pipe-max-size" in done.stderr
    run.expect_pass()


def test_packets_that_nobody_can_put_back_are_told_of(new_run: Callable[..., Run]) -> None:
    """Of a raw socket of IPv4, one of IPv6, one of ICMP and a packet socket."""
    with own_network():
        run = new_run("lost_packets", compare=False)
        run.start()
        images = run.dump()
        log = (images / "dump.log").read_text()
        assert log.count("packets that wait to be received are lost") == 4
        done = restore(run, images, "--strict")
        expect_nothing_left(run, done)
        assert "what waits to be received" in done.stderr
        assert "bytes of packets and would be nothing" in done.stderr
        done = restore(run, images)
        assert done.returncode == 0, done.stderr
        said = done.stderr.splitlines()
        assert len(said) == 4
        for line in said:
            assert line.startswith(f"Warning: task {run.pid}: what waits to be received ")
            assert line.endswith("bytes of packets: nobody can put such packets back")
        run.expect_pass()
