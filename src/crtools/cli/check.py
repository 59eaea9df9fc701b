"""`crtools check`: what this kernel and our privileges allow, and what each lack costs.

Categories, verdicts and exit status are those of criu(8), "check".
"""

from __future__ import annotations

import sys

from crtools import features
from crtools.errors import UsageError
from crtools.log import INFO

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.model.options import Options

    # name, what it is for, why it fails ("": it does not), what its lack costs
    Answer = tuple[str, str, str, str]


def main(options: Options) -> int:
    """Print the findings; 0 if nothing that was asked for is missing."""
    if options.ms and not options.deprecated:
        raise UsageError("--ms is deprecated", hint="check without --extra leaves the same out")
    if options.feature:
        return _check_feature(options.feature)
    extra = options.extra or options.all
    experimental = options.experimental or options.all
    required = _ask(features.REQUIRED)
    others = _ask(
        (features.EXTRA if extra else ()) + (features.EXPERIMENTAL if experimental else ())
    )
    answers = required + others
    if not (sys.stdout.isatty() and _print_table(answers)):
        _print_lines(answers, everything=options.log_level >= INFO)
    if any(answer[2] for answer in required):
        print("Does not look good.")
        return 1
    if any(answer[2] for answer in others):
        print("Looks good but some features are missing.")
        return 1
    print("Looks good.")
    return 0


def _check_feature(name: str) -> int:
    if name == "list":
        for known in features.FEATURES:
            print(known)
        return 0
    reason = features.probe_feature(name)
    print(f"{name}: no: {reason}" if reason else f"{name}: yes")
    return 1 if reason else 0


def _ask(probes: tuple[tuple[str, str, str], ...]) -> list[Answer]:
    return [(name, purpose, features.probe(name), cost) for name, purpose, cost in probes]


def _print_lines(answers: list[Answer], *, everything: bool) -> None:
    for name, purpose, reason, cost in answers:
        if reason:
            print(f"{name} is missing ({purpose}): {reason}. Without it {cost}.")
        elif everything:
            print(f"{name} is there ({purpose}).")


def _print_table(answers: list[Answer]) -> bool:
    """A table, where rich is installed."""
    try:
        from rich import box
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text
    except ImportError:
        return False
    table = Table(box=box.SIMPLE_HEAD)
    for title in ("feature", "what it is for", "here"):
        table.add_column(title)
    for name, purpose, reason, cost in answers:
        here = Text(f"{reason}: {cost}", "red") if reason else Text("yes", "green")
        table.add_row(Text(name), Text(purpose), here)
    Console().print(table)
    return True
