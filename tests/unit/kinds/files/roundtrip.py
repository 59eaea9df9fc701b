"""A way to disk and back for the open files of test processes."""

from __future__ import annotations

import fcntl
import os
import resource
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from crtools.agent.program import Program
from crtools.images.store import ImageStore
from crtools.kinds.files.plan import FilesPlan
from crtools.kinds.files.table import FilesDump
from crtools.model.options import Options
from crtools.procfs.files import open_proc
from unit.kinds.files.interpreter import Tree, Worker


class Roundtrip:
    """`dump` the processes of bodies, end them, `restore` into workers: `workers` by old pid."""

    def __init__(self, path: Path) -> None:
        self.store = ImageStore.create(str(path / "images"))
        self.options = Options()
        self.tables: list[tuple[int, list[Any]]] = []
        self.workers: list[Worker] = []
        self.proc = open_proc()
        self.plan: FilesPlan

    def dump(self, *bodies: Callable[[], None]) -> FilesDump:
        with Tree(*bodies) as tree:
            dump = FilesDump(self.proc, self.store, self.options)
            try:
                self.tables = [(pid, dump.add_table(pid, pid)) for pid in tree.pids]
                dump.finish()
            except BaseException:
                dump.undo()
                raise
        return dump

    def restore(self, number_limit: int = 0) -> list[Worker]:
        # The workers have pids of their own, so the images speak of these.
        self.end_workers()
        self.workers = [Worker() for _ in self.tables]
        tables = [
            (worker.pid, entries)
            for worker, (_, entries) in zip(self.workers, self.tables, strict=True)
        ]
        self.plan = plan = FilesPlan(self.store, tables, self.options)
        for worker in self.workers if number_limit else ():
            resource.prlimit(worker.pid, resource.RLIMIT_NOFILE, (number_limit, number_limit))
        root = os.open("/", os.O_PATH)
        try:
            plan.check_files(root)
            plan.create_held(os.getpid(), root)
        finally:
            os.close(root)
        phases = [plan.plan_create, plan.plan_fetch, plan.plan_close, plan.plan_late]
        for round in sorted(plan.late_jobs):
            phases.append(partial(plan.plan_round, round))
        try:
            for phase in phases:
                for worker in self.workers:
                    if (
                        isinstance(phase, partial)
                        and worker.pid not in plan.late_jobs[phase.args[0]]
                    ):
                        continue
                    programs = [Program()]

                    def fresh(programs: list[Program] = programs) -> Program:
                        programs.append(Program())
                        return programs[-1]

                    last = phase(worker.pid, programs[0], fresh)
                    assert last is programs[-1]
                    for program in programs:
                        worker.run(program)
            plan.dress_held()
        finally:
            plan.close_held(restored=True)
        for worker, (_, entries) in zip(self.workers, self.tables, strict=True):
            assert sorted(worker.fds()) == [entry.fd for entry in entries]
        return self.workers

    def __call__(self, *bodies: Callable[[], None]) -> list[Worker]:
        self.dump(*bodies)
        return self.restore()

    def end_workers(self) -> None:
        for worker in self.workers:
            worker.end()

    def close(self) -> None:
        self.end_workers()
        os.close(self.proc)
        self.store.close()


def open_at(fd: int, path: str | Path, flags: int, pos: int = 0, mode: int = 0o644) -> None:
    got = os.open(path, flags | os.O_CLOEXEC, mode)
    if got != fd:
        os.dup2(got, fd)
        os.close(got)
    os.set_inheritable(fd, not flags & os.O_CLOEXEC)
    if pos:
        os.lseek(fd, pos, os.SEEK_SET)


def set_size(fd: int, size: int) -> None:
    fcntl.fcntl(fd, 1031, size)


def get_size(fd: int) -> int:
    return fcntl.fcntl(fd, 1032)
