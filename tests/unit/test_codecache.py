"""The file with all modules' code: used, checked, made anew, done without."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src" / "crtools" / "codecache.py"
ENTRY = """from __future__ import annotations
import crtools.part
from crtools.part.module import VALUE
def f(x: nothing) -> None: "words"
"""
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
RUN_ENTRY = """
import sys
sys.path.insert(0, {root!r})
from crtools.codecache import CodeCache
cache = CodeCache({root!r} + "/crtools", "crtools.entry")
sys.meta_path.insert(0, cache)
cache.load_entry()
print(*sorted(name for name in sys.modules if name.startswith("crtools.")), end=";")
from crtools import entry
import crtools.part.module, inspect
print(entry.VALUE, entry.__doc__, entry.f.__doc__, entry.f.__annotations__, end=";")
print(crtools.part.module is sys.modules["crtools.part.module"], crtools.part.__path__, end=";")
print(entry.__package__, crtools.part.__package__, entry.__spec__.parent, end=";")
print(inspect.getsource(entry.f).strip(), end=";")
print("__future__" in sys.modules)
from crtools import late
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
    (tmp_path / "crtools" / "entry.py").write_text(ENTRY)
    (tmp_path / "crtools" / "late.py").write_text("")
    return tmp_path / "crtools"


def start(package: Path, program: str, *flags: str) -> str:
    command = [sys.executable, "-I", "-S", *flags, "-c", program.format(root=str(package.parent))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def run(package: Path, *flags: str) -> list[str]:
    return start(package, RUN, *flags).split()


def cached(package: Path) -> list[Path]:
    return sorted((package / "__pycache__").glob("all.*"))


def test_second_run_takes_code_without_docstrings_from_the_file(package: Path) -> None:
    source = str(package / "part" / "module.py")
    assert run(package) == [
        *("1", "Words", "for", "people.", source, "crtools.part", "_Loader"),
    ]
    before = cached(package)[0].stat().st_mtime_ns
    assert run(package) == ["1", "None", source, "crtools.part", "_Loader"]
    assert cached(package)[0].stat().st_mtime_ns == before
    assert len(cached(package)) == 1


def test_changed_source_is_imported_and_cached_anew(package: Path) -> None:
    run(package)
    (package / "part" / "module.py").write_text(MODULE.replace("1", "22"))
    assert run(package)[:2] == ["22", "Words"]
    assert run(package)[:2] == ["22", "None"]


@pytest.mark.parametrize("damage", [b"", b"nothing of the sort", None])
def test_damaged_file_is_as_good_as_none(package: Path, damage: bytes | None) -> None:
    run(package)
    path = cached(package)[0]
    path.write_bytes(path.read_bytes()[:40] if damage is None else damage)
    assert run(package)[1] == "Words"
    assert run(package)[1] == "None"


def test_file_of_another_interpreter_is_not_used(package: Path) -> None:
    run(package)
    path = cached(package)[0]
    path.write_bytes(b"\0\0" + path.read_bytes()[2:])
    assert run(package)[1] == "Words"


def test_nothing_is_written_where_bytecode_is_not_wanted(package: Path) -> None:
    run(package, "-B")
    assert cached(package) == []


def test_a_directory_that_cannot_be_made_use_of_is_no_error(package: Path) -> None:
    (package / "__pycache__").symlink_to(os.devnull)
    assert run(package)[1] == "Words"


PRELOADED = ["codecache", "entry", "part", "part.module"]


def test_what_an_entry_module_needs_is_loaded_in_one_piece(package: Path) -> None:
    first, *rest = start(package, RUN_ENTRY).split(";")
    assert first.split() == ["crtools.codecache"]
    loaded, values, tree, packages, source, future = start(package, RUN_ENTRY).split(";")
    assert loaded.split() == [f"crtools.{name}" for name in PRELOADED]
    assert values == "1 None None {'x': 'nothing', 'return': 'None'}"
    assert tree == f"True ['{package}/part']"
    assert packages == "crtools crtools.part crtools"
    assert source == 'def f(x: nothing) -> None: "words"'
    # What a first command says differs in the docstring and in a module loaded for nothing.
    assert rest[0] == values.replace("None None", "None words")
    assert rest[1:4] == [tree, packages, source]
    assert (rest[4].strip(), future.strip()) == ("True", "False")
    files = sorted(path.name.split(".cpython")[0] for path in package.glob("__pycache__/*.code"))
    assert files == ["all", "crtools.entry"]


@pytest.mark.parametrize("what", ["module", "entry file", "damage", "interpreter"])
def test_a_file_of_an_entry_that_does_not_fit_is_made_anew(package: Path, what: str) -> None:
    start(package, RUN_ENTRY)
    (path,) = package.glob("__pycache__/crtools.entry.*")
    whole = path.read_bytes()
    if what == "module":
        (package / "part" / "module.py").write_text(MODULE.replace("1", "22"))
    elif what == "entry file":
        path.unlink()
    else:
        path.write_bytes(whole[:60] if what == "damage" else b"\0\0" + whole[2:])
    loaded, values, *_ = start(package, RUN_ENTRY).split(";")
    assert loaded.split() == ["crtools.codecache"]
    expected = "22" if what == "module" else "1"
    assert values.split()[0] == expected
    loaded, values, *_ = start(package, RUN_ENTRY).split(";")
    assert loaded.split() == [f"crtools.{name}" for name in PRELOADED]
    assert values.split()[0] == expected


def test_a_file_that_another_command_has_replaced_meanwhile_is_not_misread(package: Path) -> None:
    run(package)
    replacing = RUN.replace(
        "from crtools.part import module\n",
        "import crtools.part, os\n"
        "path, *_ = [n for n in os.listdir({root!r} + '/crtools/__pycache__') if n[:3] == 'all']\n"
        "path = {root!r} + '/crtools/__pycache__/' + path\n"
        "with open(path, 'rb') as old, open(path + '.x', 'wb') as new:\n"
        "    new.write(b'\\0' * 64 + old.read())\n"
        "os.replace(path + '.x', path)\n"
        "from crtools.part import module\n",
    )
    assert start(package, replacing).split()[:2] == ["1", "Words"]
