"""CRIU restores what crtools dumped, and crtools what CRIU dumped.

Debian's CRIU is 3.17. It does not start on Linux 6.13 and later, which it knows nothing of, unless
tests/criu/older_kernel.c hides the difference. Its images are those of crtools but for what has
come since: `as_of_3_17` takes that away.

Its own features are fewer: programs that it does not bring back from its own images are not here.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from crtools.images.store import ImageStore
from crtools.kinds.memory.areas import VVAR
from live.network import own_network
from live.roundtrip import ROOT, TOOL, Run, Skipped

pytestmark = pytest.mark.root
VERSION = "3.17"
CACHE = Path("/run/criu.kdat")  # what it has found out about the kernel

PROGRAMS = (
    *("counter", "threads", "registers", "fpu", "robust", "thread_exit", "titles", "auxv", "brk"),
    *("orphans", "siblings", "sigchld_ignored", "subreapers", "names", "places", "gone_places"),
    *("limits", "seccomp strict", "seccomp narrow-thread", "signals", "altstack", "death_signals"),
    *("itimers fires", "posix_timers fires", "blocked_io", "blocked_signals", "nested thread"),
    *("anonymous", "zero_pages", "no_access", "stacks", "heap", "locked_all", "odd_areas"),
    *("changing threads", "huge_pages", "huge_pages hugetlb", "private_file", "shared_file"),
    *("shared_anonymous", "posix_shm", "gone_mappings", "moved_mappings", "sparse", "cow"),
    *("relatives", "vdso", "positions", "usual file", "usual deleted", "usual pipe", "usual fifo"),
    *("usual pair", "usual unix", "usual tcp", "usual udp", "usual eventfd", "usual timerfd"),
    *("usual epoll", "usual inotify", "usual signalfd", "usual memfd", "usual child"),
)
# With rules of iptables: CRIU 3.17 looks for tables of nftables by another name than later ones.
CONNECTED = ("tcp v4", "tcp v6", "tcp mapped", "tcp shared")
LOCKED = ("--tcp-established", "--network-lock", "iptables")


@pytest.fixture(scope="module")
def criu(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, ...]]:
    """The words of its command. It leaves a file on the host."""
    program = shutil.which("criu")
    if program is None:
        pytest.skip("needs criu")
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    if f"Version: {VERSION}" not in said.stdout:
        pytest.skip(f"needs CRIU {VERSION}")
    library = tmp_path_factory.mktemp("criu") / "older_kernel.so"
    source = ROOT / "tests" / "criu" / "older_kernel.c"
    warnings = ("-Wall", "-Wextra", "-Werror")
    build = ["gcc", "-std=gnu11", "-O1", *warnings, "-fPIC", "-shared", "-o", str(library)]
    subprocess.run([*build, str(source)], check=True)
    was_there = CACHE.exists()
    yield "env", f"LD_PRELOAD={library}", program
    if not was_there:
        CACHE.unlink(missing_ok=True)


def as_of_3_17(images: Path) -> None:
    """Counts of pages are where they were before they became 64-bit numbers, and [vvar] is one area
    as on the kernels of its time."""
    with ImageStore.open(str(images)) as store:
        for kind in ("pagemap", "pagemap-shmem"):
            for path in images.glob(f"{kind}-[0-9]*.img"):
                id = int(path.stem.rpartition("-")[2])
                head, *entries = store.read(kind, id)
                for entry in entries:
                    entry.compat_nr_pages, entry.nr_pages = entry.nr_pages, None
                store.write(kind, [head, *entries], id=id)
        for path in images.glob("mm-*.img"):
            id = int(path.stem.rpartition("-")[2])
            mm = store.read("mm", id)[0]
            first, *others = [vma for vma in mm.vmas if vma.status & VVAR] or [None]
            if others:
                first.end = others[-1].end
                mm.vmas = [vma for vma in mm.vmas if vma not in others]
                store.write("mm", [mm], id=id)


def start(new_run: Callable[..., Run], words: str, *options: str) -> Run:
    run = new_run(*words.split(), compare=False, dump_options=options)
    try:
        run.start()
    except Skipped as reason:
        pytest.skip(str(reason))
    return run


@pytest.mark.parametrize("words", PROGRAMS)
def test_criu_restores_what_crtools_dumped(
    words: str, criu: tuple[str, ...], new_run: Callable[..., Run]
) -> None:
    run = start(new_run, words)
    images = run.dump()
    as_of_3_17(images)
    run.tool = criu
    run.restore(images)
    run.expect_pass()


@pytest.mark.parametrize("words", CONNECTED)
@pytest.mark.parametrize("dumps", ["crtools", "criu"])
def test_connections_are_locked_and_unlocked_by_either(
    dumps: str, words: str, criu: tuple[str, ...], new_run: Callable[..., Run]
) -> None:
    if shutil.which("iptables") is None:
        pytest.skip("needs iptables")
    with own_network():
        run = start(new_run, words, *LOCKED)
        crtools = run.tool
        run.tool, other = (crtools, criu) if dumps == "crtools" else (criu, crtools)
        images = run.dump()
        if dumps == "crtools":
            as_of_3_17(images)
        assert "DROP" in list_rules()
        run.tool = other
        run.restore(images, "--tcp-established")
        assert "DROP" not in list_rules()
        run.expect_pass()


def list_rules() -> str:
    command = ["sh", "-c", "iptables -S && ip6tables -S"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_criu_restores_from_images_that_build_upon_others(
    criu: tuple[str, ...], new_run: Callable[..., Run]
) -> None:
    run = start(new_run, "changing threads")
    first, second = run.new_images(), run.new_images()
    run.run_tool("pre-dump", "-t", str(run.pid), "-D", str(first), "-o", "dump.log")
    where = ("--track-mem", "--prev-images-dir", f"../{first.name}")
    run.expect_done(run.try_dump(second, *where))
    run.reap_dumped()
    with ImageStore.open(str(second)) as store:
        flags = [entry.flags for entry in store.read("pagemap", run.pid)[1:]]
    assert any(flag & 1 for flag in flags), "nothing lies in the first directory"
    for images in (first, second):
        as_of_3_17(images)
    run.tool = criu
    run.restore(second)
    run.expect_pass()


@pytest.mark.parametrize("words", PROGRAMS)
def test_crtools_restores_what_criu_dumped(
    words: str, criu: tuple[str, ...], new_run: Callable[..., Run]
) -> None:
    run = start(new_run, words)
    run.tool = criu
    images = run.dump()
    run.tool = (str(TOOL),)
    run.restore(images)
    run.expect_pass()
