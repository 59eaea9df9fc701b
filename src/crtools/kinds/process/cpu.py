"""What the CPU lets programs do: written at a dump, compared at a restore (--cpu-cap).

A program finds out once what its CPU can do, with CPUID, and holds on to that: restored on another
one it must find the same instructions there. The image has CPUID's words in the order of the
kernel's capability words (asm/cpufeatures.h); words that the kernel makes up itself are left 0.
Only those features count that a program can use: what tells of the kernel's own instructions, of
virtual machines or of speed alone may differ.

Of XSAVE, the components enabled there must be enabled here, at the same offsets: programs keep
areas in their memory. That there are more here does no harm to programs that name the components
they save, as all have to that follow the Intel SDM (volume 1, 13.5).
"""

from __future__ import annotations

from crtools import log
from crtools.abi.kernel import cpuid, xcr0
from crtools.errors import ImageError, RestoreConflict
from crtools.images.messages.cpuinfo import (
    CpuinfoEntry,
    CpuinfoX86Entry,
    CpuinfoX86EntryVendor,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from crtools.images.store import ImageStore

ALL = frozenset(("cpu", "fpu", "ins"))
DEFAULT = frozenset(("fpu", "ins"))  # criu(8), --cpu-cap
CAPABILITY_VERSION = 2
WORDS = 21

_VENDORS = {
    b"GenuineIntel": CpuinfoX86EntryVendor.INTEL,
    b"AuthenticAMD": CpuinfoX86EntryVendor.AMD,
}
XSAVE_LEAF = 0xD
_EXTENDED = 0x80000000
_OSXSAVE = 1 << 27  # leaf 1, ecx

# The kernel's word: its features that programs can use, by bit, under the names of /proc/cpuinfo.
FEATURES: dict[int, dict[int, str]] = {
    # leaf 1, edx
    0: {
        0: "fpu", 4: "tsc", 8: "cx8", 15: "cmov", 19: "clflush", 23: "mmx", 24: "fxsr", 25: "sse",
        26: "sse2",
    },
    # leaf 0x80000001, edx
    1: {11: "syscall", 22: "mmxext", 27: "rdtscp", 29: "lm", 30: "3dnowext", 31: "3dnow"},
    # leaf 1, ecx
    4: {
        0: "pni", 1: "pclmulqdq", 9: "ssse3", 12: "fma", 13: "cx16", 19: "sse4_1", 20: "sse4_2",
        22: "movbe", 23: "popcnt", 25: "aes", 26: "xsave", 28: "avx", 29: "f16c", 30: "rdrand",
    },
    # leaf 0x80000001, ecx
    6: {
        0: "lahf_lm", 5: "abm", 6: "sse4a", 7: "misalignsse", 8: "3dnowprefetch", 11: "xop",
        15: "lwp", 16: "fma4", 21: "tbm", 29: "mwaitx",
    },
    # leaf 7, ebx
    9: {
        0: "fsgsbase", 3: "bmi1", 4: "hle", 5: "avx2", 8: "bmi2", 11: "rtm", 14: "mpx",
        16: "avx512f", 17: "avx512dq", 18: "rdseed", 19: "adx", 21: "avx512ifma", 23: "clflushopt",
        24: "clwb", 26: "avx512pf", 27: "avx512er", 28: "avx512cd", 29: "sha_ni", 30: "avx512bw",
        31: "avx512vl",
    },
    # leaf 0xD, subleaf 1, eax
    10: {0: "xsaveopt", 1: "xsavec", 2: "xgetbv1"},
    # leaf 7, subleaf 1, eax; before Linux 5.12 bits 0 to 2 were others, of resource monitoring
    12: {4: "avx_vnni", 5: "avx512_bf16", 7: "cmpccxadd", 21: "amx_fp16", 23: "avx_ifma"},
    # leaf 0x80000008, ebx
    13: {0: "clzero", 4: "rdpru"},
    # leaf 7, ecx
    16: {
        1: "avx512vbmi", 3: "pku", 4: "ospke", 5: "waitpkg", 6: "avx512_vbmi2", 8: "gfni",
        9: "vaes", 10: "vpclmulqdq", 11: "avx512_vnni", 12: "avx512_bitalg",
        14: "avx512_vpopcntdq", 22: "rdpid", 25: "cldemote", 27: "movdiri", 28: "movdir64b",
        29: "enqcmd",
    },
    # leaf 7, edx
    18: {
        2: "avx512_4vnniw", 3: "avx512_4fmaps", 8: "avx512_vp2intersect", 14: "serialize",
        16: "tsxldtrk", 22: "amx_bf16", 23: "avx512_fp16", 24: "amx_tile", 25: "amx_int8",
    },
}  # fmt: skip
_COMPONENTS = ("x87", "SSE", "AVX", "MPX bounds", "MPX", "AVX-512 masks", "AVX-512", "AVX-512",
               "processor trace", "protection keys")  # fmt: skip


def read_cpu() -> CpuinfoX86Entry:
    """The CPU that this runs on. A hypervisor takes 2 to 10 us for each of the dozen questions."""
    highest, *name = cpuid(0)
    version, _, ecx1, edx1 = cpuid(1)
    words = [0] * WORDS
    words[0], words[4] = edx1, ecx1
    if highest >= 7:
        subleaves, words[9], words[16], words[18] = cpuid(7)
        if subleaves:
            words[12] = cpuid(7, 1)[0]
    size = size_max = 0
    if highest >= XSAVE_LEAF:
        _, size, size_max, _ = cpuid(XSAVE_LEAF)
        words[10] = cpuid(XSAVE_LEAF, 1)[0]
    highest_extended = cpuid(_EXTENDED)[0]
    _, _, words[6], words[1] = cpuid(_EXTENDED + 1)
    model = b""
    if highest_extended >= _EXTENDED + 4:
        model = b"".join([_text(*cpuid(_EXTENDED + leaf)) for leaf in (2, 3, 4)])
    if highest_extended >= _EXTENDED + 8:
        words[13] = cpuid(_EXTENDED + 8)[1]
    # Intel SDM volume 2, CPUID, "version information"
    family, number = version >> 8 & 15, version >> 4 & 15
    if family in (6, 15):
        number |= version >> 12 & 0xF0
    return CpuinfoX86Entry(
        vendor_id=_VENDORS.get(_text(name[0], name[2], name[1]), CpuinfoX86EntryVendor.UNKNOWN),
        cpu_family=family + (version >> 20 & 0xFF) if family == 15 else family,
        model=number,
        stepping=version & 15,
        capability_ver=CAPABILITY_VERSION,
        capability=words,
        model_id=model.strip(b" \0").decode("ascii", "replace"),
        xfeatures_mask=xcr0() if ecx1 & _OSXSAVE else 0,
        xsave_size=size,
        xsave_size_max=size_max,
    )


def _text(*registers: int) -> bytes:
    return b"".join([register.to_bytes(4, "little") for register in registers])


def wanted_caps(given: tuple[str, ...] | None) -> frozenset[str]:
    """What to compare: of cpu, fpu and ins. `given` is --cpu-cap's list in its order, None without
    the option; "^" takes away, from all if nothing was asked for before."""
    if given is None:
        return DEFAULT
    caps = ALL if given[0].startswith("^") else frozenset(())
    for word in given:
        name = word.removeprefix("^")
        named = {"all": ALL, "none": frozenset(())}.get(name, frozenset((name,)))
        if name == "none":
            caps = ALL if word != name else named
        else:
            caps = caps | named if word == name else caps - named
    return caps


def dump_cpu(store: ImageStore, given: tuple[str, ...] | None) -> None:
    """Writes cpuinfo.img, or removes an old one if nothing is to be compared."""
    if wanted_caps(given):
        store.write("cpuinfo", [CpuinfoEntry(x86_entry=[read_cpu()])])
    else:
        store.remove("cpuinfo")


def check_cpu(store: ImageStore, given: tuple[str, ...] | None) -> None:
    """Raises RestoreConflict where the CPU is not what --cpu-cap asks for, by feature.

    Sets without cpuinfo.img are those of CRIU, which writes one on demand: then only what the
    registers hold is compared, which is done where they are restored (registers.py).
    """
    caps = wanted_caps(given)
    if not caps:
        return
    if not store.has("cpuinfo"):
        if given is None or caps == {"fpu"}:
            return
        raise ImageError(
            f"--cpu-cap={','.join(given)} has nothing to compare this CPU with",
            because="there is no cpuinfo.img",
            hint="dump with --cpu-cap, or restore without it",
        )
    entry: CpuinfoEntry = store.read_one("cpuinfo")
    if not entry.x86_entry:
        raise ImageError("cpuinfo.img is of another architecture than x86-64")
    compare_cpus(entry.x86_entry[0], read_cpu(), caps)


def compare_cpus(image: CpuinfoX86Entry, here: CpuinfoX86Entry, caps: frozenset[str]) -> None:
    """Raises RestoreConflict, naming the features that differ."""
    if "ins" in caps:
        lacking = list(missing_features(image, here))
        if lacking:
            raise _conflict(image, f"lacks {', '.join(lacking)}", lacking)
    if "cpu" in caps:
        differing = [*missing_features(image, here), *missing_features(here, image)]
        if differing or any(_word(image, word) != _word(here, word) for word in FEATURES):
            names = f": {', '.join(differing)}" if differing else ""
            raise _conflict(image, f"has not exactly the same features{names}", differing)
    if "fpu" in caps:
        _compare_xsave(image, here)


def missing_features(image: CpuinfoX86Entry, here: CpuinfoX86Entry) -> Iterator[str]:
    """Features that programs can use, of `image` and not of `here`."""
    for word, names in FEATURES.items():
        missing = _word(image, word) & ~_word(here, word)
        if missing:
            for bit, name in names.items():
                if missing >> bit & 1:
                    yield name


def _compare_xsave(image: CpuinfoX86Entry, here: CpuinfoX86Entry) -> None:
    theirs, ours = image.xfeatures_mask, here.xfeatures_mask or 0
    if theirs is None:
        return
    lacking = []
    for number in range(theirs.bit_length()):
        if (theirs & ~ours) >> number & 1:
            known = number < len(_COMPONENTS)
            lacking.append(_COMPONENTS[number] if known else f"XSAVE component {number}")
    if lacking:
        lacking = list(dict.fromkeys(lacking))
        raise _conflict(image, f"or kernel keeps no registers of {', '.join(lacking)}", lacking)
    size = image.xsave_size
    if size and size != here.xsave_size and size != area_size(theirs):
        raise _conflict(
            image, "keeps vector registers at other offsets in its XSAVE areas", ["xsave"], "ins"
        )
    if ours & ~theirs:
        log.info("this CPU has more registers than the one that was dumped on")


def area_size(components: int) -> int:
    """Bytes of an XSAVE area here with just these components (Intel SDM volume 1, 13.4)."""
    size = 576
    for number in range(2, components.bit_length()):
        if components >> number & 1:
            length, offset, _, _ = cpuid(XSAVE_LEAF, number)
            size = max(size, offset + length)
    return size


def _word(entry: CpuinfoX86Entry, number: int) -> int:
    return entry.capability[number] if number < len(entry.capability) else 0


def _conflict(
    image: CpuinfoX86Entry, what: str, features: list[str], without: str = "none"
) -> RestoreConflict:
    return RestoreConflict(
        f"Cannot restore here: this CPU {what}",
        because=f"the program was dumped on another one ({image.model_id or 'of unknown name'}),"
        " and may hold on to what it found out about that",
        hint=f"restore on such a CPU, or with --cpu-cap={without} if it does not use them",
        subject=("cpu", *features),
    )
