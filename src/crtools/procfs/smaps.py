"""/proc/PID/smaps: what the kernel knows of each area beyond maps (proc_pid_smaps(5)).

60,000 areas are 40 MB of text, so it is read piece by piece, and areas that are equal in all but
their place share one SmapsFacts. Flags are documented in Documentation/filesystems/proc.rst.
"""

from __future__ import annotations

import os

from crtools.procfs.files import explain, misread, task_path
from crtools.procfs.maps import Vma, parse_maps
from crtools.procfs.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# VmFlags as bits of our own numbering: the kernel shows letters, not its vm_flags word.
VF_RD = 1 << 0  # readable
VF_WR = 1 << 1  # writable
VF_EX = 1 << 2  # executable
VF_SH = 1 << 3  # shared
VF_MR = 1 << 4  # may read
VF_MW = 1 << 5  # may write
VF_ME = 1 << 6  # may execute
VF_MS = 1 << 7  # may share
VF_GD = 1 << 8  # stack segment grows down: MAP_GROWSDOWN
VF_PF = 1 << 9  # pure PFN range
VF_DW = 1 << 10  # disabled write to the mapped file (up to Linux 5.15)
VF_LO = 1 << 11  # locked in memory: mlock
VF_IO = 1 << 12  # memory mapped I/O
VF_SR = 1 << 13  # MADV_SEQUENTIAL
VF_RR = 1 << 14  # MADV_RANDOM
VF_DC = 1 << 15  # MADV_DONTFORK
VF_DE = 1 << 16  # not expanded by mremap
VF_AC = 1 << 17  # accountable
VF_NR = 1 << 18  # swap space is not reserved: MAP_NORESERVE
VF_HT = 1 << 19  # hugetlb pages: MAP_HUGETLB
VF_SF = 1 << 20  # synchronous page fault: MAP_SYNC
VF_NL = 1 << 21  # non-linear mapping (before Linux 4.0)
VF_AR = 1 << 22  # the architecture's own
VF_WF = 1 << 23  # MADV_WIPEONFORK
VF_DD = 1 << 24  # MADV_DONTDUMP
VF_SD = 1 << 25  # soft dirty
VF_MM = 1 << 26  # mixed map
VF_HG = 1 << 27  # MADV_HUGEPAGE
VF_NH = 1 << 28  # MADV_NOHUGEPAGE
VF_MG = 1 << 29  # MADV_MERGEABLE
VF_BT = 1 << 30  # arm64: guarded by BTI
VF_MT = 1 << 31  # arm64: MTE tags
VF_UM = 1 << 32  # userfaultfd: missing pages
VF_UW = 1 << 33  # userfaultfd: write protection
VF_UI = 1 << 34  # userfaultfd: minor faults
VF_SS = 1 << 35  # shadow stack
VF_SL = 1 << 36  # sealed: mseal
VF_DP = 1 << 37  # droppable: MAP_DROPPABLE
VF_LF = 1 << 38  # locked on fault: MLOCK_ONFAULT
VF_GU = 1 << 39  # may hold guard regions: MADV_GUARD_INSTALL (Linux 6.19)
VF_MP = 1 << 40  # x86: MPX bounds (before Linux 5.6)

VM_FLAGS: dict[bytes, int] = {
    name[3:].lower().encode(): bit for name, bit in globals().items() if name.startswith("VF_")
}

_FIELDS = (
    b"KernelPageSize:",
    b"Rss:",
    b"Anonymous:",
    b"Swap:",
    b"Locked:",
    b"Private_Dirty:",
)
_OPTIONAL = (b"ProtectionKey:", b"Shared_Hugetlb:", b"Private_Hugetlb:")

# Enough to spare the parsing of what repeats, little enough to stay far below the tool's memory.
_REMEMBERED = 1024
_PIECE = 1 << 20
_CHUNK = 65536


