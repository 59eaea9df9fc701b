"""The code of all modules that a command loads, in one file, for the next command.

Importing a hundred small modules takes longer than a dump of a small process: finding and checking
their .pyc files is a fifth of it, reading docstrings that nobody asks for another. So a command
leaves the code of what it has loaded, without docstrings, in __pycache__, and later ones take it
from there. It is trusted as .pyc files are: it must be of this interpreter (its magic number), and
each module's source must have the time and size that it had. Whatever does not fit is imported as
usual, and the files are written anew (docs/decisions/0002-start-up.md).

There are two kinds of file. One has every module by itself. The other has what one verb always
needs, in one piece: strings that modules share are read once, and the modules are made without
asking the import system for each.
"""

# No `from __future__ import annotations` here: it would load a module that nothing else needs.

import marshal
import os
import sys
from _frozen_importlib import ModuleSpec
from _frozen_importlib_external import MAGIC_NUMBER, PathFinder, SourceFileLoader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import CodeType, ModuleType

    Source = tuple[str, bool, int, int]  # path in the package, is it one, time in ns, size in bytes

_HEAD = MAGIC_NUMBER + b"crtools2"
_BODY = len(_HEAD) + 8  # before it the position of the index, behind the code of all modules
_UNKNOWN = (("", False, 0, 0), 0, 0)  # names the package's directory, whose time is not 0

# What a verb needs whatever it is to work on is loaded when this module has been.
ENTRIES = {"dump": "crtools.dumping.dump", "restore": "crtools.restoring.restore"}


class _Loader(SourceFileLoader):
    """Whatever asks for a module's source or file gets what it would get elsewhere."""

    def __init__(
        self, name: str, path: str, code: bytes | None = None, loaded: list[str] | None = None
    ) -> None:
        super().__init__(name, path)
        self._code = code
        self._loaded = loaded

    def get_code(self, fullname: str) -> "CodeType | None":
        if self._code is None:
            return super().get_code(fullname)
        code: "CodeType" = marshal.loads(self._code)
        return code

    def exec_module(self, module: "ModuleType") -> None:
        super().exec_module(module)
        if self._loaded is not None:
            self._loaded.append(module.__name__)


