"""Connections of a tree locked: nothing reaches them or leaves them, and the peer sees a pause.

While a tree is being dumped, or made again, the lock belongs to the tool, and goes if the tool is
killed: the program runs on as it was, or is not there. Between a dump that ends the tree and the
restore, it belongs to nobody: the kernel would answer the peer's next packet with a reset, because
it knows of no such connection. Both are tables of nftables; the second is called after the dump's
run id, which inventory.img has, so the restore finds it.
"""

from __future__ import annotations

import errno
import os

from crtools.errors import CrtoolsError, MissingFeature, PermissionDenied
from crtools.kinds.network import nftables

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from crtools.kinds.network.nftables import Connection

# As inventory.img has them (enum criu_network_lock_method of the RPC).
IPTABLES, NFTABLES, SKIP = 1, 2, 3
METHODS = {"": NFTABLES, "nftables": NFTABLES, "skip": SKIP}


class Lock:
    """The lock of one dump or restore; `run_id` is the dump's."""

    def __init__(self, method: int, run_id: str) -> None:
        self.method = method
        self._name = f"crtools-{run_id}"
        self._fd = -1

    def hold(self, connections: Sequence[Connection]) -> None:
        """Locks them until `release` or the end of the tool. Raises PermissionDenied,
        MissingFeature."""
        if self.method == SKIP or not connections:
            return
        try:
            self._fd = nftables.connect()
            nftables.add_table(self._fd, f"{self._name}-held", connections, owned=True)
        except OSError as error:
            self.release()
            raise _explain(error) from error

    def keep(self, connections: Sequence[Connection]) -> None:
        """Locks them until somebody calls `unlock`. Raises like `hold`."""
        if self.method == SKIP or not connections:
            return
        try:
            nftables.add_table(self._fd, self._name, connections, owned=False)
        except OSError as error:
            raise _explain(error) from error

    def unlock(self) -> None:
        """Ends what `hold` and `keep` have begun, this one's and that of the dump."""
        if self.method != SKIP:
            try:
                if self._fd < 0:
                    self._fd = nftables.connect()
                nftables.delete_table(self._fd, self._name)
            except OSError as error:
                raise _explain(error) from error
        self.release()

    def release(self) -> None:
        """Ends what `hold` has begun."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _explain(error: OSError) -> CrtoolsError:
    what = "Cannot lock the network of the TCP connections"
    because = f"nftables: {error.strerror}"
    hint = "--network-lock skip, if nothing can reach them meanwhile"
    if error.errno == errno.EPERM:
        return PermissionDenied(
            what, because=f"{because}: that needs CAP_NET_ADMIN", hint=f"run as root; {hint}"
        )
    return MissingFeature(
        what,
        because=f"{because} (that needs a kernel with CONFIG_NF_TABLES_INET, Linux 5.12)",
        hint=hint,
    )
