"""eventfd(2): a 64-bit counter behind a descriptor.

/proc/PID/fdinfo tells the counter, in hexadecimal, and since Linux 6.6 whether reads take one at a
time (fs/eventfd.c, eventfd_show_fdinfo). eventfd2() takes 32 bits of the 64: the rest is written.
"""

from __future__ import annotations

from crtools import log
from crtools.abi.x86_64 import SYS_eventfd2, SYS_write
from crtools.errors import ImageError
from crtools.images.messages.eventfd import EventfdFileEntry
from crtools.images.messages.fdinfo import FdTypes, FileEntry
from crtools.kinds.files.anonymous import AnonymousPlanner, read_own
from crtools.kinds.files.base import FileDumper, FileKind, FilePlanner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from crtools.agent.program import Program, Ref
    from crtools.kinds.files.base import DumpContext, OpenFile, PlanContext, PlannedFile

EFD_SEMAPHORE = 1  # linux/eventfd.h
MOST = 0xFFFFFFFFFFFFFFFE  # what can be written


class Eventfd(FileKind):
    type = FdTypes.EVENTFD
    field = "efd"

    def matches(self, file: OpenFile) -> bool:
        return file.link == b"anon_inode:[eventfd]"

    def dumper(self, context: DumpContext) -> FileDumper:
        return EventfdDumper(context)

    def planner(self, context: PlanContext) -> FilePlanner:
        return EventfdPlanner(context)


class EventfdDumper(FileDumper):
    def __init__(self, context: DumpContext) -> None:
        self.context = context
        self.semaphores: list[int] = []
        self._warned = False

    def dump(self, file: OpenFile, id: int) -> FileEntry:
        counter = int(file.extra[b"eventfd-count"][0], 16)
        if counter > MOST:
            raise self.context.refuse(
                file,
                "it is an eventfd whose counter has overflowed",
                "only the kernel itself can count that far",
                "let the program read it before the dump",
            )
        semaphore = file.extra.get(b"eventfd-semaphore")
        if semaphore is None:
            self._warn(file)
        elif semaphore[0] != b"0":
            self.semaphores.append(id)
        self.context.watch(file, "the eventfd")
        return FileEntry(
            type=FdTypes.EVENTFD,
            id=id,
            efd=EventfdFileEntry(
                id=id, flags=file.flags, fown=self.context.owner_of(file), counter=counter
            ),
        )

    def _warn(self, file: OpenFile) -> None:
        if not self._warned:
            self._warned = True
            log.warning(
                f"{self.context.describe(file)}: this kernel does not tell whether a read of an"
                " eventfd takes one at a time (EFD_SEMAPHORE; Linux 6.6 does): all are taken for"
                " those that do not",
                pid=file.pid,
            )

    def finish(self) -> None:
        if self.semaphores:
            from crtools.images.messages.crtools_events import CrtoolsEventfdEntry

            self.context.store.write(
                "crtools-eventfd",
                [CrtoolsEventfdEntry(id=id, semaphore=True) for id in self.semaphores],
            )


class EventfdPlanner(AnonymousPlanner):
    what = "an eventfd"

    def __init__(self, context: PlanContext) -> None:
        super().__init__(context)
        self.own: dict[int, Any] = {}

    def check_entry(self, file: PlannedFile) -> None:
        if file.message.counter > MOST:
            raise ImageError(f"File {file.id}, an eventfd, has an impossible counter")

    def place(self) -> None:
        self.own = read_own(self.context, "crtools-eventfd")
        super().place()

    def build(self, program: Program, file: PlannedFile, flags: int) -> Ref:
        own = self.own.get(file.id)
        if own is not None and own.semaphore:
            flags |= EFD_SEMAPHORE
        counter = file.message.counter
        return program.call(
            SYS_eventfd2,
            counter if counter <= 0xFFFFFFFF else 0,
            flags,
            label=lambda: f"make {self.context.describe(file)}",
        )

    def build_rest(self, program: Program, file: PlannedFile) -> None:
        counter = file.message.counter
        if counter > 0xFFFFFFFF:
            value = program.put(counter.to_bytes(8, "little"))
            program.call(
                SYS_write,
                file.number,
                value,
                8,
                label=lambda: f"fill {self.context.describe(file)}",
            )
