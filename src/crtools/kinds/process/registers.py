"""A thread's registers: general ones, floating point and vectors, TLS segments.

The kernel shows extended state as an XSAVE area in standard format (Intel SDM volume 1, 13.4): the
legacy FXSAVE area, the header with the bitmap of components that are not in their initial state,
and the components at offsets that differ from CPU to CPU (AVX-512 lies elsewhere on AMD's) and
that CPUID leaf 0xD tells. Bytes 464 to 511 are the kernel's: the components that it has enabled
(asm/user.h, USER_XSTATE_XCR0_WORD). Images hold components by name, so they know no offsets.

Components that the images' schema has no field for (AMX, APX) go into our own image, one after the
other: number and size, 32 bits each, then the content.
"""

from __future__ import annotations

import os
import struct
from errno import EIO

from crtools.abi.kernel import address_of, cpuid, raw
from crtools.errors import ImageError, RestoreConflict, UnsupportedObject
from crtools.images.messages.core_x86 import (
    ThreadInfoX86,
    UserDescT,
    UserX86FpregsEntry,
    UserX86RegsEntry,
    UserX86RegsMode,
    UserX86XsaveEntry,
)
from crtools.model.value import Value
from crtools.tracee.x86_64 import CS_64

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from crtools.agent.program import Program

FLAG_ID = 0x200000  # X86_EFLAGS_ID, asm/processor-flags.h
SYS_arch_prctl, ARCH_REQ_XCOMP_PERM = 158, 0x1023  # asm/prctl.h
TILE_CONFIG, TILE_DATA = 17, 18  # XFEATURE_XTILE_CFG, XFEATURE_XTILE_DATA, asm/fpu/types.h
NATIVE = UserX86RegsMode.NATIVE
COMPAT = UserX86RegsMode.COMPAT
CS_32 = 0x23  # __USER32_CS, asm/segment.h
SS = 0x2B  # __USER_DS, asm/segment.h
FLAGS_ALWAYS = 0x202  # X86_EFLAGS_FIXED, X86_EFLAGS_IF, asm/processor-flags.h
# CF PF AF ZF SF TF DF OF NT RF AC ID: what a program can change
FLAGS_USER = 0x254DD5
BASE_END = 1 << 56  # above every user address, five-level page tables included

# Components of XSAVE: enum xfeature, asm/fpu/types.h.
X87, SSE, AVX, BNDREGS, BNDCSR, OPMASK, ZMM_HI256, HI16_ZMM, PKRU = 0, 1, 2, 3, 4, 5, 6, 7, 9
XTILECFG, XTILEDATA, APX = 17, 18, 19
LEGACY_BITS = 1 << X87 | 1 << SSE
MXCSR_DEFAULT = 0x1F80  # MXCSR_DEFAULT, asm/fpu/types.h
MXCSR_MASK_DEFAULT = 0xFFBF  # where the CPU tells none: Intel SDM volume 1, 11.6.6
PKRU_DEFAULT = 0x55555554  # init_pkru_value, arch/x86/mm/pkeys.c: key 0 only

XSAVE_HEADER = 512
XSAVE_BEGIN = 576  # of the components after the legacy area and the header
_ENABLED_AT = 464  # USER_XSTATE_XCR0_WORD, asm/user.h
_MXCSR_MASK_AT = 28
_FXSAVE_HEAD = struct.Struct("<4H2Q2I")
_ST = struct.Struct("<32I")
_ST_AT = 32
_XMM = struct.Struct("<64I")
_XMM_AT = 160
_U64 = struct.Struct("<Q")
_EXTRA = struct.Struct("<II")
_USER_DESC = struct.Struct("<IIII")  # struct user_desc, asm/ldt.h

# Number, the image's field, its content, what that is at first, and what people call it.
_FIELDS = tuple(
    (number, field, content, content.unpack(bytes(content.size)), name)
    for number, field, content, name in (
        (AVX, "ymmh_space", _XMM, "AVX"),
        (BNDREGS, "bndreg_state", struct.Struct("<8Q"), "MPX"),
        (BNDCSR, "bndcsr_state", struct.Struct("<8Q"), "MPX"),
        (OPMASK, "opmask_reg", struct.Struct("<8Q"), "AVX-512"),
        (ZMM_HI256, "zmm_upper", struct.Struct("<64Q"), "AVX-512"),
        (HI16_ZMM, "hi16_zmm", struct.Struct("<128Q"), "AVX-512"),
        (PKRU, "pkru", struct.Struct("<2I"), "protection keys"),
    )
)
_SCHEMA_BITS = LEGACY_BITS | sum(1 << number for number, *_ in _FIELDS)
_NAMES = {number: name for number, _, _, _, name in _FIELDS}
_NAMES.update({XTILECFG: "AMX", XTILEDATA: "AMX", APX: "APX"})

