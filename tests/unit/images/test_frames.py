"""Entries of the files image of which only the numbers are kept."""

from __future__ import annotations

import pytest

from crtools.errors import ImageError, InternalError
from crtools.images.frames import FileFrame, Frame, FramedDescriptor, FramedFile
from crtools.images.messages.fdinfo import FdinfoEntry, FdTypes, FileEntry
from crtools.images.messages.fown import FownEntry
from crtools.images.messages.pipe import PipeEntry
from crtools.images.messages.sk_opts import SkOptsEntry
from crtools.images.messages.sk_unix import UnixSkEntry
from crtools.images.wire import settle

NUMBERS = (0, 1, 127, 128, 0x3FFF, 0x4000, 0x1FFFFF, 0x200000, 0xFFFFFFF, 0x10000000, 0xFFFFFFFF)
FOWN = settle(FownEntry(uid=0, euid=0, signum=0, pid_type=0, pid=0))


def make_socket(id: int, ino: int, peer: int) -> FileEntry:
    opts = SkOptsEntry(
        so_sndbuf=212992,
        so_rcvbuf=212992,
        so_snd_tmo_sec=1,
        so_snd_tmo_usec=0,
        so_rcv_tmo_sec=0,
        so_rcv_tmo_usec=1,
    )
    usk = UnixSkEntry(
        id=id,
        ino=ino,
        type=1,
        state=1,
        flags=0o4002,
        uflags=0,
        backlog=0,
        peer=peer,
        fown=FOWN,
        opts=settle(opts),
        name=b"",
        ns_id=2,
    )
    return FileEntry(type=FdTypes.UNIXSK, id=id, usk=usk)


@pytest.mark.parametrize("number", NUMBERS)
def test_a_framed_entry_is_encoded_as_the_message_is(number: int) -> None:
    frame = FileFrame(make_socket(0, 0, 0), "usk", ("ino", "peer"))
    for numbers in ((number, 7, 300), (5, number, 0), (300, 1, number)):
        assert FramedFile(frame, *numbers).encode() == make_socket(*numbers).encode()


def test_one_number_behind_the_id() -> None:
    for flags in (1, ord("%")):

        def make(id: int, number: int, flags: int = flags) -> FileEntry:
            pipe = PipeEntry(id=id, pipe_id=number, flags=flags, fown=FOWN)
            return FileEntry(type=FdTypes.PIPE, id=id, pipe=pipe)

        frame = FileFrame(make(0, 0), "pipe", ("pipe_id",))
        assert FramedFile(frame, 9, 70000).encode() == make(9, 70000).encode()


@pytest.mark.parametrize("number", NUMBERS)
def test_a_framed_descriptor_is_encoded_as_the_message_is(number: int) -> None:
    for flags in (0, 1):
        for type in (FdTypes.PIPE, ord("%"), 300):
            for id, fd in ((number, 5), (7, number)):
                entry = FdinfoEntry(id=id, flags=flags, type=type, fd=fd)
                framed = FramedDescriptor(id, flags, type, fd)
                assert framed.encode() == entry.encode()
                assert (framed.id, framed.flags, framed.type, framed.fd) == (id, flags, type, fd)


@pytest.mark.parametrize("number", [-1, 1 << 32])
def test_a_number_that_a_field_has_no_room_for_is_an_error(number: int) -> None:
    frame = FileFrame(make_socket(0, 0, 0), "usk", ("ino", "peer"))
    with pytest.raises(ImageError, match="file 3"):
        FramedFile(frame, 3, 5, number).encode()


def test_fields_out_of_order_are_noticed() -> None:
    usk = make_socket(0, 0, 0).usk
    assert usk is not None
    with pytest.raises(InternalError, match="ino"):
        Frame(usk, ("peer", "ino"))


def test_a_settled_message_reads_as_it_did() -> None:
    message = PipeEntry(id=1, pipe_id=2, flags=3, fown=FOWN)
    settled = settle(message)
    assert settled.encode() == message.encode()
    assert settled.pipe_id == 2
    with pytest.raises(AttributeError):
        settled.pipe_id = 3
