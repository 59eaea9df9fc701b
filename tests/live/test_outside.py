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


def start(new_run: NewRun, *command: str, given: tuple[int, ...] = ()) -> Run:
    run = new_run(*command)
    run.given = given
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
    assert "it is the device /dev/fuse, 10:229" in refused.stderr
    assert "--external dev[10/229]" in refused.stderr
    images = run.dump("--external", "dev[10/229]:fuse")
    refused = restore(run, images)
    assert "There is nothing to restore dev[fuse] with." in refused.stderr
    assert "--external dev[fuse]:PATH" in refused.stderr
    done = restore(run, images, "--external", "dev[fuse]:/dev/fuse")
    assert done.returncode == 0, done.stderr
    images = run.dump("--external", "dev[10/229]")
    descriptors.append(os.open("/dev/fuse", os.O_PATH))
    fd = descriptors[0]
    expect_restored(run, images, "--inherit-fd", f"fd[{fd}]:dev[10/229]", fds=(fd,))


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


class Pipe:
    """A pipe between the test and the program: `ours` and `theirs` are its ends."""

    def __init__(self, descriptors: list[int], *, we_read: bool, flags: int = 0) -> None:
        ends = os.pipe2(flags | os.O_CLOEXEC)
        descriptors.extend(ends)
        self.ours, self.theirs = ends if we_read else ends[::-1]
        self.key = f"pipe[{os.fstat(ends[0]).st_ino}]"


def refuse(run: Run, images: Path, *options: str, fds: tuple[int, ...] = ()) -> str:
    done = restore(run, images, *options, fds=fds)
    assert done.returncode == 1
    assert not os.path.exists(f"/proc/{run.pid}")
    return done.stderr


def test_pipe_to_somebody_outside_goes_to_another_that_is_given(
    new_run: NewRun, descriptors: list[int]
) -> None:
    old, new = Pipe(descriptors, we_read=True), Pipe(descriptors, we_read=True)
    run = start(new_run, "outside", "writer", given=(old.theirs,))
    refused = run.try_dump(run.new_images())
    assert refused.returncode == 1
    assert f"--external {old.key}" in refused.stderr
    images = run.dump("--external", old.key)
    # What nobody has read is for who reads here, and stays here.
    assert os.read(old.ours, 100) == b"before"
    said = refuse(run, images)
    assert f"There is nothing to restore pipe {old.key[5:-1]} with." in said
    assert f"--inherit-fd fd[N]:{old.key}" in said
    where = f"fd[{new.theirs}]:pipe:{old.key[4:]}"
    expect_restored(run, images, "--inherit-fd", where, fds=(new.theirs,))
    assert os.read(new.ours, 100) == b"after all."


@pytest.mark.parametrize("which", ["the old one", "a new one"])
def test_unread_bytes_from_somebody_outside_are_read_once(
    which: str, new_run: NewRun, descriptors: list[int]
) -> None:
    old = Pipe(descriptors, we_read=False)
    os.write(old.ours, b"unread")
    run = start(new_run, "outside", "reader", given=(old.theirs,))
    if which == "a new one":
        # Who can read here as well may take them: nobody does.
        os.close(old.theirs)
        descriptors.remove(old.theirs)
    images = run.dump("--external", "pipe[]")
    given = old if which == "the old one" else Pipe(descriptors, we_read=False)
    done = restore(
        run, images, "--inherit-fd", f"fd[{given.theirs}]:{old.key}", fds=(given.theirs,)
    )
    assert done.returncode == 0, done.stderr
    os.write(given.ours, b", later")
    os.close(given.ours)
    descriptors.remove(given.ours)
    run.expect_pass()


def test_pipe_with_others_bytes_in_it_is_not_taken(new_run: NewRun, descriptors: list[int]) -> None:
    old, new = Pipe(descriptors, we_read=False), Pipe(descriptors, we_read=False)
    os.write(old.ours, b"unread")
    os.write(new.ours, b"early")
    run = start(new_run, "outside", "reader", given=(old.theirs,))
    os.close(old.theirs)
    descriptors.remove(old.theirs)
    images = run.dump("--external", old.key)
    where = f"fd[{new.theirs}]:{old.key}"
    said = refuse(run, images, "--inherit-fd", where, fds=(new.theirs,))
    assert "is not empty." in said
    assert "it has 5 bytes in it, and 6 that were there at the dump come before them" in said
    descriptors.append(os.open("/dev/null", os.O_RDONLY))
    where = f"fd[{descriptors[-1]}]:{old.key}"
    said = refuse(run, images, "--inherit-fd", where, fds=(descriptors[-1],))
    assert "is no pipe." in said
    assert os.read(new.theirs, 100) == b"early"


def test_unread_packets_from_somebody_outside_stay_packets(
    new_run: NewRun, descriptors: list[int]
) -> None:
    old = Pipe(descriptors, we_read=False, flags=os.O_DIRECT)
    new = Pipe(descriptors, we_read=False)
    os.write(old.ours, b"first")
    os.write(old.ours, b"second")
    run = start(new_run, "outside", "packets", given=(old.theirs,))
    os.close(old.theirs)
    descriptors.remove(old.theirs)
    images = run.dump("--external", old.key)
    where = f"fd[{new.theirs}]:{old.key}"
    expect_restored(run, images, "--inherit-fd", where, fds=(new.theirs,))


def test_end_that_was_opened_anew_is_so_again(new_run: NewRun, descriptors: list[int]) -> None:
    old, new = Pipe(descriptors, we_read=True), Pipe(descriptors, we_read=True)
    run = start(new_run, "outside", "opened", given=(old.theirs,))
    images = run.dump("--external", old.key)
    where = f"fd[{new.theirs}]:{old.key}"
    expect_restored(run, images, "--inherit-fd", where, fds=(new.theirs,))
    assert os.read(new.ours, 100) == b"onetwo"


def test_fifo_that_somebody_outside_has_open(new_run: NewRun, descriptors: list[int]) -> None:
    run = new_run("outside", "fifo")
    path = run.work / "fifo"
    os.mkfifo(path)
    run.start(wait=False)
    descriptors.append(os.open(path, os.O_WRONLY))
    os.write(descriptors[0], b"unread")
    run.wait_until_ready()
    refused = run.try_dump(run.new_images())
    assert refused.returncode == 1
    name = name_of(run, str(path))
    assert f"--external {name}" in refused.stderr
    images = run.dump("--external", name)
    assert "There is nothing to restore" in refuse(run, images)
    descriptors.append(os.open(path, os.O_PATH))
    fd = descriptors[1]
    # They are in it still: we had it open all the time.
    done = restore(run, images, "--inherit-fd", f"fd[{fd}]:{name}", fds=(fd,))
    assert done.returncode == 0, done.stderr
    os.write(descriptors[0], b", later")
    run.expect_pass()


def test_permission_for_pipes_is_no_matter_to_those_inside(new_run: NewRun) -> None:
    run = start(new_run, "pipes")
    images = run.dump("--external", "pipe[]")
    assert not (images / "crtools-pipe.img").exists()
    run.restore(images)
    run.expect_pass()
