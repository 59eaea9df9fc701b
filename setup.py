"""What pyproject.toml cannot say: how the agent and the cffi extension are compiled.

Two commands of our own:

    build_agent [--inplace]   agent/*.S, *.c -> crtools/agent/agent.bin, skeleton.elf, keeper.elf
    build_ext   [--inplace]   crtools/abi/kernel_build.py -> crtools/_kernel.abi3.so (cffi's)

`make build` runs both in place; `pip install .` and `pip wheel .` run them into the wheel.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from pathlib import Path

from setuptools import Command, setup
from setuptools.command.build import build

ROOT = Path(__file__).resolve().parent
SOURCES = ROOT / "agent"
AGENT_FILES = ("entry.S", "vm.c", "home.S")

# The agent runs inside other programs: it may use no libc, no vector or x87 register (their values
# are the program's), no stack protector (its canary lies in the program's TLS), and it must work
# wherever it is put.
AGENT_CFLAGS = (
    "-ffreestanding -fPIC -nostdlib -fno-stack-protector -mgeneral-regs-only -O2"
    " -fno-asynchronous-unwind-tables -fno-unwind-tables -fcf-protection=none"
    " -fno-tree-loop-distribute-patterns -fvisibility=hidden -std=gnu11 -Wall -Wextra -Werror"
)
LINK_FLAGS = "-nostdlib -static -Wl,--build-id=none -Wl,-z,noexecstack -Wl,--no-warn-rwx-segments"


class build_agent(Command):
    """Compile the code that runs inside other processes."""

    description = "compile the agent, the skeleton program and the keeper"
    user_options = [("inplace", "i", "put the results into src/, beside the Python code")]
    boolean_options = ["inplace"]
    editable_mode = False

    def initialize_options(self):
        self.inplace = False
        self.build_lib = None

    def finalize_options(self):
        self.set_undefined_options("build_py", ("build_lib", "build_lib"))

    def run(self):
        inplace = self.inplace or self.editable_mode
        target = (ROOT / "src" if inplace else Path(self.build_lib)) / "crtools" / "agent"
        target.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="crtools-build-") as scratch:
            self._build_blob(Path(scratch), target / "agent.bin")
            self._build_skeleton(Path(scratch), target / "skeleton.elf")
            self._build_keeper(Path(scratch), target / "keeper.elf")

    def _build_blob(self, scratch: Path, output: Path):
        linked, flat = scratch / "agent.elf", scratch / "agent.bin"
        self._run(
            *_compiler(),
            *AGENT_CFLAGS.split(),
            *LINK_FLAGS.split(),
            "-T",
            SOURCES / "agent.lds",
            "-o",
            linked,
            SOURCES / "entry.S",
            SOURCES / "vm.c",
            SOURCES / "home.S",
        )
        # A relocation left over would need a loader, and there is none where this runs.
        self._run(*_objcopy(), "-O", "binary", linked, flat)
        _replace(flat, output)

    def _build_skeleton(self, scratch: Path, output: Path):
        linked = scratch / "skeleton.elf"
        self._run(
            *_compiler(),
            *LINK_FLAGS.split(),
            "-Wl,-n",  # no page alignment in the file: it stays a few hundred bytes
            "-s",
            "-o",
            linked,
            SOURCES / "skeleton.S",
        )
        _replace(linked, output)

    def _build_keeper(self, scratch: Path, output: Path):
        linked = scratch / "keeper.elf"
        self._run(
            *_compiler(),
            *AGENT_CFLAGS.split(),
            *LINK_FLAGS.split(),
            "-Wl,-n",
            "-s",
            "-o",
            linked,
            SOURCES / "keeper.c",
        )
        _replace(linked, output)

    def _run(self, *command: object):
        words = [str(word) for word in command]
        self.announce(shlex.join(words), level=2)
        try:
            subprocess.run(words, check=True)
        except FileNotFoundError:
            raise SystemExit(
                f"{words[0]} is needed to compile the agent and was not found.\n"
                "Try: install gcc and binutils (Debian: apt-get install gcc), or name them with"
                " CC and OBJCOPY."
            ) from None
        except subprocess.CalledProcessError as error:
            raise SystemExit(
                f"Cannot compile the agent: {words[0]} ended with status {error.returncode}."
            ) from None

    def get_source_files(self):
        return [str(path.relative_to(ROOT)) for path in sorted(SOURCES.iterdir())]

    def get_outputs(self):
        return [
            os.path.join(self.build_lib, "crtools", "agent", name)
            for name in ("agent.bin", "skeleton.elf", "keeper.elf")
        ]

    def get_output_mapping(self):
        return {}


def _compiler() -> list[str]:
    return shlex.split(os.environ.get("CC", "gcc"))


def _objcopy() -> list[str]:
    return shlex.split(os.environ.get("OBJCOPY", "objcopy"))


def _replace(built: Path, output: Path):
    """Put the new file in the old one's place: a process may have the old one mapped."""
    fresh = output.with_name(output.name + ".new")
    fresh.write_bytes(built.read_bytes())
    fresh.replace(output)


class build_with_agent(build):
    sub_commands = [("build_agent", None), *build.sub_commands]


setup(
    cffi_modules=["src/crtools/abi/kernel_build.py:ffibuilder"],
    scripts=["bin/crtools"],
    cmdclass={"build": build_with_agent, "build_agent": build_agent},
    # The extension keeps to the stable ABI: one wheel serves every Python from 3.11 on.
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
