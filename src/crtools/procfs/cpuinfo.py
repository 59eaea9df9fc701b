"""/proc/cpuinfo: what the CPUs are and can do, as x86 words it (arch/x86/kernel/cpu/proc.c)."""

from __future__ import annotations

import os

from crtools.procfs.files import misread
from crtools.procfs.record import Record


class CpuInfo(Record):
    """One CPU. `flags` are the kernel's names for the features that it lets programs use."""

    __slots__ = ("family", "flags", "model", "model_name", "processor", "stepping", "vendor_id")

    def __init__(
        self,
        processor: int,
        vendor_id: bytes,
        family: int,
        model: int,
        stepping: int,
        model_name: bytes,
        flags: frozenset[bytes],
    ) -> None:
        self.processor = processor
        self.vendor_id = vendor_id
        self.family = family
        self.model = model
        self.stepping = stepping
        self.model_name = model_name
        self.flags = flags


def parse_cpuinfo(data: bytes) -> list[CpuInfo]:
    """The CPUs in the file's order. Raises InternalError, naming the entry."""
    cpus = []
    flag_sets: dict[bytes, frozenset[bytes]] = {}
    for entry in data.split(b"\n\n"):
        if not entry.strip():
            continue
        fields: dict[bytes, bytes] = {}
        for line in entry.split(b"\n"):
            key, _, value = line.partition(b":")
            fields[key.strip()] = value.strip()
        try:
            flags = fields[b"flags"]
            if flags not in flag_sets:
                flag_sets[flags] = frozenset(flags.split())
            stepping = fields.get(b"stepping", b"0")
            cpus.append(
                CpuInfo(
                    int(fields[b"processor"]),
                    fields[b"vendor_id"],
                    int(fields[b"cpu family"]),
                    int(fields[b"model"]),
                    0 if stepping == b"unknown" else int(stepping),
                    fields.get(b"model name", b""),
                    flag_sets[flags],
                )
            )
        except (KeyError, ValueError):
            raise misread("/proc/cpuinfo", entry) from None
    return cpus


def read_cpuinfo(proc: int) -> list[CpuInfo]:
    """The CPUs that are online. Slow on large machines: nothing for the hot path."""
    fd = os.open("cpuinfo", os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc)
    with open(fd, "rb") as file:
        return parse_cpuinfo(file.read())
