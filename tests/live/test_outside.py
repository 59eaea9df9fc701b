"""Files that are outside the tree: --external at the dump, --inherit-fd at the restore."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from live.roundtrip import SECONDS, TOOL, Run, Skipped

pytestmark = pytest.mark.root
NewRun = Callable[..., Run]


@pytest.fixture
def descriptors() -> Iterator[list[int]]:
    """What a test opens, closed in the end."""
    made: list[int] = []
    yield made
    for fd in made:
        os.close(fd)


def start(new_run: NewRun, *command: str) -> Run:
    run = new_run(*command)
    try:
        run.start()
    except Skipped as reason:
        pytest.skip(str(reason))
    return run


def restore(
    run: Run, images: Path, *options: str, fds: tuple[int, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """`crtools restore` by a command that has descriptors of ours."""
    run.status = None
    return subprocess.run(
        [TOOL, "restore", "-D", images, "-d", "-o", "restore.log", "-v4", *options],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS, check=False,
        pass_fds=fds,
    )  # fmt: skip


def expect_restored(run: Run, images: Path, *options: str, fds: tuple[int, ...] = ()) -> None:
    done = restore(run, images, *options, fds=fds)
    assert done.returncode == 0, done.stderr
    run.expect_pass()


def name_of(run: Run, link: str) -> str:
    """How --external calls the file that a descriptor of the program leads to."""
    for fd in Path(f"/proc/{run.pid}/fd").iterdir():
        if os.readlink(fd) == link:
            info = Path(f"/proc/{run.pid}/fdinfo/{fd.name}").read_text()
            mount = int(info.partition("mnt_id:")[2].split()[0])
            return f"file[{mount:x}:{fd.stat().st_ino:x}]"
    raise AssertionError(f"no descriptor leads to {link}")


def test_output_goes_to_the_file_that_is_given_for_its_path(
    new_run: NewRun, descriptors: list[int]
) -> None:
    run = start(new_run, "outside", "log")
    images = run.dump()
    old, new = run.work / "old", run.work / "new"
    old.unlink()
    descriptors.append(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_APPEND))
    fd = descriptors[0]
    expect_restored(run, images, "--inherit-fd", f"fd[{fd}]:{str(old)[1:]}", fds=(fd,))
    assert new.read_text() == "after\nlast\n"
    assert not old.exists()


def test_memfd_that_is_given_is_used_as_it_is(new_run: NewRun, descriptors: list[int]) -> None:
    run = start(new_run, "outside", "memfd")
    images = run.dump()
    fd = os.memfd_create("other")
    descriptors.append(fd)
    os.write(fd, b"theirs")
    os.lseek(fd, 2, os.SEEK_SET)
    expect_restored(run, images, "--inherit-fd", f"fd[{fd}]:memfd:plate", fds=(fd,))


def test_external_file_is_opened_again_through_what_is_given(
    new_run: NewRun, descriptors: list[int]
) -> None:
    run = start(new_run, "outside", "file")
    data = run.work / "data"
    name = name_of(run, str(data))
    images = run.dump("--external", name)
    moved = run.directory / "elsewhere"
    data.rename(moved)
    refused = restore(run, images)
    assert refused.returncode == 1
    assert f"There is nothing to restore {name} with." in refused.stderr
    assert f"--inherit-fd fd[N]:{name}" in refused.stderr
    # With which flags it is open does not matter: the program's are taken.
    descriptors.append(os.open(moved, os.O_PATH))
    fd = descriptors[0]
    expect_restored(run, images, "--inherit-fd", f"fd[{fd}]:{name}", fds=(fd,))


def test_what_is_given_must_be_of_the_same_type(new_run: NewRun, descriptors: list[int]) -> None:
    run = start(new_run, "outside", "file")
    name = name_of(run, str(run.work / "data"))
    images = run.dump("--external", name)
    descriptors.append(os.open("/", os.O_PATH))
    fd = descriptors[0]
    refused = restore(run, images, "--inherit-fd", f"fd[{fd}]:{name}", fds=(fd,))
    assert refused.returncode == 1
    assert "it was a regular file at the dump, and that is a directory" in refused.stderr


def test_device_with_a_name_is_opened_where_the_name_leads(
    new_run: NewRun, descriptors: list[int]
) -> None:
    run = start(new_run, "outside", "device")
    refused = run.try_dump(run.new_images())
    assert refused.returncode == 1
    assert "it is the device /dev/kmsg, 1:11" in refused.stderr
    assert "--external dev[1/11]" in refused.stderr
    images = run.dump("--external", "dev[1/11]:messages")
    refused = restore(run, images)
    assert "There is nothing to restore dev[messages] with." in refused.stderr
    assert "--external dev[messages]:PATH" in refused.stderr
    done = restore(run, images, "--external", "dev[messages]:/dev/kmsg")
    assert done.returncode == 0, done.stderr
    images = run.dump("--external", "dev[1/11]")
    descriptors.append(os.open("/dev/kmsg", os.O_PATH))
    fd = descriptors[0]
    expect_restored(run, images, "--inherit-fd", f"fd[{fd}]:dev[1/11]", fds=(fd,))


def test_given_descriptor_that_is_not_open_is_an_error(new_run: NewRun) -> None:
    run = start(new_run, "outside", "log")
    images = run.dump()
    refused = restore(run, images, "--inherit-fd", "fd[77]:tmp/old")
    assert refused.returncode == 1
    assert "Descriptor 77 of --inherit-fd fd[77]:tmp/old cannot be used." in refused.stderr


def test_given_descriptor_that_nothing_asks_for_is_told_of(
    new_run: NewRun, descriptors: list[int]
) -> None:
    run = start(new_run, "outside", "log")
    images = run.dump()
    descriptors.append(os.open("/dev/null", os.O_RDWR))
    fd = descriptors[0]
    expect_restored(run, images, "--inherit-fd", f"fd[{fd}]:no/such", fds=(fd,))
    log = (images / "restore.log").read_text()
    assert f"--inherit-fd fd[{fd}]:no/such: nothing in the images is called so" in log


def test_descriptor_that_crtools_shall_close_is_closed_before_anything_else(
    new_run: NewRun, descriptors: list[int]
) -> None:
    run = start(new_run, "outside", "log")
    images = run.dump()
    read_end, write_end = os.pipe()
    descriptors.append(read_end)
    done = restore(
        run, images, "--close", str(write_end), "--inherit-fd", f"fd[{write_end}]:x",
        fds=(write_end,),
    )  # fmt: skip
    os.close(write_end)
    assert done.returncode == 1
    assert f"Descriptor {write_end} of --inherit-fd" in done.stderr
    done = restore(run, images, "--close", str(read_end), fds=(read_end,))
    assert done.returncode == 0, done.stderr
    run.expect_pass()
