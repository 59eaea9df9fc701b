"""What a tree may hold besides is carried over, or refused by name without harm."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from crtools.images.store import ImageStore
from live.roundtrip import SECONDS, TOOL, Run, Skipped

pytestmark = pytest.mark.root
NETLINK_USERSOCK = 2

# program and variant -> words of which a refusal has to say one, in any case of letters.
HELD = {
    "holds socketpair": "socket",
    "holds unix-listener": "socket",
    "holds tcp-listener": "socket tcp",
    "blocked_socket": "socket",
    "holds inotify": "inotify",
    "holds fanotify": "fanotify",
    "holds memfd": "memfd",
    "holds pty": "bpf",
    "consoles graphics": "draws",
    "consoles process": "vt_setmode",
    "pty discipline": "discipline null",
    "pty echo": "echo",
    "pty outside": "outside",
    "holds posix-timer": "timer",
    "holds orphan-timer": "timer",
    "holds foreign-timer": "clock",
    "holds flock": "--file-locks",
    "holds posix-lock": "--file-locks",
    "holds lease": "--file-locks",
    "locks": "--file-locks",
    "leases watch": "f_notify",
    "holds file-owner": "owner",
    "seccomp supervised": "supervisor",
    "holds sysv-shm": "sysv",
    "holds aio": "aio",
    "aio poll": "flight",
    "holds io-uring": "io_uring io-uring",
    "io_uring poll": "ioring_op_poll_add",
    "uring_flight pipe": "ioring_op_read",
    "uring_flight worker": "ioring_op_read",
    "uring_flight timeout": "ioring_op_timeout",
    "uring_flight accept": "ioring_op_accept",
    "io_uring closed": "registered",
    "io_uring eventfd": "eventfd",
    "io_uring sqpoll": "sqpoll",
    "holds userfaultfd": "userfaultfd",
    "holds namespace": "namespace net:[",
    "holds tun": "tun",
    "holds foreign-fifo": "outside fifo",
    "holds foreign-pipe": "outside pipe",
    "holds foreign-eventfd": "outside",
    "holds foreign-watch": "epoll",
    "holds dead-proc-file": "/proc/",
    "paths deep": "longer",
    "paths deep-place": "longer",
    "holds children-time-namespace": "time",
    "holds shared-memory-clone": "memory",
    "holds shared-files-clone": "files descriptor",
    "holds packets": "packets",
    "unshared thread-files": "clone_files",
    "unshared fs-shared": "shares a root",
    "unshared exec": "memory",
    "bits32": "32-bit",
    "far_jump": "32-bit",
    "far_jump thread": "32-bit",
    "single_step": "single-steps",
    "dead_leader clock": "timer",
    "death_signals thread": "death signal",
    "dispatch": "pr_set_syscall_user_dispatch",
    "dispatch thread": "pr_set_syscall_user_dispatch",
    "locked_all future": "mlockall locked",
    "attributes timerslack": "slack",
    "attributes memory_merge": "merge ksm",
    "attributes oom_score_adj": "oom",
    "attributes coredump_filter": "coredump",
    "attributes nice": "nice sched",
    "attributes ioprio": "ioprio priority",
    "attributes sched_fifo": "sched",
    "attributes sched_batch": "sched",
    "attributes reset_on_fork": "sched",
    "attributes affinity": "affinity cpus",
    "attributes rlimit": "limit",
}


# States of sockets that are refused whatever else is learned: variant -> words that are all said.
SOCKETS = {
    "corked": (
        "it is a socket with data that has not been sent",
        "to an address that nobody can tell",
    ),
    "error": ("it is a socket with an error that the program has not read",),
    "errqueue": ("it is a socket with an error that the program has not read", "MSG_ERRQUEUE"),
    "packet-error": ("it is a socket with an error that the program has not read",),
    "numbered": ("SOF_TIMESTAMPING_OPT_ID",),
    "bpf": ("it is a socket with a program of extended BPF", "goes when nobody has it", "pin it"),
    "control": ("datagrams wait in it that come with more", "message 20 of level 0"),
    "ring": ("it is memory of socket", "that a task of the tree has a descriptor of"),
    "copied-ring": ("it is a socket's memory, mapped privately",),
    "netlink": ("it is a socket of NETLINK_ROUTE with an answer of the kernel", "received it"),
    "multicast": ("it is a socket of NETLINK_USERSOCK with messages to a group", "NETLINK_ROUTE"),
    "namespace": ("it is a socket of another network namespace", "nsenter --net=/proc/"),
    "vsock": ("it is a socket (vsock, stream), inode",),
    "mptcp": ("it is a socket (IPv4, MPTCP), inode",),
}


def start(new_run: Callable[..., Run], what: str) -> Run:
    program, *args = what.split()
    run = new_run(program, *args)
    try:
        run.start()
    except Skipped as reason:
        pytest.skip(str(reason))
    return run


@pytest.mark.parametrize("what", HELD, ids=lambda what: what.replace(" ", "-"))
def test_held_object_is_carried_or_refused_by_name(what: str, new_run: Callable[..., Run]) -> None:
    run = start(new_run, what)
    before = run.snapshot()
    images = run.new_images()
    done = run.try_dump(images)
    if done.returncode == 0:
        run.reap_dumped()
        run.restore(images)
    else:
        expect_refusal(run, done.stderr, HELD[what].split())
    run.expect_same(before, "afterwards")
    run.expect_pass()


@pytest.mark.parametrize("what", SOCKETS)
def test_socket_is_refused_by_name_and_unharmed(what: str, new_run: Callable[..., Run]) -> None:
    run = start(new_run, f"sockets_held {what}")
    before = run.snapshot()
    done = run.try_dump(run.new_images())
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    for words in SOCKETS[what]:
        assert words in done.stderr, done.stderr
    run.expect_same(before, "afterwards")
    run.expect_pass()


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("corked", "it is a socket with data that has not been sent"),
        ("netlink_queue", "it is a socket of NETLINK_USERSOCK with messages that"),
    ],
)
def test_queue_is_refused_where_the_kernel_cannot_be_read(
    what: str, words: str, new_run: Callable[..., Run]
) -> None:
    run = start(new_run, what)
    before = run.snapshot()
    images = run.new_images()
    done = subprocess.run(
        [
            *("setpriv", "--bounding-set=-sys_admin,-bpf,-perfmon"),
            *(TOOL, "dump", "-t", str(run.pid), "-D", images, "-o", "dump.log", "-v4"),
        ],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert words in done.stderr
    assert "in the kernel's memory only" in done.stderr
    assert "CAP_BPF" in done.stderr
    run.expect_same(before, "afterwards")
    run.expect_pass()


def test_message_from_a_netlink_socket_outside_is_refused_while_that_is_there(
    new_run: Callable[..., Run],
) -> None:
    run = start(new_run, "sockets_held listens")
    before = run.snapshot()
    (port,) = [int(word) for word in run.out.split() if word.isdigit()]
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_USERSOCK) as ours:
        ours.bind((0, 0))
        ours.sendto(b"from outside", (port, 0))
        own = ours.getsockname()[0]
        done = run.try_dump(run.new_images())
        assert done.returncode != 0
        assert f"has not received yet, from port {own}" in done.stderr
        assert f"outside the tree, inode {os.fstat(ours.fileno()).st_ino}" in done.stderr
        run.expect_same(before, "afterwards")
    # Now anybody may have that port.
    run.restore(run.dump())
    run.expect_pass()


def expect_refusal(run: Run, said: str, words: list[str]) -> None:
    if not any(word in said.lower() for word in words):
        run.fail(f"the refusal names none of {words}:\n{said}")
    if "Traceback" in said:
        run.fail(f"the refusal is a crash:\n{said}")


@pytest.mark.parametrize(("what", "words"), [("memory", "its memory"), ("files", "its descriptor")])
def test_sharing_with_a_parent_outside_the_tree_is_refused(
    what: str, words: str, new_run: Callable[..., Run]
) -> None:
    run = start(new_run, f"holds shared-{what}-clone")
    (child,) = Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()
    where = ("-t", child, "-D", str(run.new_images()), "--shell-job")
    done = run.run_tool("dump", *where, check=False)
    assert done.returncode != 0
    assert f"it shares {words}" in done.stderr
    assert f"task {run.pid}, its parent" in done.stderr
    run.expect_pass()


def test_refusal_leaves_no_complete_images(new_run: Callable[..., Run]) -> None:
    run = start(new_run, "unshared exec")
    images = run.new_images()
    done = run.try_dump(images)
    assert done.returncode != 0
    assert not (images / "inventory.img").exists()
    run.expect_pass()


def test_dump_gives_up_on_a_parent_that_stays_in_vfork(new_run: Callable[..., Run]) -> None:
    run = start(new_run, "vfork long")
    done = run.try_dump(run.new_images(), "--timeout", "2")
    assert done.returncode != 0
    expect_refusal(run, done.stderr, ["vfork"])
    run.expect_pass()


def test_dump_of_a_process_that_is_not_there_says_so(new_run: Callable[..., Run]) -> None:
    run = start(new_run, "anonymous")
    run.kill()
    done = run.try_dump(run.new_images())
    assert done.returncode != 0
    expect_refusal(run, done.stderr, [str(run.pid)])


def test_restore_over_a_living_process_is_refused(new_run: Callable[..., Run]) -> None:
    run = start(new_run, "anonymous")
    images = run.dump("-R", kills=False)
    done = run.run_tool("restore", "-D", str(images), "-d", "-o", "restore.log", check=False)
    assert done.returncode != 0
    expect_refusal(run, done.stderr, [str(run.pid)])
    run.expect_pass()


def test_restore_of_images_without_an_inventory_is_refused(new_run: Callable[..., Run]) -> None:
    run = start(new_run, "anonymous")
    images = run.dump()
    (images / "inventory.img").unlink()
    done = run.run_tool("restore", "-D", str(images), "-d", "-o", "restore.log", check=False)
    assert done.returncode != 0
    expect_refusal(run, done.stderr, ["incomplete", "inventory"])


def test_restore_notices_that_an_open_file_has_another_size(new_run: Callable[..., Run]) -> None:
    run = start(new_run, "positions")
    images = run.dump()
    with (run.work / "data").open("a") as data:
        data.write("more")
    done = run.run_tool("restore", "-D", str(images), "-d", "-o", "restore.log", check=False)
    assert done.returncode != 0
    expect_refusal(run, done.stderr, ["data"])


def test_security_label_of_a_module_that_is_not_here_is_refused(
    new_run: Callable[..., Run],
) -> None:
    if Path("/sys/module/apparmor").exists():
        pytest.skip("needs a kernel without AppArmor")
    run = start(new_run, "threads")
    images = run.dump()
    where = ("-D", str(images), "-d", "-o", "restore.log")
    done = run.run_tool("restore", *where, "--lsm-profile", "apparmor:secret", check=False)
    assert done.returncode == 1
    assert "with the security label secret" in done.stderr
    assert "that is of AppArmor, and here is " in done.stderr
    # As an image of such a host has it.
    with ImageStore.open(str(images)) as store:
        core, inventory = store.read_one("core", run.pid), store.read_one("inventory")
        core.thread_core.creds.lsm_profile = "secret"
        inventory.lsmtype = 2
        for name in (f"core-{run.pid}.img", "inventory.img"):
            (images / name).unlink()
        store.write("core", [core], id=run.pid)
        store.write("inventory", [inventory])
    done = run.run_tool("restore", *where, check=False)
    assert done.returncode == 1
    assert "its threads have different security labels" in done.stderr
    # Unconfined is what a host without any module has.
    run.restore(images, "--lsm-profile", "apparmor:unconfined")
    run.expect_pass()
