"""Following changes from one command to the next: --track-mem, --prev-images-dir, pre-dump.

The order of steps is what makes an interrupted command harmless: the old keeper is ended before any
page is protected anew, and the new one outlives us only once the images that speak of it are
complete. Whatever fails in between, the next command finds no keeper and writes all pages.
"""

from __future__ import annotations

import errno
import os

from crtools import log
from crtools.abi import kernel
from crtools.abi.fcntl import O_CLOEXEC, O_NONBLOCK
from crtools.abi.x86_64 import SYS_close, SYS_pidfd_getfd, SYS_pidfd_open, SYS_userfaultfd
from crtools.agent.inject import KEEP_AT, RobustList
from crtools.agent.program import ARG_AREA, ARG_AREA32, OR_ERRNO, Program, errnos
from crtools.changes import SOFT_DIRTY, USER_MODE_ONLY, USERFAULTFD, find_method
from crtools.errors import CrtoolsError, ImageError, MissingFeature
from crtools.images.messages.crtools_tracking import CrtoolsTrackedEntry, CrtoolsTrackingEntry
from crtools.images.store import ImageStore
from crtools.kinds.memory.keeper import NewKeeper, find_holders, find_keeper
from crtools.kinds.memory.parents import Parents
from crtools.kinds.memory.tracking import Tracker, collect_trackable, merge, set_features
from crtools.procfs.files import open_proc
from crtools.procfs.maps import read_maps
from crtools.procfs.pagemap import open_pagemap
from crtools.procfs.stat import read_stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from crtools.dumping.tasks import TaskDump
    from crtools.kinds.memory.keeper import Keeper
    from crtools.model.options import Options
    from crtools.model.tree import Process
    from crtools.procfs.maps import Vma

_REFUSALS = (errno.EPERM, errno.ENOSYS, errno.EINVAL, errno.EMFILE, errno.ENFILE, errno.ENOMEM)


