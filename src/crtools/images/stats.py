"""stats-dump and stats-restore: figures that engines and scripts read (podman decodes them)."""

from __future__ import annotations

from crtools.images.store import ImageStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.images.messages.stats import StatsEntry


def write_stats(
    store: ImageStore, images_dir: str, work_dir: str, key: str, stats: StatsEntry
) -> None:
    """Into the work directory if there is one: the images may be read-only for a restore."""
    if not work_dir or work_dir == images_dir:
        store.write(key, [stats])
        return
    with ImageStore.open(work_dir, allow_incomplete=True) as directory:
        directory.write(key, [stats])
