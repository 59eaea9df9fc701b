"""Sizes and times as people read them."""

from __future__ import annotations


def size(count: int) -> str:
    """Bytes as KiB, MiB or GiB."""
    if count < 1 << 20:
        return f"{count / 1024:.0f} KiB"
    if count < 10 << 30:
        return f"{count / (1 << 20):.1f} MiB"
    return f"{count / (1 << 30):.1f} GiB"


def span(microseconds: int) -> str:
    """A span of time in ms or s."""
    if microseconds < 10_000_000:
        return f"{microseconds / 1000:.1f} ms"
    return f"{microseconds / 1_000_000:.1f} s"
