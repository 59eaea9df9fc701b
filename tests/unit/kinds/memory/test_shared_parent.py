"""Shared memory whose pages lie in a parent directory, as CRIU writes it."""

from __future__ import annotations

import os

import pytest

from crtools.errors import ImageError
from crtools.images.messages.pagemap import PagemapEntry
from crtools.kinds.memory.shared import fill


@pytest.mark.parametrize("how", [{"flags": 1}, {"in_parent": True}])
def test_pages_in_the_parent_are_never_taken_for_zeros(how) -> None:
    image, target = os.memfd_create("pages"), os.memfd_create("target")
    entry = PagemapEntry(vaddr=0, compat_nr_pages=1, nr_pages=1, **how)
    try:
        with pytest.raises(ImageError, match=r"pagemap-shmem-7\.img has pages in its parent"):
            fill(target, image, [entry], 0, 4096, 7, huge=False)
    finally:
        os.close(image)
        os.close(target)
