"""Config files, criu(8) "CONFIGURATION FILES": long options without their dashes, one a line.

    tcp-established
    work-dir "/home/me/my \\"work\\" directory"   # a comment
    no-restore-sibling

In this order, each overriding those before and the command line overriding all: the default
files /etc/criu/default.conf and $HOME/.criu/default.conf (unless --config or --no-default-config
is given), the file that CRIU_CONFIG_FILE names, the file that --config names.
"""

from __future__ import annotations

from crtools.cli.getopt import FLAG, NEEDS_VALUE, SWITCH, CommandLineError, find_long
from crtools.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from crtools.cli.getopt import Found, Row

SYSTEM_FILE = "/etc/criu/default.conf"
USER_FILE = ".criu/default.conf"  # in $HOME
MAX_BYTES = 1 << 20


def collect_config(
    given: list[Found], environ: Mapping[str, str], table: tuple[Row, ...]
) -> tuple[list[Found], list[str]]:
    """All that the config files say, in order of precedence, and warnings about it.

    `given`: the command line's own options, which choose the files. Files that need not be there
    are skipped when they are missing; one named by --config must exist. Raises UsageError.
    """
    named = [value for row, value, _, _ in given if row[0] == "config" and value]
    without_defaults = any(row[0] == "no-default-config" for row, _, _, _ in given)
    paths: list[tuple[str, bool]] = []
    if not named and not without_defaults:
        paths.append((SYSTEM_FILE, False))
        if environ.get("HOME"):
            paths.append((environ["HOME"] + "/" + USER_FILE, False))
    if environ.get("CRIU_CONFIG_FILE"):
        paths.append((environ["CRIU_CONFIG_FILE"], False))
    # As with every option that is no list, the last --config counts.
    paths += [(path, True) for path in named[-1:]]

    found: list[Found] = []
    warnings: list[str] = []
    for path, must_exist in paths:
        text = read_config(path, must_exist=must_exist)
        if text:
            options, remarks = parse_config(text, table, name=path)
            found += options
            warnings += remarks
    return found, warnings


def read_config(path: str, *, must_exist: bool) -> str:
    """A config file's text, "" if it is missing and may be."""
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        if not must_exist:
            return ""
        raise UsageError(f"The config file {path} does not exist") from None
    except OSError as error:
        raise UsageError(
            f"The config file {path} cannot be read", because=error.strerror or str(error)
        ) from None
    if len(data) > MAX_BYTES:
        raise UsageError(f"The config file {path} is larger than {MAX_BYTES} bytes")
    return data.decode("utf-8", "surrogateescape")


def parse_config(text: str, table: tuple[Row, ...], *, name: str) -> tuple[list[Found], list[str]]:
    """The options of one file and remarks on what it says in vain. Raises UsageError."""
    found: list[Found] = []
    warnings: list[str] = []
    for number, line in enumerate(text.split("\n"), 1):
        where = f"{name}, line {number}"
        words = split_line(line, where)
        if not words:
            continue
        # Both `option value` and `option=value` are in use.
        option, joined, value = words[0].partition("=")
        rest = words[1:]
        if not joined and rest:
            value, joined, rest = rest[0], " ", rest[1:]
        try:
            row, positive = find_long(option, table)
        except CommandLineError as error:
            raise UsageError(f"{where}: {error.what}") from None
        shown = f"{where}: {option}"
        if row[2] in (FLAG, SWITCH):
            if joined:
                warnings.append(f"{shown} takes no value; {value!r} is ignored")
            joined = ""
        elif row[2] == NEEDS_VALUE and not joined:
            raise UsageError(f"{shown} requires an argument")
        if rest:
            warnings.append(f"{shown}: what follows the value is ignored: {' '.join(rest)}")
        if row[0] in ("config", "no-default-config"):
            warnings.append(f"{shown} has no effect in a config file")
            continue
        found.append((row, value if joined else None, positive, shown))
    return found, warnings


def split_line(line: str, where: str) -> list[str]:
    """A line's words: blanks divide them, double quotes hold blanks and #, \\" is a quote and no
    other backslash means anything, # outside quotes starts a comment."""
    words: list[str] = []
    word = ""
    in_word = quoted = False
    at = 0
    while at < len(line):
        mark = line[at]
        at += 1
        if mark == "\\" and line[at : at + 1] == '"':
            word += '"'
            in_word = True
            at += 1
        elif mark == '"':
            quoted = not quoted
            in_word = True
        elif not quoted and mark == "#":
            break
        elif not quoted and mark in " \t\r\v\f":
            if in_word:
                words.append(word)
            word, in_word = "", False
        else:
            word += mark
            in_word = True
    if quoted:
        raise UsageError(f"{where}: a double quote is not closed")
    if in_word:
        words.append(word)
    return words
