"""Ids, groups, capabilities, securebits, no_new_privs of a task: credentials(7), capabilities(7).

Threads may differ, so each has its own entry and sets its own.
"""

from __future__ import annotations

import struct

from crtools.agent.program import Program
from crtools.errors import ImageError, RestoreConflict
from crtools.images.messages.creds import CredsEntry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from crtools.procfs.status import Status

SYS_setfsuid, SYS_setfsgid, SYS_setgroups, SYS_setresuid, SYS_setresgid = 122, 123, 116, 117, 119
SYS_capset, SYS_prctl = 126, 157
PR_SET_KEEPCAPS, PR_CAPBSET_DROP, PR_SET_SECUREBITS, PR_SET_NO_NEW_PRIVS = 8, 24, 28, 38
PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, PR_CAP_AMBIENT_CLEAR_ALL = 47, 2, 4
SECBIT_NO_SETUID_FIXUP = 1 << 2  # linux/securebits.h
_CAPABILITY_VERSION_3 = 0x20080522  # linux/capability.h


def words(capabilities: int) -> tuple[int, int]:
    return capabilities & 0xFFFFFFFF, capabilities >> 32


def number(parts: Sequence[int]) -> int:
    value = 0
    for index, part in enumerate(parts):
        value |= part << (32 * index)
    return value


def credentials(status: Status, securebits: int) -> CredsEntry:
    uids, gids = status.uids, status.gids
    return CredsEntry(
        uid=uids[0],
        euid=uids[1],
        suid=uids[2],
        fsuid=uids[3],
        gid=gids[0],
        egid=gids[1],
        sgid=gids[2],
        fsgid=gids[3],
        cap_inh=words(status.cap_inheritable),
        cap_prm=words(status.cap_permitted),
        cap_eff=words(status.cap_effective),
        cap_bnd=words(status.cap_bounding),
        cap_amb=words(status.cap_ambient or 0),
        secbits=securebits,
        groups=status.groups,
        no_new_privs=status.no_new_privs or None,
    )


class Host:
    """What the tool itself is, and so every skeleton before its credentials are set."""

    __slots__ = ("status",)

    def __init__(self, status: Status) -> None:
        self.status = status

    @property
    def may_raise(self) -> bool:
        """Whether it has CAP_SYS_RESOURCE."""
        return bool(self.status.cap_effective & 1 << 24)

    def check(self, creds: CredsEntry, name: str) -> None:
        """Raises RestoreConflict for what only more privilege could bring back."""
        missing = number(creds.cap_prm) & ~self.status.cap_permitted
        if missing:
            raise RestoreConflict(
                f"Cannot restore {name}: it had capabilities that crtools has not",
                because=f"missing (as in capsh --decode): {missing:#x}",
                hint="run crtools restore with the capabilities that the task had",
            )

    def same(self, creds: CredsEntry) -> bool:
        """Whether there is nothing to set."""
        status = self.status
        return (
            status.uids == (creds.uid, creds.euid, creds.suid, creds.fsuid)
            and status.gids == (creds.gid, creds.egid, creds.sgid, creds.fsgid)
            and tuple(status.groups) == tuple(creds.groups)
            and status.cap_inheritable == number(creds.cap_inh)
            and status.cap_permitted == number(creds.cap_prm)
            and status.cap_effective == number(creds.cap_eff)
            and status.cap_bounding == number(creds.cap_bnd)
            and (status.cap_ambient or 0) == number(creds.cap_amb)
            and not creds.secbits
            and not creds.no_new_privs
        )


def build_credentials(program: Program, creds: CredsEntry, host: Host) -> None:
    """Last of all but registers: afterwards the task can do no more than it could.

    The order: groups and bounding set while still privileged; ids with SECBIT_NO_SETUID_FIXUP, so
    that they leave capabilities alone; then capabilities; then securebits would need CAP_SETPCAP
    again, so they are set before the capabilities with KEEP_CAPS as they were.
    """
    if host.same(creds):
        return
    if max((creds.uid, creds.gid, *creds.groups)) > 0xFFFFFFFE:
        raise ImageError("A core image has impossible credentials")
    status = host.status
    for capability in range(64):
        bit = 1 << capability
        if status.cap_bounding & bit and not number(creds.cap_bnd) & bit:
            program.call(
                SYS_prctl, PR_CAPBSET_DROP, capability, label=f"drop capability {capability}"
            )
    if tuple(status.groups) != tuple(creds.groups):
        groups = program.put(struct.pack(f"<{len(creds.groups)}I", *creds.groups))
        program.call(SYS_setgroups, len(creds.groups), groups, label="set its groups")
    privileged = bool(status.cap_effective & 1 << 8)  # CAP_SETPCAP
    if privileged:
        program.call(
            SYS_prctl, PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, label="keep capabilities"
        )
    program.call(SYS_setresgid, creds.gid, creds.egid, creds.sgid, label="set its group ids")
    program.call(SYS_setfsgid, creds.fsgid)
    program.call(SYS_setresuid, creds.uid, creds.euid, creds.suid, label="set its user ids")
    program.call(SYS_setfsuid, creds.fsuid)
    if privileged:
        program.call(SYS_prctl, PR_SET_SECUREBITS, creds.secbits, label="set its securebits")
    header = program.put(struct.pack("<Ii", _CAPABILITY_VERSION_3, 0))
    effective, permitted, inheritable = (
        words(number(c)) for c in (creds.cap_eff, creds.cap_prm, creds.cap_inh)
    )
    data = program.put(
        struct.pack(
            "<6I",
            *(effective[0], permitted[0], inheritable[0]),
            *(effective[1], permitted[1], inheritable[1]),
        )
    )
    program.call(SYS_capset, header, data, label="set its capabilities")
    ambient = number(creds.cap_amb)
    if (status.cap_ambient or 0) & ~ambient:
        program.call(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    for capability in range(64):
        if ambient & 1 << capability:
            program.call(
                SYS_prctl,
                PR_CAP_AMBIENT,
                PR_CAP_AMBIENT_RAISE,
                capability,
                0,
                0,
                label=f"raise ambient capability {capability}",
            )
    if creds.no_new_privs:
        program.call(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, label="set no_new_privs")