GDT_ENTRY_TLS_MIN = 12  # asm/segment.h, three entries
SYS_ptrace = 101
PTRACE_GET_THREAD_AREA, PTRACE_SET_THREAD_AREA = 25, 26  # asm/ptrace-abi.h
_NO_SEGMENT = 0x28  # read_exec_only and seg_not_present: LDT_empty(), asm/desc.h


class XstateLayout(Value):
    """Where this CPU puts the components: number -> (offset, bytes), for those enabled."""

    enabled: int
    places: dict[int, tuple[int, int]]


_layouts: dict[int, XstateLayout] = {}


def read_layout(xstate: bytes) -> XstateLayout:
    """The layout of this host's NT_X86_XSTATE regset, of which `xstate` is one.

    CPUID traps into a hypervisor, so each component is asked for once.
    """
    enabled = _U64.unpack_from(xstate, _ENABLED_AT)[0]
    layout = _layouts.get(enabled)
    if layout is None:
        places = {}
        for number in range(AVX, enabled.bit_length()):
            if enabled >> number & 1:
                size, offset, _, _ = cpuid(0xD, number)
                if offset >= XSAVE_BEGIN and offset + size <= len(xstate):
                    places[number] = offset, size
        layout = _layouts[enabled] = XstateLayout(enabled=enabled, places=places)
    return layout


def dump_registers(
    gpr: Sequence[int],
    xstate: bytes,
    clear_tid_addr: int,
    tls: Sequence[bytes] | None = None,
) -> ThreadInfoX86:
    """The entry of a thread.

    gpr: the 27 words of struct user_regs_struct; xstate: the NT_X86_XSTATE regset; tls: the three
    struct user_desc of the thread (`read_tls`), None where it has none.
    What the entry has no field for is in `dump_extra(xstate)`.
    """
    used: int = _U64.unpack_from(xstate, XSAVE_HEADER)[0]
    places = read_layout(xstate).places
    xsave = UserX86XsaveEntry(xstate_bv=used & _SCHEMA_BITS)
    for number, field, content, initial, _ in _FIELDS:
        if number in places:
            if used >> number & 1 or number == PKRU:
                initial = content.unpack_from(xstate, places[number][0])
            setattr(xsave, field, initial)
    if xsave.pkru and xsave.pkru[0]:  # the kernel keeps it apart, and its bit may lag behind
        xsave.xstate_bv |= 1 << PKRU
    cwd, swd, twd, fop, rip, rdp, mxcsr, mxcsr_mask = _FXSAVE_HEAD.unpack_from(xstate)
    return ThreadInfoX86(
        clear_tid_addr=clear_tid_addr,
        gpregs=_dump_general(gpr),
        fpregs=UserX86FpregsEntry(
            cwd=cwd,
            swd=swd,
            twd=twd,
            fop=fop,
            rip=rip,
            rdp=rdp,
            mxcsr=mxcsr,
            mxcsr_mask=mxcsr_mask,
            st_space=_ST.unpack_from(xstate, _ST_AT),
            xmm_space=_XMM.unpack_from(xstate, _XMM_AT),
            xsave=xsave,
        ),
        tls=_NO_TLS if tls is None else [_parse_user_desc(desc) for desc in tls],
    )


def _dump_general(gpr: Sequence[int]) -> UserX86RegsEntry:
    (
        r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax, ip, cs,
        flags, sp, ss, fs_base, gs_base, ds, es, fs, gs,
    ) = gpr  # fmt: skip
    return UserX86RegsEntry(
        r15=r15, r14=r14, r13=r13, r12=r12, bp=bp, bx=bx, r11=r11, r10=r10, r9=r9, r8=r8,
        ax=ax, cx=cx, dx=dx, si=si, di=di, orig_ax=orig_ax, ip=ip, cs=cs, flags=flags, sp=sp,
        ss=ss, fs_base=fs_base, gs_base=gs_base, ds=ds, es=es, fs=fs, gs=gs, mode=NATIVE,
    )  # fmt: skip


def dump_extra(xstate: bytes) -> bytes | None:
    """The components in use that the entry has no field for; None where there is none."""
    if not _U64.unpack_from(xstate, XSAVE_HEADER)[0] & ~_SCHEMA_BITS:
        return None
    components = extra_components(xstate)
    return b"".join(
        _EXTRA.pack(number, len(content)) + content for number, content in components.items()
    )


