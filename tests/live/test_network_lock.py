"""What locks the network between a dump and its restore: by iptables, by CRIU; and how it goes."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from crtools.images.store import ImageStore
from crtools.kinds.network import nftables
from live.network import list_tables, own_network
from live.roundtrip import TOOL, Run
from live.test_tcp import (
    KILLS,
    PIECE,
    Peer,
    connect,
    expect_answers,
    fail_restore,
    finish,
    reap_others,
    script,
    start,
)

pytestmark = pytest.mark.root

__all__ = ["connect"]  # a fixture
BY_RULES = ("--network-lock", "iptables")
SBIN = "/usr/sbin"
LEGACY = f"{SBIN}/xtables-legacy-multi"


def list_rules(family: str = "ip") -> list[str]:
    """The rules of the table filter, as iptables-save shows them, without policies."""
    done = subprocess.run(
        [f"{family}tables", "-t", "filter", "-S"], capture_output=True, text=True, check=True
    )
    return [line for line in done.stdout.splitlines() if line.startswith("-A")]


@pytest.fixture(autouse=True)
def iptables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}:{SBIN}")
    if shutil.which("iptables-restore") is None:
        pytest.skip("needs iptables")


@pytest.fixture
def shims(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory whose programs are found before those of the machine."""
    path = directory / "shims"
    path.mkdir()
    monkeypatch.setenv("PATH", f"{path}:{os.environ['PATH']}")
    return path


def rules_of(peer: Peer) -> set[str]:
    """What locks a connection to it."""
    port, other = peer.socket.getpeername()[1], peer.socket.getsockname()[1]
    here = "-s 127.0.0.1/32 -d 127.0.0.1/32 -p tcp -m mark ! --mark 0xc114 -m tcp"
    return {
        f"-A INPUT {here} --sport {other} --dport {port} -j DROP",
        f"-A OUTPUT {here} --sport {port} --dport {other} -j DROP",
    }


@pytest.fixture(params=["machine", "legacy"])
def backend(request: pytest.FixtureRequest, shims: Path) -> None:
    """The iptables that the machine uses, and the one before nftables."""
    if request.param == "legacy":
        if not os.path.exists(LEGACY):
            pytest.skip("needs the legacy programs of iptables")
        for family in ("ip", "ip6"):
            for name in ("tables", "tables-restore"):
                (shims / f"{family}{name}").symlink_to(LEGACY)


def test_peer_sees_only_a_pause(
    backend: None, connect: Callable[..., Peer], new_run: Callable[..., Run]
) -> None:
    run, port = start(new_run, "echo")
    subprocess.run(["iptables", "-A", "INPUT", "-i", "lo", "-j", "ACCEPT"], check=True)
    others = list_rules()
    peers = [connect(port), connect(port, window=4096)]
    peers[1].pump(0.2, reads=False)  # both queues are full
    for _ in range(2):
        peers[0].pump(0.02)
        images = run.dump(*BY_RULES)
        found = list_rules()
        assert set(found[:2] + found[3:]) == rules_of(peers[0]) | rules_of(peers[1])
        assert found[2] == others[0]
        peers[0].pump(0.05)
        # The images say which lock it is.
        run.restore(images)
        assert list_rules() == others
    finish(run, *peers)


@pytest.mark.parametrize("variant", ["v6", "mapped", "closing"])
def test_both_ends_in_the_tree(variant: str, new_run: Callable[..., Run]) -> None:
    with own_network():
        run, _ = start(new_run, variant)
        images = run.dump(*BY_RULES)
        wanted, other = ("ip6", "ip") if variant == "v6" else ("ip", "ip6")
        assert list_rules(wanted)
        assert not list_rules(other)
        run.restore(images)
        assert not list_rules(wanted)
        run.expect_pass()


