"""What images may say of asynchronous I/O contexts."""

from __future__ import annotations

import pytest

from crtools.errors import ImageError, RestoreConflict
from crtools.kinds.memory import aio

PAGE = 4096


def ring(pages: int, requests: int) -> aio.Ring:
    return aio.Ring(start=0x10000, end=0x10000 + pages * PAGE, max_requests=requests, offset=0)


def header(pages: int, head: int, tail: int, magic: int = aio.MAGIC) -> bytes:
    return aio.HEADER.pack(0, pages * 128 - 1, head, tail, magic, 1, 0, 32)


@pytest.mark.parametrize(
    ("requests", "cpus", "pages"),
    [(1, 1, 1), (10, 2, 1), (62, 2, 1), (63, 2, 2), (1000, 2, 16), (1, 64, 5)],
)
def test_size_of_a_ring(requests: int, cpus: int, pages: int) -> None:
    assert aio.ring_pages(requests, cpus) == pages


@pytest.mark.parametrize(
    ("text", "cpus"), [(b"0\n", 1), (b"0-3\n", 4), (b"0-1,4-7\n", 6), (b"0,2\n", 2)]
)
def test_list_of_cpus(text: bytes, cpus: int) -> None:
    assert aio.parse_cpus(text) == cpus


def test_ring_of_a_machine_with_more_cpus_keeps_its_size() -> None:
    plan = aio.plan_ring(ring(5, 1), b"", 2, "task 1")
    assert aio.ring_pages(plan.requests, 2) == 5


def test_ring_that_would_be_larger_here_is_a_conflict() -> None:
    with pytest.raises(RestoreConflict, match="asynchronous I/O context 10000"):
        aio.plan_ring(ring(1, 1), b"", 64, "task 1")


def test_unread_events_go_around_the_end() -> None:
    plan = aio.plan_ring(ring(1, 10), header(1, 125, 2), 2, "task 1")
    assert plan.unread() == [(32 + 125 * 32, PAGE), (32, 32 + 2 * 32)]


def test_ring_without_content_is_empty() -> None:
    plan = aio.plan_ring(ring(1, 10), b"", 2, "task 1")
    assert (plan.head, plan.tail, plan.unread()) == (0, 0, [])


@pytest.mark.parametrize("content", [header(2, 0, 0), header(1, 0, 0, 5)])
def test_content_that_is_no_ring_is_an_image_error(content: bytes) -> None:
    with pytest.raises(ImageError):
        aio.plan_ring(ring(1, 10), content, 2, "task 1")


def test_head_and_tail_beyond_the_end_are_taken_as_the_kernel_does() -> None:
    plan = aio.plan_ring(ring(1, 10), header(1, 127 + 3, 2 * 127 + 5), 2, "task 1")
    assert (plan.head, plan.tail) == (3, 5)
