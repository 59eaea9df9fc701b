"""A process that comes from another kernel finds its vDSO where it was, and this kernel's behind it."""

from __future__ import annotations
