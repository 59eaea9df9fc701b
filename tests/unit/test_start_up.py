"""What the hot path imports: decision 2. A harmless-looking import can double a dump's time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src"

# Each costs a millisecond or more, or drags in one that does (docs/decisions/0002-start-up.md).
EXPENSIVE = {
    "argparse",
    "collections",
    "contextlib",
    "ctypes",
    "dataclasses",
    "enum",
    "functools",
    "google.protobuf",
    "importlib.metadata",
    "inspect",
    "json",
    "logging",
    "pathlib",
    "re",
    "rich",
    "shutil",
    "signal",
    "socket",
    "subprocess",
    "tempfile",
    "typing",
}
# Modules that no dump or restore loads, each with the reason why it may import more.
COLD = {
    "crtools.__main__": "runs the command when imported; test_launcher.py runs it",
    "crtools.abi.kernel_build": "compiles the extension; run by setup.py only",
}


def modules() -> list[str]:
    found = []
    for path in sorted((SOURCE / "crtools").rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        found.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return [name for name in found if name not in COLD]


def loaded_by(code: str) -> set[str]:
    """The names in sys.modules after an isolated interpreter without site has run `code`."""
    packages = [str(SOURCE), *(path for path in sys.path if path.endswith("-packages"))]
    script = f"import sys\nsys.path += {packages!r}\n{code}\nprint(*sys.modules)"
    result = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return set(result.stdout.split())


def test_no_module_imports_expensive_ones_at_its_top() -> None:
    expensive = EXPENSIVE & loaded_by("\n".join(f"import {name}" for name in modules()))
    if expensive:  # say where it comes from
        culprits = {
            name: sorted(found)
            for name in modules()
            if (found := EXPENSIVE & loaded_by(f"import {name}"))
        }
        pytest.fail(f"imported on the hot path: {culprits}", pytrace=False)


def test_cold_modules_exist() -> None:
    for name in COLD:
        assert (SOURCE / Path(*name.split("."))).with_suffix(".py").exists()
