"""parse_mountinfo: optional fields, escapes, empty sources."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crtools.errors import InternalError
from crtools.procfs.mountinfo import Mount, parse_mountinfo, read_mountinfo

SAMPLE = b"""\
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard
36 27 0:30 /sub /a\\040b\\134\\012 ro shared:1 master:2 propagate_from:3 - tmpfs a\\043b rw,\\040
37 27 0:31 / /none rw unbindable - tmpfs  rw,size=4k
38 27 0:4 net:[4026531833] /run/netns/x rw future:9 - nsfs nsfs rw
39 27 254:0 /gone//deleted /mnt/gone rw - fuse.sshfs h:/ rw
"""


def test_every_column_is_read() -> None:
    mounts = parse_mountinfo(SAMPLE)
    assert list(mounts) == [27, 36, 37, 38, 39]
    assert mounts[36] == Mount(
        mnt_id=36,
        parent_id=27,
        dev=(0, 30),
        root=b"/sub",
        mountpoint=b"/a b\\\n",
        options=b"ro",
        shared=1,
        master=2,
        propagate_from=3,
        unbindable=False,
        fstype=b"tmpfs",
        source=b"a#b",
        super_options=b"rw, ",
        deleted=False,
    )
    assert (mounts[27].shared, mounts[27].master, mounts[27].unbindable) == (None, None, False)


def test_a_mount_may_have_no_source() -> None:
    mount = parse_mountinfo(SAMPLE)[37]
    assert (mount.source, mount.super_options, mount.unbindable) == (b"", b"rw,size=4k", True)


def test_roots_that_are_no_directories() -> None:
    mounts = parse_mountinfo(SAMPLE)
    assert mounts[38].root == b"net:[4026531833]"
    assert (mounts[39].root, mounts[39].deleted) == (b"/gone", True)


@pytest.mark.parametrize(
    "line",
    [
        b"27 1 254:0 / / rw,relatime\n",
        b"27 1 254 / / rw - ext4 a b\n",
        b"27 1 254:0 / / rw - ext4\n",
        b"x 1 254:0 / / rw - ext4 a b\n",
        b"27 1 254:0 / / rw shared:x - ext4 a b\n",
        b"\n",
    ],
)
def test_an_odd_line_is_named(line: bytes) -> None:
    with pytest.raises(InternalError) as caught:
        parse_mountinfo(SAMPLE + line)
    assert repr(line[:-1]) in str(caught.value)


def test_a_cut_file_is_no_mounts_less() -> None:
    with pytest.raises(InternalError, match="cut off"):
        parse_mountinfo(SAMPLE[:-1])


def test_our_own_mounts(proc: int) -> None:
    mounts = read_mountinfo(proc, os.getpid())
    (proc_mount,) = [mount for mount in mounts.values() if mount.mountpoint == b"/proc"][-1:]
    assert proc_mount.fstype == b"proc"
    device = os.stat("/proc").st_dev
    assert proc_mount.dev == (os.major(device), os.minor(device))
    assert proc_mount.parent_id in mounts


def escape(text: bytes) -> bytes:
    return b"".join(b"\\%03o" % byte if byte in b" \t\n\\#" else bytes([byte]) for byte in text)


names = st.binary(max_size=20).map(lambda name: name.replace(b"\0", b""))


@given(names, names, names)
def test_names_of_any_bytes_come_back(mountpoint: bytes, source: bytes, option: bytes) -> None:
    line = b"1 2 3:4 / /%s rw,nosuid shared:7 - tmpfs %s rw,x=%s\n" % (
        escape(mountpoint),
        escape(source),
        escape(option),
    )
    mount = parse_mountinfo(line)[1]
    assert (mount.mountpoint, mount.source) == (b"/" + mountpoint, source)
    assert (mount.super_options, mount.shared) == (b"rw,x=" + option, 7)
