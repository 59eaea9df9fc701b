"""Generated from proto/crtools.proto by tools/generate_messages.py: do not edit."""

from __future__ import annotations

from crtools.images.wire import (
    Message,
    bad_value,
    field,
    find_damage,
    finish,
    read_bool,
    read_run,
    read_sint32,
    read_varint32,
    read_varint64,
    require,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Self

    from crtools.images.messages.crtools_parts import AnonNameEntry, AreaKeyEntry, CrtoolsSemUndoEntry, MemoryPolicyEntry, RestartEntry, SchedEntry, TimerEntry, UserfaultfdEntry
    from crtools.images.messages.fs import FsEntry

_bool_9 = field(9, "bool")
_bool_25 = field(25, "bool")
_bool_26 = field(26, "bool")
_bool_28 = field(28, "bool")
_bool_39 = field(39, "bool")
_bool_90 = field(90, "bool")
_length_1 = field(1, "length")
_length_3 = field(3, "length")
_length_5 = field(5, "length")
_length_8 = field(8, "length")
_length_35 = field(35, "length")
_length_37 = field(37, "length")
_length_38 = field(38, "length")
_length_45 = field(45, "length")
_length_60 = field(60, "length")
_length_62 = field(62, "length")
_length_72 = field(72, "length")
_length_80 = field(80, "length")
_length_91 = field(91, "length")
_sint32_36 = field(36, "sint32")
_uint32_6 = field(6, "uint32")
_uint32_7 = field(7, "uint32")
_uint32_11 = field(11, "uint32")
_uint32_12 = field(12, "uint32")
_uint32_27 = field(27, "uint32")
_uint32_29 = field(29, "uint32")
_uint32_30 = field(30, "uint32")
_uint32_31 = field(31, "uint32")
_uint32_32 = field(32, "uint32")
_uint32_40 = field(40, "uint32")
_uint32_55 = field(55, "uint32")
_uint32_56 = field(56, "uint32")
_uint32_61 = field(61, "uint32")
_uint64_2 = field(2, "uint64")
_uint64_4 = field(4, "uint64")
_uint64_10 = field(10, "uint64")
_uint64_70 = field(70, "uint64")
_uint64_71 = field(71, "uint64")


class CrtoolsTaskEntry(Message):
    """crtools-task-%u.img, by process: an entry for each thread of which there is something to
    say; what belongs to the process stands with its first thread."""

    __slots__ = (
        "xstate",
        "xcr0",
        "restart",
        "timer_slack",
        "cpu_affinity",
        "io_priority",
        "coredump_filter",
        "anon_names",
        "stop_unread",
        "lock_on_fault",
        "lock_future",
        "tid",
        "tsc_forbidden",
        "cpuid_forbidden",
        "mce_kill",
        "io_flusher",
        "mdwe",
        "store_bypass",
        "indirect_branch",
        "l1d_flush",
        "sched",
        "autogroup_nice",
        "memory_policy",
        "area_policies",
        "memory_merge",
        "thp_disable",
        "timers",
        "exit_signal",
        "leader_exit",
        "ldt",
        "keys",
        "area_keys",
        "sealed",
        "unwritable",
        "userfaultfds",
        "sem_undo",
        "no_terminal",
        "own_fs",
    )

    NAME = "crtools_task_entry"
    FIELDS = (
        (1, "xstate", "optional", "bytes", None, None, None),
        (2, "xcr0", "optional", "uint64", None, None, "hex"),
        (3, "restart", "repeated", "message", "crtools_parts:RestartEntry", None, None),
        (4, "timer_slack", "optional", "uint64", None, None, None),
        (5, "cpu_affinity", "optional", "bytes", None, None, None),
        (6, "io_priority", "optional", "uint32", None, None, None),
        (7, "coredump_filter", "optional", "uint32", None, None, None),
        (8, "anon_names", "repeated", "message", "crtools_parts:AnonNameEntry", None, None),
        (9, "stop_unread", "optional", "bool", None, None, None),
        (10, "lock_on_fault", "repeated", "uint64", None, None, "hex"),
        (11, "lock_future", "optional", "uint32", None, None, None),
        (12, "tid", "required", "uint32", None, None, None),
        (25, "tsc_forbidden", "optional", "bool", None, None, None),
        (26, "cpuid_forbidden", "optional", "bool", None, None, None),
        (27, "mce_kill", "optional", "uint32", None, None, None),
        (28, "io_flusher", "optional", "bool", None, None, None),
        (29, "mdwe", "optional", "uint32", None, None, None),
        (30, "store_bypass", "optional", "uint32", None, None, None),
        (31, "indirect_branch", "optional", "uint32", None, None, None),
        (32, "l1d_flush", "optional", "uint32", None, None, None),
        (35, "sched", "optional", "message", "crtools_parts:SchedEntry", None, None),
        (36, "autogroup_nice", "optional", "sint32", None, None, None),
        (37, "memory_policy", "optional", "message", "crtools_parts:MemoryPolicyEntry", None, None),
        (38, "area_policies", "repeated", "message", "crtools_parts:MemoryPolicyEntry", None, None),
        (39, "memory_merge", "optional", "bool", None, None, None),
        (40, "thp_disable", "optional", "uint32", None, None, None),
        (45, "timers", "repeated", "message", "crtools_parts:TimerEntry", None, None),
        (55, "exit_signal", "optional", "uint32", None, None, None),
        (56, "leader_exit", "optional", "uint32", None, None, None),
        (60, "ldt", "optional", "bytes", None, None, None),
        (61, "keys", "optional", "uint32", None, None, "hex"),
        (62, "area_keys", "repeated", "message", "crtools_parts:AreaKeyEntry", None, None),
        (70, "sealed", "repeated", "uint64", None, None, "hex"),
        (71, "unwritable", "repeated", "uint64", None, None, "hex"),
        (72, "userfaultfds", "repeated", "message", "crtools_parts:UserfaultfdEntry", None, None),
        (80, "sem_undo", "repeated", "message", "crtools_parts:CrtoolsSemUndoEntry", None, None),
        (90, "no_terminal", "optional", "bool", None, None, None),
        (91, "own_fs", "optional", "message", "fs:FsEntry", None, None),
    )

    def __init__(
        self,
        *,
        xstate: bytes | None = None,
        xcr0: int | None = None,
        restart: Sequence[RestartEntry] = (),
        timer_slack: int | None = None,
        cpu_affinity: bytes | None = None,
        io_priority: int | None = None,
        coredump_filter: int | None = None,
        anon_names: Sequence[AnonNameEntry] = (),
        stop_unread: bool | None = None,
        lock_on_fault: Sequence[int] = (),
        lock_future: int | None = None,
        tid: int,
        tsc_forbidden: bool | None = None,
        cpuid_forbidden: bool | None = None,
        mce_kill: int | None = None,
        io_flusher: bool | None = None,
        mdwe: int | None = None,
        store_bypass: int | None = None,
        indirect_branch: int | None = None,
        l1d_flush: int | None = None,
        sched: SchedEntry | None = None,
        autogroup_nice: int | None = None,
        memory_policy: MemoryPolicyEntry | None = None,
        area_policies: Sequence[MemoryPolicyEntry] = (),
        memory_merge: bool | None = None,
        thp_disable: int | None = None,
        timers: Sequence[TimerEntry] = (),
        exit_signal: int | None = None,
        leader_exit: int | None = None,
        ldt: bytes | None = None,
        keys: int | None = None,
        area_keys: Sequence[AreaKeyEntry] = (),
        sealed: Sequence[int] = (),
        unwritable: Sequence[int] = (),
        userfaultfds: Sequence[UserfaultfdEntry] = (),
        sem_undo: Sequence[CrtoolsSemUndoEntry] = (),
        no_terminal: bool | None = None,
        own_fs: FsEntry | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.xstate = xstate
        self.xcr0 = xcr0
        self.restart = restart
        self.timer_slack = timer_slack
        self.cpu_affinity = cpu_affinity
        self.io_priority = io_priority
        self.coredump_filter = coredump_filter
        self.anon_names = anon_names
        self.stop_unread = stop_unread
        self.lock_on_fault = lock_on_fault
        self.lock_future = lock_future
        self.tid = tid
        self.tsc_forbidden = tsc_forbidden
        self.cpuid_forbidden = cpuid_forbidden
        self.mce_kill = mce_kill
        self.io_flusher = io_flusher
        self.mdwe = mdwe
        self.store_bypass = store_bypass
        self.indirect_branch = indirect_branch
        self.l1d_flush = l1d_flush
        self.sched = sched
        self.autogroup_nice = autogroup_nice
        self.memory_policy = memory_policy
        self.area_policies = area_policies
        self.memory_merge = memory_merge
        self.thp_disable = thp_disable
        self.timers = timers
        self.exit_signal = exit_signal
        self.leader_exit = leader_exit
        self.ldt = ldt
        self.keys = keys
        self.area_keys = area_keys
        self.sealed = sealed
        self.unwritable = unwritable
        self.userfaultfds = userfaultfds
        self.sem_undo = sem_undo
        self.no_terminal = no_terminal
        self.own_fs = own_fs
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    b"" if self.xstate is None else _length_1[len(b := self.xstate)] + b,
                    b"" if self.xcr0 is None else _uint64_2[self.xcr0],
                    *[_length_3[len(b)] + b for b in [m.encode() for m in self.restart]],
                    b"" if self.timer_slack is None else _uint64_4[self.timer_slack],
                    b"" if self.cpu_affinity is None else _length_5[len(b := self.cpu_affinity)] + b,
                    b"" if self.io_priority is None else _uint32_6[self.io_priority],
                    b"" if self.coredump_filter is None else _uint32_7[self.coredump_filter],
                    *[_length_8[len(b)] + b for b in [m.encode() for m in self.anon_names]],
                    b"" if self.stop_unread is None else _bool_9[self.stop_unread],
                    *map(_uint64_10.__getitem__, self.lock_on_fault),
                    b"" if self.lock_future is None else _uint32_11[self.lock_future],
                    _uint32_12[self.tid],
                    b"" if self.tsc_forbidden is None else _bool_25[self.tsc_forbidden],
                    b"" if self.cpuid_forbidden is None else _bool_26[self.cpuid_forbidden],
                    b"" if self.mce_kill is None else _uint32_27[self.mce_kill],
                    b"" if self.io_flusher is None else _bool_28[self.io_flusher],
                    b"" if self.mdwe is None else _uint32_29[self.mdwe],
                    b"" if self.store_bypass is None else _uint32_30[self.store_bypass],
                    b"" if self.indirect_branch is None else _uint32_31[self.indirect_branch],
                    b"" if self.l1d_flush is None else _uint32_32[self.l1d_flush],
                    b"" if self.sched is None else _length_35[len(b := self.sched.encode())] + b,
                    b"" if self.autogroup_nice is None else _sint32_36[self.autogroup_nice],
                    b""
                    if self.memory_policy is None
                    else _length_37[len(b := self.memory_policy.encode())] + b,
                    *[_length_38[len(b)] + b for b in [m.encode() for m in self.area_policies]],
                    b"" if self.memory_merge is None else _bool_39[self.memory_merge],
                    b"" if self.thp_disable is None else _uint32_40[self.thp_disable],
                    *[_length_45[len(b)] + b for b in [m.encode() for m in self.timers]],
                    b"" if self.exit_signal is None else _uint32_55[self.exit_signal],
                    b"" if self.leader_exit is None else _uint32_56[self.leader_exit],
                    b"" if self.ldt is None else _length_60[len(b := self.ldt)] + b,
                    b"" if self.keys is None else _uint32_61[self.keys],
                    *[_length_62[len(b)] + b for b in [m.encode() for m in self.area_keys]],
                    *map(_uint64_70.__getitem__, self.sealed),
                    *map(_uint64_71.__getitem__, self.unwritable),
                    *[_length_72[len(b)] + b for b in [m.encode() for m in self.userfaultfds]],
                    *[_length_80[len(b)] + b for b in [m.encode() for m in self.sem_undo]],
                    b"" if self.no_terminal is None else _bool_90[self.no_terminal],
                    b"" if self.own_fs is None else _length_91[len(b := self.own_fs.encode())] + b,
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        xstate: Any = None
        xcr0: Any = None
        restart: Any = ()
        timer_slack: Any = None
        cpu_affinity: Any = None
        io_priority: Any = None
        coredump_filter: Any = None
        anon_names: Any = ()
        stop_unread: Any = None
        lock_on_fault: Any = ()
        lock_future: Any = None
        tid: Any = None
        tsc_forbidden: Any = None
        cpuid_forbidden: Any = None
        mce_kill: Any = None
        io_flusher: Any = None
        mdwe: Any = None
        store_bypass: Any = None
        indirect_branch: Any = None
        l1d_flush: Any = None
        sched: Any = None
        autogroup_nice: Any = None
        memory_policy: Any = None
        area_policies: Any = ()
        memory_merge: Any = None
        thp_disable: Any = None
        timers: Any = ()
        exit_signal: Any = None
        leader_exit: Any = None
        ldt: Any = None
        keys: Any = None
        area_keys: Any = ()
        sealed: Any = ()
        unwritable: Any = ()
        userfaultfds: Any = ()
        sem_undo: Any = ()
        no_terminal: Any = None
        own_fs: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 10:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                xstate = buf[at - span : at]
                tag = buf[at] if at < stop else 0
            if tag == 16:
                xcr0 = buf[at + 1]
                at += 2
                if xcr0 > 127:
                    xcr0, at = read_varint64(buf, at, xcr0)
                tag = buf[at] if at < stop else 0
            if tag == 26:
                from crtools.images.messages.crtools_parts import RestartEntry

                restart = []
                while tag == 26:
                    span = buf[at + 1]
                    at += 2
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    restart.append(RestartEntry.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
            if tag == 32:
                timer_slack = buf[at + 1]
                at += 2
                if timer_slack > 127:
                    timer_slack, at = read_varint64(buf, at, timer_slack)
                tag = buf[at] if at < stop else 0
            if tag == 42:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                cpu_affinity = buf[at - span : at]
                tag = buf[at] if at < stop else 0
            if tag == 48:
                io_priority = buf[at + 1]
                at += 2
                if io_priority > 127:
                    io_priority, at = read_varint32(buf, at, io_priority)
                tag = buf[at] if at < stop else 0
            if tag == 56:
                coredump_filter = buf[at + 1]
                at += 2
                if coredump_filter > 127:
                    coredump_filter, at = read_varint32(buf, at, coredump_filter)
                tag = buf[at] if at < stop else 0
            if tag == 66:
                from crtools.images.messages.crtools_parts import AnonNameEntry

                anon_names = []
                while tag == 66:
                    span = buf[at + 1]
                    at += 2
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    anon_names.append(AnonNameEntry.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
            if tag == 72:
                stop_unread = buf[at + 1]
                at += 2
                if stop_unread > 1:
                    stop_unread, at = read_bool(buf, at, stop_unread)
                else:
                    stop_unread = stop_unread == 1
                tag = buf[at] if at < stop else 0
            if tag == 80:
                lock_on_fault, at = read_run(buf, at, stop, b"\x50", "uint64")
                tag = buf[at] if at < stop else 0
            if tag == 88:
                lock_future = buf[at + 1]
                at += 2
                if lock_future > 127:
                    lock_future, at = read_varint32(buf, at, lock_future)
                tag = buf[at] if at < stop else 0
            if tag == 96:
                tid = buf[at + 1]
                at += 2
                if tid > 127:
                    tid, at = read_varint32(buf, at, tid)
                tag = buf[at] if at < stop else 0
            if tag == 200 and buf[at + 1] == 1:
                tsc_forbidden = buf[at + 2]
                at += 3
                if tsc_forbidden > 1:
                    tsc_forbidden, at = read_bool(buf, at, tsc_forbidden)
                else:
                    tsc_forbidden = tsc_forbidden == 1
                tag = buf[at] if at < stop else 0
            if tag == 208 and buf[at + 1] == 1:
                cpuid_forbidden = buf[at + 2]
                at += 3
                if cpuid_forbidden > 1:
                    cpuid_forbidden, at = read_bool(buf, at, cpuid_forbidden)
                else:
                    cpuid_forbidden = cpuid_forbidden == 1
                tag = buf[at] if at < stop else 0
            if tag == 216 and buf[at + 1] == 1:
                mce_kill = buf[at + 2]
                at += 3
                if mce_kill > 127:
                    mce_kill, at = read_varint32(buf, at, mce_kill)
                tag = buf[at] if at < stop else 0
            if tag == 224 and buf[at + 1] == 1:
                io_flusher = buf[at + 2]
                at += 3
                if io_flusher > 1:
                    io_flusher, at = read_bool(buf, at, io_flusher)
                else:
                    io_flusher = io_flusher == 1
                tag = buf[at] if at < stop else 0
            if tag == 232 and buf[at + 1] == 1:
                mdwe = buf[at + 2]
                at += 3
                if mdwe > 127:
                    mdwe, at = read_varint32(buf, at, mdwe)
                tag = buf[at] if at < stop else 0
            if tag == 240 and buf[at + 1] == 1:
                store_bypass = buf[at + 2]
                at += 3
                if store_bypass > 127:
                    store_bypass, at = read_varint32(buf, at, store_bypass)
                tag = buf[at] if at < stop else 0
            if tag == 248 and buf[at + 1] == 1:
                indirect_branch = buf[at + 2]
                at += 3
                if indirect_branch > 127:
                    indirect_branch, at = read_varint32(buf, at, indirect_branch)
                tag = buf[at] if at < stop else 0
            if tag == 128 and buf[at + 1] == 2:
                l1d_flush = buf[at + 2]
                at += 3
                if l1d_flush > 127:
                    l1d_flush, at = read_varint32(buf, at, l1d_flush)
                tag = buf[at] if at < stop else 0
            if tag == 154 and buf[at + 1] == 2:
                from crtools.images.messages.crtools_parts import SchedEntry

                span = buf[at + 2]
                at += 3
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                sched = SchedEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 160 and buf[at + 1] == 2:
                autogroup_nice = buf[at + 2]
                at += 3
                if autogroup_nice > 127:
                    autogroup_nice, at = read_sint32(buf, at, autogroup_nice)
                else:
                    autogroup_nice = autogroup_nice >> 1 ^ -(autogroup_nice & 1)
                tag = buf[at] if at < stop else 0
            if tag == 170 and buf[at + 1] == 2:
                from crtools.images.messages.crtools_parts import MemoryPolicyEntry

                span = buf[at + 2]
                at += 3
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                memory_policy = MemoryPolicyEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 178 and buf[at + 1] == 2:
                from crtools.images.messages.crtools_parts import MemoryPolicyEntry

                area_policies = []
                while tag == 178 and buf[at + 1] == 2:
                    span = buf[at + 2]
                    at += 3
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    area_policies.append(MemoryPolicyEntry.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
            if tag == 184 and buf[at + 1] == 2:
                memory_merge = buf[at + 2]
                at += 3
                if memory_merge > 1:
                    memory_merge, at = read_bool(buf, at, memory_merge)
                else:
                    memory_merge = memory_merge == 1
                tag = buf[at] if at < stop else 0
            if tag == 192 and buf[at + 1] == 2:
                thp_disable = buf[at + 2]
                at += 3
                if thp_disable > 127:
                    thp_disable, at = read_varint32(buf, at, thp_disable)
                tag = buf[at] if at < stop else 0
            if tag == 234 and buf[at + 1] == 2:
                from crtools.images.messages.crtools_parts import TimerEntry

                timers = []
                while tag == 234 and buf[at + 1] == 2:
                    span = buf[at + 2]
                    at += 3
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    timers.append(TimerEntry.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
            if tag == 184 and buf[at + 1] == 3:
                exit_signal = buf[at + 2]
                at += 3
                if exit_signal > 127:
                    exit_signal, at = read_varint32(buf, at, exit_signal)
                tag = buf[at] if at < stop else 0
            if tag == 192 and buf[at + 1] == 3:
                leader_exit = buf[at + 2]
                at += 3
                if leader_exit > 127:
                    leader_exit, at = read_varint32(buf, at, leader_exit)
                tag = buf[at] if at < stop else 0
            if tag == 226 and buf[at + 1] == 3:
                span = buf[at + 2]
                at += 3
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                ldt = buf[at - span : at]
                tag = buf[at] if at < stop else 0
            if tag == 232 and buf[at + 1] == 3:
                keys = buf[at + 2]
                at += 3
                if keys > 127:
                    keys, at = read_varint32(buf, at, keys)
                tag = buf[at] if at < stop else 0
            if tag == 242 and buf[at + 1] == 3:
                from crtools.images.messages.crtools_parts import AreaKeyEntry

                area_keys = []
                while tag == 242 and buf[at + 1] == 3:
                    span = buf[at + 2]
                    at += 3
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    area_keys.append(AreaKeyEntry.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
            if tag == 176 and buf[at + 1] == 4:
                sealed, at = read_run(buf, at, stop, b"\xb0\x04", "uint64")
                tag = buf[at] if at < stop else 0
            if tag == 184 and buf[at + 1] == 4:
                unwritable, at = read_run(buf, at, stop, b"\xb8\x04", "uint64")
                tag = buf[at] if at < stop else 0
            if tag == 194 and buf[at + 1] == 4:
                from crtools.images.messages.crtools_parts import UserfaultfdEntry

                userfaultfds = []
                while tag == 194 and buf[at + 1] == 4:
                    span = buf[at + 2]
                    at += 3
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    userfaultfds.append(UserfaultfdEntry.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
            if tag == 130 and buf[at + 1] == 5:
                from crtools.images.messages.crtools_parts import CrtoolsSemUndoEntry

                sem_undo = []
                while tag == 130 and buf[at + 1] == 5:
                    span = buf[at + 2]
                    at += 3
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    sem_undo.append(CrtoolsSemUndoEntry.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
            if tag == 208 and buf[at + 1] == 5:
                no_terminal = buf[at + 2]
                at += 3
                if no_terminal > 1:
                    no_terminal, at = read_bool(buf, at, no_terminal)
                else:
                    no_terminal = no_terminal == 1
                tag = buf[at] if at < stop else 0
            if tag == 218 and buf[at + 1] == 5:
                from crtools.images.messages.fs import FsEntry

                span = buf[at + 2]
                at += 3
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                own_fs = FsEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.xstate = xstate
        new.xcr0 = xcr0
        new.restart = restart
        new.timer_slack = timer_slack
        new.cpu_affinity = cpu_affinity
        new.io_priority = io_priority
        new.coredump_filter = coredump_filter
        new.anon_names = anon_names
        new.stop_unread = stop_unread
        new.lock_on_fault = lock_on_fault
        new.lock_future = lock_future
        new.tid = tid
        new.tsc_forbidden = tsc_forbidden
        new.cpuid_forbidden = cpuid_forbidden
        new.mce_kill = mce_kill
        new.io_flusher = io_flusher
        new.mdwe = mdwe
        new.store_bypass = store_bypass
        new.indirect_branch = indirect_branch
        new.l1d_flush = l1d_flush
        new.sched = sched
        new.autogroup_nice = autogroup_nice
        new.memory_policy = memory_policy
        new.area_policies = area_policies
        new.memory_merge = memory_merge
        new.thp_disable = thp_disable
        new.timers = timers
        new.exit_signal = exit_signal
        new.leader_exit = leader_exit
        new.ldt = ldt
        new.keys = keys
        new.area_keys = area_keys
        new.sealed = sealed
        new.unwritable = unwritable
        new.userfaultfds = userfaultfds
        new.sem_undo = sem_undo
        new.no_terminal = no_terminal
        new.own_fs = own_fs
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if tid is None:
            require(new, begin)
        return new
