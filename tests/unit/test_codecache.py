"""The file with all modules' code: used, checked, made anew, done without."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src" / "crtools" / "codecache.py"
MODULE = '"""Words for people."""\nfrom __future__ import annotations\nVALUE = 1\nassert VALUE\n'
RUN = """
import sys
sys.path.insert(0, {root!r})
from crtools.codecache import CodeCache
cache = CodeCache({root!r} + "/crtools")
sys.meta_path.insert(0, cache)
from crtools.part import module
print(module.VALUE, module.__doc__, module.__file__)
print(module.__package__, type(module.__loader__).__name__)
cache.update()
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    part = tmp_path / "crtools" / "part"
    part.mkdir(parents=True)
    (tmp_path / "crtools" / "__init__.py").touch()
    (part / "__init__.py").write_text('"""Only words."""\n')
    (part / "module.py").write_text(MODULE)
    (tmp_path / "crtools" / "codecache.py").write_text(SOURCE.read_text())
    return tmp_path / "crtools"


def run(package: Path, *flags: str) -> list[str]:
    command = [sys.executable, "-I", "-S", *flags, "-c", RUN.format(root=str(package.parent))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


def cached(package: Path) -> list[Path]:
    return sorted((package / "__pycache__").glob("all.*"))


def test_second_run_takes_code_without_docstrings_from_the_file(package: Path) -> None:
    source = str(package / "part" / "module.py")
    assert run(package) == [
        *("1", "Words", "for", "people.", source, "crtools.part", "SourceFileLoader"),
    ]
    before = cached(package)[0].stat().st_mtime_ns
    assert run(package) == ["1", "None", source, "crtools.part", "_Loader"]
    assert cached(package)[0].stat().st_mtime_ns == before
    assert len(cached(package)) == 1


def test_changed_source_is_imported_and_cached_anew(package: Path) -> None:
    run(package)
    (package / "part" / "module.py").write_text(MODULE.replace("1", "22"))
    assert run(package)[::5] == ["22", "crtools.part"]
    assert run(package)[:2] == ["22", "None"]


@pytest.mark.parametrize("damage", [b"", b"nothing of the sort", None])
def test_damaged_file_is_as_good_as_none(package: Path, damage: bytes | None) -> None:
    run(package)
    path = cached(package)[0]
    path.write_bytes(path.read_bytes()[:40] if damage is None else damage)
    assert run(package)[-1] == "SourceFileLoader"
    assert run(package)[-1] == "_Loader"


def test_file_of_another_interpreter_is_not_used(package: Path) -> None:
    run(package)
    path = cached(package)[0]
    path.write_bytes(b"\0\0" + path.read_bytes()[2:])
    assert run(package)[-1] == "SourceFileLoader"


def test_nothing_is_written_where_bytecode_is_not_wanted(package: Path) -> None:
    run(package, "-B")
    assert cached(package) == []


def test_a_directory_that_cannot_be_made_use_of_is_no_error(package: Path) -> None:
    (package / "__pycache__").symlink_to(os.devnull)
    assert run(package)[-1] == "SourceFileLoader"
