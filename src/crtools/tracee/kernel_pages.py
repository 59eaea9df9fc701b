"""Where the kernel sees a page of which only the struct page is known.

Data of a socket, a pipe or a file may lie in pages that no pointer leads to: the kernel has an
array with a struct page for each page of the machine, and sees all of them at one place, in the
order of their numbers (Documentation/arch/x86/x86_64/mm.rst: vmemmap, the direct mapping of
physical memory). Where both begin is chosen anew at each boot and told to nobody, but it follows
from a page of ours: /proc/PID/pagemap tells its number, a pipe that it lies in its struct page, and
what is written into it is found by looking for it.
"""

from __future__ import annotations

import os
import struct

from crtools.abi import kernel
from crtools.abi.kernel import PAGE
from crtools.abi.x86_64 import SYS_mmap, SYS_munmap
from crtools.errors import MissingFeature, PermissionDenied

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.tracee.kernel_memory import KernelMemory

SYS_vmsplice = 278
_NUMBER = (1 << 55) - 1  # of a page, in an entry of pagemap
_SECRET_BYTES = 32
# The direct mapping begins at a multiple of this, and is no larger than that.
_STEP = 1 << 30
_MOST_STEPS = 1 << 16
_LOWEST = 0xFF00_0000_0000_0000  # x86-64 with five levels of page tables


class KernelPages:
    """Raises MissingFeature, or PermissionDenied where the numbers of pages are not told."""

    def __init__(self, memory: KernelMemory) -> None:
        self._memory = memory
        self._page_bytes = memory.types.size("page")
        self._pages = self._direct = 0  # where the array and the mapping begin
        # PROT_READ | PROT_WRITE; MAP_PRIVATE | MAP_ANONYMOUS
        at = kernel.checked(SYS_mmap, 0, 2 * PAGE, 3, 0x22, (1 << 64) - 1, 0)
        try:
            self._find(at)
        finally:
            kernel.checked(SYS_munmap, at, 2 * PAGE)

    def address(self, page: int) -> int:
        """Where the page of a struct page begins."""
        number, rest = divmod(page - self._pages, self._page_bytes)
        if rest or number < 0:
            raise MissingFeature(
                "Cannot look into the kernel", because=f"{page:#x} is not a page of memory"
            )
        return self._direct + number * PAGE

    def _find(self, at: int) -> None:
        secret = os.urandom(_SECRET_BYTES)
        room = kernel.view(at, 2 * PAGE)
        room[:_SECRET_BYTES] = secret
        room[PAGE] = 1
        numbers = _read_numbers(at, 2)
        pages = [self._page_of(at), self._page_of(at + PAGE)]
        self._pages = pages[0] - numbers[0] * self._page_bytes
        if pages[1] - numbers[1] * self._page_bytes != self._pages:
            raise MissingFeature(
                "Cannot look into the kernel", because="its pages are not in one array"
            )
        # What the kernel has allocated for our own task lies in that mapping, too.
        start = self._memory.task & -_STEP
        for _ in range(_MOST_STEPS):
            if start < _LOWEST:
                break
            try:
                if self._memory.block(start + numbers[0] * PAGE, _SECRET_BYTES) == secret:
                    self._direct = start
                    return
            except MissingFeature:
                pass  # nothing is there
            start -= _STEP
        raise MissingFeature(
            "Cannot look into the kernel", because="where it sees all memory is not found"
        )

    def _page_of(self, at: int) -> int:
        """The struct page of a page of ours."""
        memory = self._memory
        ends = os.pipe2(os.O_CLOEXEC)
        try:
            vector = struct.pack("<2Q", at, 1)
            kernel.checked(SYS_vmsplice, ends[1], kernel.address_of(vector), 1, 0)
            pipe = memory.private_data(ends[0])
            slot = memory.unsigned(pipe, "pipe_inode_info", "tail") & (
                memory.unsigned(pipe, "pipe_inode_info", "ring_size") - 1
            )
            buffers = memory.pointer(pipe, "pipe_inode_info", "bufs")
            buffer = buffers + slot * memory.types.size("pipe_buffer")
            return memory.pointer(buffer, "pipe_buffer", "page")
        finally:
            for fd in ends:
                os.close(fd)


def _read_numbers(at: int, count: int) -> list[int]:
    """The numbers of pages of ours that are in memory."""
    with open("/proc/self/pagemap", "rb", buffering=0) as file:
        file.seek(at // PAGE * 8)
        numbers = [entry & _NUMBER for entry in struct.unpack(f"<{count}Q", file.read(8 * count))]
    if not all(numbers):
        raise PermissionDenied(
            "Cannot tell where pages of the kernel lie",
            because="/proc/self/pagemap does not tell their numbers",
            hint="run as root, or with CAP_SYS_ADMIN",
        )
    return numbers
