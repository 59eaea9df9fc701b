"""Whatever is dumped can be read by Debian's crit and by our own viewer."""

from __future__ import annotations
