"""bin/crtools and crtools/__main__.py: the package is found in every layout that pip makes.

Each test lays out a small prefix with a package that says what it was given.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYTHON = f"python{sys.version_info[0]}.{sys.version_info[1]}"
MAIN = """
import json, sys
def main():
    if sys.argv[1:] == ["fail"]:
        return 3
    print(json.dumps({"argv": sys.argv[1:], "isolated": sys.flags.isolated, "file": __file__,
                      "no_site": sys.flags.no_site, "site": "site" in sys.modules}))
    return 0
"""


def lay_out(prefix: Path, packages: str, *, cffi: bool = True) -> Path:
    """A prefix with the real launcher, an interpreter and a package in `packages`."""
    package = prefix / packages / "crtools"
    (package / "cli").mkdir(parents=True)
    for name in ("__main__.py", "codecache.py"):
        shutil.copy(ROOT / "src/crtools" / name, package)
    (package / "__init__.py").touch()
    (package / "cli/__init__.py").touch()
    (package / "cli/main.py").write_text(MAIN)
    if cffi:
        (prefix / packages / "_cffi_backend.py").touch()
    bin_directory = prefix / "bin"
    bin_directory.mkdir(exist_ok=True)
    shutil.copy(ROOT / "bin/crtools", bin_directory)
    add_interpreter(prefix)
    return bin_directory / "crtools"


def add_interpreter(prefix: Path) -> None:
    base = Path(os.path.realpath(sys.executable))
    (prefix / "bin").mkdir(parents=True, exist_ok=True)
    for name in ("python3", PYTHON):
        (prefix / "bin" / name).symlink_to(base)
    (prefix / "pyvenv.cfg").write_text(
        f"home = {base.parent}\ninclude-system-site-packages = false\n"
    )


def run(*command: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)


def answer(*command: str | Path, cwd: Path | None = None) -> dict[str, object]:
    result = run(*command, cwd=cwd)
    assert (result.returncode, result.stderr) == (0, "")
    return json.loads(result.stdout)


@pytest.mark.parametrize(
    "packages",
    [
        f"lib/{PYTHON}/site-packages",
        f"lib64/{PYTHON}/site-packages",
        f"lib/{PYTHON}/dist-packages",
        "lib/python3/dist-packages",
        "src",
    ],
)
def test_package_is_found_beside_the_command_without_site(tmp_path: Path, packages: str) -> None:
    said = answer(lay_out(tmp_path / "a prefix", packages))
    assert (said["isolated"], said["no_site"], said["site"]) == (1, 1, False)
    assert said["file"] == str(tmp_path / "a prefix" / packages / "crtools/cli/main.py")


def test_checkout_uses_its_own_environment(tmp_path: Path) -> None:
    command = lay_out(tmp_path, "src", cffi=False)
    for name in ("python3", PYTHON):
        (tmp_path / "bin" / name).unlink()
    add_interpreter(tmp_path / ".venv")
    site = tmp_path / f".venv/lib/{PYTHON}/site-packages"
    site.mkdir(parents=True)
    (site / "_cffi_backend.py").touch()
    assert answer(command)["site"] is False


def test_arguments_arrive_unchanged(tmp_path: Path) -> None:
    arguments = ["dump", "", "two words", "*", "--", "-t", "$HOME", "a\nb", "'\""]
    assert answer(lay_out(tmp_path, "src"), *arguments)["argv"] == arguments


def test_link_to_the_command_works(tmp_path: Path) -> None:
    command = lay_out(tmp_path / "prefix", f"lib/{PYTHON}/site-packages")
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere/crtools"
    link.symlink_to("../prefix/bin/crtools")
    assert answer(link)["argv"] == []
    assert command.parent == Path(os.path.realpath(link)).parent


@pytest.mark.parametrize(("cwd", "command"), [("bin", "./crtools"), (".", "bin/crtools")])
def test_command_is_found_by_a_relative_path(tmp_path: Path, cwd: str, command: str) -> None:
    lay_out(tmp_path, "src")
    assert answer(command, cwd=tmp_path / cwd)["argv"] == []


def test_main_says_the_exit_status(tmp_path: Path) -> None:
    assert run(lay_out(tmp_path, "src"), "fail").returncode == 3


def test_output_that_cannot_be_written_is_no_success(tmp_path: Path) -> None:
    command = lay_out(tmp_path, "src")
    with open("/dev/full", "w") as full:
        assert subprocess.run([command], stdout=full, check=False).returncode == 1


def test_missing_cffi_is_named(tmp_path: Path) -> None:
    result = run(lay_out(tmp_path, f"lib/{PYTHON}/site-packages", cffi=False))
    assert result.returncode == 1
    assert "cffi is not installed" in result.stderr
    assert "Traceback" not in result.stderr
