"""The two halves of the agent agree: struct layouts and numbers, as gcc reads agent/ops.h."""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from crtools.agent import blob, program, slot
from crtools.agent.program import INSN

AGENT = Path(__file__).resolve().parents[3] / "agent"
INSN_FIELDS = (
    "nr",
    "op",
    "expect",
    "store_bytes",
    "kinds",
    "store_at",
    "arg",
    "expected",
    "result",
)
SLOT_FIELDS = (
    *("word", "command", "done", "left", "count", "stopped", "program", "data", "home", "area"),
    *("area_bytes", "visitor", "robust", "keep", "keeps", "careful"),
)
ENUMS = {
    "OP_SYSCALL": program.OP_SYSCALL,
    "OP_TRANSFER": program.OP_TRANSFER,
    "OP_CLONE": program.OP_CLONE,
    "OP_MERGE": program.OP_MERGE,
    "OP_COPY": program.OP_COPY,
    "OP_SKIP_IF": program.OP_SKIP_IF,
    "OP_VALUE": program.OP_VALUE,
    "OP_TILES": program.OP_TILES,
    "OP_FLAGS": program.OP_FLAGS,
    "OP_ZEROS": program.OP_ZEROS,
    "ARG_VALUE": program.ARG_VALUE,
    "ARG_DATA": program.ARG_DATA,
    "ARG_RESULT": program.ARG_RESULT,
    "ARG_LOAD64": program.ARG_LOAD64,
    "ARG_LOAD32": program.ARG_LOAD32,
    "ARG_AREA": program.ARG_AREA,
    "ARG_AREA32": program.ARG_AREA32,
    "EXPECT_ANY": program.ANY,
    "EXPECT_NONNEGATIVE": program.NONNEGATIVE,
    "EXPECT_VALUE": program.EXACTLY,
    "EXPECT_ERRNOS": program.OR_ERRNO,
    "STORE_IN_AREA": program.STORE_IN_AREA,
    "CAREFUL_LOOK": slot.CAREFUL_LOOK,
    "CAREFUL_HOME": slot.CAREFUL_HOME,
}


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """sizeof, offsetof and enumerators by name."""
    if not shutil.which("gcc"):
        pytest.skip("needs gcc")
    where = tmp_path_factory.mktemp("layout")
    wanted = {f"insn.{name}": f"offsetof(struct insn, {name})" for name in INSN_FIELDS}
    wanted |= {f"slot.{name}": f"offsetof(struct slot, {name})" for name in SLOT_FIELDS}
    wanted |= {"insn": "sizeof(struct insn)", "slot": "sizeof(struct slot)"}
    wanted |= {name: name for name in ENUMS}
    lines = [
        f'printf("{name} %lu\\n", (unsigned long)({value}));' for name, value in wanted.items()
    ]
    source = where / "layout.c"
    source.write_text(
        "#include <stddef.h>\n#include <stdio.h>\n#include <ops.h>\n"
        "int main(void) {\n" + "\n".join(lines) + "\nreturn 0; }\n"
    )
    subprocess.run(
        ["gcc", "-Wall", "-Werror", f"-I{AGENT}", "-o", where / "layout", source], check=True
    )
    printed = subprocess.run([where / "layout"], check=True, capture_output=True, text=True).stdout
    return {name: int(value) for name, value in (line.split() for line in printed.splitlines())}


def offsets(fields: tuple[str, ...], formats: str) -> dict[str, int]:
    """Where struct.pack puts each field, without padding."""
    found, at = {}, 0
    for name, code in zip(fields, re.findall(r"\d*[A-Za-z]", formats), strict=True):
        found[name] = at
        at += struct.calcsize("<" + code)
    return found


def test_instructions_are_packed_as_the_agent_reads_them(compiled: dict[str, int]) -> None:
    assert offsets(INSN_FIELDS, INSN.format[1:]) == {n: compiled[f"insn.{n}"] for n in INSN_FIELDS}
    assert compiled["insn"] == INSN.size == program.INSN_BYTES
    assert compiled["insn.result"] == program.RESULT_AT


def test_slots_are_packed_as_the_agent_reads_them(compiled: dict[str, int]) -> None:
    expanded = "I" * 6 + "Q" * 10
    assert slot.SLOT.size == struct.calcsize("<" + expanded)
    assert offsets(SLOT_FIELDS, expanded) == {n: compiled[f"slot.{n}"] for n in SLOT_FIELDS}
    assert compiled["slot"] <= slot.SLOT_BYTES


@pytest.mark.parametrize("name", ["word", "command", "done", "left", "count", "stopped", "robust"])
def test_offsets_in_a_slot_are_the_agents(compiled: dict[str, int], name: str) -> None:
    assert getattr(slot, f"{name.upper()}_AT") == compiled[f"slot.{name}"]


def test_the_kernel_finds_the_futex_word_from_the_list_entry(compiled: dict[str, int]) -> None:
    assert compiled["slot.word"] - compiled["slot.robust"] == slot.ROBUST_OFFSET


def test_operations_arguments_and_expectations_have_the_same_numbers(
    compiled: dict[str, int],
) -> None:
    assert {name: compiled[name] for name in ENUMS} == ENUMS


def test_enumerators_of_the_header_are_all_compared() -> None:
    text = (AGENT / "ops.h").read_text()
    assert set(re.findall(r"^\t((?:OP|ARG|EXPECT)_\w+) =", text, re.M)) == set(ENUMS) - {
        "STORE_IN_AREA",
        "CAREFUL_LOOK",
        "CAREFUL_HOME",
    }


def test_the_blob_says_where_its_parts_lie() -> None:
    read = blob.read_blob()
    assert read.code[read.syscall : read.syscall + 2] == b"\x0f\x05"
    assert read.owner_home < read.owner_unmap < read.owner_heal < read.owner_data
    assert read.owner_end <= read.visitor_home < read.visitor_data < read.visitor_end
    assert read.visitor_end <= read.gate < read.gate_passed < read.gate_left < read.gate_data
    assert read.gate_end <= len(read.code) <= 4096
    assert read.code[read.gate_passed - 2 : read.gate_passed] == b"\x0f\x05"
    assert read.owner_end - read.owner_data == blob.HOME_DATA_BYTES
    # The place for the data is blank: it is the task's, written when it is copied.
    assert not any(read.code[read.owner_data : read.owner_end])
