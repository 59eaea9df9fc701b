"""Whole files: the golden ones come back byte for byte, damaged ones are refused by the byte."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crtools.errors import ImageError
from crtools.images.framing import encode_file, encode_header, parse_file
from crtools.images.messages.bpfmap_data import BpfmapDataEntry
from crtools.images.messages.ghost_file import GhostChunkEntry, GhostFileEntry
from crtools.images.messages.ipc_desc import IpcDescEntry
from crtools.images.messages.ipc_msg import IpcMsg, IpcMsgEntry
from crtools.images.messages.ipc_sem import IpcSemEntry
from crtools.images.messages.ipc_shm import IpcShmEntry
from crtools.images.messages.pipe_data import PipeDataEntry
from crtools.images.messages.pstree import PstreeEntry
from crtools.images.messages.seccomp import SeccompEntry
from crtools.images.messages.sk_packet import SkPacketEntry
from crtools.images.messages.tcp_stream import TcpStreamEntry
from crtools.images.registry import BY_KEY, IMAGES
from unit.images.golden_sets import GOLDEN, golden_files, messages

DESC = IpcDescEntry(key=1, uid=0, gid=0, cuid=0, cgid=0, mode=0o600, id=0)
CASES = {
    "pipes-data": [(PipeDataEntry(pipe_id=1, bytes=3), b"abc"), PipeDataEntry(pipe_id=2, bytes=0)],
    "sk-queues": [(SkPacketEntry(id_for=1, length=2), b"xy")],
    "tcp-stream": [
        (
            TcpStreamEntry(
                inq_len=3, inq_seq=1, outq_len=5, outq_seq=2, opt_mask=0, snd_wscale=0, mss_clamp=0
            ),
            b"abcdefgh",
        )
    ],
    "ghost-file": [(GhostFileEntry(uid=0, gid=0, mode=0o100644), b"all of it")],
    "ipcns-shm": [
        (IpcShmEntry(desc=DESC, size=5), b"12345\0\0\0"),
        IpcShmEntry(desc=DESC, size=4096, in_pagemaps=True),
    ],
    "ipcns-sem": [(IpcSemEntry(desc=DESC, nsems=3), struct.pack("<4H", 1, 2, 3, 0))],
    "ipcns-msg": [
        (
            IpcMsgEntry(desc=DESC, qbytes=100, qnum=2),
            b"\x04\0\0\0" + IpcMsg(mtype=1, msize=5).encode() + b"abcde\0\0\0"
            b"\x04\0\0\0" + IpcMsg(mtype=2, msize=8).encode() + b"abcdefgh",
        ),
        IpcMsgEntry(desc=DESC, qbytes=100, qnum=0),
    ],
    "bpfmap-data": [
        (BpfmapDataEntry(map_id=1, keys_bytes=4, values_bytes=8, count=1), b"key1value001")
    ],
}
CHUNKS = [
    GhostFileEntry(uid=0, gid=0, mode=0o100644, chunks=True, size=100),
    (GhostChunkEntry(len=5, off=10), b"hello"),
    (GhostChunkEntry(len=3, off=50), b"abc"),
]


@pytest.mark.parametrize(
    ("path", "kind"),
    [(path, kind) for path, kind, _ in golden_files()],
    ids=lambda value: f"{value.parent.name}-{value.name}" if hasattr(value, "parent") else "",
)
def test_a_golden_file_comes_back_byte_for_byte(path, kind):
    data = path.read_bytes()
    found, entries = parse_file(data, path.name, kind)
    assert found == kind
    assert not any(message.unknown for message, _ in entries)
    assert encode_file(kind, entries) == data
    assert parse_file(data, path.name)[1] == entries


@pytest.mark.parametrize("key", CASES)
def test_raw_bytes_after_an_entry_survive(key):
    kind = BY_KEY[key]
    data = encode_file(kind, CASES[key])
    _, entries = parse_file(data, key, kind)
    assert entries == [one if isinstance(one, tuple) else (one, b"") for one in CASES[key]]
    # Cut short anywhere behind the magic, it is refused; a plain ghost file has no length.
    if key != "ghost-file":
        for size in range(9, len(data)):
            cut = data[:size]
            try:
                fewer = parse_file(cut, key, kind)[1]
            except ImageError:
                continue
            assert encode_file(kind, fewer) == cut
            assert len(fewer) < len(entries)


def test_a_ghost_file_with_holes_survives():
    kind = BY_KEY["ghost-file"]
    data = encode_file(kind, CHUNKS)
    _, entries = parse_file(data, "ghost")
    assert entries[1:] == CHUNKS[1:]
    with pytest.raises(ImageError, match="damaged at byte"):
        parse_file(data[:-1], "ghost")


@pytest.mark.parametrize("key", CASES)
def test_raw_bytes_must_be_as_many_as_the_entry_says(key):
    if key == "ghost-file":
        return  # its bytes are the rest of the file, as many as there are
    message, extra = CASES[key][0]
    with pytest.raises(ImageError):
        encode_file(BY_KEY[key], [(message, extra + b"12345678")])
    with pytest.raises(ImageError):
        encode_file(BY_KEY[key], [message])


@pytest.mark.parametrize("kind", [one for one in IMAGES if not one.raw], ids=lambda one: one.key)
def test_any_entries_of_a_kind_survive(kind):
    if kind.extra:
        return  # those have cases of their own

    @settings(max_examples=10)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        count = 1 if kind.single else data.draw(st.integers(1, 3))
        entries = [data.draw(messages(kind.message_class(index))) for index in range(count)]
        encoded = encode_file(kind, entries)
        assert [message for message, _ in parse_file(encoded, kind.key)[1]] == entries

    check()


def test_a_file_of_version_1_0_has_only_its_own_magic():
    entry = PstreeEntry(pid=1, ppid=0, pgid=1, sid=1, threads=[1])
    kind = BY_KEY["pstree"]
    data = encode_file(kind, [entry])
    assert data.startswith(bytes.fromhex("19435654") + bytes.fromhex("30302750"))
    assert parse_file(data[4:], "old", kind) == (kind, [(entry, b"")])


def test_inventory_and_service_files_have_magics_of_their_own():
    assert encode_header(BY_KEY["inventory"]) == bytes.fromhex("16313158")
    assert encode_header(BY_KEY["stats-dump"]) == bytes.fromhex("4059105506330957")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "within its magic"),
        (b"\x19\x43\x56\x54", "within its magic"),
        (b"\x19\x43\x56\x54\x01\x02\x03\x04", "byte 4.*0x04030201 is unknown"),
        (b"\x7fELF\x02\x01", "byte 0.*unknown"),
        (bytes.fromhex("4059105530302750"), "does not begin with"),
        (bytes.fromhex("1943565430302750") + b"\x01", "byte 8.*within the length"),
        (bytes.fromhex("1943565430302750") + b"\xff\xff\xff\xff", "byte 8.*4294967295 bytes has 0"),
        (bytes.fromhex("1943565430302750") + b"\x02\0\0\0\x08", "an entry of 2 bytes has 1"),
        (bytes.fromhex("1943565430302750") + b"\x02\0\0\0\x08\x01", "pstree_entry.ppid.*missing"),
        (bytes.fromhex("1943565447380555"), "0 entries instead of one"),
        (bytes.fromhex("1943565425400856"), "first entry is missing"),
    ],
)
def test_damage_is_refused_naming_the_file_and_the_byte(data, says):
    with pytest.raises(ImageError, match=f"(?s)some.img is damaged at byte .*{says}|{says}"):
        parse_file(data, "some.img")


def test_another_kind_than_expected_is_refused():
    data = encode_file(BY_KEY["pstree"], [])
    with pytest.raises(ImageError, match="it is a PSTREE, not a CORE"):
        parse_file(data, "core-1.img", BY_KEY["core"])


def test_the_offset_of_damage_inside_a_message_is_that_in_the_file():
    data = bytearray((GOLDEN / "counter" / "core-31000.img").read_bytes())
    at = data.index(b"counter")
    assert data[at - 2] == 6 << 3 | 2
    data[at - 2] = 6 << 3 | 5  # tc.comm, as if it were four bytes
    with pytest.raises(ImageError) as caught:
        parse_file(bytes(data), "core-31000.img")
    assert "task_core_entry.comm" in caught.value.because
    assert caught.value.subject == ("image", "core-31000.img", "offset", at - 2)


def test_two_entries_where_one_belongs_are_refused():
    with pytest.raises(ImageError, match="2 entries instead of one"):
        parse_file(encode_file(BY_KEY["seccomp"], [SeccompEntry(), SeccompEntry()]), "seccomp.img")


@pytest.mark.parametrize("name", ["core-31300.img", "files.img", "tty-info.img", "sk-queues.img"])
def test_a_golden_file_cut_anywhere_is_refused_or_shorter(name):
    data = (GOLDEN / "fds" / name).read_bytes()
    whole = len(parse_file(data, name)[1])
    for size in range(len(data)):
        try:
            entries = parse_file(data[:size], name)[1]
        except ImageError:
            continue
        assert len(entries) < whole


@settings(max_examples=500)
@given(st.data())
def test_flipped_bits_never_get_through_as_another_error(data):
    path, kind, _ = data.draw(st.sampled_from(golden_files()))
    raw = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        entries = parse_file(bytes(raw), path.name, kind)[1]
    except ImageError:
        return
    # What is accepted can be written, and means the same afterwards.
    assert parse_file(encode_file(kind, entries), path.name, kind)[1] == entries
