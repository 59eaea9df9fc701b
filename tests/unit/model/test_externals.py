"""--external and --inherit-fd: what they name."""

from __future__ import annotations

import os

import pytest

from crtools.errors import UsageError
from crtools.model.externals import Externals, Inherited, parse_external


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("file[136:1901704]", ("file", "136:1901704", "")),
        ("dev[8/1]:disk", ("dev", "8/1", "disk")),
        ("dev[disk]:/dev/sdb", ("dev", "disk", "/dev/sdb")),
        ("mnt[]", ("mnt", "", "")),
        ("mnt[]:ms", ("mnt", "", "ms")),
        ("net[4026531992]:extRootNetNS", ("net", "4026531992", "extRootNetNS")),
        ("veth[eth0]:v0@br0", ("veth", "eth0", "v0@br0")),
        ("pipe:[40213]", ("pipe", "40213", "")),
    ],
)
def test_external_has_a_type_an_id_and_a_value(text, expected):
    assert parse_external(text) == expected


@pytest.mark.parametrize("text", ["", "file", "file[1", "cup[1]", "file[1]x", "[1]", "file1]"])
def test_external_that_makes_no_sense_is_an_error(text):
    with pytest.raises(UsageError, match="--external"):
        parse_external(text)


def test_empty_id_stands_for_all_of_a_type():
    externals = Externals(("pipe[]", "pipe[3]:x", "tty[8800:d]"))
    assert externals.find("pipe", "7") == ""
    assert externals.find("pipe", "3") == "x"
    assert externals.find("tty", "8800:d") == ""
    assert externals.find("tty", "8801:d") is None
    assert externals.has("pipe")
    assert not externals.has("file")


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ("pipe:[40213]", "pipe[40213]"),
        ("pipe[40213]", "pipe[40213]"),
        ("socket:[5]", "socket[5]"),
        ("/var/log/x", "var/log/x"),
        ("var/log/x", "var/log/x"),
        ("memfd:plate", "memfd:plate"),
    ],
)
def test_inherited_descriptor_is_found_by_both_spellings(given, key):
    inherited = Inherited(((7, given),))
    assert inherited.unused() == [f"fd[7]:{key}"]
    assert inherited.find(key) == 7
    assert inherited.find("x") == -1
    assert inherited.unused() == []


def test_descriptor_that_is_not_open_is_named():
    read_end, write_end = os.pipe()
    os.close(write_end)
    try:
        Inherited(((read_end, "x"),)).check()
        with pytest.raises(UsageError, match=f"Descriptor {write_end} of --inherit-fd"):
            Inherited(((read_end, "x"), (write_end, "y"))).check()
    finally:
        os.close(read_end)
