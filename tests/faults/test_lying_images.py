"""Images that lie are refused: no value of a field makes the tool fail with a traceback, hang, or
leave a task behind.

A program with open files of some kind is dumped. In its images one field after the other gets
another value: one out of range, an id that points nowhere or at something else, nothing at all; or
an entry goes, or comes twice, or its raw bytes are too few. Each such set is restored. Some lies
are believed, as they might be true: then there is a tree, which is ended.

It is done in namespaces of its own, for a lie about an owner or a session may send signals to
anybody: `unshare -pf --mount-proc python test_lying_images.py DIR COUNT PROGRAM ARGS...`.
"""

from __future__ import annotations

import copy
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from crtools import api
from crtools.errors import ImageError
from crtools.images.framing import encode_file
from crtools.images.registry import ImageKind, find_by_name
from crtools.images.store import ImageStore
from crtools.images.wire import RANGES, Message
from faults.tool import LIMIT_SECONDS, Outcome, run_tool
from live.network import own_network
from live.roundtrip import SKIPPED, Run, Skipped
from live.snapshot import collect_tree

pytestmark = [pytest.mark.root, pytest.mark.timeout(600)]

# How many lies about the files of each program.
COUNT = int(os.environ.get("CRTOOLS_LIES", "9"))
PROGRAMS = (
    *("unix_pairs", "unix_names", "unix_flight", "udp", "raw", "packet", "netlink root"),
    *("tcp v4", "tcp closing", "eventfds", "epolls", "epolls nested", "timerfds", "signalfds"),
    *("inotify unread", "fanotify", "mqueue", "pidfds", "pty", "pty lines", "pty session"),
    *("pty status", "tuns", "fifos", "pipe_shapes", "memfds", "bpf_maps", "locks plain"),
)
OPTIONS = {"tcp_established": True, "file_locks": True}
# Not about open files: who the tasks are and what is in their memory.
OTHERS = {
    *("inventory", "pstree", "core", "ids", "mm", "fs", "creds", "seccomp", "pagemap"),
    *("pagemap-shmem", "stats-dump", "stats-restore", "crtools-task", "timens", "cgroup"),
    "cpuinfo",
}
TEXTS = ("", "\0", "/", "a", "/nowhere/x", "x" * 300)


class Place(NamedTuple):
    """A field of a message: of entry number `entry` of the image `name`, by the way to it."""

    name: str
    entry: int
    way: tuple[str | int, ...]
    label: str
    kind: str


