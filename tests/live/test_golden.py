"""Image sets that CRIU wrote come back and run (tests/golden/README.md says what they hold).

Each is restored in a fresh pid namespace, where its pids are free, and in a mount namespace of its
own, where /opt/golden is a copy of tests/golden: the programs ran there. Then it is dumped and
restored once more by ourselves.

As a script it does one of them from within:
`unshare -pf --mount-proc python test_golden.py DIR NAME`.
"""

from __future__ import annotations

import fcntl
import os
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from crtools.abi import kernel
from crtools.abi.fcntl import O_LARGEFILE
from crtools.abi.x86_64 import SYS_kcmp, SYS_pidfd_getfd
from live.roundtrip import ROOT, SECONDS, Run

GOLDEN = ROOT / "tests" / "golden"
PLACE = Path("/opt/golden")
PAGE = 4096

pytestmark = [pytest.mark.root, pytest.mark.timeout(180)]


@pytest.mark.parametrize("name", ["counter", "threads", "tree", "memory", "fds"])
def test_golden_set_is_restored_and_runs(name: str, directory: Path) -> None:
    command = [
        *("unshare", "--pid", "--mount", "--fork", "--kill-child", "--mount-proc"),
        *(sys.executable, str(Path(__file__).resolve()), str(directory), name),
    ]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=150, check=False
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"


# --- From here on: inside the namespaces ---


def build_place(directory: Path, name: str) -> None:
    """A tmpfs at /opt with all that /opt has, and the golden programs' directory."""
    new = directory / "opt"
    new.mkdir()
    mount("-t", "tmpfs", "-o", "mode=755", "opt", str(new))
    if PLACE.parent.exists():
        for entry in PLACE.parent.iterdir():
            if entry.name == PLACE.name or entry.is_symlink():
                continue
            there = new / entry.name
            if entry.is_dir():
                there.mkdir()
            else:
                there.touch()
            mount("--rbind", str(entry), str(there))
    else:
        raise AssertionError("this machine has no /opt to mount over")
    golden = new / PLACE.name
    shutil.copytree(GOLDEN / "bin", golden / "bin")
    shutil.copytree(GOLDEN / "run" / name, golden / "run" / name)
    shutil.copytree(GOLDEN / name, golden / "images")
    if name == "memory":
        (golden / "run" / name / "memory.dat").chmod(0o600)  # git keeps no such mode
    if name == "fds":
        (golden / "run" / name / "fds.txt").chmod(0o640)
        os.mkfifo(golden / "run" / name / "fds.fifo", 0o600)
    mount("--rbind", str(new), str(PLACE.parent))


def mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True, timeout=SECONDS)


def restore(run: Run, images: Path, pid: int, *options: str) -> None:
    run.pid = pid
    run.restore(images, *options)


def status(pid: int, field: str, tid: int | None = None) -> str:
    text = Path(f"/proc/{pid}/task/{tid or pid}/status").read_text()
    text = "\n" + text
    return text.partition(f"\n{field}:")[2].partition("\n")[0].strip()


