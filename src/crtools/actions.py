"""What is told to the world outside while the work goes on: scripts are run, the pid file is
written, a waiting parent hears that we are ready.

Sources: criu(8), --action-script, --pidfile, --status-fd.
"""

from __future__ import annotations

import errno
import os

from crtools import log
from crtools.abi.signals import SIGPIPE, SIGXFSZ
from crtools.errors import CrtoolsError, InternalError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# The stages at which scripts run, in the order of a dump, then of a restore.
ACTIONS = (
    "pre-dump",
    "network-lock",
    "post-dump",
    "pre-restore",
    "setup-namespaces",
    "post-setup-namespaces",
    "post-restore",
    "network-unlock",
    "pre-resume",
    "post-resume",
    "orphan-pts-master",
)


class ActionScriptFailed(CrtoolsError):
    """An action script said no: `action`, `script`, and `status` (of exit; -N for signal N)."""

    def __init__(self, what: str, *, action: str, script: str, status: int, because: str) -> None:
        super().__init__(what, because=because, subject=("script", script, "action", action))
        self.action = action
        self.script = script
        self.status = status


def run_action(
    name: str,
    scripts: Sequence[str],
    image_dir: str,
    init_pid: int | None = None,
    extra_env: Mapping[str, str] | None = None,
) -> None:
    """Run all scripts for one action, one after the other, and wait for each.

    A script is the path of a program, or else a command for sh. Its environment is ours with
    CRTOOLS_SCRIPT_ACTION, CRTOOLS_IMAGE_DIR and, once the root task exists, CRTOOLS_INIT_PID (its
    host pid). Raises ActionScriptFailed at the first that does not exit with 0; whether that ends
    the work is the caller's decision.
    """
    if name not in ACTIONS:
        raise InternalError(f"There is no action {name!r}")
    if not scripts:
        return
    environment = dict(os.environ)
    environment["CRTOOLS_SCRIPT_ACTION"] = name
    environment["CRTOOLS_IMAGE_DIR"] = image_dir
    environment.pop("CRTOOLS_INIT_PID", None)
    if init_pid is not None:
        environment["CRTOOLS_INIT_PID"] = str(init_pid)
    environment.update(extra_env or {})
    for script in scripts:
        log.info("Running %s for %s", script, name)
        log.flush()
        status = _run(script, environment)
        if status:
            ended = f"exited with status {status}" if status > 0 else f"died of signal {-status}"
            raise ActionScriptFailed(
                f"The action script {script} failed at {name}",
                action=name,
                script=script,
                status=status,
                because=f"it {ended}",
            )


def write_pidfile(path: str, pid: int) -> None:
    """Create the file that --pidfile names. Raises CrtoolsError if it exists: another's pid is
    not overwritten (and the image says nothing about whose file it is)."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise CrtoolsError(
            f"The pid file {path} cannot be created",
            because=error.strerror or str(error),
            hint="remove it if it is stale" if error.errno == errno.EEXIST else "",
        ) from None
    try:
        os.write(fd, str(pid).encode())
    finally:
        os.close(fd)


def announce_ready(status_fd: int | None) -> None:
    """Write one zero byte to the descriptor of --status-fd and close it; nothing without one.
    Raises CrtoolsError if it is no open descriptor or nobody reads it."""
    if status_fd is None:
        return
    try:
        os.write(status_fd, b"\0")
        os.close(status_fd)
    except OSError as error:
        raise CrtoolsError(
            f"Descriptor {status_fd} of --status-fd cannot be written",
            because=error.strerror or str(error),
        ) from None


def _run(script: str, environment: Mapping[str, str]) -> int:
    """The exit status, or minus the signal that ended it."""
    sh = "/bin/sh"
    if os.path.isfile(script) and os.access(script, os.X_OK):
        argv = [script]
    else:
        argv = [sh, "-c", script]
    try:
        pid = _spawn(argv, environment)
    except OSError as error:
        if error.errno != errno.ENOEXEC:
            # As a shell would put it: 127 for what is not there, 126 for what can't be run.
            log.error("%s: %s", script, error.strerror)
            return 127 if error.errno == errno.ENOENT else 126
        # No "#!" line: a shell takes it for a shell script, and so do we.
        pid = _spawn([sh, script], environment)
    status = os.waitpid(pid, 0)[1]
    return os.waitstatus_to_exitcode(status)


def _spawn(argv: list[str], environment: Mapping[str, str]) -> int:
    # Python ignores these two, and what is ignored stays so across exec.
    ignored = (SIGPIPE, SIGXFSZ)
    return os.posix_spawn(argv[0], argv, environment, setsigmask=(), setsigdef=ignored)
