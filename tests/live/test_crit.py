"""Whatever is dumped can be read by Debian's crit, which is not ours, and by `crtools image`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from live.roundtrip import SECONDS, TOOL, Run, Skipped
from live.test_programs import CASES, Case

pytestmark = [pytest.mark.root, pytest.mark.timeout(180)]

CRIT = shutil.which("crit")
# Each `crit show` as a process of its own would take a minute a directory.
SHOW_ALL = r"""
import contextlib, io, runpy, sys, traceback
crit, *paths = sys.argv[1:]
failed = 0
for path in paths:
    sys.argv = [crit, "show", path]
    try:
        with contextlib.redirect_stdout(io.StringIO()) as said:
            runpy.run_path(crit, run_name="__main__")
        status = 0
    except SystemExit as end:
        status = end.code or 0
    except Exception:
        status = traceback.format_exc(limit=-1)
    if status or "entries" not in said.getvalue():
        failed = 1
        print(f"{path}: {status}")
sys.exit(failed)
"""
# Files without messages, and those that only crtools knows.
RAW = ("pages-", "crtools-")
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


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if "restored" not in case.not_in],
    ids=lambda case: case.words.replace(" ", "-"),
)
def test_images_are_readable_by_crit_show(case: Case, new_run: Callable[..., Run]) -> None:
    if CRIT is None:
        pytest.skip("needs crit, of Debian's package criu")
    run = start(new_run, case)
    cleans_up = case.program in CLEAN_UP
    images = run.dump(*["-R"] * cleans_up, kills=not cleans_up)
    paths = [path for path in sorted(images.glob("*.img")) if not path.name.startswith(RAW)]
    paths += [images / "stats-dump"]
    assert len(paths) > 8
    done = subprocess.run(
        [crit_interpreter(), "-c", SHOW_ALL, CRIT, *map(str, paths)],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
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
