"""The command `crtools`: from the words of a line to an exit status.

Parses, prepares the directories and the log, calls the API and turns its result or error into
text; no other module but those beside it prints. Everything that a dump does not need is imported
where it is used: a whole command may take a few times what the bare interpreter takes.
"""

from __future__ import annotations

import os
import sys

from crtools import log
from crtools.cli.config import collect_config
from crtools.cli.getopt import CommandLineError, parse_words
from crtools.cli.options import TABLE, resolve
from crtools.errors import CrtoolsError, UsageError
from crtools.model.unimplemented import collect_ignored, refuse_unimplemented

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Protocol

    from crtools.cli.progress import Progress
    from crtools.model.options import Options

    class Result(Protocol):
        """What the API hands back: see crtools.api."""

        def summary_line(self) -> str: ...
        def stats_lines(self) -> tuple[str, ...]: ...


CRIU_VERSION = "4.2"  # whose command line and image format we speak
VERBS = (
    "dump",
    "snapshot",
    "pre-dump",
    "restore",
    "lazy-pages",
    "check",
    "page-server",
    "service",
    "swrk",
    "dedup",
    "cpuinfo",
    "exec",
)
_EXIT_FAILED = 1
_EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells put it


class _ReaderGone(Exception):
    """Whoever read our standard output has closed it: nothing more to say, and no error."""


def main(argv: list[str] | None = None) -> int:
    """Run one command line (without the program's name) and return its exit status."""
    words = sys.argv[1:] if argv is None else list(argv)
    level = log.WARNING
    try:
        _open_standard_descriptors()
        if words[:1] in (["image"], ["verify"]):
            return _run_apart(words[0], words[1:])
        verb, operands, options, remarks = read_command(words, os.environ)
        level = options.log_level
        return _run(verb, operands, options, remarks)
    except CommandLineError as error:
        _tell(f"crtools: {error.what}\n")
        _print_usage()
        return _EXIT_FAILED
    except CrtoolsError as error:
        _report(error, level)
        return error.exit_code
    except KeyboardInterrupt:
        log.error("Interrupted")
        _tell("crtools: interrupted\n")
        return _EXIT_INTERRUPTED
    except _ReaderGone:
        return _EXIT_FAILED
    except Exception as error:
        return _report_bug(error)
    finally:
        log.close()


def read_command(
    words: list[str], environ: Mapping[str, str]
) -> tuple[str, list[str], Options, list[str]]:
    """A line and the config files: verb ("" without one), its operands, options, remarks.

    Raises CommandLineError where the line does not parse, UsageError where a value or a config
    file makes no sense.
    """
    given, others = parse_words(words, TABLE)
    configured, remarks = collect_config(given, environ, TABLE)
    options = resolve(configured + given, others[1:], directory=_current_directory())
    return others[0] if others else "", others[1:], options, remarks


def _run(verb: str, operands: list[str], options: Options, remarks: list[str]) -> int:
    if options.version:
        from crtools import __version__

        _say(f"Version: {CRIU_VERSION}\ncrtools {__version__}\n")
        return 0
    if options.help:
        from crtools.cli.usage import HELP

        _say(HELP)
        return 0
    if not verb:
        _print_usage()
        return _EXIT_FAILED
    _check_verb(verb, operands, options)
    if verb == "snapshot":
        verb, options = "dump", options.but(leave_running=True, snapshot=True)
    refuse_unimplemented(verb, options)
    for fd in options.close:
        try:
            os.close(fd)
        except OSError as error:
            raise UsageError(
                f"Descriptor {fd} of --close cannot be closed",
                because=error.strerror or str(error),
            ) from None
    if verb == "check":
        from crtools.cli import check

        try:
            status = check.main(options)
        except BrokenPipeError:
            _drop_output()
            return _EXIT_FAILED
        _say("")
        return status
    if verb == "cpuinfo":
        from crtools.cli import cpuinfo

        _prepare_directories(verb, options)
        _open_log(verb, options, remarks)
        said = cpuinfo.main(operands[0], options)
        _say(said + "\n" if said else "")
        return 0
    if verb == "dedup":
        from crtools.images.dedup import dedup
        from crtools.images.store import ImageStore

        _prepare_directories(verb, options)
        _open_log(verb, options, remarks)
        with ImageStore.open(options.images_dir) as store:
            taken = dedup(store)
        log.info(f"took {taken >> 10} KiB of pages out of the directories behind")
        return 0
    created = _prepare_directories(verb, options)
    try:
        _open_log(verb, options, remarks)
        if verb == "pre-dump":
            return _pre_dump(options)
        return _dump(options) if verb == "dump" else _restore(options)
    except BaseException:
        if created:
            _remove_if_empty(options.images_dir)
        raise


