"""Registers: of real threads into entries and back, and onto other CPUs."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crtools.abi.kernel import cpuid
from crtools.errors import ImageError, RestoreConflict, UnsupportedObject
from crtools.images.messages.core import CoreEntry
from crtools.images.messages.core_x86 import ThreadInfoX86, UserX86CetEntry
from crtools.kinds.process import registers
from crtools.kinds.process.registers import (
    MXCSR_DEFAULT,
    PKRU,
    PKRU_DEFAULT,
    XSAVE_HEADER,
    XTILECFG,
    XTILEDATA,
    build_xstate,
    dump_extra,
    dump_registers,
    extra_components,
    parse_extra,
    read_layout,
    read_tls,
    restore_registers,
    restore_tls,
)
from crtools.tracee import ptrace, x86_64

GOLDEN = Path(__file__).parents[3] / "golden"
USED_AT = XSAVE_HEADER
ENABLED_AT = 464
GENERAL = [*range(17), x86_64.CS_64, 0x246, 0x7FFF0000, 0x2B, 0x7F0000001000, 0, 0, 0, 0, 0]

# Components' (offset, bytes) on an Intel server CPU with AMX, and on an AMD one.
INTEL = {
    2: (576, 256), 5: (1088, 64), 6: (1152, 512), 7: (1664, 1024), 9: (2688, 8),
    17: (2752, 64), 18: (2816, 8192),
}  # fmt: skip
AMD = {2: (576, 256), 5: (832, 64), 6: (896, 512), 7: (1408, 1024), 9: (2432, 8)}
OLD = {2: (576, 256)}


class Cpu:
    """A CPU that the module under test takes for the one it runs on."""

    def __init__(self, places: dict[int, tuple[int, int]]) -> None:
        self.places = places
        self.enabled = 3 | sum(1 << number for number in places)
        self.size = max(offset + size for offset, size in places.values())

    def cpuid(self, leaf: int, subleaf: int) -> tuple[int, int, int, int]:
        assert leaf == 0xD
        offset, size = self.places.get(subleaf, (0, 0))
        return size, offset, 0, 0

    def xstate(self, **used: bytes) -> bytes:
        """A regset in which some components, `c5=bytes`, are in use."""
        area = bytearray(self.size)
        struct.pack_into("<4H2Q2I", area, 0, 0x37F, 0, 0, 0, 0, 0, MXCSR_DEFAULT, 0xFFFF)
        struct.pack_into("<Q", area, ENABLED_AT, self.enabled)
        bits = 0
        for name, content in used.items():
            number = int(name[1:])
            offset, size = self.places[number]
            area[offset : offset + len(content)] = content
            assert len(content) == size
            bits |= 1 << number
        struct.pack_into("<Q", area, USED_AT, bits)
        return bytes(area)


@pytest.fixture
def run_on(monkeypatch):
    def run_on(places: dict[int, tuple[int, int]]) -> Cpu:
        cpu = Cpu(places)
        monkeypatch.setattr(registers, "cpuid", cpu.cpuid)
        monkeypatch.setattr(registers, "_layouts", {})
        return cpu

    return run_on


@pytest.fixture(scope="module")
def program(tmp_path_factory) -> Path:
    binary = tmp_path_factory.mktemp("registers") / "registers"
    source = Path(__file__).with_name("registers.c")
    subprocess.run(["cc", "-O1", "-w", "-o", binary, source], check=True)
    return binary


@pytest.fixture
def stopped(program) -> Iterator[object]:
    """stopped(width): the pid of a stopped tracee whose registers are filled."""
    started = []

    def start(width: int) -> int:
        child = subprocess.Popen([program, str(width)], stdout=subprocess.PIPE)
        started.append(child)
        assert child.stdout is not None
        assert child.stdout.read(1) == b"r"
        ptrace.seize(child.pid, 0)
        while True:
            ptrace.interrupt(child.pid)
            ptrace.wait(child.pid)
            if x86_64.unpack(ptrace.registers(child.pid))[x86_64.R15] == 0x5A5A:
                return child.pid
            ptrace.cont(child.pid)

    yield start
    for child in started:
        child.kill()
        child.wait()
        child.stdout.close()


def widths() -> list[int]:
    flags = Path("/proc/cpuinfo").read_text().split("\n\n")[0]
    return [128] + [256] * (" avx " in flags) + [512] * (" avx512bw " in flags)


def regset(pid: int) -> bytes:
    return ptrace.register_set(pid, ptrace.NT_X86_XSTATE, 16384)


def words(pid: int) -> list[int]:
    return x86_64.unpack(ptrace.registers(pid))


def through_image(info: ThreadInfoX86) -> ThreadInfoX86:
    return ThreadInfoX86.decode(info.encode())


@pytest.mark.parametrize("width", widths())
def test_registers_of_one_thread_become_those_of_another(stopped, width):
    here, there = stopped(width), stopped(128)
    mine = regset(here)
    info = through_image(dump_registers(words(here), mine, 0x1234, read_tls(here)))
    assert info.clear_tid_addr == 0x1234
    assert regset(there) != mine or width == 128

    ptrace.set_register_set(there, ptrace.NT_X86_XSTATE, build_xstate(info, regset(there)))
    ptrace.set_registers(there, x86_64.pack(restore_registers(info)))

    assert regset(there) == mine
    assert words(there) == words(here)


@pytest.mark.parametrize("width", widths())
def test_values_are_where_the_schema_says(stopped, width):
    pid = stopped(width)
    info = dump_registers(words(pid), regset(pid), 0)
    assert info.gpregs.r15 == 0x5A5A
    assert info.gpregs.r14 == info.gpregs.sp
    assert info.fpregs.mxcsr == 0x5F80
    pi, log2e = info.fpregs.st_space[8:11], info.fpregs.st_space[4:7]
    assert list(pi) == [0x2168C235, 0xC90FDAA2, 0x4000]
    assert list(log2e) == [0x5C17F0BC, 0xB8AA3B29, 0x3FFF]
    assert list(info.fpregs.xmm_space[4:8]) == [0x22222222, 0x22222222, 0x22222222, 0x22222223]
    if width >= 256:
        assert list(info.fpregs.xsave.ymmh_space[4:6]) == [0x22222222, 0x22222220]
    if width == 512:
        assert info.fpregs.xsave.opmask_reg[1] == 0x0123456789ABCDEF * 2
        assert info.fpregs.xsave.zmm_upper[4] == 0x2222222622222222
        assert info.fpregs.xsave.hi16_zmm[8] == 0x1111111111111111 * 3


def test_a_64_bit_program_has_no_tls_segments_and_the_image_three_empty_ones(stopped):
    pid = stopped(128)
    assert read_tls(pid) is None
    info = dump_registers(words(pid), regset(pid), 0)
    assert [entry.entry_number for entry in info.tls] == [12, 13, 14]
    assert restore_tls(info) == []


def test_the_layout_is_what_the_cpu_says(stopped):
    layout = read_layout(regset(stopped(128)))
    assert layout.enabled & 3 == 3
    for number, (offset, size) in layout.places.items():
        assert (size, offset) == cpuid(0xD, number)[:2]


def golden_cores() -> list[Path]:
    return sorted(GOLDEN.glob("*/core-*.img"))


@pytest.mark.parametrize("path", golden_cores(), ids=lambda p: f"{p.parent.name}/{p.stem}")
@pytest.mark.parametrize("cpu", [INTEL, AMD], ids=["intel", "amd"])
def test_golden_registers_come_back(run_on, path, cpu):
    data = path.read_bytes()
    info = CoreEntry.decode(data[12 : 12 + int.from_bytes(data[8:12], "little")]).thread_info
    if info is None:
        assert path.name == "core-31333.img"  # a zombie
        return
    without_keys = {number: place for number, place in cpu.items() if number not in (9, 17, 18)}
    template = run_on(without_keys).xstate()
    xstate = build_xstate(info, template)
    assert len(xstate) == len(template)
    again = dump_registers(restore_registers(info), xstate, info.clear_tid_addr)
    assert again.encode() == info.encode()


component = {number: st.binary(min_size=size, max_size=size) for number, (_, size) in AMD.items()}
in_use = st.fixed_dictionaries(
    {}, optional={f"c{n}": content for n, content in component.items() if n != PKRU}
)


@given(in_use, st.integers(0, 2**32 - 1))
def test_any_state_goes_from_one_cpu_to_another_and_back(used, pkru):
    with pytest.MonkeyPatch.context() as patch:
        amd, intel = Cpu(AMD), Cpu(INTEL)
        if pkru:
            used["c9"] = pkru.to_bytes(8, "little")
        patch.setattr(registers, "cpuid", amd.cpuid)
        patch.setattr(registers, "_layouts", {})
        state = amd.xstate(**used)
        info = through_image(dump_registers(GENERAL, state, 0))
        patch.setattr(registers, "cpuid", intel.cpuid)
        patch.setattr(registers, "_layouts", {})
        there = build_xstate(info, intel.xstate())
        assert there == intel.xstate(**used)
        back = through_image(dump_registers(GENERAL, there, 0))
        patch.setattr(registers, "cpuid", amd.cpuid)
        patch.setattr(registers, "_layouts", {})
        assert build_xstate(back, amd.xstate()) == state


def test_threads_that_have_equal_state_get_what_was_built_for_the_first(run_on):
    cpu = run_on(INTEL)
    info = dump_registers(list(range(27)), cpu.xstate(c2=b"y" * 256), 0)
    other = dump_registers(list(range(27)), cpu.xstate(), 0)
    xstates = registers.Xstates(cpu.xstate())
    assert xstates.build(info, None) == build_xstate(info, cpu.xstate())
    assert xstates.build(info, None) is xstates.build(info, None)
    assert xstates.build(other, None) == build_xstate(other, cpu.xstate())
    assert xstates.build(other, None) != xstates.build(info, None)


def test_what_a_cpu_lacks_is_a_conflict_that_names_it(run_on):
    info = dump_registers(GENERAL, run_on(AMD).xstate(c5=b"k" * 64, c6=b"z" * 512), 0)
    old = run_on(OLD).xstate()
    with pytest.raises(RestoreConflict, match=r"uses AVX-512, which"):
        build_xstate(info, old)


def test_state_that_a_cpu_lacks_does_not_matter_while_it_is_initial(run_on):
    info = dump_registers(GENERAL, run_on(AMD).xstate(c5=bytes(64), c2=b"y" * 256), 0)
    old = run_on(OLD)
    assert build_xstate(info, old.xstate()) == old.xstate(c2=b"y" * 256)


def test_protection_keys_are_a_conflict_only_if_the_program_changed_them(run_on):
    amd = run_on(AMD)
    usual = dump_registers(GENERAL, amd.xstate(c9=PKRU_DEFAULT.to_bytes(8, "little")), 0)
    changed = dump_registers(GENERAL, amd.xstate(c9=b"\x04" + bytes(7)), 0)
    old = run_on(OLD).xstate()
    assert build_xstate(usual, old) == old
    with pytest.raises(RestoreConflict, match="protection keys"):
        build_xstate(changed, old)


def test_a_thread_from_a_cpu_without_protection_keys_gets_the_usual_ones(run_on):
    info = dump_registers(GENERAL, run_on(OLD).xstate(), 0)
    new = run_on(AMD).xstate(c9=PKRU_DEFAULT.to_bytes(8, "little"))
    assert build_xstate(info, new) == new


def test_tiles_go_into_the_image_of_our_own(run_on):
    tiles = {"c17": b"\x01" + bytes(63), "c18": bytes(range(256)) * 32}
    intel = run_on(INTEL)
    state = intel.xstate(c2=b"y" * 256, **tiles)
    info = dump_registers(GENERAL, state, 0)
    assert info.fpregs.xsave.xstate_bv == 1 << 2
    extra = dump_extra(state)
    assert extra is not None
    assert parse_extra(extra) == extra_components(state)
    assert set(parse_extra(extra)) == {XTILECFG, XTILEDATA}
    assert build_xstate(info, intel.xstate(), extra) == state
    amd = run_on(AMD).xstate()
    with pytest.raises(RestoreConflict, match="AMX"):
        build_xstate(info, amd, extra)


def test_a_thread_without_tiles_needs_no_image_of_our_own(run_on):
    assert dump_extra(run_on(INTEL).xstate(c2=b"y" * 256)) is None


def test_an_image_that_lost_its_tiles_is_refused(run_on):
    intel = run_on(INTEL)
    info = dump_registers(GENERAL, intel.xstate(), 0)
    info.fpregs.xsave.xstate_bv |= 1 << XTILEDATA
    with pytest.raises(ImageError, match="AMX"):
        build_xstate(info, intel.xstate())


@pytest.mark.parametrize(
    "extra", [b"\x12", b"\x12\0\0\0\x05\0\0\0abc", b"\x02\0\0\0\0\0\0\0", b"\x50\0\0\0\0\0\0\0"]
)
def test_damaged_extra_components_are_an_error_of_the_image(extra):
    with pytest.raises(ImageError):
        parse_extra(extra)


def test_a_control_word_without_its_registers_survives(run_on):
    amd = run_on(AMD)
    state = bytearray(amd.xstate())
    struct.pack_into("<I", state, 24, 0x5F80)
    info = dump_registers(GENERAL, bytes(state), 0)
    info.fpregs.xmm_space = [7] * 64  # not in use, so of no meaning
    built = build_xstate(info, amd.xstate())
    assert struct.unpack_from("<I", built, 24) == (0x5F80,)
    assert built[160:416] == bytes(256)
    assert built[USED_AT] == 1 << registers.SSE


def test_bits_of_the_control_word_that_the_cpu_lacks_are_dropped(run_on):
    cpu = run_on(OLD)
    info = dump_registers(GENERAL, cpu.xstate(), 0)
    info.fpregs.mxcsr = 0xFFFFFFFF
    template = bytearray(cpu.xstate())
    struct.pack_into("<I", template, 28, 0)
    assert struct.unpack_from("<I", build_xstate(info, bytes(template)), 24) == (0xFFBF,)


def test_registers_from_before_xsave_come_back(run_on):
    cpu = run_on(AMD)
    info = dump_registers(GENERAL, cpu.xstate(), 0)
    info.fpregs.xsave = None
    info.fpregs.xmm_space = [5] * 64
    built = build_xstate(info, cpu.xstate())
    assert built[USED_AT] == 3
    assert built[160:164] == b"\x05\0\0\0"


@pytest.mark.parametrize("field", ["st_space", "xmm_space"])
def test_too_few_floating_point_registers_are_an_error_of_the_image(run_on, field):
    cpu = run_on(AMD)
    info = dump_registers(GENERAL, cpu.xstate(), 0)
    setattr(info.fpregs, field, [1] * 3)
    with pytest.raises(ImageError):
        build_xstate(info, cpu.xstate())


def test_a_state_in_use_without_content_is_an_error_of_the_image(run_on):
    cpu = run_on(AMD)
    info = dump_registers(GENERAL, cpu.xstate(c2=b"y" * 256), 0)
    info.fpregs.xsave.ymmh_space = []
    with pytest.raises(ImageError):
        build_xstate(info, cpu.xstate())


def test_a_shadow_stack_is_refused(run_on):
    cpu = run_on(AMD)
    info = dump_registers(GENERAL, cpu.xstate(), 0)
    info.fpregs.xsave.cet = UserX86CetEntry(cet=1, ssp=0x7F00)
    with pytest.raises(UnsupportedObject, match="shadow stack"):
        build_xstate(info, cpu.xstate())


def changed(**fields: int) -> ThreadInfoX86:
    with pytest.MonkeyPatch.context() as patch:
        cpu = Cpu(OLD)
        patch.setattr(registers, "cpuid", cpu.cpuid)
        patch.setattr(registers, "_layouts", {})
        info = dump_registers(GENERAL, cpu.xstate(), 0)
    for name, value in fields.items():
        setattr(info.gpregs, name, value)
    return info


@pytest.mark.parametrize("fields", [{"mode": registers.COMPAT}, {"cs": 0x23}])
def test_32_bit_code_is_refused(fields):
    with pytest.raises(UnsupportedObject, match="32-bit"):
        restore_registers(changed(**fields))


@pytest.mark.parametrize(
    "fields",
    [{"cs": 0x10}, {"ss": 0x18}, {"ds": 0x10}, {"gs": 0x10003}, {"fs_base": 1 << 63}],
)
def test_segments_that_no_program_has_are_an_error_of_the_image(fields):
    with pytest.raises(ImageError):
        restore_registers(changed(**fields))


def test_flags_of_the_kernel_are_never_taken_from_an_image():
    flags = restore_registers(changed(flags=0xFFFFFFFFFFFFFFFF))[x86_64.FLAGS]
    assert flags == 0x254FD7
    assert restore_registers(changed(flags=0))[x86_64.FLAGS] == 0x202
    assert restore_registers(changed(flags=0x246))[x86_64.FLAGS] == 0x246


def test_tls_segments_survive():
    desc = struct.pack("<IIII", 13, 0x12345678, 0xFFFFF, 0b1010101)
    cpu_info = changed()
    empty = restore_tls(cpu_info)
    assert empty == []
    with pytest.MonkeyPatch.context() as patch:
        cpu = Cpu(OLD)
        patch.setattr(registers, "cpuid", cpu.cpuid)
        patch.setattr(registers, "_layouts", {})
        info = dump_registers(GENERAL, cpu.xstate(), 0, [desc])
    assert restore_tls(through_image(info)) == [desc]
    info.tls[0].entry_number = 3
    with pytest.raises(ImageError):
        restore_tls(info)


@pytest.mark.parametrize(
    ("rights", "refused"), [(0x55555554, False), (1, True), (2, True), (0, False)]
)
def test_a_thread_without_access_to_plain_memory_is_refused(run_on, rights, refused):
    xstate = run_on(AMD).xstate(c9=struct.pack("<II", rights, 0))
    if not refused:
        registers.check_rights(11, xstate, "task 10 (x)")
        return
    with pytest.raises(UnsupportedObject, match="thread 11 has denied itself memory of key 0"):
        registers.check_rights(11, xstate, "task 10 (x)")


def test_a_cpu_without_keys_forbids_nothing(run_on):
    registers.check_rights(11, run_on(OLD).xstate(), "task 10 (x)")