def check_rights(tid: int, xstate: bytes, name: str) -> None:
    """Raises UnsupportedObject for a thread that has denied itself memory of protection key 0, in
    which our own code and its stack are. Bits 0 and 1 of PKRU are for that key."""
    place = read_layout(xstate).places.get(PKRU)
    if place is not None and xstate[place[0]] & 3:
        raise UnsupportedObject(
            f"Cannot dump {name}: thread {tid} has denied itself memory of key 0 (PKRU)",
            because="nothing could be run in it",
            hint="dump it at another moment",
            subject=("task", tid),
        )


def extra_components(xstate: bytes) -> dict[int, bytes]:
    """Number -> content of the components in use that the image's schema has no field for.

    Raises UnsupportedObject for one whose place is unknown.
    """
    used = _U64.unpack_from(xstate, XSAVE_HEADER)[0] & ~_SCHEMA_BITS
    places = read_layout(xstate).places
    components = {}
    for number in range(used.bit_length()):
        if used >> number & 1:
            if number not in places:
                raise UnsupportedObject(
                    f"Cannot save the extended state {_name(number)} of a thread",
                    because="CPUID does not say where the CPU keeps it",
                )
            offset, size = places[number]
            components[number] = bytes(xstate[offset : offset + size])
    return components


def parse_extra(extra: bytes) -> dict[int, bytes]:
    """The components that `dump_extra` packed. Raises ImageError for anything else."""
    components: dict[int, bytes] = {}
    at = 0
    while at < len(extra):
        if at + _EXTRA.size > len(extra):
            raise _damaged("the list of extra components ends in the middle")
        number, size = _EXTRA.unpack_from(extra, at)
        at += _EXTRA.size
        if at + size > len(extra):
            raise _damaged(f"extra component {number} ends in the middle")
        if number > 62 or _SCHEMA_BITS >> number & 1 or number in components:
            raise _damaged(f"component {number} is no extra one")
        components[number] = extra[at : at + size]
        at += size
    return components


class Xstates:
    """build_xstate of many threads: what several have in common is built once."""

    def __init__(self, template: bytes) -> None:
        self.template = template
        self._built: dict[tuple[int, bytes | None], bytes] = {}

    def build(self, info: ThreadInfoX86, extra: bytes | None) -> bytes:
        """The entries live as long as this."""
        key = id(info.fpregs), extra
        built = self._built.get(key)
        if built is None:
            built = self._built[key] = build_xstate(info, self.template, extra)
        return built


def build_xstate(info: ThreadInfoX86, template: bytes, extra: bytes | None = None) -> bytes:
    """The NT_X86_XSTATE regset of a thread on this host.

    template: the regset of any thread here; its size is the one that the kernel takes. extra: what
    `dump_extra` made. Raises RestoreConflict where the thread uses what this CPU lacks, ImageError
    where the entry contradicts itself, UnsupportedObject for a shadow stack.
    """
    fp = info.fpregs
    xsave = fp.xsave
    used = LEGACY_BITS if xsave is None else xsave.xstate_bv
    layout = read_layout(template)
    area = bytearray(len(template))
    area[_ENABLED_AT:XSAVE_HEADER] = template[_ENABLED_AT:XSAVE_HEADER]
    used = _build_legacy(fp, template, area, used)
    lacking: dict[str, None] = {}
    if xsave is not None:
        if xsave.cet is not None and xsave.cet.cet & 1:  # CET_SHSTK_EN, asm/msr-index.h
            raise UnsupportedObject(
                "Cannot restore a thread with a shadow stack",
                hint="start the program with GLIBC_TUNABLES=glibc.cpu.x86_shstk=off",
            )
        for number, field, content, _, name in _FIELDS:
            values = getattr(xsave, field)
            if number == PKRU:
                used = _with_pkru_bit(used, values, layout)
            if not used >> number & 1:
                continue
            place = layout.places.get(number)
            if place is not None:
                _pack_into(content, area, place[0], values, field)
            elif any(values) or not values:
                lacking[name] = None
            else:  # zero is what it begins with
                used &= ~(1 << number)
    if PKRU in layout.places and (xsave is None or not xsave.pkru):
        # The CPU that it comes from had no such register: what a new thread gets here.
        offset, size = layout.places[PKRU]
        area[offset : offset + size] = template[offset : offset + size]
        used |= _U64.unpack_from(template, XSAVE_HEADER)[0] & 1 << PKRU
    used = _build_extra(extra, layout, area, used, lacking)
    if lacking:
        raise RestoreConflict(
            f"The thread uses {', '.join(lacking)}, which this CPU or kernel lacks",
            hint="restore on a CPU with the features of the one that was dumped on",
        )
    _U64.pack_into(area, XSAVE_HEADER, used)
    return bytes(area)


