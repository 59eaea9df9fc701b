"""Checkpoint a running Linux process tree to a directory of images and bring it back.

    import crtools
    print(crtools.dump(pid, "/var/tmp/images").summary_line())
    crtools.restore("/var/tmp/images")

Errors are the classes of crtools.errors; each is here as well (crtools.UnsupportedObject).
"""

from __future__ import annotations

__version__ = "0.1.0"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.api import dump, pre_dump, restore, snapshot
    from crtools.errors import (
        CrtoolsError,
        ImageError,
        InternalError,
        MissingFeature,
        PermissionDenied,
        RemoteSyscallError,
        RestoreConflict,
        TaskVanished,
        UnsupportedObject,
        UsageError,
    )

__all__ = [
    "CrtoolsError",
    "ImageError",
    "InternalError",
    "MissingFeature",
    "PermissionDenied",
    "RemoteSyscallError",
    "RestoreConflict",
    "TaskVanished",
    "UnsupportedObject",
    "UsageError",
    "dump",
    "pre_dump",
    "restore",
    "snapshot",
]


def __getattr__(name: str) -> object:
    """Imports on first use: a command must not pay for what it does not need."""
    if name in ("dump", "pre_dump", "restore", "snapshot"):
        from crtools import api

        return getattr(api, name)
    if name in __all__:
        from crtools import errors

        return getattr(errors, name)
    raise AttributeError(f"module 'crtools' has no attribute {name!r}")
