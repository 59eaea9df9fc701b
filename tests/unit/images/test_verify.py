"""Whether damage of images is found, with checksums and without, and nothing else is called so."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crtools.cli.verify import main
from crtools.dumping.afterwards import finish_images
from crtools.errors import ImageError, UsageError
from crtools.images import checksums
from crtools.images.checksums import CHUNK
from crtools.images.dedup import IN_PARENT, PAGE, PRESENT, dedup
from crtools.images.store import ImageStore
from crtools.model.options import Options
from crtools.restoring.verify import Verified, verify
from unit.images.golden_sets import GOLDEN, SETS
from unit.images.test_dedup import make, pages


def look(path: Path, *, deep: bool = True) -> Verified:
    return verify(Options(images_dir=str(path)), deep=deep)


def record(path: Path) -> None:
    with ImageStore.open(str(path), allow_incomplete=True) as store:
        checksums.record(store)


def whats(found: Verified) -> str:
    return "\n".join(str(error) for error in found.problems)


@pytest.fixture
def fds(tmp_path: Path) -> Path:
    """A golden set with checksums."""
    path = Path(shutil.copytree(GOLDEN / "fds", tmp_path / "fds"))
    record(path)
    return path


@pytest.mark.parametrize("name", SETS)
def test_what_criu_has_written_is_whole(name: str) -> None:
    found = look(GOLDEN / name)
    assert found.problems == ()
    assert found.recorded == (False,)
    assert found.files > 10


def test_recorded_checksums_match(fds: Path) -> None:
    found = look(fds)
    assert found.problems == ()
    assert found.recorded == (True,)
    # What is no image, or is written after a dump, makes no difference.
    (fds / "dump.log").write_text("a log")
    shutil.copy(fds / "stats-dump", fds / "stats-restore")
    assert look(fds).problems == ()


def test_every_byte_that_changes_is_noticed(fds: Path) -> None:
    """In each file, the checksums' own too."""
    with ImageStore.open(str(fds)) as store:
        sums = checksums.read(store)
        for name in [*sums, "crtools-checksums.img"]:
            path = fds / name
            data = path.read_bytes()
            step = 1 if len(data) < 300 or name == "crtools-checksums.img" else 97
            for at in [*range(0, len(data), step), len(data) - 1]:
                changed = bytearray(data)
                changed[at] ^= 1 << at % 8
                path.write_bytes(changed)
                assert is_damaged(store, name), (name, at)
            path.write_bytes(data)
    assert look(fds).problems == ()


def is_damaged(store: ImageStore, name: str) -> bool:
    if name != "crtools-checksums.img":
        return bool(checksums.compare(store, checksums.read(store)))
    with contextlib.suppress(ImageError):
        return bool(checksums.compare(store, checksums.read(store)))
    return True


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_damage_is_told_by_the_whole_command(fds: Path, data: st.DataObject) -> None:
    names = sorted(path.name for path in fds.iterdir() if path.name.endswith(".img"))
    path = fds / data.draw(st.sampled_from(names))
    before = path.read_bytes()
    at = data.draw(st.integers(0, len(before) - 1))
    value = data.draw(st.integers(0, 255).filter(lambda value: value != before[at]))
    path.write_bytes(before[:at] + bytes([value]) + before[at + 1 :])
    found = look(fds)
    path.write_bytes(before)
    assert found.problems
    if path.name != "crtools-checksums.img":  # a checksum that differs is told of its file
        assert path.name in whats(found)


@pytest.mark.parametrize("recorded", [True, False])
def test_files_that_are_missing_or_cut_short_are_named(fds: Path, recorded: bool) -> None:
    if not recorded:
        (fds / "crtools-checksums.img").unlink()
    for name in (
        "pages-1.img",
        "core-31300.img",
        "pagemap-31300.img",
        "inventory.img",
        "mm-31300.img",
    ):
        path = fds / name
        data = path.read_bytes()
        path.write_bytes(data[:-1])
        assert name in whats(look(fds)), name
        path.unlink()
        assert name in whats(look(fds)), name
        path.write_bytes(data)
    assert look(fds).problems == ()


def test_an_image_that_does_not_belong_to_the_set_is_named(fds: Path) -> None:
    shutil.copy(fds / "core-31300.img", fds / "core-7.img")
    assert "does not belong to it, core-7.img" in whats(look(fds))


