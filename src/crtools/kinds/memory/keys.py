"""Protection keys: which of them a process has allocated, and which areas have which (pkeys(7)).

Imported where a process of a CPU that has them has any. Its threads' rights are in a register,
PKRU, and carried with the others.

No key is told by anything but the areas that have it (ProtectionKey in smaps). Whether one is
allocated is asked with pkey_mprotect where nothing can be mapped: a key that is not is EINVAL,
before it is found that there is no memory, ENOMEM (mm/mprotect.c, do_mprotect_pkey).

Areas that can be executed and nothing else get a key from the kernel itself, which then does not
count as allocated (arch/x86/mm/pkeys.c, __execute_only_pkey). That it is the same one again, since
PKRU has its bits, is seen to by leaving it as the only one free when the first such area is made.
"""

from __future__ import annotations

from errno import EINVAL, ENOMEM

from crtools.abi.kernel import PAGE
from crtools.abi.mman import PROT_EXEC, PROT_NONE
from crtools.agent.program import ANY, EXACTLY, OR_ERRNO, Program, errnos
from crtools.errors import ImageError, InternalError
from crtools.images.messages.crtools_parts import AreaKeyEntry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from crtools.agent.inject import Agent
    from crtools.agent.program import Ref
    from crtools.agent.slot import Executed
    from crtools.images.messages.vma import VmaEntry
    from crtools.kinds.memory.areas import Area

SYS_pkey_mprotect, SYS_pkey_alloc, SYS_pkey_free = 329, 330, 331
KEYS = 16  # x86: four bits of a page table entry; key 0 is everybody's
NOWHERE = 1 << 56  # above every user address, five-level page tables included
ONLY_ZERO = 1


def ask_keys(program: Program) -> list[Ref]:
    """A question for each key."""
    return [
        program.call(SYS_pkey_mprotect, NOWHERE, PAGE, PROT_NONE, key, expect=ANY)
        for key in range(KEYS)
    ]


def allocated_keys(executed: Executed, asked: Sequence[Ref]) -> int:
    """A bit for each allocated key. Raises InternalError for answers that are none."""
    keys = 0
    for key, ref in enumerate(asked):
        answer = executed.result(ref)
        if answer == -ENOMEM:
            keys |= 1 << key
        elif answer != -EINVAL:
            raise InternalError(f"pkey_mprotect where nothing is answers {answer}")
    return keys


def read_keys(agent: Agent, areas: Iterable[Area]) -> tuple[int | None, list[AreaKeyEntry]]:
    """The allocated keys, None where it is key 0 alone, and the areas that have another."""
    program = Program()
    asked = ask_keys(program)
    keys = allocated_keys(agent.run(program), asked)
    found = [AreaKeyEntry(start=area.entry.start, key=area.key) for area in areas if area.key]
    return (None if keys == ONLY_ZERO and not found else keys), found


class KeysPlan:
    """What a process's image says of its keys, checked. Raises ImageError.

    `keys`: those allocated; `by_start`: of areas that the process has given one; `kernels`: the
    one of areas that can be executed only, 0 if there are none.
    """

    __slots__ = ("by_start", "kernels", "keys")

    def __init__(
        self,
        keys: int | None,
        entries: Iterable[AreaKeyEntry],
        vmas: Sequence[VmaEntry],
        name: str,
    ) -> None:
        if keys is None:
            keys = ONLY_ZERO
        self.keys = keys
        self.by_start: dict[int, int] = {}
        self.kernels = 0
        areas = {vma.start: vma for vma in vmas}
        for entry in entries:
            vma = areas.get(entry.start)
            if vma is None or not 0 < entry.key < KEYS or keys >> KEYS:
                raise ImageError(
                    f"The protection keys of {name} are impossible",
                    because=f"area {entry.start:x} has key {entry.key}",
                )
            if vma.prot == PROT_EXEC and not keys >> entry.key & 1:
                if self.kernels not in (0, entry.key):
                    raise ImageError(
                        f"The protection keys of {name} are impossible",
                        because="areas that can be executed only have different ones",
                    )
                self.kernels = entry.key
            else:
                self.by_start[entry.start] = entry.key

    def build_before(self, program: Program) -> None:
        """Before the areas get their protections: takes all keys but the kernel's.

        Whoever allocates one may use it, and threads inherit that: the areas stay within our
        reach until the registers are set.
        """
        if not self._needed:
            return
        for key in range(1, KEYS):
            program.call(
                SYS_pkey_alloc,
                0,
                0,
                expect=EXACTLY,
                expected=key,
                label=f"allocate protection key {key}",
            )
        if self.kernels:
            program.call(SYS_pkey_free, self.kernels, label="leave a key to the kernel")

    def build_after(self, program: Program, vmas: Sequence[VmaEntry]) -> None:
        """When the areas have their protections: gives them their keys, and the others back."""
        if not self._needed:
            return
        for vma in vmas:
            key = self.by_start.get(vma.start)
            if key:
                start = vma.start
                program.call(
                    SYS_pkey_mprotect,
                    start,
                    vma.end - start,
                    vma.prot,
                    key,
                    label=f"give {start:x} its protection key",
                )
        for key in range(KEYS):
            if not self.keys >> key & 1 and (key != self.kernels or not key):
                program.call(SYS_pkey_free, key, expect=OR_ERRNO, expected=errnos(EINVAL))

    @property
    def _needed(self) -> bool:
        # The kernel's own comes by itself, and on a CPU without keys there is none.
        return self.keys != ONLY_ZERO or bool(self.by_start) or self.kernels > 1
