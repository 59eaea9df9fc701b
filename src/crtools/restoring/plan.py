"""What a restore will do, from images alone: pure but for a look at this kernel's own vDSO."""

from __future__ import annotations

import os

from crtools.abi.fcntl import F_SEAL_WRITE
from crtools.errors import ImageError
from crtools.images.messages.fdinfo import FdTypes
from crtools.kinds.files.plan import FilesPlan
from crtools.kinds.memory import areas, layout, vdso
from crtools.kinds.memory.content import FILE_SHIFT, Content
from crtools.kinds.memory.shared import SharedObject, is_shared_writable
from crtools.kinds.process import ldt, registers, relations
from crtools.procfs.files import open_proc
from crtools.restoring.read import TaskImages, read_tasks
from crtools.restoring.skeleton import Workshop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from crtools.images.messages.core import CoreEntry
    from crtools.images.messages.crtools import CrtoolsTaskEntry
    from crtools.images.store import ImageStore
    from crtools.kinds.files.locks import LocksPlan
    from crtools.kinds.files.mapped_locks import MappedLocksPlan
    from crtools.kinds.memory.aio import RingPlan
    from crtools.kinds.memory.sysv import SysvPlan
    from crtools.kinds.process import seccomp
    from crtools.kinds.process.relations import RelationsPlan
    from crtools.model.options import Options

VDSO_ROOM = 64 << 10
# From so many bytes on, reading with two threads is faster than the second one's making.
WORKER_FROM = 16 << 20


