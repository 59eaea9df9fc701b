"""mm_entry: an address space's layout besides its areas. PR_SET_MM_MAP, prctl(2)."""

from __future__ import annotations

import struct

from crtools.agent.program import Program
from crtools.images.messages.mm import MmEntry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from crtools.agent.program import Arg
    from crtools.images.messages.vma import VmaEntry
    from crtools.procfs.stat import Stat

SYS_prctl = 157
PR_SET_MM, PR_SET_MM_MAP = 35, 14
PR_SET_DUMPABLE, PR_SET_THP_DISABLE = 4, 41
# struct prctl_mm_map, linux/prctl.h: eleven addresses, the auxiliary vector, the executable.
_MAP_BYTES = 104
# Words of an auxiliary vector that CRIU takes: 3.17 and 4.2 write that many, 3.17 refuses more.
_MOST_WORDS = 44


def mm_entry(
    stat: Stat,
    auxv: tuple[int, ...],
    brk: int,
    exe_id: int,
    vmas: Sequence[VmaEntry],
    dumpable: int,
    thp_disabled: bool,
) -> MmEntry:
    return MmEntry(
        mm_start_code=stat.startcode,
        mm_end_code=stat.endcode,
        mm_start_data=stat.start_data,
        mm_end_data=stat.end_data,
        mm_start_stack=stat.startstack,
        mm_start_brk=stat.start_brk,
        mm_brk=brk,
        mm_arg_start=stat.arg_start,
        mm_arg_end=stat.arg_end,
        mm_env_start=stat.env_start,
        mm_env_end=stat.env_end,
        exe_file_id=exe_id,
        mm_saved_auxv=_without_end(auxv),
        vmas=vmas,
        dumpable=dumpable,
        thp_disabled=thp_disabled,
    )


def _without_end(auxv: tuple[int, ...]) -> tuple[int, ...]:
    """Where it does not fit otherwise, the pair of AT_NULL at its end is left out: prctl(2) puts
    one there (kernel/sys.c, prctl_set_mm_map)."""
    return auxv[:-2] if len(auxv) > _MOST_WORDS and not any(auxv[-2:]) else auxv


def build_mm(program: Program, mm: MmEntry, exe: Arg) -> None:
    """Sets the layout; needs no privilege beyond CAP_CHECKPOINT_RESTORE or a user namespace's.

    The old executable must not be mapped any more, or changing it is EBUSY (kernel/sys.c,
    replace_mm_exe_file).
    """
    auxv = struct.pack(f"<{len(mm.mm_saved_auxv)}Q", *mm.mm_saved_auxv)
    auxv_at = program.put(auxv)
    # The structure holds the address of the auxiliary vector, known only where this runs.
    layout = program.put(
        struct.pack(
            "<11Q",
            mm.mm_start_code,
            mm.mm_end_code,
            mm.mm_start_data,
            mm.mm_end_data,
            mm.mm_start_brk,
            mm.mm_brk,
            mm.mm_start_stack,
            mm.mm_arg_start,
            mm.mm_arg_end,
            mm.mm_env_start,
            mm.mm_env_end,
        )
        + struct.pack("<QII", 0, len(auxv), 0)
    )
    program.address(auxv_at, (layout[0], layout[1] + 88))
    program.store(exe, (layout[0], layout[1] + 100))
    program.call(
        SYS_prctl,
        PR_SET_MM,
        PR_SET_MM_MAP,
        layout,
        _MAP_BYTES,
        0,
        label="set the layout of its memory (PR_SET_MM_MAP)",
    )
