"""Capabilities and secure bits: capabilities(7), capset(2), prctl(PR_SET_SECUREBITS).

A set of them is a number with a bit for each capability.
"""

from __future__ import annotations

# linux/capability.h
CAP_CHOWN = 0
CAP_DAC_OVERRIDE = 1
CAP_DAC_READ_SEARCH = 2
CAP_FOWNER = 3
CAP_FSETID = 4
CAP_KILL = 5
CAP_SETGID = 6
CAP_SETUID = 7
CAP_SETPCAP = 8
CAP_LINUX_IMMUTABLE = 9
CAP_NET_BIND_SERVICE = 10
CAP_NET_BROADCAST = 11
CAP_NET_ADMIN = 12
CAP_NET_RAW = 13
CAP_IPC_LOCK = 14
CAP_IPC_OWNER = 15
CAP_SYS_MODULE = 16
CAP_SYS_RAWIO = 17
CAP_SYS_CHROOT = 18
CAP_SYS_PTRACE = 19
CAP_SYS_PACCT = 20
CAP_SYS_ADMIN = 21
CAP_SYS_BOOT = 22
CAP_SYS_NICE = 23
CAP_SYS_RESOURCE = 24
CAP_SYS_TIME = 25
CAP_SYS_TTY_CONFIG = 26
CAP_MKNOD = 27
CAP_LEASE = 28
CAP_AUDIT_WRITE = 29
CAP_AUDIT_CONTROL = 30
CAP_SETFCAP = 31
CAP_MAC_OVERRIDE = 32
CAP_MAC_ADMIN = 33
CAP_SYSLOG = 34
CAP_WAKE_ALARM = 35
CAP_BLOCK_SUSPEND = 36
CAP_AUDIT_READ = 37
CAP_PERFMON = 38
CAP_BPF = 39
CAP_CHECKPOINT_RESTORE = 40

# linux/capability.h: the layout that capget(2) and capset(2) are asked for
_LINUX_CAPABILITY_VERSION_3 = 0x20080522

# linux/securebits.h
SECBIT_NOROOT = 0x1
SECBIT_NOROOT_LOCKED = 0x2
SECBIT_NO_SETUID_FIXUP = 0x4
SECBIT_NO_SETUID_FIXUP_LOCKED = 0x8
SECBIT_KEEP_CAPS = 0x10
SECBIT_KEEP_CAPS_LOCKED = 0x20
SECBIT_NO_CAP_AMBIENT_RAISE = 0x40
SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED = 0x80
SECBIT_EXEC_RESTRICT_FILE = 0x100  # Linux 6.14
SECBIT_EXEC_RESTRICT_FILE_LOCKED = 0x200
SECBIT_EXEC_DENY_INTERACTIVE = 0x400
SECBIT_EXEC_DENY_INTERACTIVE_LOCKED = 0x800


def capability_names(mask: int) -> list[str]:
    """The names of a set's members, by number; one without a name here is "CAP_<number>"."""
    names = {value: name for name, value in globals().items() if name.startswith("CAP_")}
    return [names.get(bit, f"CAP_{bit}") for bit in range(mask.bit_length()) if mask >> bit & 1]
