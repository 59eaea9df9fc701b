"""Programs that people run, dumped in the middle of their work, twice in a row."""

from __future__ import annotations
