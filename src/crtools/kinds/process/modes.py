"""How a task runs on its CPU: what of it is refused by name.

Shadow stacks and linear address masking are lines of /proc/PID/status (arch/x86/kernel/cpu/proc.c).
The bitmap of permitted I/O ports, ioperm(2), is a regset. That iopl(2) permits all ports is told by
nothing, so it is the one thing here that is lost; it takes CAP_SYS_RAWIO, and kernels can be built
without it.
"""

from __future__ import annotations

from errno import ENOSYS

from crtools.abi.kernel import address_of, raw
from crtools.abi.x86_64 import SYS_ioperm
from crtools.errors import UnsupportedObject
from crtools.tracee import ptrace
from crtools.tracee import x86_64 as arch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from crtools.procfs.status import Status
    from crtools.tracee.seize import Tracee

NO_MASK = (1 << 64) - 1
_ports: list[bool] = []


def check_modes(tracees: Sequence[Tracee], status: Status, name: str) -> None:
    """Raises UnsupportedObject for what a stopped process does with its CPU and is not carried."""
    if b"shstk" in status.thread_features:
        raise UnsupportedObject(
            f"Cannot dump {name}: it has a shadow stack",
            because="crtools does not carry shadow stacks",
            hint="start the program with GLIBC_TUNABLES=glibc.cpu.x86_shstk=off",
            subject=("task", status.pid),
        )
    if status.untag_mask not in (None, NO_MASK):
        raise UnsupportedObject(
            f"Cannot dump {name}: its addresses carry tags (linear address masking)",
            because="crtools does not carry ARCH_ENABLE_TAGGED_ADDR",
            subject=("task", status.pid),
        )
    ports = _knows_ports()
    for tracee in tracees:
        if tracee.home[arch.CS] != arch.CS_64:
            raise UnsupportedObject(
                f"Cannot dump {name}: thread {tracee.tid} runs 32-bit code",
                because="crtools carries 64-bit tasks only",
                subject=("task", tracee.tid),
            )
        if tracee.home[arch.FLAGS] & arch.TRAP_FLAG:
            # If we were killed, its way home would trap at each step with all signals blocked.
            raise UnsupportedObject(
                f"Cannot dump {name}: thread {tracee.tid} single-steps itself (the trap flag)",
                hint="dump it at another moment",
                subject=("task", tracee.tid),
            )
        if ports and _has_ports(tracee.tid):
            raise UnsupportedObject(
                f"Cannot dump {name}: thread {tracee.tid} has access to I/O ports (ioperm)",
                because="crtools does not carry that",
                subject=("task", tracee.tid),
            )


def _knows_ports() -> bool:
    """Whether this kernel has ioperm(2) at all: only then is each thread asked."""
    if not _ports:
        # No port at all is EINVAL, to everybody (arch/x86/kernel/ioport.c).
        _ports.append(raw(SYS_ioperm, 0, 0, 0) != -ENOSYS)
    return _ports[0]


def _has_ports(tid: int) -> bool:
    word = bytearray(8)
    vector = ptrace.vector_of(word)
    where = address_of(vector)
    return raw(ptrace.SYS_ptrace, ptrace.PTRACE_GETREGSET, tid, ptrace.NT_386_IOPERM, where) >= 0
