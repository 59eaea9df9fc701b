"""What images say of BPF programs that sockets have is checked."""

from __future__ import annotations

import pytest

from crtools.errors import ImageError
from crtools.images.messages.crtools_socket import SocketProgramEntry
from crtools.kinds.files.socket_programs import check_program


def test_programs_that_are_possible_are_taken() -> None:
    check_program(SocketProgramEntry(classic=bytes(8 * 4096)))
    check_program(SocketProgramEntry(id=7, digest=bytes(8), load_time=1))
    check_program(SocketProgramEntry(id=7, digest=bytes(8), load_time=1, type=21))


@pytest.mark.parametrize(
    "entry",
    [
        SocketProgramEntry(),
        SocketProgramEntry(classic=b""),
        SocketProgramEntry(classic=bytes(7)),
        SocketProgramEntry(classic=bytes(8 * 4097)),
        SocketProgramEntry(id=7, digest=bytes(8)),
        SocketProgramEntry(id=7, load_time=1),
        SocketProgramEntry(digest=bytes(8), load_time=1, path="/sys/fs/bpf/x"),
        SocketProgramEntry(id=7, digest=bytes(8), load_time=1, type=2),
    ],
)
def test_impossible_programs_are_refused(entry: SocketProgramEntry) -> None:
    with pytest.raises(ImageError, match="crtools-socket image"):
        check_program(entry)
