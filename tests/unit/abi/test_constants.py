"""Every constant has the value that the kernel's headers give it, as gcc reads them.

A name that the installed headers do not have must be listed here, as newer than Linux 6.1 or as in
no header at all; on newer headers the former are compared too.
"""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
from pathlib import Path

import pytest

HEADERS = {
    "auxv": ["linux/auxvec.h", "asm/auxvec.h"],
    "capabilities": ["linux/capability.h", "linux/securebits.h"],
    "clone": ["linux/sched.h", "linux/pidfd.h", "linux/wait.h", "linux/kcmp.h"],
    "fcntl": ["linux/fcntl.h", "linux/fs.h", "linux/falloc.h", "linux/openat2.h"],
    "ioctl": [
        "linux/fs.h",
        "linux/fiemap.h",
        "linux/nsfs.h",
        "linux/pidfd.h",
        "asm/ioctls.h",
        "asm/termbits.h",
        "linux/sockios.h",
        "linux/un.h",
        "linux/timerfd.h",
        "linux/if_tun.h",
        "linux/userfaultfd.h",
        "linux/eventpoll.h",
    ],
    "mman": ["linux/mman.h", "linux/memfd.h"],
    "prctl": ["linux/prctl.h", "asm/prctl.h"],
    "rlimit": ["linux/resource.h"],
    "sched": [
        "linux/sched.h",
        "linux/sched/types.h",
        "linux/ioprio.h",
        "linux/mempolicy.h",
        "linux/membarrier.h",
    ],
    "signals": ["linux/signal.h"],
    "x86_64": ["asm/unistd_64.h"],
}

# In no user header: the size of a type, and a name that user space has for another number.
IN_NO_HEADER = {"SIGSET_SIZE", "NSIG"}

NEWER_THAN_6_1 = {
    "auxv": "AT_RSEQ_FEATURE_SIZE AT_RSEQ_ALIGN AT_HWCAP3 AT_HWCAP4",
    "capabilities": """
        SECBIT_EXEC_RESTRICT_FILE SECBIT_EXEC_RESTRICT_FILE_LOCKED SECBIT_EXEC_DENY_INTERACTIVE
        SECBIT_EXEC_DENY_INTERACTIVE_LOCKED""",
    "clone": """
        PIDFD_THREAD PIDFD_SIGNAL_THREAD PIDFD_SIGNAL_THREAD_GROUP PIDFD_SIGNAL_PROCESS_GROUP""",
    "fcntl": """
        F_DUPFD_QUERY F_CREATED_QUERY F_SEAL_EXEC AT_HANDLE_FID AT_HANDLE_MNT_ID_UNIQUE
        AT_HANDLE_CONNECTABLE""",
    "ioctl": """
        PAGEMAP_SCAN PM_SCAN_WP_MATCHING PM_SCAN_CHECK_WPASYNC PAGE_IS_WPALLOWED PAGE_IS_WRITTEN
        PAGE_IS_FILE PAGE_IS_PRESENT PAGE_IS_SWAPPED PAGE_IS_PFNZERO PAGE_IS_HUGE
        PAGE_IS_SOFT_DIRTY PAGE_IS_GUARD PROCMAP_QUERY PROCMAP_QUERY_VMA_READABLE
        PROCMAP_QUERY_VMA_WRITABLE PROCMAP_QUERY_VMA_EXECUTABLE PROCMAP_QUERY_VMA_SHARED
        PROCMAP_QUERY_COVERING_OR_NEXT_VMA PROCMAP_QUERY_FILE_BACKED_VMA NS_GET_MNTNS_ID
        NS_GET_PID_FROM_PIDNS NS_GET_TGID_FROM_PIDNS NS_GET_PID_IN_PIDNS NS_GET_TGID_IN_PIDNS
        PIDFD_GET_CGROUP_NAMESPACE PIDFD_GET_IPC_NAMESPACE PIDFD_GET_MNT_NAMESPACE
        PIDFD_GET_NET_NAMESPACE PIDFD_GET_PID_NAMESPACE PIDFD_GET_PID_FOR_CHILDREN_NAMESPACE
        PIDFD_GET_TIME_NAMESPACE PIDFD_GET_TIME_FOR_CHILDREN_NAMESPACE PIDFD_GET_USER_NAMESPACE
        PIDFD_GET_UTS_NAMESPACE UFFDIO_POISON UFFDIO_MOVE EPIOCSPARAMS EPIOCGPARAMS""",
    "mman": """
        MAP_DROPPABLE MAP_ABOVE4G MFD_NOEXEC_SEAL MFD_EXEC MADV_GUARD_INSTALL MADV_GUARD_REMOVE
        PKEY_UNRESTRICTED SHADOW_STACK_SET_TOKEN""",
    "prctl": """
        PR_SET_MDWE PR_MDWE_REFUSE_EXEC_GAIN PR_MDWE_NO_INHERIT PR_GET_MDWE PR_SET_MEMORY_MERGE
        PR_GET_MEMORY_MERGE PR_GET_SHADOW_STACK_STATUS PR_SET_SHADOW_STACK_STATUS
        PR_LOCK_SHADOW_STACK_STATUS PR_SHADOW_STACK_ENABLE PR_SHADOW_STACK_WRITE
        PR_SHADOW_STACK_PUSH PR_TIMER_CREATE_RESTORE_IDS PR_TIMER_CREATE_RESTORE_IDS_OFF
        PR_TIMER_CREATE_RESTORE_IDS_ON PR_TIMER_CREATE_RESTORE_IDS_GET PR_FUTEX_HASH
        PR_FUTEX_HASH_SET_SLOTS PR_FUTEX_HASH_GET_SLOTS PR_THP_DISABLE_EXCEPT_ADVISED
        ARCH_GET_UNTAG_MASK ARCH_ENABLE_TAGGED_ADDR ARCH_GET_MAX_TAG_BITS ARCH_FORCE_TAGGED_SVA
        ARCH_SHSTK_ENABLE ARCH_SHSTK_DISABLE ARCH_SHSTK_LOCK ARCH_SHSTK_UNLOCK
        ARCH_SHSTK_STATUS ARCH_SHSTK_SHSTK ARCH_SHSTK_WRSS""",
    "sched": "SCHED_EXT MPOL_WEIGHTED_INTERLEAVE MEMBARRIER_CMD_GET_REGISTRATIONS",
    "x86_64": """
        SYS_uretprobe SYS_uprobe SYS_cachestat SYS_fchmodat2 SYS_map_shadow_stack SYS_futex_wake
        SYS_futex_wait SYS_futex_requeue SYS_statmount SYS_listmount SYS_lsm_get_self_attr
        SYS_lsm_set_self_attr SYS_lsm_list_modules SYS_mseal SYS_setxattrat SYS_getxattrat
        SYS_listxattrat SYS_removexattrat SYS_open_tree_attr SYS_file_getattr
        SYS_file_setattr""",
}


