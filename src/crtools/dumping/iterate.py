"""dump --iterate: pre-dumps until another one would not pay, and then the dump.

The rounds lie in the images directory, in pre-1, pre-2, ..., each the parent of the next and the
last that of the dump. What the dump has to write while the tree is stopped is what changed since
the last round began: so rounds pay as long as each leaves clearly less than the one before.
"""

from __future__ import annotations

import os
import time

from crtools import log
from crtools.dumping.dump import dump
from crtools.dumping.predump import pre_dump
from crtools.dumping.tracking import end_tracking
from crtools.errors import UsageError
from crtools.images.registry import find_by_name
from crtools.model.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from crtools.dumping.dump import DumpResult
    from crtools.dumping.predump import PreDumpResult
    from crtools.model.options import Options

PAGE = 4096
# What is left then is written in a few milliseconds: as long as stopping the tree takes anyway.
LITTLE = 4 << 20
# A round has to leave less than three quarters of what the one before left.
LEAST_GAIN = 0.75


class Round(Value):
    """`pages` are what it wrote, in `seconds`; `rate` is what the tree had dirtied since the round
    before, in bytes a second, None for the first one, which writes everything."""

    pages: int
    seconds: float
    rate: float | None


def dump_iterating(options: Options, *, until_gone: bool) -> DumpResult:
    """As dump(); the result has the rounds."""
    if options.iterate_rounds < 1:
        raise UsageError("--iterate-rounds must be 1 at least")
    for name in ("snapshot", "share_pages", "reflink_pages"):
        if getattr(options, name):
            raise UsageError(f"--iterate does not go with --{name.replace('_', '-')}")
    made: list[str] = []
    try:
        results = _pre_dump_all(options, made)
        last = options.but(prev_images_dir=os.path.basename(made[-1]))
        result = dump(last, until_gone=until_gone)
    except BaseException:
        _end(made)
        for path in made:
            _remove(path)
        raise
    if (options.leave_running or options.leave_stopped) and not options.track_mem:
        _end(made)
    return result.but(rounds=tuple(results))


def _pre_dump_all(options: Options, made: list[str]) -> list[PreDumpResult]:
    results: list[PreDumpResult] = []
    rounds: list[Round] = []
    begun = 0.0
    _remove_old(options.images_dir)
    while True:
        number = len(results) + 1
        path = os.path.join(options.images_dir, f"pre-{number}")
        behind = options.prev_images_dir
        if made:
            behind = f"../{os.path.basename(made[-1])}"
        elif behind and not os.path.isabs(behind):
            behind = os.path.join("..", behind)
        made.append(path)
        before, begun = begun, time.monotonic()
        result = pre_dump(
            options.but(
                images_dir=path,
                work_dir=path,
                prev_images_dir=behind,
                action_scripts=(),
            )
        )
        seconds = time.monotonic() - begun
        rate = result.pages * PAGE / (begun - before) if results else None
        results.append(result)
        rounds.append(Round(pages=result.pages, seconds=seconds, rate=rate))
        log.info(f"round {number}: {result.summary_line()}")
        because = why_stop(rounds, options.iterate_rounds, options.iterate_rate)
        if because:
            log.info(f"no round more: {because}")
            return results


def why_stop(rounds: Sequence[Round], most: int, enough: int) -> str:
    """Why no round more pays, "" if one does. `most`: rounds; `enough`: bytes a second, 0 for no
    such bound."""
    last = rounds[-1]
    if last.pages * PAGE <= LITTLE:
        return "there is little left to write"
    if len(rounds) >= most:
        return f"there were {most}"
    if last.rate is None:
        return ""
    if last.rate <= enough:
        return f"it changes {last.rate / 1e6:.1f} MB a second, which is not more than was asked for"
    # What will have changed by the next one, at this rate: as much as this one took to write.
    if last.rate * last.seconds > LEAST_GAIN * last.pages * PAGE:
        return "the tree changes about as much as is written meanwhile"
    if len(rounds) > 2 and last.pages > LEAST_GAIN * rounds[-2].pages:
        return "rounds do not get smaller any more"
    return ""


def _end(made: Sequence[str]) -> None:
    for path in made[-1:]:
        end_tracking(path)


def _remove_old(directory: str) -> None:
    """What an earlier --iterate has left there."""
    number = 1
    while os.path.isdir(path := os.path.join(directory, f"pre-{number}")):
        _remove(path)
        number += 1


def _remove(path: str) -> None:
    """Images and the directory, if it holds nothing else."""
    try:
        for name in os.listdir(path):
            if name == "parent" or find_by_name(name) is not None:
                os.unlink(os.path.join(path, name))
        os.rmdir(path)
    except OSError as error:
        log.warning(f"{path} is left behind: {os.strerror(error.errno or 0)}")
