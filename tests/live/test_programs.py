"""Every test program, in every way to disk and back."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import NamedTuple

import pytest

from live.network import own_network
from live.roundtrip import FOREIGN_UID, MODES, Run, Skipped, run_at_once, run_in_namespace


class Case(NamedTuple):
    words: str  # the program and its arguments
    changes: bool = False  # all the time: /proc is not compared
    root: bool = False  # builds what only root can
    not_in: tuple[str, ...] = ()  # modes that make no sense for it
    options: tuple[str, ...] = ()  # of every dump
    network: bool = False  # in a network of its own
    crowd: bool = False  # uses up process numbers: nothing else runs meanwhile
    sleeps: bool = False  # and does nothing else for seconds: in all modes at once

    @property
    def program(self) -> str:
        return self.words.split()[0]

    @property
    def how(self) -> dict[str, bool | tuple[str, ...]]:
        return {"compare": not self.changes, "dump_options": self.options}

    def place(self) -> AbstractContextManager[None]:
        return own_network() if self.network else nullcontext()

    @property
    def args(self) -> list[str]:
        return self.words.split()[1:]


# The naked interruption cannot end a vfork, and shows what the kernel restarts by itself.
NOT_INTERRUPTED = ("interrupted",)
ALL_BUT_NAMESPACE = (*MODES, "foreign-uid")
# What is to be seen is the number, which takes its time: these ways are no others for many.
LARGE = ("interrupted", "left-running-then-restored")

TCP = ("--tcp-established",)

CASES = (
    # Threads and registers.
    # What it writes after a dump that leaves it running does not match the images any more.
    Case("counter", changes=True, not_in=("left-running-then-restored",)),
    Case("threads"),
    Case("threads200"),
    Case("threads200 2000", crowd=True, not_in=LARGE),
    Case("thread_churn", crowd=True, changes=True),
    Case("thread_storm crowd", crowd=True, changes=True),
    Case("thread_storm chain", crowd=True, changes=True),
    # The naked interruption knows nothing of execve, and may block it for ever.
    Case("exec_churn threads", crowd=True, changes=True, not_in=NOT_INTERRUPTED),
    Case("exec_churn first", crowd=True, changes=True, not_in=NOT_INTERRUPTED),
    Case("registers"),
    Case("amx"),
    Case("fpu"),
    Case("pointers"),
    Case("keys"),
    Case("keys exec_only"),
    Case("flags"),
    Case("flags alone"),
    Case("segments"),
    Case("segments threads"),
    Case("segments child"),
    Case("rseq"),
    Case("robust"),
    Case("thread_exit"),
    # The tree.
    Case("tree300", crowd=True, not_in=LARGE),
    Case("fork_churn", crowd=True, changes=True),
    # Who ends a storm ends it task by task; what escapes keeps numbers that a restore needs.
    Case("fork_storm crowd", crowd=True, changes=True, not_in=("left-running-then-restored",)),
    Case("fork_storm chain", crowd=True, changes=True, not_in=("left-running-then-restored",)),
    Case("fork_storm siblings", crowd=True, changes=True, not_in=("left-running-then-restored",)),
    Case("groups"),
    Case("orphans"),
    Case("orphans outside"),
    Case("siblings"),
    Case("sigchld_ignored"),
    Case("zombies"),
    Case("zombies leader"),
    Case("zombies cores"),
    Case("zombies counted"),
    Case("dead_leader"),
    Case("dead_leader root", changes=True),  # /proc/PID shows too little to compare
    Case("dead_leader death-signal"),
    Case("dead_leader stopped"),
    Case("dead_leader timer"),
    Case("stopped"),
    Case("stop_signals"),
    Case("stop_signals orphaned"),
    Case("exit_signals"),
    Case("names"),
    Case("subreapers"),
    Case("sharing files"),
    Case("sharing fs"),
    Case("sharing files-fs"),
    Case("sharing memory"),
    Case("sharing actions"),
    Case("sharing all"),
    Case("unshared thread-fs"),
    Case("unshared thread-root", root=True),
    Case("vfork short", changes=True, not_in=NOT_INTERRUPTED),
    # What a process is and where.
    Case("titles"),
    Case("titles areas", root=True),
    Case("places"),
    Case("places chroot", root=True),
    Case("roots inside", root=True),
    Case("roots outside", root=True),
    Case("roots nested", root=True),
    Case("gone_places"),
    Case("gone_places replaced", changes=True),  # what is restored has another (deleted) name
    Case("gone_places root", root=True),
    Case("personality"),
    Case("brk"),
    Case("auxv"),
    Case("credentials user", root=True),
    Case("credentials caps", root=True),
    Case("credentials keepcaps", root=True),
    Case("credentials child", root=True),
    Case("credentials threads", root=True),
    Case("credentials each", root=True),
    Case("setid", root=True),
    Case("setid setgid", root=True),
    Case("limits"),
    Case("limits soft"),
    Case("attributes no_new_privs"),
    Case("attributes dumpable"),
    Case("attributes subreaper"),
    Case("attributes pdeathsig"),
    Case("attributes thp_disable"),
    Case("attributes tsc"),
    Case("attributes cpuid"),
    Case("attributes mce_kill"),
    Case("attributes io_flusher", root=True),
    Case("control"),
    Case("mdwe"),
    Case("mdwe no_inherit"),
    Case("attributes thp_but_advised"),
    Case("attributes memory_merge"),
    Case("attributes membarrier"),
    Case("merging"),
    Case("numa"),
    Case("scheduling user"),
    Case("scheduling root", root=True),
    Case("seccomp"),
    Case("seccomp plain", root=True),
    Case("seccomp threads"),
    Case("seccomp tsync"),
    Case("seccomp strict"),
    Case("seccomp strict-thread"),
    Case("seccomp narrow"),
    Case("seccomp narrow-thread"),
    # The task has to be seen on a processor: decision 6.
    Case("seccomp ticking", crowd=True, changes=True),
    Case("seccomp forbids"),
    # Signals, timers, interrupted system calls.
    Case("signals"),
    Case("sem_undo"),
    Case("altstack"),
    Case("altstack autodisarm"),
    Case("itimers"),
    Case("itimers fires"),
    Case("posix_timers"),
    Case("posix_timers fires"),
    Case("posix_timers pending"),
    Case("posix_timers overrun"),
    Case("posix_timers threads"),
    Case("posix_timers ids"),
    Case("blocked_sleep", changes=True, sleeps=True),
    Case("blocked_poll", changes=True, sleeps=True),
    Case("blocked_futex", changes=True, sleeps=True),
    Case("blocked_epoll", changes=True, sleeps=True, not_in=NOT_INTERRUPTED),
    *[
        Case(f"blocked_{what} confined", changes=True, sleeps=True, not_in=NOT_INTERRUPTED)
        for what in ("sleep", "poll", "futex")
    ],
    Case("blocked_io"),
    Case("blocked_objects"),
    Case("blocked_objects tcp", options=TCP, network=True),
    Case("blocked_objects root", root=True),
    Case("blocked_socket", not_in=NOT_INTERRUPTED),
    Case("blocked_signals"),
    Case("blocked_signals wait", changes=True, sleeps=True, not_in=NOT_INTERRUPTED),
    Case("blocked_limits", changes=True, sleeps=True, not_in=NOT_INTERRUPTED),
    Case("nested"),
    Case("nested thread"),
    Case("death_signals"),
    # Memory.
    Case("anonymous"),
    Case("zero_pages"),
    Case("no_access"),
    Case("stacks"),
    Case("heap"),
    Case("advice"),
    Case("locked_all"),
    Case("odd_areas"),
    Case("guards"),
    Case("sealed"),
    Case("droppable"),
    Case("userfaults"),
    Case("changing"),
    Case("changing tree"),
    Case("changing threads", changes=True),
    Case("huge_pages"),
    Case("huge_pages hugetlb"),
    Case("huge_again"),
    Case("huge_again", options=("--share-pages",)),
    # It mounts a file system.
    Case("hugetlb_file", root=True, not_in=ALL_BUT_NAMESPACE),
    Case("private_file"),
    Case("shared_file"),
    Case("shared_anonymous"),
    Case("posix_shm"),
    Case("aio", not_in=NOT_INTERRUPTED),  # io_getevents answers EINTR to any stop
    Case("sysv_shm"),
    Case("sysv_shm huge", root=True),
    Case("gone_mappings"),
    Case("gone_mappings replaced", changes=True),  # what is restored has other (deleted) names
    Case("moved_mappings"),
    Case("many_mappings", not_in=LARGE),
    Case("sparse"),
    Case("cow"),
    Case("writers"),
    Case("relatives"),
    Case("relatives", options=("--share-pages",)),
    Case("cow", options=("--share-pages",)),
    Case("cleared"),
    Case("cleared scattered", not_in=("interrupted", "twice", "foreign-uid", "namespace")),
    Case("cleared", options=("--share-pages",), not_in=("interrupted", "foreign-uid", "namespace")),
    Case("writers", options=("--share-pages",)),
    Case("vdso"),
    # Open files.
    Case("positions"),
    Case("pipes"),
    Case("pipe_shapes"),
    Case("unix_pairs"),
    Case("unix_names"),
    Case("unix_flight"),
    Case("unix_waiting"),
    Case("unix_waiting threads"),
    Case("udp", root=True),
    Case("udp lite", root=True),
    Case("port_groups", options=TCP),
    # What others send by lo would come here as well.
    Case("raw", root=True, network=True),
    Case("packet", root=True, network=True),
    *[
        Case(f"packet_rings {how}", root=True, changes=True, network=True)  # inodes
        for how in ("v1", "v2", "v3", "frozen", "timed")
    ],
    Case("corked"),
    Case("corked root", root=True),
    Case("netlink"),
    Case("netlink root", root=True),
    Case("netlink_queue"),
    Case("netlink_queue root", root=True, network=True),
    Case("fifos"),
    Case("owners"),
    Case("locks plain", options=("--file-locks",)),
    Case("locks waiting", options=("--file-locks",)),
    Case("locks many", options=("--file-locks",)),
    Case("locks mapped", options=("--file-locks",)),
    Case("leases", options=("--file-locks",)),
    Case("leases breaking", options=("--file-locks",)),
    Case("pty"),
    Case("pty lines"),
    Case("pty raw"),
    Case("pty ends"),
    Case("pty edited"),
    Case("pty readers"),
    Case("pty full"),
    Case("pty closed"),
    Case("pty hung-up"),
    Case("pty stopped"),
    Case("pty status"),
    Case("pty session"),
    Case("pty own"),
    Case("consoles", root=True),
    Case("consoles session", root=True),
    Case("pty instances", root=True, not_in=ALL_BUT_NAMESPACE),
    Case("ghosts"),
    Case("ghosts occupied", changes=True),  # likewise
    Case("ghosts link", options=("--link-remap",)),
    Case("ghost_inodes"),
    Case("ghost_inodes root", root=True),
    Case("opaths"),
    Case("paths"),
    Case("paths root", root=True),
    Case("devices"),
    Case("io_uring plain"),
    Case("io_uring no_sqarray"),
    Case("io_uring large"),
    Case("io_uring issuer"),
    Case("io_uring small"),
    Case("io_uring confined"),
    Case("uring_flight plain", changes=True),
    Case("uring_flight deferred", changes=True),
    Case("uring_flight threads", changes=True),
    Case("uring_flight idle", changes=True),  # completions have come, which were not there
    Case("tcp v4", options=TCP, network=True),
    Case("tcp v6", options=TCP, network=True),
    Case("tcp mapped", options=TCP, network=True),
    Case("tcp closing", options=TCP, network=True),
    Case("tcp options", options=TCP, network=True),
    Case("tcp shared", options=TCP, network=True, changes=True),
    Case("many_files"),
    Case("many_sockets"),
    Case("memfds"),
    Case("memfds future", changes=True),  # what is mapped for reading alone is opened so
    Case("memfds huge"),
    Case("memfds exec"),
    Case("inotify"),
    Case("inotify numbers", not_in=LARGE),
    Case("inotify unread"),
    # Events.
    Case("eventfds"),
    Case("eventfds thread"),
    Case("signalfds"),
    Case("timerfds"),
    Case("timerfds fires", changes=True),
    Case("pidfds", changes=True),  # inodes
    Case("pidfds outside", changes=True),
    Case("epolls", changes=True),  # inodes, the order of addresses
    Case("epolls nested", changes=True),
    Case("epolls family", changes=True),
    Case("epolls signals", changes=True),
    Case("epolls flight", changes=True),
    Case("epolls many", changes=True),
    Case("mqueue"),
    Case("mqueue notify"),
    Case("bpf_maps", root=True),
    Case("fanotify", root=True),
    Case("tuns", root=True),
    Case("namespaces"),
    Case("proc_files"),
    Case("namespaces mounted", root=True, not_in=ALL_BUT_NAMESPACE),  # it mounts
)

pytestmark = pytest.mark.root


# Mode "restored" has no test of its own: "twice" begins with the same round and goes on, and
# "foreign-uid" and "namespace" are that round with the program's verdict after it.
TESTED = (
    *("alone", "interrupted", "left-running", "twice", "left-running-then-restored"),
    *("foreign-uid", "namespace"),
)
SLEEPERS = 4  # modes of a program that sleeps, at the same time


def applies(mode: str, case: Case) -> bool:
    return mode not in case.not_in and not (mode == "foreign-uid" and case.root)


def cases(mode: str) -> pytest.MarkDecorator:
    return parametrize([case for case in CASES if applies(mode, case) and not case.sleeps])


def parametrize(chosen: list[Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        "case",
        [
            pytest.param(
                case,
                id=case.words.replace(" ", "-"),
                marks=[pytest.mark.alone] if case.crowd else [],
            )
            for case in chosen
        ],
    )


def run_mode(new_run: Callable[..., Run], case: Case, mode: str, uid: int | None = None) -> None:
    run = new_run(case.program, *case.args, uid=uid, **case.how)
    try:
        with case.place():
            MODES[mode](run)
    except Skipped as reason:
        pytest.skip(str(reason))


@cases("alone")
def test_program_passes_when_nobody_touches_it(case: Case, new_run: Callable[..., Run]) -> None:
    run_mode(new_run, case, "alone")


@cases("interrupted")
def test_program_passes_when_it_is_only_interrupted(
    case: Case, new_run: Callable[..., Run]
) -> None:
    run_mode(new_run, case, "interrupted")


@cases("left-running")
def test_program_left_running_is_unharmed(case: Case, new_run: Callable[..., Run]) -> None:
    run_mode(new_run, case, "left-running")


@cases("twice")
def test_program_survives_two_rounds(case: Case, new_run: Callable[..., Run]) -> None:
    run_mode(new_run, case, "twice")


@cases("left-running-then-restored")
def test_program_dumped_while_it_ran_on_comes_back(case: Case, new_run: Callable[..., Run]) -> None:
    run_mode(new_run, case, "left-running-then-restored")


@cases("foreign-uid")
def test_program_of_another_user_survives(case: Case, new_run: Callable[..., Run]) -> None:
    run_mode(new_run, case, "restored", uid=FOREIGN_UID)


@cases("namespace")
def test_program_survives_inside_its_own_pid_namespace(case: Case, directory: Path) -> None:
    try:
        with case.place():
            run_in_namespace(directory, "restored", case.program, *case.args, **case.how)
    except Skipped as reason:
        pytest.skip(str(reason))


@parametrize([case for case in CASES if case.sleeps])
def test_program_that_sleeps_survives_all_of_these(case: Case, directory: Path) -> None:
    modes = [mode for mode in TESTED if applies(mode, case)]
    for first in range(0, len(modes), SLEEPERS):
        some = modes[first : first + SLEEPERS]
        try:
            run_at_once(directory, some, case.program, *case.args, **case.how)
        except Skipped as reason:
            pytest.skip(str(reason))
