"""`crtools verify`: whether the images in a directory are whole.

    verify [-D] DIR                with checksums where there are any, and all that lies behind
    verify --shallow DIR           this directory alone
    verify --record DIR            write checksums for what is there now
    verify --json DIR              the result for programs

Exit status: 0 all is well, 1 something is damaged or missing, or could not be looked at. Nothing
here is on the way of a dump or a restore.
"""

from __future__ import annotations

import os
import sys

from crtools.errors import CrtoolsError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser
    from typing import Any

    from crtools.restoring.verify import Verified


def main(args: list[str]) -> int:
    """Run `crtools verify ARGS`: its exit status. Raises CrtoolsError."""
    given = _make_parser().parse_args(args)
    if (given.path is None) == (given.directory is None):
        raise UsageError("crtools verify takes one directory")
    path: str = os.path.abspath(given.path or given.directory)
    from crtools import api

    if given.record:
        if given.shallow:
            raise UsageError("--record is of one directory anyway: leave out --shallow")
        size = api.record_checksums(path)
        _print_record(path, size, given.json)
        return 0
    found = api.verify(path, deep=not given.shallow)
    if given.json:
        _print_json(found)
    else:
        _print_text(found)
    return 1 if found.problems else 0


def _make_parser() -> ArgumentParser:
    import argparse

    class Parser(argparse.ArgumentParser):
        def error(self, message: str) -> Any:
            raise UsageError(f"crtools verify: {message}", hint=self.format_usage().strip())

    parser = Parser(prog="crtools verify", description="Whether the images in DIR are whole.")
    parser.add_argument("path", metavar="DIR", nargs="?")
    parser.add_argument("-D", "--images-dir", metavar="DIR", dest="directory", help="the same")
    parser.add_argument("--shallow", action="store_true", help="not the directories behind it")
    parser.add_argument("--record", action="store_true", help="write checksums of what is there")
    parser.add_argument("--json", action="store_true", help="the result for programs")
    return parser


def _print_record(path: str, size: int, as_json: bool) -> None:
    if as_json:
        import json

        print(json.dumps({"directory": path, "recorded": True, "bytes": size}))
        return
    from crtools.model.units import size as text

    print(f"recorded checksums of {text(size)} in {path}")


def _print_text(found: Verified) -> None:
    from crtools.model.units import size

    for error in found.problems:
        print(f"{error}\n")
    for error in found.remarks:
        print(f"It could not be restored here and now. {error}\n")
    for path, recorded in zip(found.directories, found.recorded, strict=True):
        if not recorded:
            print(f"{path} has no checksums: what pages hold cannot be told from what they held.")
    count = len(found.problems)
    result = "no damage" if not count else "1 problem" if count == 1 else f"{count} problems"
    where = "" if len(found.directories) == 1 else f" in {len(found.directories)} directories"
    print(f"{found.files} images, {size(found.bytes)}{where}: {result}")


def _print_json(found: Verified) -> None:
    import json

    def shown(error: CrtoolsError) -> dict[str, str]:
        return {"what": error.what, "because": error.because, "try": error.hint}

    json.dump(
        {
            "directories": [
                {"path": path, "checksums": recorded}
                for path, recorded in zip(found.directories, found.recorded, strict=True)
            ],
            "files": found.files,
            "bytes": found.bytes,
            "problems": [shown(error) for error in found.problems],
            "remarks": [shown(error) for error in found.remarks],
        },
        sys.stdout,
        indent=2,
    )
    print()
