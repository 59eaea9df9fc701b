"""The table of image kinds: every file is found by its name and by its magic."""

from __future__ import annotations

import pytest

from crtools.errors import ImageError
from crtools.images.registry import (
    BY_KEY,
    IMAGES,
    find_by_magic,
    find_by_magic_name,
    find_by_name,
)
from crtools.images.wire import Message
from unit.images.golden_sets import SETS, golden_files


def test_keys_and_names_are_unique():
    assert len(BY_KEY) == len(IMAGES)
    assert len({kind.pattern for kind in IMAGES}) == len(IMAGES)


def test_only_files_with_the_same_messages_share_a_magic():
    for kind in IMAGES:
        if not kind.raw:
            found = find_by_magic(kind.magic)
            assert found is not None
            assert (found.message, found.head) == (kind.message, kind.head)
            assert find_by_magic_name(kind.magic_name) == found


def test_raw_files_have_no_magic():
    assert find_by_magic(0) is None
    assert find_by_magic_name("") is None
    assert {kind.key for kind in IMAGES if kind.raw} >= {"pages", "tmpfs", "iptables", "route"}


@pytest.mark.parametrize("kind", IMAGES, ids=lambda kind: kind.key)
def test_a_kind_is_found_by_its_file_names(kind):
    ids = (0, 1, 31000, 2**32 - 1, 2**64 - 1) if "%" in kind.pattern else (None,)
    for id in ids:
        assert find_by_name(kind.file_name(id)) == (kind, id)


@pytest.mark.parametrize("kind", [k for k in IMAGES if not k.raw], ids=lambda kind: kind.key)
def test_a_kind_has_its_messages(kind):
    for index in (0, 1):
        assert issubclass(kind.message_class(index), Message)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "core.img",
        "core-.img",
        "core-01.img",
        "core--1.img",
        "core-+1.img",
        "core-1_0.img",
        "core-\u0661.img",
        "core-1.img/../x",
        "../pstree.img",
        "pagemap-shmem-x.img",
        "ghost-file-G.img",
        "ghost-file-0x1.img",
        "dump.log",
        "pstree.img.bak",
    ],
)
def test_other_names_are_no_images(name):
    assert find_by_name(name) is None


@pytest.mark.parametrize(("key", "id"), [("core", None), ("core", -1), ("core", 2**64)])
def test_an_impossible_id_is_refused(key, id):
    with pytest.raises(ImageError, match="core"):
        BY_KEY[key].file_name(id)


def test_a_file_without_id_takes_none():
    with pytest.raises(ImageError, match="pstree"):
        BY_KEY["pstree"].file_name(3)


def test_ids_are_hexadecimal_where_the_format_says_so():
    assert BY_KEY["tcp-stream"].file_name(0x1ABC) == "tcp-stream-1abc.img"
    assert find_by_name("tcp-stream-1abc.img") == (BY_KEY["tcp-stream"], 0x1ABC)


def test_every_file_of_the_golden_sets_is_known():
    found = golden_files()
    assert {path.parent.name for path, _, _ in found} == set(SETS)
    assert len(found) == 111
