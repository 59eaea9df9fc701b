"""A restore on a CPU that is not the one dumped on: cpuinfo.img says it was another one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from crtools.images.messages.cpuinfo import CpuinfoEntry
from crtools.images.store import ImageStore
from crtools.kinds.process.cpu import FEATURES, read_cpu
from live.roundtrip import Run

pytestmark = pytest.mark.root


def change_features(images: Path, *, more: bool) -> str:
    """Makes the images those of a CPU that can do one thing more, or less; returns its name."""
    with ImageStore.open(str(images)) as store:
        entry: CpuinfoEntry = store.read_one("cpuinfo")
        here = read_cpu()
        words = list(here.capability)
        word, bit, name = next(
            (word, bit, name)
            for word, names in FEATURES.items()
            for bit, name in names.items()
            if bool(words[word] >> bit & 1) is not more
        )
        words[word] ^= 1 << bit
        entry.x86_entry[0].capability = words
        store.write("cpuinfo", [entry])
    return name


def refused(run: Run, images: Path, *options: str) -> str:
    done = run.run_tool(
        "restore", "-D", str(images), "-d", "-o", "restore.log", *options, check=False
    )
    assert done.returncode == 1
    return done.stderr


def test_an_instruction_that_is_missing_here_is_named(new_run: Callable[..., Run]) -> None:
    run = new_run("anonymous")
    run.start()
    images = run.dump()
    name = change_features(images, more=True)
    assert f"lacks {name}" in refused(run, images)
    assert f"lacks {name}" in refused(run, images, "--cpu-cap=ins")
    run.restore(images, "--cpu-cap=fpu")
    run.expect_pass()


def test_a_cpu_that_can_do_more_does_unless_the_same_is_asked_for(
    new_run: Callable[..., Run],
) -> None:
    run = new_run("anonymous")
    run.start()
    images = run.dump()
    name = change_features(images, more=False)
    assert f"same features: {name}" in refused(run, images, "--cpu-cap=cpu")
    assert f"same features: {name}" in refused(run, images, "--cpu-cap")
    run.restore(images)
    run.expect_pass()


def test_a_dump_without_the_image_has_none(new_run: Callable[..., Run]) -> None:
    run = new_run("anonymous")
    run.start()
    images = run.dump("--cpu-cap=none")
    assert not (images / "cpuinfo.img").exists()
    assert "no cpuinfo.img" in refused(run, images, "--cpu-cap=all")
    run.restore(images)
    run.expect_pass()


def test_the_command_cpuinfo_writes_and_compares(new_run: Callable[..., Run]) -> None:
    run = new_run("anonymous")
    images = run.new_images()

    def cpuinfo(action: str) -> tuple[int, str]:
        done = run.run_tool("cpuinfo", action, "-D", str(images), "-o", "cpuinfo.log", check=False)
        return done.returncode, done.stdout + done.stderr

    status, said = cpuinfo("check")
    assert status == 1
    assert "cpuinfo.img" in said
    assert cpuinfo("dump") == (0, "")
    assert {path.name for path in images.iterdir()} == {"cpuinfo.img", "cpuinfo.log"}
    assert cpuinfo("check") == (0, "This CPU has what the image asks for.\n")
    (images / "inventory.img").write_bytes(b"kept")
    assert cpuinfo("dump")[0] == 0
    assert (images / "inventory.img").read_bytes() == b"kept"
