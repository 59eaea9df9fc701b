"""Rules of iptables(8) that drop the packets of given TCP connections, by its programs.

They are CRIU's, as `iptables -S` shows them: at the head of the table filter, for each connection

    -A INPUT -s PEER/32 -d OURS/32 -p tcp -m mark ! --mark 0xc114 -m tcp --sport P --dport Q -j DROP

and one in OUTPUT the other way round. So either tool finds the other's, by what they say. All rules
of an address family come and go in one call of iptables-restore(8).

Rules belong to nobody: whoever makes some that are to go with the tool starts a guard first, which
takes them away when the tool has ended without a word.
"""

from __future__ import annotations

import os

from crtools import log
from crtools.abi.kernel import address_of
from crtools.abi.signals import SIGPIPE, SIGXFSZ
from crtools.abi.x86_64 import SYS_write
from crtools.errors import CrtoolsError, MissingFeature, PermissionDenied
from crtools.kinds.network.lock import WHAT, Lock
from crtools.kinds.network.nftables import MARK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from crtools.kinds.network.nftables import Connection

# Where administrators' programs are, which a PATH may lack.
_ELSEWHERE = ("/usr/local/sbin", "/usr/sbin", "/sbin")
# What is missing if nothing else does: `because`, then a way out.
_HINT = "install iptables, or leave --network-lock out: nftables need no program"
# By the length of an address: the prefix of the programs' names, the family in words.
_FAMILIES = {4: ("ip", "IPv4"), 16: ("ip6", "IPv6")}
_WAIT = ("-w", "5")  # seconds that another iptables may hold its lock: the tasks are stopped
_WORDS = 21  # of a rule in a listing
_KEEP = b"keep\n"
# 0 is the pipe on which the tool says "keep", 1 where it reads the outcome, 2 the errors; 3 and 4
# are the rules to make and to take away of IPv4, 5 and 6 those of IPv6. A program may be ":".
_GUARD = """
trap '' HUP INT QUIT TERM PIPE
locked=1
if "$1" -w 5 --noflush <&3; then
    if "$2" -w 5 --noflush <&5; then
        locked=0
    else
        "$1" -w 5 --noflush <&4
    fi
fi
echo $locked
[ $locked = 0 ] || exit 0
read -r word
[ "$word" = keep ] && exit 0
"$1" -w 5 --noflush <&4
status=$?
"$2" -w 5 --noflush <&6 && exit $status
"""


class RulesLock(Lock):
    def __init__(self) -> None:
        self._guard: Guard | None = None

    def hold(self, connections: Sequence[Connection]) -> None:
        """Where a dump has left the same rules, there are two of each: those are not touched by
        `release`."""
        if not connections:
            return
        self._guard = Guard(
            {length: build_rules(some) for length, some in _by_family(connections).items()}
        )
        try:
            self._guard.wait_until_locked()
        except CrtoolsError:
            self.release()
            raise

    def prepare(self, connections: Sequence[Connection]) -> tuple[int, ...]:
        # They are locked: it only has to be said that they stay so.
        return self._guard.keeping() if self._guard is not None else ()

    def check(self) -> None:
        self.release()

    def release(self) -> None:
        if self._guard is not None:
            self._guard.close()
            self._guard = None


