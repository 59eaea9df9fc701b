"""Waits that answer EINTR to any stop, with a time limit in the task's memory: what is left.

rt_sigtimedwait, semtimedop, io_getevents, io_pgetevents and epoll_pwait2 take a relative time that
the kernel does not change. Begun anew with the whole time, a wait that is dumped often would never
end. The program's own struct timespec is not ours to change, so the time that is left is written
below the task's stack, where a signal handler's frame would begin: a handler ends the wait anyhow.
There it stays for the next dump, which shortens it again.
"""

from __future__ import annotations

import struct

from crtools.abi import kernel
from crtools.tracee import x86_64 as arch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.tracee.seize import Tracee

SYS_process_vm_readv, SYS_process_vm_writev = 310, 311
# Which register points to the limit.
LIMITS = {128: arch.RDX, 220: arch.R10, 208: arch.R8, 333: arch.R8, 441: arch.R10}
RED_ZONE = 128  # below the stack pointer: used without being reserved (System V ABI for x86-64)
_TIME = struct.Struct("<qq")
_NSEC = 1_000_000_000


def shorten(tracee: Tracee) -> None:
    """Changes `home`, so that the call is begun anew with the time that is left after `slept`.

    Nothing is changed where that memory cannot be used: the wait has its whole time again.
    """
    home = tracee.home
    index = LIMITS[home[arch.ORIG_RAX]]
    if not home[index] or not tracee.slept:
        return
    time = bytearray(_TIME.size)
    if not _move(SYS_process_vm_readv, tracee.pid, time, home[index]):
        return
    seconds, nsec = _TIME.unpack(time)
    left = max(seconds * _NSEC + nsec - tracee.slept, 0)
    place = (home[arch.RSP] - RED_ZONE - _TIME.size) & ~15
    # As the task itself: what is protected, or is no stack any more, stays as it is.
    if _move(SYS_process_vm_writev, tracee.pid, bytearray(_TIME.pack(*divmod(left, _NSEC))), place):
        home[index] = place


def _move(call: int, pid: int, content: bytearray, there: int) -> bool:
    ours = struct.pack("<QQ", kernel.address_of(content), len(content))
    theirs = struct.pack("<QQ", there, len(content))
    arguments = kernel.address_of(ours), 1, kernel.address_of(theirs), 1, 0
    return kernel.raw(call, pid, *arguments) == len(content)
