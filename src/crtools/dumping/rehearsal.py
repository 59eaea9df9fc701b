"""Doing once, on ourselves, what will be done to the stopped tasks.

A function's first call costs several times what later ones do: its code is unmarshalled and paged
in, tables are filled, CPUID traps to a hypervisor. All of that would lie in the time that the tasks
are stopped, and for a small process it would be most of it.
"""

from __future__ import annotations

import os

from crtools import log
from crtools.abi.kernel import cpuid
from crtools.errors import CrtoolsError
from crtools.images.messages.core import CoreEntry, CoreEntryMarch, TaskCoreEntry, ThreadCoreEntry
from crtools.images.messages.siginfo import SignalQueueEntry
from crtools.kinds.memory import areas, mm, pages, scan
from crtools.kinds.process import credentials, registers, restart, signals
from crtools.procfs.auxv import read_auxv
from crtools.procfs.pagemap import open_pagemap
from crtools.procfs.smaps import SmapsReader
from crtools.procfs.stat import read_stat
from crtools.procfs.status import read_status

_XSTATE_COMPONENTS = 0xD  # the CPUID leaf
_ENABLED_AT = 464  # in the XSAVE area: what the kernel has enabled (asm/user.h, sw_reserved)


def rehearse(proc: int) -> None:
    """Nothing comes of it. Our own memory may hold what cannot be dumped, and it changes while it
    is looked at: that is no error."""
    try:
        _rehearse(proc, os.getpid())
    except (CrtoolsError, OSError) as error:
        log.debug(f"rehearsed in part: {error}")


def _rehearse(proc: int, own: int) -> None:
    vmas, facts = SmapsReader().sample(proc, own)
    found = areas.collect_areas(
        vmas,
        facts,
        lambda vma: (0, 0),
        lambda vma: 0,
        "crtools",
    )
    pagemap = open_pagemap(proc, own)
    try:
        regions = scan.scan(pagemap, [(a.entry.start, a.entry.end) for a in found[:8]])
    finally:
        os.close(pagemap)
    plan = pages.plan_pages([area.but(readable=True) for area in found], regions)
    pages.plan_portions(found)
    for entry in plan.entries[:4]:
        entry.encode()
    stat = read_stat(proc, own)
    mm.mm_entry(stat, read_auxv(proc, own), 0, 0, [a.entry for a in found], 0, False).encode()
    low, size, _, high = cpuid(_XSTATE_COMPONENTS, 0)
    xstate = bytearray(max(size, 1024))
    xstate[_ENABLED_AT : _ENABLED_AT + 8] = (low | high << 32).to_bytes(8, "little")
    home = restart.image_registers([0] * 27, -1, 0)
    CoreEntry(
        mtype=CoreEntryMarch.X86_64,
        thread_info=registers.dump_registers(home, bytes(xstate), 0),
        tc=TaskCoreEntry(
            task_state=0,
            exit_code=0,
            personality=0,
            flags=0,
            blk_sigset=0,
            comm="",
            signals_s=SignalQueueEntry(),
            sigactions=signals.default_actions(),
        ),
        thread_core=ThreadCoreEntry(
            futex_rla=0,
            futex_rla_len=0,
            creds=credentials.credentials(read_status(proc, own), 0),
            signals_p=SignalQueueEntry(),
        ),
    ).encode()
