"""Images as JSON: equal to what crit makes of them, and back to the same bytes."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crtools.errors import ImageError
from crtools.images.framing import encode_file, parse_file
from crtools.images.jsonform import (
    FLAGS,
    VALUES,
    decode_base64,
    encode_base64,
    image_from_json,
    image_to_json,
    message_from_json,
    message_to_json,
)
from crtools.images.messages.fown import FownEntry
from crtools.images.messages.pagemap import PagemapEntry
from crtools.images.messages.pstree import PstreeEntry
from crtools.images.messages.sit import SitEntry
from crtools.images.messages.sk_opts import SkOptsEntry
from crtools.images.messages.sk_unix import UnixSkEntry
from crtools.images.registry import BY_KEY
from unit.images.golden_sets import (
    GOLDEN,
    golden_files,
    golden_json,
    message_classes,
    messages,
    proto_files,
)
from unit.images.test_framing import CASES, CHUNKS

crit = pytest.mark.skipif(
    shutil.which("crit") is None, reason="needs crit, of Debian's package criu"
)
golden = pytest.mark.parametrize(
    ("path", "kind"),
    [(path, kind) for path, kind, _ in golden_files()],
    ids=lambda value: f"{value.parent.name}-{value.name}" if hasattr(value, "parent") else "",
)


def through_text(value: object) -> object:
    return json.loads(json.dumps(value))


@golden
def test_a_golden_file_is_printed_as_crit_does(path, kind):
    _, entries = parse_file(path.read_bytes(), path.name)
    assert through_text(image_to_json(kind, entries, pretty=True)) == golden_json(path)


@golden
@pytest.mark.parametrize("pretty", [True, False])
def test_a_golden_file_comes_back_through_json(path, kind, pretty):
    data = path.read_bytes()
    _, entries = parse_file(data, path.name)
    value = through_text(image_to_json(kind, entries, pretty=pretty))
    assert encode_file(*image_from_json(value)) == data


@golden
def test_what_crit_printed_encodes_to_the_golden_file(path, kind):
    assert encode_file(*image_from_json(golden_json(path))) == path.read_bytes()


@pytest.mark.parametrize("cls", message_classes(), ids=lambda cls: cls.NAME)
def test_any_message_comes_back_through_json(cls):
    @settings(max_examples=10, suppress_health_check=list(HealthCheck))
    @given(messages(cls), st.booleans(), st.sampled_from([b"", b"\xc8\x3e\x01"]))
    def check(message, pretty, unknown):
        message.unknown = unknown
        value = through_text(message_to_json(message, pretty=pretty))
        assert message_from_json(cls, value, "it") == message

    check()


def test_every_show_option_is_known():
    shows = {
        one.show
        for source in proto_files()
        for message in source.messages
        for one in message.fields
        if one.show is not None
    }
    assert shows == {"hex", "dev", "rdev", "ip", "quoted", *FLAGS, *VALUES}


@pytest.mark.parametrize(
    "entries", [*CASES.items(), ("ghost-file", CHUNKS)], ids=lambda case: case[0]
)
@pytest.mark.parametrize("pretty", [True, False])
def test_raw_bytes_come_back_through_json(entries, pretty):
    kind = BY_KEY[entries[0]]
    data = encode_file(kind, entries[1])
    _, parsed = parse_file(data, "it")
    value = through_text(image_to_json(kind, parsed, pretty=pretty))
    assert all("_extra" not in one for one in value["entries"])
    assert encode_file(*image_from_json(value)) == data


@pytest.mark.parametrize("key", ["ipcns-shm", "ipcns-sem", "ipcns-msg"])
def test_padding_that_is_not_zero_comes_back(key):
    kind = BY_KEY[key]
    message, extra = CASES[key][0]
    at = {"ipcns-shm": 7, "ipcns-sem": 7, "ipcns-msg": 8 + 5}[key]
    dirty = extra[:at] + b"\xaa" + extra[at + 1 :]
    value = through_text(image_to_json(kind, [(message, dirty)], pretty=True))
    assert image_from_json(value)[1] == [(message, dirty)]


@given(st.binary(max_size=200))
def test_base64_comes_back(data):
    text = encode_base64(data)
    assert all(len(line) <= 76 for line in text.splitlines())
    assert decode_base64(text, "it") == data
    assert decode_base64(text.replace("\n", ""), "it") == data


def unix(name: bytes) -> UnixSkEntry:
    return UnixSkEntry(
        id=1, ino=1, type=1, state=7, flags=2, uflags=0, backlog=0, peer=0, name=name,
        fown=FownEntry(uid=0, euid=0, signum=0, pid_type=0, pid=0),
        opts=SkOptsEntry(
            so_sndbuf=1, so_rcvbuf=1, so_snd_tmo_sec=0, so_snd_tmo_usec=0,
            so_rcv_tmo_sec=0, so_rcv_tmo_usec=0, so_filter=[7],
        ),
    )  # fmt: skip


@given(st.one_of(st.binary(max_size=120), st.text("a \t\r\n=\0", max_size=120).map(str.encode)))
def test_a_unix_name_comes_back_whatever_its_bytes(name):
    value = through_text(message_to_json(unix(name), pretty=True))
    assert message_from_json(UnixSkEntry, value, "it").name == name


def test_addresses_are_printed_by_their_length():
    message = SitEntry(local=[0x0100007F], remote=[0, 0, 0, 0x01000000], rd_prefix=[1, 2])
    value = message_to_json(message, pretty=True)
    assert value == {"local": ["127.0.0.1"], "remote": ["::1"], "rd_prefix": [1, 2]}
    assert message_from_json(SitEntry, value, "it") == message


def test_any_spelling_of_a_number_is_taken():
    base = {"vaddr": 4096, "compat_nr_pages": 0, "nr_pages": "3"}
    for flags in (6, "6", "0x6", "PE_LAZY | PE_PRESENT", "0x2|PE_PRESENT", "PE_LAZY | 0x4"):
        message = message_from_json(PagemapEntry, {**base, "flags": flags}, "it")
        assert message == PagemapEntry(vaddr=4096, compat_nr_pages=0, nr_pages=3, flags=6)


def entry(**changes: object) -> dict[str, object]:
    value = {"pid": 1, "ppid": 0, "pgid": 1, "sid": 1, "threads": [1], **changes}
    return {"magic": "PSTREE", "entries": [value]}


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ([], "no image"),
        ({}, "no image"),
        ({"magic": "NOBODY", "entries": []}, "NOBODY is unknown"),
        ({"magic": "", "entries": []}, "unknown"),
        ({"magic": "PSTREE"}, "no list"),
        ({"magic": "PSTREE", "entries": [1]}, r"entries\[0\]"),
        ({"magic": "PSTREE", "entries": [{}]}, "required field pid"),
        (entry(pid="x"), r"entries\[0\]\.pid.*no number"),
        (entry(pid=1.5), "no number"),
        (entry(pid=True), "no number"),
        (entry(pid=None), "no number"),
        (entry(pid=2**32), "pid"),
        (entry(pid=-1), "pid"),
        (entry(threads=1), "no list"),
        (entry(threads=[1, {}]), r"threads\[1\]"),
        (entry(nobody=1), "no such field"),
        (entry(_unknown="?"), "no base64"),
        (entry(extra="YWJj\n"), "no raw bytes follow"),
        ({"magic": "SK_QUEUES", "entries": [{"id_for": 1, "length": 3}]}, "0 bytes follow"),
        ({"magic": "SK_QUEUES", "entries": [{"id_for": 1, "length": 3, "extra": 1}]}, "base64"),
        ({"magic": "FDINFO", "entries": [{"id": 1, "flags": 0, "type": "X", "fd": 1}]}, "type"),
        ({"magic": "TIMENS", "entries": [{"monotonic": [], "boottime": {}}]}, "no object"),
        ({"magic": "UTSNS", "entries": [{"nodename": 1, "domainname": ""}]}, "no text"),
        ({"magic": "IDS", "entries": []}, "IDS|ids"),
    ],
)
def test_wrong_json_is_refused_by_place(value, says):
    def encode() -> None:
        kind, entries = image_from_json(value)
        parse_file(encode_file(kind, entries), "ids")

    with pytest.raises(ImageError, match=f"(?s){says}"):
        encode()


@crit
@pytest.mark.parametrize("name", sorted(path.name for path in (GOLDEN / "fds").glob("*.img")))
def test_crit_prints_what_we_write(name, tmp_path):
    if name.startswith("pages-"):
        return  # raw
    data = (GOLDEN / "fds" / name).read_bytes()
    kind, entries = parse_file(data, name)
    path = tmp_path / name
    path.write_bytes(encode_file(kind, entries))
    theirs = json.loads(_crit("show", str(path)))
    assert theirs["magic"] == kind.magic_name
    _agree(through_text(image_to_json(kind, entries, pretty=True)), theirs, name)


@crit
@pytest.mark.parametrize("case", [*CASES.items(), ("ghost-file", CHUNKS)], ids=lambda case: case[0])
def test_crit_prints_raw_bytes_as_we_do(case, tmp_path):
    key, entries = case
    if key == "ipcns-shm":
        entries = entries[:1]  # crit of that age reads bytes after one that has them elsewhere
    kind = BY_KEY[key]
    path = tmp_path / "it.img"
    path.write_bytes(encode_file(kind, entries))
    _, parsed = parse_file(path.read_bytes(), "it")
    value = through_text(image_to_json(kind, parsed, pretty=False))
    assert json.loads(_crit("decode", "-i", str(path))) == value
    if key in ("ipcns-shm", "bpfmap-data"):
        return  # that crit can't encode these
    (tmp_path / "it.json").write_text(json.dumps(image_to_json(kind, parsed, pretty=True)))
    _crit("encode", "-i", str(tmp_path / "it.json"), "-o", str(tmp_path / "again.img"))
    assert (tmp_path / "again.img").read_bytes() == path.read_bytes()


@crit
@pytest.mark.parametrize("name", [b"\0abc\xff", b"/a b\t c " * 12, b"a=b\nc", b"/tmp/\xc3\xa9"])
def test_crit_spells_unix_names_as_we_do(name, tmp_path):
    kind = BY_KEY["unixsk"]
    path = tmp_path / "it.img"
    path.write_bytes(encode_file(kind, [unix(name)]))
    value = through_text(image_to_json(kind, [(unix(name), b"")], pretty=True))
    assert json.loads(_crit("show", str(path))) == value


def _crit(*words: str) -> str:
    return subprocess.run(["crit", *words], check=True, capture_output=True, text=True).stdout


def _agree(ours, theirs, where):
    """Debian's crit knows an older schema: compare what both know."""
    if isinstance(theirs, dict):
        renamed = {"compat_nr_pages", "nr_pages"}
        for key in (set(ours) & set(theirs)) - renamed:
            _agree(ours[key], theirs[key], f"{where}.{key}")
        assert set(theirs) - set(ours) - renamed == set()
    elif isinstance(theirs, list):
        assert len(ours) == len(theirs), where
        for one, other in zip(ours, theirs, strict=True):
            _agree(one, other, where)
    else:
        assert ours == theirs, where


def test_a_message_of_defaults_is_filled_in():
    value = {"magic": "PSTREE", "entries": [{"pid": 1, "ppid": 0, "pgid": 1, "sid": 1}]}
    assert image_from_json(value)[1] == [(PstreeEntry(pid=1, ppid=0, pgid=1, sid=1), b"")]
