"""The live tests' fixtures, for these too."""

from __future__ import annotations

from live.conftest import built_programs, directory, new_run, turn

__all__ = ["built_programs", "directory", "new_run", "turn"]