class Guard:
    """A process that makes rules and takes them away again, if it is not told to keep them before
    the last descriptor of its pipe is closed, however that comes about.

    It is in a session of its own and ignores what ends others, but SIGKILL. `rules` are those of
    each length of an address.
    """

    def __init__(self, rules: Mapping[int, Sequence[str]]) -> None:
        """Begins to make them. Raises MissingFeature."""
        programs, batches = [], []
        for length in _FAMILIES:
            some = rules.get(length, ())
            programs.append(find_program(length, "tables-restore") if some else ":")
            batches.append(_batch("-I", some))
            # The last one that was put at the head is found first.
            batches.append(_batch("-D", some[::-1]))
        ours: list[int] = []
        theirs: list[int] = []
        self._errors = os.memfd_create("crtools-errors", os.MFD_CLOEXEC)
        ours.append(self._errors)
        try:
            hears, self._says = os.pipe2(os.O_CLOEXEC)
            theirs.append(hears)
            ours.append(self._says)
            self._hears, answers = os.pipe2(os.O_CLOEXEC)
            theirs += (answers, self._errors)
            ours.append(self._hears)
            theirs += [_file_of(batch) for batch in batches]
            self.pid = _spawn(["/bin/sh", "-c", _GUARD, "crtools-guard", *programs], theirs)
        except OSError as error:
            for fd in ours:
                os.close(fd)
            raise MissingFeature(WHAT, because=f"/bin/sh: {error.strerror}", hint=_HINT) from error
        finally:
            for fd in theirs:
                if fd != self._errors:
                    os.close(fd)

    def wait_until_locked(self) -> None:
        """Raises MissingFeature, PermissionDenied."""
        answer = b""
        while not answer.endswith(b"\n"):
            piece = os.read(self._hears, 100)
            if not piece:
                break
            answer += piece
        if answer != b"0\n":
            raise _explain(_text_of(self._errors))

    def keeping(self) -> tuple[int, ...]:
        """The system call by which it is told to keep the rules and end."""
        return SYS_write, self._says, address_of(_KEEP), len(_KEEP)

    def close(self) -> None:
        """Waits for its end: it has kept the rules or taken them away."""
        os.close(self._says)
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        if status:
            log.warning(
                f"iptables: rules that drop the packets of connections may be left:"
                f" {_text_of(self._errors).strip()}"
            )
        os.close(self._hears)
        os.close(self._errors)


def check_programs() -> None:
    """Whether this machine has iptables, as far as that can be seen before there is anything to
    lock. Raises MissingFeature, PermissionDenied."""
    find_program(4, "tables-restore")
    read_rules(4)


def unlock(connections: Iterable[Connection]) -> None:
    """Takes away what locks these connections, whoever made it and how often. Raises
    MissingFeature, PermissionDenied."""
    for length, some in _by_family(connections).items():
        wanted = set(build_rules(some))
        # As they lie there: the next one to be taken away is always near the head. Otherwise all
        # of the others are compared, for each (100 seconds for 4000 connections).
        found = [rule for rule in read_rules(length) if rule in wanted]
        if found:
            status, _, errors = _run(
                [find_program(length, "tables-restore"), *_WAIT, "--noflush"], _batch("-D", found)
            )
            if status:
                raise _explain(errors)


def build_rules(connections: Iterable[Connection]) -> list[str]:
    """The rules that lock connections of one family, each once, as `read_rules` gives them."""
    found = []
    for ours, port, theirs, peer in connections:
        found.append(_rule("INPUT", theirs, peer, ours, port))
        found.append(_rule("OUTPUT", ours, port, theirs, peer))
    return list(dict.fromkeys(found))


def read_rules(length: int) -> list[str]:
    """All rules that could be such as ours, in their order, of addresses of this length, which are
    written in full. Raises MissingFeature, PermissionDenied."""
    program = find_program(length, "tables")
    status, listing, errors = _run([program, *_WAIT, "-t", "filter", "-S"])
    if status:
        raise _explain(errors)
    return parse_rules(listing)


def parse_rules(listing: str) -> list[str]:
    """Those of a listing by `iptables -S` or iptables-save that drop packets of one TCP connection
    without the mark."""
    found = []
    for line in listing.splitlines():
        words = line.split()
        if len(words) != _WORDS or words[0] != "-A" or words[1] not in ("INPUT", "OUTPUT"):
            continue
        try:
            source, target = parse_address(words[3]), parse_address(words[5])
            rule = _rule(words[1], source, int(words[16]), target, int(words[18]))
        except (ValueError, OverflowError):
            continue
        words[3], words[5] = _show(source), _show(target)
        if words[1:] == rule.split():
            found.append(rule)
    return found


def parse_address(text: str) -> bytes:
    """The 4 or 16 bytes of `127.0.0.1/32`, `fe80::1/128`, of no shorter prefix. Raises ValueError,
    OverflowError."""
    words, _, prefix = text.partition("/")
    if ":" in words:
        head, gap, tail = words.partition("::")
        front, back = _parse_words(head), _parse_words(tail)
        missing = 16 - len(front) - len(back)
        if missing < 2 if gap else missing:
            raise ValueError(text)
        address = front + bytes(missing) + back
    else:
        address = _parse_dotted(words)
    if prefix and int(prefix) != 8 * len(address):
        raise ValueError(text)
    return address


def _parse_words(text: str) -> bytes:
    parts = []
    for word in text.split(":") if text else ():
        # ::ffff:127.0.0.1 ends with an address of the other family.
        parts.append(_parse_dotted(word) if "." in word else int(word, 16).to_bytes(2, "big"))
    return b"".join(parts)


