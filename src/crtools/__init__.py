"""Checkpoint a running Linux process tree to a directory of images and bring it back."""

from __future__ import annotations

__version__ = "0.1.0"
