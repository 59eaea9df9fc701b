"""Whatever is dumped can be read by Debian's crit, which is not ours, and by `crtools image`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from live.roundtrip import SECONDS, TOOL, Run, Skipped
from live.test_programs import CASES, Case

pytestmark = [pytest.mark.root, pytest.mark.timeout(180)]

CRIT = shutil.which("crit")
# Each `crit show` as a process of its own would take a minute a directory, and one process a
# directory half a second, which it takes to import what it needs: one runs crit for all of them.
# It is told a path in a line, and answers with a line: "" or, as JSON, what was wrong.
SHOW_ALL = r"""
import contextlib, io, json, runpy, sys, traceback
crit = sys.argv[1]
answers, sys.stdout = sys.stdout, sys.stderr
for line in sys.stdin:
    sys.argv = [crit, "show", line.rstrip("\n")]
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            runpy.run_path(crit, run_name="__main__")
        status = 0
    except SystemExit as end:
        status = end.code or 0
    except Exception:
        status = traceback.format_exc(limit=-1)
    wrong = status or "entries" not in said.getvalue()
    print(json.dumps(f"status {status}: {said.getvalue():.200}" if wrong else ""), file=answers)
    answers.flush()
"""
# Files without messages, and those that only crtools knows.
RAW = ("pages-", "crtools-")
MOST_OF_A_KIND = 40
# Kinds of images that a test of our own viewer has seen as a whole: one of each is enough.
seen: set[str] = set()
# What they make outlives them unless they remove it in the end.
CLEAN_UP = ("paths", "sem_undo", "sysv_shm")


def start(new_run: Callable[..., Run], case: Case) -> Run:
    run = new_run(case.program, *case.args, **case.how)
    try:
        run.start()
    except Skipped as reason:
        pytest.skip(str(reason))
    return run


def crit_interpreter() -> str:
    assert CRIT is not None
    first = Path(CRIT).read_text().partition("\n")[0]
    return first.removeprefix("#!").split()[-1]


@pytest.fixture(scope="module")
def crit() -> Iterator[Callable[[Path], str]]:
    """What `crit show` finds wrong with an image; "": nothing."""
    if CRIT is None:
        pytest.skip("needs crit, of Debian's package criu")
    with subprocess.Popen(
        [crit_interpreter(), "-c", SHOW_ALL, CRIT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as shows:
        assert shows.stdin is not None
        assert shows.stdout is not None
        asks, answers = shows.stdin, shows.stdout

        def show(path: Path) -> str:
            asks.write(f"{path}\n")
            asks.flush()
            return str(json.loads(answers.readline()))

        yield show
        asks.close()
        assert shows.wait(SECONDS) == 0


def choose_images(images: Path) -> Iterator[Path]:
    """All images that have messages; of a kind that each of many tasks has, some of all."""
    kinds: dict[str, list[Path]] = {}
    for path in sorted(images.glob("*.img")):
        if not path.name.startswith(RAW):
            kinds.setdefault(path.name.rstrip(".img0123456789"), []).append(path)
    for paths in kinds.values():
        yield from paths[:: -(-len(paths) // MOST_OF_A_KIND)]


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if "restored" not in case.not_in],
    ids=lambda case: case.words.replace(" ", "-"),
)
def test_images_are_readable_by_crit_show(
    case: Case, new_run: Callable[..., Run], crit: Callable[[Path], str]
) -> None:
    run = start(new_run, case)
    cleans_up = case.program in CLEAN_UP
    images = run.dump(*["-R"] * cleans_up, kills=not cleans_up)
    paths = [*choose_images(images), images / "stats-dump"]
    assert len(paths) > 8
    wrong = {path.name: said for path in paths if (said := crit(path))}
    assert not wrong
    if cleans_up:
        run.expect_pass()


@pytest.mark.parametrize("words", ["threads", "zombies", "positions", "pipes", "anonymous"])
def test_images_are_readable_by_our_own_viewer(words: str, new_run: Callable[..., Run]) -> None:
    run = start(new_run, Case(words))
    images = run.dump()
    shown = json.loads(image("show", images))
    assert set(shown) == {path.name for path in images.iterdir()} - {"dump.log"}
    info = image("info", images)
    assert "a complete set" in info
    assert str(run.pid) in info
    for path in sorted(images.iterdir()):
        if path.name == "dump.log":
            continue
        assert path.name in info
        kind = path.name.rstrip(".img0123456789abcdef")
        if kind in seen:
            continue
        seen.add(kind)
        assert image("info", path)
        if path.name.startswith("pages-"):
            continue
        assert json.loads(image("show", path)) == shown[path.name]
        # What is decoded becomes the same bytes again.
        decoded = path.parent / "decoded.json"
        image("decode", path, "-o", decoded)
        encoded = path.parent / "encoded"
        image("encode", decoded, "-o", encoded)
        assert encoded.read_bytes() == path.read_bytes(), path.name


def image(verb: str, *words: str | os.PathLike[str]) -> str:
    done = subprocess.run(
        [TOOL, "image", verb, *words], capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 0, f"image {verb} {words}: {done.stdout}{done.stderr}"
    return done.stdout
