"""Asynchronous I/O contexts: io_setup(2). A context is named by the address of its ring, a mapping
called "/[aio] (deleted)".

The ring is a header of 32 bytes (fs/aio.c, struct aio_ring) and events of 32 bytes; between head
and tail are those that nobody has read. The kernel counts with them: a ring comes back by as many
reads of /dev/null as bring its tail to the old place, the last of them left unread, and then their
events are those of the image. Its address comes back with mremap(2), which the kernel follows
(aio_ring_mremap).

Requests in flight end where they began, or not at all: a dump waits for them. That none is left
only the kernel's own memory tells (crtools.tracee.kernel_memory): of so many places in a context
some are free, for all or on some CPU, and some have completed.

A child has a mapping of its parent's ring, but no context: it can do nothing with it but look at
it. It is inherited again.
"""

from __future__ import annotations

import os
import struct
import time

from crtools.abi.kernel import PAGE
from crtools.abi.x86_64 import SYS_close, SYS_mmap, SYS_openat
from crtools.agent.program import load64, ref_at
from crtools.errors import ImageError, RestoreConflict, UnsupportedObject
from crtools.images.messages.mm import AioRingEntry
from crtools.kinds.memory.areas import AIO_RING
from crtools.model.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from crtools.agent.program import Program, Ref
    from crtools.images.messages.mm import MmEntry
    from crtools.images.messages.vma import VmaEntry
    from crtools.model.tree import Process
    from crtools.tracee.kernel_memory import KernelMemory

SYS_io_setup, SYS_io_submit, SYS_mremap, SYS_mprotect = 206, 209, 25, 10
MREMAP_MAYMOVE_FIXED = 3
MAGIC = 0xA10A10A1
HEADER = struct.Struct("<8I")  # id, nr, head, tail, magic, ...
HEAD_AT, NR_AT, EVENT_BYTES = 8, 4, 32
# struct iocb, linux/aio_abi.h: a read (IOCB_CMD_PREAD) of no byte; the descriptor is at 20.
_IOCB = struct.Struct("<QIIHhIQQqQII")
_FD_AT = 20
_BATCH = 1024
# How long requests in flight are waited for, in seconds: those of a disk take milliseconds.
PATIENCE = 2.0


class Context(Value):
    """A context of a process: addresses and sizes in bytes."""

    start: int
    end: int
    max_requests: int
    in_flight: int


class Ring(Value):
    """A ring to be restored. `offset` is where it is in the pages file, -1: nowhere."""

    start: int
    end: int
    max_requests: int
    offset: int


def read_contexts(memory: KernelMemory, mm: int) -> list[Context]:
    """The contexts of the mm_struct at an address. Raises MissingFeature."""
    table = memory.pointer(mm, "mm_struct", "ioctx_table")
    if not table:
        return []
    found: list[Context] = []
    slots = memory.at(table, "kioctx_table", "table")
    for slot in range(memory.unsigned(table, "kioctx_table", "nr")):
        context = memory.word(slots + 8 * slot)
        if context:
            found.append(_read_context(memory, context))
    return found


def _read_context(memory: KernelMemory, context: int) -> Context:
    cpus = memory.pointer(context, "kioctx", "cpu")
    offset = memory.types.offset("kioctx_cpu", "reqs_available")
    # get_reqs_available: a place is taken from those of a CPU, which takes them from all; a
    # completed request's comes back when its event has been read and another completes.
    free = memory.unsigned(context, "kioctx", "reqs_available") + memory.sum_per_cpu(cpus, offset)
    places = memory.unsigned(context, "kioctx", "nr_events") - 1
    start = memory.pointer(context, "kioctx", "user_id")
    return Context(
        start=start,
        end=start + memory.unsigned(context, "kioctx", "nr_pages") * PAGE,
        max_requests=memory.unsigned(context, "kioctx", "max_reqs"),
        in_flight=places - free - memory.unsigned(context, "kioctx", "completed_events"),
    )