def _parse_dotted(text: str) -> bytes:
    address = bytes([int(number) for number in text.split(".")])
    if len(address) != 4:
        raise ValueError(text)
    return address


def _rule(chain: str, source: bytes, port: int, target: bytes, other: int) -> str:
    return (
        f"{chain} -s {_show(source)} -d {_show(target)} -p tcp -m mark ! --mark {MARK:#x}"
        f" -m tcp --sport {port} --dport {other} -j DROP"
    )


def _show(address: bytes) -> str:
    if len(address) == 4:
        return f"{'.'.join(map(str, address))}/32"
    words = [f"{int.from_bytes(address[at : at + 2], 'big'):x}" for at in range(0, 16, 2)]
    return f"{':'.join(words)}/128"


def _by_family(connections: Iterable[Connection]) -> dict[int, list[Connection]]:
    found: dict[int, list[Connection]] = {}
    for connection in connections:
        found.setdefault(len(connection[0]), []).append(connection)
    return found


def _batch(verb: str, rules: Sequence[str]) -> str:
    """What iptables-restore(8) reads."""
    return "\n".join(("*filter", *[f"{verb} {rule}" for rule in rules], "COMMIT", ""))


# --- Programs ---


def find_program(length: int, name: str) -> str:
    """Where the program for addresses of this length is: `name` is "tables" or "tables-restore".
    Raises MissingFeature."""
    program = _FAMILIES[length][0] + name
    for directory in (*os.environ.get("PATH", os.defpath).split(":"), *_ELSEWHERE):
        path = os.path.join(directory or ".", program)
        if os.access(path, os.X_OK) and os.path.isfile(path):
            return path
    raise MissingFeature(WHAT, because=f"there is no program {program}", hint=_HINT)


def has_programs() -> bool:
    """Whether iptables is installed."""
    try:
        find_program(4, "tables-restore")
    except MissingFeature:
        return False
    return True


def _run(argv: list[str], given: str = "") -> tuple[int, str, str]:
    """The program's exit status, output and errors."""
    files = [_file_of(given), _file_of(""), _file_of("")]
    try:
        status = os.waitstatus_to_exitcode(os.waitpid(_spawn(argv, files), 0)[1])
        return status, _text_of(files[1]), _text_of(files[2])
    except OSError as error:
        raise MissingFeature(WHAT, because=f"{argv[0]}: {error.strerror}", hint=_HINT) from error
    finally:
        for fd in files:
            os.close(fd)


def _spawn(argv: list[str], files: Sequence[int]) -> int:
    """Starts a program in a session of its own, with these files from descriptor 0 on. Raises
    OSError."""
    # Above all of them first, so that none is overwritten before it has been copied.
    base = max(*files, len(files)) + 1
    actions = [
        *[(os.POSIX_SPAWN_DUP2, fd, base + at) for at, fd in enumerate(files)],
        *[(os.POSIX_SPAWN_DUP2, base + at, at) for at in range(len(files))],
        *[(os.POSIX_SPAWN_CLOSE, base + at) for at in range(len(files))],
    ]
    return os.posix_spawn(
        argv[0],
        argv,
        {**os.environ, "LC_ALL": "C"},
        file_actions=actions,
        setsid=True,
        setsigmask=(),
        # Python ignores these two, and what is ignored stays so across exec.
        setsigdef=(SIGPIPE, SIGXFSZ),
    )


def _file_of(text: str) -> int:
    fd = os.memfd_create("crtools-iptables", os.MFD_CLOEXEC)
    os.write(fd, text.encode())
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def _text_of(fd: int) -> str:
    size = os.fstat(fd).st_size
    return os.pread(fd, size, 0).decode("utf-8", "replace")


def _explain(errors: str) -> CrtoolsError:
    """`errors` is what the program has said."""
    lines = [line for line in errors.splitlines() if line and not line.startswith("#")]
    because = lines[0] if lines else "iptables failed without a word"
    if "ermission denied" in errors:
        return PermissionDenied(
            WHAT,
            because=f"{because}: that needs CAP_NET_ADMIN",
            hint="run as root; --network-lock skip, if nothing can reach them meanwhile",
        )
    return MissingFeature(
        WHAT,
        because=because,
        hint="leave --network-lock out: nftables need no program;"
        " or --network-lock skip, if nothing can reach them meanwhile",
    )
