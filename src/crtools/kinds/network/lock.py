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

    def prepare(self, connections: Sequence[Connection]) -> tuple[int, bytes]:
        """The socket, and the datagram that locks them until somebody calls `unlock`: to be sent
        after `hold`, which has shown that the kernel does such things. b"" where nothing is locked.
        Raises like `hold`."""
        if self._fd < 0:
            return -1, b""
        batch = nftables.build_table(self._name, connections, owned=False)
        try:
            nftables.make_room(self._fd, batch)
        except OSError as error:
            raise _explain(error) from error
        return self._fd, batch

    def check(self) -> None:
        """Whether the datagram was taken. Raises like `hold`."""
        if self._fd >= 0:
            try:
                nftables.read_answer(self._fd)
            except OSError as error:
                raise _explain(error) from error

    def unlock(self) -> None:
        """Ends what `hold` has begun, and the lasting lock of the dump."""
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