class AioDump:
    """The contexts of a stopped tree's processes, parents first."""

    def __init__(self, proc: int) -> None:
        from crtools.tracee.kernel_memory import KernelMemory

        self._proc = proc
        self._memory = KernelMemory()
        self._rings: dict[int, set[tuple[int, int, int]]] = {}

    def collect(self, process: Process, areas: Iterable[VmaEntry]) -> list[AioRingEntry]:
        """The contexts of a process, with nothing in flight. Raises UnsupportedObject."""
        rings = {area.start: area for area in areas if area.status & AIO_RING}
        self._rings[process.pid] = {(a.shmid, a.start, a.end) for a in rings.values()}
        contexts = self._wait_until_idle(process)
        own = {context.start: context for context in contexts}
        for start, area in rings.items():
            context = own.get(start)
            if context is None:
                parent = process.parent.pid if process.parent else 0
                if (area.shmid, start, area.end) not in self._rings.get(parent, ()):
                    raise _refused(process, start, "it is no process's that is dumped as well")
        for context in contexts:
            ring = rings.get(context.start)
            if ring is None or ring.end != context.end:
                raise _refused(process, context.start, "its ring is unmapped or protected in part")
        return [
            AioRingEntry(
                id=context.start,
                nr_req=context.max_requests,
                ring_len=context.end - context.start,
            )
            for context in contexts
        ]

    def _wait_until_idle(self, process: Process) -> list[Context]:
        end = time.monotonic() + PATIENCE
        fd = os.open(f"{process.via}/mem", os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._proc)
        try:
            while True:
                # What keeps an open /proc/PID/mem is the address space itself.
                contexts = read_contexts(self._memory, self._memory.private_data(fd))
                busy = [context for context in contexts if context.in_flight]
                if not busy:
                    return contexts
                if time.monotonic() > end:
                    context = busy[0]
                    raise _refused(
                        process,
                        context.start,
                        f"{context.in_flight} of its requests are in flight and do not complete,"
                        " as IOCB_CMD_POLL does not until the file is ready",
                        "let the program wait for them with io_getevents, or cancel them, before"
                        " the dump",
                    )
                time.sleep(0.001)
        finally:
            os.close(fd)


def _refused(process: Process, start: int, because: str, hint: str = "") -> UnsupportedObject:
    return UnsupportedObject(
        f"Cannot dump the asynchronous I/O context (aio) {start:x} of {process.name}",
        because=because,
        hint=hint,
        subject=("task", process.pid, "aio", start),
    )


# --- Restore ---


def read_rings(mm: MmEntry, vmas: Sequence[VmaEntry], pid: int) -> list[Ring]:
    """The rings that are contexts of the process itself. Raises ImageError."""
    areas = {vma.start: vma for vma in vmas if vma.status & AIO_RING}
    rings: list[Ring] = []
    for entry in mm.aios:
        vma = areas.pop(entry.id, None)
        if vma is None or vma.end - vma.start != entry.ring_len or not entry.nr_req:
            raise ImageError(
                f"mm-{pid}.img has an impossible asynchronous I/O context {entry.id:x}",
                because="there is no ring of that size at that address",
            )
        rings.append(Ring(start=vma.start, end=vma.end, max_requests=entry.nr_req, offset=-1))
    return rings


