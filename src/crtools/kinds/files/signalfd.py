"""signalfd(2): signals that are read. It has nothing but a mask; who reads takes his own signals.

/proc/PID/fdinfo tells the mask as the kernel shows all masks (fs/signalfd.c).
"""

from __future__ import annotations

from crtools.abi.x86_64 import SYS_signalfd4
from crtools.images.messages.fdinfo import FdTypes, FileEntry
from crtools.images.messages.signalfd import SignalfdEntry
from crtools.kinds.files.anonymous import AnonymousPlanner
from crtools.kinds.files.base import FileDumper, FileKind, FilePlanner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.agent.program import Program, Ref
    from crtools.kinds.files.base import DumpContext, OpenFile, PlanContext, PlannedFile


class Signalfd(FileKind):
    type = FdTypes.SIGNALFD
    field = "sgfd"

    def matches(self, file: OpenFile) -> bool:
        return file.link == b"anon_inode:[signalfd]"

    def dumper(self, context: DumpContext) -> FileDumper:
        return SignalfdDumper(context)

    def planner(self, context: PlanContext) -> FilePlanner:
        return SignalfdPlanner(context)


class SignalfdDumper(FileDumper):
    def __init__(self, context: DumpContext) -> None:
        self.context = context

    def dump(self, file: OpenFile, id: int) -> FileEntry:
        self.context.watch(file, "the signalfd")
        return FileEntry(
            type=FdTypes.SIGNALFD,
            id=id,
            sgfd=SignalfdEntry(
                id=id,
                flags=file.flags,
                fown=self.context.owner_of(file),
                sigmask=int(file.extra[b"sigmask"][0], 16),
            ),
        )


class SignalfdPlanner(AnonymousPlanner):
    what = "a signalfd"

    def build(self, program: Program, file: PlannedFile, flags: int) -> Ref:
        mask = program.put(file.message.sigmask.to_bytes(8, "little"))
        return program.call(
            SYS_signalfd4, -1, mask, 8, flags, label=lambda: f"make {self.context.describe(file)}"
        )
