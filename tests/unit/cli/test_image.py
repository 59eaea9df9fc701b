"""`crtools image`: files to JSON and back, and what is in a directory."""

from __future__ import annotations

import io
import json
import shutil
import sys
from pathlib import Path

import pytest

from crtools.cli.image import main
from crtools.errors import ImageError, UsageError

GOLDEN = Path(__file__).resolve().parents[2] / "golden"


def run(capsys, *words: object) -> str:
    assert main([str(word) for word in words]) == 0
    return capsys.readouterr().out


def test_show_prints_a_file_for_people(capsys):
    path = GOLDEN / "fds" / "pagemap-31300.img"
    text = run(capsys, "show", path)
    assert json.loads(text) == json.loads((GOLDEN / "fds.json").read_text())[path.name]
    assert '"flags": "PE_LAZY | PE_PRESENT"' in text


def test_show_prints_a_directory_file_by_file(capsys):
    shown = json.loads(run(capsys, "show", GOLDEN / "fds"))
    assert shown.pop("pages-1.img") == {"raw": 4096}
    assert shown.pop("pages-2.img") == {"raw": 53248}
    assert shown == json.loads((GOLDEN / "fds.json").read_text())


def test_show_refuses_a_raw_file():
    with pytest.raises(ImageError, match="raw bytes"):
        main(["show", str(GOLDEN / "fds" / "pages-1.img")])


@pytest.mark.parametrize("options", [[], ["--pretty"]])
@pytest.mark.parametrize("name", ["core-31300.img", "files.img", "sk-queues.img", "inventory.img"])
def test_decode_and_encode_are_inverse(name, options, capsys, tmp_path):
    path = GOLDEN / "fds" / name
    text = run(capsys, "decode", path, *options)
    assert ("\n" in text.strip()) == bool(options)
    run(capsys, "decode", "-i", path, "-o", tmp_path / "it.json", *options)
    assert (tmp_path / "it.json").read_text() == text
    run(capsys, "encode", tmp_path / "it.json", "-o", tmp_path / "it.img")
    assert (tmp_path / "it.img").read_bytes() == path.read_bytes()


def test_unknown_fields_survive_decode_and_encode(capsys, tmp_path):
    data = (GOLDEN / "fds" / "seccomp.img").read_bytes()
    assert data.endswith(b"\0\0\0\0")
    (tmp_path / "in.img").write_bytes(data[:-4] + b"\x03\0\0\0\xc8\x3e\x05")
    run(capsys, "decode", tmp_path / "in.img", "-o", tmp_path / "it.json")
    assert '"_unknown": "yD4F' in (tmp_path / "it.json").read_text()
    run(capsys, "encode", tmp_path / "it.json", "-o", tmp_path / "out.img")
    assert (tmp_path / "out.img").read_bytes() == (tmp_path / "in.img").read_bytes()


def test_standard_input_and_output_will_do(capsysbinary, monkeypatch):
    data = (GOLDEN / "fds" / "pstree.img").read_bytes()

    def give(raw: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw)))

    give(data)
    assert main(["decode", "-"]) == 0
    text = capsysbinary.readouterr().out
    assert json.loads(text)["magic"] == "PSTREE"
    give(text)
    assert main(["encode", "-"]) == 0
    assert capsysbinary.readouterr().out == data


def test_info_tells_what_a_file_is(capsys):
    text = run(capsys, "info", GOLDEN / "fds" / "pagemap-31300.img")
    assert "PAGEMAP (0x56084025), format 1.1" in text
    assert "entries: 7" in text
    assert "13 present (5 of them lazy), 0 in the parent" in text
    text = run(capsys, "info", GOLDEN / "fds" / "sk-queues.img")
    assert "6 bytes of raw bytes" in text
    text = run(capsys, "info", GOLDEN / "fds" / "inventory.img")
    assert "format 1.0" in text
    assert "raw bytes (pages), 4.0 KiB" in run(capsys, "info", GOLDEN / "fds" / "pages-1.img")