class Plan:
    """What a restore will do, from images alone: no process is touched in making it."""

    def __init__(self, store: ImageStore, options: Options) -> None:
        self.store = store
        self.options = options
        self.tasks = read_tasks(store)
        self.by_pid = {task.pid: task for task in self.tasks}
        self.alive = [task for task in self.tasks if not task.zombie]
        self.threads = [(task.pid, tid) for task in self.alive for tid in task.tids]
        self.related = related = _relations(self.tasks)
        self.relations: RelationsPlan = relations.plan_relations(
            related,
            outer_pgid=os.getpgrp() if options.shell_job else None,
            is_free=_is_free,
        )
        # pid -> who brings back what it shares with others; who shares nothing is absent.
        self.memory_of: dict[int, int] = {}
        self.table_of: dict[int, int] = {}
        self.fs_of: dict[int, int] = {}
        self.actions_of: dict[int, int] = {}
        self._find_sharing(related)
        self.files = FilesPlan(
            store,
            [
                (task.pid, task.fdinfo)
                for task in self.alive
                if self.table_of.get(task.pid, task.pid) == task.pid
            ],
            options,
            [task.pid for task in self.alive],
            self.table_of,
            self._may_help,
        )
        self.locks: LocksPlan | None = self._plan_locks()
        self.shared = self.files.shared = _read_shared(store, self.alive)
        self.sysv: SysvPlan | None = _read_segments(store, self.alive)
        self.confinements = self._plan_confinements()
        self.rings = self._plan_rings()
        if any(task.space.sockets for task in self.alive):
            from crtools.restoring.packet_rings import check_rings

            check_rings(self)
        self.has_policies = self._check_policies()
        self.clocks = self._plan_clocks()
        self.begetter: dict[int, int] = {}
        for step in self.relations.steps:
            if step.kind == relations.CLONE:
                self.begetter[step.pid] = step.memory
        everybody = [
            *self.threads,
            *[(task.pid, task.pid) for task in self.tasks if task.pid not in task.cores],
            *[(pid, pid) for pid in self.relations.helpers],
            *[(pid, pid) for pid in self.file_helpers],
        ]
        self.everybody = everybody
        self.workers = self._plan_workers()
        room = Workshop.room([*everybody, *self.workers.values()])
        spaces = [task.space for task in self.alive]
        # The last pages of the hole are for a vDSO that does not fit in the image's place.
        segments = self.sysv.room if self.sysv is not None else 0
        self.hole = layout.find_hole(spaces, room + VDSO_ROOM + segments)
        if self.sysv is not None:
            self.sysv.scratch = self.hole + room + VDSO_ROOM
        self.patches = self._plan_vdso(self.hole + room)
        self.registers: dict[int, tuple[list[int], list[bytes]]] = {}  # by tid, TLS segments too
        for task in self.alive:
            for tid, core in task.cores.items():
                if core.thread_info is not None:
                    self.registers[tid] = (
                        registers.restore_registers(core.thread_info),
                        registers.restore_tls(core.thread_info),
                    )
            for own in task.own.values():
                ldt.plan_ldt(own.ldt or b"")
        self.changes = {
            task.pid: layout.plan_changes(self._before(task), task.space)
            for task in self.alive
            if self.has_own_memory(task)
        }
        self.mapped_locks: MappedLocksPlan | None = None
        if store.has("crtools-maplock"):
            from crtools.kinds.files.mapped_locks import MappedLocksPlan

            self.mapped_locks = MappedLocksPlan(
                store,
                {task.pid: task.space for task in self.alive},
                *(self.changes, self.begetter, self.memory_of, self.files.path_of),
            )

    def _plan_locks(self) -> LocksPlan | None:
        if not self.store.has("filelocks"):
            return None
        from crtools.kinds.files.locks import LocksPlan

        return LocksPlan(self.store, self.files, self.table_of)

    def _plan_rings(self) -> dict[tuple[int, int], RingPlan]:
        """Asynchronous I/O contexts, by pid and address."""
        plans: dict[tuple[int, int], RingPlan] = {}
        for task in self.alive:
            for ring in task.space.rings:
                from crtools.kinds.memory import aio

                head = Content(start=0, end=aio.HEADER.size, offset=ring.offset)
                header = self._read_pages(task.space, [head]) if ring.offset >= 0 else b""
                plans[task.pid, ring.start] = aio.plan_ring(
                    ring, header, aio.possible_cpus(), task.name
                )
        return plans

    def _plan_confinements(self) -> dict[int, seccomp.Confinement]:
        confined = [task for task in self.alive if task.confined]
        if not confined:
            return {}
        from crtools.restoring.confine import plan_confinements

        return plan_confinements(self.store, confined)

    def _find_sharing(self, related: list[relations.Relation]) -> None:
        """Who of those that share something is the first one that is there."""
        if not any(r.vm_id or r.files_id or r.fs_id or r.sighand_id for r in related):
            return
        from crtools.abi.clone import CLONE_FILES, CLONE_FS, CLONE_SIGHAND, CLONE_VM
        from crtools.kinds.births import classes_of

        places = {
            CLONE_VM: self.memory_of,
            CLONE_FILES: self.table_of,
            CLONE_FS: self.fs_of,
            CLONE_SIGHAND: self.actions_of,
        }
        for flag, own in classes_of(related).items():
            firsts: dict[int, int] = {}
            for step in self.relations.steps:
                if step.kind == relations.CLONE and step.pid in own:
                    places[flag][step.pid] = firsts.setdefault(own[step.pid], step.pid)

    def _check_policies(self) -> bool:
        """Whether any task or area has a NUMA memory policy."""
        found = False
        for task in self.alive:
            for own in task.own.values():
                if own.memory_policy is not None or own.area_policies:
                    from crtools.kinds.memory.numa import check_policies

                    check_policies(own.memory_policy, own.area_policies, task.name)
                    found = True
        return found

    def has_own_memory(self, task: TaskImages) -> bool:
        """Whether nobody else brings back the process's memory."""
        return self.memory_of.get(task.pid, task.pid) == task.pid

    def _plan_clocks(self) -> tuple[int, int] | None:
        """What the clocks of a time namespace are to show, if the tree is to have one."""
        usual = self.store.read_one("inventory").root_ids
        host = usual.time_ns_id if usual is not None else None
        if not self.options.timens and all(
            not task.ids.time_ns_id or task.ids.time_ns_id == host for task in self.alive
        ):
            return None
        from crtools.kinds.namespaces.time import plan_clocks

        return plan_clocks(self.store.read_one("timens", 0))

    def _plan_vdso(self, room: int) -> dict[int, tuple[tuple[int, bytes], ...]]:
        """Where an image's vDSO is not this kernel's, it becomes ordinary memory whose functions
        lead to this kernel's, mapped at `room`; the answer is what to write where, by process."""
        patches: dict[int, tuple[tuple[int, bytes], ...]] = {}
        proc = open_proc()
        try:
            host = vdso.read_host_vdso(proc)
        finally:
            os.close(proc)
        for task in self.alive:
            place = task.space.vdso_image()
            if place is None or not self.has_own_memory(task):
                continue
            users = [task, *[t for t in self.alive if self.memory_of.get(t.pid) == task.pid]]
            start, code, end, contents = place
            content = self._read_pages(task.space, contents)
            plan = vdso.plan_vdso(
                vdso.VdsoImage(start=start, code=code, end=end, content=content),
                host,
                lambda length: room,
                [_instruction(core) for user in users for core in user.cores.values()],
            )
            if plan.kind == vdso.PROXY:
                where = None
                if plan.map_at is not None:
                    where = plan.map_at, plan.map_at + host.before + len(host.content)
                space = task.space.with_other_vdso(where)
                for user in users:
                    user.space = space
                patches[task.pid] = plan.patches
        return patches

    def _read_pages(self, space: layout.Space, contents: Sequence[Content]) -> bytes:
        """What lies in pages files, one piece after the other."""
        pieces: list[bytes] = []
        for content in contents:
            file, offset = divmod(content.offset, 1 << FILE_SHIFT)
            image = self.store.open_named(space.pages[file])
            try:
                pieces.append(os.pread(image, content.end - content.start, offset))
            finally:
                os.close(image)
        return b"".join(pieces)

    def _plan_workers(self) -> dict[int, tuple[int, int]]:
        """Processes with so much memory that a second thread helps to read it: pid -> (pid, tid of
        the helper, which is gone before the process's own threads come)."""
        taken = {*self.pids(), *[entry.entry.pgid for entry in self.tasks]}
        workers: dict[int, tuple[int, int]] = {}
        number = relations.FIRST_SPARE
        cpus = len(os.sched_getaffinity(0))  # that skeletons may use, too
        for task in self.alive:
            if not self.has_own_memory(task):
                continue
            contents = task.space.contents
            if cpus > 1 and sum([c.end - c.start for c in contents]) >= WORKER_FROM:
                while number in taken or not _is_free(number):
                    number += 1
                taken.add(number)
                workers[task.pid] = (task.pid, number)
        return workers

    def _before(self, task: TaskImages) -> layout.Space | None:
        begetter = self.begetter.get(task.pid, 0)
        return self.by_pid[begetter].space if begetter else None

    @property
    def file_helpers(self) -> list[int]:
        """Who is there while files are made, and is none of the tree."""
        return sorted(self.files.helpers - set(self.by_pid))

    def _may_help(self, pid: int) -> bool:
        """Whether there can be a process with this pid for a time: a zombie of the tree before its
        end, or nobody, if the number is not that of a group or session either."""
        if pid in self.by_pid:
            return True
        groups = {number for task in self.tasks for number in (task.entry.pgid, task.entry.sid)}
        return pid not in groups and pid not in self.relations.pids and _is_free(pid)

    def pids(self) -> list[int]:
        return [*self.relations.pids, *[tid for pid, tid in self.threads if pid != tid]]

    def lines(self) -> Iterator[str]:
        """What --dry-run prints."""
        for step in self.relations.steps:
            by = f"task {step.by}" if step.by else "crtools"
            helper = " (a helper)" if step.helper else ""
            yield f"{by}: {step.kind} {step.pgid or step.pid}{helper}"
        for task in self.tasks:
            if task.zombie:
                yield f"{task.name}: exits with status {task.task.exit_code:#x}"
                continue
            if not self.has_own_memory(task):
                yield f"{task.name}: has the memory of task {self.memory_of[task.pid]}"
                continue
            change = self.changes[task.pid]
            pages = sum([c.end - c.start for c in change.fill]) >> 12
            compared = sum([c.end - c.start for c in change.merge]) >> 12
            yield (
                f"{task.name}: {len(change.map)} areas to map, {len(change.keep)} inherited,"
                f" {pages} pages to read, {compared} to compare, {len(task.fdinfo)} descriptors,"
                f" {len(task.tids)} threads"
            )
        yield f"the agent lies at {self.hole:x}"


