"""What a dump does to images when they are all written and the tasks run, or are gone, already."""

from __future__ import annotations

from crtools import log
from crtools.errors import CrtoolsError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.images.store import ImageStore
    from crtools.model.options import Options


def finish_images(store: ImageStore, options: Options) -> None:
    """--auto-dedup and --checksums: neither makes the pause longer, and nothing is taken out of an
    earlier dump before this one is complete. Raises ImageError, PermissionDenied; the dump is there
    all the same."""
    try:
        if options.auto_dedup and store.has_parent():
            from crtools.images.dedup import dedup

            taken = dedup(store)
            log.info(f"took {taken >> 10} KiB of pages out of the directories behind")
        if options.checksums:
            from crtools.images.checksums import record

            record(store)
    except CrtoolsError as error:
        error.add_note(f"The dump itself is complete: {store.path} can be restored.")
        raise
