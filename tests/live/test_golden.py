"""Image sets that CRIU wrote come back and run."""

from __future__ import annotations
