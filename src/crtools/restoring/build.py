"""The tree and its memory: phase 1. Parents are filled before they beget their children, so that
what relatives share copy-on-write is shared again."""

from __future__ import annotations

import os
from errno import EEXIST

from crtools.abi.clone import CLONE_PARENT
from crtools.abi.prctl import PR_SET_CHILD_SUBREAPER, PR_SET_VMA
from crtools.abi.x86_64 import (
    SYS_close,
    SYS_exit,
    SYS_exit_group,
    SYS_mlockall,
    SYS_munmap,
    SYS_openat,
    SYS_prctl,
    SYS_setpgid,
    SYS_setsid,
    SYS_unshare,
    SYS_wait4,
)
from crtools.agent.program import Program
from crtools.errors import RemoteSyscallError, UnsupportedObject
from crtools.images.messages.crtools import CrtoolsTaskEntry
from crtools.kinds.memory import layout
from crtools.kinds.memory.content import (
    FILE_SHIFT,
    Content,
    build_fill,
    build_merge,
    by_file,
    halve,
)
from crtools.kinds.memory.mm import build_mm
from crtools.kinds.process import attributes, relations, scheduling
from crtools.restoring.conflict import explain_pid
from crtools.restoring.script import PROCESS_BYTES, Script
from crtools.restoring.skeleton import SCRATCH_BYTES, THREAD_FLAGS, THREAD_ROOM

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from crtools.agent.program import Ref
    from crtools.agent.slot import Executed
    from crtools.images.messages.vma import VmaEntry
    from crtools.kinds.files.mapped_locks import MappedLocksPlan
    from crtools.kinds.memory.keys import KeysPlan
    from crtools.kinds.process.relations import Step
    from crtools.kinds.process.scheduling import Scheduling
    from crtools.model.options import Options
    from crtools.restoring.plan import Plan
    from crtools.restoring.read import TaskImages
    from crtools.restoring.skeleton import Workshop

WALL = 0x40000000  # __WALL, linux/wait.h


