"""Ids, groups, capabilities, securebits, no_new_privs of a task: credentials(7), capabilities(7).

Threads may differ, so each has its own entry and sets its own.
"""

from __future__ import annotations

import struct

from crtools.abi import kernel
from crtools.agent.program import Program
from crtools.errors import ImageError, RestoreConflict
from crtools.images.messages.creds import CredsEntry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from crtools.model.shortfall import Shortfalls
    from crtools.procfs.status import Status

SYS_setfsuid, SYS_setfsgid, SYS_setgroups, SYS_setresuid, SYS_setresgid = 122, 123, 116, 117, 119
SYS_capset, SYS_prctl = 126, 157
PR_CAPBSET_DROP, PR_GET_SECUREBITS, PR_SET_SECUREBITS, PR_SET_NO_NEW_PRIVS = 24, 27, 28, 38
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

    __slots__ = ("securebits", "status")

    def __init__(self, status: Status) -> None:
        self.status = status
        self.securebits = kernel.raw(SYS_prctl, PR_GET_SECUREBITS)

    @property
    def may_raise(self) -> bool:
        """Whether it has CAP_SYS_RESOURCE."""
        return bool(self.status.cap_effective & 1 << 24)

    def check(
        self, pid: int, name: str, threads: Sequence[CredsEntry], shortfalls: Shortfalls
    ) -> None:
        """Raises RestoreConflict for what a task could not do without and only more privilege could
        bring back; reports what it gains or loses at its next execve(2) alone. Raises ImageError.
        """
        status = self.status
        missing = bounding = 0
        gains = True
        for creds in threads:
            if max(_ids(creds)) > 0xFFFFFFFE:
                raise ImageError(f"The image of {name} has impossible credentials")
            missing |= number(creds.cap_prm) & ~status.cap_permitted
            # kernel/capability.c, security/commoncap.c, cap_capset
            missing |= number(creds.cap_inh) & ~(status.cap_inheritable | status.cap_bounding)
            bounding |= number(creds.cap_bnd) & ~status.cap_bounding
            gains = gains and bool(creds.no_new_privs)
        if missing:
            raise RestoreConflict(
                f"Cannot restore {name}: it had capabilities that crtools has not",
                because=f"missing: {_names(missing)}",
                hint="run crtools restore with the capabilities that the task had",
                subject=("task", pid),
            )
        if bounding:
            shortfalls.report(
                pid,
                name,
                "its capability bounding set",
                wanted=f"with {_names(bounding)}",
                got="without",
                because="crtools has none of these in its own, and nobody can add to it",
            )
        if status.no_new_privs and not gains:
            shortfalls.report(
                pid,
                name,
                "its no_new_privs",
                wanted="off",
                got="on",
                because="crtools has it on itself, and nobody can turn it off",
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
            and not status.cap_bounding & ~number(creds.cap_bnd)
            and (status.cap_ambient or 0) == number(creds.cap_amb)
            and self.securebits == creds.secbits
            and (status.no_new_privs or not creds.no_new_privs)
        )


def build_credentials(program: Program, creds: CredsEntry, host: Host) -> None:
    """Last of all but registers: afterwards the task can do no more than it could.

    The order: what takes privilege first. Inheritable capabilities before the bounding set, since
    none is added that is not in it; ids with SECBIT_NO_SETUID_FIXUP, so that they leave
    capabilities alone; ambient ones before the securebits that may forbid to raise them; those
    before CAP_SETPCAP goes with the other capabilities.
    """
    if host.same(creds):
        return
    status = host.status
    if status.cap_inheritable != number(creds.cap_inh):
        _build_capset(program, status.cap_effective, status.cap_permitted, number(creds.cap_inh))
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
    if privileged or host.securebits != creds.secbits:
        program.call(SYS_prctl, PR_SET_SECUREBITS, creds.secbits, label="set its securebits")
    _build_capset(program, number(creds.cap_eff), number(creds.cap_prm), number(creds.cap_inh))
    if creds.no_new_privs:
        program.call(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, label="set no_new_privs")


def _build_capset(program: Program, effective: int, permitted: int, inheritable: int) -> None:
    header = program.put(struct.pack("<Ii", _CAPABILITY_VERSION_3, 0))
    low, high = zip(words(effective), words(permitted), words(inheritable), strict=True)
    data = program.put(struct.pack("<6I", *low, *high))
    program.call(SYS_capset, header, data, label="set its capabilities")


def build_dumpable_by_id(program: Program, host: Host) -> None:
    """ "suidsafe" (2, proc_sys_fs(5)) is no value that PR_SET_DUMPABLE takes: where the sysctl
    fs.suid_dumpable says so, a change of ids sets it (kernel/cred.c, commit_creds)."""
    program.call(SYS_setfsuid, host.status.uids[3] ^ 1)
    program.call(SYS_setfsuid, host.status.uids[3])


def _ids(creds: CredsEntry) -> tuple[int, ...]:
    return (
        *(creds.uid, creds.euid, creds.suid, creds.fsuid),
        *(creds.gid, creds.egid, creds.sgid, creds.fsgid),
        *creds.groups,
    )


def _names(mask: int) -> str:
    from crtools.abi.capabilities import capability_names

    return ", ".join(capability_names(mask))