def test_hundreds_take_one_call_each(
    connect: Callable[..., Peer], new_run: Callable[..., Run], shims: Path, directory: Path
) -> None:
    real = shutil.which("iptables-restore")
    calls = directory / "calls"
    (shims / "iptables-restore").write_text(f'#!/bin/sh\necho . >>{calls}\nexec {real} "$@"\n')
    (shims / "iptables-restore").chmod(0o700)
    run, port = start(new_run, "echo")
    peers = [connect(port) for _ in range(60)]  # the program takes 63
    peers[-1].pump(20, most=100)
    images = run.dump(*BY_RULES)
    assert len(list_rules()) == 2 * len(peers)
    assert len(calls.read_text().split()) == 1
    run.restore(images)
    assert not list_rules()
    assert len(calls.read_text().split()) == 4  # locked, unlocked, and what the dump has left
    for peer in peers:
        peer.pump(20, most=len(peer.sent) + 100)
        peer.finish()
    run.expect_pass()


def test_tree_left_running_is_not_locked(
    connect: Callable[..., Peer], new_run: Callable[..., Run]
) -> None:
    run, port = start(new_run, "echo")
    peer = connect(port)
    for options in (("--leave-running",), ("--leave-stopped",)):
        peer.pump(0.02)
        run.dump(*BY_RULES, *options, kills=False)
        assert not list_rules()
        os.kill(run.pid, signal.SIGCONT)
    finish(run, peer)


def has_guard(tool: int) -> bool:
    """Whether the tool has begun to make rules."""
    try:
        pids = Path(f"/proc/{tool}/task/{tool}/children").read_text().split()
        return any(Path(f"/proc/{pid}/comm").read_text() == "sh\n" for pid in pids)
    except OSError:
        return False


@pytest.mark.parametrize("does", ["exit 1", "kill -9 $PPID"], ids=["failed", "killed"])
def test_dump_that_ends_when_all_is_read_leaves_no_rule(
    does: str, connect: Callable[..., Peer], new_run: Callable[..., Run], directory: Path
) -> None:
    run, port = start(new_run, "echo")
    peer = connect(port)
    peer.pump(0.02)
    with script(directory, f'[ "$CRTOOLS_SCRIPT_ACTION" != post-dump ] || {does}') as path:
        done = run.try_dump(run.new_images(), *BY_RULES, "--action-script", path)
    assert done.returncode
    reap_others(run)
    assert not list_rules()
    finish(run, peer)


def test_dumps_killed_at_any_time_leave_no_rule_or_complete_images(
    connect: Callable[..., Peer], new_run: Callable[..., Run]
) -> None:
    run, port = start(new_run, "echo")
    peers = [connect(port) for _ in range(4)]
    rare = random.Random(27)
    for _ in range(KILLS):
        images = run.new_images()
        command = [str(TOOL), "dump", "-t", str(run.pid), "-D", str(images), "--tcp-established"]
        with subprocess.Popen([*command, *BY_RULES], stderr=subprocess.DEVNULL) as dumping:
            while dumping.poll() is None and not has_guard(dumping.pid):
                peers[0].pump(0.001)
            peers[0].pump(rare.uniform(0, 0.04))
            dumping.kill()
        reap_others(run)
        # Tasks that were killed may still be on their way out.
        if list_rules():
            assert (images / "inventory.img").exists()
            run.reap([run.pid])
            run.restore(images)
        assert not run.has_ended()
        assert not list_rules()
        expect_answers(peers)
    finish(run, *peers)


def test_restore_that_fails_leaves_the_rules_and_can_be_tried_again(
    connect: Callable[..., Peer], new_run: Callable[..., Run], directory: Path
) -> None:
    run, port = start(new_run, "echo")
    peer = connect(port)
    peer.pump(0.02)
    images = run.dump(*BY_RULES)
    for does in ("exit 1", "kill -9 $PPID"):
        fail_restore(run, images, directory, does)
        reap_others(run)
        found = list_rules()
        assert len(found) == 2
        assert set(found) == rules_of(peer)
    run.restore(images)
    assert not list_rules()
    finish(run, peer)