class Tracking:
    """Of one command, from before the tree is stopped on. As a context manager it leaves nothing
    behind that no image speaks of."""

    def __init__(self, proc: int, store: ImageStore, options: Options) -> None:
        self._proc = proc
        self._store = store
        self._directory = options.prev_images_dir
        self.arms = options.track_mem and (options.leave_running or options.leave_stopped)
        self._boot = _read_boot_id(proc)
        self._method = 0
        self._before: dict[int, CrtoolsTrackedEntry] = {}  # by pid: of the parent directory
        # By pid: where it and those behind it have pages.
        self._pages: dict[int, list[tuple[int, int]]] = {}
        self._old: Keeper | None = None
        self._new: NewKeeper | None = None
        self._trackers: dict[int, Tracker] = {}
        self._armed: list[Process] = []

    def __enter__(self) -> Tracking:
        return self

    def __exit__(self, *_: object) -> None:
        for tracker in self._trackers.values():
            tracker.close()
        if self._old is not None:
            self._old.close()
        if self._new is not None:
            self._new.close()

    def prepare(self) -> None:
        """Before anything is stopped. Raises UsageError, MissingFeature."""
        if self._directory:
            self._store.link_parent(self._directory)
            try:
                self._read_parent()
            except ImageError as error:
                self._write_all(error.what)
            if not self._pages:
                # A link that nothing needs would let `dedup` take pages out of foreign images.
                self._store.unlink_parent()
        if not self._method:
            self._method = find_method()
        if not self._method and self.arms:
            raise MissingFeature(
                "This kernel cannot tell which pages have changed",
                because="it has neither soft-dirty bits nor userfaultfd's WP_ASYNC (Linux 6.7)",
                hint="dump without --track-mem: a dump is complete by itself",
            )

    def _write_all(self, because: str) -> None:
        log.warning(f"All pages are written, as if without --prev-images-dir: {because}")

    def _read_parent(self) -> None:
        """What the parent directory has, and whether changes since then are known."""
        with self._store.open_parent() as parent:
            if not parent.has("inventory"):
                raise ImageError(f"the dump in {self._directory} did not finish")
            if not parent.has("crtools-tracking"):
                raise ImageError(f"the dump in {self._directory} followed no changes")
            tracking: CrtoolsTrackingEntry = parent.read_one("crtools-tracking")
        if tracking.method not in (USERFAULTFD, SOFT_DIRTY):
            raise ImageError(f"crtools-tracking.img has the unknown method {tracking.method}")
        if tracking.boot_id == self._boot:
            self._old = find_keeper(self._proc, tracking.keeper, tracking.keeper_start)
        if self._old is None:
            raise ImageError(
                "what followed the changes has ended, or a later dump counts from its own time"
            )
        parents = Parents(self._store)
        for entry in tracking.processes:
            try:
                pages = parents.pages(entry.pid)
                parents.check_files(entry.pid)
            except ImageError as error:
                log.warning(f"All pages of task {entry.pid} are written: {error.what}")
                continue
            self._before[entry.pid] = entry
            self._pages[entry.pid] = merge([(page.start, page.end) for page in pages])
        self._method = tracking.method

    def begin(self, processes: Sequence[Process], sharing: dict[int, int]) -> None:
        """When the tree is stopped: nobody else does this to it at the same time. `sharing`: the
        processes whose memory is that of another."""
        # Only now: what is between a command's end and the next one's stop may be a third.
        lives = self._old is not None and self._old.lives()
        if self._old is not None and not lives:
            self._write_all("what followed the changes has just ended")
        for process in processes:
            if process.pid in sharing:
                continue
            entry = self._before.get(process.pid) if lives else None
            tracker = self._trackers[process.pid] = Tracker(self._method)
            if entry is None or entry.starttime != process.stat.starttime:
                continue
            if self._method == USERFAULTFD:
                assert self._old is not None
                uffd = self._old.take(entry.uffd or 0)
                if uffd is None:
                    continue
                tracker.uffd = uffd
            tracker.parent = self._pages[process.pid]

    def attach(
        self, process: Process, pagemap: int, vmas: Sequence[Vma] | None = None
    ) -> Tracker | None:
        """Before its memory is scanned. None if it has another one's."""
        tracker = self._trackers.get(process.pid)
        if tracker is not None:
            vmas = collect_trackable(process.status, vmas or read_maps(self._proc, process.via))
            tracker.attach(pagemap, vmas)
        return tracker

    def tracker(self, pid: int) -> Tracker | None:
        """That of a process; None if it has another one's memory."""
        return self._trackers.get(pid)

    def arm(self, processes: Sequence[Process], tasks: TaskDump) -> None:
        """Protects all pages anew; the tasks are still stopped, as they were when the pages that
        have to be written were found."""
        if self._old is not None:
            self._old.end()
        self._make_descriptors(processes, tasks)
        refused: dict[int, Process] = {}
        for process in processes:
            tracker = self._trackers.get(process.pid)
            if tracker is not None and self._arm(process, tracker) and tracker.refused:
                refused[process.pid] = process
        if refused:
            self._take_over(refused)

    def _arm(self, process: Process, tracker: Tracker) -> bool:
        if tracker.uffd < 0 and tracker.method == USERFAULTFD:
            return False
        vmas = collect_trackable(process.status, read_maps(self._proc, process.via))
        if not vmas:
            log.info(f"{process.name}: its memory is written to past its page tables")
            return False
        pagemap = open_pagemap(self._proc, process.via)
        try:
            untracked = tracker.arm(self._proc, process.via, pagemap, vmas)
        except OSError as error:
            log.warning(f"{process.name} is not followed: {os.strerror(error.errno or 0)}")
            return False
        finally:
            os.close(pagemap)
        if untracked:
            log.info(f"{process.name}: {untracked} areas are not followed")
        if process not in self._armed:
            self._armed.append(process)
        return True

    def _take_over(self, refused: dict[int, Process]) -> None:
        """Areas that are another descriptor's may be those of a keeper that we were not told of:
        then that ends, and what it held is ours."""
        targets = {pid: process.stat.starttime for pid, process in refused.items()}
        for keeper, numbers in find_holders(self._proc, targets):
            try:
                taken = {pid: keeper.take(number) for pid, number in numbers.items()}
                keeper.end()
            finally:
                keeper.close()
            for pid, uffd in taken.items():
                if uffd is not None:
                    tracker = self._trackers[pid]
                    tracker.close()
                    tracker.uffd = uffd
                    self._arm(refused[pid], tracker)

    def _make_descriptors(self, processes: Sequence[Process], tasks: TaskDump) -> None:
        """A userfaultfd is for the memory of who makes it: the process does, and loses it to us
        before it goes on."""
        if self._method != USERFAULTFD:
            return
        with RobustList():
            for process in processes:
                tracker = self._trackers.get(process.pid)
                if tracker is None or tracker.uffd >= 0:
                    continue
                if process.leader is not None:
                    log.info(f"{process.name} is not followed: its first thread has ended")
                    continue
                try:
                    tracker.uffd = self._make_descriptor(process, tasks)
                except OSError as error:
                    reason = os.strerror(error.errno or 0)
                    log.warning(f"{process.name} is not followed: userfaultfd: {reason}")

    def _make_descriptor(self, process: Process, tasks: TaskDump) -> int:
        """Raises OSError."""
        entered = tasks.enter(process)
        try:
            with entered as agent:
                if not agent.takes_descriptors:
                    raise OSError(errno.EPERM, "")
                program = Program()
                made = program.call(
                    SYS_userfaultfd,
                    # Who may make no other may make one for faults in user mode. What the kernel
                    # writes on the program's behalf is followed just as well: such a fault waits
                    # for nobody, and only one that has to wait is forbidden.
                    O_CLOEXEC | O_NONBLOCK | USER_MODE_ONLY,
                    expect=OR_ERRNO,
                    expected=errnos(*_REFUSALS),
                    store=(ARG_AREA, KEEP_AT),
                )
                number = agent.run(program).result(made)
                uffd = _fetch(agent.slot.task, number) if number >= 0 else number
                program = Program()
                if number >= 0:
                    program.call(SYS_close, (ARG_AREA32, KEEP_AT))
                program.copy((ARG_AREA, KEEP_AT), program.put(b"\xff" * 4), 4)
                try:
                    agent.run(program)
                except BaseException:
                    if uffd >= 0:
                        os.close(uffd)
                    raise
        finally:
            entered.unmap()
        if uffd < 0:
            raise OSError(-uffd, "")
        return uffd

    def finish(self) -> None:
        """When the images are complete but for the inventory: says in them how changes since this
        dump are found. The tree may run."""
        if not self._armed:
            return
        pidfds: list[int] = []
        try:
            for process in self._armed:
                pidfds.append(kernel.checked(SYS_pidfd_open, process.pid, 0))
            held = [self._trackers[process.pid].uffd for process in self._armed]
            if self._method == SOFT_DIRTY:
                held = []
            self._new = NewKeeper(pidfds, held)
        except (CrtoolsError, OSError) as error:
            log.warning(f"Changes are not followed: {error}")
            return
        finally:
            for pidfd in pidfds:
                os.close(pidfd)
        first = self._new.first
        self._store.write(
            "crtools-tracking",
            [
                CrtoolsTrackingEntry(
                    method=self._method,
                    boot_id=self._boot,
                    keeper=self._new.pid,
                    keeper_start=read_stat(self._proc, self._new.pid).starttime,
                    processes=[
                        CrtoolsTrackedEntry(
                            pid=process.pid,
                            starttime=process.stat.starttime,
                            uffd=first + at if held else None,
                        )
                        for at, process in enumerate(self._armed)
                    ],
                )
            ],
        )

    def commit(self) -> None:
        """When the set is complete."""
        if self._new is not None:
            self._new.stay()


