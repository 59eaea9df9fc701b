"""NUMA memory policies, of threads and of areas: set_mempolicy(2), mbind(2).

A task alone can ask for them (get_mempolicy(2)). /proc/PID/numa_maps tells of areas as well, but
walks all of their pages. No file of /proc has a hint of which areas have a policy, so every area is
asked about, in one program: 0.2 microseconds each.

The kernel does not tell the home node of an area's policy (set_mempolicy_home_node(2)) to anybody.
Policies of shared memory belong to the object (mm/shmem.c): whoever maps it is told of those at the
beginnings of its areas.

A restore sets them before there are pages, which are then taken from the nodes that they name.
"""

from __future__ import annotations

import os
import struct

from crtools.abi import kernel
from crtools.agent.program import ANY, ARG_DATA, ARG_VALUE, INSN, OP_SYSCALL, Program, ref_at
from crtools.errors import ImageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from crtools.agent.inject import Agent
    from crtools.agent.program import Ref
    from crtools.agent.slot import Executed
    from crtools.images.messages.crtools_parts import MemoryPolicyEntry
    from crtools.images.messages.vma import VmaEntry
    from crtools.kinds.memory.areas import Area
    from crtools.model.shortfall import Shortfalls

SYS_mbind, SYS_set_mempolicy, SYS_get_mempolicy = 237, 238, 239
MPOL_F_ADDR = 2
MAP_SHARED = 1
NODES = 1024  # the most that any kernel is built for (NODES_SHIFT)
MASK_BYTES = NODES // 8
# The kernel takes one less than it is told (mm/mempolicy.c, get_nodes), and so it gives.
MAX_NODE = NODES + 1
AREAS_AT_ONCE = 8_000  # a program's room is 1 MiB: 80 bytes an instruction, 4 a mode
MASKS_AT_ONCE = 2_000
FEW = 1_000  # so many areas are asked about together with everything else
_MODE_NAMES = "default preferred bind interleave local preferred-many weighted-interleave".split()


def ask_policy(program: Program) -> Ref:
    """A thread's own. Without CONFIG_NUMA there is no such call, and the room stays zero."""
    room = program.reserve(8 + MASK_BYTES)
    program.call(SYS_get_mempolicy, room, ref_at(room, 8), MAX_NODE, 0, 0, expect=ANY)
    return room


def policy(executed: Executed, room: Ref) -> MemoryPolicyEntry | None:
    """None: the system's default."""
    mode = int.from_bytes(executed.bytes(room, 4), "little")
    if not mode:
        return None
    from crtools.images.messages.crtools_parts import MemoryPolicyEntry

    nodes = executed.bytes(ref_at(room, 8), MASK_BYTES).rstrip(b"\0")
    return MemoryPolicyEntry(mode=mode, nodes=nodes or None)


def ask_modes(program: Program, areas: Sequence[Area]) -> Ref:
    """The modes of areas' policies, at most AREAS_AT_ONCE."""
    modes = program.reserve(4 * len(areas))
    kinds, at = ARG_DATA | ARG_VALUE << 4, modes[1]
    # What Program.call would put together, for tens of thousands of areas.
    program.code += b"".join(
        [
            INSN.pack(
                *(SYS_get_mempolicy, OP_SYSCALL, ANY, 0, kinds, 0, at + 4 * index),
                *(0, 0, area.entry.start, MPOL_F_ADDR, 0, 0, 0),
            )
            for index, area in enumerate(areas)
        ]
    )
    program.count += len(areas)
    return modes


def with_policies(executed: Executed, modes: Ref, areas: Sequence[Area]) -> list[Area]:
    """Those of the areas that have a policy of their own."""
    answered = executed.bytes(modes, 4 * len(areas))
    if answered.count(0) == len(answered):
        return []
    words = struct.unpack(f"<{len(areas)}I", answered)
    return [area for area, mode in zip(areas, words, strict=True) if mode]


def ask_many(agent: Agent, areas: Sequence[Area]) -> list[Area]:
    """Those of any number of areas that have a policy of their own."""
    found: list[Area] = []
    for first in range(0, len(areas), AREAS_AT_ONCE):
        part = areas[first : first + AREAS_AT_ONCE]
        program = Program()
        modes = ask_modes(program, part)
        found += with_policies(agent.run(program), modes, part)
    return found


def ask_policies(agent: Agent, found: Sequence[Area]) -> list[MemoryPolicyEntry]:
    """The policies of areas that have one of their own."""
    entries: list[MemoryPolicyEntry] = []
    for first in range(0, len(found), MASKS_AT_ONCE):
        part = found[first : first + MASKS_AT_ONCE]
        program = Program()
        rooms: list[Ref] = []
        for area in part:
            rooms.append(room := program.reserve(8 + MASK_BYTES))
            program.call(
                SYS_get_mempolicy,
                *(room, ref_at(room, 8), MAX_NODE, area.entry.start, MPOL_F_ADDR),
                label="ask for the memory policy of an area",
            )
        executed = agent.run(program)
        for area, room in zip(part, rooms, strict=True):
            entry = policy(executed, room)
            if entry is not None:
                entry.start, entry.end = area.entry.start, area.entry.end
                entries.append(entry)
    return entries


