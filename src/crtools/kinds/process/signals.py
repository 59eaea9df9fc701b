"""Signals: actions, blocked masks, what is pending, alternate stacks, stop state.

rt_sigaction(2), sigaltstack(2), rt_sigqueueinfo(2), ptrace(2) PTRACE_PEEKSIGINFO. The images hold
62 actions: signals 1 to 64 without SIGKILL and SIGSTOP.
"""

from __future__ import annotations

import struct

from crtools.agent.program import OR_ERRNO, errnos
from crtools.errors import ImageError
from crtools.images.messages.core import ThreadSasEntry
from crtools.images.messages.sa import SaEntry
from crtools.images.messages.siginfo import SiginfoEntry, SignalQueueEntry
from crtools.tracee import ptrace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from crtools.agent.program import Program, Ref
    from crtools.agent.slot import Executed

SYS_rt_sigaction, SYS_rt_sigtimedwait, SYS_rt_sigqueueinfo = 13, 128, 129
SYS_sigaltstack, SYS_rt_tgsigqueueinfo = 131, 297
EAGAIN = 11

SIGNALS = tuple(number for number in range(1, 65) if number not in (9, 19))
SIGCHLD = 17
# struct sigaction as the kernel takes it (asm/signal.h): handler, flags, restorer, mask.
_ACTION = struct.Struct("<4Q")
_STACK = struct.Struct("<QixxxxQ")
_SA_FLAGS = 0xFFFFFFFF
SS_ONSTACK, SS_DISABLE, SS_AUTODISARM = 1, 2, 1 << 31


class _Known(SaEntry):
    """An action that many have, most of all the default one: encoded once."""

    __slots__ = ("_wire",)

    def encode(self) -> bytes:
        try:
            return self._wire
        except AttributeError:
            self._wire: bytes = super().encode()
            return self._wire


class ActionsDump:
    """The signal actions of the processes of a tree, asked by one program."""

    def __init__(self, program: Program) -> None:
        self._known: dict[tuple[int, ...], SaEntry] = {}
        # Into one array, in the images' order.
        self._room = program.reserve(_ACTION.size * len(SIGNALS))
        rows = [
            (number, 0, (self._room[0], self._room[1] + index * _ACTION.size), 8)
            for index, number in enumerate(SIGNALS)
        ]
        program.repeat(SYS_rt_sigaction, rows, "ask for its signal actions")

    def answers(self, executed: Executed) -> list[SaEntry]:
        """62 actions, shared by all who have the same."""
        known = self._known
        actions = []
        for values in _ACTION.iter_unpack(executed.bytes(self._room, _ACTION.size * len(SIGNALS))):
            if values not in known:
                known[values] = _action(*values)
            actions.append(known[values])
        return actions


def default_actions() -> list[SaEntry]:
    """Those of a new process."""
    return [_action(0, 0, 0, 0)] * len(SIGNALS)


def _action(handler: int, flags: int, restorer: int, mask: int) -> SaEntry:
    return _Known(
        sigaction=handler, flags=flags, restorer=restorer, mask=mask, compat_sigaction=False
    )


def build_actions(program: Program, entries: Sequence[SaEntry]) -> None:
    """The default action is what a new process has; nothing is called for it."""
    if len(entries) not in (0, len(SIGNALS)):
        raise ImageError(f"A core image has {len(entries)} signal actions instead of 62")
    for number, entry in zip(SIGNALS, entries, strict=False):
        if not (entry.sigaction or entry.flags or entry.mask):
            continue
        if entry.compat_sigaction:
            raise ImageError(f"The action of signal {number} is that of a 32-bit task")
        action = program.put(
            _ACTION.pack(entry.sigaction, entry.flags & _SA_FLAGS, entry.restorer, entry.mask)
        )
        program.call(
            SYS_rt_sigaction, number, action, 0, 8, label=f"set the action of signal {number}"
        )


def ask_stack(program: Program) -> Ref:
    room = program.reserve(_STACK.size)
    program.call(SYS_sigaltstack, 0, room, label="ask for its alternate signal stack")
    return room


def stack(executed: Executed, room: Ref, sp: int) -> ThreadSasEntry:
    """The alternate stack. The agent's own stack pointer is elsewhere, so the kernel does not say
    SS_ONSTACK of it: a task that runs on it is recognised by its own stack pointer."""
    address, flags, size = _STACK.unpack(executed.bytes(room, _STACK.size))
    return ThreadSasEntry(ss_sp=address, ss_size=size, ss_flags=flags & 0xFFFFFFFF)


def build_stack(program: Program, entry: ThreadSasEntry | None) -> None:
    if entry is None or not entry.ss_size:
        return
    flags = entry.ss_flags & ~SS_ONSTACK
    stack_t = program.put(
        _STACK.pack(entry.ss_sp, flags - (1 << 32) * (flags >> 31), entry.ss_size)
    )
    program.call(SYS_sigaltstack, stack_t, 0, label="set its alternate signal stack")


def pending(tid: int, *, shared: bool) -> SignalQueueEntry:
    """The queued signals of a stopped task, oldest first."""
    return SignalQueueEntry(
        signals=[SiginfoEntry(siginfo=info) for info in ptrace.pending_signals(tid, shared=shared)]
    )


def build_forget_children(program: Program, others: Sequence[int]) -> None:
    """Takes away the SIGCHLD that the making of zombies and stopped children left pending, and the
    `others`: the exit signals of those zombies that have another, one for each.

    All signals are blocked in a skeleton, so what is pending can be waited for.
    """
    now = program.put(bytes(16))
    for number in (SIGCHLD, *others):
        mask = program.put(struct.pack("<Q", 1 << (number - 1)))
        program.call(SYS_rt_sigtimedwait, mask, 0, now, 8, expect=OR_ERRNO, expected=errnos(EAGAIN))


def has_child_signal(queue: SignalQueueEntry | None) -> bool:
    """Whether a SIGCHLD is pending: then another one is not queued, signal(7)."""
    return (
        any(s.siginfo[:4] == SIGCHLD.to_bytes(4, "little") for s in queue.signals)
        if queue
        else False
    )


def build_pending(
    room: Callable[[int], Program],
    queue: SignalQueueEntry | None,
    pid: int,
    tid: int,
    *,
    shared: bool,
    by_timer: Callable[[Program, bytes], bool] | None = None,
) -> None:
    """Queues signals to the task itself, by itself: only so any si_code is allowed
    (kernel/signal.c, do_rt_sigqueueinfo). `room` gives a program with so many bytes left.
    `by_timer` may queue a signal in another way, and says whether it did."""
    for signal in queue.signals if queue else ():
        if len(signal.siginfo) != 128:
            raise ImageError(f"A pending signal of task {tid} is not 128 bytes long")
        number = struct.unpack_from("<i", signal.siginfo)[0]
        if not 0 < number <= 64:
            raise ImageError(f"A pending signal of task {tid} has the number {number}")
        program = room(400)
        if by_timer is not None and by_timer(program, signal.siginfo):
            continue
        info = program.put(signal.siginfo)
        label = f"queue signal {number}"
        if shared:
            program.call(SYS_rt_sigqueueinfo, pid, number, info, label=label)
        else:
            program.call(SYS_rt_tgsigqueueinfo, pid, tid, number, info, label=label)
