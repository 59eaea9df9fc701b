"""The code of all modules that commands load, in one file, for the next command.

Importing a hundred small modules takes longer than a dump of a small process: finding and checking
their .pyc files is a fifth of it, reading docstrings that nobody asks for another. So a command
leaves the code of what it has loaded, without docstrings, in one file of __pycache__, and later
ones take it from there. It is trusted as .pyc files are: it must be of this interpreter (its magic
number), and each module's source must have the time and size that it had. Whatever does not fit is
imported as usual, and the file is written anew (docs/decisions/0002-start-up.md).
"""

from __future__ import annotations

import marshal
import os
import sys
from _frozen_importlib import ModuleSpec
from _frozen_importlib_external import MAGIC_NUMBER, SourceFileLoader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType
    from typing import Any

_HEAD = MAGIC_NUMBER + b"crtools1"


class _Loader(SourceFileLoader):
    """Whatever asks for a module's source or file gets what it would get elsewhere."""

    def __init__(self, name: str, path: str, code: memoryview) -> None:
        super().__init__(name, path)
        self._code = code

    def get_code(self, fullname: str) -> CodeType:
        code: CodeType = marshal.loads(self._code)
        return code


class CodeCache:
    """A finder for sys.meta_path, in front of the usual ones."""

    def __init__(self, package: str) -> None:
        self._package = package
        self._path = f"{package}/__pycache__/all.{sys.implementation.cache_tag}.code"
        self._index: dict[str, tuple[str, bool, int, int, int, int]] = {}
        self._data = memoryview(b"")
        self._missed: list[str] = []
        try:
            fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                data = os.read(fd, os.fstat(fd).st_size)
            finally:
                os.close(fd)
            if data.startswith(_HEAD):
                at = int.from_bytes(data[len(_HEAD) : len(_HEAD) + 8], "little")
                self._data = memoryview(data)
                self._index = marshal.loads(self._data[at:])
        except (OSError, ValueError, EOFError, TypeError):
            pass  # none yet, or no good one

    def find_spec(self, name: str, path: object = None, target: object = None) -> Any:
        if not name.startswith("crtools."):
            return None
        entry = self._index.get(name)
        if entry is None or not self._is_fresh(entry):
            self._missed.append(name)
            return None
        source, is_package, _, _, start, end = entry
        source = f"{self._package}/{source}"
        spec = ModuleSpec(
            name,
            _Loader(name, source, self._data[start:end]),
            origin=source,
            is_package=is_package,
        )
        spec.has_location = True
        if is_package:
            spec.submodule_search_locations = [source.rpartition("/")[0]]
        return spec

    def _is_fresh(self, entry: tuple[str, bool, int, int, int, int]) -> bool:
        try:
            now = os.stat(f"{self._package}/{entry[0]}")
        except OSError:
            return False
        return now.st_mtime_ns == entry[2] and now.st_size == entry[3]

    def update(self) -> None:
        """Puts what was loaded from elsewhere into the file, and keeps what else is in it.

        Does nothing where the directory cannot be written to, as for .pyc files.
        """
        if sys.dont_write_bytecode or not any(map(_has_source, self._missed)):
            return
        new = f"{self._path}.{os.getpid()}"
        try:
            fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        except OSError:
            return
        try:
            with open(fd, "wb") as file:
                file.write(self._collect())
            os.replace(new, self._path)
        except BaseException as error:
            os.unlink(new)
            if not isinstance(error, (OSError, SyntaxError, ValueError)):
                raise

    def _collect(self) -> bytes:
        out = bytearray(_HEAD + bytes(8))
        index: dict[str, tuple[str, bool, int, int, int, int]] = {}
        for name, entry in self._index.items():
            if self._is_fresh(entry):
                index[name] = (*entry[:4], len(out), len(out) + entry[5] - entry[4])
                out += self._data[entry[4] : entry[5]]
        for name, module in list(sys.modules.items()):
            path = getattr(module, "__file__", None) or ""
            inside = path.startswith(f"{self._package}/") and path.endswith(".py")
            if not name.startswith("crtools.") or name in index or not inside:
                continue
            # The state before reading: a change in between makes the entry stale, not wrong.
            state = os.stat(path)
            with open(path, "rb") as file:
                code = marshal.dumps(_compile(file.read(), path))
            index[name] = (
                path[len(self._package) + 1 :],
                hasattr(module, "__path__"),
                state.st_mtime_ns,
                state.st_size,
                len(out),
                len(out) + len(code),
            )
            out += code
        out[len(_HEAD) : len(_HEAD) + 8] = len(out).to_bytes(8, "little")
        return bytes(out + marshal.dumps(index))


def _has_source(name: str) -> bool:
    return (getattr(sys.modules.get(name), "__file__", None) or "").endswith(".py")


def _compile(source: bytes, path: str) -> CodeType:
    """A module's code without docstrings; asserts stay."""
    import ast

    tree = ast.parse(source, path)
    for node in ast.walk(tree):
        if not isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        match node.body:
            case [ast.Expr(value=ast.Constant(value=str())) as text]:
                node.body = [ast.copy_location(ast.Pass(), text)]
            case [ast.Expr(value=ast.Constant(value=str())), *rest]:
                node.body = rest
    code: CodeType = compile(tree, path, "exec", dont_inherit=True)
    return code