def _run_apart(verb: str, words: list[str]) -> int:
    """The verbs that have a command line of their own."""
    if verb == "image":
        from crtools.cli.image import main
    else:
        from crtools.cli.verify import main

    try:
        status = main(words)
    except BrokenPipeError:
        _drop_output()
        return _EXIT_FAILED
    _say("")
    return status


def _dump(options: Options) -> int:
    from crtools import api

    with _progress():
        result = api.dump_with(options)
    log.info("Dumping finished successfully")
    if options.log_level >= log.WARNING and not log.writes_to_stderr():
        # The log has them; who looks at the terminal only has to know as well.
        for remark in result.remarks:
            _tell(f"Warning: {remark}\n")
    _finish(options, result)
    return 0


def _pre_dump(options: Options) -> int:
    from crtools import api

    with _progress():
        result = api.pre_dump_with(options)
    log.info("Pre-dumping finished successfully")
    _finish(options, result)
    return 0


def _restore(options: Options) -> int:
    from crtools import api

    if options.dry_run:
        for line in api.plan_with(options):
            _say(line + "\n")
        return 0
    with _progress():
        result = api.restore_with(options, ends=options.restore_detached)
    log.info("Restore finished successfully. Tasks resumed.")
    if options.log_level >= log.WARNING and not log.writes_to_stderr():
        # The log has them; who looks at the terminal only has to know as well.
        for shortfall in result.shortfalls:
            _tell(f"Warning: {shortfall}\n")
    _finish(options, result)
    if not options.restore_detached:
        _wait_until_ended(result.root_pid, ignore_keys=options.shell_job)
    return 0


def _finish(options: Options, result: Result) -> None:
    """Tell everyone who waits or looks that the work is done."""
    summary = result.summary_line()
    log.info("%s", summary)
    log.flush()
    if options.display_stats:
        _say("\n".join(result.stats_lines()) + "\n")
    if options.log_level > log.SILENT and os.isatty(2):
        _tell(summary + "\n")
    if options.status_fd is not None:
        from crtools.actions import announce_ready

        announce_ready(options.status_fd)


def _check_verb(verb: str, operands: list[str], options: Options) -> None:
    if verb not in VERBS:
        raise CommandLineError(f"unknown command: {verb}")
    if verb == "exec":
        raise UsageError("`exec` is removed", because="CRIU gave it up as well")
    if verb == "restore" and options.exec_cmd:
        if not operands:
            raise CommandLineError("--exec-cmd requires a command")
    elif verb == "cpuinfo":
        if operands not in (["dump"], ["check"]):
            raise CommandLineError("cpuinfo requires an action: dump or check")
    elif operands and not (verb == "swrk" and len(operands) == 1):
        raise CommandLineError(f"excessive parameter for command {verb}: {operands[0]}")
    if verb not in ("dump", "snapshot", "pre-dump", "restore", "check", "cpuinfo", "dedup"):
        raise UsageError(f"`crtools {verb}` is not available yet", subject=("verb", verb))
    if verb in ("dump", "snapshot", "pre-dump") and options.tree is None:
        raise UsageError(f"{verb} needs the pid of the tree's root", hint="-t PID")
    if verb not in ("dump", "snapshot", "pre-dump") and options.checksums:
        raise UsageError(
            "--checksums is there for dump and pre-dump only",
            hint="crtools verify --record DIR, for images that are there already",
        )
    if verb == "snapshot" and options.leave_stopped:
        raise UsageError("--leave-stopped is there for dump only")
    if options.snapshot and verb not in ("dump", "snapshot"):
        raise UsageError("--snapshot is there for dump only")
    if verb != "restore" and options.dry_run:
        raise UsageError("--dry-run is there for restore only")
    if verb != "restore" and options.strict:
        raise UsageError("--strict is there for restore only")
    if verb != "dump" and options.share_pages:
        raise UsageError("--share-pages is there for dump only")
    if verb != "dump" and options.reflink_pages:
        raise UsageError("--reflink-pages is there for dump only")
    if verb not in ("dump", "snapshot", "pre-dump") and options.keep_zero_pages:
        raise UsageError("--keep-zero-pages is there for dump only")
    if verb != "dump" and options.iterate:
        raise UsageError("--iterate is there for dump only")
    if verb != "restore" and options.timens:
        raise UsageError("--timens is there for restore only")