def children(pid: int) -> list[int]:
    return [int(n) for n in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def stat_fields(pid: int) -> list[str]:
    """From field 3, the state, on: proc_pid_stat(5)."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def read_memory(pid: int, address: int, length: int) -> bytes:
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as file:
        return os.pread(file.fileno(), length, address)


def write_memory(pid: int, address: int, data: bytes) -> None:
    with open(f"/proc/{pid}/mem", "r+b", buffering=0) as file:
        assert os.pwrite(file.fileno(), data, address) == len(data)


def vm_flags(pid: int, address: int) -> set[str]:
    found = False
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if line.startswith(f"{address:08x}-"):
            found = True
        elif found and line.startswith("VmFlags:"):
            return set(line.split()[1:])
    raise AssertionError(f"no area at {address:x}")


def frame(pid: int, address: int) -> int:
    """The page frame behind an address; 0: none."""
    with open(f"/proc/{pid}/pagemap", "rb", buffering=0) as file:
        (entry,) = struct.unpack("<Q", os.pread(file.fileno(), 8, address // PAGE * 8))
    return int(entry & (1 << 55) - 1) if entry >> 63 else 0


def twice(run: Run, pid: int, check: Callable[[], None]) -> None:
    """CRIU's images, and then our own of what came back."""
    restore(run, PLACE / "images", pid)
    check()
    images = run.dump()
    restore(run, images, pid)
    check()
    run.kill()


def verify_counter(run: Run) -> None:
    """Its file goes on where it was, without a gap and without a repetition."""
    out = PLACE / "run" / "counter" / "counter.out"
    before = out.read_bytes()
    numbers = before.split()
    assert numbers == [b"%d" % n for n in range(1, len(numbers) + 1)]

    def check() -> None:
        had = len(out.read_bytes().split())
        run.wait_until(lambda: len(out.read_bytes().split()) >= had + 5, "the file grows by 5")

    twice(run, 31000, check)
    numbers = out.read_bytes().split()
    assert numbers == [b"%d" % n for n in range(1, len(numbers) + 1)]


def counters(pid: int, exe: Path) -> bytes:
    """The program's writable data."""
    data = b""
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        area, perms, _, _, _, *name = line.split(None, 5)
        if perms.startswith("rw") and (not name or name[0] == str(exe)) and len(area) < 18:
            start, end = (int(part, 16) for part in area.split("-"))
            data += read_memory(pid, start, end - start)
    return data


def verify_threads(run: Run) -> None:
    """Each thread's counter and its number, kept in a floating point register, go on from where
    they were: x = x * 1.0000001 + id."""
    pid = 31100

    def check() -> None:
        tids = sorted(int(tid) for tid in os.listdir(f"/proc/{pid}/task"))
        assert len(tids) == 5
        for number, tid in enumerate(tids[1:]):
            assert status(pid, "Name", tid) == f"worker-{number}"
            blocked = 1 << (signal.SIGUSR1 + number - 1)
            assert int(status(pid, "SigBlk", tid), 16) == blocked
        first = stopped_data()
        os.kill(pid, signal.SIGCONT)
        switches = "voluntary_ctxt_switches"
        had = [int(status(pid, switches, tid)) for tid in tids[1:]]
        run.wait_until(
            lambda: all(
                int(status(pid, switches, tid)) > n + 3
                for tid, n in zip(tids[1:], had, strict=True)
            ),
            "all threads work",
        )
        os.kill(pid, signal.SIGSTOP)
        compare(first, stopped_data())
        os.kill(pid, signal.SIGCONT)

    def stopped_data() -> tuple[int, ...]:
        run.wait_until(
            lambda: all(
                status(pid, "State", int(tid)).startswith("T")
                for tid in os.listdir(f"/proc/{pid}/task")
            ),
            "it is stopped",
        )
        data = counters(pid, PLACE / "bin" / "threads")
        return struct.unpack(f"<{len(data) // 8}Q", data[: len(data) // 8 * 8])

    def compare(first: tuple[int, ...], second: tuple[int, ...]) -> None:
        changed = [n for n, (a, b) in enumerate(zip(first, second, strict=True)) if a != b]
        # The counters are small numbers, the others' bits are large ones.
        seen = [n for n in changed if second[n] < 1 << 50]
        acc = [n for n in changed if second[n] >= 1 << 50]
        assert len(seen) == len(acc) == 4, (seen, acc)
        for number, (s, a) in enumerate(zip(seen, acc, strict=True)):
            x = to_float(first[a])
            steps = 0
            # One may be written and the other not yet when the thread is stopped.
            while x != to_float(second[a]) and steps <= second[s] - first[s] + 1:
                x = x * 1.0000001 + number
                steps += 1
            assert abs(steps - (second[s] - first[s])) <= 1, (number, steps)

    def to_float(bits: int) -> float:
        return float(struct.unpack("<d", struct.pack("<Q", bits))[0])

    restore(run, PLACE / "images", pid, "--leave-stopped")
    check()
    images = run.dump()
    restore(run, images, pid, "--leave-stopped")
    check()
    run.kill()


def verify_tree(run: Run) -> None:
    """Its consumer ends when a number is missing or wrong; the rest of the tree is as it was."""
    pid = 31230

    def read_chars(of: int) -> int:
        return int(re.findall(r"rchar: (\d+)", Path(f"/proc/{of}/io").read_text())[0])

    def check() -> None:
        # In the order of their birth: wait(2) looks at them in this order.
        producer, consumer, zombie, stopped, leader = children(pid)
        # A tracer that lets go of a stopped task wakes it, and it goes from stop to stop.
        run.wait_until(lambda: stat_fields(stopped)[0] == "T", "the stopped task is stopped")
        state = {of: stat_fields(of) for of in children(pid)}
        assert state[zombie][0] == "Z"
        assert int(state[zombie][49]) == 42 << 8  # exit_code
        assert int(state[stopped][2]) == stopped  # pgrp
        assert int(state[leader][3]) == leader  # session
        (member,) = children(leader)
        assert int(stat_fields(member)[3]) == leader
        had = read_chars(consumer)
        run.wait_until(lambda: read_chars(consumer) >= had + 40, "ten numbers are consumed")
        assert stat_fields(consumer)[0] in "SR"
        assert stat_fields(producer)[0] in "SR"

    twice_left(run, pid, check)


def twice_left(run: Run, pid: int, check: Callable[[], None]) -> None:
    restore(run, PLACE / "images", pid)
    check()
    images = run.dump()
    restore(run, images, pid)
    check()
    # What was left in its pipe is there still; reading it here takes it out.
    left = [text for text in pipes(pid) if text]
    assert left == [b"left in the pipe"], left
    run.kill()


def pipes(pid: int) -> Iterator[bytes]:
    """What is in the pipes that a process reads from, but those that others work with."""
    for fd in sorted(os.listdir(f"/proc/{pid}/fd"), key=int):
        path = f"/proc/{pid}/fd/{fd}"
        if not os.readlink(path).startswith("pipe:"):
            continue
        flags = re.findall(r"flags:\s+(\d+)", Path(f"/proc/{pid}/fdinfo/{fd}").read_text())[0]
        if int(flags, 8) & os.O_ACCMODE != os.O_RDONLY or int(fd) == 3:
            continue
        end = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            yield os.read(end, 1 << 16)
        except BlockingIOError:
            yield b""
        finally:
            os.close(end)


def verify_memory(run: Run) -> None:
    """Every area has its content and its nature, in both processes."""
    pid = 31400
    data = PLACE / "run" / "memory" / "memory.dat"

    def check() -> None:
        (child,) = children(pid)
        for of in (pid, child):
            assert read_memory(of, 0x200000000, 16 * PAGE) == private_file()
            assert read_memory(of, 0x201000000, 16 * PAGE) == data.read_bytes()
            hidden = bytearray(64 * PAGE)
            hidden[8 * PAGE : 16 * PAGE] = b"\3" * (8 * PAGE)
            hidden[40 * PAGE] = 4
            assert read_memory(of, 0x202000000, 64 * PAGE) == bytes(hidden)
            assert not vm_flags(of, 0x202000000) & {"rd", "wr", "ex"}
            shared = bytes(PAGE) + b"\5" * PAGE + bytes(30 * PAGE)
            assert read_memory(of, 0x203000000, 32 * PAGE) == shared
            assert "sh" in vm_flags(of, 0x203000000)
        assert read_memory(pid, 0x204000000, 4 * PAGE) == b"\6" * (4 * PAGE)
        assert "lo" in vm_flags(pid, 0x204000000)
        assert read_memory(pid, 0x205000000, PAGE) == bytes(7) + b"\7" + bytes(PAGE - 8)
        assert "dc" in vm_flags(pid, 0x205000000)
        # Copy-on-write sharing between the two, and memory that both write to.
        for page in range(8, 16):
            address = 0x202000000 + page * PAGE
            assert frame(pid, address) == frame(child, address) != 0
        address = 0x203000000 + 5 * PAGE
        write_memory(pid, address, b"seen by both")
        assert read_memory(child, address, 12) == b"seen by both"
        write_memory(child, address, bytes(12))
        assert read_memory(pid, address, 12) == bytes(12)
        assert stat_fields(pid)[0] == stat_fields(child)[0] == "S"

    def private_file() -> bytes:
        content = bytearray(data.read_bytes())
        content[PAGE] = 1
        return bytes(content)

    twice(run, pid, check)


def take(pid: int, fd: int) -> int:
    """A descriptor of ours for a process's open file."""
    pidfd = os.pidfd_open(pid)
    try:
        return kernel.checked(SYS_pidfd_getfd, pidfd, fd, 0)
    finally:
        os.close(pidfd)


def fdinfo(pid: int, fd: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/fdinfo/{fd}").read_text().splitlines()
    return {
        name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)
    }


def verify_fds(run: Run) -> None:
    """Descriptor by descriptor, as src/fds.c has made them."""
    pid = 31300
    place = PLACE / "run" / "fds"
    flags = {
        3: os.O_RDWR,
        4: os.O_RDWR | os.O_APPEND,
        10: os.O_RDWR | os.O_NONBLOCK,
        12: os.O_RDWR | os.O_NONBLOCK,
        14: os.O_RDONLY,
        15: os.O_RDWR | os.O_CLOEXEC,
        18: os.O_RDWR,
    } | dict.fromkeys((7, 11), os.O_RDWR | os.O_CLOEXEC)
    flags[40] = flags[4]

    def check() -> None:
        fds = {int(name) for name in os.listdir(f"/proc/{pid}/fd")}
        assert fds == {*range(19), 40}
        for fd in fds:
            if fd > 2:
                wanted = flags.get(fd, os.O_RDWR)
                assert int(fdinfo(pid, fd)["flags"], 8) & ~O_LARGEFILE == wanted, fd
        links = {fd: os.readlink(f"/proc/{pid}/fd/{fd}") for fd in fds}
        assert [links[fd] for fd in (0, 1, 2)] == ["/dev/null"] * 3
        with borrowed(3) as fd:
            assert os.fstat(fd).st_nlink == 0
            assert os.pread(fd, 100, 0) == b"unlinked but open"
            assert os.lseek(fd, 0, os.SEEK_CUR) == 17
        assert links[4] == links[40] == str(place / "fds.txt")
        assert fdinfo(pid, 4)["pos"] == "5"
        assert kernel.raw(SYS_kcmp, pid, pid, 0, 4, 40) == 0
        check_sockets()
        check_events()
        # A memfd with seals, a terminal's both ends, a fifo, a signal.
        with borrowed(15) as fd:
            assert links[15] == "/memfd:golden (deleted)"
            assert os.pread(fd, 8192, 0) == bytes(4096) + b"memfd" + bytes(4091)
            assert fcntl.fcntl(fd, 1034) == 2  # F_GET_SEALS: F_SEAL_SHRINK
        with borrowed(16) as master, borrowed(17) as slave:
            assert links[16] == "/dev/ptmx"
            assert links[17].startswith("/dev/pts/")
            assert termios.tcgetattr(slave)[6][termios.VINTR] == b"\3"
            os.write(slave, b"up")
            assert os.read(master, 10) == b"up"
        with borrowed(18) as fd:
            assert links[18] == str(place / "fds.fifo")
            assert os.read(fd, 100) == b"fifo"
            os.write(fd, b"fifo")
        assert status(pid, "ShdPnd") == status(pid, "SigBlk") == f"{1 << 11:016x}"

    def check_sockets() -> None:
        with borrowed(5) as first, borrowed(6) as second:
            ends = socket.socket(fileno=os.dup(first)), socket.socket(fileno=os.dup(second))
            assert ends[1].recv(100, socket.MSG_PEEK) == b"queued"
            ends[1].send(b"back")
            assert ends[0].recv(100) == b"back"
            for end in ends:
                end.close()
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
            client.connect(str(place / "fds.sock"))
            with borrowed(7) as fd, socket.socket(fileno=os.dup(fd)) as listener:
                listener.accept()[0].close()
        for fd, type, port in ((8, socket.SOCK_STREAM, 43235), (9, socket.SOCK_DGRAM, 58974)):
            with borrowed(fd) as held, socket.socket(fileno=os.dup(held)) as one:
                assert (one.family, one.type) == (socket.AF_INET, type)
                assert one.getsockname() == ("127.0.0.1", port)
                if type == socket.SOCK_STREAM:
                    assert one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1
                    assert one.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR) == 1

    def check_events() -> None:
        """An eventfd, the epoll set that watches it, a timer, a mask, a directory."""
        event = fdinfo(pid, 10)
        assert int(event["eventfd-count"], 16) == 41
        with borrowed(11) as fd, select.epoll.fromfd(os.dup(fd)) as watching:
            assert watching.poll(0) == [(0x55667788, select.EPOLLIN)]
        watch = fdinfo(pid, 11)["tfd"].split()
        assert watch[:5] == ["10", "events:", "19", "data:", "1122334455667788"]
        timer = fdinfo(pid, 12)
        assert (timer["clockid"], timer["ticks"], timer["settime flags"]) == ("1", "0", "00")
        left = int(timer["it_value"].strip("()").split(",")[0])
        assert 3400 < left < 3600
        assert timer["it_interval"] == "(1, 0)"
        assert int(fdinfo(pid, 13)["sigmask"], 16) == 1 << 11
        assert f"ino:{place.stat().st_ino:x} " in Path(f"/proc/{pid}/fdinfo/14").read_text()
        with borrowed(14) as fd:
            new = place / "new"
            new.touch()
            new.unlink()
            assert b"new\0" in os.read(fd, 1000)

    @contextmanager
    def borrowed(fd: int) -> Iterator[int]:
        got = take(pid, fd)
        try:
            yield got
        finally:
            os.close(got)

    twice(run, pid, check)


def main(directory: str, name: str) -> int:
    build_place(Path(directory), name)
    work = Path(directory) / "work"
    work.mkdir()
    run = Run(work, PLACE / "bin" / name, compare=False)
    try:
        globals()[f"verify_{name}"](run)
    except AssertionError:
        import traceback

        traceback.print_exc()
        return 1
    finally:
        run.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
