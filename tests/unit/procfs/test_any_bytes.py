"""Whatever bytes come, a parser answers with a value or with an error that shows them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crtools.errors import InternalError
from crtools.procfs.auxv import parse_auxv
from crtools.procfs.cgroup import parse_cgroup
from crtools.procfs.children import parse_children
from crtools.procfs.cpuinfo import parse_cpuinfo
from crtools.procfs.fdinfo import parse_fdinfo
from crtools.procfs.files import unescape
from crtools.procfs.limits import parse_limits
from crtools.procfs.map_files import parse_map_files_name
from crtools.procfs.maps import parse_maps
from crtools.procfs.mountinfo import parse_mountinfo
from crtools.procfs.ns import parse_namespace_link
from crtools.procfs.pagemap import parse_pagemap
from crtools.procfs.sched import parse_exec_start
from crtools.procfs.smaps import parse_smaps
from crtools.procfs.stat import parse_stat
from crtools.procfs.status import parse_status
from crtools.procfs.syscall import parse_syscall
from crtools.procfs.timers import parse_timers
from crtools.procfs.values import parse_comm, parse_number, parse_uptime

Parser = Callable[[bytes], object]

TIMERS = b"ID: 3\nsignal: 14/0000000000000003\nnotify: signal/pid.21968\nClockID: 0\n"


def live(path: str) -> Callable[[], bytes]:
    return Path(f"/proc/{path}").read_bytes


PARSERS: dict[str, tuple[Parser, Callable[[], bytes]]] = {
    "auxv": (parse_auxv, live("self/auxv")),
    "cgroup": (parse_cgroup, live("self/cgroup")),
    "children": (parse_children, lambda: b"12 14 "),
    "comm": (parse_comm, live("self/comm")),
    "cpuinfo": (parse_cpuinfo, live("cpuinfo")),
    "fdinfo": (parse_fdinfo, live("self/fdinfo/0")),
    "limits": (parse_limits, live("self/limits")),
    "map_files": (parse_map_files_name, lambda: b"55871214e000-55871214f000"),
    "maps": (parse_maps, live("self/maps")),
    "mountinfo": (parse_mountinfo, live("self/mountinfo")),
    "ns": (parse_namespace_link, lambda: b"net:[4026531833]"),
    "number": (lambda data: parse_number("x", data), lambda: b"1000\n"),
    "pagemap": (lambda data: parse_pagemap(data, 0), lambda: bytes(range(256)) * 4),
    "sched": (parse_exec_start, live("self/sched")),
    "smaps": (parse_smaps, live("self/smaps")),
    "stat": (parse_stat, live("self/stat")),
    "status": (parse_status, live("self/status")),
    "syscall": (parse_syscall, live("self/syscall")),
    "timers": (parse_timers, lambda: TIMERS * 3),
    "unescape": (unescape, lambda: b"a\\040b\\134c"),
    "uptime": (parse_uptime, live("uptime")),
}


_samples: dict[str, bytes] = {}


def check(parse: Parser, data: bytes) -> None:
    with contextlib.suppress(InternalError):
        parse(data)


@pytest.mark.parametrize("name", PARSERS)
@given(data=st.data())
def test_bytes_of_any_kind_give_a_value_or_an_error(name: str, data: st.DataObject) -> None:
    parse, _ = PARSERS[name]
    text = st.lists(
        st.sampled_from([b"\n", b" ", b":", b"-", b"\t", b"0", b"1f", b"(", b")", b"[", b"/", b"."])
        | st.binary(max_size=4)
    ).map(b"".join)
    check(parse, data.draw(st.binary(max_size=300) | text))


@pytest.mark.parametrize("name", PARSERS)
@given(data=st.data())
def test_real_text_with_a_part_replaced_gives_a_value_or_an_error(
    name: str, data: st.DataObject
) -> None:
    parse, sample = PARSERS[name]
    try:
        # Once: numbers in a file of /proc grow digits meanwhile, and examples are drawn from it.
        text = _samples.get(name) or _samples.setdefault(name, sample())
    except FileNotFoundError:
        pytest.skip(f"the kernel has no {name}")
    begin = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(begin, min(len(text), begin + 20)))
    check(parse, text[:begin] + data.draw(st.binary(max_size=8)) + text[end:])


@pytest.mark.parametrize("name", PARSERS)
def test_the_real_text_itself_gives_a_value(name: str) -> None:
    parse, sample = PARSERS[name]
    try:
        text = sample()
    except FileNotFoundError:
        pytest.skip(f"the kernel has no {name}")
    parse(text)
