"""A task's seccomp filters: reading them, and what they say of a system call.

PTRACE_SECCOMP_GET_FILTER gives the classic BPF as it was installed. It needs CAP_SYS_ADMIN, a
tracer that is under no seccomp itself, and a kernel with CONFIG_CHECKPOINT_RESTORE
(kernel/seccomp.c, get_nth_filter). Filters are numbered from the oldest on, whatever ptrace(2) says
of the order.
"""

from __future__ import annotations

import errno
import os
import struct

from crtools.abi.kernel import address_of, checked
from crtools.abi.seccomp import (
    AUDIT_ARCH_X86_64,
    BPF_A,
    BPF_ABS,
    BPF_ADD,
    BPF_ALU,
    BPF_AND,
    BPF_DIV,
    BPF_IMM,
    BPF_INSN_BYTES,
    BPF_JA,
    BPF_JEQ,
    BPF_JGE,
    BPF_JGT,
    BPF_JMP,
    BPF_JSET,
    BPF_LD,
    BPF_LDX,
    BPF_LEN,
    BPF_LSH,
    BPF_MAXINSNS,
    BPF_MEM,
    BPF_MEMWORDS,
    BPF_MUL,
    BPF_NEG,
    BPF_OR,
    BPF_RET,
    BPF_RSH,
    BPF_ST,
    BPF_STX,
    BPF_SUB,
    BPF_TXA,
    BPF_X,
    BPF_XOR,
    SECCOMP_DATA_BYTES,
    SECCOMP_RET_ACTION_FULL,
    SECCOMP_RET_ALLOW,
    SECCOMP_RET_LOG,
    SECCOMP_RET_USER_NOTIF,
)
from crtools.errors import MissingFeature, PermissionDenied
from crtools.tracee.ptrace import (
    PTRACE_SECCOMP_GET_FILTER,
    PTRACE_SECCOMP_GET_METADATA,
    SYS_ptrace,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import TypeAlias

    # The oldest first: struct sock_filter array, SECCOMP_FILTER_FLAG_*.
    Chain: TypeAlias = tuple[tuple[bytes, int], ...]
    # Number and arguments of a system call; None: an argument that is not known beforehand.
    Call: TypeAlias = tuple[int, Sequence[int | None]]

_METADATA = struct.Struct("<QQ")  # struct seccomp_metadata: filter_off, flags
_INSN = struct.Struct("<HBBI")
_U32 = 0xFFFFFFFF


def read_chain(tid: int) -> Chain:
    """The filters of a stopped tracee. Raises PermissionDenied or MissingFeature."""
    chain: list[tuple[bytes, int]] = []
    buffer = bytearray(BPF_MAXINSNS * BPF_INSN_BYTES)
    while True:
        index = len(chain)
        try:
            count = checked(SYS_ptrace, PTRACE_SECCOMP_GET_FILTER, tid, index, address_of(buffer))
        except OSError as error:
            if error.errno == errno.ENOENT:
                return tuple(chain)
            raise _explain(error, tid) from error
        metadata = bytearray(_METADATA.pack(index, 0))
        try:
            checked(SYS_ptrace, PTRACE_SECCOMP_GET_METADATA, tid, 16, address_of(metadata))
        except OSError as error:
            raise _explain(error, tid) from error
        flags = _METADATA.unpack(metadata)[1]
        chain.append((bytes(buffer[: count * BPF_INSN_BYTES]), flags))


def _explain(error: OSError, tid: int) -> PermissionDenied | MissingFeature:
    what = f"Cannot read the seccomp filters of task {tid}"
    if error.errno in (errno.EACCES, errno.EPERM):
        return PermissionDenied(
            what,
            because="that needs CAP_SYS_ADMIN, and a tool that is under no seccomp filter itself",
            hint="run crtools as root, outside of the container or with seccomp=unconfined",
            subject=("task", tid),
        )
    return MissingFeature(
        what,
        because=f"ptrace: {os.strerror(error.errno or 0)}",
        hint="a kernel with CONFIG_SECCOMP_FILTER and CONFIG_CHECKPOINT_RESTORE (Linux 4.16)",
        subject=("task", tid),
    )


def notifies(filter: bytes) -> bool:
    """Whether a filter may hand system calls to a supervisor (seccomp_unotify(2))."""
    for code, _, _, k in _INSN.iter_unpack(filter):
        if code & 7 == BPF_RET and (
            code & 0x18 == BPF_A or k & SECCOMP_RET_ACTION_FULL == SECCOMP_RET_USER_NOTIF
        ):
            return True
    return False


def allow(chain: Chain, calls: Iterable[Call]) -> bool:
    """Whether all filters let all the calls through (SECCOMP_RET_ALLOW or _LOG), as far as can be
    known: where the answer hangs on what is not known, no."""
    programs = [list(_INSN.iter_unpack(filter)) for filter, _ in chain]
    answers: dict[tuple[int, tuple[int | None, ...]], bool] = {}
    for nr, args in calls:
        key = nr, tuple(args)
        if key not in answers:
            data = _seccomp_data(nr, args)
            answers[key] = all(_let_through(_run(program, data)) for program in programs)
        if not answers[key]:
            return False
    return True


def _let_through(result: int | None) -> bool:
    if result is None:
        return False
    return result & SECCOMP_RET_ACTION_FULL in (SECCOMP_RET_ALLOW, SECCOMP_RET_LOG)


def _seccomp_data(nr: int, args: Sequence[int | None]) -> list[int | None]:
    """struct seccomp_data in 32-bit words; where the call is made from is not known."""
    words: list[int | None] = [nr & _U32, AUDIT_ARCH_X86_64, None, None]
    for index in range(6):
        arg = args[index] if index < len(args) else None
        words += (None, None) if arg is None else (arg & _U32, arg >> 32 & _U32)
    return words


def _run(program: list[tuple[int, int, int, int]], data: list[int | None]) -> int | None:
    """What a filter returns; None where that hangs on what is not known.

    What seccomp lets a filter consist of: kernel/seccomp.c, seccomp_check_filter. Jumps lead
    forward only, so it ends.
    """
    a: int | None = 0
    x: int | None = 0
    memory: list[int | None] = [0] * BPF_MEMWORDS
    at = 0
    while at < len(program):
        code, if_true, if_false, k = program[at]
        at += 1
        kind, operand = code & 7, x if code & BPF_X else k
        if kind == BPF_RET:
            return a if code & 0x18 == BPF_A else k
        if kind in (BPF_LD, BPF_LDX):
            value = _load(code & 0xE0, k, data, memory)
            if kind == BPF_LD:
                a = value
            else:
                x = value
        elif kind in (BPF_ST, BPF_STX):
            memory[k % BPF_MEMWORDS] = a if kind == BPF_ST else x
        elif kind == BPF_ALU:
            a = _calculate(code & 0xF0, a, operand)
            if code & 0xF0 == BPF_DIV and operand == 0:
                return 0  # what the kernel does: the filter ends with 0, SECCOMP_RET_KILL_THREAD
        elif kind == BPF_JMP:
            if code & 0xF0 == BPF_JA:
                at += k
                continue
            holds = _compare(code & 0xF0, a, operand)
            if holds is None:
                return None
            at += if_true if holds else if_false
        elif code & 0xF8 == BPF_TXA:
            a = x
        else:
            x = a
    return None


def _load(mode: int, k: int, data: list[int | None], memory: list[int | None]) -> int | None:
    if mode == BPF_ABS:
        return data[k // 4] if k < SECCOMP_DATA_BYTES else None
    if mode == BPF_MEM:
        return memory[k % BPF_MEMWORDS]
    if mode == BPF_LEN:
        return SECCOMP_DATA_BYTES
    return k if mode == BPF_IMM else None


def _calculate(operation: int, a: int | None, operand: int | None) -> int | None:
    if a is None or (operand is None and operation != BPF_NEG):
        return None
    b = operand or 0
    if operation == BPF_ADD:
        return a + b & _U32
    if operation == BPF_SUB:
        return a - b & _U32
    if operation == BPF_MUL:
        return a * b & _U32
    if operation == BPF_DIV:
        return a // b if b else None
    if operation == BPF_OR:
        return a | b
    if operation == BPF_AND:
        return a & b
    if operation == BPF_XOR:
        return a ^ b
    if operation == BPF_LSH:
        return a << b & _U32 if b < 32 else None
    if operation == BPF_RSH:
        return a >> b if b < 32 else None
    return -a & _U32 if operation == BPF_NEG else None


def _compare(operation: int, a: int | None, operand: int | None) -> bool | None:
    if a is None or operand is None:
        return None
    if operation == BPF_JEQ:
        return a == operand
    if operation == BPF_JGT:
        return a > operand
    if operation == BPF_JGE:
        return a >= operand
    return a & operand != 0 if operation == BPF_JSET else None