def test_pages_that_are_too_many_are_damage_without_checksums_too(fds: Path) -> None:
    (fds / "crtools-checksums.img").unlink()
    with open(fds / "pages-1.img", "ab") as file:
        file.write(bytes(PAGE))
    assert "pages-1.img" in whats(look(fds))


def test_a_link_instead_of_an_image_is_damage(fds: Path) -> None:
    (fds / "pages-1.img").rename(fds / "elsewhere")
    (fds / "pages-1.img").symlink_to("elsewhere")
    assert "symbolic link" in whats(look(fds))


def test_large_files_are_summed_by_several_threads_and_damage_has_a_place(tmp_path: Path) -> None:
    count = 40 * CHUNK // PAGE + 3
    path = make(tmp_path / "1", [(10, count, PRESENT)])
    record(path)
    with ImageStore.open(str(path)) as store:
        sums = checksums.read(store)
        assert len(sums["pages-1.img"].chunks) == 41
        assert checksums.compare(store, sums) == {}
        with open(path / "pages-1.img", "r+b") as file:
            file.seek(33 * CHUNK + 5)
            file.write(b"x")
        damage = checksums.compare(store, sums)
    assert list(damage) == ["pages-1.img"]
    assert f"from byte {33 * CHUNK} on" in damage["pages-1.img"].because


def test_a_page_that_is_in_no_directory_is_named(tmp_path: Path) -> None:
    first = make(tmp_path / "1", [(10, 4, PRESENT)])
    second = make(tmp_path / "2", [(10, 3, IN_PARENT), (14, 1, PRESENT)], first)
    third = make(
        tmp_path / "3", [(10, 2, IN_PARENT), (12, 2, IN_PARENT), (14, 1, IN_PARENT)], second
    )
    text = whats(look(third))
    assert f"The page at {13 * PAGE:x} is nowhere" in text
    assert f"{third}/parent, whose pagemap-7.img" in text
    assert "nowhere" not in whats(look(third, deep=False))
    assert "nowhere" not in whats(look(second))


@pytest.mark.parametrize("key", ["pagemap", "pagemap-shmem"])
def test_a_page_behind_the_last_directory_is_named(key: str, tmp_path: Path) -> None:
    first = make(tmp_path / "1", [(10, 2, IN_PARENT), (12, 2, PRESENT)], key=key)
    second = make(tmp_path / "2", [(10, 4, IN_PARENT)], first, key=key)
    for path in (first, second):
        assert f"The page at {10 * PAGE:x} is nowhere" in whats(look(path))


def test_a_parent_that_is_missing_is_named(tmp_path: Path) -> None:
    second = make(tmp_path / "2", [(10, 3, IN_PARENT)], tmp_path / "1")
    assert f"There is no directory {second}/parent" in whats(look(second))
    assert "no directory" not in whats(look(second, deep=False))


def test_a_chain_without_an_end_is_told_of(tmp_path: Path) -> None:
    path = make(tmp_path / "1", [(10, 1, PRESENT)], tmp_path / "1")
    assert "parent directories in a row" in whats(look(path))


def test_pages_taken_out_of_a_parent_are_no_damage_and_all_else_is(tmp_path: Path) -> None:
    first = make(tmp_path / "1", [(10, 4, PRESENT), (20, 4, PRESENT)])
    second = make(tmp_path / "2", [(10, 2, PRESENT), (12, 2, IN_PARENT), (20, 4, IN_PARENT)], first)
    for path in (first, second):
        record(path)
    with ImageStore.open(str(second)) as store:
        assert dedup(store) == 2 * PAGE
    assert (first / "pages-1.img").read_bytes()[: 2 * PAGE] == bytes(2 * PAGE)
    chain = [text for text in whats(look(second)).splitlines() if str(first) in text]
    assert chain == []
    with open(first / "pages-1.img", "r+b") as file:
        file.seek(2 * PAGE)
        file.write(b"x")
    assert "pages-1.img in" in whats(look(second))


