"""Generated from proto/core-x86.proto by tools/generate_messages.py: do not edit."""

from __future__ import annotations

from crtools.images.wire import (
    Message,
    bad_value,
    field,
    find_damage,
    finish,
    read_bool,
    read_int32,
    read_run,
    read_varint32,
    read_varint64,
    recall,
    require,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, ClassVar, Self

_bool_4 = field(4, "bool")
_bool_5 = field(5, "bool")
_bool_6 = field(6, "bool")
_bool_7 = field(7, "bool")
_bool_8 = field(8, "bool")
_bool_9 = field(9, "bool")
_bool_10 = field(10, "bool")
_enum_28 = field(28, "enum")
_length_2 = field(2, "length")
_length_3 = field(3, "length")
_length_4 = field(4, "length")
_length_9 = field(9, "length")
_length_13 = field(13, "length")
_uint32_1 = field(1, "uint32")
_uint32_2 = field(2, "uint32")
_uint32_3 = field(3, "uint32")
_uint32_4 = field(4, "uint32")
_uint32_7 = field(7, "uint32")
_uint32_8 = field(8, "uint32")
_uint32_9 = field(9, "uint32")
_uint32_10 = field(10, "uint32")
_uint32_11 = field(11, "uint32")
_uint64_1 = field(1, "uint64")
_uint64_2 = field(2, "uint64")
_uint64_3 = field(3, "uint64")
_uint64_4 = field(4, "uint64")
_uint64_5 = field(5, "uint64")
_uint64_6 = field(6, "uint64")
_uint64_7 = field(7, "uint64")
_uint64_8 = field(8, "uint64")
_uint64_9 = field(9, "uint64")
_uint64_10 = field(10, "uint64")
_uint64_11 = field(11, "uint64")
_uint64_12 = field(12, "uint64")
_uint64_13 = field(13, "uint64")
_uint64_14 = field(14, "uint64")
_uint64_15 = field(15, "uint64")
_uint64_16 = field(16, "uint64")
_uint64_17 = field(17, "uint64")
_uint64_18 = field(18, "uint64")
_uint64_19 = field(19, "uint64")
_uint64_20 = field(20, "uint64")
_uint64_21 = field(21, "uint64")
_uint64_22 = field(22, "uint64")
_uint64_23 = field(23, "uint64")
_uint64_24 = field(24, "uint64")
_uint64_25 = field(25, "uint64")
_uint64_26 = field(26, "uint64")
_uint64_27 = field(27, "uint64")


class UserX86RegsMode:
    """Values of the enum user_x86_regs_mode."""

    NATIVE = 1
    COMPAT = 2

    NAMES: ClassVar[dict[int, str]] = {
        1: "NATIVE",
        2: "COMPAT",
    }


class UserX86RegsEntry(Message):
    """General registers: struct user_regs_struct, sys/user.h."""

    __slots__ = (
        "r15",
        "r14",
        "r13",
        "r12",
        "bp",
        "bx",
        "r11",
        "r10",
        "r9",
        "r8",
        "ax",
        "cx",
        "dx",
        "si",
        "di",
        "orig_ax",
        "ip",
        "cs",
        "flags",
        "sp",
        "ss",
        "fs_base",
        "gs_base",
        "ds",
        "es",
        "fs",
        "gs",
        "mode",
    )

    NAME = "user_x86_regs_entry"
    FIELDS = (
        (1, "r15", "required", "uint64", None, None, "hex"),
        (2, "r14", "required", "uint64", None, None, "hex"),
        (3, "r13", "required", "uint64", None, None, "hex"),
        (4, "r12", "required", "uint64", None, None, "hex"),
        (5, "bp", "required", "uint64", None, None, "hex"),
        (6, "bx", "required", "uint64", None, None, "hex"),
        (7, "r11", "required", "uint64", None, None, "hex"),
        (8, "r10", "required", "uint64", None, None, "hex"),
        (9, "r9", "required", "uint64", None, None, "hex"),
        (10, "r8", "required", "uint64", None, None, "hex"),
        (11, "ax", "required", "uint64", None, None, "hex"),
        (12, "cx", "required", "uint64", None, None, "hex"),
        (13, "dx", "required", "uint64", None, None, "hex"),
        (14, "si", "required", "uint64", None, None, "hex"),
        (15, "di", "required", "uint64", None, None, "hex"),
        (16, "orig_ax", "required", "uint64", None, None, "hex"),
        (17, "ip", "required", "uint64", None, None, "hex"),
        (18, "cs", "required", "uint64", None, None, "hex"),
        (19, "flags", "required", "uint64", None, None, "hex"),
        (20, "sp", "required", "uint64", None, None, "hex"),
        (21, "ss", "required", "uint64", None, None, "hex"),
        (22, "fs_base", "required", "uint64", None, None, "hex"),
        (23, "gs_base", "required", "uint64", None, None, "hex"),
        (24, "ds", "required", "uint64", None, None, "hex"),
        (25, "es", "required", "uint64", None, None, "hex"),
        (26, "fs", "required", "uint64", None, None, "hex"),
        (27, "gs", "required", "uint64", None, None, "hex"),
        (28, "mode", "optional", "enum", "core_x86:UserX86RegsMode", 1, None),
    )

    def __init__(
        self,
        *,
        r15: int,
        r14: int,
        r13: int,
        r12: int,
        bp: int,
        bx: int,
        r11: int,
        r10: int,
        r9: int,
        r8: int,
        ax: int,
        cx: int,
        dx: int,
        si: int,
        di: int,
        orig_ax: int,
        ip: int,
        cs: int,
        flags: int,
        sp: int,
        ss: int,
        fs_base: int,
        gs_base: int,
        ds: int,
        es: int,
        fs: int,
        gs: int,
        mode: int | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.r15 = r15
        self.r14 = r14
        self.r13 = r13
        self.r12 = r12
        self.bp = bp
        self.bx = bx
        self.r11 = r11
        self.r10 = r10
        self.r9 = r9
        self.r8 = r8
        self.ax = ax
        self.cx = cx
        self.dx = dx
        self.si = si
        self.di = di
        self.orig_ax = orig_ax
        self.ip = ip
        self.cs = cs
        self.flags = flags
        self.sp = sp
        self.ss = ss
        self.fs_base = fs_base
        self.gs_base = gs_base
        self.ds = ds
        self.es = es
        self.fs = fs
        self.gs = gs
        self.mode = mode
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint64_1[self.r15],
                    _uint64_2[self.r14],
                    _uint64_3[self.r13],
                    _uint64_4[self.r12],
                    _uint64_5[self.bp],
                    _uint64_6[self.bx],
                    _uint64_7[self.r11],
                    _uint64_8[self.r10],
                    _uint64_9[self.r9],
                    _uint64_10[self.r8],
                    _uint64_11[self.ax],
                    _uint64_12[self.cx],
                    _uint64_13[self.dx],
                    _uint64_14[self.si],
                    _uint64_15[self.di],
                    _uint64_16[self.orig_ax],
                    _uint64_17[self.ip],
                    _uint64_18[self.cs],
                    _uint64_19[self.flags],
                    _uint64_20[self.sp],
                    _uint64_21[self.ss],
                    _uint64_22[self.fs_base],
                    _uint64_23[self.gs_base],
                    _uint64_24[self.ds],
                    _uint64_25[self.es],
                    _uint64_26[self.fs],
                    _uint64_27[self.gs],
                    b"" if self.mode is None else _enum_28[self.mode],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        r15: Any = None
        r14: Any = None
        r13: Any = None
        r12: Any = None
        bp: Any = None
        bx: Any = None
        r11: Any = None
        r10: Any = None
        r9: Any = None
        r8: Any = None
        ax: Any = None
        cx: Any = None
        dx: Any = None
        si: Any = None
        di: Any = None
        orig_ax: Any = None
        ip: Any = None
        cs: Any = None
        flags: Any = None
        sp: Any = None
        ss: Any = None
        fs_base: Any = None
        gs_base: Any = None
        ds: Any = None
        es: Any = None
        fs: Any = None
        gs: Any = None
        mode: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                r15 = buf[at + 1]
                at += 2
                if r15 > 127:
                    r15, at = read_varint64(buf, at, r15)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                r14 = buf[at + 1]
                at += 2
                if r14 > 127:
                    r14, at = read_varint64(buf, at, r14)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                r13 = buf[at + 1]
                at += 2
                if r13 > 127:
                    r13, at = read_varint64(buf, at, r13)
                tag = buf[at] if at < stop else 0
            if tag == 32:
                r12 = buf[at + 1]
                at += 2
                if r12 > 127:
                    r12, at = read_varint64(buf, at, r12)
                tag = buf[at] if at < stop else 0
            if tag == 40:
                bp = buf[at + 1]
                at += 2
                if bp > 127:
                    bp, at = read_varint64(buf, at, bp)
                tag = buf[at] if at < stop else 0
            if tag == 48:
                bx = buf[at + 1]
                at += 2
                if bx > 127:
                    bx, at = read_varint64(buf, at, bx)
                tag = buf[at] if at < stop else 0
            if tag == 56:
                r11 = buf[at + 1]
                at += 2
                if r11 > 127:
                    r11, at = read_varint64(buf, at, r11)
                tag = buf[at] if at < stop else 0
            if tag == 64:
                r10 = buf[at + 1]
                at += 2
                if r10 > 127:
                    r10, at = read_varint64(buf, at, r10)
                tag = buf[at] if at < stop else 0
            if tag == 72:
                r9 = buf[at + 1]
                at += 2
                if r9 > 127:
                    r9, at = read_varint64(buf, at, r9)
                tag = buf[at] if at < stop else 0
            if tag == 80:
                r8 = buf[at + 1]
                at += 2
                if r8 > 127:
                    r8, at = read_varint64(buf, at, r8)
                tag = buf[at] if at < stop else 0
            if tag == 88:
                ax = buf[at + 1]
                at += 2
                if ax > 127:
                    ax, at = read_varint64(buf, at, ax)
                tag = buf[at] if at < stop else 0
            if tag == 96:
                cx = buf[at + 1]
                at += 2
                if cx > 127:
                    cx, at = read_varint64(buf, at, cx)
                tag = buf[at] if at < stop else 0
            if tag == 104:
                dx = buf[at + 1]
                at += 2
                if dx > 127:
                    dx, at = read_varint64(buf, at, dx)
                tag = buf[at] if at < stop else 0
            if tag == 112:
                si = buf[at + 1]
                at += 2
                if si > 127:
                    si, at = read_varint64(buf, at, si)
                tag = buf[at] if at < stop else 0
            if tag == 120:
                di = buf[at + 1]
                at += 2
                if di > 127:
                    di, at = read_varint64(buf, at, di)
                tag = buf[at] if at < stop else 0
            if tag == 128 and buf[at + 1] == 1:
                orig_ax = buf[at + 2]
                at += 3
                if orig_ax > 127:
                    orig_ax, at = read_varint64(buf, at, orig_ax)
                tag = buf[at] if at < stop else 0
            if tag == 136 and buf[at + 1] == 1:
                ip = buf[at + 2]
                at += 3
                if ip > 127:
                    ip, at = read_varint64(buf, at, ip)
                tag = buf[at] if at < stop else 0
            if tag == 144 and buf[at + 1] == 1:
                cs = buf[at + 2]
                at += 3
                if cs > 127:
                    cs, at = read_varint64(buf, at, cs)
                tag = buf[at] if at < stop else 0
            if tag == 152 and buf[at + 1] == 1:
                flags = buf[at + 2]
                at += 3
                if flags > 127:
                    flags, at = read_varint64(buf, at, flags)
                tag = buf[at] if at < stop else 0
            if tag == 160 and buf[at + 1] == 1:
                sp = buf[at + 2]
                at += 3
                if sp > 127:
                    sp, at = read_varint64(buf, at, sp)
                tag = buf[at] if at < stop else 0
            if tag == 168 and buf[at + 1] == 1:
                ss = buf[at + 2]
                at += 3
                if ss > 127:
                    ss, at = read_varint64(buf, at, ss)
                tag = buf[at] if at < stop else 0
            if tag == 176 and buf[at + 1] == 1:
                fs_base = buf[at + 2]
                at += 3
                if fs_base > 127:
                    fs_base, at = read_varint64(buf, at, fs_base)
                tag = buf[at] if at < stop else 0
            if tag == 184 and buf[at + 1] == 1:
                gs_base = buf[at + 2]
                at += 3
                if gs_base > 127:
                    gs_base, at = read_varint64(buf, at, gs_base)
                tag = buf[at] if at < stop else 0
            if tag == 192 and buf[at + 1] == 1:
                ds = buf[at + 2]
                at += 3
                if ds > 127:
                    ds, at = read_varint64(buf, at, ds)
                tag = buf[at] if at < stop else 0
            if tag == 200 and buf[at + 1] == 1:
                es = buf[at + 2]
                at += 3
                if es > 127:
                    es, at = read_varint64(buf, at, es)
                tag = buf[at] if at < stop else 0
            if tag == 208 and buf[at + 1] == 1:
                fs = buf[at + 2]
                at += 3
                if fs > 127:
                    fs, at = read_varint64(buf, at, fs)
                tag = buf[at] if at < stop else 0
            if tag == 216 and buf[at + 1] == 1:
                gs = buf[at + 2]
                at += 3
                if gs > 127:
                    gs, at = read_varint64(buf, at, gs)
                tag = buf[at] if at < stop else 0
            if tag == 224 and buf[at + 1] == 1:
                mode = buf[at + 2]
                at += 3
                if mode > 127:
                    mode, at = read_int32(buf, at, mode)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.r15 = r15
        new.r14 = r14
        new.r13 = r13
        new.r12 = r12
        new.bp = bp
        new.bx = bx
        new.r11 = r11
        new.r10 = r10
        new.r9 = r9
        new.r8 = r8
        new.ax = ax
        new.cx = cx
        new.dx = dx
        new.si = si
        new.di = di
        new.orig_ax = orig_ax
        new.ip = ip
        new.cs = cs
        new.flags = flags
        new.sp = sp
        new.ss = ss
        new.fs_base = fs_base
        new.gs_base = gs_base
        new.ds = ds
        new.es = es
        new.fs = fs
        new.gs = gs
        new.mode = mode
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if (
            r15 is None
            or r14 is None
            or r13 is None
            or r12 is None
            or bp is None
            or bx is None
            or r11 is None
            or r10 is None
            or r9 is None
            or r8 is None
            or ax is None
            or cx is None
            or dx is None
            or si is None
            or di is None
            or orig_ax is None
            or ip is None
            or cs is None
            or flags is None
            or sp is None
            or ss is None
            or fs_base is None
            or gs_base is None
            or ds is None
            or es is None
            or fs is None
            or gs is None
        ):
            require(new, begin)
        return new


class UserX86CetEntry(Message):
    """Shadow stack state: IA32_U_CET and IA32_PL3_SSP."""

    __slots__ = (
        "cet",
        "ssp",
    )

    NAME = "user_x86_cet_entry"
    FIELDS = (
        (1, "cet", "required", "uint64", None, None, None),
        (2, "ssp", "required", "uint64", None, None, None),
    )

    def __init__(
        self,
        *,
        cet: int,
        ssp: int,
        unknown: bytes = b"",
    ) -> None:
        self.cet = cet
        self.ssp = ssp
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint64_1[self.cet],
                    _uint64_2[self.ssp],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        cet: Any = None
        ssp: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                cet = buf[at + 1]
                at += 2
                if cet > 127:
                    cet, at = read_varint64(buf, at, cet)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                ssp = buf[at + 1]
                at += 2
                if ssp > 127:
                    ssp, at = read_varint64(buf, at, ssp)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.cet = cet
        new.ssp = ssp
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if cet is None or ssp is None:
            require(new, begin)
        return new


class UserX86XsaveEntry(Message):
    """Extended states of XSAVE: AVX, MPX, AVX-512, protection keys, shadow stack."""

    __slots__ = (
        "xstate_bv",
        "ymmh_space",
        "bndreg_state",
        "bndcsr_state",
        "opmask_reg",
        "zmm_upper",
        "hi16_zmm",
        "pkru",
        "cet",
    )

    NAME = "user_x86_xsave_entry"
    FIELDS = (
        (1, "xstate_bv", "required", "uint64", None, None, None),
        (2, "ymmh_space", "repeated", "uint32", None, None, None),
        (3, "bndreg_state", "repeated", "uint64", None, None, None),
        (4, "bndcsr_state", "repeated", "uint64", None, None, None),
        (5, "opmask_reg", "repeated", "uint64", None, None, None),
        (6, "zmm_upper", "repeated", "uint64", None, None, None),
        (7, "hi16_zmm", "repeated", "uint64", None, None, None),
        (8, "pkru", "repeated", "uint32", None, None, None),
        (9, "cet", "optional", "message", "core_x86:UserX86CetEntry", None, None),
    )

    def __init__(
        self,
        *,
        xstate_bv: int,
        ymmh_space: Sequence[int] = (),
        bndreg_state: Sequence[int] = (),
        bndcsr_state: Sequence[int] = (),
        opmask_reg: Sequence[int] = (),
        zmm_upper: Sequence[int] = (),
        hi16_zmm: Sequence[int] = (),
        pkru: Sequence[int] = (),
        cet: UserX86CetEntry | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.xstate_bv = xstate_bv
        self.ymmh_space = ymmh_space
        self.bndreg_state = bndreg_state
        self.bndcsr_state = bndcsr_state
        self.opmask_reg = opmask_reg
        self.zmm_upper = zmm_upper
        self.hi16_zmm = hi16_zmm
        self.pkru = pkru
        self.cet = cet
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint64_1[self.xstate_bv],
                    *map(_uint32_2.__getitem__, self.ymmh_space),
                    *map(_uint64_3.__getitem__, self.bndreg_state),
                    *map(_uint64_4.__getitem__, self.bndcsr_state),
                    *map(_uint64_5.__getitem__, self.opmask_reg),
                    *map(_uint64_6.__getitem__, self.zmm_upper),
                    *map(_uint64_7.__getitem__, self.hi16_zmm),
                    *map(_uint32_8.__getitem__, self.pkru),
                    b"" if self.cet is None else _length_9[len(b := self.cet.encode())] + b,
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        xstate_bv: Any = None
        ymmh_space: Any = ()
        bndreg_state: Any = ()
        bndcsr_state: Any = ()
        opmask_reg: Any = ()
        zmm_upper: Any = ()
        hi16_zmm: Any = ()
        pkru: Any = ()
        cet: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                xstate_bv = buf[at + 1]
                at += 2
                if xstate_bv > 127:
                    xstate_bv, at = read_varint64(buf, at, xstate_bv)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                ymmh_space, at = read_run(buf, at, stop, b"\x10", "uint32")
                tag = buf[at] if at < stop else 0
            if tag == 24:
                bndreg_state, at = read_run(buf, at, stop, b"\x18", "uint64")
                tag = buf[at] if at < stop else 0
            if tag == 32:
                bndcsr_state, at = read_run(buf, at, stop, b"\x20", "uint64")
                tag = buf[at] if at < stop else 0
            if tag == 40:
                opmask_reg, at = read_run(buf, at, stop, b"\x28", "uint64")
                tag = buf[at] if at < stop else 0
            if tag == 48:
                zmm_upper, at = read_run(buf, at, stop, b"\x30", "uint64")
                tag = buf[at] if at < stop else 0
            if tag == 56:
                hi16_zmm, at = read_run(buf, at, stop, b"\x38", "uint64")
                tag = buf[at] if at < stop else 0
            if tag == 64:
                pkru, at = read_run(buf, at, stop, b"\x40", "uint32")
                tag = buf[at] if at < stop else 0
            if tag == 74:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                cet = UserX86CetEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.xstate_bv = xstate_bv
        new.ymmh_space = ymmh_space
        new.bndreg_state = bndreg_state
        new.bndcsr_state = bndcsr_state
        new.opmask_reg = opmask_reg
        new.zmm_upper = zmm_upper
        new.hi16_zmm = hi16_zmm
        new.pkru = pkru
        new.cet = cet
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if xstate_bv is None:
            require(new, begin)
        return new


class UserX86FpregsEntry(Message):
    """The legacy floating point area: FXSAVE, Intel SDM volume 1, 10.5.1."""

    __slots__ = (
        "cwd",
        "swd",
        "twd",
        "fop",
        "rip",
        "rdp",
        "mxcsr",
        "mxcsr_mask",
        "st_space",
        "xmm_space",
        "padding",
        "xsave",
    )

    NAME = "user_x86_fpregs_entry"
    FIELDS = (
        (1, "cwd", "required", "uint32", None, None, None),
        (2, "swd", "required", "uint32", None, None, None),
        (3, "twd", "required", "uint32", None, None, None),
        (4, "fop", "required", "uint32", None, None, None),
        (5, "rip", "required", "uint64", None, None, None),
        (6, "rdp", "required", "uint64", None, None, None),
        (7, "mxcsr", "required", "uint32", None, None, None),
        (8, "mxcsr_mask", "required", "uint32", None, None, None),
        (9, "st_space", "repeated", "uint32", None, None, None),
        (10, "xmm_space", "repeated", "uint32", None, None, None),
        (11, "padding", "repeated", "uint32", None, None, None),
        (13, "xsave", "optional", "message", "core_x86:UserX86XsaveEntry", None, None),
    )

    def __init__(
        self,
        *,
        cwd: int,
        swd: int,
        twd: int,
        fop: int,
        rip: int,
        rdp: int,
        mxcsr: int,
        mxcsr_mask: int,
        st_space: Sequence[int] = (),
        xmm_space: Sequence[int] = (),
        padding: Sequence[int] = (),
        xsave: UserX86XsaveEntry | None = None,
        unknown: bytes = b"",
    ) -> None:
        self.cwd = cwd
        self.swd = swd
        self.twd = twd
        self.fop = fop
        self.rip = rip
        self.rdp = rdp
        self.mxcsr = mxcsr
        self.mxcsr_mask = mxcsr_mask
        self.st_space = st_space
        self.xmm_space = xmm_space
        self.padding = padding
        self.xsave = xsave
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.cwd],
                    _uint32_2[self.swd],
                    _uint32_3[self.twd],
                    _uint32_4[self.fop],
                    _uint64_5[self.rip],
                    _uint64_6[self.rdp],
                    _uint32_7[self.mxcsr],
                    _uint32_8[self.mxcsr_mask],
                    *map(_uint32_9.__getitem__, self.st_space),
                    *map(_uint32_10.__getitem__, self.xmm_space),
                    *map(_uint32_11.__getitem__, self.padding),
                    b"" if self.xsave is None else _length_13[len(b := self.xsave.encode())] + b,
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        cwd: Any = None
        swd: Any = None
        twd: Any = None
        fop: Any = None
        rip: Any = None
        rdp: Any = None
        mxcsr: Any = None
        mxcsr_mask: Any = None
        st_space: Any = ()
        xmm_space: Any = ()
        padding: Any = ()
        xsave: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                cwd = buf[at + 1]
                at += 2
                if cwd > 127:
                    cwd, at = read_varint32(buf, at, cwd)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                swd = buf[at + 1]
                at += 2
                if swd > 127:
                    swd, at = read_varint32(buf, at, swd)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                twd = buf[at + 1]
                at += 2
                if twd > 127:
                    twd, at = read_varint32(buf, at, twd)
                tag = buf[at] if at < stop else 0
            if tag == 32:
                fop = buf[at + 1]
                at += 2
                if fop > 127:
                    fop, at = read_varint32(buf, at, fop)
                tag = buf[at] if at < stop else 0
            if tag == 40:
                rip = buf[at + 1]
                at += 2
                if rip > 127:
                    rip, at = read_varint64(buf, at, rip)
                tag = buf[at] if at < stop else 0
            if tag == 48:
                rdp = buf[at + 1]
                at += 2
                if rdp > 127:
                    rdp, at = read_varint64(buf, at, rdp)
                tag = buf[at] if at < stop else 0
            if tag == 56:
                mxcsr = buf[at + 1]
                at += 2
                if mxcsr > 127:
                    mxcsr, at = read_varint32(buf, at, mxcsr)
                tag = buf[at] if at < stop else 0
            if tag == 64:
                mxcsr_mask = buf[at + 1]
                at += 2
                if mxcsr_mask > 127:
                    mxcsr_mask, at = read_varint32(buf, at, mxcsr_mask)
                tag = buf[at] if at < stop else 0
            if tag == 72:
                st_space, at = read_run(buf, at, stop, b"\x48", "uint32")
                tag = buf[at] if at < stop else 0
            if tag == 80:
                xmm_space, at = read_run(buf, at, stop, b"\x50", "uint32")
                tag = buf[at] if at < stop else 0
            if tag == 88:
                padding, at = read_run(buf, at, stop, b"\x58", "uint32")
                tag = buf[at] if at < stop else 0
            if tag == 106:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                xsave = recall(UserX86XsaveEntry, buf, at - span, at)
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.cwd = cwd
        new.swd = swd
        new.twd = twd
        new.fop = fop
        new.rip = rip
        new.rdp = rdp
        new.mxcsr = mxcsr
        new.mxcsr_mask = mxcsr_mask
        new.st_space = st_space
        new.xmm_space = xmm_space
        new.padding = padding
        new.xsave = xsave
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if (
            cwd is None
            or swd is None
            or twd is None
            or fop is None
            or rip is None
            or rdp is None
            or mxcsr is None
            or mxcsr_mask is None
        ):
            require(new, begin)
        return new


class UserDescT(Message):
    """A TLS segment: struct user_desc, set_thread_area(2)."""

    __slots__ = (
        "entry_number",
        "base_addr",
        "limit",
        "seg_32bit",
        "contents_h",
        "contents_l",
        "read_exec_only",
        "limit_in_pages",
        "seg_not_present",
        "usable",
    )

    NAME = "user_desc_t"
    FIELDS = (
        (1, "entry_number", "required", "uint32", None, None, None),
        (2, "base_addr", "required", "uint32", None, None, None),
        (3, "limit", "required", "uint32", None, None, None),
        (4, "seg_32bit", "required", "bool", None, None, None),
        (5, "contents_h", "required", "bool", None, None, None),
        (6, "contents_l", "required", "bool", None, None, None),
        (7, "read_exec_only", "required", "bool", None, True, None),
        (8, "limit_in_pages", "required", "bool", None, None, None),
        (9, "seg_not_present", "required", "bool", None, True, None),
        (10, "usable", "required", "bool", None, None, None),
    )

    def __init__(
        self,
        *,
        entry_number: int,
        base_addr: int,
        limit: int,
        seg_32bit: bool,
        contents_h: bool,
        contents_l: bool,
        read_exec_only: bool = True,
        limit_in_pages: bool,
        seg_not_present: bool = True,
        usable: bool,
        unknown: bytes = b"",
    ) -> None:
        self.entry_number = entry_number
        self.base_addr = base_addr
        self.limit = limit
        self.seg_32bit = seg_32bit
        self.contents_h = contents_h
        self.contents_l = contents_l
        self.read_exec_only = read_exec_only
        self.limit_in_pages = limit_in_pages
        self.seg_not_present = seg_not_present
        self.usable = usable
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.entry_number],
                    _uint32_2[self.base_addr],
                    _uint32_3[self.limit],
                    _bool_4[self.seg_32bit],
                    _bool_5[self.contents_h],
                    _bool_6[self.contents_l],
                    _bool_7[self.read_exec_only],
                    _bool_8[self.limit_in_pages],
                    _bool_9[self.seg_not_present],
                    _bool_10[self.usable],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        entry_number: Any = None
        base_addr: Any = None
        limit: Any = None
        seg_32bit: Any = None
        contents_h: Any = None
        contents_l: Any = None
        read_exec_only: Any = None
        limit_in_pages: Any = None
        seg_not_present: Any = None
        usable: Any = None
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                entry_number = buf[at + 1]
                at += 2
                if entry_number > 127:
                    entry_number, at = read_varint32(buf, at, entry_number)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                base_addr = buf[at + 1]
                at += 2
                if base_addr > 127:
                    base_addr, at = read_varint32(buf, at, base_addr)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                limit = buf[at + 1]
                at += 2
                if limit > 127:
                    limit, at = read_varint32(buf, at, limit)
                tag = buf[at] if at < stop else 0
            if tag == 32:
                seg_32bit = buf[at + 1]
                at += 2
                if seg_32bit > 1:
                    seg_32bit, at = read_bool(buf, at, seg_32bit)
                else:
                    seg_32bit = seg_32bit == 1
                tag = buf[at] if at < stop else 0
            if tag == 40:
                contents_h = buf[at + 1]
                at += 2
                if contents_h > 1:
                    contents_h, at = read_bool(buf, at, contents_h)
                else:
                    contents_h = contents_h == 1
                tag = buf[at] if at < stop else 0
            if tag == 48:
                contents_l = buf[at + 1]
                at += 2
                if contents_l > 1:
                    contents_l, at = read_bool(buf, at, contents_l)
                else:
                    contents_l = contents_l == 1
                tag = buf[at] if at < stop else 0
            if tag == 56:
                read_exec_only = buf[at + 1]
                at += 2
                if read_exec_only > 1:
                    read_exec_only, at = read_bool(buf, at, read_exec_only)
                else:
                    read_exec_only = read_exec_only == 1
                tag = buf[at] if at < stop else 0
            if tag == 64:
                limit_in_pages = buf[at + 1]
                at += 2
                if limit_in_pages > 1:
                    limit_in_pages, at = read_bool(buf, at, limit_in_pages)
                else:
                    limit_in_pages = limit_in_pages == 1
                tag = buf[at] if at < stop else 0
            if tag == 72:
                seg_not_present = buf[at + 1]
                at += 2
                if seg_not_present > 1:
                    seg_not_present, at = read_bool(buf, at, seg_not_present)
                else:
                    seg_not_present = seg_not_present == 1
                tag = buf[at] if at < stop else 0
            if tag == 80:
                usable = buf[at + 1]
                at += 2
                if usable > 1:
                    usable, at = read_bool(buf, at, usable)
                else:
                    usable = usable == 1
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.entry_number = entry_number
        new.base_addr = base_addr
        new.limit = limit
        new.seg_32bit = seg_32bit
        new.contents_h = contents_h
        new.contents_l = contents_l
        new.read_exec_only = read_exec_only
        new.limit_in_pages = limit_in_pages
        new.seg_not_present = seg_not_present
        new.usable = usable
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if (
            entry_number is None
            or base_addr is None
            or limit is None
            or seg_32bit is None
            or contents_h is None
            or contents_l is None
            or read_exec_only is None
            or limit_in_pages is None
            or seg_not_present is None
            or usable is None
        ):
            require(new, begin)
        return new


class ThreadInfoX86(Message):
    """Registers of a thread."""

    __slots__ = (
        "clear_tid_addr",
        "gpregs",
        "fpregs",
        "tls",
    )

    NAME = "thread_info_x86"
    FIELDS = (
        (1, "clear_tid_addr", "required", "uint64", None, None, "hex"),
        (2, "gpregs", "required", "message", "core_x86:UserX86RegsEntry", None, None),
        (3, "fpregs", "required", "message", "core_x86:UserX86FpregsEntry", None, None),
        (4, "tls", "repeated", "message", "core_x86:UserDescT", None, None),
    )

    def __init__(
        self,
        *,
        clear_tid_addr: int,
        gpregs: UserX86RegsEntry,
        fpregs: UserX86FpregsEntry,
        tls: Sequence[UserDescT] = (),
        unknown: bytes = b"",
    ) -> None:
        self.clear_tid_addr = clear_tid_addr
        self.gpregs = gpregs
        self.fpregs = fpregs
        self.tls = tls
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint64_1[self.clear_tid_addr],
                    _length_2[len(b := self.gpregs.encode())] + b,
                    _length_3[len(b := self.fpregs.encode())] + b,
                    *[_length_4[len(b)] + b for b in [m.encode() for m in self.tls]],
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        clear_tid_addr: Any = None
        gpregs: Any = None
        fpregs: Any = None
        tls: Any = ()
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                clear_tid_addr = buf[at + 1]
                at += 2
                if clear_tid_addr > 127:
                    clear_tid_addr, at = read_varint64(buf, at, clear_tid_addr)
                tag = buf[at] if at < stop else 0
            if tag == 18:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                gpregs = UserX86RegsEntry.read_at(buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 26:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                fpregs = recall(UserX86FpregsEntry, buf, at - span, at)
                tag = buf[at] if at < stop else 0
            if tag == 34:
                tls = []
                while tag == 34:
                    span = buf[at + 1]
                    at += 2
                    if span > 127:
                        span, at = read_varint32(buf, at, span)
                    at += span
                    if at > stop:
                        raise IndexError
                    tls.append(recall(UserDescT, buf, at - span, at))
                    tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.clear_tid_addr = clear_tid_addr
        new.gpregs = gpregs
        new.fpregs = fpregs
        new.tls = tls
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if clear_tid_addr is None or gpregs is None or fpregs is None:
            require(new, begin)
        return new
