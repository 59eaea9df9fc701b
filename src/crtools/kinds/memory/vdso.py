"""The vDSO: the kernel's code and data in every process (vdso(7)).

A process keeps pointers into it, so it has to be found again where it was. Where this kernel's is
the same, byte for byte, the kernel maps it there (arch_prctl(2), ARCH_MAP_VDSO_64). Where it is
another, from another kernel or made for another CPU, the old code cannot run: it reads data whose
layout is the kernel's own affair. Then the old pages stay as ordinary memory, for their symbols
are looked up still, every function in them begins with a jump to the same function of this kernel's
vDSO, mapped in free space; one that this kernel lacks becomes its plain system call.

A second dump of such a process needs no special care: only the kernel's own mapping is named
[vdso] in /proc/PID/maps, and the old one is anonymous memory with content like any other. Its jumps
hold as long as this kernel's vDSO is restored to its place, and if that is replaced in its turn,
they lead to the jumps there.
"""

from __future__ import annotations

import os
import struct

from crtools.abi.kernel import view
from crtools.errors import ImageError, RestoreConflict
from crtools.model.value import Value
from crtools.procfs.maps import read_maps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ARCH_MAP_VDSO_64 = 0x2003  # asm/prctl.h; its argument is where vvar begins

SAME = "same"
PROXY = "proxy"

_NAMES = (b"[vvar]", b"[vvar_vclock]", b"[vdso]")

# elf.h
_MAGIC = b"\x7fELF\x02\x01"
_EHDR_PHOFF = struct.Struct("<32xQ14xHH")  # e_phoff, e_phentsize, e_phnum
_PHDR = struct.Struct("<IIQQQQQQ")
_DYN = struct.Struct("<QQ")
_SYM = struct.Struct("<IBBHQQ")
PT_LOAD, PT_DYNAMIC = 1, 2
DT_NULL, DT_HASH, DT_STRTAB, DT_SYMTAB, DT_STRSZ = 0, 4, 5, 6, 10
STT_FUNC = 2
_MOST_SYMBOLS = 4096

_SYSCALL = b"\x0f\x05"
_JUMP = b"\xff\x25\0\0\0\0"  # jmp *0(%rip), the address follows
_RET = b"\xc3"
_ENOSYS = b"\x48\xc7\xc0\xda\xff\xff\xff" + _RET  # mov $-38, %rax

# What a function does without the vDSO: the system call of the same name, asm/unistd_64.h.
SYSCALLS = {
    "__vdso_gettimeofday": 96,
    "__vdso_time": 201,
    "__vdso_clock_gettime": 228,
    "__vdso_clock_getres": 229,
    "__vdso_getcpu": 309,
    "__vdso_getrandom": 318,
}
_ENTER_ENCLAVE = "__vdso_sgx_enter_enclave"


class VdsoImage(Value):
    """The vDSO of a dumped process: vvar's areas from `start` to `code`, the code to `end`.

    `content` is what the pages at `code` hold.
    """

    start: int
    code: int
    end: int
    content: bytes


class VdsoHost(Value):
    """This kernel's: how many bytes vvar has before the code, and the code; b"": it has none."""

    before: int
    content: bytes


class VdsoPlan(Value):
    """How one process gets its vDSO.

    kind      SAME or PROXY
    map_at    where ARCH_MAP_VDSO_64 is to map this kernel's, vvar first, once nothing is there and
              no other vDSO is mapped; None: this kernel has none
    plain     PROXY only: (start, end) of the areas that are ordinary private memory: old vvar,
              empty and readable (code that has begun finds no clock in zeroes and makes the system
              call), and the old code, with the image's pages
    patches   (address, bytes) to write over the old code
    """

    kind: str
    map_at: int | None
    plain: tuple[tuple[int, int], ...] = ()
    patches: tuple[tuple[int, bytes], ...] = ()


def read_host_vdso(proc: int) -> VdsoHost:
    """What this process has itself; `proc` is a descriptor of /proc."""
    special = [vma for vma in read_maps(proc, os.getpid()) if vma.path in _NAMES]
    for vma in special:
        if vma.path == b"[vdso]":
            content = bytes(view(vma.start, vma.end - vma.start))
            return VdsoHost(before=vma.start - special[0].start, content=content)
    return VdsoHost(before=0, content=b"")


def plan_vdso(
    image: VdsoImage,
    host: VdsoHost,
    find_room: Callable[[int], int],
    instructions: Sequence[int] = (),
) -> VdsoPlan:
    """find_room: bytes -> an address where the process has so much free; instructions: where its
    threads are.

    Raises RestoreConflict where the vDSO is another and a thread is in its code, or a function of
    it has nothing to stand in for it; ImageError where the image's is no vDSO.
    """
    if not image.start <= image.code < image.end or len(image.content) > image.end - image.code:
        raise _damaged(f"its areas are {image.start:x}-{image.code:x}-{image.end:x}")
    same_size = (image.code - image.start, image.end - image.code) == (
        host.before,
        len(host.content),
    )
    if same_size and image.content == host.content:
        return VdsoPlan(kind=SAME, map_at=image.start)
    map_at = find_room(host.before + len(host.content)) if host.content else None
    patches = _build_patches(image, host, 0 if map_at is None else map_at + host.before)
    for address in instructions:
        _check_instruction(image, patches, address)
    areas = ((image.start, image.code), (image.code, image.end))
    return VdsoPlan(
        kind=PROXY,
        map_at=map_at,
        plain=tuple(area for area in areas if area[0] < area[1]),
        patches=tuple((image.code + offset, code) for offset, code in patches),
    )