def test_restore_that_cannot_unlock_leaves_nothing_and_can_be_tried_again(
    connect: Callable[..., Peer], new_run: Callable[..., Run], shims: Path
) -> None:
    run, port = start(new_run, "echo")
    peer = connect(port)
    peer.pump(0.02)
    images = run.dump(*BY_RULES)
    fail_in(shims, "iptables")  # which lists the rules
    command = [str(TOOL), "restore", "-D", str(images), "-d"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    (shims / "iptables").unlink()
    assert done.returncode
    assert "Cannot unlock the network of the TCP connections" in done.stderr
    assert "the kernel does not like it" in done.stderr
    assert "rules of iptables with the mark 0xc114" in done.stderr
    run.reap([run.pid])
    assert set(list_rules()) == rules_of(peer)
    run.restore(images)
    assert not list_rules()
    finish(run, peer)


@pytest.mark.parametrize("when", ["dump", "restore"])
def test_closed_connections_are_not_locked(
    when: str, connect: Callable[..., Peer], new_run: Callable[..., Run]
) -> None:
    run, port = start(new_run, "echo")
    peer = connect(port)
    peer.pump(0.02)
    if when == "dump":
        run.dump_options = ("--tcp-close",)
        images = run.dump(*BY_RULES)
        assert not list_rules()
        run.restore(images)
    else:
        images = run.dump(*BY_RULES)
        run.restore(images, "--tcp-close")
    assert not list_rules()
    second = connect(port)
    second.pump(20, most=PIECE)
    second.finish()
    run.expect_pass()


@pytest.mark.parametrize("method", ["iptables", "nftables"])
def test_restore_elsewhere_finds_no_lock(method: str, new_run: Callable[..., Run]) -> None:
    with own_network():
        run, _ = start(new_run, "v4")
        images = run.dump("--network-lock", method)
        with own_network():
            run.restore(images)
            assert not list_rules()
            assert list_tables() in ([], ["filter"])
        run.expect_pass()


def test_no_lock_at_all(new_run: Callable[..., Run]) -> None:
    with own_network():
        run, _ = start(new_run, "v4")
        images = run.dump("--network-lock", "skip")
        assert not list_tables()
        run.restore(images)
        run.expect_pass()


# --- CRIU's ---


def change_inventory(images: Path, **fields: object) -> None:
    with ImageStore.open(str(images)) as store:
        inventory = store.read_one("inventory")
        for name, value in fields.items():
            setattr(inventory, name, value)
        store.write("inventory", [inventory])


@pytest.mark.parametrize("named", ["by the run id", "by the root"])
def test_table_of_criu_is_removed(
    named: str, connect: Callable[..., Peer], new_run: Callable[..., Run]
) -> None:
    """CRIU calls it after the run id since 4.1, after the root's pid before."""
    run, port = start(new_run, "echo")
    peer = connect(port)
    peer.pump(0.02)
    images = run.dump()
    ((name,), address) = list_tables(), bytes((127, 0, 0, 1))
    if named == "by the root":
        fd = nftables.connect()
        here, there = (address, port), (address, peer.socket.getsockname()[1])
        nftables.add_table(fd, f"CRIU-{run.pid}", [(*here, *there)], owned=False)
        assert nftables.delete_table(fd, name)
        os.close(fd)
        change_inventory(images, dump_criu_run_id=None)
        assert list_tables() == [f"CRIU-{run.pid}"]
    else:
        with ImageStore.open(str(images)) as store:
            inventory = store.read_one("inventory")
        assert name == f"CRIU-{inventory.dump_criu_run_id}"
        assert inventory.network_lock_method == 1
    run.restore(images)
    assert not list_tables()
    finish(run, peer)


@pytest.mark.parametrize("method", [0, None])
def test_rules_of_criu_are_removed(
    method: int | None, connect: Callable[..., Peer], new_run: Callable[..., Run]
) -> None:
    """Made as CRIU makes them; the rules of its 3.15 and before are told of by no image."""
    run, port = start(new_run, "echo")
    peer = connect(port)
    peer.pump(0.02)
    other = peer.socket.getsockname()[1]
    images = run.dump()
    for chain, source, target in (("INPUT", other, port), ("OUTPUT", port, other)):
        rule = "--protocol tcp -m mark ! --mark 0xC114 --source 127.0.0.1 --destination 127.0.0.1"
        ports = f"--sport {source} --dport {target} -j DROP"
        command = f"iptables -w -t filter -I {chain} {rule} {ports}"
        subprocess.run(command.split(), check=True)
    assert set(list_rules()) == rules_of(peer)
    fd = nftables.connect()
    for name in list_tables():
        nftables.delete_table(fd, name) if name != "filter" else None
    os.close(fd)
    change_inventory(images, network_lock_method=method)
    run.restore(images)
    assert not list_rules()
    finish(run, peer)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"network_lock_method": 3}, "unknown method, 3"),
        ({"dump_criu_run_id": "x" * 300}, "run id"),
        ({"dump_criu_run_id": "a\0b"}, "run id"),
    ],
    ids=["method", "long", "odd"],
)
def test_inventory_that_makes_no_sense_is_refused(
    fields: dict[str, object], words: str, new_run: Callable[..., Run]
) -> None:
    with own_network():
        run, _ = start(new_run, "v4")
        images = run.dump()
        with ImageStore.open(str(images)) as store:
            whole = store.read_one("inventory")
        change_inventory(images, **fields)
        command = [str(TOOL), "restore", "-D", str(images), "-d"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode
        assert words in done.stderr
        assert "Traceback" not in done.stderr
        with ImageStore.open(str(images)) as store:
            store.write("inventory", [whole])
        run.restore(images)
        run.expect_pass()


# --- Refusals ---


@pytest.fixture
def target(connect: Callable[..., Peer], new_run: Callable[..., Run]) -> Iterator[Run]:
    """It must be as it was, after the test."""
    run, port = start(new_run, "echo")
    peer = connect(port)
    peer.pump(0.02)
    yield run
    assert not list_rules()
    finish(run, peer)


def test_machine_without_iptables_is_told_of_before_anything_stops(
    target: Run, directory: Path
) -> None:
    images = target.new_images()
    # Where nobody finds a program but in /usr/bin.
    hide = "mount -t tmpfs none /usr/sbin; mount -t tmpfs none /usr/local; exec"
    command = f"{TOOL} dump -t {target.pid} -D {images} --tcp-established {' '.join(BY_RULES)}"
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", f"{hide} {command} -v4"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": "/usr/bin:/bin"},
    )
    assert done.returncode
    assert "there is no program iptables-restore" in done.stderr
    assert "install iptables, or leave --network-lock out" in done.stderr
    assert "stopped" not in done.stderr


