"""Fixtures for the tests of open files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from unit.kinds.files.roundtrip import Roundtrip


@pytest.fixture
def roundtrip(tmp_path: Path) -> Iterator[Roundtrip]:
    one = Roundtrip(tmp_path)
    yield one
    one.close()