class SmapsFacts(Record):
    """Of one area: `flags` of VF_* bits, `unknown_flags` letters that have none; sizes in bytes.

    `hugetlb` is what `rss` does not count. `protection_key` is None on a CPU without them.
    """

    __slots__ = (
        "flags",
        "unknown_flags",
        "kernel_page_size",
        "rss",
        "anonymous",
        "swap",
        "locked",
        "private_dirty",
        "hugetlb",
        "protection_key",
    )

    def __init__(
        self,
        flags: int,
        unknown_flags: tuple[bytes, ...],
        kernel_page_size: int,
        rss: int,
        anonymous: int,
        swap: int,
        locked: int,
        private_dirty: int,
        hugetlb: int = 0,
        protection_key: int | None = None,
    ) -> None:
        self.flags = flags
        self.unknown_flags = unknown_flags
        self.kernel_page_size = kernel_page_size
        self.rss = rss
        self.anonymous = anonymous
        self.swap = swap
        self.locked = locked
        self.private_dirty = private_dirty
        self.hugetlb = hugetlb
        self.protection_key = protection_key


class _SmapsParser:
    """What is learnt of one smaps file while it is read."""

    __slots__ = ("facts", "flag_sets", "layout", "width")

    def __init__(self) -> None:
        self.facts: dict[tuple[bytes, bytes], SmapsFacts] = {}
        self.flag_sets: dict[bytes, tuple[int, tuple[bytes, ...]]] = {}
        # Where the values stand among a body's words, for bodies of as many words.
        self.layout: dict[bytes, int] = {}
        self.width = 0

    def parse(
        self, data: bytes, headers: list[bytes] | None = None
    ) -> list[tuple[int, int, SmapsFacts]]:
        """Whole areas only: `data` ends after a VmFlags line. What an area begins with, a line of
        maps, is added to `headers`."""
        areas: list[tuple[int, int, SmapsFacts]] = []
        append = areas.append
        facts = self.facts
        # Every area ends with its VmFlags: what follows them is the next area's beginning.
        area, *pieces = data.split(b"\nVmFlags:")
        for piece in pieces:
            flags, _, following = piece.partition(b"\n")
            header, _, body = area.partition(b"\n")
            key = (body, flags)
            try:
                if key not in facts:
                    if len(facts) >= _REMEMBERED:
                        facts.clear()
                    facts[key] = self._parse_facts(body, flags)
                start, end = header.split(None, 1)[0].split(b"-")
                append((int(start, 16), int(end, 16), facts[key]))
                if headers is not None:
                    headers.append(header)
            except (ValueError, IndexError):
                raise misread("/proc/PID/smaps", header + b"\n" + body) from None
            area = following
        if area:
            raise misread("/proc/PID/smaps", area, "the area has no line VmFlags")
        return areas

    def _parse_facts(self, body: bytes, flags: bytes) -> SmapsFacts:
        words = body.split()
        layout = self.layout
        if len(words) != self.width:
            layout.clear()
        for field, position in layout.items():
            if words[position - 1] != field:
                layout.clear()
                break
        if not layout:
            # All areas of a file have the same lines, so the words' places are looked up once.
            self.width = len(words)
            for field in _FIELDS:
                layout[field] = words.index(field) + 1
            for field in _OPTIONAL:
                if field in words:
                    layout[field] = words.index(field) + 1
        if flags not in self.flag_sets:
            bits = 0
            unknown = []
            for letters in flags.split():
                if letters in VM_FLAGS:
                    bits |= VM_FLAGS[letters]
                else:
                    unknown.append(letters)
            self.flag_sets[flags] = (bits, tuple(unknown))
        bits, others = self.flag_sets[flags]
        hugetlb = 0
        if b"Shared_Hugetlb:" in layout and b"Private_Hugetlb:" in layout:
            shared, private = layout[b"Shared_Hugetlb:"], layout[b"Private_Hugetlb:"]
            hugetlb = (int(words[shared]) + int(words[private])) * 1024
        key = layout.get(b"ProtectionKey:")
        return SmapsFacts(
            bits,
            others,
            int(words[layout[b"KernelPageSize:"]]) * 1024,
            int(words[layout[b"Rss:"]]) * 1024,
            int(words[layout[b"Anonymous:"]]) * 1024,
            int(words[layout[b"Swap:"]]) * 1024,
            int(words[layout[b"Locked:"]]) * 1024,
            int(words[layout[b"Private_Dirty:"]]) * 1024,
            hugetlb,
            None if key is None else int(words[key]),
        )


