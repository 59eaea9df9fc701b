"""`crtools cpuinfo dump|check`: the CPU's features into cpuinfo.img, or compared with it.

What is compared, and what --cpu-cap says about it, is the same as at a restore: criu(8), "cpuinfo".
"""

from __future__ import annotations

from crtools.images.store import ImageStore
from crtools.kinds.process import cpu

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.model.options import Options


def main(action: str, options: Options) -> str:
    """The line to print. Raises RestoreConflict where the CPU will not do, ImageError."""
    # The directory may hold a whole set, or nothing else.
    with ImageStore.open(options.images_dir, allow_incomplete=True) as store:
        if action == "dump":
            cpu.dump_cpu(store, options.cpu_cap)
            return ""
        if options.cpu_cap is None:
            store.read_one("cpuinfo")  # at a restore its absence is no error
        cpu.check_cpu(store, options.cpu_cap)
    return "This CPU has what the image asks for."