def _prepare_directories(verb: str, options: Options) -> bool:
    """See that the directories are there; a dump makes the images' one (True: it did)."""
    created = False
    if verb in ("dump", "pre-dump"):
        try:
            os.mkdir(options.images_dir, 0o700)
            created = True
        except FileExistsError:
            pass
        except OSError as error:
            raise UsageError(
                f"The images directory {options.images_dir} cannot be made",
                because=error.strerror or str(error),
            ) from None
    for name, path in (("images", options.images_dir), ("work", options.work_dir)):
        if not os.path.isdir(path):
            reason = "it is no directory" if os.path.exists(path) else "it does not exist"
            raise UsageError(f"The {name} directory {path} cannot be used", because=reason)
    return created


def _remove_if_empty(directory: str) -> None:
    try:
        os.rmdir(directory)
    except OSError:
        pass


def _open_log(verb: str, options: Options, remarks: list[str]) -> None:
    try:
        log.configure(options.log_level, path=options.log_file, per_task=options.log_pid)
    except OSError as error:
        raise UsageError(
            f"The log file {options.log_file} cannot be created",
            because=error.strerror or str(error),
        ) from None
    if log.level >= log.INFO:
        from crtools import __version__

        kernel = os.uname()
        log.info("Version: %s (crtools %s)", CRIU_VERSION, __version__)
        log.info("Running on %s %s %s %s", kernel[1], kernel[0], kernel[2], kernel[4])
    for remark in remarks:
        log.warning("%s", remark)
    for remark in collect_ignored(verb, options):
        log.warning("%s", remark)


def _wait_until_ended(pid: int, *, ignore_keys: bool) -> None:
    """Wait for the restored root, which is our child unless it became our sibling."""
    if ignore_keys:
        # A shell job gets the terminal's signals with us; what they do is its own affair.
        import signal

        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGQUIT, signal.SIG_IGN)
    try:
        os.waitpid(pid, 0)
        return
    except ChildProcessError:
        pass
    import select

    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        poll.poll()
    finally:
        os.close(pidfd)


class _NoProgress:
    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass


def _progress() -> Progress | _NoProgress:
    # A log that goes by on the same terminal says more.
    talks = log.level >= log.INFO and log.writes_to_stderr()
    if log.level == log.SILENT or talks or not os.isatty(2):
        return _NoProgress()
    from crtools.cli.progress import Progress

    return Progress(2)


def _report(error: CrtoolsError, level: int) -> None:
    """An error's text: once on standard error, and in the log if that is a file."""
    in_log = not log.writes_to_stderr() or log.level >= log.INFO
    if in_log:
        log.exception(error)
    log.flush()
    if level > log.SILENT and not (in_log and log.writes_to_stderr()):
        _tell(f"{error}\n")


def _report_bug(error: BaseException) -> int:
    """An exception that nobody expected: all of it goes to the log, or to standard error."""
    import traceback

    trace = "".join(traceback.format_exception(error))
    in_log = log.level > log.SILENT and not log.writes_to_stderr()
    for line in trace.splitlines():
        if in_log:
            log.error("%s", line)
    log.flush()
    _tell(
        f"crtools failed: {type(error).__name__}: {error}\n"
        "Because: this is our bug, nothing that you did.\n"
        + ("Try: report it with the log, which has the traceback.\n" if in_log else trace)
    )
    return _EXIT_FAILED


def _print_usage() -> None:
    from crtools.cli.usage import HINT, USAGE

    try:
        _say(USAGE + HINT)
    except (_ReaderGone, CrtoolsError):
        pass  # the line's own error is told on standard error


def _say(text: str) -> None:
    """Write to standard output, with all that waits there. Raises _ReaderGone, CrtoolsError."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        _drop_output()
        raise _ReaderGone from None
    except OSError as error:
        _drop_output()
        raise CrtoolsError(
            "Standard output cannot be written", because=error.strerror or str(error)
        ) from None


def _tell(text: str) -> None:
    """Write to standard error, which may be closed."""
    data = text.encode("utf-8", "backslashreplace")
    try:
        while data:
            data = data[os.write(2, data) :]
    except OSError:
        pass


def _drop_output() -> None:
    """Send what can't be written to nowhere, or the interpreter tries again when it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    os.dup2(nowhere, 1)
    os.close(nowhere)


def _open_standard_descriptors() -> None:
    """Whatever is opened first would become standard error if that is closed, and get our words."""
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            # The lowest free number is this one.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
            name = ("stdin", "stdout", "stderr")[fd]
            setattr(sys, name, open(fd, "w" if fd else "r", closefd=False))


def _current_directory() -> str:
    try:
        return os.getcwd()
    except FileNotFoundError:
        raise UsageError(
            "The current directory does not exist any more", hint="cd to one that does"
        ) from None


if __name__ == "__main__":
    sys.exit(main())
