"""Generated from proto/creds.proto by tools/generate_messages.py: do not edit."""

from __future__ import annotations

from crtools.images.wire import (
    Message,
    bad_value,
    field,
    find_damage,
    finish,
    read_run,
    read_varint32,
    require,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Self

_length_15 = field(15, "length")
_length_16 = field(16, "length")
_length_17 = field(17, "length")
_uint32_1 = field(1, "uint32")
_uint32_2 = field(2, "uint32")
_uint32_3 = field(3, "uint32")
_uint32_4 = field(4, "uint32")
_uint32_5 = field(5, "uint32")
_uint32_6 = field(6, "uint32")
_uint32_7 = field(7, "uint32")
_uint32_8 = field(8, "uint32")
_uint32_9 = field(9, "uint32")
_uint32_10 = field(10, "uint32")
_uint32_11 = field(11, "uint32")
_uint32_12 = field(12, "uint32")
_uint32_13 = field(13, "uint32")
_uint32_14 = field(14, "uint32")
_uint32_18 = field(18, "uint32")
_uint32_19 = field(19, "uint32")


class CredsEntry(Message):
    """Credentials of a thread."""

    __slots__ = (
        "uid",
        "gid",
        "euid",
        "egid",
        "suid",
        "sgid",
        "fsuid",
        "fsgid",
        "cap_inh",
        "cap_prm",
        "cap_eff",
        "cap_bnd",
        "secbits",
        "groups",
        "lsm_profile",
        "lsm_sockcreate",
        "apparmor_data",
        "no_new_privs",
        "cap_amb",
    )

    NAME = "creds_entry"
    FIELDS = (
        (1, "uid", "required", "uint32", None, None, None),
        (2, "gid", "required", "uint32", None, None, None),
        (3, "euid", "required", "uint32", None, None, None),
        (4, "egid", "required", "uint32", None, None, None),
        (5, "suid", "required", "uint32", None, None, None),
        (6, "sgid", "required", "uint32", None, None, None),
        (7, "fsuid", "required", "uint32", None, None, None),
        (8, "fsgid", "required", "uint32", None, None, None),
        (9, "cap_inh", "repeated", "uint32", None, None, None),
        (10, "cap_prm", "repeated", "uint32", None, None, None),
        (11, "cap_eff", "repeated", "uint32", None, None, None),
        (12, "cap_bnd", "repeated", "uint32", None, None, None),
        (13, "secbits", "required", "uint32", None, None, None),
        (14, "groups", "repeated", "uint32", None, None, None),
        (15, "lsm_profile", "optional", "string", None, None, None),
        (16, "lsm_sockcreate", "optional", "string", None, None, None),
        (17, "apparmor_data", "optional", "bytes", None, None, None),
        (18, "no_new_privs", "optional", "uint32", None, None, None),
        (19, "cap_amb", "repeated", "uint32", None, None, None),
    )

    def __init__(
        self,
        *,
        uid: int,
        gid: int,
        euid: int,
        egid: int,
        suid: int,
        sgid: int,
        fsuid: int,
        fsgid: int,
        cap_inh: Sequence[int] = (),
        cap_prm: Sequence[int] = (),
        cap_eff: Sequence[int] = (),
        cap_bnd: Sequence[int] = (),
        secbits: int,
        groups: Sequence[int] = (),
        lsm_profile: str | None = None,
        lsm_sockcreate: str | None = None,
        apparmor_data: bytes | None = None,
        no_new_privs: int | None = None,
        cap_amb: Sequence[int] = (),
        unknown: bytes = b"",
    ) -> None:
        self.uid = uid
        self.gid = gid
        self.euid = euid
        self.egid = egid
        self.suid = suid
        self.sgid = sgid
        self.fsuid = fsuid
        self.fsgid = fsgid
        self.cap_inh = cap_inh
        self.cap_prm = cap_prm
        self.cap_eff = cap_eff
        self.cap_bnd = cap_bnd
        self.secbits = secbits
        self.groups = groups
        self.lsm_profile = lsm_profile
        self.lsm_sockcreate = lsm_sockcreate
        self.apparmor_data = apparmor_data
        self.no_new_privs = no_new_privs
        self.cap_amb = cap_amb
        self.unknown = unknown

    def encode(self) -> bytes:
        try:
            return b"".join(
                [
                    _uint32_1[self.uid],
                    _uint32_2[self.gid],
                    _uint32_3[self.euid],
                    _uint32_4[self.egid],
                    _uint32_5[self.suid],
                    _uint32_6[self.sgid],
                    _uint32_7[self.fsuid],
                    _uint32_8[self.fsgid],
                    *map(_uint32_9.__getitem__, self.cap_inh),
                    *map(_uint32_10.__getitem__, self.cap_prm),
                    *map(_uint32_11.__getitem__, self.cap_eff),
                    *map(_uint32_12.__getitem__, self.cap_bnd),
                    _uint32_13[self.secbits],
                    *map(_uint32_14.__getitem__, self.groups),
                    b""
                    if self.lsm_profile is None
                    else _length_15[len(b := self.lsm_profile.encode("utf-8", "surrogateescape"))] + b,
                    b""
                    if self.lsm_sockcreate is None
                    else _length_16[len(b := self.lsm_sockcreate.encode("utf-8", "surrogateescape"))] + b,
                    b""
                    if self.apparmor_data is None
                    else _length_17[len(b := self.apparmor_data)] + b,
                    b"" if self.no_new_privs is None else _uint32_18[self.no_new_privs],
                    *map(_uint32_19.__getitem__, self.cap_amb),
                    self.unknown,
                ]
            )
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise bad_value(self, error) from None

    @classmethod
    def read_at(cls, buf: bytes, at: int, stop: int) -> Self:
        uid: Any = None
        gid: Any = None
        euid: Any = None
        egid: Any = None
        suid: Any = None
        sgid: Any = None
        fsuid: Any = None
        fsgid: Any = None
        cap_inh: Any = ()
        cap_prm: Any = ()
        cap_eff: Any = ()
        cap_bnd: Any = ()
        secbits: Any = None
        groups: Any = ()
        lsm_profile: Any = None
        lsm_sockcreate: Any = None
        apparmor_data: Any = None
        no_new_privs: Any = None
        cap_amb: Any = ()
        begin = at
        try:
            tag = buf[at] if at < stop else 0
            if tag == 8:
                uid = buf[at + 1]
                at += 2
                if uid > 127:
                    uid, at = read_varint32(buf, at, uid)
                tag = buf[at] if at < stop else 0
            if tag == 16:
                gid = buf[at + 1]
                at += 2
                if gid > 127:
                    gid, at = read_varint32(buf, at, gid)
                tag = buf[at] if at < stop else 0
            if tag == 24:
                euid = buf[at + 1]
                at += 2
                if euid > 127:
                    euid, at = read_varint32(buf, at, euid)
                tag = buf[at] if at < stop else 0
            if tag == 32:
                egid = buf[at + 1]
                at += 2
                if egid > 127:
                    egid, at = read_varint32(buf, at, egid)
                tag = buf[at] if at < stop else 0
            if tag == 40:
                suid = buf[at + 1]
                at += 2
                if suid > 127:
                    suid, at = read_varint32(buf, at, suid)
                tag = buf[at] if at < stop else 0
            if tag == 48:
                sgid = buf[at + 1]
                at += 2
                if sgid > 127:
                    sgid, at = read_varint32(buf, at, sgid)
                tag = buf[at] if at < stop else 0
            if tag == 56:
                fsuid = buf[at + 1]
                at += 2
                if fsuid > 127:
                    fsuid, at = read_varint32(buf, at, fsuid)
                tag = buf[at] if at < stop else 0
            if tag == 64:
                fsgid = buf[at + 1]
                at += 2
                if fsgid > 127:
                    fsgid, at = read_varint32(buf, at, fsgid)
                tag = buf[at] if at < stop else 0
            if tag == 72:
                cap_inh, at = read_run(buf, at, stop, b"\x48", "uint32")
                tag = buf[at] if at < stop else 0
            if tag == 80:
                cap_prm, at = read_run(buf, at, stop, b"\x50", "uint32")
                tag = buf[at] if at < stop else 0
            if tag == 88:
                cap_eff, at = read_run(buf, at, stop, b"\x58", "uint32")
                tag = buf[at] if at < stop else 0
            if tag == 96:
                cap_bnd, at = read_run(buf, at, stop, b"\x60", "uint32")
                tag = buf[at] if at < stop else 0
            if tag == 104:
                secbits = buf[at + 1]
                at += 2
                if secbits > 127:
                    secbits, at = read_varint32(buf, at, secbits)
                tag = buf[at] if at < stop else 0
            if tag == 112:
                groups, at = read_run(buf, at, stop, b"\x70", "uint32")
                tag = buf[at] if at < stop else 0
            if tag == 122:
                span = buf[at + 1]
                at += 2
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                lsm_profile = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
            if tag == 130 and buf[at + 1] == 1:
                span = buf[at + 2]
                at += 3
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                lsm_sockcreate = buf[at - span : at].decode("utf-8", "surrogateescape")
                tag = buf[at] if at < stop else 0
            if tag == 138 and buf[at + 1] == 1:
                span = buf[at + 2]
                at += 3
                if span > 127:
                    span, at = read_varint32(buf, at, span)
                at += span
                if at > stop:
                    raise IndexError
                apparmor_data = buf[at - span : at]
                tag = buf[at] if at < stop else 0
            if tag == 144 and buf[at + 1] == 1:
                no_new_privs = buf[at + 2]
                at += 3
                if no_new_privs > 127:
                    no_new_privs, at = read_varint32(buf, at, no_new_privs)
                tag = buf[at] if at < stop else 0
            if tag == 152 and buf[at + 1] == 1:
                cap_amb, at = read_run(buf, at, stop, b"\x98\x01", "uint32")
                tag = buf[at] if at < stop else 0
        except (IndexError, ValueError):
            raise find_damage(cls, buf, begin, stop) from None
        new = object.__new__(cls)
        new.uid = uid
        new.gid = gid
        new.euid = euid
        new.egid = egid
        new.suid = suid
        new.sgid = sgid
        new.fsuid = fsuid
        new.fsgid = fsgid
        new.cap_inh = cap_inh
        new.cap_prm = cap_prm
        new.cap_eff = cap_eff
        new.cap_bnd = cap_bnd
        new.secbits = secbits
        new.groups = groups
        new.lsm_profile = lsm_profile
        new.lsm_sockcreate = lsm_sockcreate
        new.apparmor_data = apparmor_data
        new.no_new_privs = no_new_privs
        new.cap_amb = cap_amb
        new.unknown = b""
        if at != stop:
            finish(new, buf, begin, at, stop)
        if (
            uid is None
            or gid is None
            or euid is None
            or egid is None
            or suid is None
            or sgid is None
            or fsuid is None
            or fsgid is None
            or secbits is None
        ):
            require(new, begin)
        return new