def _relations(tasks: list[TaskImages]) -> list[relations.Relation]:
    """What is to be made; ids of objects that nobody shares are left out."""
    count: dict[tuple[str, int], int] = {}
    for task in tasks:
        if not task.zombie:
            ids = task.ids
            for key in (
                ("vm_id", ids.vm_id),
                ("files_id", ids.files_id),
                ("fs_id", ids.fs_id),
                ("sighand_id", ids.sighand_id),
            ):
                count[key] = count.get(key, 0) + 1
    shared = {key for key, times in count.items() if times > 1 and key[1]}
    found: list[relations.Relation] = []
    for task in tasks:
        entry, own = task.entry, task.own.get(task.pid)
        relation = relations.Relation(
            pid=task.pid,
            ppid=entry.ppid,
            pgid=entry.pgid,
            sid=entry.sid,
            exit_signal=_exit_signal(task, own),
        )
        if shared and not task.zombie:
            ids = task.ids
            relation = relation.but(
                vm_id=ids.vm_id if ("vm_id", ids.vm_id) in shared else 0,
                files_id=ids.files_id if ("files_id", ids.files_id) in shared else 0,
                fs_id=ids.fs_id if ("fs_id", ids.fs_id) in shared else 0,
                sighand_id=ids.sighand_id if ("sighand_id", ids.sighand_id) in shared else 0,
            )
        found.append(relation)
    return found


