"""What a command was asked to do, in one frozen value.

The command line, config files, the RPC and the Python API all end in an `Options`; everything
below the API reads nothing else. Field names are CRIU's long options with underscores. Meanings:
criu(8), and reference texts beside a field where the page is silent.
"""

from __future__ import annotations

from crtools.model.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

DEFAULT_GHOST_LIMIT = 1 << 20  # bytes; criu(8), --ghost-limit
DEFAULT_TIMEOUT = 10  # seconds; criu(8), --timeout
DEFAULT_LOG_LEVEL = 2  # criu(8), -v: errors and warnings


class Options(Value):
    """Every option of CRIU 4.2 and our own. `images_dir`, `work_dir`, `log_file`, `pidfile` and
    `cgroup_props_file` are absolute when they come from the command line; "" means not given."""

    # What, where to, where from
    tree: int | None = None  # host pid of the root, as the caller sees it
    images_dir: str = ""
    work_dir: str = ""
    prev_images_dir: str = ""  # relative to images_dir
    root: str = ""
    pidfile: str = ""
    status_fd: int | None = None

    # What becomes of the tasks
    leave_running: bool = False
    leave_stopped: bool = False
    snapshot: bool = False  # ours: it runs on at once, and a copy of it writes its memory
    restore_detached: bool = False
    restore_sibling: bool = False
    shell_job: bool = False
    exec_cmd: bool = False
    exec_words: tuple[str, ...] = ()  # the command after `--`
    dry_run: bool = False  # ours: restore prints its plan and touches no process
    timens: bool = False  # ours: restored clocks go on from where they were
    strict: bool = False  # ours: restore refuses what it would only warn of
    checksums: bool = False  # ours: dump writes checksums of all images when the tasks run again
    timeout: int = DEFAULT_TIMEOUT  # seconds to collect the tasks in; 0: no limit
    freeze_cgroup: str = ""
    unprivileged: bool = False

    # Log and figures
    log_file: str = ""
    log_level: int = DEFAULT_LOG_LEVEL
    log_pid: bool = False
    display_stats: bool = False

    # Scripts: a path, or else a command for sh
    action_scripts: tuple[str, ...] = ()

    # Files
    ghost_limit: int = DEFAULT_GHOST_LIMIT  # bytes
    ghost_fiemap: bool = False
    link_remap: bool = False
    evasive_devices: bool = False
    file_locks: bool = False
    file_validation: str = "buildid"  # or "filesize"
    skip_file_rwx_check: bool = False
    external: tuple[str, ...] = ()  # type[id]:value
    inherit_fd: tuple[tuple[int, str], ...] = ()  # descriptor, resource
    close: tuple[int, ...] = ()
    force_irmap: bool = False
    irmap_scan_path: tuple[str, ...] = ()

    # Memory
    track_mem: bool = False
    auto_dedup: bool = False
    share_pages: bool = False  # ours: what relatives share copy-on-write is written once
    reflink_pages: bool = False  # ours: and shares blocks on disk, in plain images
    keep_zero_pages: bool = False  # ours: what is full of zeros is written, too
    pre_dump_mode: str = "splice"  # or "read"
    iterate: bool = False  # ours: pre-dumps until another would not pay, then the dump
    iterate_rounds: int = 8  # at most
    iterate_rate: int = 0  # bytes a second that are few enough; 0: what pays decides
    lazy_pages: bool = False
    stream: bool = False
    page_server: bool = False
    address: str = ""
    port: int = 0
    ps_socket: int | None = None
    daemon: bool = False
    tls: bool = False
    tls_cacert: str = ""
    tls_cacrl: str = ""
    tls_cert: str = ""
    tls_key: str = ""
    tls_no_cn_verify: bool = False

    # Sockets and networks
    tcp_established: bool = False
    tcp_close: bool = False
    skip_in_flight: bool = False
    ext_unix_sk: tuple[int, ...] | None = None  # inodes; (): every external stream socket
    network_lock: str = ""  # "iptables", "nftables" or "skip"; "": not given
    veth_pair: tuple[tuple[str, str], ...] = ()  # inside, outside
    weak_sysctls: bool = False

    # Namespaces and mounts
    join_ns: tuple[str, ...] = ()  # kind:pid-or-path[,extra]
    empty_ns: tuple[str, ...] = ()
    ext_mount_map: tuple[tuple[str, str], ...] = ()
    skip_mnt: tuple[str, ...] = ()
    enable_fs: tuple[str, ...] = ()
    enable_external_sharing: bool = False
    enable_external_masters: bool = False
    mntns_compat_mode: bool = False
    lsm_profile: str = ""
    lsm_mount_context: str = ""

    # Control groups
    manage_cgroups: str = ""  # none props soft full strict ignore; "": not given
    cgroup_root: tuple[str, ...] = ()
    cgroup_props: str = ""
    cgroup_props_file: str = ""
    cgroup_dump_controller: tuple[str, ...] = ()
    cgroup_yard: str = ""

    # The CPU, plugins, check, the rest
    cpu_cap: tuple[str, ...] | None = None  # none fpu ins cpu all, "^" negates; None: not given
    libdir: str = ""
    allow_uprobes: bool = False
    feature: str = ""
    extra: bool = False
    experimental: bool = False
    all: bool = False
    ms: bool = False
    deprecated: bool = False
    config: str = ""
    no_default_config: bool = False
    help: bool = False
    version: bool = False

    if not TYPE_CHECKING:

        def __init__(self, **values: Any) -> None:
            """A loop instead of the generated function: compiling one for a hundred parameters
            costs 2 ms, a sixth of a whole command's start."""
            store = object.__setattr__
            for field, default in Options._own_defaults.items():
                store(self, field, values.pop(field) if field in values else default)
            if values:
                raise TypeError(f"Options has no field {next(iter(values))!r}")
