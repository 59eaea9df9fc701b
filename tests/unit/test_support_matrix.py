"""docs/support-matrix.md says what the code does."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from crtools.errors import InternalError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def matrix() -> ModuleType:
    """tools/support_matrix.py as a module."""
    spec = importlib.util.spec_from_file_location(
        "support_matrix", ROOT / "tools" / "support_matrix.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["support_matrix"] = module
    spec.loader.exec_module(module)
    return module


def test_the_support_matrix_is_what_the_code_says(matrix):
    said = (ROOT / "docs" / "support-matrix.md").read_text()
    assert said == matrix.generate(), "run .venv/bin/python tools/support_matrix.py"


def test_a_refusal_that_the_code_no_longer_makes_is_noticed(matrix, monkeypatch):
    monkeypatch.setattr(matrix, "REFUSALS", (("bright colours", "no words of any module"),))
    with pytest.raises(InternalError, match="bright colours"):
        matrix.tasks()


def test_a_method_of_the_store_that_is_not_known_is_noticed(matrix, monkeypatch):
    monkeypatch.setattr(matrix, "WRITERS", frozenset())
    with pytest.raises(InternalError, match="reads or writes"):
        matrix.find_uses()


def test_every_kind_of_file_has_a_sample(matrix):
    text = matrix.open_files()
    for name, *_ in (*matrix.FILE_KINDS, *matrix.SOCKET_KINDS):
        assert f"carried (`{name.partition(':')[0]}`)" in text
