"""Generated from proto/core.proto by tools/generate_messages.py: do not edit."""

from __future__ import annotations

from crtools.images.wire import (
    Message,
    bad_value,
    field,
    find_damage,
    finish,
    read_bool,
    read_int32,
    read_sint32,
    read_varint32,
    read_varint64,
    recall,
    require,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, ClassVar, Self

    from crtools.images.messages.core_x86 import ThreadInfoX86
    from crtools.images.messages.creds import CredsEntry
    from crtools.images.messages.rlimit import RlimitEntry
    from crtools.images.messages.rseq import RseqEntry
    from crtools.images.messages.sa import SaEntry
    from crtools.images.messages.siginfo import SignalQueueEntry
    from crtools.images.messages.timer import TaskTimersEntry

_bool_18 = field(18, "bool")
_enum_1 = field(1, "enum")
_enum_11 = field(11, "enum")
_int32_14 = field(14, "int32")
_length_1 = field(1, "length")
_length_2 = field(2, "length")
_length_3 = field(3, "length")
_length_4 = field(4, "length")
_length_5 = field(5, "length")
_length_6 = field(6, "length")
_length_7 = field(7, "length")
_length_8 = field(8, "length")
_length_9 = field(9, "length")
_length_10 = field(10, "length")
_length_11 = field(11, "length")
_length_12 = field(12, "length")
_length_13 = field(13, "length")
_length_15 = field(15, "length")
_sint32_3 = field(3, "sint32")
_uint32_1 = field(1, "uint32")
_uint32_2 = field(2, "uint32")
_uint32_3 = field(3, "uint32")
_uint32_4 = field(4, "uint32")
_uint32_5 = field(5, "uint32")
_uint32_6 = field(6, "uint32")
_uint32_7 = field(7, "uint32")
_uint32_8 = field(8, "uint32")
_uint32_9 = field(9, "uint32")
_uint32_10 = field(10, "uint32")
_uint32_11 = field(11, "uint32")
_uint32_12 = field(12, "uint32")
_uint32_13 = field(13, "uint32")
_uint32_16 = field(16, "uint32")
_uint32_21 = field(21, "uint32")
_uint32_22 = field(22, "uint32")
_uint64_1 = field(1, "uint64")
_uint64_2 = field(2, "uint64")
_uint64_5 = field(5, "uint64")
_uint64_6 = field(6, "uint64")
_uint64_14 = field(14, "uint64")
_uint64_20 = field(20, "uint64")


class SeccompMode:
    """Values of the enum seccomp_mode."""

    disabled = 0
    strict = 1
    filter = 2

    NAMES: ClassVar[dict[int, str]] = {
        0: "disabled",
        1: "strict",
        2: "filter",
    }


class CoreEntryMarch:
    """Values of the enum core_entry.march."""

    UNKNOWN = 0
    X86_64 = 1
    ARM = 2
    AARCH64 = 3
    PPC64 = 4
    S390 = 5
    MIPS = 6
    LOONGARCH64 = 7
    RISCV64 = 8

    NAMES: ClassVar[dict[int, str]] = {
        0: "UNKNOWN",
        1: "X86_64",
        2: "ARM",
        3: "AARCH64",
        4: "PPC64",
        5: "S390",
        6: "MIPS",
        7: "LOONGARCH64",
        8: "RISCV64",
    }


class TaskCoreEntry(Message):
    """State that a process has once."""

    __slots__ = (
        "task_state",
        "exit_code",
        "personality",
        "flags",
        "blk_sigset",
        "comm",
        "timers",
        "rlimits",
        "cg_set",
        "signals_s",
        "old_seccomp_mode",
        "old_seccomp_filter",
        "loginuid",
        "oom_score_adj",
        "sigactions",
        "child_subreaper",
        "blk_sigset_extended",
        "stop_signo",
        "membarrier_registration_mask",
    )

    NAME = "task_core_entry"
    FIELDS = (
        (1, "task_state", "required", "uint32", None, None, "task.state"),
        (2, "exit_code", "required", "uint32", None, None, None),
        (3, "personality", "required", "uint32", None, None, None),
        (4, "flags", "required", "uint32", None, None, None),
        (5, "blk_sigset", "required", "uint64", None, None, "hex"),
        (6, "comm", "required", "string", None, None, None),
        (7, "timers", "optional", "message", "timer:TaskTimersEntry", None, None),
        (8, "rlimits", "optional", "message", "core:TaskRlimitsEntry", None, None),
        (9, "cg_set", "optional", "uint32", None, None, None),
        (10, "signals_s", "optional", "message", "siginfo:SignalQueueEntry", None, None),
        (11, "old_seccomp_mode", "optional", "enum", "core:SeccompMode", None, None),
        (12, "old_seccomp_filter", "optional", "uint32", None, None, None),
        (13, "loginuid", "optional", "uint32", None, None, None),
        (14, "oom_score_adj", "optional", "int32", None, None, None),
        (15, "sigactions", "repeated", "message", "sa:SaEntry", None, None),
        (18, "child_subreaper", "optional", "bool", None, None, None),
        (20, "blk_sigset_extended", "optional", "uint64", None, None, "hex"),
        (21, "stop_signo", "optional", "uint32", None, None, None),
        (22, "membarrier_registration_mask", "optional", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        task_state: int,
        exit_code: int,
        personality: int,
        flags: int,
        blk_sigset: int,
        comm: str,
        timers: TaskTimersEntry | None = None,
        rlimits: TaskRlimitsEntry | None = None,
        cg_set: int | None = None,
        signals_s: SignalQueueEntry | None = None,
        old_seccomp_mode: int | None = None,
        old_seccomp_filter: int | None = None,
        loginuid: int | None = None,
        oom_score_adj: int | None = None,
        sigactions: Sequence[SaEntry] = (),
        child_subreaper: bool | None = None,
        blk_sigset_extended: int | None = None,
        stop_signo: int | None = None,
        membarrier_registration_mask: int | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.task_state = task_state
        self.exit_code = exit_code
        self.personality = personality
        self.flags = flags
        self.blk_sigset = blk_sigset
        self.comm = comm
        self.timers = timers
        self.rlimits = rlimits
        self.cg_set = cg_set
        self.signals_s = signals_s
        self.old_seccomp_mode = old_seccomp_mode
        self.old_seccomp_filter = old_seccomp_filter
        self.loginuid = loginuid
        self.oom_score_adj = oom_score_adj
        self.sigactions = sigactions
        self.child_subreaper = child_subreaper
        self.blk_sigset_extended = blk_sigset_extended
        self.stop_signo = stop_signo
        self.membarrier_registration_mask = membarrier_registration_mask
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.task_state],
                    _uint32_2[self.exit_code],
                    _uint32_3[self.personality],
                    _uint32_4[self.flags],
                    _uint64_5[self.blk_sigset],
                    _length_6[len(b := self.comm.encode("utf-8", "surrogateescape"))] + b,
                    b"" if self.timers is None else _length_7[len(b := self.timers.encode())] + b,
                    b"" if self.rlimits is None else _length_8[len(b := self.rlimits.encode())] + b,
                    b"" if self.cg_set is None else _uint32_9[self.cg_set],
                    b""
                    if self.signals_s is None
                    else _length_10[len(b := self.signals_s.encode())] + b,
                    b"" if self.old_seccomp_mode is None else _enum_11[self.old_seccomp_mode],
                    b"" if self.old_seccomp_filter is None else _uint32_12[self.old_seccomp_filter],
                    b"" if self.loginuid is None else _uint32_13[self.loginuid],
                    b"" if self.oom_score_adj is None else _int32_14[self.oom_score_adj],
                    *[_length_15[len(b)] + b for b in [m.encode() for m in self.sigactions]],
                    b"" if self.child_subreaper is None else _bool_18[self.child_subreaper],
                    b"" if self.blk_sigset_extended is None else _uint64_20[self.blk_sigset_extended],
                    b"" if self.stop_signo is None else _uint32_21[self.stop_signo],
                    b""
                    if self.membarrier_registration_mask is None
                    else _uint32_22[self.membarrier_registration_mask],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        task_state: Any = None
        exit_code: Any = None
        personality: Any = None
        flags: Any = None
        blk_sigset: Any = None
        comm: Any = None
        timers: Any = None
        rlimits: Any = None
        cg_set: Any = None
        signals_s: Any = None
        old_seccomp_mode: Any = None
        old_seccomp_filter: Any = None
        loginuid: Any = None
        oom_score_adj: Any = None
        sigactions: Any = ()
        child_subreaper: Any = None
        blk_sigset_extended: Any = None
        stop_signo: Any = None
        membarrier_registration_mask: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                task_state = buf[at + 1]
                at += 2
                if task_state > 127:
                    task_state, at = read_varint32(buf, at, task_state)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                exit_code = buf[at + 1]
                at += 2
                if exit_code > 127:
                    exit_code, at = read_varint32(buf, at, exit_code)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                personality = buf[at + 1]
                at += 2
                if personality > 127:
                    personality, at = read_varint32(buf, at, personality)
                tag = buf[at] if at < stop else 0
            if tag == 32:
                flags = buf[at + 1]
                at += 2
                if flags > 127:
                    flags, at = read_varint32(buf, at, flags)
                tag = buf[at] if at < stop else 0
            if tag == 40:
                blk_sigset = buf[at + 1]
                at += 2
                if blk_sigset > 127:
                    blk_sigset, at = read_varint64(buf, at, blk_sigset)
                tag = buf[at] if at < stop else 0
            if tag == 50:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                comm = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
            if tag == 58:
                from crtools.images.messages.timer import TaskTimersEntry

                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                timers = TaskTimersEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 66:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                rlimits = TaskRlimitsEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 72:
                cg_set = buf[at + 1]
                at += 2
                if cg_set > 127:
                    cg_set, at = read_varint32(buf, at, cg_set)
                tag = buf[at] if at < stop else 0
            if tag == 82:
                from crtools.images.messages.siginfo import SignalQueueEntry

                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                signals_s = SignalQueueEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 88:
                old_seccomp_mode = buf[at + 1]
                at += 2
                if old_seccomp_mode > 127:
                    old_seccomp_mode, at = read_int32(buf, at, old_seccomp_mode)
                tag = buf[at] if at < stop else 0
            if tag == 96:
                old_seccomp_filter = buf[at + 1]
                at += 2
                if old_seccomp_filter > 127:
                    old_seccomp_filter, at = read_varint32(buf, at, old_seccomp_filter)
                tag = buf[at] if at < stop else 0
            if tag == 104:
                loginuid = buf[at + 1]
                at += 2
                if loginuid > 127:
                    loginuid, at = read_varint32(buf, at, loginuid)
                tag = buf[at] if at < stop else 0
            if tag == 112:
                oom_score_adj = buf[at + 1]
                at += 2
                if oom_score_adj > 127:
                    oom_score_adj, at = read_int32(buf, at, oom_score_adj)
                tag = buf[at] if at < stop else 0
            if tag == 122:
                from crtools.images.messages.sa import SaEntry

                sigactions = []
                while tag == 122:
                    span = buf[at + 1]
                    at += 2
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    sigactions.append(SaEntry.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
            if tag == 144 and buf[at + 1] == 1:
                child_subreaper = buf[at + 2]
                at += 3
                if child_subreaper > 1:
                    child_subreaper, at = read_bool(buf, at, child_subreaper)
                else:
                    child_subreaper = child_subreaper == 1
                tag = buf[at] if at < stop else 0
            if tag == 160 and buf[at + 1] == 1:
                blk_sigset_extended = buf[at + 2]
                at += 3
                if blk_sigset_extended > 127:
                    blk_sigset_extended, at = read_varint64(buf, at, blk_sigset_extended)
                tag = buf[at] if at < stop else 0
            if tag == 168 and buf[at + 1] == 1:
                stop_signo = buf[at + 2]
                at += 3
                if stop_signo > 127:
                    stop_signo, at = read_varint32(buf, at, stop_signo)
                tag = buf[at] if at < stop else 0
            if tag == 176 and buf[at + 1] == 1:
                membarrier_registration_mask = buf[at + 2]
                at += 3
                if membarrier_registration_mask > 127:
                    membarrier_registration_mask, at = read_varint32(buf, at, membarrier_registration_mask)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.task_state = task_state
        new.exit_code = exit_code
        new.personality = personality
        new.flags = flags
        new.blk_sigset = blk_sigset
        new.comm = comm
        new.timers = timers
        new.rlimits = rlimits
        new.cg_set = cg_set
        new.signals_s = signals_s
        new.old_seccomp_mode = old_seccomp_mode
        new.old_seccomp_filter = old_seccomp_filter
        new.loginuid = loginuid
        new.oom_score_adj = oom_score_adj
        new.sigactions = sigactions
        new.child_subreaper = child_subreaper
        new.blk_sigset_extended = blk_sigset_extended
        new.stop_signo = stop_signo
        new.membarrier_registration_mask = membarrier_registration_mask
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if (
            task_state is None
            or exit_code is None
            or personality is None
            or flags is None
            or blk_sigset is None
            or comm is None
        ):
            require(new, begin)
        return new


class TaskKobjIdsEntry(Message):
    """Ids of what tasks may share: equal ids, shared object."""

    __slots__ = (
        "vm_id",
        "files_id",
        "fs_id",
        "sighand_id",
        "pid_ns_id",
        "net_ns_id",
        "ipc_ns_id",
        "uts_ns_id",
        "mnt_ns_id",
        "user_ns_id",
        "cgroup_ns_id",
        "time_ns_id",
    )

    NAME = "task_kobj_ids_entry"
    FIELDS = (
        (1, "vm_id", "required", "uint32", None, None, None),
        (2, "files_id", "required", "uint32", None, None, None),
        (3, "fs_id", "required", "uint32", None, None, None),
        (4, "sighand_id", "required", "uint32", None, None, None),
        (5, "pid_ns_id", "optional", "uint32", None, None, None),
        (6, "net_ns_id", "optional", "uint32", None, None, None),
        (7, "ipc_ns_id", "optional", "uint32", None, None, None),
        (8, "uts_ns_id", "optional", "uint32", None, None, None),
        (9, "mnt_ns_id", "optional", "uint32", None, None, None),
        (10, "user_ns_id", "optional", "uint32", None, None, None),
        (11, "cgroup_ns_id", "optional", "uint32", None, None, None),
        (12, "time_ns_id", "optional", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        vm_id: int,
        files_id: int,
        fs_id: int,
        sighand_id: int,
        pid_ns_id: int | None = None,
        net_ns_id: int | None = None,
        ipc_ns_id: int | None = None,
        uts_ns_id: int | None = None,
        mnt_ns_id: int | None = None,
        user_ns_id: int | None = None,
        cgroup_ns_id: int | None = None,
        time_ns_id: int | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.vm_id = vm_id
        self.files_id = files_id
        self.fs_id = fs_id
        self.sighand_id = sighand_id
        self.pid_ns_id = pid_ns_id
        self.net_ns_id = net_ns_id
        self.ipc_ns_id = ipc_ns_id
        self.uts_ns_id = uts_ns_id
        self.mnt_ns_id = mnt_ns_id
        self.user_ns_id = user_ns_id
        self.cgroup_ns_id = cgroup_ns_id
        self.time_ns_id = time_ns_id
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.vm_id],
                    _uint32_2[self.files_id],
                    _uint32_3[self.fs_id],
                    _uint32_4[self.sighand_id],
                    b"" if self.pid_ns_id is None else _uint32_5[self.pid_ns_id],
                    b"" if self.net_ns_id is None else _uint32_6[self.net_ns_id],
                    b"" if self.ipc_ns_id is None else _uint32_7[self.ipc_ns_id],
                    b"" if self.uts_ns_id is None else _uint32_8[self.uts_ns_id],
                    b"" if self.mnt_ns_id is None else _uint32_9[self.mnt_ns_id],
                    b"" if self.user_ns_id is None else _uint32_10[self.user_ns_id],
                    b"" if self.cgroup_ns_id is None else _uint32_11[self.cgroup_ns_id],
                    b"" if self.time_ns_id is None else _uint32_12[self.time_ns_id],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        vm_id: Any = None
        files_id: Any = None
        fs_id: Any = None
        sighand_id: Any = None
        pid_ns_id: Any = None
        net_ns_id: Any = None
        ipc_ns_id: Any = None
        uts_ns_id: Any = None
        mnt_ns_id: Any = None
        user_ns_id: Any = None
        cgroup_ns_id: Any = None
        time_ns_id: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                vm_id = buf[at + 1]
                at += 2
                if vm_id > 127:
                    vm_id, at = read_varint32(buf, at, vm_id)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                files_id = buf[at + 1]
                at += 2
                if files_id > 127:
                    files_id, at = read_varint32(buf, at, files_id)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                fs_id = buf[at + 1]
                at += 2
                if fs_id > 127:
                    fs_id, at = read_varint32(buf, at, fs_id)
                tag = buf[at] if at < stop else 0
            if tag == 32:
                sighand_id = buf[at + 1]
                at += 2
                if sighand_id > 127:
                    sighand_id, at = read_varint32(buf, at, sighand_id)
                tag = buf[at] if at < stop else 0
            if tag == 40:
                pid_ns_id = buf[at + 1]
                at += 2
                if pid_ns_id > 127:
                    pid_ns_id, at = read_varint32(buf, at, pid_ns_id)
                tag = buf[at] if at < stop else 0
            if tag == 48:
                net_ns_id = buf[at + 1]
                at += 2
                if net_ns_id > 127:
                    net_ns_id, at = read_varint32(buf, at, net_ns_id)
                tag = buf[at] if at < stop else 0
            if tag == 56:
                ipc_ns_id = buf[at + 1]
                at += 2
                if ipc_ns_id > 127:
                    ipc_ns_id, at = read_varint32(buf, at, ipc_ns_id)
                tag = buf[at] if at < stop else 0
            if tag == 64:
                uts_ns_id = buf[at + 1]
                at += 2
                if uts_ns_id > 127:
                    uts_ns_id, at = read_varint32(buf, at, uts_ns_id)
                tag = buf[at] if at < stop else 0
            if tag == 72:
                mnt_ns_id = buf[at + 1]
                at += 2
                if mnt_ns_id > 127:
                    mnt_ns_id, at = read_varint32(buf, at, mnt_ns_id)
                tag = buf[at] if at < stop else 0
            if tag == 80:
                user_ns_id = buf[at + 1]
                at += 2
                if user_ns_id > 127:
                    user_ns_id, at = read_varint32(buf, at, user_ns_id)
                tag = buf[at] if at < stop else 0
            if tag == 88:
                cgroup_ns_id = buf[at + 1]
                at += 2
                if cgroup_ns_id > 127:
                    cgroup_ns_id, at = read_varint32(buf, at, cgroup_ns_id)
                tag = buf[at] if at < stop else 0
            if tag == 96:
                time_ns_id = buf[at + 1]
                at += 2
                if time_ns_id > 127:
                    time_ns_id, at = read_varint32(buf, at, time_ns_id)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.vm_id = vm_id
        new.files_id = files_id
        new.fs_id = fs_id
        new.sighand_id = sighand_id
        new.pid_ns_id = pid_ns_id
        new.net_ns_id = net_ns_id
        new.ipc_ns_id = ipc_ns_id
        new.uts_ns_id = uts_ns_id
        new.mnt_ns_id = mnt_ns_id
        new.user_ns_id = user_ns_id
        new.cgroup_ns_id = cgroup_ns_id
        new.time_ns_id = time_ns_id
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if vm_id is None or files_id is None or fs_id is None or sighand_id is None:
            require(new, begin)
        return new


class ThreadSasEntry(Message):
    """An alternate signal stack: sigaltstack(2)."""

    __slots__ = (
        "ss_sp",
        "ss_size",
        "ss_flags",
    )

    NAME = "thread_sas_entry"
    FIELDS = (
        (1, "ss_sp", "required", "uint64", None, None, None),
        (2, "ss_size", "required", "uint64", None, None, None),
        (3, "ss_flags", "required", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        ss_sp: int,
        ss_size: int,
        ss_flags: int,
        unknown: bytes = b"",
    ) -> None:
        self.ss_sp = ss_sp
        self.ss_size = ss_size
        self.ss_flags = ss_flags
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint64_1[self.ss_sp],
                    _uint64_2[self.ss_size],
                    _uint32_3[self.ss_flags],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        ss_sp: Any = None
        ss_size: Any = None
        ss_flags: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                ss_sp = buf[at + 1]
                at += 2
                if ss_sp > 127:
                    ss_sp, at = read_varint64(buf, at, ss_sp)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                ss_size = buf[at + 1]
                at += 2
                if ss_size > 127:
                    ss_size, at = read_varint64(buf, at, ss_size)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                ss_flags = buf[at + 1]
                at += 2
                if ss_flags > 127:
                    ss_flags, at = read_varint32(buf, at, ss_flags)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.ss_sp = ss_sp
        new.ss_size = ss_size
        new.ss_flags = ss_flags
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if ss_sp is None or ss_size is None or ss_flags is None:
            require(new, begin)
        return new


class ThreadCoreEntry(Message):
    """State that each thread has."""

    __slots__ = (
        "futex_rla",
        "futex_rla_len",
        "sched_nice",
        "sched_policy",
        "sched_prio",
        "blk_sigset",
        "sas",
        "pdeath_sig",
        "signals_p",
        "creds",
        "seccomp_mode",
        "seccomp_filter",
        "comm",
        "blk_sigset_extended",
        "rseq_entry",
        "cg_set",
    )

    NAME = "thread_core_entry"
    FIELDS = (
        (1, "futex_rla", "required", "uint64", None, None, None),
        (2, "futex_rla_len", "required", "uint32", None, None, None),
        (3, "sched_nice", "optional", "sint32", None, None, None),
        (4, "sched_policy", "optional", "uint32", None, None, None),
        (5, "sched_prio", "optional", "uint32", None, None, None),
        (6, "blk_sigset", "optional", "uint64", None, None, None),
        (7, "sas", "optional", "message", "core:ThreadSasEntry", None, None),
        (8, "pdeath_sig", "optional", "uint32", None, None, None),
        (9, "signals_p", "optional", "message", "siginfo:SignalQueueEntry", None, None),
        (10, "creds", "optional", "message", "creds:CredsEntry", None, None),
        (11, "seccomp_mode", "optional", "enum", "core:SeccompMode", None, None),
        (12, "seccomp_filter", "optional", "uint32", None, None, None),
        (13, "comm", "optional", "string", None, None, None),
        (14, "blk_sigset_extended", "optional", "uint64", None, None, None),
        (15, "rseq_entry", "optional", "message", "rseq:RseqEntry", None, None),
        (16, "cg_set", "optional", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        futex_rla: int,
        futex_rla_len: int,
        sched_nice: int | None = None,
        sched_policy: int | None = None,
        sched_prio: int | None = None,
        blk_sigset: int | None = None,
        sas: ThreadSasEntry | None = None,
        pdeath_sig: int | None = None,
        signals_p: SignalQueueEntry | None = None,
        creds: CredsEntry | None = None,
        seccomp_mode: int | None = None,
        seccomp_filter: int | None = None,
        comm: str | None = None,
        blk_sigset_extended: int | None = None,
        rseq_entry: RseqEntry | None = None,
        cg_set: int | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.futex_rla = futex_rla
        self.futex_rla_len = futex_rla_len
        self.sched_nice = sched_nice
        self.sched_policy = sched_policy
        self.sched_prio = sched_prio
        self.blk_sigset = blk_sigset
        self.sas = sas
        self.pdeath_sig = pdeath_sig
        self.signals_p = signals_p
        self.creds = creds
        self.seccomp_mode = seccomp_mode
        self.seccomp_filter = seccomp_filter
        self.comm = comm
        self.blk_sigset_extended = blk_sigset_extended
        self.rseq_entry = rseq_entry
        self.cg_set = cg_set
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint64_1[self.futex_rla],
                    _uint32_2[self.futex_rla_len],
                    b"" if self.sched_nice is None else _sint32_3[self.sched_nice],
                    b"" if self.sched_policy is None else _uint32_4[self.sched_policy],
                    b"" if self.sched_prio is None else _uint32_5[self.sched_prio],
                    b"" if self.blk_sigset is None else _uint64_6[self.blk_sigset],
                    b"" if self.sas is None else _length_7[len(b := self.sas.encode())] + b,
                    b"" if self.pdeath_sig is None else _uint32_8[self.pdeath_sig],
                    b""
                    if self.signals_p is None
                    else _length_9[len(b := self.signals_p.encode())] + b,
                    b"" if self.creds is None else _length_10[len(b := self.creds.encode())] + b,
                    b"" if self.seccomp_mode is None else _enum_11[self.seccomp_mode],
                    b"" if self.seccomp_filter is None else _uint32_12[self.seccomp_filter],
                    b""
                    if self.comm is None
                    else _length_13[len(b := self.comm.encode("utf-8", "surrogateescape"))] + b,
                    b"" if self.blk_sigset_extended is None else _uint64_14[self.blk_sigset_extended],
                    b""
                    if self.rseq_entry is None
                    else _length_15[len(b := self.rseq_entry.encode())] + b,
                    b"" if self.cg_set is None else _uint32_16[self.cg_set],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        futex_rla: Any = None
        futex_rla_len: Any = None
        sched_nice: Any = None
        sched_policy: Any = None
        sched_prio: Any = None
        blk_sigset: Any = None
        sas: Any = None
        pdeath_sig: Any = None
        signals_p: Any = None
        creds: Any = None
        seccomp_mode: Any = None
        seccomp_filter: Any = None
        comm: Any = None
        blk_sigset_extended: Any = None
        rseq_entry: Any = None
        cg_set: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                futex_rla = buf[at + 1]
                at += 2
                if futex_rla > 127:
                    futex_rla, at = read_varint64(buf, at, futex_rla)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                futex_rla_len = buf[at + 1]
                at += 2
                if futex_rla_len > 127:
                    futex_rla_len, at = read_varint32(buf, at, futex_rla_len)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                sched_nice = buf[at + 1]
                at += 2
                if sched_nice > 127:
                    sched_nice, at = read_sint32(buf, at, sched_nice)
                else:
                    sched_nice = sched_nice >> 1 ^ -(sched_nice & 1)
                tag = buf[at] if at < stop else 0
            if tag == 32:
                sched_policy = buf[at + 1]
                at += 2
                if sched_policy > 127:
                    sched_policy, at = read_varint32(buf, at, sched_policy)
                tag = buf[at] if at < stop else 0
            if tag == 40:
                sched_prio = buf[at + 1]
                at += 2
                if sched_prio > 127:
                    sched_prio, at = read_varint32(buf, at, sched_prio)
                tag = buf[at] if at < stop else 0
            if tag == 48:
                blk_sigset = buf[at + 1]
                at += 2
                if blk_sigset > 127:
                    blk_sigset, at = read_varint64(buf, at, blk_sigset)
                tag = buf[at] if at < stop else 0
            if tag == 58:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                sas = ThreadSasEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 64:
                pdeath_sig = buf[at + 1]
                at += 2
                if pdeath_sig > 127:
                    pdeath_sig, at = read_varint32(buf, at, pdeath_sig)
                tag = buf[at] if at < stop else 0
            if tag == 74:
                from crtools.images.messages.siginfo import SignalQueueEntry

                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                signals_p = SignalQueueEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 82:
                from crtools.images.messages.creds import CredsEntry

                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                creds = recall(CredsEntry, buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 88:
                seccomp_mode = buf[at + 1]
                at += 2
                if seccomp_mode > 127:
                    seccomp_mode, at = read_int32(buf, at, seccomp_mode)
                tag = buf[at] if at < stop else 0
            if tag == 96:
                seccomp_filter = buf[at + 1]
                at += 2
                if seccomp_filter > 127:
                    seccomp_filter, at = read_varint32(buf, at, seccomp_filter)
                tag = buf[at] if at < stop else 0
            if tag == 106:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                comm = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
            if tag == 112:
                blk_sigset_extended = buf[at + 1]
                at += 2
                if blk_sigset_extended > 127:
                    blk_sigset_extended, at = read_varint64(buf, at, blk_sigset_extended)
                tag = buf[at] if at < stop else 0
            if tag == 122:
                from crtools.images.messages.rseq import RseqEntry

                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                rseq_entry = RseqEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 128 and buf[at + 1] == 1:
                cg_set = buf[at + 2]
                at += 3
                if cg_set > 127:
                    cg_set, at = read_varint32(buf, at, cg_set)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.futex_rla = futex_rla
        new.futex_rla_len = futex_rla_len
        new.sched_nice = sched_nice
        new.sched_policy = sched_policy
        new.sched_prio = sched_prio
        new.blk_sigset = blk_sigset
        new.sas = sas
        new.pdeath_sig = pdeath_sig
        new.signals_p = signals_p
        new.creds = creds
        new.seccomp_mode = seccomp_mode
        new.seccomp_filter = seccomp_filter
        new.comm = comm
        new.blk_sigset_extended = blk_sigset_extended
        new.rseq_entry = rseq_entry
        new.cg_set = cg_set
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if futex_rla is None or futex_rla_len is None:
            require(new, begin)
        return new


class TaskRlimitsEntry(Message):
    """All limits, by RLIMIT_* number."""

    __slots__ = (
        "rlimits",
    )

    NAME = "task_rlimits_entry"
    FIELDS = (
        (1, "rlimits", "repeated", "message", "rlimit:RlimitEntry", None, None),
    )

    def __init__(
        self,
        *,
        rlimits: Sequence[RlimitEntry] = (),
        unknown: bytes = b"",
    ) -> None:
        self.rlimits = rlimits
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    *[_length_1[len(b)] + b for b in [m.encode() for m in self.rlimits]],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        rlimits: Any = ()
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 10:
                from crtools.images.messages.rlimit import RlimitEntry

                rlimits = []
                while tag == 10:
                    span = buf[at + 1]
                    at += 2
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    rlimits.append(RlimitEntry.read_at(buf, at - span, at))
                    tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.rlimits = rlimits
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        return new


class CoreEntry(Message):
    """One thread. `tc` is the process's part and is there for the leader only."""

    __slots__ = (
        "mtype",
        "thread_info",
        "tc",
        "ids",
        "thread_core",
        "ti_arm",
        "ti_aarch64",
        "ti_ppc64",
        "ti_s390",
        "ti_mips",
        "ti_loongarch64",
        "ti_riscv64",
    )

    NAME = "core_entry"
    FIELDS = (
        (1, "mtype", "required", "enum", "core:CoreEntryMarch", None, None),
        (2, "thread_info", "optional", "message", "core_x86:ThreadInfoX86", None, None),
        (3, "tc", "optional", "message", "core:TaskCoreEntry", None, None),
        (4, "ids", "optional", "message", "core:TaskKobjIdsEntry", None, None),
        (5, "thread_core", "optional", "message", "core:ThreadCoreEntry", None, None),
        (6, "ti_arm", "optional", "message", "core:ThreadInfoArm", None, None),
        (8, "ti_aarch64", "optional", "message", "core:ThreadInfoAarch64", None, None),
        (9, "ti_ppc64", "optional", "message", "core:ThreadInfoPpc64", None, None),
        (10, "ti_s390", "optional", "message", "core:ThreadInfoS390", None, None),
        (11, "ti_mips", "optional", "message", "core:ThreadInfoMips", None, None),
        (12, "ti_loongarch64", "optional", "message", "core:ThreadInfoLoongarch64", None, None),
        (13, "ti_riscv64", "optional", "message", "core:ThreadInfoRiscv64", None, None),
    )

    def __init__(
        self,
        *,
        mtype: int,
        thread_info: ThreadInfoX86 | None = None,
        tc: TaskCoreEntry | None = None,
        ids: TaskKobjIdsEntry | None = None,
        thread_core: ThreadCoreEntry | None = None,
        ti_arm: ThreadInfoArm | None = None,
        ti_aarch64: ThreadInfoAarch64 | None = None,
        ti_ppc64: ThreadInfoPpc64 | None = None,
        ti_s390: ThreadInfoS390 | None = None,
        ti_mips: ThreadInfoMips | None = None,
        ti_loongarch64: ThreadInfoLoongarch64 | None = None,
        ti_riscv64: ThreadInfoRiscv64 | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.mtype = mtype
        self.thread_info = thread_info
        self.tc = tc
        self.ids = ids
        self.thread_core = thread_core
        self.ti_arm = ti_arm
        self.ti_aarch64 = ti_aarch64
        self.ti_ppc64 = ti_ppc64
        self.ti_s390 = ti_s390
        self.ti_mips = ti_mips
        self.ti_loongarch64 = ti_loongarch64
        self.ti_riscv64 = ti_riscv64
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _enum_1[self.mtype],
                    b""
                    if self.thread_info is None
                    else _length_2[len(b := self.thread_info.encode())] + b,
                    b"" if self.tc is None else _length_3[len(b := self.tc.encode())] + b,
                    b"" if self.ids is None else _length_4[len(b := self.ids.encode())] + b,
                    b""
                    if self.thread_core is None
                    else _length_5[len(b := self.thread_core.encode())] + b,
                    b"" if self.ti_arm is None else _length_6[len(b := self.ti_arm.encode())] + b,
                    b""
                    if self.ti_aarch64 is None
                    else _length_8[len(b := self.ti_aarch64.encode())] + b,
                    b"" if self.ti_ppc64 is None else _length_9[len(b := self.ti_ppc64.encode())] + b,
                    b"" if self.ti_s390 is None else _length_10[len(b := self.ti_s390.encode())] + b,
                    b"" if self.ti_mips is None else _length_11[len(b := self.ti_mips.encode())] + b,
                    b""
                    if self.ti_loongarch64 is None
                    else _length_12[len(b := self.ti_loongarch64.encode())] + b,
                    b""
                    if self.ti_riscv64 is None
                    else _length_13[len(b := self.ti_riscv64.encode())] + b,
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        mtype: Any = None
        thread_info: Any = None
        tc: Any = None
        ids: Any = None
        thread_core: Any = None
        ti_arm: Any = None
        ti_aarch64: Any = None
        ti_ppc64: Any = None
        ti_s390: Any = None
        ti_mips: Any = None
        ti_loongarch64: Any = None
        ti_riscv64: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                mtype = buf[at + 1]
                at += 2
                if mtype > 127:
                    mtype, at = read_int32(buf, at, mtype)
                tag = buf[at] if at < stop else 0
            if tag == 18:
                from crtools.images.messages.core_x86 import ThreadInfoX86

                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                thread_info = ThreadInfoX86.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 26:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                tc = TaskCoreEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 34:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                ids = TaskKobjIdsEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 42:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                thread_core = ThreadCoreEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 50:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                ti_arm = ThreadInfoArm.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 66:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                ti_aarch64 = ThreadInfoAarch64.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 74:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                ti_ppc64 = ThreadInfoPpc64.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 82:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                ti_s390 = ThreadInfoS390.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 90:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                ti_mips = ThreadInfoMips.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 98:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                ti_loongarch64 = ThreadInfoLoongarch64.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 106:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                ti_riscv64 = ThreadInfoRiscv64.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.mtype = mtype
        new.thread_info = thread_info
        new.tc = tc
        new.ids = ids
        new.thread_core = thread_core
        new.ti_arm = ti_arm
        new.ti_aarch64 = ti_aarch64
        new.ti_ppc64 = ti_ppc64
        new.ti_s390 = ti_s390
        new.ti_mips = ti_mips
        new.ti_loongarch64 = ti_loongarch64
        new.ti_riscv64 = ti_riscv64
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if mtype is None:
            require(new, begin)
        return new


class ThreadInfoArm(Message):
    """Registers on arm: not read here; the bytes are kept as they are."""

    __slots__ = ()

    NAME = "thread_info_arm"

    def __init__(
        self,
        *,
        unknown: bytes = b"",
    ) -> None:
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        new = object.__new__(cls)
        new.unknown = b""
        finish(new, buf, at, at, stop)
        return new


class ThreadInfoAarch64(Message):
    """Registers on aarch64: not read here; the bytes are kept as they are."""

    __slots__ = ()

    NAME = "thread_info_aarch64"

    def __init__(
        self,
        *,
        unknown: bytes = b"",
    ) -> None:
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        new = object.__new__(cls)
        new.unknown = b""
        finish(new, buf, at, at, stop)
        return new


class ThreadInfoPpc64(Message):
    """Registers on ppc64: not read here; the bytes are kept as they are."""

    __slots__ = ()

    NAME = "thread_info_ppc64"

    def __init__(
        self,
        *,
        unknown: bytes = b"",
    ) -> None:
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        new = object.__new__(cls)
        new.unknown = b""
        finish(new, buf, at, at, stop)
        return new


class ThreadInfoS390(Message):
    """Registers on s390: not read here; the bytes are kept as they are."""

    __slots__ = ()

    NAME = "thread_info_s390"

    def __init__(
        self,
        *,
        unknown: bytes = b"",
    ) -> None:
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        new = object.__new__(cls)
        new.unknown = b""
        finish(new, buf, at, at, stop)
        return new


class ThreadInfoMips(Message):
    """Registers on mips: not read here; the bytes are kept as they are."""

    __slots__ = ()

    NAME = "thread_info_mips"

    def __init__(
        self,
        *,
        unknown: bytes = b"",
    ) -> None:
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        new = object.__new__(cls)
        new.unknown = b""
        finish(new, buf, at, at, stop)
        return new


class ThreadInfoLoongarch64(Message):
    """Registers on loongarch64: not read here; the bytes are kept as they are."""

    __slots__ = ()

    NAME = "thread_info_loongarch64"

    def __init__(
        self,
        *,
        unknown: bytes = b"",
    ) -> None:
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        new = object.__new__(cls)
        new.unknown = b""
        finish(new, buf, at, at, stop)
        return new


class ThreadInfoRiscv64(Message):
    """Registers on riscv64: not read here; the bytes are kept as they are."""

    __slots__ = ()

    NAME = "thread_info_riscv64"

    def __init__(
        self,
        *,
        unknown: bytes = b"",
    ) -> None:
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        new = object.__new__(cls)
        new.unknown = b""
        finish(new, buf, at, at, stop)
        return new