def test_a_damaged_parent_has_no_pages_taken_out(tmp_path: Path) -> None:
    """Its new checksum would be that of the damage."""
    first = make(tmp_path / "1", [(10, 4, PRESENT)])
    second = make(tmp_path / "2", [(10, 2, PRESENT), (12, 2, IN_PARENT)], first)
    record(first)
    with open(first / "pages-1.img", "r+b") as file:
        file.seek(2 * PAGE)
        file.write(b"x")
    before = (first / "pages-1.img").read_bytes()
    with ImageStore.open(str(second)) as store, pytest.raises(ImageError, match="damaged"):
        dedup(store)
    assert (first / "pages-1.img").read_bytes() == before
    assert (first / "crtools-checksums.img").exists()


def test_a_new_dump_into_a_directory_takes_its_checksums_away(fds: Path) -> None:
    ImageStore.create(str(fds)).close()
    assert not (fds / "crtools-checksums.img").exists()


def test_the_command_tells_people_and_programs(fds: Path, capsys) -> None:
    assert main([str(fds)]) == 0
    assert capsys.readouterr().out.endswith(": no damage\n")
    (fds / "fs-31300.img").unlink()
    assert main(["-D", str(fds)]) == 1
    out = capsys.readouterr().out
    assert "fs-31300.img is missing" in out
    assert out.endswith(": 1 problem\n")
    assert main(["--json", str(fds)]) == 1
    shown = json.loads(capsys.readouterr().out)
    assert shown["directories"] == [{"path": str(fds), "checksums": True}]
    assert [problem["what"] for problem in shown["problems"]] == [
        f"fs-31300.img is missing from the images in {fds}"
    ]


def test_checksums_are_recorded_by_the_command(tmp_path: Path, capsys) -> None:
    path = Path(shutil.copytree(GOLDEN / "tree", tmp_path / "tree"))
    assert main([str(path)]) == 0
    assert "has no checksums" in capsys.readouterr().out
    assert main(["--record", str(path)]) == 0
    assert "recorded checksums of" in capsys.readouterr().out
    assert main([str(path)]) == 0
    assert "has no checksums" not in capsys.readouterr().out
    assert main(["--record", "--json", str(path)]) == 0
    assert json.loads(capsys.readouterr().out)["recorded"] is True


@pytest.mark.parametrize(
    "words", [[], ["a", "-D", "b"], ["--record", "--shallow", "a"], ["--deep", "a"]]
)
def test_lines_that_make_no_sense_are_refused(words: list[str]) -> None:
    with pytest.raises(UsageError):
        main(words)


def test_a_directory_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="There is no directory"):
        main([str(tmp_path / "none")])


def test_checksums_of_another_kind_are_not_guessed_at(fds: Path) -> None:
    with ImageStore.open(str(fds)) as store:
        head, *rest = store.read("crtools-checksums")
        head.algorithm = "sha512"
        store.write("crtools-checksums", [head, *rest])
        with pytest.raises(ImageError, match="does not know"):
            checksums.read(store)
    assert os.path.exists(fds / "crtools-checksums.img")


def test_a_dump_with_auto_dedup_takes_out_of_its_parent_what_it_has_anew(tmp_path: Path) -> None:
    first = make(tmp_path / "1", [(10, 4, PRESENT)])
    second = make(tmp_path / "2", [(10, 2, PRESENT), (12, 2, IN_PARENT)], first)
    record(first)
    with ImageStore.open(str(second)) as store:
        finish_images(store, Options(auto_dedup=True, checksums=True))
    assert pages(first) == [0, 0, 12, 13]
    assert not (first / "inventory.img").exists()
    # Both have checksums that are true.
    for path in (first, second):
        with ImageStore.open(str(path), allow_incomplete=True) as store:
            assert checksums.compare(store, checksums.read(store)) == {}


def test_a_dump_whose_parent_cannot_be_changed_says_that_it_is_complete(tmp_path: Path) -> None:
    first = make(tmp_path / "1", [(10, 4, PRESENT)])
    second = make(tmp_path / "2", [(10, 2, PRESENT), (12, 2, IN_PARENT)], first)
    (first / "pages-1.img").unlink()
    with ImageStore.open(str(second)) as store, pytest.raises(ImageError) as error:
        finish_images(store, Options(auto_dedup=True))
    assert "The dump itself is complete" in str(error.value)
    assert (second / "inventory.img").exists()