def _build_legacy(fp: UserX86FpregsEntry, template: bytes, area: bytearray, used: int) -> int:
    """The FXSAVE area; returns the components in use."""
    mask = int.from_bytes(template[_MXCSR_MASK_AT : _MXCSR_MASK_AT + 4], "little")
    mxcsr = fp.mxcsr & (mask or MXCSR_MASK_DEFAULT)  # the kernel refuses bits the CPU lacks
    xmm = fp.xmm_space
    if mxcsr != MXCSR_DEFAULT and not used & 1 << SSE:
        # Its registers are as at first but its control word is not, and both hang on one bit.
        used |= 1 << SSE
        xmm = (0,) * 64
    head = (fp.cwd, fp.swd, fp.twd, fp.fop, fp.rip, fp.rdp, mxcsr, mask)
    _pack_into(_FXSAVE_HEAD, area, 0, head, "fpregs")
    _pack_into(_ST, area, _ST_AT, fp.st_space, "st_space")
    _pack_into(_XMM, area, _XMM_AT, xmm, "xmm_space")
    return used


def _with_pkru_bit(used: int, values: Sequence[int], layout: XstateLayout) -> int:
    """The default of a CPU with protection keys means nothing to one without them."""
    if values and values[0] and (PKRU in layout.places or values[0] != PKRU_DEFAULT):
        return used | 1 << PKRU
    return used & ~(1 << PKRU)


def _build_extra(
    extra: bytes | None, layout: XstateLayout, area: bytearray, used: int, lacking: dict[str, None]
) -> int:
    components = parse_extra(extra) if extra else {}
    rest = used & ~_SCHEMA_BITS
    for number in range(rest.bit_length()):
        if rest >> number & 1 and number not in components:
            raise _damaged(f"extended state {_name(number)} is in use, but its content is missing")
    for number, content in components.items():
        place = layout.places.get(number)
        if place is None or place[1] != len(content):
            lacking[_name(number)] = None
        else:
            area[place[0] : place[0] + place[1]] = content
            used |= 1 << number
    return used


def has_tiles(extra: bytes | None) -> bool:
    """Whether a thread's extra components hold AMX tiles or their configuration."""
    return bool(extra) and not {TILE_CONFIG, TILE_DATA}.isdisjoint(parse_extra(extra or b""))


def build_tile_permission(program: Program) -> None:
    """Before a process has threads, which inherit it (Documentation/arch/x86/xstate.rst)."""
    program.call(
        SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, TILE_DATA, label="ask for the use of AMX tiles"
    )


def build_tile_room(program: Program) -> None:
    """The kernel enlarges a thread's register state at its first tile instruction; before that,
    PTRACE_SETREGSET with tiles is EINVAL."""
    # The 64 bytes of ldtilecfg: palette 1, tile 0 of 16 rows of 64 bytes.
    configuration = bytearray(64)
    configuration[0] = 1
    configuration[16] = 64
    configuration[48] = 16
    program.use_tiles(program.put(configuration))


def build_flags(program: Program, info: ThreadInfoX86) -> None:
    """The one flag of a program's that ptrace does not write: the one that can be changed where
    there is CPUID (FLAG_MASK, arch/x86/kernel/ptrace.c)."""
    if info.gpregs.flags & FLAG_ID:
        program.set_flags(FLAG_ID)


def restore_registers(info: ThreadInfoX86) -> list[int]:
    """The 27 words of struct user_regs_struct, with flags that a program can have.

    Raises UnsupportedObject for 32-bit code, ImageError for segments that no program has.
    """
    entry = info.gpregs
    if entry.mode == COMPAT or entry.cs == CS_32:
        raise UnsupportedObject(
            "Cannot restore a thread that runs 32-bit code",
            because="crtools restores 64-bit programs only",
        )
    if entry.cs != CS_64 or entry.ss != SS:
        raise _damaged(f"code segment {entry.cs:#x} and stack segment {entry.ss:#x}")
    for selector in (entry.ds, entry.es, entry.fs, entry.gs):
        if selector > 0xFFFF or (selector and selector & 3 != 3):
            raise _damaged(f"segment selector {selector:#x}")
    if max(entry.fs_base, entry.gs_base) >= BASE_END:
        raise _damaged(f"segment bases {entry.fs_base:#x} and {entry.gs_base:#x}")
    e = entry
    return [
        e.r15, e.r14, e.r13, e.r12, e.bp, e.bx, e.r11, e.r10, e.r9, e.r8, e.ax, e.cx, e.dx, e.si,
        e.di, e.orig_ax, e.ip, e.cs, e.flags & FLAGS_USER | FLAGS_ALWAYS, e.sp, e.ss, e.fs_base,
        e.gs_base, e.ds, e.es, e.fs, e.gs,
    ]  # fmt: skip


