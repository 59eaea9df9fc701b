"""/proc/PID/status and /proc/PID/task/TID/status (proc_pid_status(5), fs/proc/array.c)."""

from __future__ import annotations

from crtools.procfs.files import misread, read_task_file
from crtools.procfs.record import Record


class Status(Record):
    """What status says of one task.

    - `name`: comm, unescaped. `state`: one letter. `umask`: None for a task without a filesystem
      context (a zombie). Ids are as seen from the procfs that was read.
    - `uids`, `gids`: real, effective, saved, filesystem. `groups`: supplementary ones.
    - `ns_tgids`, `ns_pids`, `ns_pgids`, `ns_sids`: one id for each pid namespace, from that of the
      procfs inwards.
    - `vm_locked`, `vm_pinned`, `vm_rss`: bytes; None if the task has no address space. `vm_own`:
      pages of its own, in memory or swapped out, and page tables; `vm_huge`: hugetlb pages.
    - `sigq`: (queued, limit). Signal masks hold signal N in bit N - 1: `sig_pending` is the
      thread's own, `shared_pending` the process's.
    - `cap_*`: a bit for each capability number. `seccomp`: 0 none, 1 strict, 2 filter.
    - `cpus_allowed`, `mems_allowed`: a bit for each CPU and memory node.
    - `thp_enabled`, `untag_mask`: None if this kernel does not say. `thread_features` and
      `thread_features_locked`: x86's shadow stack words (b"shstk", b"wrss").
    """

    __slots__ = (
        "name",
        "umask",
        "state",
        "tgid",
        "pid",
        "ppid",
        "tracer_pid",
        "uids",
        "gids",
        "groups",
        "ns_tgids",
        "ns_pids",
        "ns_pgids",
        "ns_sids",
        "kthread",
        "vm_locked",
        "vm_pinned",
        "vm_rss",
        "vm_own",
        "vm_huge",
        "core_dumping",
        "thp_enabled",
        "untag_mask",
        "threads",
        "sigq",
        "sig_pending",
        "shared_pending",
        "sig_blocked",
        "sig_ignored",
        "sig_caught",
        "cap_inheritable",
        "cap_permitted",
        "cap_effective",
        "cap_bounding",
        "cap_ambient",
        "no_new_privs",
        "seccomp",
        "seccomp_filters",
        "cpus_allowed",
        "mems_allowed",
        "thread_features",
        "thread_features_locked",
    )

    def __init__(self, fields: dict[bytes, bytes]) -> None:
        """From the file's lines; KeyError or ValueError if one is missing or odd."""
        get = fields.get
        name = fields[b"Name"]
        self.name = unescape_name(name) if b"\\" in name else name
        umask = get(b"Umask")
        self.umask = None if umask is None else int(umask, 8)
        self.state = fields[b"State"][:1].decode("ascii")
        self.tgid = int(fields[b"Tgid"])
        self.pid = int(fields[b"Pid"])
        self.ppid = int(fields[b"PPid"])
        self.tracer_pid = int(fields[b"TracerPid"])
        real, effective, saved, filesystem = fields[b"Uid"].split()
        self.uids = (int(real), int(effective), int(saved), int(filesystem))
        real, effective, saved, filesystem = fields[b"Gid"].split()
        self.gids = (int(real), int(effective), int(saved), int(filesystem))
        self.groups = tuple(map(int, fields[b"Groups"].split()))
        # A kernel without pid namespaces has none of the next four lines.
        self.ns_tgids = tuple(map(int, get(b"NStgid", fields[b"Tgid"]).split()))
        self.ns_pids = tuple(map(int, get(b"NSpid", fields[b"Pid"]).split()))
        self.ns_pgids = tuple(map(int, get(b"NSpgid", b"").split()))
        self.ns_sids = tuple(map(int, get(b"NSsid", b"").split()))
        self.kthread = get(b"Kthread") == b"1"
        self.vm_locked = _bytes(get(b"VmLck"))
        self.vm_pinned = _bytes(get(b"VmPin"))
        self.vm_rss = _bytes(get(b"VmRSS"))
        self.vm_own = sum([_bytes(get(key)) or 0 for key in (b"RssAnon", b"VmSwap", b"VmPTE")])
        self.vm_huge = _bytes(get(b"HugetlbPages")) or 0
        self.core_dumping = get(b"CoreDumping") == b"1"
        thp = get(b"THP_enabled")
        self.thp_enabled = None if thp is None else thp == b"1"
        untag = get(b"untag_mask")
        self.untag_mask = None if untag is None else int(untag, 16)
        self.threads = int(fields[b"Threads"])
        queued, limit = fields[b"SigQ"].split(b"/")
        self.sigq = (int(queued), int(limit))
        self.sig_pending = int(fields[b"SigPnd"], 16)
        self.shared_pending = int(fields[b"ShdPnd"], 16)
        self.sig_blocked = int(fields[b"SigBlk"], 16)
        self.sig_ignored = int(fields[b"SigIgn"], 16)
        self.sig_caught = int(fields[b"SigCgt"], 16)
        self.cap_inheritable = int(fields[b"CapInh"], 16)
        self.cap_permitted = int(fields[b"CapPrm"], 16)
        self.cap_effective = int(fields[b"CapEff"], 16)
        self.cap_bounding = int(fields[b"CapBnd"], 16)
        self.cap_ambient = int(fields[b"CapAmb"], 16)
        self.no_new_privs = fields[b"NoNewPrivs"] != b"0"
        self.seccomp = int(get(b"Seccomp", b"0"))
        self.seccomp_filters = int(get(b"Seccomp_filters", b"0"))
        self.cpus_allowed = int(get(b"Cpus_allowed", b"0").replace(b",", b""), 16)
        self.mems_allowed = int(get(b"Mems_allowed", b"0").replace(b",", b""), 16)
        self.thread_features = tuple(get(b"x86_Thread_features", b"").split())
        self.thread_features_locked = tuple(get(b"x86_Thread_features_locked", b"").split())


def unescape_name(name: bytes) -> bytes:
    """Escaped with ESCAPE_SPACE | ESCAPE_SPECIAL, of newline and backslash only (fs/proc/array.c,
    proc_task_name)."""
    return b"\\".join([part.replace(b"\\n", b"\n") for part in name.split(b"\\\\")])


def parse_status(data: bytes) -> Status:
    """One status file. Raises InternalError, naming the line that is missing or odd."""
    lines = data.split(b"\n")
    if lines.pop():
        raise misread("/proc/PID/status", data[-100:], "its last line is cut off")
    try:
        fields = dict([line.split(b":\t", 1) for line in lines])
    except ValueError:
        odd = [line for line in lines if b":\t" not in line]
        raise misread("/proc/PID/status", odd[0]) from None
    try:
        return Status(fields)
    except KeyError as error:
        raise misread("/proc/PID/status", data, f"there is no line {error.args[0]!r}") from None
    except ValueError as error:
        raise misread("/proc/PID/status", data, str(error)) from None


def read_status(proc: int, pid: int, tid: int | None = None) -> Status:
    """The status of a process's leader, or of one of its threads."""
    return parse_status(read_task_file(proc, pid, "status", tid))


def _bytes(kilobytes: bytes | None) -> int | None:
    return None if kilobytes is None else int(kilobytes.partition(b" kB")[0]) * 1024
