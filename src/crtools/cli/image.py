"""`crtools image`: look into image files, turn them into JSON and back.

    show FILE-or-DIR               as JSON that people read: names, hex, addresses
    info FILE-or-DIR               magic, entries, sizes; of a directory: tasks, pages, files
    decode FILE [-o OUT] [--pretty]
    encode JSON -o FILE            the inverse, of either form

The JSON is crit's. Nothing here is on the way of a dump or a restore.
"""

from __future__ import annotations

import os
import sys

from crtools.errors import CrtoolsError, ImageError, UsageError
from crtools.images.framing import encode_file, parse_file, read_header
from crtools.images.jsonform import image_from_json, image_to_json
from crtools.images.registry import find_by_name
from crtools.images.store import ImageStore, read_whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from typing import Any

    from crtools.images.registry import ImageKind
    from crtools.images.wire import Message

PE_LAZY, PE_PRESENT = 2, 4  # bits of pagemap_entry.flags
PAGE = 4096  # bytes in a page of an image
_NUMBERS = {"PID", "PPID", "PGID", "SID", "THREADS", "MEMORY", "ENTRIES", "SIZE"}
_STATES = {1: "alive", 2: "dead", 3: "stopped"}  # task_core_entry.task_state


def main(args: list[str]) -> int:
    """Run `crtools image ARGS`: its exit status. Raises CrtoolsError."""
    options = _make_parser().parse_args(args)
    command = options.command
    if command == "show":
        return _show(options.path)
    if command == "info":
        return _info(options.path)
    if command == "decode":
        return _decode(_the_file(options), options.output, options.pretty)
    return _encode(_the_file(options), options.output)


def _make_parser() -> ArgumentParser:
    import argparse

    class Parser(argparse.ArgumentParser):
        def error(self, message: str) -> Any:
            raise UsageError(f"crtools image: {message}", hint=self.format_usage().strip())

    parser = Parser(prog="crtools image", description="Look into image files.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    show = commands.add_parser("show", help="print an image, or all of a directory, for people")
    show.add_argument("path", metavar="FILE-or-DIR")
    info = commands.add_parser("info", help="what an image is; a directory's tasks and pages")
    info.add_argument("path", metavar="FILE-or-DIR")
    decode = commands.add_parser("decode", help="turn an image into JSON")
    decode.add_argument("path", metavar="FILE", nargs="?", help="- is standard input")
    decode.add_argument("--pretty", action="store_true", help="names and hex, in lines")
    encode = commands.add_parser("encode", help="turn JSON, pretty or not, into an image")
    encode.add_argument("path", metavar="JSON", nargs="?", help="- is standard input")
    for one in (decode, encode):
        one.add_argument("-i", "--input", metavar="FILE", help="the same, as crit spells it")
        one.add_argument(
            "-o", "--output", metavar="OUT", help="the result; standard output if not given"
        )
    return parser


def _the_file(options: Namespace) -> str:
    if (options.path is None) == (options.input is None):
        raise UsageError(f"crtools image {options.command} takes one file")
    path: str = options.path or options.input
    return path


def _read(path: str) -> bytes:
    if path == "-":
        return sys.stdin.buffer.read()
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return read_whole(fd, path)
        finally:
            os.close(fd)
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: str, error: OSError) -> ImageError:
    return ImageError(f"Cannot read {path}", because=os.strerror(error.errno or 0))


def _write(path: str | None, data: bytes) -> None:
    """Write to a file, or to standard output; what is there already is replaced."""
    if path is None or path == "-":
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    try:
        with open(path, "wb") as file:
            file.write(data)
    except OSError as error:
        raise ImageError(f"Cannot write {path}", because=os.strerror(error.errno or 0)) from None


def _raw_kind(path: str) -> ImageKind | None:
    """The kind of a file without magic, which only its name can tell."""
    found = find_by_name(os.path.basename(path))
    return found[0] if found and found[0].raw else None


def _parse(path: str) -> tuple[ImageKind, list[tuple[Message, bytes]]]:
    kind = _raw_kind(path)
    if kind is not None:
        raise ImageError(
            f"{path} has no messages",
            because=f"a file of kind {kind.key} is raw bytes",
            hint=f"crtools image info {path}",
        )
    return parse_file(_read(path), path)


def _show(path: str) -> int:
    if os.path.isdir(path):
        return _show_directory(path)
    kind, entries = _parse(path)
    print(_format(image_to_json(kind, entries, pretty=True)))
    return 0


def _show_directory(path: str) -> int:
    """One object, file name -> image; of raw files their sizes."""
    import json

    with ImageStore.open(path, allow_incomplete=True) as store:
        found = [(name, found) for name in store.names() if (found := find_by_name(name))]
        print("{", end="")
        for index, (name, (kind, id)) in enumerate(found):
            if kind.raw:
                shown: object = {"raw": _stat_size(store, name)}
            else:
                shown = image_to_json(kind, store.read_with_extra(kind.key, id), pretty=True)
            text = _format(shown).replace("\n", "\n    ")
            print(f"{',' if index else ''}\n    {json.dumps(name)}: {text}", end="")
        print("\n}")
    return 0


def _stat_size(store: ImageStore, name: str) -> int:
    return os.stat(name, dir_fd=store.fd, follow_symlinks=False).st_size


def _format(value: object) -> str:
    import json

    return json.dumps(value, indent=4)


def _decode(path: str, output: str | None, pretty: bool) -> int:
    import json

    kind, entries = _parse(path)
    value = image_to_json(kind, entries, pretty=pretty)
    text = _format(value) if pretty else json.dumps(value)
    _write(output, f"{text}\n".encode())
    return 0