def parse_smaps(data: bytes) -> list[tuple[int, int, SmapsFacts]]:
    """(start, end, facts) of each area by ascending address. Raises InternalError with the area."""
    return _SmapsParser().parse(data)


def read_smaps(proc: int, pid: int) -> Iterator[tuple[int, int, SmapsFacts]]:
    """The areas of a process one after the other, in bounded memory. Raises as the other readers.

    The kernel walks the page tables of what is read: the cost is its own, and proportional to rss.
    """
    yield from _read(_SmapsParser(), proc, pid, None)


class SmapsReader:
    """Reads the smaps of the processes of a tree, which are much alike: what repeats is parsed
    once."""

    __slots__ = ("_parser", "_vmas")

    def __init__(self) -> None:
        self._parser = _SmapsParser()
        self._vmas: dict[bytes, Vma] = {}

    def read(self, proc: int, pid: int) -> tuple[list[Vma], list[tuple[int, int, SmapsFacts]]]:
        """What read_maps and read_smaps would say, in one reading. Callers share the Vmas."""
        headers: list[bytes] = []
        facts = list(_read(self._parser, proc, pid, headers))
        return self._find_vmas(headers), facts

    def sample(self, proc: int, pid: int) -> tuple[list[Vma], list[tuple[int, int, SmapsFacts]]]:
        """The same of a process's first areas, as many as the kernel shows at once."""
        headers: list[bytes] = []
        try:
            fd = os.open(task_path(pid, None, "smaps"), os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc)
            try:
                data = os.read(fd, _CHUNK)
            finally:
                os.close(fd)
        except OSError as error:
            raise explain(error, proc, pid, None, "smaps") from error
        facts = self._parser.parse(data[: _end_of_areas(data)], headers)
        return self._find_vmas(headers), facts

    def _find_vmas(self, headers: list[bytes]) -> list[Vma]:
        if len(headers) > _REMEMBERED:
            return parse_maps(_lines(headers))
        vmas = self._vmas
        if len(vmas) > _REMEMBERED:
            vmas.clear()
        new = [header for header in headers if header not in vmas]
        if new:
            vmas.update(zip(new, parse_maps(_lines(new)), strict=True))
        return [vmas[header] for header in headers]


def _end_of_areas(data: bytes) -> int:
    """Where the last area ends that is there in full, with its VmFlags line."""
    flags = data.rfind(b"\nVmFlags:", 0, data.rfind(b"\n"))
    return data.index(b"\n", flags + 1) + 1 if flags >= 0 else 0


def _lines(headers: list[bytes]) -> bytes:
    return b"\n".join([*headers, b""])


def _read(
    parser: _SmapsParser, proc: int, pid: int, headers: list[bytes] | None
) -> Iterator[tuple[int, int, SmapsFacts]]:
    try:
        fd = os.open(task_path(pid, None, "smaps"), os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc)
    except OSError as error:
        raise explain(error, proc, pid, None, "smaps") from error
    try:
        rest = b""
        more = True
        while more:
            chunks = [rest]
            size = 0
            while size < _PIECE:
                chunk = os.read(fd, _CHUNK)
                if not chunk:
                    more = False
                    break
                chunks.append(chunk)
                size += len(chunk)
            data = b"".join(chunks)
            if more:
                cut = _end_of_areas(data)
                data, rest = data[:cut], data[cut:]
            yield from parser.parse(data, headers)
    except OSError as error:
        raise explain(error, proc, pid, None, "smaps") from error
    finally:
        os.close(fd)
