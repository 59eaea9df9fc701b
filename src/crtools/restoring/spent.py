"""--auto-dedup of a restore: pages leave the images when the tasks have them.

criu(8) has each page taken out as soon as it is read. Here all are when the tasks run: a restore
that fails could not be tried again otherwise. What is left cannot be restored, and says so.
"""

from __future__ import annotations

from crtools import log
from crtools.errors import CrtoolsError
from crtools.images.dedup import places, punch
from crtools.images.registry import BY_KEY
from crtools.kinds.memory.content import FILE_SHIFT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.restoring.plan import Plan


def take_out_pages(plan: Plan) -> None:
    """What cannot be taken out is told of in the log: the tasks run already."""
    store = plan.store
    pieces: dict[str, list[tuple[int, int]]] = {}
    for task in filter(plan.has_own_memory, plan.alive):
        for content in task.space.contents:
            file, offset = divmod(content.offset, 1 << FILE_SHIFT)
            own = pieces.setdefault(task.space.pages[file], [])
            own.append((offset, content.end - content.start))
    for shmid in {shared.inode.shmid for shared in plan.shared.values()}:
        head, *entries = store.read("pagemap-shmem", shmid)
        name = BY_KEY["pages"].file_name(head.pages_id)
        for start, end, offset in places(entries, BY_KEY["pagemap-shmem"].file_name(shmid)):
            pieces.setdefault(name, []).append((offset, end - start))
    try:
        store.remove("crtools-checksums")
        for name, own in pieces.items():
            punch(store, name, _joined(own))
    except CrtoolsError as error:
        log.warning(f"--auto-dedup: {error}")


def _joined(pieces: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """As few as they can be."""
    joined: list[tuple[int, int]] = []
    for offset, length in sorted(pieces):
        if joined and joined[-1][0] + joined[-1][1] >= offset:
            first, before = joined[-1]
            joined[-1] = first, max(before, offset + length - first)
        else:
            joined.append((offset, length))
    return joined