def _build_patches(image: VdsoImage, host: VdsoHost, code: int) -> list[tuple[int, bytes]]:
    """(offset, bytes), ascending: a beginning for each function of the old code."""
    theirs = parse_functions(image.content)
    ours = parse_functions(host.content) if host.content else {}
    names: dict[int, list[str]] = {}
    for name, offset in theirs.items():
        names.setdefault(offset, []).append(name)
    patches = []
    ends = [*sorted(names)[1:], image.end - image.code]
    for (offset, aliases), end in zip(sorted(names.items()), ends, strict=True):
        target = next((ours[name] for name in aliases if name in ours), None)
        if target is None:
            patch = _build_substitute(aliases)
        else:
            patch = _JUMP + struct.pack("<Q", code + target)
        if offset + len(patch) > end:
            raise RestoreConflict(
                f"Cannot replace {aliases[0]} of another kernel's vDSO",
                because=f"it is only {end - offset} bytes long",
                hint="restore on the kernel that it was dumped on",
            )
        patches.append((offset, patch))
    return patches


def _build_substitute(aliases: Sequence[str]) -> bytes:
    """A function that does the plain system call."""
    for alias in aliases:
        name = alias if alias.startswith("__vdso_") else "__vdso_" + alias
        if name == _ENTER_ENCLAVE:
            return _ENOSYS
        if name in SYSCALLS:
            call = b"\xb8" + struct.pack("<I", SYSCALLS[name]) + _SYSCALL + _RET  # mov nr, %eax
            if name == "__vdso_getrandom":
                # With an opaque_len of -1 it is asked what state it needs, which is not this call:
                # cmp $-1, %r8; je over the call.
                return b"\x49\x83\xf8\xff\x74" + bytes((len(call),)) + call + _ENOSYS
            return call
    raise RestoreConflict(
        f"This kernel's vDSO has no {aliases[0]}",
        because="the process was dumped on a kernel that has it, and may be using it",
        hint="restore on the kernel that it was dumped on",
    )


def _check_instruction(image: VdsoImage, patches: Sequence[tuple[int, bytes]], at: int) -> None:
    """In the old code a thread may only be behind a system call: it goes on without vvar's data."""
    offset = at - image.code
    if not 0 <= offset < image.end - image.code:
        return
    patched = any(start <= offset < start + len(code) for start, code in patches)
    if patched or image.content[max(offset - len(_SYSCALL), 0) : offset] != _SYSCALL:
        raise RestoreConflict(
            f"A thread is in the vDSO, at {at:x}, and this kernel's vDSO is another",
            because="it was dumped in the middle of reading the clock",
            hint="dump it once more, or restore on the kernel that it was dumped on",
        )


def parse_functions(content: bytes) -> dict[str, int]:
    """Name -> offset of the functions that a vDSO exports. Raises ImageError if it is none."""
    try:
        return _parse_functions(content)
    except (struct.error, OverflowError, ValueError):
        raise _damaged("its tables lead outside of it") from None


def _parse_functions(content: bytes) -> dict[str, int]:
    if content[: len(_MAGIC)] != _MAGIC:
        raise _damaged("it is no 64-bit ELF image")
    table, size, count = _EHDR_PHOFF.unpack_from(content)
    base: int | None = None
    dynamic: tuple[int, int] | None = None
    for number in range(count):
        kind, _, _, vaddr, _, file_size, _, _ = _PHDR.unpack_from(content, table + number * size)
        if kind == PT_LOAD and base is None:
            base = vaddr
        elif kind == PT_DYNAMIC:
            dynamic = vaddr, file_size
    if base is None or dynamic is None:
        raise _damaged("it has no dynamic section")
    # Its only segment begins with the file, so an address less its base is an offset.
    tags: dict[int, int] = {}
    at = dynamic[0] - base
    for offset in range(at, at + dynamic[1], _DYN.size):
        tag, value = _DYN.unpack_from(content, offset)
        if tag == DT_NULL:
            break
        tags[tag] = value
    if DT_SYMTAB not in tags or DT_STRTAB not in tags:
        raise _damaged("it has no symbols")
    symbols, strings = tags[DT_SYMTAB] - base, tags[DT_STRTAB] - base
    if min(symbols, strings) < 0:
        raise _damaged("its tables lead outside of it")
    if DT_HASH in tags:
        (number_of_symbols,) = struct.unpack_from("<4xI", content, tags[DT_HASH] - base)
    else:  # linkers put the names behind the symbols
        number_of_symbols = (strings - symbols) // _SYM.size
    if not 0 < number_of_symbols < _MOST_SYMBOLS:
        raise _damaged(f"it has {number_of_symbols} symbols")
    functions = {}
    for number in range(number_of_symbols):
        name, info, _, section, value, _ = _SYM.unpack_from(content, symbols + number * _SYM.size)
        if info & 0xF != STT_FUNC or not section:
            continue
        begin = strings + name
        if not 0 <= value - base < len(content):
            raise _damaged("a function lies outside of it")
        functions[content[begin : content.index(b"\0", begin)].decode("ascii")] = value - base
    return functions


def _damaged(because: str) -> ImageError:
    return ImageError("What an image says of a vDSO is impossible", because=because)
