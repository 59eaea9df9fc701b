"""Other names of files: told by the kernel, searched for, remembered."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from crtools.errors import UnsupportedObject
from crtools.images.messages.fh import IrmapCacheEntry
from crtools.kinds.files import irmap
from unit.kinds.files.roundtrip import Roundtrip, open_at

pytestmark = pytest.mark.root


def make_both_names(tmp_path: Path) -> os.stat_result:
    (tmp_path / "here").mkdir()
    (tmp_path / "there" / "deep").mkdir(parents=True)
    # Of several names that it knows, the kernel gives the last one.
    (tmp_path / "here" / "one").write_text("two names")
    os.link(tmp_path / "here" / "one", tmp_path / "there" / "deep" / "two")
    return os.stat(tmp_path / "here" / "one")


def open_and_delete(tmp_path: Path) -> None:
    open_at(0, tmp_path / "here" / "one", os.O_RDONLY)
    os.unlink(tmp_path / "here" / "one")


def deleted_here_linked_there(tmp_path: Path) -> None:
    make_both_names(tmp_path)
    open_and_delete(tmp_path)


def remember(roundtrip: Roundtrip, about: os.stat_result, *paths: str) -> None:
    device = os.major(about.st_dev) << 20 | os.minor(about.st_dev)
    entries = [IrmapCacheEntry(dev=device, inode=about.st_ino, path=path) for path in paths]
    roundtrip.store.write("irmap-cache", entries)


def forget_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a while: the kernel has no other name at hand."""
    monkeypatch.setattr(irmap, "find_known", lambda context, file, root: b"")


def expect_other_name(roundtrip: Roundtrip, tmp_path: Path) -> None:
    (worker,) = roundtrip.restore()
    assert worker.fds() == {0: f"{tmp_path}/there/deep/two"}
    assert sorted(os.listdir(tmp_path)) == ["here", "images", "there"]
    (found,) = roundtrip.store.read("irmap-cache")
    assert found.path == f"{tmp_path}/there/deep/two"
    assert found.inode == (tmp_path / "there" / "deep" / "two").stat().st_ino


def test_kernel_knows_another_name(roundtrip: Roundtrip, tmp_path: Path) -> None:
    roundtrip.options = roundtrip.options.but(force_irmap=True)
    roundtrip.dump(lambda: deleted_here_linked_there(tmp_path))
    expect_other_name(roundtrip, tmp_path)


def test_other_name_is_found_where_the_option_says(
    roundtrip: Roundtrip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget_names(monkeypatch)
    scanned = (str(tmp_path / "missing"), str(tmp_path / "there"))
    roundtrip.options = roundtrip.options.but(force_irmap=True, irmap_scan_path=scanned)
    roundtrip.dump(lambda: deleted_here_linked_there(tmp_path))
    expect_other_name(roundtrip, tmp_path)


def test_other_name_is_remembered(
    roundtrip: Roundtrip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget_names(monkeypatch)
    monkeypatch.setattr(irmap.Irmap, "_search", lambda *_: b"")
    roundtrip.options = roundtrip.options.but(force_irmap=True)

    about = make_both_names(tmp_path)
    remember(roundtrip, about, "/", f"{tmp_path}/there/deep/two")
    roundtrip.dump(lambda: open_and_delete(tmp_path))
    (worker,) = roundtrip.restore()
    assert worker.fds() == {0: f"{tmp_path}/there/deep/two"}


def test_name_that_was_remembered_wrongly_is_not_used(
    roundtrip: Roundtrip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget_names(monkeypatch)
    roundtrip.options = roundtrip.options.but(force_irmap=True)

    remember(roundtrip, make_both_names(tmp_path), str(tmp_path / "here"))
    monkeypatch.setattr(irmap, "_HINTS", ())
    with pytest.raises(UnsupportedObject, match=r"here/one was removed or leads elsewhere"):
        roundtrip.dump(lambda: open_and_delete(tmp_path))


def test_without_an_option_the_refusal_tells_another_name(
    roundtrip: Roundtrip, tmp_path: Path
) -> None:
    with pytest.raises(UnsupportedObject) as caught:
        roundtrip.dump(lambda: deleted_here_linked_there(tmp_path))
    assert f"{tmp_path}/there/deep/two is one" in caught.value.because
    assert "--link-remap" in caught.value.hint
    assert "--force-irmap" in caught.value.hint


def test_what_cannot_be_linked_is_searched_for(
    roundtrip: Roundtrip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    roundtrip.options = roundtrip.options.but(force_irmap=True, link_remap=True)

    with monkeypatch.context() as patch:
        link = os.link

        def link_in_the_test_only(source: object, *rest: object, **how: object) -> None:
            (refuse if "link_remap" in str(rest) else link)(source, *rest, **how)

        patch.setattr(os, "link", link_in_the_test_only)
        roundtrip.dump(lambda: deleted_here_linked_there(tmp_path))
    expect_other_name(roundtrip, tmp_path)