def _exit_signal(task: TaskImages, own: CrtoolsTaskEntry | None) -> int:
    if own is None or own.exit_signal is None:
        return relations.SIGCHLD
    if own.exit_signal > 64:
        raise ImageError(f"{task.name} has an impossible exit signal, {own.exit_signal}")
    return own.exit_signal


def _instruction(core: CoreEntry) -> int:
    return core.thread_info.gpregs.ip if core.thread_info is not None else 0


def _is_free(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _read_segments(store: ImageStore, alive: list[TaskImages]) -> SysvPlan | None:
    """System V shared memory, where some process has it attached."""
    if not any(vma.status & layout.SYSV_SHM for task in alive for vma in task.space.vmas):
        return None
    from crtools.kinds.memory.sysv import plan_sysv

    return plan_sysv(store, [(task.name, task.space.vmas) for task in alive])


def _read_shared(store: ImageStore, alive: list[TaskImages]) -> dict[int, SharedObject]:
    """The shared memory objects, by the id of each of their entries in files.img."""
    files: dict[int, SharedObject] = {}
    if not store.has("memfd"):
        return files
    times = {}
    if store.has("crtools-memfd"):
        times = {e.inode_id: (e.atime, e.mtime) for e in store.read("crtools-memfd")}
    objects = {
        inode.inode_id: SharedObject(inode, times.get(inode.inode_id))
        for inode in store.read("memfd")
    }
    for entry in store.read("files"):
        if entry.type == FdTypes.MEMFD and entry.memfd is not None:
            memory = objects.get(entry.memfd.inode_id)
            if memory is None:
                raise ImageError(f"memfd.img has no inode {entry.memfd.inode_id}")
            files[entry.id] = memory
    mapped = [(task, vma) for task in alive for vma in task.space.vmas if vma.status & areas.MEMFD]
    for task, vma in mapped:
        if vma.shmid not in files:
            raise ImageError(f"files.img has no shared memory {vma.shmid}")
        own = task.own.get(task.pid)
        if is_shared_writable(vma) and not (own is not None and vma.start in own.unwritable):
            memory = files[vma.shmid]
            memory.sealed_late = not memory.inode.seals & F_SEAL_WRITE
    for task, vma in mapped:
        own = task.own.get(task.pid)
        if files[vma.shmid].sealed_late and own is not None and vma.start in own.unwritable:
            # Mapped before the seals it would be writable; opened for reading it never is.
            vma.fdflags = os.O_RDONLY
    return files
