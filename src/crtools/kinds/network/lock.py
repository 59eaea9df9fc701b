"""Connections of a tree locked: nothing reaches them or leaves them, and the peer sees a pause.

While a tree is being dumped, or made again, the lock belongs to the tool, and goes if the tool is
killed: the program runs on as it was, or is not there. Between a dump that ends the tree and the
restore, it belongs to nobody: the kernel would answer the peer's next packet with a reset, because
it knows of no such connection. Both are tables of nftables, or rules of iptables
(crtools.kinds.network.iptables). Those that last look like CRIU's, so that either tool unlocks what
the other has locked.
"""

from __future__ import annotations

import errno
import os

from crtools.abi.kernel import address_of
from crtools.abi.x86_64 import SYS_sendto
from crtools.errors import CrtoolsError, ImageError, MissingFeature, PermissionDenied
from crtools.kinds.network import nftables

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from crtools.kinds.network.nftables import Connection

# As inventory.img has them. Those of the RPC (enum criu_network_lock_method) are one more each.
IPTABLES, NFTABLES, SKIP = 0, 1, 2
METHODS = {"": NFTABLES, "iptables": IPTABLES, "nftables": NFTABLES, "skip": SKIP}
_LONGEST = 64  # characters of a run id
WHAT = "Cannot lock the network of the TCP connections"


class Lock:
    """The lock of one dump or restore: this one locks nothing (--network-lock skip)."""

    def hold(self, connections: Sequence[Connection]) -> None:
        """Locks them until `release` or the end of the tool. Raises PermissionDenied,
        MissingFeature."""

    def prepare(self, connections: Sequence[Connection]) -> tuple[int, ...]:
        """The system call, number and arguments, that makes the lock outlive the tool, after
        `hold`; () if there is nothing to do. Raises like `hold`."""
        return ()

    def check(self) -> None:
        """Whether that call has done it. Raises like `hold`."""

    def release(self) -> None:
        """Ends what `hold` has begun."""


class TableLock(Lock):
    """By nftables. `name` is that of the images (`name_of`)."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._fd = -1
        self._batch = b""

    def hold(self, connections: Sequence[Connection]) -> None:
        if not connections:
            return
        try:
            self._fd = nftables.connect()
            nftables.add_table(self._fd, f"crtools-{self._name}-held", connections, owned=True)
        except OSError as error:
            self.release()
            raise _explain(error) from error

    def prepare(self, connections: Sequence[Connection]) -> tuple[int, ...]:
        # `hold` has shown that the kernel does such things.
        if self._fd < 0:
            return ()
        self._batch = nftables.build_table(_table(self._name), connections, owned=False)
        try:
            nftables.make_room(self._fd, self._batch)
        except OSError as error:
            raise _explain(error) from error
        return SYS_sendto, self._fd, address_of(self._batch), len(self._batch)

    def check(self) -> None:
        if self._fd >= 0:
            try:
                nftables.read_answer(self._fd)
            except OSError as error:
                raise _explain(error) from error

    def release(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def make_lock(method: int, name: str) -> Lock:
    """`name` is that of the images (`name_of`)."""
    if method == SKIP:
        return Lock()
    if method == IPTABLES:
        from crtools.kinds.network.iptables import RulesLock

        return RulesLock()
    return TableLock(name)


def check_method(number: int | None) -> int:
    """How a dump has locked the connections that it carried, by what inventory.img says. Raises
    ImageError."""
    method = number or IPTABLES  # CRIU before 3.16 knew no other
    if method > SKIP:
        raise ImageError(f"The images are locked by an unknown method, {method}")
    return method


def choose_method(asked: str, dumped: int) -> int:
    """How a restore locks connections, where `dumped` is how the dump has done it."""
    if asked or dumped != IPTABLES:
        return METHODS[asked] if asked else dumped
    from crtools.kinds.network.iptables import has_programs

    return IPTABLES if has_programs() else NFTABLES


def name_of(run_id: str, root: int) -> str:
    """What the lock of a dump is called after: the dump's run id, or the tree's root (CRIU before
    4.1). Raises ImageError."""
    if len(run_id) > _LONGEST or not (run_id or "0").replace("-", "").isalnum():
        raise ImageError(f"The images' run id, {run_id[:_LONGEST]!r}, is impossible")
    return run_id or str(root)


def describe(method: int, name: str) -> str:
    """Which lock it is that a dump has left behind, and how to be rid of it."""
    if method == IPTABLES:
        return "rules of iptables with the mark 0xc114 (iptables -S shows them, -D takes one away)"
    return f"a table of nftables (nft delete table inet {_table(name)})"


def unlock(method: int, name: str, connections: Sequence[Connection]) -> None:
    """Ends the lasting lock of a dump, if there is one. Raises PermissionDenied, MissingFeature."""
    try:
        if method == NFTABLES:
            _delete_table(name)
        elif method == IPTABLES:
            from crtools.kinds.network import iptables

            # Rules that nobody can have made here need not be looked for.
            if iptables.has_programs():
                iptables.unlock(connections)
    except (PermissionDenied, MissingFeature) as error:
        raise type(error)(
            "Cannot unlock the network of the TCP connections",
            because=error.because,
            hint=f"the dump has left {describe(method, name)}",
        ) from error


def _delete_table(name: str) -> None:
    try:
        fd = nftables.connect()
        try:
            nftables.delete_table(fd, _table(name))
        finally:
            os.close(fd)
    except OSError as error:
        raise _explain(error) from error


def _table(name: str) -> str:
    return f"CRIU-{name}"


def _explain(error: OSError) -> CrtoolsError:
    because = f"nftables: {error.strerror}"
    hint = "--network-lock skip, if nothing can reach them meanwhile"
    if error.errno == errno.EPERM:
        return PermissionDenied(
            WHAT, because=f"{because}: that needs CAP_NET_ADMIN", hint=f"run as root; {hint}"
        )
    return MissingFeature(
        WHAT,
        because=f"{because} (that needs a kernel with CONFIG_NF_TABLES_INET, Linux 5.12)",
        hint=f"--network-lock iptables, or {hint}",
    )
