"""What generated messages stand on: values at the limits, and data that nobody should trust."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crtools.errors import ImageError
from crtools.images import wire
from crtools.images.messages.cgroup import CgroupDirEntry
from crtools.images.messages.core import CoreEntry, TaskCoreEntry, ThreadCoreEntry
from crtools.images.messages.core_x86 import UserX86XsaveEntry
from crtools.images.messages.creds import CredsEntry
from crtools.images.messages.fdinfo import FdinfoEntry, FdTypes
from crtools.images.messages.netdev import NetnsId
from crtools.images.messages.pstree import PstreeEntry
from crtools.images.messages.sa import SaEntry
from crtools.images.messages.timer import ItimerEntry, TaskTimersEntry
from crtools.images.messages.vma import VmaEntry
from crtools.images.wire import Sharing, encode_varint, read_varint64


def vma(**changes: int) -> VmaEntry:
    fields = {"start": 0x1000, "end": 0x2000, "pgoff": 0, "shmid": 0}
    return VmaEntry(**fields | {"prot": 3, "flags": 2, "status": 1, "fd": -1} | changes)


@given(st.integers(0, 2**64 - 1))
def test_varints_of_all_sizes_survive(value):
    data = encode_varint(value)
    assert len(data) == max(1, -(-value.bit_length() // 7))
    if value > 127:
        assert read_varint64(data + b"\xff", 1, data[0]) == (value, len(data))


@pytest.mark.parametrize(
    "changes",
    [
        {"start": -1},
        {"end": 2**64},
        {"prot": 2**32},
        {"fd": 2**63},
        {"fd": -(2**63) - 1},
        {"flags": None},
        {"madv": "4"},
        {"status": [1]},
    ],
)
def test_an_impossible_value_is_refused_by_name(changes):
    with pytest.raises(ImageError) as caught:
        vma(**changes).encode()
    assert next(iter(changes)) in caught.value.because
    assert "vma_entry" in caught.value.what


def test_a_wrong_message_in_a_field_is_refused_by_name():
    with pytest.raises(ImageError, match="mtype"):
        CoreEntry(mtype="x").encode()
    with pytest.raises(ImageError, match="tc"):
        CoreEntry(mtype=1, tc=object()).encode()
    with pytest.raises(ImageError, match="threads"):
        PstreeEntry(pid=1, ppid=0, pgid=1, sid=1, threads=[1, -1]).encode()


def test_unknown_fields_survive():
    data = vma().encode() + b"\xc2\x3e\x03abc" + b"\xc8\x3e\x05" + b"\xc9\x3e12345678\xcd\x3e1234"
    message = VmaEntry.decode(data)
    assert message.unknown.startswith(b"\xc2\x3e\x03abc")
    assert message.encode() == data


def test_fields_in_any_order_are_read():
    parts = [bytes([number << 3, value]) for number, value in enumerate(range(8, 16), 1)]
    forward = VmaEntry.decode(b"".join(parts))
    assert forward.start == 8
    assert forward.status == 14
    assert VmaEntry.decode(b"".join(reversed(parts))) == forward


def test_the_last_of_a_repeated_single_field_counts():
    message = VmaEntry.decode(vma().encode() + b"\x08\x07")
    assert message == vma(start=7)


def test_a_single_message_that_comes_in_parts_is_merged():
    real = ItimerEntry(isec=1, iusec=2, vsec=3, vusec=4)
    timers = TaskTimersEntry(real=real, virt=real, prof=real)
    again = TaskTimersEntry.decode(timers.encode() + b"\x0a\x02\x10\x09")
    assert again.real == ItimerEntry(isec=1, iusec=9, vsec=3, vusec=4)


def test_packed_arrays_are_read():
    base = PstreeEntry(pid=1, ppid=0, pgid=1, sid=1).encode()
    packed = PstreeEntry.decode(base + b"\x2a\x04\x01\x02\x80\x01" + b"\x28\x05")
    assert packed.threads == [1, 2, 128, 5]
    assert packed.encode() == base + b"\x28\x01\x28\x02\x28\x80\x01\x28\x05"


@given(
    st.lists(st.sampled_from([0, 1, 127, 128, 300, 2**32, 2**64 - 1]), max_size=700),
    st.sampled_from(["zmm_upper", "hi16_zmm"]),
)
def test_runs_of_small_and_large_values_are_read(values, name):
    message = UserX86XsaveEntry(xstate_bv=2, **{name: values}, pkru=[5])
    assert UserX86XsaveEntry.decode(message.encode()) == message


@pytest.mark.parametrize("value", [0, -1, 2**31 - 1, -(2**31)])
def test_signed_values_survive(value):
    message = NetnsId(target_ns_id=1, netnsid_value=value)
    assert NetnsId.decode(message.encode()) == message


def test_a_negative_value_of_32_bits_is_read_too():
    data = b"\x08\x01\x10\xff\xff\xff\xff\x0f"
    assert NetnsId.decode(data).netnsid_value == -1


def test_text_that_is_no_utf8_survives():
    core = TaskCoreEntry(
        task_state=1, exit_code=0, personality=0, flags=0, blk_sigset=0, comm="a\udcff"
    )
    assert b"\x32\x02a\xff" in core.encode()
    assert TaskCoreEntry.decode(core.encode()) == core


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"\x08", "start.*ends inside"),
        (b"\x08\x80", "start.*ends inside"),
        (b"\x08" + b"\xff" * 11, "start.*more than 10 bytes"),
        (b"\x08" + b"\xff" * 9 + b"\x7f", "start.*more than 64 bits"),
        (b"\x28\x80\x80\x80\x80\x10", "prot.*more than 32 bits"),
        (b"\x0a\x01a", "start.*wire type is 2, not 0"),
        (b"\x00\x01", "number 0"),
        (b"\x80", "cut short"),
        (b"\x0b", "start.*wire type 3"),
        (b"\xc2\x3e\x05ab", "field 1000.*3 bytes more"),
        (b"\xc1\x3e\x05ab", "field 1000.*5 bytes more"),
        (b"\x08\x01", "end.*required field is missing"),
        (b"", "start.*required field is missing"),
    ],
)
def test_damage_is_named(data, says):
    with pytest.raises(ImageError, match=f"(?s)vma_entry.*{says}"):
        VmaEntry.decode(data)


def test_a_bool_is_0_or_1():
    good = SaEntry(sigaction=0, flags=0, restorer=0, mask=0, compat_sigaction=True).encode()
    assert good.endswith(b"\x28\x01")
    for wrong in (b"\x02", b"\x7f", b"\x80\x00", b"\x82\x01"):
        data = good[:-1] + wrong
        if wrong == b"\x80\x00":  # a padded varint is a 0 all the same
            assert SaEntry.decode(data).compat_sigaction is False
            continue
        with pytest.raises(ImageError, match="neither 0 nor 1"):
            SaEntry.decode(data)


def test_an_unknown_enum_value_stays_a_number():
    message = FdinfoEntry(id=1, flags=0, type=77, fd=0)
    assert FdinfoEntry.decode(message.encode()).type == 77
    assert 77 not in FdTypes.NAMES


def test_a_message_may_not_reach_beyond_its_end():
    inner = ItimerEntry(isec=1, iusec=2, vsec=3, vusec=4).encode()
    # The inner length is one short: its last field would be read from the outer message.
    data = b"\x0a" + bytes([len(inner) - 1]) + inner
    with pytest.raises(ImageError, match="itimer_entry"):
        TaskTimersEntry.decode(data)


def test_messages_nested_without_end_are_refused():
    data = b""
    for _ in range(3000):
        data = b"\x0a\x01a" + b"\x12" + encode_varint(len(data)) + data
    with pytest.raises(ImageError, match="nested too deep"):
        CgroupDirEntry.decode(data)


def test_many_unknown_fields_take_linear_time():
    # A fast way that began anew for each would take hours.
    data = b"\x28\x05\x20\x05" * 100_000
    base = PstreeEntry(pid=1, ppid=0, pgid=1, sid=1).encode()
    assert len(PstreeEntry.decode(base + data).threads) == 100_000


def test_equality_looks_at_content_not_at_the_type_of_sequences():
    names = ("uid", "gid", "euid", "egid", "suid", "sgid", "fsuid", "fsgid", "secbits")
    fields = dict.fromkeys(names, 1)
    message = CredsEntry(**fields, groups=(1, 2))
    assert message == CredsEntry(**fields, groups=[1, 2])
    assert message != CredsEntry(**fields, groups=[1, 3])
    assert message != vma()
    assert "groups=(1, 2)" in repr(message)


def test_what_threads_have_in_common_is_read_once_while_that_is_asked_for():
    core = CoreEntry(mtype=1, thread_core=thread_with(uid=7))
    first = CoreEntry.decode(core.encode())
    with Sharing():
        second, third = CoreEntry.decode(core.encode()), CoreEntry.decode(core.encode())
        other = CoreEntry.decode(CoreEntry(mtype=1, thread_core=thread_with(uid=8)).encode())
    fourth = CoreEntry.decode(core.encode())
    assert first == second == third == fourth
    assert second.thread_core.creds is third.thread_core.creds
    assert second.thread_core is not third.thread_core
    assert other.thread_core.creds.uid == 8
    # Afterwards each is its reader's own again: one that is changed changes no other.
    assert fourth.thread_core.creds is not second.thread_core.creds
    fourth.thread_core.creds.uid = 9
    assert CoreEntry.decode(core.encode()).thread_core.creds.uid == 7


def test_of_many_different_messages_no_end_of_memory_is_kept():
    with Sharing():
        for uid in range(1000):
            core = CoreEntry(mtype=1, thread_core=thread_with(uid=uid))
            assert CoreEntry.decode(core.encode()).thread_core.creds.uid == uid
            assert len(wire._met) <= wire._MET


def test_damage_in_a_message_that_may_be_shared_is_told_with_its_place():
    data = CoreEntry(mtype=1, thread_core=thread_with(uid=7)).encode()
    damaged = data.replace(b"\x08\x07\x10\x00", b"\x08\x07\x10\xff", 1)
    assert damaged != data
    texts = []
    for context in (Sharing(), nullcontext()):
        with context, pytest.raises(ImageError) as error:
            CoreEntry.decode(damaged)
        texts.append((error.value.what, error.value.because, error.value.subject))
    assert texts[0] == texts[1]


def thread_with(uid: int) -> ThreadCoreEntry:
    ids = dict.fromkeys(("gid", "euid", "egid", "suid", "sgid", "fsuid", "fsgid", "secbits"), 0)
    return ThreadCoreEntry(
        futex_rla=0, futex_rla_len=0, creds=CredsEntry(uid=uid, **ids), comm="name"
    )
