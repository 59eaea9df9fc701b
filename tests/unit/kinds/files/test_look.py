"""Many descriptors looked at, here and ahead of who reads what is said of them."""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from crtools.abi import kernel
from crtools.kinds.files import look as looking
from crtools.kinds.files.look import NotTaken, look
from crtools.kinds.files.socket_questions import SocketQuestions

COUNT = 700  # more than two batches


@contextmanager
def own_process() -> Iterator[tuple[int, int]]:
    """Our "fdinfo" directory and a pidfd."""
    infos = os.open("/proc/self/fdinfo", os.O_RDONLY | os.O_DIRECTORY)
    pidfd = os.pidfd_open(os.getpid())
    try:
        yield infos, pidfd
    finally:
        os.close(infos)
        os.close(pidfd)


@contextmanager
def many() -> Iterator[list[int]]:
    """Pipes, eventfds and sockets with a byte each, in turn."""
    fds: list[int] = []
    try:
        for index in range(COUNT // 5):
            fds += os.pipe2(os.O_NONBLOCK if index % 2 else 0)
            fds.append(os.eventfd(index, os.EFD_CLOEXEC))
            pair = [end.detach() for end in socket.socketpair()]
            os.write(pair[1], b"%04d" % index)
            fds += pair
        yield fds
    finally:
        for fd in fds:
            os.close(fd)


def threads() -> int:
    return len(os.listdir("/proc/self/task"))


Said = tuple[int, tuple[object, ...], int, bytes]


def look_at_all(infos: int, pidfd: int, fds: list[int]) -> tuple[list[Said], dict[int, bytes]]:
    questions = SocketQuestions()
    found: list[Said] = []
    contents: dict[int, bytes] = {}
    pid = os.getpid()
    directory = os.open("/proc/self/fd", os.O_RDONLY | os.O_DIRECTORY)
    batches = look(infos, pidfd, fds, lambda: questions.questions)
    try:
        for batch in batches:
            for index, seen in enumerate(batch.seen):
                file = seen.open_file(pid, pid, directory)
                found.append((seen.fd, seen.key, seen.cloexec, file.link))
                answered = batch.answers(index) if seen.is_socket else None
                if answered is not None:
                    answers = questions.parse(*answered)
                    assert answers.socket == (socket.AF_UNIX, socket.SOCK_STREAM, 0)
                    if answers.content is not None:
                        contents[seen.fd] = answers.content
    finally:
        batches.close()
        os.close(directory)
    return found, contents


def test_a_thread_that_looks_ahead_sees_what_one_that_does_not_sees(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = threads()
    with own_process() as ours, many() as fds:
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
        alone, unasked = look_at_all(*ours, fds)
        assert unasked == {}  # these are asked by whoever finds that they are sockets
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
        ahead, contents = look_at_all(*ours, fds)
        assert ahead == alone
        assert [fd for fd, *_ in ahead] == fds
        for at in range(0, COUNT, 5):
            links = [os.readlink(f"/proc/self/fd/{fd}").encode() for fd in fds[at : at + 5]]
            assert [said[3] for said in ahead[at : at + 5]] == links
            assert [said[2] for said in ahead[at : at + 5]] == [
                *(0, 0, os.O_CLOEXEC, os.O_CLOEXEC, os.O_CLOEXEC)
            ]
        # The first batch has shown that there are sockets; all that come later were asked.
        assert contents == {
            fds[at + 3]: b"%04d" % (at // 5)
            for at in range(0, COUNT, 5)
            if at + 3 >= looking._BATCH
        }
        assert os.read(fds[3], 10) == b"0000"
        assert os.read(fds[-2], 10) == b"%04d" % (COUNT // 5 - 1)
    assert threads() == before


def test_the_thread_has_a_table_of_its_own_and_leaves_nothing_in_it_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    before, tids = threads(), set(os.listdir("/proc/self/task"))
    with own_process() as (infos, pidfd), many() as fds:
        here = os.listdir("/proc/self/fd")
        reader, writer = os.pipe()
        batches = look(infos, pidfd, fds)
        next(batches)
        (tid,) = set(os.listdir("/proc/self/task")) - tids
        # What it borrows comes and goes; the rest of ours is not in its table.
        theirs = set(map(int, os.listdir(f"/proc/self/task/{tid}/fd")))
        assert {infos, pidfd} <= theirs <= {infos, pidfd, 0, 1}
        os.close(writer)
        assert os.read(reader, 1) == b""
        os.close(reader)
        assert os.listdir("/proc/self/fd") == here
        batches.close()
        assert threads() == before
        assert os.listdir("/proc/self/fd") == here


def test_an_error_of_the_thread_is_that_of_the_descriptor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    before = threads()
    with own_process() as (infos, pidfd), many() as fds:
        with pytest.raises(FileNotFoundError):
            list(look(infos, pidfd, [*fds[:600], 0x7FFFFFF0, *fds[600:]]))
        assert threads() == before
        with pytest.raises(NotTaken) as raised:
            list(look(infos, infos, fds))
        assert raised.value.fd == fds[0]
        assert threads() == before


def test_who_is_busy_looks_in_the_usual_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is one thread at most, whatever a program that has imported us does."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    before = threads()
    with own_process() as (infos, pidfd), many() as fds:
        first, second = look(infos, pidfd, fds), look(infos, pidfd, fds)
        seen = [[one.fd for one in next(first).seen], [one.fd for one in next(second).seen]]
        assert threads() == before + 1
        for batch in second:
            seen[1] += [one.fd for one in batch.seen]
        for batch in first:
            seen[0] += [one.fd for one in batch.seen]
        assert seen == [fds, fds]
    assert threads() == before


def test_the_first_two_lines_are_read_whatever_they_say() -> None:
    with own_process() as (infos, pidfd):
        fd = os.memfd_create("x")
        try:
            for position in (0, 7, (1 << 62) + 3):
                os.lseek(fd, position, os.SEEK_SET)
                (seen,) = next(look(infos, pidfd, [fd])).seen
                assert seen.pos == position
                assert seen.flags & os.O_ACCMODE == os.O_RDWR
                assert seen.cloexec == os.O_CLOEXEC
        finally:
            os.close(fd)


def test_an_open_file_is_found_among_hundreds_by_its_order() -> None:
    pid = os.getpid()
    order = bytearray()
    firsts = [os.eventfd(0) for _ in range(300)]
    seconds = [os.dup(fd) for fd in firsts]
    pair = struct.Struct("<2I")
    try:
        for fd in firsts:
            at = kernel.find(pid, fd, kernel.address_of(order), len(order) // 8)
            assert 0 <= -1 - at <= len(order) // 8
            order[8 * (-1 - at) : 8 * (-1 - at)] = pair.pack(pid, fd)
        places = [kernel.find(pid, fd, kernel.address_of(order), 300) for fd in seconds]
        assert sorted(places) == list(range(300))
        for at, fd in zip(places, firsts, strict=True):
            assert pair.unpack_from(order, 8 * at) == (pid, fd)
        unknown = kernel.find(pid, 0x7FFFFFF0, kernel.address_of(order), 300)
        assert unknown + kernel.FIND_FAILED == -errno.EBADF
    finally:
        for fd in (*firsts, *seconds):
            os.close(fd)