class TreeBuilder:
    """Makes all processes and gives them their memory."""

    def __init__(
        self, proc: int, plan: Plan, options: Options, shop: Workshop, usual: Scheduling
    ) -> None:
        self.proc = proc
        self.plan = plan
        self.options = options
        self.shop = shop
        self.usual = usual
        self.compared = 0
        self.copied = 0
        self.merges: dict[int, list[tuple[int, Ref]]] = {}
        self.helped: dict[int, tuple[Content, ...]] = {}
        self.collapse: dict[int, list[Program]] = {}  # what is done when their memory is filled
        self.contents_at: dict[int, int] = {}  # of those: the first program that reads

    def create_shared(self) -> int:
        pages = 0
        for shared in self.plan.shared.values():
            # Several open files may be of one object.
            if shared.fd < 0:
                head, *entries = self.plan.store.read("pagemap-shmem", shared.inode.shmid)
                pages += shared.create(self.proc, self.plan.store, entries, head.pages_id)
        if self.plan.sysv is not None:
            pages += self.plan.sysv.create(self.proc, self.plan.store)
        return pages

    def create_tree(self) -> None:
        plan, shop = self.plan, self.shop
        for steps in plan.relations.rounds():
            programs: dict[int, list[Program]] = {}
            born: list[int] = []
            reaped: list[int] = []
            root: int | None = None
            for by, own in steps.items():
                program = Program()
                for step in own:
                    if by == relations.TOOL:
                        root = step.pid
                        continue
                    self._build_step(program, step)
                    if step.kind == relations.CLONE:
                        born.append(step.pid)
                    if step.kind == relations.EXIT:
                        reaped.append(by)
                if program.count:
                    programs[by] = [program]
            if root is not None:
                self._create_root(root)
                self._check_xstate()
            self._run_round(programs, born, reaped)
            memory: dict[int, list[Program]] = {}
            for pid in [*([root] if root is not None else []), *born]:
                task = plan.by_pid.get(pid)
                if task is not None and not task.zombie and plan.has_own_memory(task):
                    memory[pid] = self._build_memory(task)
            if self.helped:
                results = self._fill_with_helpers(memory)
            else:
                results = shop.run(memory)
            self._count_merges(results)
            if self.collapse:
                shop.run(self.collapse)
                self.collapse.clear()

    def _create_root(self, pid: int) -> None:
        options = self.options
        cores = self.plan.by_pid[pid].cores.values()
        # A root that is signalled at its parent's end must not be the child of a tool that ends.
        signalled = any(core.thread_core and core.thread_core.pdeath_sig for core in cores)
        sibling = options.restore_sibling
        orphan = signalled and options.restore_detached and not sibling
        if self.plan.clocks is None:
            self.shop.create_root(pid, self.plan.store.fd, sibling=sibling, orphan=orphan)
        else:
            from crtools.kinds.namespaces.time import NewNamespace, check_entered

            with NewNamespace(self.proc, self.plan.clocks):
                self.shop.create_root(pid, self.plan.store.fd, sibling=sibling, orphan=orphan)
            check_entered(self.proc, pid)
        scheduling.begin(pid, self.usual)

    def _fill_with_helpers(self, memory: dict[int, list[Program]]) -> dict[int, list[Executed]]:
        """Maps everything first, then lets a second thread of large processes read its half."""
        shop, plan = self.shop, self.plan
        fills: dict[int, list[Program]] = {}
        for pid in self.helped:
            begin = self.contents_at[pid]
            fills[pid] = memory[pid][begin:]
            memory[pid] = memory[pid][:begin]
        results = shop.run(memory)
        both = dict(fills)
        helpers = {pid: plan.workers[pid][1] for pid in self.helped}
        for pid, tid in list(helpers.items()):
            program = Program()
            shop.build_clone(program, pid, tid, flags=THREAD_FLAGS)
            try:
                shop.run({pid: [program]})
            except RemoteSyscallError as error:
                if error.errno != EEXIST:
                    raise
                # Somebody has taken the number since it was found free: one reader it is.
                shop.skeletons.pop(tid)
                del helpers[pid]
        shop.adopt(helpers.values())
        for pid in self.helped:
            script = Script(THREAD_ROOM // 2)
            for file, half in by_file(self.helped[pid]):
                for first in range(0, len(half), 200):
                    program = script.program(THREAD_ROOM // 3)
                    image = self._open_image(program, plan.by_pid[pid].space.pages[file])
                    build_fill(program, image, half[first : first + 200])
                    program.call(SYS_close, image)
            if pid in helpers:
                both[helpers[pid]] = script.programs
            else:
                both[pid] = both[pid] + script.programs
        for pid, done in shop.run(both).items():
            if pid in results:
                results[pid] += done
            else:
                results[pid] = done
        for tid in helpers.values():
            program = Program()
            program.call(SYS_exit, 0)
            shop.skeletons[tid].slot.post(program)
            shop.forget(tid)
        self.helped.clear()
        return results

    def _check_xstate(self) -> None:
        """Whether this CPU can hold all threads' registers: a skeleton tells their layout."""
        xstates = self.shop.xstates
        for task in self.plan.alive:
            for tid, core in task.cores.items():
                own = task.own.get(tid)
                if core.thread_info is not None:
                    xstates.build(core.thread_info, own.xstate if own else None)

    def _run_round(
        self, programs: dict[int, list[Program]], born: list[int], gone: list[int]
    ) -> None:
        shop = self.shop
        leaving = set(gone)
        stay = {pid: queue for pid, queue in programs.items() if pid not in leaving}
        for pid in gone:
            shop.skeletons[pid].slot.post(programs[pid][0])
        try:
            for pid in gone:
                shop.forget(pid)
            shop.run(stay)
        except RemoteSyscallError as error:
            if error.call == "clone3":
                failed = int(error.what.rsplit(" ", 1)[1])
                raise explain_pid(self.proc, failed, error.errno) from error
            raise
        shop.adopt(born)

    def _build_step(self, program: Program, step: Step) -> None:
        if step.kind == relations.CLONE:
            flags = step.share | (CLONE_PARENT if step.clone_parent else 0)
            self.shop.build_clone(
                program,
                step.pid,
                step.pid,
                flags=flags,
                exit_signal=0 if step.clone_parent else step.exit_signal,
            )
        elif step.kind == relations.UNSHARE:
            program.call(SYS_unshare, step.share, label="leave what it does not share any more")
        elif step.kind == relations.SETSID:
            program.call(SYS_setsid, label="begin its session")
            if self.plan.files.terminals is not None:
                self.plan.files.terminals.build_session(program, step.by)
        elif step.kind == relations.SETPGID:
            program.call(
                SYS_setpgid, step.pid, step.pgid, label=f"move {step.pid} to group {step.pgid}"
            )
        elif step.kind == relations.SUBREAPER:
            program.call(SYS_prctl, PR_SET_CHILD_SUBREAPER, int(step.on), 0, 0, 0)
        elif step.kind == relations.EXIT:
            program.call(SYS_exit_group, 0)
        elif step.kind == relations.REAP:
            program.call(
                SYS_wait4, step.pid, 0, WALL, 0, expect=2, expected=step.pid, label="reap a helper"
            )

    def _build_memory(self, task: TaskImages) -> list[Program]:
        plan, change = self.plan, self.plan.changes[task.pid]
        script = Script()
        hole, end = plan.hole, plan.hole + self.shop.length
        if plan.begetter.get(task.pid, 0):
            for start, stop in change.unmap:
                script.program(200).call(
                    SYS_munmap, start, stop - start, label=f"unmap {start:x}-{stop:x}"
                )
        else:
            program = script.program()
            program.call(SYS_munmap, 0, hole, label="unmap what it began with")
            program.call(SYS_munmap, end, layout.TASK_SIZE - end, label="unmap what it began with")
        if change.vdso is not None:
            layout.build_vdso(script.program(200), change.vdso)
        filled = _filled(task.space, change.map)
        at = 0
        rings: list[VmaEntry] = []
        open_mapped: Callable[[Program, int, int], Ref] = self._open_mapped
        most = PROCESS_BYTES - 4096
        if plan.mapped_locks is not None:
            open_mapped = self._open_and_lock(task, plan.mapped_locks)
            most -= plan.mapped_locks.room(task.pid)
        while at < len(change.map):
            program = script.program(PROCESS_BYTES // 2)
            opener = layout.FileOpener(program, open_mapped)
            while at < len(change.map) and program.size < most:
                vma = change.map[at]
                if vma.status & layout.AIO_RING:
                    rings.append(vma)
                elif plan.sysv is not None and vma.status & layout.SYSV_SHM:
                    plan.sysv.build_attach(program, vma, change.map)
                else:
                    layout.build_map(program, vma, vma.start in filled, opener, task.name)
                at += 1
            opener.close()
        for vma in rings:
            self._build_ring(script.fresh(), task, vma)
        if plan.has_policies:
            self._build_policies(task, change, script)
        for start, stop in change.open_up:
            script.program(200).call(
                layout.SYS_mprotect, start, stop - start, 7, label=f"open {start:x}-{stop:x}"
            )
        for start, stop in change.drop:
            script.program(200).call(
                layout.SYS_madvise,
                start,
                stop - start,
                layout.MADV_DONTNEED,
                label=f"drop {start:x}-{stop:x}",
            )
        if task.space.huge:
            self._build_huge(task, change, script)
        self._build_contents(task, change, script)
        for address, code in plan.patches.get(task.pid, ()):
            program = script.program(200)
            program.copy(address, program.put(code), len(code))
        return script.programs

    def _build_huge(self, task: TaskImages, change: layout.Changes, script: Script) -> None:
        """Of what is inherited nothing: its pages are what they are with the begetter."""
        from crtools.kinds.memory import huge

        if not huge.wanted_here():
            return
        advised, others = huge.within(task.space.huge, change.map)
        huge.build_advice(script.program, advised)
        if others:
            after = Script()
            huge.build_collapse(after.program, others)
            self.collapse[task.pid] = after.programs

    def _build_policies(self, task: TaskImages, change: layout.Changes, script: Script) -> None:
        """Before there are pages. A child has its begetter's, its own areas and those it keeps."""
        from crtools.kinds.memory import numa

        own = task.own.get(task.pid)
        begetter = self.plan.by_pid.get(self.plan.begetter.get(task.pid, 0))
        before = begetter.own.get(begetter.pid) if begetter is not None else None
        numa.build_policy(script.program(400), own.memory_policy if own is not None else None)
        numa.build_areas(
            script.program,
            own.area_policies if own is not None else (),
            change.keep,
            before.area_policies if before is not None else (),
        )

    def _build_ring(self, program: Program, task: TaskImages, vma: VmaEntry) -> None:
        from crtools.kinds.memory.aio import build_ring

        plan = self.plan.rings.get((task.pid, vma.start))
        if plan is None:
            raise UnsupportedObject(
                f"Cannot restore the area {vma.start:x}-{vma.end:x} of {task.name}",
                because="it is an asynchronous I/O ring of a process that does not beget it",
            )
        file = plan.ring.offset >> FILE_SHIFT
        offset = (plan.ring.offset & ((1 << FILE_SHIFT) - 1)) - vma.start

        def read(program: Program, ranges: list[tuple[int, int]]) -> None:
            image = self._open_image(program, task.space.pages[file])
            for start, end in ranges:
                content = Content(start=start, end=end, offset=offset + start)
                build_fill(program, image, [content])
            program.call(SYS_close, image)

        build_ring(program, vma, plan, read)

    def _build_contents(self, task: TaskImages, change: layout.Changes, script: Script) -> None:
        names = task.space.pages
        merges: list[tuple[int, Ref]] = self.merges.setdefault(task.pid, [])
        step = 2000
        fill = change.fill
        if task.pid in self.plan.workers:
            fill, self.helped[task.pid] = halve(fill)
            # The helper reads at the same time as these programs: all must be mapped before.
            self.contents_at[task.pid] = len(script.programs)
            script.fresh()
        for file, whole in by_file(fill):
            for first in range(0, len(whole), step):
                program = script.program(PROCESS_BYTES // 2)
                image = self._open_image(program, names[file])
                build_fill(program, image, whole[first : first + step])
                program.call(SYS_close, image)
        for file, whole in by_file(change.merge):
            for first in range(0, len(whole), step):
                program = script.program(PROCESS_BYTES // 2)
                image = self._open_image(program, names[file])
                contents = whole[first : first + step]
                self.compared += sum([c.end - c.start for c in contents]) >> 12
                refs = build_merge(program, image, contents, self.shop.scratch, SCRATCH_BYTES)
                merges += [(len(script.programs) - 1, ref) for ref in refs]
                program.call(SYS_close, image)

    def _build_close_images(self, task: TaskImages, program: Program) -> None:
        if self.plan.table_of.get(task.pid, task.pid) == task.pid:
            program.call(SYS_close, self.shop.directory)

    def _open_image(self, program: Program, name: str) -> Ref:
        return program.call(
            SYS_openat,
            self.shop.directory,
            program.put(name.encode() + b"\0"),
            os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC,
            0,
            label=f"open {name}",
        )

    def _open_mapped(self, program: Program, file_id: int, flags: int) -> Ref:
        shared = self.plan.shared.get(file_id)
        if shared is None:
            return self.plan.files.plan_open(program, file_id, flags)
        path = program.put(f"/proc/{os.getpid()}/fd/{shared.fd}".encode() + b"\0")
        return program.call(
            SYS_openat, -100, path, flags | os.O_CLOEXEC, 0, label="open shared memory"
        )

    def _open_and_lock(
        self, task: TaskImages, locks: MappedLocksPlan
    ) -> Callable[[Program, int, int], Ref]:
        def open_mapped(program: Program, file_id: int, flags: int) -> Ref:
            fd = self._open_mapped(program, file_id, flags)
            locks.build(program, task.pid, file_id, fd, self.proc)
            return fd

        return open_mapped

    def _count_merges(self, results: dict[int, list[Executed]]) -> None:
        for pid, executed in results.items():
            last = len(executed) - 1
            for index, ref in self.merges.get(pid, ()):
                # Results of earlier programs are overwritten; trees that large are counted whole.
                self.copied += executed[index].result(ref) if index == last else 0

    def finish_memory(self) -> None:
        """Protections, advice, locks, layout: when the last child has been begotten."""
        scripts: dict[int, list[Program]] = {}
        for task in self.plan.alive:
            script = Script()
            own = task.own.get(task.pid) or CrtoolsTaskEntry(tid=task.pid)
            if not self.plan.has_own_memory(task):
                attributes.build_name(script.program(4000), task.task.comm)
                self._build_close_images(task, script.program(4000))
                scripts[task.pid] = script.programs
                continue
            change = self.plan.changes[task.pid]
            filled = _filled(task.space, change.map)
            kept = {vma.start for vma in change.keep}
            vmas = [v for v in task.space.vmas if not v.status & (1 << 3 | 1 << 12)]
            for guards in task.space.guards.values():
                from crtools.kinds.memory.marks import build_guards

                build_guards(script.program, guards)
            keys: KeysPlan | None = None
            if own.keys is not None or own.area_keys:
                from crtools.kinds.memory.keys import KeysPlan

                keys = KeysPlan(own.keys, own.area_keys, vmas, task.name)
                keys.build_before(script.program(4000))
            for first in range(0, len(vmas), 500):
                part = task.space.but(vmas=tuple(vmas[first : first + 500]))
                layout.build_protections(
                    script.program(200_000), part, filled, kept, set(own.lock_on_fault)
                )
            for name in own.anon_names:
                program = script.program(1000)
                text = program.put(bytes(name.name) + b"\0")
                program.call(
                    SYS_prctl,
                    PR_SET_VMA,
                    0,
                    name.start,
                    name.end - name.start,
                    text,
                    label=f"name {name.start:x}",
                )
            if keys is not None:
                for first in range(0, len(vmas), 500):
                    keys.build_after(script.program(60_000), vmas[first : first + 500])
            if own.sealed:
                from crtools.kinds.memory.marks import build_seals

                build_seals(script.program, task.pid, task.space.vmas, own.sealed)
            program = script.program(4000)
            # Before files are opened: lseek on an open file of /proc already prints its text.
            attributes.build_name(program, task.task.comm)
            exe = self._open_mapped(program, task.mm.exe_file_id, os.O_RDONLY)
            build_mm(program, task.mm, exe)
            program.call(SYS_close, exe)
            if task.mm.thp_disabled or own.thp_disable or own.memory_merge:
                attributes.build_thp_disable(program, own.thp_disable or task.mm.thp_disabled)
                if own.memory_merge:
                    layout.build_merging(script.program, task.space)
                    program = script.program(4000)
            attributes.build_membarrier(program, task.task.membarrier_registration_mask)
            self._build_close_images(task, program)
            if own.lock_future:
                # Without MCL_CURRENT: what is there already has its own locks.
                program.call(SYS_mlockall, own.lock_future, label="lock what is mapped later")
            scripts[task.pid] = script.programs
        self.shop.run(scripts)
        for shared in self.plan.shared.values():
            if shared.sealed_late:
                shared.seal()
                shared.sealed_late = False


def _filled(space: layout.Space, vmas: Sequence[VmaEntry]) -> set[int]:
    """Where the areas begin that have any page in the image; areas and contents are ascending."""
    contents = space.contents
    filled: set[int] = set()
    at = 0
    for vma in vmas:
        start = vma.start
        while at < len(contents) and contents[at].end <= start:
            at += 1
        if at == len(contents):
            break
        if contents[at].start < vma.end:
            filled.add(start)
    return filled