class Images:
    """The files of a set that have messages in them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.files: dict[str, tuple[ImageKind, list[tuple[Any, bytes]]]] = {}
        with ImageStore.open(str(directory)) as store:
            for name in store.names():
                found = find_by_name(name)
                if found is not None and not found[0].raw and found[0].key not in OTHERS:
                    self.files[name] = found[0], store.read_with_extra(found[0].key, found[1])

    def places(self) -> list[Place]:
        return [
            Place(name, number, *about)
            for name, (_, entries) in self.files.items()
            for number, (message, _) in enumerate(entries)
            for about in _fields(message, ())
        ]

    def write(self, name: str, entries: list[tuple[Any, bytes]]) -> None:
        kind = self.files[name][0]
        (self.directory / name).write_bytes(encode_file(kind, entries))

    def put_back(self, name: str) -> None:
        self.write(name, self.files[name][1])


def _fields(
    message: Message, way: tuple[str | int, ...]
) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
    for _, name, label, kind, *_ in message.FIELDS:
        value = getattr(message, name)
        here = (*way, name)
        yield here, label, kind
        if kind != "message" or value is None:
            continue
        if label == "repeated":
            for index, one in enumerate(value):
                yield from _fields(one, (*here, index))
        else:
            yield from _fields(value, here)


def lie(images: Images, place: Place, chance: random.Random) -> str:
    """Writes the images with another value at that place; says which. Empty: that is no lie."""
    entries = copy.deepcopy(images.files[place.name][1])
    what = chance.choice(("value", "value", "value", "value", "gone", "twice", "short"))
    if images.files[place.name][0].head and place.entry == 0:
        what = "value"  # without its head it is no such file
    message, extra = entries[place.entry]
    if what == "gone":
        del entries[place.entry]
    elif what == "twice":
        entries.insert(place.entry, entries[place.entry])
    elif what == "short" and extra:
        entries[place.entry] = message, extra[: chance.randrange(len(extra))]
    else:
        holder = message
        for step in place.way[:-1]:
            holder = getattr(holder, step) if isinstance(step, str) else holder[step]
        name = str(place.way[-1])
        before = getattr(holder, name)
        now = _other(before, place, chance)
        if now == before:
            return ""
        setattr(holder, name, now)
        what = f"{before!r:.60} is {now!r:.60}"
    try:
        images.write(place.name, entries)
    except ImageError:
        images.put_back(place.name)
        return ""  # such a message cannot be written
    return f"{place.name} {place.entry} {'.'.join(map(str, place.way))}: {what}"


def _other(value: Any, place: Place, chance: random.Random) -> Any:
    if place.label == "repeated":
        values = list(value)
        if values and chance.random() < 0.3:
            return values[:-1]
        if values and chance.random() < 0.3:
            return [*values, values[0]]
        if place.kind == "message":
            return values[::-1]
        at = chance.randrange(len(values) + 1)
        return [*values[:at], _scalar(None, place.kind, chance), *values[at + 1 :]]
    if place.label == "optional" and value is not None and chance.random() < 0.3:
        return None
    if place.kind == "message":
        return value
    return _scalar(value, place.kind, chance)


def _scalar(value: Any, kind: str, chance: random.Random) -> Any:
    if kind == "string":
        return chance.choice(TEXTS)
    if kind == "bytes":
        return chance.choice((b"", b"\0", b"\xff" * 40, (value or b"x")[:-1]))
    if kind == "bool":
        return not value
    low, high = RANGES[kind]
    near = value if isinstance(value, int) else 0
    values = (low, high, 0, 1, 2, near + 1, near - 1, near ^ 0x40, near << 8, 1 << 31, 1000)
    return min(max(chance.choice(values), low), high)


@pytest.mark.parametrize("words", PROGRAMS)
def test_lies_about_open_files(words: str, directory: Path) -> None:
    command = [
        *("unshare", "--pid", "--mount", "--ipc", "--fork", "--kill-child", "--mount-proc"),
        *(sys.executable, str(Path(__file__).resolve()), str(directory), str(COUNT)),
        *words.split(),
    ]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=500, check=False
    )
    if done.returncode == SKIPPED:
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"


# --- From here on: inside the namespaces ---


def restore(run: Run, images: Path) -> Outcome:
    outcome = run_tool(lambda: api.restore(str(images), **OPTIONS))
    if outcome.done:
        run.status = None
        run.kill()
    return outcome


def tell_lies(run: Run, words: tuple[str, ...], count: int) -> None:
    run.start()
    own = set(collect_tree(os.getpid())) - set(collect_tree(run.pid))
    directory = run.dump()
    first = restore(run, directory)
    assert first.done, first
    images = Images(directory)
    places = images.places()
    chance = random.Random(" ".join(words))
    refused = told = 0
    wrong: list[str] = []
    while told < count:
        place = chance.choice(places)
        what = lie(images, place, chance)
        if not what:
            continue
        told += 1
        outcome = restore(run, directory)
        images.put_back(place.name)
        if not (outcome.done or outcome.refused) or outcome.said.startswith("InternalError"):
            wrong.append(f"{what}\n{outcome}")
        refused += outcome.refused

        def nothing_left(what: str = what, outcome: Outcome = outcome) -> bool:
            for pid in set(collect_tree(os.getpid())) - own:
                try:
                    os.waitpid(pid, os.WNOHANG)
                except ChildProcessError:
                    continue
            return set(collect_tree(os.getpid())) <= own

        run.wait_until(nothing_left, f"{what}: nothing is left ({outcome})", LIMIT_SECONDS)
    print(f"{told} lies, {refused} refused")
    assert not wrong, "\n\n".join(wrong)
    assert refused, "every lie was believed"


def main(directory: str, count: str, program: str, *args: str) -> int:
    locks = ("--file-locks",) if program == "locks" else ()
    tcp = ("--tcp-established",) if program == "tcp" else ()
    with own_network():
        subprocess.run(["mount", "-t", "sysfs", "none", "/sys"], check=True)  # of that network
        run = Run(Path(directory), program, *args, compare=False, dump_options=(*locks, *tcp))
        try:
            tell_lies(run, (program, *args), int(count))
        except Skipped as reason:
            print(reason)
            return SKIPPED
        except AssertionError as error:
            print(error)
            return 1
        finally:
            run.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