def same(one: MemoryPolicyEntry | None, other: MemoryPolicyEntry | None) -> bool:
    return _key(one) == _key(other)


def _key(entry: MemoryPolicyEntry | None) -> tuple[int, bytes]:
    return (0, b"") if entry is None else (entry.mode, bytes(entry.nodes or b"").rstrip(b"\0"))


def check_policies(
    thread: MemoryPolicyEntry | None, areas: Sequence[MemoryPolicyEntry], name: str
) -> None:
    """Raises ImageError for what cannot be."""
    for entry in areas if thread is None else [thread, *areas]:
        start, end = entry.start or 0, entry.end or 0
        if (
            len(entry.nodes or b"") > MASK_BYTES
            or entry.mode >> 16
            or start & 4095
            or end & 4095
            or (entry is not thread and start >= end)
        ):
            raise ImageError(f"{name} has an impossible memory policy in crtools-task-N.img")


class Acceptable:
    """Which policies this machine takes: the tool tries each once on itself."""

    def __init__(self, shortfalls: Shortfalls) -> None:
        self._shortfalls = shortfalls
        self._refused: dict[tuple[int, bytes], str] = {}

    def but_refused(
        self, entry: MemoryPolicyEntry | None, pid: int, name: str
    ) -> MemoryPolicyEntry | None:
        """The policy, or None (the default) with a shortfall where it cannot be had."""
        if entry is None:
            return None
        key = _key(entry)
        if key not in self._refused:
            self._refused[key] = self._try(entry)
        because = self._refused[key]
        if because:
            where = f" of the area {entry.start:x}-{entry.end or 0:x}" if entry.start else ""
            self._shortfalls.report(
                *(pid, name, f"its memory policy{where}"),
                wanted=_describe(entry),
                got="the default",
                because=because,
            )
        return None if because else entry

    def _try(self, entry: MemoryPolicyEntry) -> str:
        own = bytearray(8 + MASK_BYTES)
        at = kernel.address_of(own)
        kernel.raw(SYS_get_mempolicy, at, at + 8, MAX_NODE, 0, 0)
        result = _set_own(entry.mode, bytes(entry.nodes or b""))
        if result >= 0:
            _set_own(int.from_bytes(own[:4], "little"), bytes(own[8:]))
            return ""
        return f"set_mempolicy: {os.strerror(-result)}: its nodes are not here, or its mode is not"


def _set_own(mode: int, nodes: bytes) -> int:
    mask = nodes.ljust(MASK_BYTES, b"\0")
    if not any(nodes):
        return kernel.raw(SYS_set_mempolicy, mode, 0, 0)
    return kernel.raw(SYS_set_mempolicy, mode, kernel.address_of(mask), MAX_NODE)


def _describe(entry: MemoryPolicyEntry) -> str:
    number = entry.mode & 0xFFF
    name = _MODE_NAMES[number] if number < len(_MODE_NAMES) else f"mode {number}"
    bits = int.from_bytes(entry.nodes or b"", "little")
    nodes = ",".join([str(node) for node in range(NODES) if bits >> node & 1])
    return name + (f" (nodes {nodes})" if nodes else "")


def build_policy(program: Program, entry: MemoryPolicyEntry | None) -> None:
    """The calling thread's."""
    mode, nodes = _key(entry)
    mask = program.put(nodes.ljust(MASK_BYTES, b"\0")) if nodes else 0
    program.call(
        *(SYS_set_mempolicy, mode, mask, MAX_NODE if nodes else 0), label="set its memory policy"
    )


def build_areas(
    program: Callable[[int], Program],
    entries: Sequence[MemoryPolicyEntry],
    kept: Sequence[VmaEntry],
    inherited: Sequence[MemoryPolicyEntry],
) -> None:
    """Areas' policies. `kept` are those that a child has from its begetter, `inherited` what the
    begetter's had."""
    for vma in kept:
        # A shared object's policy is not the child's to take back.
        if not vma.flags & MAP_SHARED and any(
            (before.start or 0) < vma.end and vma.start < (before.end or 0) for before in inherited
        ):
            _bind(program(400), vma.start, vma.end, 0, b"")
    for entry in entries:
        _bind(program(400), entry.start or 0, entry.end or 0, *_key(entry))


def _bind(program: Program, start: int, end: int, mode: int, nodes: bytes) -> None:
    mask = program.put(nodes.ljust(MASK_BYTES, b"\0")) if nodes else 0
    program.call(
        *(SYS_mbind, start, end - start, mode, mask, MAX_NODE if nodes else 0, 0),
        label=lambda: f"set the memory policy of {start:x}-{end:x}",
    )
