"""The command line from end to end: what callers see of a dump and of a restore."""

from __future__ import annotations
