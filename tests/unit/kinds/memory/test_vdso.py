"""The vDSO: recognised, and replaced by another kernel's while the program keeps its pointers."""

from __future__ import annotations

import ctypes
import os
import struct
import time
import traceback
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crtools.abi import kernel
from crtools.abi.syscall_numbers import syscall_name
from crtools.errors import ImageError, RestoreConflict
from crtools.kinds.memory.vdso import (
    ARCH_MAP_VDSO_64,
    PROXY,
    SAME,
    SYSCALLS,
    VdsoHost,
    VdsoImage,
    VdsoPlan,
    parse_functions,
    plan_vdso,
    read_host_vdso,
)
from crtools.procfs.files import open_proc

PAGE = 4096
SYS_mmap, SYS_mprotect, SYS_munmap, SYS_arch_prctl = 9, 10, 11, 158
MAP_PRIVATE_ANON, MAP_FIXED = 0x22, 0x10
AT_SYSINFO_EHDR = 33
CODE = 0x7FFF10004000


@pytest.fixture(scope="module")
def host() -> VdsoHost:
    proc = open_proc()
    host = read_host_vdso(proc)
    os.close(proc)
    if not host.content:
        pytest.skip("this kernel has no vDSO")
    return host


def image_of(content: bytes, before: int = 4 * PAGE, code: int = CODE) -> VdsoImage:
    return VdsoImage(start=code - before, code=code, end=code + len(content), content=content)


