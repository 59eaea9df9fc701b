"""Files that are of no kind that is carried over: what they are, and what can be done about it."""

from __future__ import annotations

import os
from stat import S_IFCHR, S_IFMT, S_IFSOCK

from crtools.abi.fcntl import O_PATH
from crtools.kinds.files.nameless import DMABUF, TRACING, explain_anonymous, explain_device
from crtools.kinds.files.path import is_secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.kinds.files.base import OpenFile

_CLOSE = "let the program close it before the dump"


def explain(file: OpenFile) -> tuple[str, str, str]:
    """What it is, why it can't be dumped, what to do: a clause each, as an error has them."""
    link = file.link
    kind = S_IFMT(file.stat.st_mode)
    head, _, rest = link.partition(b":")
    if file.flags & O_PATH:
        return (
            "it is an O_PATH descriptor of something without a path",
            f"the kernel names it {_text(link)}",
            _CLOSE,
        )
    if kind == S_IFSOCK or head == b"socket":
        return _explain_socket(file)
    if head == b"anon_inode":
        words = explain_anonymous(rest)
        if words is not None:
            return f"it is {words[0]}", *words[1:]
        what = f"it is a file of the kernel's, {_text(link)}"
        return what, "crtools knows nothing of such files", _CLOSE
    if is_secret(file):
        return (
            "it is secret memory (memfd_secret)",
            "nobody but the program itself may read it, not even the kernel on its behalf",
            _CLOSE,
        )
    if link.startswith(DMABUF):
        return (
            "it is a buffer of a device's (dma-buf)",
            "it is memory that a device works with",
            _CLOSE,
        )
    if kind == S_IFCHR:
        return _explain_device(file)
    if link.startswith(TRACING):
        return (
            f"it is {_text(link)}, a file of debugfs or tracefs",
            "opening or reading one may do anything, and what it remembers is told by nothing",
            _CLOSE,
        )
    return (
        f"it is {_text(link)}, a file of no kind that crtools knows",
        f"its type and permissions are {file.stat.st_mode:o}",
        _CLOSE,
    )


# Address families (linux/socket.h), and what of them has a protocol worth a name of its own.
_FAMILIES = {
    1: "unix",
    2: "IPv4",
    3: "AX.25",
    4: "IPX",
    5: "AppleTalk",
    9: "X.25",
    10: "IPv6",
    15: "PF_KEY (IPsec)",
    16: "netlink",
    17: "packet",
    21: "RDS",
    24: "PPPoX",
    26: "LLC",
    27: "InfiniBand",
    28: "MPLS",
    29: "CAN",
    30: "TIPC",
    31: "Bluetooth",
    33: "RxRPC",
    35: "Phonet",
    36: "IEEE 802.15.4",
    38: "kernel crypto (AF_ALG)",
    39: "NFC",
    40: "vsock",
    41: "KCM",
    42: "Qualcomm IPC router",
    43: "SMC",
    44: "XDP",
    45: "MCTP",
}
_PROTOCOLS = {6: "TCP", 17: "UDP", 33: "DCCP", 132: "SCTP", 136: "UDP-Lite", 262: "MPTCP"}
_TYPES = {1: "stream", 2: "datagram", 3: "raw", 4: "RDM", 5: "seqpacket", 6: "DCCP", 10: "packet"}


def _explain_socket(file: OpenFile) -> tuple[str, str, str]:
    number = f"inode {file.stat.st_ino}"
    if file.socket is None:
        return f"it is a socket, {number}", "crtools does not carry it yet", _CLOSE
    family, type, protocol = file.socket
    words = [_FAMILIES.get(family, f"family {family}")]
    if family in (2, 10):
        name = _PROTOCOLS.get(protocol, f"protocol {protocol}")
        words.append(name if type != 3 else f"raw, protocol {protocol}")
    else:
        words.append(_TYPES.get(type, f"type {type}"))
        if protocol:
            words.append(f"protocol {protocol}")
    return (
        f"it is a socket ({', '.join(words)}), {number}",
        "crtools does not carry such sockets yet",
        _CLOSE,
    )


def _explain_device(file: OpenFile) -> tuple[str, str, str]:
    device = file.stat.st_rdev
    major, minor = os.major(device), os.minor(device)
    what = f"it is the device {_text(file.link)}, {major}:{minor}"
    because, hint = "a driver may keep state for an open device that nobody can read", _CLOSE
    words = explain_device(file.link, device)
    if words is not None:
        what, because, hint = f"{what}, {words[0]}", *words[1:]
    return (
        what,
        because,
        f"{hint}; or --external dev[{major}/{minor}]:NAME, if another open is as good",
    )


def _text(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace")