def _fetch(task: int, number: int) -> int:
    """A descriptor of ours for the new userfaultfd that a task has; minus an errno."""
    pidfd = kernel.checked(SYS_pidfd_open, task, 0)
    try:
        uffd = kernel.raw(SYS_pidfd_getfd, pidfd, number, 0)
    finally:
        os.close(pidfd)
    if uffd >= 0:
        result = set_features(uffd)
        if result < 0:
            os.close(uffd)
            return result
    return uffd


def _read_boot_id(proc: int) -> str:
    fd = os.open("sys/kernel/random/boot_id", os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc)
    try:
        return os.read(fd, 64).decode("ascii").strip()
    finally:
        os.close(fd)


def end_tracking(directory: str) -> None:
    """No changes are followed any more since the dump in a directory."""
    proc = open_proc()
    try:
        with ImageStore.open(directory, allow_incomplete=True) as store:
            if store.has("crtools-tracking"):
                tracking: CrtoolsTrackingEntry = store.read_one("crtools-tracking")
                keeper = find_keeper(proc, tracking.keeper, tracking.keeper_start)
                if keeper is not None:
                    try:
                        keeper.end()
                    finally:
                        keeper.close()
    except (CrtoolsError, OSError) as error:
        log.warning(f"Changes since {directory} are still followed: {error}")
    finally:
        os.close(proc)
