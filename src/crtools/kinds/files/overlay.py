"""Files of overlay file systems (Documentation/filesystems/overlayfs.rst) that were deleted.

Their link count does not tell whether a name is left. It is that of the inode below: a file of a
lower layer keeps its name there when a whiteout hides it. Where the layers can be seen, it is
looked up in them; where not, only linkat(2) knows, which --link-remap has to allow.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.procfs.mountinfo import Mount


def is_overlay(mount: Mount) -> bool:
    return mount.fstype == b"overlay"


def is_of_lower_layer(mount: Mount, name: bytes, stat: os.stat_result) -> bool:
    """Whether the deleted file that was called `name` is a lower layer's: then nothing else in
    the overlay is the same file.

    One that was copied up is another inode, with times of its own, although it keeps its number.
    """
    inner = mount.root.rstrip(b"/") + name[len(mount.mountpoint.rstrip(b"/")) :]
    for layer in lower_layers(mount.super_options):
        try:
            there = os.stat(layer + inner, follow_symlinks=False)
        except OSError:
            continue
        if _facts(there) == _facts(stat):
            return True
    return False


def lower_layers(options: bytes) -> list[bytes]:
    """The directories that the options of an overlay name as its lower layers."""
    found = []
    for option in _split(options, b","):
        key, _, value = option.partition(b"=")
        if key == b"lowerdir":
            found += [layer for layer in _split(value, b":") if layer]
        elif key == b"lowerdir+":
            found.append(_plain(value))
    return [_plain(layer) for layer in found]


def _facts(stat: os.stat_result) -> tuple[int, ...]:
    return (stat.st_ino, stat.st_mode, stat.st_size, stat.st_ctime_ns, stat.st_mtime_ns)


def _split(text: bytes, mark: bytes) -> list[bytes]:
    """At each mark that no backslash stands before."""
    parts: list[bytes] = []
    escaped = False
    for part in text.split(mark):
        if escaped:
            parts[-1] += mark + part
        else:
            parts.append(part)
        escaped = (len(part) - len(part.rstrip(b"\\"))) % 2 == 1
    return parts


def _plain(text: bytes) -> bytes:
    """Without backslashes that stand before colons and commas."""
    return text.replace(b"\\:", b":").replace(b"\\,", b",")