def fail_in(shims: Path, name: str) -> None:
    (shims / name).write_text("#!/bin/sh\necho 'the kernel does not like it' >&2\nexit 4\n")
    (shims / name).chmod(0o700)


@pytest.mark.parametrize("name", ["iptables", "iptables-restore"])
def test_kernel_that_refuses_is_told_of(target: Run, shims: Path, name: str) -> None:
    fail_in(shims, name)
    done = target.try_dump(target.new_images(), *BY_RULES)
    (shims / name).unlink()
    assert done.returncode
    assert "Cannot lock the network of the TCP connections" in done.stderr
    assert "the kernel does not like it" in done.stderr
    assert "leave --network-lock out" in done.stderr
    assert "Traceback" not in done.stderr


def test_half_a_lock_is_taken_back(new_run: Callable[..., Run], shims: Path) -> None:
    """Where rules for IPv4 can be made, and none for IPv6."""
    fail_in(shims, "ip6tables-restore")
    with own_network():
        run, _ = start(new_run, "both")
        done = run.try_dump(run.new_images(), *BY_RULES)
        assert done.returncode
        assert "the kernel does not like it" in done.stderr
        assert not list_rules()
        run.expect_pass()


def test_who_may_not_make_rules_is_told_so(target: Run) -> None:
    command = f"{TOOL} dump -t {target.pid} -D {target.new_images()} --tcp-established"
    done = subprocess.run(
        ["setpriv", "--bounding-set", "-net_admin", *command.split(), *BY_RULES],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode
    assert "CAP_NET_ADMIN" in done.stderr