def constants_of(module: str) -> dict[str, int]:
    names = vars(importlib.import_module(f"crtools.abi.{module}"))
    return {
        name: value
        for name, value in names.items()
        if isinstance(value, int) and re.fullmatch("_*[A-Z].*", name)
    }


def values_in_headers(module: str, names: list[str], directory: Path) -> dict[str, int]:
    """The values of those of the names that the headers define, as macros or enumerators."""
    includes = "".join(
        f"#include <{header}>\n"
        for header in ["stddef.h", "linux/ioctl.h", "linux/types.h", *HEADERS[module]]
    )
    source = directory / f"{module}.c"
    # The kernel's asm/signal.h leaves _NSIG, which SIGRTMAX is, to the C library.
    compiler = ["gcc", "-w", "-D_NSIG=64"]
    source.write_text(includes)
    preprocessed = subprocess.run(
        [*compiler, "-E", source], check=True, capture_output=True, text=True
    ).stdout
    lines = []
    for name in names:
        symbol = name.replace("SYS_", "__NR_", 1) if module == "x86_64" else name
        line = f'printf("{name} %lld\\n", (long long)({symbol}));\n'
        if not re.search(rf"\b{symbol}\b", preprocessed):
            line = f"#ifdef {symbol}\n{line}#endif\n"
        lines.append(line)
    program = directory / module
    source.write_text(
        f"{includes}#include <stdio.h>\nint main(void) {{\n{''.join(lines)}return 0;\n}}\n"
    )
    subprocess.run([*compiler, "-o", program, source], check=True)
    output = subprocess.run([program], check=True, capture_output=True, text=True).stdout
    return {name: int(value) for name, value in (line.split() for line in output.splitlines())}


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
@pytest.mark.parametrize("module", HEADERS)
def test_constants_have_the_values_of_the_kernel_headers(module: str, tmp_path: Path) -> None:
    constants = constants_of(module)
    names = [name for name in constants if name not in IN_NO_HEADER]
    known = values_in_headers(module, names, tmp_path)
    wrong = {
        name: (constants[name], value)
        for name, value in known.items()
        if (constants[name] - value) % 2**64
    }
    assert not wrong
    assert len(known) > 10
    absent = {name for name in names if name not in known}
    assert absent <= set(NEWER_THAN_6_1.get(module, "").split())


@pytest.mark.parametrize("module", NEWER_THAN_6_1)
def test_every_newer_name_listed_here_exists(module: str) -> None:
    assert set(NEWER_THAN_6_1[module].split()) <= set(constants_of(module))


def test_no_two_system_calls_share_a_number() -> None:
    numbers = list(constants_of("x86_64").values())
    assert len(set(numbers)) == len(numbers)
    # 337 to 423 are reserved: the table went on at 424 for all architectures.
    assert set(numbers) == {*range(337), *range(424, 470)}