class CodeCache:
    """A finder for sys.meta_path, in front of the usual ones.

    `entry` is the module that brings with it whatever is needed in any case, "" for none.
    """

    def __init__(self, package: str, entry: str = "") -> None:
        self._package = package
        self._entry = entry
        cached = f"{package}/__pycache__/{{}}.{sys.implementation.cache_tag}.code"
        self._path = cached.format("all")
        self._entry_path = cached.format(entry)
        self._file = (0, 0)  # inode and time of the file that the index is of
        self._index: dict[str, tuple[Source, int, int]] | None = None
        self._loaded: list[str] = []  # in the order in which they were complete
        self._misses = False
        self._entry_misses = entry != ""

    def load_entry(self) -> None:
        """Loads the entry module and what it imports, if there is a file for it that fits."""
        data, _ = _read(self._entry_path, 0)
        if not data.startswith(_HEAD):
            return
        try:
            modules = marshal.loads(memoryview(data)[len(_HEAD) :])
        except (ValueError, EOFError, TypeError):
            return
        if not all(self._is_fresh(source) for _, source, _ in modules):
            return
        self._entry_misses = False
        for name, source, code in modules:
            if name not in sys.modules:
                self._load(name, source, code)

    def _load(self, name: str, source: "Source", code: "CodeType") -> None:
        """What the import system does for a module that it has found, and no more."""
        module = type(sys)(name)
        spec = module.__spec__ = self._spec(name, source, None)
        module.__loader__ = spec.loader
        module.__file__ = spec.origin
        parent, _, own_name = name.rpartition(".")
        module.__package__ = parent
        if spec.submodule_search_locations is not None:
            module.__package__ = name
            module.__path__ = spec.submodule_search_locations
        sys.modules[name] = module
        try:
            exec(code, module.__dict__)
        except BaseException:
            del sys.modules[name]
            raise
        setattr(sys.modules[parent], own_name, module)
        self._loaded.append(name)

    def find_spec(
        self, name: str, path: "Sequence[str] | None" = None, target: object = None
    ) -> "ModuleSpec | None":
        if not name.startswith("crtools."):
            return None
        if self._index is None:
            self._index = self._read_index()
        source, start, length = self._index.get(name, _UNKNOWN)
        if self._is_fresh(source):
            code, file = _read(self._path, start, length)
            # Another command may have put another file in the place of the one with our index.
            if file == self._file:
                return self._spec(name, source, code)
        spec: "ModuleSpec | None" = PathFinder.find_spec(name, path)
        if spec is not None and type(spec.loader) is SourceFileLoader:
            self._misses = True
            spec.loader = _Loader(name, spec.loader.path, None, self._loaded)
        return spec

    def _spec(self, name: str, source: "Source", code: bytes | None) -> "ModuleSpec":
        path = f"{self._package}/{source[0]}"
        loader = _Loader(name, path, code, self._loaded)
        spec = ModuleSpec(name, loader, origin=path, is_package=source[1])
        spec.has_location = True
        if source[1]:
            spec.submodule_search_locations = [path.rpartition("/")[0]]
        return spec

    def _is_fresh(self, source: "Source") -> bool:
        try:
            now = os.stat(f"{self._package}/{source[0]}")
        except OSError:
            return False
        return now.st_mtime_ns == source[2] and now.st_size == source[3]

    def _read_index(self) -> "dict[str, tuple[Source, int, int]]":
        data, self._file = _read(self._path, 0, _BODY)
        if not data.startswith(_HEAD):
            return {}
        data, file = _read(self._path, int.from_bytes(data[len(_HEAD) :], "little"))
        try:
            index: dict[str, tuple[Source, int, int]] = marshal.loads(data)
        except (ValueError, EOFError, TypeError):
            return {}
        return index if file == self._file else {}

    def update(self) -> None:
        """Puts what was loaded from elsewhere into the files, and keeps what else is in them.

        Does nothing where the directory cannot be written to, as for .pyc files.
        """
        if sys.dont_write_bytecode or not (self._misses or self._entry_misses):
            return
        modules = self._collect()
        if self._misses:
            out = bytearray(_BODY)
            index = {}
            for name, (source, code) in modules.items():
                index[name] = (source, len(out), len(code))
                out += code
            out[:_BODY] = _HEAD + len(out).to_bytes(8, "little")
            _replace(self._path, bytes(out) + marshal.dumps(index))
        if self._entry_misses and self._entry in self._loaded:
            needed = self._loaded[: self._loaded.index(self._entry) + 1]
            # In one piece, strings that several modules have are there once.
            whole = [(name, modules[name][0], marshal.loads(modules[name][1])) for name in needed]
            _replace(self._entry_path, _HEAD + marshal.dumps(whole))

    def _collect(self) -> "dict[str, tuple[Source, bytes]]":
        modules: dict[str, tuple[Source, bytes]] = {}
        data, file = _read(self._path, 0)
        if self._index and file == self._file:
            for name, (source, start, length) in self._index.items():
                if self._is_fresh(source):
                    modules[name] = source, data[start : start + length]
        for name in self._loaded:
            if name not in modules:
                path: str = sys.modules[name].__file__ or ""
                # The state before reading: a change in between makes it stale, not wrong.
                state = os.stat(path)
                is_package = hasattr(sys.modules[name], "__path__")
                inside = path[len(self._package) + 1 :]
                source = inside, is_package, state.st_mtime_ns, state.st_size
                modules[name] = source, marshal.dumps(_compile(path))
        return modules


def _read(path: str, start: int, length: int = -1) -> tuple[bytes, tuple[int, int]]:
    """Bytes of a file and which file it was (inode, time); none if there is none to be read."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b"", (0, 0)
    try:
        state = os.fstat(fd)
        data = os.pread(fd, state.st_size if length < 0 else length, start)
    except OSError:
        return b"", (0, 0)
    finally:
        os.close(fd)
    return data, (state.st_ino, state.st_mtime_ns)


def _replace(path: str, data: bytes) -> None:
    new = f"{path}.{os.getpid()}"
    try:
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    except OSError:
        return
    try:
        with open(fd, "wb") as file:
            file.write(data)
        os.replace(new, path)
    except BaseException as error:
        os.unlink(new)
        if not isinstance(error, OSError):
            raise


def _compile(path: str) -> "CodeType":
    """A module's code without docstrings; asserts stay."""
    import __future__

    import ast

    with open(path, "rb") as file:
        tree = ast.parse(file.read(), path)
    flags = 0
    for node in ast.walk(tree):
        if not isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        match node.body:
            case [ast.Expr(value=ast.Constant(value=str())) as text]:
                node.body = [ast.copy_location(ast.Pass(), text)]
            case [ast.Expr(value=ast.Constant(value=str())), *rest]:
                node.body = rest
    match tree.body:
        case [ast.ImportFrom("__future__", [ast.alias("annotations")]), *rest]:
            # Said to the compiler here, it does not import a module that nobody uses.
            flags = __future__.annotations.compiler_flag
            tree.body = rest
    code: CodeType = compile(tree, path, "exec", flags, dont_inherit=True)
    return code
