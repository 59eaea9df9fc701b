"""What programs import: dump and restore, with figures as their results and errors as exceptions.

    import crtools
    result = crtools.dump(pid, "/var/tmp/images", leave_running=True)
    print(result.summary_line())
    crtools.restore("/var/tmp/images")

Keyword arguments are the command line's options with underscores (crtools.model.options.Options).
"""

from __future__ import annotations

import os

from crtools.errors import failed_call
from crtools.model.options import Options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from crtools.dumping.dump import DumpResult
    from crtools.dumping.predump import PreDumpResult
    from crtools.restoring.restore import RestoreResult
    from crtools.restoring.verify import Verified


def dump(pid: int, directory: str, **options: Any) -> DumpResult:
    """Writes the process tree below `pid` to a directory, which is made if it is missing (0700).

    The tree is killed afterwards unless leave_running or leave_stopped is true. Raises the classes
    of crtools.errors; then the tree goes on as it was.
    """
    from crtools.model.unimplemented import refuse_unimplemented

    resolved = Options(tree=pid, images_dir=os.path.abspath(directory), **options)
    refuse_unimplemented("dump", resolved)
    return dump_with(resolved, until_gone=True)


def pre_dump(pid: int, directory: str, **options: Any) -> PreDumpResult:
    """Writes what has changed in the memory of the process tree below `pid`, which runs on; a later
    pre_dump or dump with prev_images_dir leaves out what has not changed since.

    Raises the classes of crtools.errors.
    """
    from crtools.model.unimplemented import refuse_unimplemented

    resolved = Options(tree=pid, images_dir=os.path.abspath(directory), **options)
    refuse_unimplemented("pre-dump", resolved)
    return pre_dump_with(resolved)


def snapshot(pid: int, directory: str, **options: Any) -> DumpResult:
    """As dump, but the tree runs on at once, and copies of it write its memory."""
    return dump(pid, directory, leave_running=True, snapshot=True, **options)


def restore(directory: str, **options: Any) -> RestoreResult:
    """Brings the process tree in a directory back. The root becomes a child of the caller.

    Raises the classes of crtools.errors; then nothing of the tree is left.
    """
    from crtools.model.unimplemented import refuse_unimplemented

    resolved = Options(images_dir=os.path.abspath(directory), **options)
    refuse_unimplemented("restore", resolved)
    return restore_with(resolved)


def verify(directory: str, *, deep: bool = True) -> Verified:
    """Whether the images in a directory, and those that they build upon, are whole: `problems` of
    the result is empty then. Changes nothing. Raises the classes of crtools.errors for a directory
    that cannot be looked at."""
    from crtools.restoring.verify import verify

    return verify(Options(images_dir=os.path.abspath(directory)), deep=deep)


def record_checksums(directory: str) -> int:
    """Writes checksums of all images that are in a directory now; how many bytes these have."""
    from crtools.images.checksums import record
    from crtools.images.store import ImageStore

    with ImageStore.open(os.path.abspath(directory), allow_incomplete=True) as store:
        return record(store)


def dump_with(options: Options, *, until_gone: bool = False) -> DumpResult:
    """For commands, which end soon after: killed tasks may still be on their way out, unless
    `until_gone`."""
    try:
        if options.iterate:
            from crtools.dumping.iterate import dump_iterating

            return dump_iterating(options, until_gone=until_gone)
        from crtools.dumping.dump import dump

        return dump(options, until_gone=until_gone)
    except OSError as error:
        raise failed_call(f"dump task {options.tree}", error) from error


def pre_dump_with(options: Options) -> PreDumpResult:
    from crtools.dumping.predump import pre_dump

    try:
        return pre_dump(options)
    except OSError as error:
        raise failed_call(f"pre-dump task {options.tree}", error) from error


def restore_with(options: Options, *, ends: bool = False) -> RestoreResult:
    """For commands that end soon after with `ends`: what they trace is let go of by that."""
    from crtools.restoring.restore import restore

    try:
        return restore(options, ends=ends)
    except OSError as error:
        raise failed_call(f"restore the tree in {options.images_dir}", error) from error


def plan_with(options: Options) -> list[str]:
    """What restore_with would do, a line a step; nothing is created."""
    from crtools.restoring.restore import plan

    return plan(options)
