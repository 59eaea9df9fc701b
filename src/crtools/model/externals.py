"""What lies outside the tree and stays there: --external and --inherit-fd, as criu(8) has them.

`--external TYPE[ID]:VALUE` tells a dump what not to carry, or a restore what to take instead.
`--inherit-fd fd[N]:KEY` has a restore use its own descriptor N for what has the name KEY: a path
without its first slash, `pipe[INODE]`, `socket[INODE]`, `tty[RDEV:DEV]`, `file[MNT_ID:INODE]`,
`memfd:NAME`, or a name that --external gave. Source of the details:
https://criu.org/Inheriting_FDs_on_restore
"""

from __future__ import annotations

import os

from crtools.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

# What criu(8) has; and pipe[INODE], ours, for one whose other end is outside the tree.
TYPES = ("mnt", "dev", "file", "tty", "unix", "net", "pid", "veth", "macvlan", "pipe")
# Types that are served, by verb; whoever serves one more puts it here.
SERVED = {"dump": ("dev", "file", "pipe", "tty", "unix"), "restore": ("dev",)}


def parse_external(text: str) -> tuple[str, str, str]:
    """Type, id and value of one --external. `pipe:[40213]` is `pipe[40213]`, as for --inherit-fd.
    Raises UsageError."""
    kind, bracket, rest = text.partition("[")
    id, end, value = rest.partition("]")
    kind = kind.removesuffix(":")
    if not bracket or not end or kind not in TYPES or (value and value[0] != ":"):
        raise UsageError(
            f"Invalid argument for --external: {text}",
            hint=f"TYPE[ID]:VALUE, TYPE being one of {', '.join(TYPES)}",
        )
    return kind, id, value[1:]


class Externals:
    """All --external of a dump or restore."""

    __slots__ = ("_values",)

    def __init__(self, texts: Sequence[str]) -> None:
        self._values: dict[str, dict[str, str]] = {}
        for text in texts:
            kind, id, value = parse_external(text)
            self._values.setdefault(kind, {})[id] = value

    def has(self, kind: str) -> bool:
        return kind in self._values

    def find(self, kind: str, id: str) -> str | None:
        """The value given for an id ("" if none was), or for all of the type with `TYPE[]`; None if
        it was not named."""
        values = self._values.get(kind)
        return None if values is None else values.get(id, values.get(""))


class Inherited:
    """All --inherit-fd of a restore."""

    __slots__ = ("_fds", "_used")

    def __init__(self, pairs: Sequence[tuple[int, str]]) -> None:
        self._fds: dict[str, int] = {}
        self._used: set[str] = set()
        for fd, key in pairs:
            # /proc shows `pipe:[40213]`, and both spellings are in use.
            for kind in ("pipe", "socket"):
                if key.startswith(f"{kind}:["):
                    key = kind + key[len(kind) + 1 :]
            self._fds[key.removeprefix("/")] = fd

    def find(self, key: str) -> int:
        """Our descriptor for what is called so, -1 if there is none."""
        fd = self._fds.get(key, -1)
        if fd >= 0:
            self._used.add(key)
        return fd

    def check(self) -> None:
        """Whether we have them. Raises UsageError."""
        for key, fd in self._fds.items():
            try:
                os.fstat(fd)
            except OSError as error:
                raise UsageError(
                    f"Descriptor {fd} of --inherit-fd fd[{fd}]:{key} cannot be used",
                    because=error.strerror or str(error),
                    hint=f"open it before crtools is started, in a shell with {fd}<>FILE",
                ) from None

    def unused(self) -> list[str]:
        """What was given and named nothing so far."""
        return [f"fd[{fd}]:{key}" for key, fd in self._fds.items() if key not in self._used]
