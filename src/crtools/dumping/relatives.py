"""--share-pages: one pass over a stopped tree, before anything is written, that tells which pages
are written by whom."""

from __future__ import annotations

import os

from crtools import log
from crtools.errors import UsageError
from crtools.kinds.memory.frames import OWNER_SHIFT, Frames, Run, Shares, few_owners, wanted
from crtools.procfs.pagemap import open_pagemap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import TypeVar

    from crtools.dumping.memory import Memory
    from crtools.kinds.memory.clones import Clone, Clones
    from crtools.kinds.memory.scan import Region
    from crtools.model.options import Options
    from crtools.model.tree import Process

    Found = TypeVar("Found", Shares, Clones)
    Look = Callable[[Process, Memory, int, int], list[Region] | None]

_TRIES = 3
_NOTHING = (
    "no page of one process was found to be another's as well: each process's are written with it"
    " (to be told of page frames takes CAP_SYS_ADMIN)"
)


def check_options(options: Options) -> None:
    """Raises UsageError for a directory that is to have a parent, or to be one: who reads it as
    CRIU does would look there for the pages that lie with relatives."""
    if options.reflink_pages:
        for other, name in (
            (options.share_pages, "--share-pages"),
            (options.track_mem, "--track-mem"),
            (options.prev_images_dir, "--prev-images-dir"),
        ):
            if other:
                raise UsageError(
                    f"--reflink-pages does not go with {name}",
                    hint=f"dump without {name}, or without --reflink-pages",
                )
        return
    if options.track_mem:
        raise UsageError(
            "A dump with --share-pages cannot be followed by others that build upon it",
            because="what of a process is in the parent would lie with its relatives",
            hint="dump without --track-mem, or without --share-pages",
        )
    if options.prev_images_dir:
        raise UsageError(
            "A dump with --share-pages cannot build upon an earlier one",
            because="what of a process is in the parent would lie with its relatives",
            hint="dump without --prev-images-dir, or without --share-pages",
        )


def plan_shares(
    proc: int, spaces: Sequence[tuple[Process, Memory]], look: Look, new_id: Callable[[], int]
) -> bool:
    """Gives each memory its `shares`, and its pages file's number; whether there is any page that
    lies in another's file. If not, all is written as without this.

    `look` tells what is in a memory, or None if that is to be left alone; it is given the pagemap
    and the content.
    """
    found = _find_all(proc, spaces, look, Shares)
    if not any(shares.elsewhere for shares in found.values()):
        if len(spaces) > 1:
            log.warning(_NOTHING)
        return False
    ids = _give_numbers(spaces, found, new_id)
    for number, shares in found.items():
        spaces[number][1].elsewhere = shares.entries(ids)
    return True


def plan_clones(
    proc: int, spaces: Sequence[tuple[Process, Memory]], look: Look, new_id: Callable[[], int]
) -> list[tuple[int, list[Clone]]]:
    """As plan_shares, for --reflink-pages: the numbers of the pages files to which blocks are to be
    cloned when all is written, and what; the owners of blocks are told by their files' numbers."""
    from crtools.kinds.memory.clones import Clones

    found = _find_all(proc, spaces, look, Clones)
    if not any(shares.clones for shares in found.values()):
        if len(spaces) > 1:
            log.warning(_NOTHING)
        return []
    ids = _give_numbers(spaces, found, new_id)
    files = []
    for number, shares in found.items():
        for clone in shares.clones:
            clone.owner = ids[clone.owner]
        if shares.clones:
            files.append((ids[number], shares.clones))
    return files


def _give_numbers(
    spaces: Sequence[tuple[Process, Memory]],
    found: Mapping[int, Shares | Clones],
    new_id: Callable[[], int],
) -> list[int]:
    """Those of the pages files, by the numbers of the memories."""
    ids = [new_id() if number in found else 0 for number in range(len(spaces))]
    for number, shares in found.items():
        memory = spaces[number][1]
        memory.shares, memory.pages_id = shares, ids[number]
    return ids


def _find_all(
    proc: int, spaces: Sequence[tuple[Process, Memory]], look: Look, make: type[Found]
) -> dict[int, Found]:
    """What is planned for each memory, by its number; nothing if no pass finds pages at rest."""
    for _ in range(_TRIES):
        with Frames() as frames:
            found = _find(proc, spaces, look, frames, make)
        if found is not None:
            return found
    log.warning("the kernel moves pages all the time: each process's are written with it")
    return {}


def _find(
    proc: int,
    spaces: Sequence[tuple[Process, Memory]],
    look: Look,
    frames: Frames,
    make: type[Found],
) -> dict[int, Found] | None:
    """By the number of the memory; None if pages have been moved meanwhile. What was true of a page
    before and after the pass is true of it all the time: so a frame that was met twice in between
    was one page."""
    found: dict[int, Found] = {}
    noted: dict[int, int] = {}
    owners: set[int] = set()
    for number, (process, memory) in enumerate(spaces):
        pagemap = open_pagemap(proc, process.via)
        try:
            regions = _look(proc, process, memory, pagemap, look)
            if regions is None:
                continue
            theirs: list[Run] = few_owners(frames.find(pagemap, wanted(memory.areas, regions)))
            owners.update([run[2] >> OWNER_SHIFT for run in theirs])
            found[number] = shares = make(memory.areas, regions, theirs, number)
            noted[number] = frames.add(pagemap, shares.own)
        finally:
            os.close(pagemap)
    for number in owners:
        pagemap = open_pagemap(proc, spaces[number][0].via)
        try:
            if not frames.hold(pagemap, found[number].own, noted[number]):
                return None
        finally:
            os.close(pagemap)
    return found


def _look(
    proc: int, process: Process, memory: Memory, pagemap: int, look: Look
) -> list[Region] | None:
    content = os.open(f"{process.via}/mem", os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc)
    try:
        return look(process, memory, pagemap, content)
    finally:
        os.close(content)