def test_info_lists_the_tasks_and_files_of_a_directory(capsys):
    lines = run(capsys, "info", GOLDEN / "tree").splitlines()
    assert lines[0].endswith("a complete set, 360.0 KiB of pages")
    rows = {words[0]: words for line in lines if (words := line.split())}
    assert rows["31230"][1:6] == ["0", "31230", "31230", "1", "alive"]
    assert rows["31333"][5:7] == ["dead", "-"]
    assert rows["1325"][5:8] == ["stopped", "60.0", "KiB"]
    assert rows["files.img"][1:3] == ["FILES", "18"]


def test_info_says_that_a_set_is_incomplete(capsys, tmp_path):
    shutil.copytree(GOLDEN / "counter", tmp_path / "set")
    (tmp_path / "set" / "inventory.img").unlink()
    assert main(["info", str(tmp_path / "set")]) == 1
    out = capsys.readouterr().out
    assert "incomplete, there is no inventory.img" in out
    assert "31000" in out


def test_info_goes_on_after_a_damaged_file(capsys, tmp_path):
    shutil.copytree(GOLDEN / "counter", tmp_path / "set")
    (tmp_path / "set" / "mm-31000.img").write_bytes(b"nothing")
    (tmp_path / "set" / "pstree.img").write_bytes(b"\x19\x43\x56\x54\x30\x30\x27\x50\x01")
    (tmp_path / "set" / "dump.log").write_text("not an image")
    assert main(["info", str(tmp_path / "set")]) == 1
    captured = capsys.readouterr()
    assert "mm-31000.img is damaged at byte 0" in captured.err
    assert "damaged" in captured.out
    assert "files.img" in captured.out
    assert "dump.log" not in captured.out


def test_names_from_images_do_not_drive_the_terminal(capsys, tmp_path):
    shutil.copytree(GOLDEN / "counter", tmp_path / "set")
    core = tmp_path / "set" / "core-31000.img"
    core.write_bytes(core.read_bytes().replace(b"counter", b"\x1b[31m\xffx"))
    out = run(capsys, "info", tmp_path / "set")
    assert "\x1b" not in out
    assert r"\x1b[31m\udcffx" in out


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["destroy"],
        ["show"],
        ["decode"],
        ["decode", "a", "-i", "b"],
        ["info", "a", "b"],
        ["encode", "--nonsense"],
    ],
)
def test_a_wrong_line_is_a_usage_error(words):
    with pytest.raises(UsageError, match="crtools image"):
        main(words)


@pytest.mark.parametrize("command", ["show", "info", "decode", "encode"])
def test_a_missing_file_is_an_image_error(command, tmp_path):
    with pytest.raises(ImageError, match=r"Cannot read .*absent"):
        main([command, str(tmp_path / "absent"), *(["-o", "x"] if command == "encode" else [])])


@pytest.mark.parametrize(
    "text", ["", "[", "[" * 100_000, "\udcff", "{}", '{"magic": 1}', "1" * 5000]
)
def test_json_that_is_no_image_is_refused(text, tmp_path):
    (tmp_path / "it.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ImageError):
        main(["encode", str(tmp_path / "it.json"), "-o", str(tmp_path / "out.img")])
    assert not (tmp_path / "out.img").exists()


def test_an_image_that_would_not_be_read_again_is_not_written(tmp_path):
    (tmp_path / "it.json").write_text('{"magic": "SECCOMP", "entries": [{}, {}]}')
    with pytest.raises(ImageError, match="2 entries instead of one"):
        main(["encode", str(tmp_path / "it.json"), "-o", str(tmp_path / "out.img")])
    assert not (tmp_path / "out.img").exists()


def test_an_output_that_cannot_be_written_is_named(tmp_path):
    path = GOLDEN / "fds" / "pstree.img"
    with pytest.raises(ImageError, match="Cannot write"):
        main(["decode", str(path), "-o", str(tmp_path / "no" / "where")])
