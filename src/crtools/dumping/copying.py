"""Pages out of a process that runs: what is gone by now is left out.

A page that is written to while it is read may be torn. That does no harm where its protection was
set before: it counts as changed then, and the next dump has it in full.
"""

from __future__ import annotations

import errno
import os

from crtools.abi.kernel import PAGE, address_of, find_zeros
from crtools.errors import ImageError
from crtools.kinds.memory.pages import PRESENT, add_entry
from crtools.kinds.memory.scan import batches
from crtools.kinds.memory.tracking import intersect, outside
from crtools.kinds.memory.zeros import parse_bits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from crtools.images.messages.pagemap import PagemapEntry

# What is copied at a time: it stays in a CPU's cache between the two copies.
_BYTES = 1 << 20
_PIECES = 256


class Copier:
    """Fills one pages file from a process's memory, and its pagemap with what there was.

    `memory` is /proc/PID/mem, which also gives what the process itself may not read. Of the
    ascending ranges `zeros` pages that are all zero are left out.
    """

    def __init__(self, memory: int, image: int, zeros: Sequence[tuple[int, int]] = ()) -> None:
        self._memory = memory
        self._image = image
        self._zeros = zeros
        self._buffer = bytearray(_BYTES)
        self._view = memoryview(self._buffer)
        self.entries: list[PagemapEntry] = []
        self.end = 0  # of the pages file, bytes

    def copy_all(self, ranges: Sequence[tuple[int, int]]) -> bool:
        """Runs of pages, ascending. False if there is no such process any more."""
        for batch in batches(ranges, _BYTES, _PIECES):
            while batch:
                done = self._read(batch)
                if done == -errno.ESRCH:
                    return False
                left = max(done, 0)
                rest: list[tuple[int, int]] = []
                read: list[tuple[int, int]] = []
                for start, end in batch:
                    got = min(left, end - start) // PAGE * PAGE
                    left -= got
                    if got:
                        read.append((start, start + got))
                    if got < end - start:
                        left = 0
                        rest.append((start + got, end))
                self._keep(read)
                if rest:
                    first, last = rest[0]
                    self._copy_page(first)
                    rest[:1] = [(first + PAGE, last)] if first + PAGE < last else []
                batch = rest
        return True

    def _read(self, batch: Sequence[tuple[int, int]]) -> int:
        """Fills the buffer up to what cannot be read; the bytes read, or -errno.

        By /proc/PID/mem: process_vm_readv(2) pins the pages, and the kernel gives a process a copy
        of its own of what it shares copy-on-write before it pins it (mm/gup.c, gup_must_unshare):
        relatives would share nothing any more, and huge pages would be split.
        """
        total = 0
        for start, end in batch:
            length = end - start
            try:
                got = os.preadv(self._memory, [self._view[total : total + length]], start)
            except OSError as error:
                return total or -(error.errno or 0)
            if not got:
                return total or -errno.ESRCH  # its memory is gone (fs/proc/base.c, mem_rw)
            total += got
            if got < length:
                break
        return total

    def _copy_page(self, address: int) -> None:
        """One that could not be read with others: most likely it is gone."""
        try:
            page = os.pread(self._memory, PAGE, address)
        except OSError:
            return
        if len(page) == PAGE:
            self._buffer[:PAGE] = page
            self._keep([(address, address + PAGE)])

    def _keep(self, read: list[tuple[int, int]]) -> None:
        """Writes what was read, which lies in the buffer one after the other."""
        length = sum([end - start for start, end in read])
        zeros = self._find_zeros(read, length) if self._zeros else []
        if not zeros:
            for start, end in read:
                add_entry(self.entries, start, end, PRESENT)
            self._write(0, length)
            return
        at = 0
        for start, end in read:
            for first, last in outside([(start, end)], zeros):
                add_entry(self.entries, first, last, PRESENT)
                self._write(at + first - start, last - first)
            at += end - start

    def _find_zeros(self, read: list[tuple[int, int]], length: int) -> list[tuple[int, int]]:
        bits = bytearray(-(-length // PAGE // 8))
        if not find_zeros(address_of(self._buffer), length // PAGE, address_of(bits)):
            return []
        return intersect(parse_bits(bits, read), self._zeros)

    def _write(self, first: int, length: int) -> None:
        done = 0
        while done < length:
            try:
                some = self._view[first + done : first + length]
                done += os.pwrite(self._image, some, self.end + done)
            except OSError as error:
                raise ImageError(
                    "Cannot write the pages", because=os.strerror(error.errno or 0)
                ) from None
        self.end += length