def ring_pages(requests: int, cpus: int) -> int:
    """How many pages io_setup gives a ring (fs/aio.c, ioctx_alloc and aio_setup_ring)."""
    events = max(requests, cpus * 4) * 2 + 2
    return -(-(HEADER.size + EVENT_BYTES * events) // PAGE)


def possible_cpus() -> int:
    """How many CPUs the kernel is ready for."""
    with open("/sys/devices/system/cpu/possible", "rb", buffering=0) as file:
        return parse_cpus(file.read(4096))


def parse_cpus(text: bytes) -> int:
    """The number of CPUs of a list such as "0-3,8"."""
    total = 0
    for part in text.strip().split(b","):
        first, _, last = part.partition(b"-")
        total += int(last or first) - int(first) + 1
    return total


class RingPlan(Value):
    """A ring as it is made: how many requests to ask for, the head and the tail it had."""

    ring: Ring
    requests: int
    head: int
    tail: int

    @property
    def events(self) -> int:
        return (self.ring.end - self.ring.start) // EVENT_BYTES - 1

    def unread(self) -> list[tuple[int, int]]:
        """Bytes of the ring, from and to, that hold what nobody has read."""
        at, end = self.head, self.tail
        first = HEADER.size
        if at <= end:
            ranges = [(at, end)]
        else:
            ranges = [(at, self.events), (0, end)]
        return [(first + a * EVENT_BYTES, first + b * EVENT_BYTES) for a, b in ranges if a != b]


def plan_ring(ring: Ring, header: bytes, cpus: int, name: str) -> RingPlan:
    """`header` are its first bytes in the image, none if the image has not got them. Raises
    ImageError, RestoreConflict."""
    pages = (ring.end - ring.start) // PAGE
    requests = ring.max_requests
    if ring_pages(requests, cpus) != pages:
        # Made on a machine with another number of CPUs: as many as make a ring of that size.
        requests = (128 * pages - 3) // 2
        if ring_pages(requests, cpus) != pages:
            raise RestoreConflict(
                f"Cannot restore the asynchronous I/O context {ring.start:x} of {name}",
                because=f"with {cpus} CPUs a ring is larger than its {pages} pages",
                subject=("aio", ring.start),
            )
    head = tail = 0
    if len(header) == HEADER.size:
        _, number, head, tail, magic, *_ = HEADER.unpack(header)
        events = (ring.end - ring.start) // EVENT_BYTES - 1
        if magic != MAGIC or number != events:
            raise ImageError(
                f"The images have no ring of an asynchronous I/O context at {ring.start:x} of"
                f" {name}"
            )
        # The kernel does so as well: both are the program's to write.
        head, tail = head % events, tail % events
    return RingPlan(ring=ring, requests=requests, head=head, tail=tail)


def build_ring(
    program: Program,
    vma: VmaEntry,
    plan: RingPlan,
    build_events: Callable[[Program, list[tuple[int, int]]], None],
) -> None:
    """Instructions that make the context, at its address, with its tail and what is unread.
    `build_events` reads bytes of the ring, from and to, from the image."""
    start, length = vma.start, vma.end - vma.start
    # The kernel chooses where the ring is: not there, or mremap could not move it there.
    program.call(
        SYS_mmap,
        start,
        length,
        0,
        0x100022,  # MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE
        -1,
        0,
        expect=2,
        expected=start,
        label=lambda: f"map {start:x}-{start + length:x}",
    )
    context = program.reserve(8)
    program.call(
        SYS_io_setup,
        plan.requests,
        context,
        label=lambda: (
            f"make an asynchronous I/O context for {plan.requests} requests"
            " (fs.aio-max-nr limits them)"
        ),
    )
    program.call(
        SYS_mremap,
        load64(context),
        length,
        length,
        MREMAP_MAYMOVE_FIXED,
        start,
        expect=2,
        expected=start,
        label=lambda: f"move an asynchronous I/O context to {start:x}",
    )
    unread = (plan.tail - plan.head) % plan.events
    if plan.head or unread:
        _build_requests(program, start, plan, unread)
    if unread:
        build_events(program, [(start + a, start + b) for a, b in plan.unread()])
    if vma.prot != 3:
        program.call(SYS_mprotect, start, length, vma.prot, label=lambda: f"protect {start:x}")


def _build_requests(program: Program, start: int, plan: RingPlan, unread: int) -> None:
    # A part of them at once: some places may be another CPU's.
    batch = min(max(plan.events // 8, 16), _BATCH)
    request = program.put(_IOCB.pack(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0))
    requests = program.reserve(8 * batch)
    program.address(request, requests)
    copied = 1
    while copied < batch:
        count = min(copied, batch - copied)
        program.copy(ref_at(requests, 8 * copied), requests, 8 * count)
        copied += count
    path = program.put(b"/dev/null\0")
    null = program.call(SYS_openat, -100, path, os.O_RDONLY | os.O_CLOEXEC, 0, label="open null")
    program.store(null, ref_at(request, _FD_AT))
    done = 0
    while done < plan.head:
        count = min(batch, plan.head - done)
        _build_submit(program, start, count, requests)
        done += count
        # Read, as a program may do it by itself.
        program.copy(start + HEAD_AT, program.put(done.to_bytes(4, "little")), 4)
    for first in range(0, unread, batch):
        _build_submit(program, start, min(batch, unread - first), requests)
    program.call(SYS_close, null)


def _build_submit(program: Program, start: int, count: int, requests: Ref) -> None:
    program.call(
        SYS_io_submit,
        start,
        count,
        requests,
        expect=2,
        expected=count,
        label=lambda: f"fill the asynchronous I/O context {start:x}",
    )
