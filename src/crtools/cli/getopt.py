"""getopt_long(3), as CRIU uses it: options before or after the verb, unique abbreviations of long
names, values joined or in the next word, optional values only joined, short options bundled.

Written by hand because argparse costs 6 ms to import and reads lines differently. Pure: words in,
what they say out. Messages are glibc's, which scripts know.
"""

from __future__ import annotations

from crtools.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    # long name; letter or ""; form; field of Options; how the value reads (cli/options.py)
    Row = tuple[str, str, str, str, str]
    # the row; the value as text, None where the option has none; False for --no-X; as it was given
    Found = tuple[Row, str | None, bool, str]

# Forms. A switch is a flag that has a --no-X too. One of our own, which CRIU does not have, gives
# way where an abbreviation fits others too: --str is CRIU's --stream, whatever we add.
FLAG, SWITCH, NEEDS_VALUE, MAY_HAVE_VALUE, OWN_FLAG = "flag", "switch", "value", "maybe", "own"


class CommandLineError(UsageError):
    """The line does not parse; the usage text helps. (A value that makes no sense: UsageError.)"""


def parse_words(words: list[str], table: tuple[Row, ...]) -> tuple[list[Found], list[str]]:
    """The options in their order and the other words in theirs. Raises CommandLineError."""
    found: list[Found] = []
    operands: list[str] = []
    at = 0
    while at < len(words):
        word = words[at]
        at += 1
        if word == "--":
            operands += words[at:]
            break
        if word.startswith("--"):
            name, joined, value = word[2:].partition("=")
            row, positive = find_long(name, table)
            shown = ("--" if positive else "--no-") + row[0]
            form = row[2]
            if joined and form in (FLAG, SWITCH, OWN_FLAG):
                raise CommandLineError(f"option '{shown}' doesn't allow an argument")
            if form == NEEDS_VALUE and not joined:
                if at == len(words):
                    raise CommandLineError(f"option '{shown}' requires an argument")
                value = words[at]
                at += 1
                joined = "="
            found.append((row, value if joined else None, positive, shown))
        elif word.startswith("-") and word != "-":
            at = _parse_bundle(word, words, at, table, found)
        else:
            operands.append(word)
    return found, operands


def find_long(name: str, table: tuple[Row, ...]) -> tuple[Row, bool]:
    """The row that a long name or a unique abbreviation means, and whether it is not --no-X."""
    # getopt_long takes an exact match before it looks at abbreviations.
    for row in table:
        if row[0] == name:
            return row, True
        if row[2] == SWITCH and name == "no-" + row[0]:
            return row, False
    if not name:
        raise CommandLineError("unrecognized option '--'")
    matches = [(row, True) for row in table if row[0].startswith(name)]
    if name.startswith("no-") or "no-".startswith(name):
        matches += [
            (row, False) for row in table if row[2] == SWITCH and ("no-" + row[0]).startswith(name)
        ]
    if not matches:
        raise CommandLineError(f"unrecognized option '--{name}'")
    if len(matches) > 1:
        matches = [match for match in matches if match[0][2] != OWN_FLAG] or matches
    if len(matches) > 1:
        names = " ".join(
            f"'--{row[0]}'" if positive else f"'--no-{row[0]}'" for row, positive in matches
        )
        raise CommandLineError(f"option '--{name}' is ambiguous; possibilities: {names}")
    return matches[0]


def _parse_bundle(
    word: str, words: list[str], at: int, table: tuple[Row, ...], found: list[Found]
) -> int:
    """Read one word of short options; return the index of the next unread word."""
    rest = word[1:]
    while rest:
        letter, rest = rest[0], rest[1:]
        row = _find_short(letter, table)
        if row is None:
            raise CommandLineError(f"invalid option -- '{letter}'")
        shown = "-" + letter
        if row[2] == NEEDS_VALUE:
            if not rest:
                if at == len(words):
                    raise CommandLineError(f"option requires an argument -- '{letter}'")
                rest = words[at]
                at += 1
            found.append((row, rest, True, shown))
            return at
        if row[2] == MAY_HAVE_VALUE and rest and not (letter == "v" and _is_bundle(rest, table)):
            found.append((row, rest, True, shown))
            return at
        found.append((row, None, True, shown))
    return at


def _is_bundle(rest: str, table: tuple[Row, ...]) -> bool:
    """Whether what follows -v is more options (-vv, -vd) and not its value (-v4, -verbosity=0)."""
    for index, letter in enumerate(rest):
        row = _find_short(letter, table)
        if row is None:
            return False
        if row[2] == NEEDS_VALUE:
            return True
        if row[2] == MAY_HAVE_VALUE:
            after = rest[index + 1 :]
            return not after or after.isdigit() or _is_bundle(after, table)
    return True


def _find_short(letter: str, table: tuple[Row, ...]) -> Row | None:
    for row in table:
        if row[1] == letter:
            return row
    return None


def parse_number(text: str) -> int:
    """atoi(3): blanks, a sign, digits; what follows is ignored, no digits are 0, and the result
    is cut to an int of 32 bits."""
    rest = text.lstrip(" \t\n\v\f\r")
    negative = rest[:1] == "-"
    if rest[:1] in ("-", "+"):
        rest = rest[1:]
    count = 0
    while count < len(rest) and rest[count] in "0123456789":
        count += 1
    # strtol stops at the ends of a long, and the cast to int keeps its low half.
    value = min(int(rest[: min(count, 40)] or "0"), (1 << 63) - (not negative))
    value = (-value if negative else value) & 0xFFFFFFFF
    return value - (1 << 32) if value >> 31 else value