def _encode(path: str, output: str | None) -> int:
    import json

    if output is None and sys.stdout.isatty():
        raise UsageError("An image is no text for a terminal", hint="name a file with -o")
    try:
        data = json.loads(_read(path))
    except (ValueError, RecursionError) as error:
        raise ImageError(f"{path} is no JSON", because=str(error)) from None
    try:
        kind, entries = image_from_json(data)
        encoded = encode_file(kind, entries)
        # What is wrong between entries (a second one of a single kind) is seen on reading.
        parse_file(encoded, path, kind)
    except RecursionError:
        raise ImageError(f"{path} is nested too deep to be an image") from None
    _write(output, encoded)
    return 0


def _info(path: str) -> int:
    if os.path.isdir(path):
        return _info_directory(path)
    raw = _raw_kind(path)
    if raw is not None:
        try:
            size = os.stat(path).st_size
        except OSError as error:
            raise _unreadable(path, error) from None
        print(f"{_plain(path)}: raw bytes ({raw.key}), {_size(size)}")
        return 0
    buf = _read(path)
    kind, entries = parse_file(buf, path)
    _, header = read_header(buf, path)
    version = "1.1" if header == 8 else "1.0"
    print(f"file:    {_plain(path)}")
    print(f"magic:   {kind.magic_name} ({kind.magic:#010x}), format {version}")
    print(f"entries: {len(entries)}")
    print(f"size:    {_size(len(buf))}")
    extra = sum(len(extra) for _, extra in entries)
    if extra:
        print(f"extra:   {_size(extra)} of raw bytes after entries")
    if kind.magic_name == "PAGEMAP":
        present, lazy, parent = _count_pages([message for message, _ in entries])
        print(f"pages:   {present} present ({lazy} of them lazy), {parent} in the parent")
        if parent and os.path.exists(path.replace("pagemap-", "crtools-pages-")):
            print("         (in the pages files of relatives: --share-pages)")
    return 0


def _info_directory(path: str) -> int:
    status = 0
    with ImageStore.open(path, allow_incomplete=True) as store:
        rows: list[tuple[str, ...]] = []
        pages = 0
        for name in store.names():
            found = find_by_name(name)
            if found is None:
                continue
            kind, id = found
            size = _stat_size(store, name)
            if kind.raw:
                pages += size if kind.key == "pages" else 0
                rows.append((name, "-", "-", _size(size)))
                continue
            try:
                count = str(len(store.read(kind.key, id)))
            except CrtoolsError as error:
                print(error, file=sys.stderr)
                status = 1
                count = "damaged"
            rows.append((name, kind.magic_name, count, _size(size)))
        if store.has("inventory"):
            print(f"{_plain(path)}: a complete set, {_size(pages)} of pages")
        else:
            print(f"{_plain(path)}: incomplete, there is no inventory.img: the dump did not finish")
            status = 1
        if store.has("pstree"):
            print()
            _print_table(("PID", "PPID", "PGID", "SID", "THREADS", "STATE", "MEMORY", "NAME"),
                         _task_rows(store))  # fmt: skip
        print()
        _print_table(("FILE", "MAGIC", "ENTRIES", "SIZE"), rows)
    return status


def _task_rows(store: ImageStore) -> list[tuple[str, ...]]:
    rows = []
    try:
        processes = store.read("pstree")
    except ImageError:
        return []  # said already, among the files
    for process in processes:
        state = memory = comm = "?"
        try:
            core = store.read_one("core", process.pid)
            state = _STATES.get(core.tc.task_state, str(core.tc.task_state))
            comm = core.tc.comm
            present, _, _ = _count_pages(store.read("pagemap", process.pid))
            memory = _size(present * PAGE)
        except (ImageError, AttributeError):
            memory = "-" if state == "dead" else memory  # a zombie has no memory
        ids = (process.pid, process.ppid, process.pgid, process.sid, len(process.threads))
        rows.append((*map(str, ids), state, memory, comm))
    return rows


def _count_pages(messages: list[Any]) -> tuple[int, int, int]:
    """Pages present, lazy among them, and in the parent image, of a pagemap with its head."""
    present = lazy = parent = 0
    for entry in messages[1:]:
        count = entry.compat_nr_pages if entry.nr_pages is None else entry.nr_pages
        flags = entry.flags
        if flags is None:  # sets older than the flags
            flags = 1 if entry.in_parent else PE_PRESENT
        if flags & PE_PRESENT:
            present += count
            lazy += count if flags & PE_LAZY else 0
        elif flags & 1:
            parent += count
    return present, lazy, parent


def _print_table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    """Columns: those of numbers and sizes to the right, others to the left."""
    table = [head, *[tuple(map(_plain, row)) for row in rows]]
    widths = [max(len(row[column]) for row in table) for column in range(len(head))]
    for row in table:
        cells = []
        for column, cell in enumerate(row):
            pad = str.rjust if head[column] in _NUMBERS else str.ljust
            cells.append(pad(cell, widths[column]))
        print("  ".join(cells).rstrip())


def _plain(text: str) -> str:
    """A name as the images have it, without what would drive a terminal."""
    shown = "".join([c if c.isprintable() else ascii(c)[1:-1] for c in text])
    return shown.encode(sys.stdout.encoding or "ascii", "backslashreplace").decode(
        sys.stdout.encoding or "ascii"
    )


def _size(count: int) -> str:
    if count < 1024:
        return f"{count} bytes"
    if count < 1 << 20:
        return f"{count / 1024:.1f} KiB"
    if count < 1 << 30:
        return f"{count / (1 << 20):.1f} MiB"
    return f"{count / (1 << 30):.1f} GiB"