def another(content: bytes) -> bytes:
    """A vDSO with the same functions elsewhere: in its padding, and any use of them is fatal."""
    functions = parse_functions(content)
    old = sorted(set(functions.values()))
    first = len(content.rstrip(b"\0")) + 16 & ~15
    room = max(32, 32 * len(old))
    changed = bytearray(content[:first] + b"\x0f\x0b" * (room // 2))
    changed += bytes(-len(changed) % PAGE)
    moved = {was: first + 32 * number for number, was in enumerate(old)}
    text = min(old)
    for at in range(text, max(old) + 32, 2):
        changed[at : at + 2] = b"\x0f\x0b"  # ud2
    for at in range(0, first - 24, 8):  # the symbols: struct Elf64_Sym, elf.h
        info, section, value = struct.unpack_from("<4xBxHQ", changed, at)
        if info in (0x12, 0x22) and section and value in moved and at < text:
            struct.pack_into("<Q", changed, at + 8, moved[value])
    assert sorted(parse_functions(bytes(changed)).values()) == sorted(
        moved[value] for value in functions.values()
    )
    return bytes(changed)


def nowhere(room: int) -> int:
    raise AssertionError("no free space is needed")


def test_this_kernels_vdso_is_mapped_where_it_was(host):
    image = image_of(host.content, host.before)
    plan = plan_vdso(image, host, nowhere, instructions=[CODE + 0x1000])
    assert plan == VdsoPlan(kind=SAME, map_at=CODE - host.before)


def test_other_bytes_or_another_size_of_its_data_make_it_another_one(host):
    changed = bytearray(host.content)
    changed[-1] ^= 1
    for image in (
        image_of(bytes(changed), host.before),
        image_of(host.content, host.before + PAGE),
    ):
        plan = plan_vdso(image, host, lambda room: 0x10000)
        assert plan.kind == PROXY
        assert plan.map_at == 0x10000
        assert plan.plain == ((image.start, image.code), (image.code, image.end))
        for address, code in plan.patches:
            assert image.code <= address < address + len(code) <= image.end


def test_every_function_jumps_to_the_one_of_the_same_name(host):
    content = another(host.content)
    image = image_of(content)
    plan = plan_vdso(image, host, lambda room: 0x10000)
    patches = dict(plan.patches)
    ours = parse_functions(host.content)
    for name, offset in parse_functions(content).items():
        code = patches[image.code + offset]
        assert code[:6] == b"\xff\x25\0\0\0\0"
        assert int.from_bytes(code[6:], "little") == 0x10000 + host.before + ours[name]


def test_the_room_asked_for_holds_the_data_and_the_code(host):
    asked = []
    plan_vdso(image_of(another(host.content)), host, lambda room: asked.append(room) or 0x10000)
    assert asked == [host.before + len(host.content)]


@pytest.mark.parametrize("where", ["entry", "patch", "middle"])
def test_a_thread_inside_another_kernels_vdso_is_a_conflict(host, where):
    content = another(host.content)
    offset = parse_functions(content)["__vdso_clock_gettime"]
    offset += {"entry": 0, "patch": 13, "middle": 20}[where]
    with pytest.raises(RestoreConflict, match="is in the vDSO"):
        plan_vdso(image_of(content), host, lambda room: 0x10000, [CODE + offset])


def test_a_thread_behind_a_system_call_of_the_old_vdso_goes_on(host):
    content = bytearray(another(host.content))
    offset = parse_functions(content)["__vdso_clock_gettime"] + 20
    content[offset - 2 : offset] = b"\x0f\x05"
    plan = plan_vdso(image_of(bytes(content)), host, lambda room: 0x10000, [CODE + offset, 0x4000])
    assert plan.kind == PROXY


def test_functions_that_are_too_near_to_each_other_are_a_conflict(host):
    content = bytearray(host.content)
    functions = parse_functions(content)
    from_at = struct.pack("<Q", functions["__vdso_time"])
    to = struct.pack("<Q", functions["__vdso_gettimeofday"] + 8)
    moved = bytes(content).replace(from_at, to)
    assert parse_functions(moved)["__vdso_time"] == functions["__vdso_gettimeofday"] + 8
    with pytest.raises(RestoreConflict, match="only 8 bytes"):
        plan_vdso(image_of(moved), host, lambda room: 0x10000)


def test_a_function_that_nothing_can_stand_in_for_is_a_conflict(host):
    content = host.content.replace(b"__vdso_time\0", b"__vdso_tame\0").replace(
        b"\0time\0", b"\0tame\0"
    )
    with pytest.raises(RestoreConflict, match="tame"):
        plan_vdso(image_of(content), host, lambda room: 0x10000)


@pytest.mark.parametrize(
    "content",
    [b"", b"\x7fELF", b"\x7fELF\x02\x01" + bytes(100), b"\x7fELF\x02\x01" + b"\xff" * 8000],
)
def test_what_is_no_vdso_is_an_error_of_the_image(host, content):
    with pytest.raises(ImageError):
        plan_vdso(image_of(content.ljust(2 * PAGE, b"\0")), host, lambda room: 0x10000)


def test_more_content_than_area_is_an_error_of_the_image(host):
    image = VdsoImage(start=CODE, code=CODE, end=CODE + PAGE, content=bytes(2 * PAGE))
    with pytest.raises(ImageError):
        plan_vdso(image, host, lambda room: 0x10000)


@given(at=st.integers(0, 0x700), garbage=st.binary(min_size=1, max_size=16))
def test_no_damage_of_its_tables_gets_past_the_parser(host, at, garbage):
    content = bytearray(host.content)
    content[at : at + len(garbage)] = garbage
    try:
        functions = parse_functions(bytes(content))
    except ImageError:
        return
    assert all(0 <= offset < len(content) for offset in functions.values())


# The rest runs in children whose own vDSO is replaced.


def in_child(work: Callable[[], None]) -> None:
    pid = os.fork()
    if not pid:
        try:
            work()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    _, status = os.waitpid(pid, 0)
    assert status == 0, f"wait status {status:#x}"


def own_areas() -> Iterator[tuple[int, int, bytes]]:
    with open("/proc/self/maps", "rb") as maps:
        for line in maps:
            span, *_, name = line.split()
            if name in (b"[vvar]", b"[vvar_vclock]", b"[vdso]"):
                start, end = (int(number, 16) for number in span.split(b"-"))
                yield start, end, name


def free_room(room: int) -> int:
    """Space that nothing uses: taken for a moment to learn where it is."""
    at = kernel.checked(SYS_mmap, 0, room, 0, MAP_PRIVATE_ANON, 2**64 - 1, 0)
    kernel.checked(SYS_munmap, at, room)
    return at


def replace_own(plan: VdsoPlan, content: bytes) -> None:
    """Makes this process one that was restored: its vDSO is `content` with the plan's patches."""
    for start, end, _ in list(own_areas()):
        kernel.checked(SYS_munmap, start, end - start)
    for start, end in plan.plain:
        flags = MAP_PRIVATE_ANON | MAP_FIXED
        kernel.checked(SYS_mmap, start, end - start, 3, flags, 2**64 - 1, 0)
    code, end = plan.plain[-1]
    memory = kernel.view(code, end - code)
    memory[: len(content)] = content
    for address, patch in plan.patches:
        memory[address - code : address - code + len(patch)] = patch
    if len(plan.plain) > 1:
        kernel.checked(SYS_mprotect, plan.plain[0][0], plan.plain[0][1] - plan.plain[0][0], 1)
    kernel.checked(SYS_mprotect, code, end - code, 5)
    if plan.map_at is not None:
        kernel.checked(SYS_arch_prctl, ARCH_MAP_VDSO_64, plan.map_at)


def call(code: int, functions: dict[str, int], name: str, *types: type) -> Callable[..., int]:
    return ctypes.CFUNCTYPE(ctypes.c_long, *types)(code + functions[name])


def check_functions(code: int, functions: dict[str, int]) -> None:
    """The functions at the old addresses say what the system calls say."""
    pointer = ctypes.c_void_p
    stamp = (ctypes.c_long * 2)()
    for clock in (time.CLOCK_REALTIME, time.CLOCK_MONOTONIC, time.CLOCK_THREAD_CPUTIME_ID):
        result = call(code, functions, "__vdso_clock_gettime", ctypes.c_long, pointer)(
            clock, ctypes.addressof(stamp)
        )
        assert result & 0xFFFFFFFF == 0
        assert abs(stamp[0] + stamp[1] / 1e9 - time.clock_gettime(clock)) < 2
    get = call(code, functions, "__vdso_gettimeofday", pointer, pointer)
    assert get(ctypes.addressof(stamp), 0) & 0xFFFFFFFF == 0
    assert abs(stamp[0] - time.time()) < 2
    assert abs(call(code, functions, "__vdso_time", pointer)(0) - time.time()) < 2
    resolution = call(code, functions, "__vdso_clock_getres", ctypes.c_long, pointer)
    assert resolution(time.CLOCK_MONOTONIC, ctypes.addressof(stamp)) & 0xFFFFFFFF == 0
    assert (stamp[0], stamp[1]) == (0, 1)
    cpu = (ctypes.c_uint * 2)()
    where = call(code, functions, "__vdso_getcpu", pointer, pointer, pointer)
    assert where(ctypes.addressof(cpu), ctypes.addressof(cpu) + 4, 0) & 0xFFFFFFFF == 0
    assert cpu[0] < (os.cpu_count() or 1 << 12)
    if "__vdso_getrandom" in functions:
        bits = ctypes.create_string_buffer(32)
        size = ctypes.c_size_t
        random = call(
            code, functions, "__vdso_getrandom", pointer, size, ctypes.c_uint, pointer, size
        )
        assert random(ctypes.addressof(bits), 32, 0, 0, 0) == 32
        assert bits.raw != bytes(32)


def test_a_program_calls_on_through_another_kernels_vdso(host):
    """libc keeps its pointers into the old code: time.time() below goes through them, too."""
    content = another(host.content)

    def work() -> None:
        areas = list(own_areas())
        # Beside where the own one is, for the changed one may need another page.
        code = free_room(len(content) + host.before) + host.before
        image = image_of(content, host.before, code)
        plan = plan_vdso(image, host, lambda room: areas[0][0])
        assert plan.kind == PROXY
        replace_own(plan, content)
        check_functions(code, parse_functions(content))

    in_child(work)


def test_libc_goes_on_when_the_vdso_under_it_is_another(host):
    """The same functions at the same places, so that libc's pointers fit, with other code."""
    content = bytearray(host.content)
    functions = parse_functions(content)
    for offset in sorted(set(functions.values())):
        content[offset : offset + 14] = b"\x0f\x0b" * 7

    def work() -> None:
        areas = list(own_areas())
        before = time.time()
        image = image_of(bytes(content), areas[-1][0] - areas[0][0], areas[-1][0])
        plan = plan_vdso(image, host, free_room)
        replace_own(plan, bytes(content))
        assert 0 <= time.time() - before < 5
        check_functions(image.code, functions)
        # As a second dump sees it: one vDSO, this kernel's, and the old one ordinary memory.
        (named,) = [area for area in own_areas() if area[2] == b"[vdso]"]
        assert plan.map_at is not None
        assert named[0] == plan.map_at + host.before

    in_child(work)


@pytest.mark.parametrize("lacking", ["nothing at all", "a vDSO"])
def test_functions_that_this_kernel_lacks_become_system_calls(host, lacking):
    """A kernel without a vDSO, and one whose vDSO has none of them under these names."""
    content = another(host.content)
    bare = host.content if lacking == "nothing at all" else b""
    for name in sorted({name.removeprefix("__vdso_") for name in parse_functions(host.content)}):
        bare = bare.replace(name.encode() + b"\0", b"x" * len(name) + b"\0")
    other = VdsoHost(before=host.before, content=bare)

    def work() -> None:
        areas = list(own_areas())
        code = free_room(len(content) + host.before) + host.before
        image = image_of(content, host.before, code)
        plan = plan_vdso(image, other, lambda room: areas[0][0])
        assert plan.map_at == (areas[0][0] if bare else None)
        # Its own is kept here: what libc needs is not what is tested.
        functions = parse_functions(content)
        kernel.checked(SYS_mmap, code, len(content), 7, MAP_PRIVATE_ANON | MAP_FIXED, 2**64 - 1, 0)
        memory = kernel.view(code, len(content))
        memory[:] = content
        for address, patch in plan.patches:
            memory[address - code : address - code + len(patch)] = patch
        check_functions(code, functions)
        if "__vdso_getrandom" in functions:
            size = ctypes.c_size_t
            types = (ctypes.c_void_p, size, ctypes.c_uint, ctypes.c_void_p, size)
            ask = call(code, functions, "__vdso_getrandom", *types)
            assert ask(0, 0, 0, 0, 2**64 - 1) == -38  # ENOSYS: no state of its own

    in_child(work)


def test_the_substitutes_are_the_calls_of_the_same_name():
    for name, number in SYSCALLS.items():
        assert "__vdso_" + syscall_name(number) == name