def read_tls(tid: int) -> list[bytes] | None:
    """The three struct user_desc of a stopped tracee; None where all are empty, as in nearly every
    64-bit program. Raises OSError. ptrace(2), PTRACE_GET_THREAD_AREA.

    A kernel without 32-bit system calls (CONFIG_IA32_EMULATION) has no such request, and no call
    to set a segment with either.
    """
    found = []
    area = bytearray(_USER_DESC.size)
    address = address_of(area)
    for entry in range(GDT_ENTRY_TLS_MIN, GDT_ENTRY_TLS_MIN + 3):
        error = raw(SYS_ptrace, PTRACE_GET_THREAD_AREA, tid, entry, address)
        if error == -EIO:
            return None
        if error:
            raise OSError(-error, os.strerror(-error))
        found.append(bytes(area))
    if all(desc[4:] == _EMPTY_DESC for desc in found):
        return None
    return found


def restore_tls(info: ThreadInfoX86) -> list[bytes]:
    """The struct user_desc to set: none for empty ones.

    Raises ImageError for one that is no TLS segment.
    """
    found = []
    for entry in info.tls:
        first = GDT_ENTRY_TLS_MIN
        if not first <= entry.entry_number < first + 3:
            raise _damaged(f"TLS segment {entry.entry_number}")
        desc = _USER_DESC.pack(
            entry.entry_number,
            entry.base_addr,
            entry.limit,
            entry.seg_32bit
            | entry.contents_l << 1
            | entry.contents_h << 2
            | entry.read_exec_only << 3
            | entry.limit_in_pages << 4
            | entry.seg_not_present << 5
            | entry.usable << 6,
        )
        if desc[4:] != _EMPTY_DESC:
            found.append(desc)
    return found


def set_tls(tid: int, tls: Sequence[bytes]) -> None:
    """Sets a stopped tracee's segments, of restore_tls. set_thread_area(2) itself is for 32-bit
    callers only: in a 64-bit task it is ENOSYS. Raises RestoreConflict."""
    for desc in tls:
        number = int.from_bytes(desc[:4], "little")
        error = raw(SYS_ptrace, PTRACE_SET_THREAD_AREA, tid, number, address_of(desc))
        if error:
            raise RestoreConflict(
                f"Cannot restore TLS segment {number} of task {tid}",
                because="this kernel has no 32-bit system calls (CONFIG_IA32_EMULATION)"
                if error == -EIO
                else os.strerror(-error),
                subject=("task", tid),
            )


def _parse_user_desc(desc: bytes) -> UserDescT:
    number, base, limit, bits = _USER_DESC.unpack(desc)
    return UserDescT(
        entry_number=number,
        base_addr=base,
        limit=limit,
        seg_32bit=bool(bits & 1),
        contents_l=bool(bits >> 1 & 1),
        contents_h=bool(bits >> 2 & 1),
        read_exec_only=bool(bits >> 3 & 1),
        limit_in_pages=bool(bits >> 4 & 1),
        seg_not_present=bool(bits >> 5 & 1),
        usable=bool(bits >> 6 & 1),
    )


def _pack_into(
    content: struct.Struct, area: bytearray, offset: int, values: Sequence[int], field: str
) -> None:
    if field == "pkru":
        values = (values[0], 0)  # one word of it is defined, and the other is padding
    try:
        content.pack_into(area, offset, *values)
    except struct.error as error:
        raise _damaged(f"{field}: {error}") from None


def _name(number: int) -> str:
    return _NAMES.get(number, f"{number}")


def _damaged(because: str) -> ImageError:
    return ImageError("The registers in a core image are impossible", because=because)


_EMPTY_DESC = _USER_DESC.pack(0, 0, 0, _NO_SEGMENT)[4:]
_NO_TLS = tuple(
    _parse_user_desc(_USER_DESC.pack(GDT_ENTRY_TLS_MIN + i, 0, 0, _NO_SEGMENT)) for i in range(3)
)
