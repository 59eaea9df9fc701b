"""A test program's way to disk and back: start, dump, restore, tell, verdict.

A run has a directory of its own, DIR, where anyone may read: DIR/run belongs to the program
(program.h says what it does there), DIR/1, DIR/2, ... hold images. All that a run starts becomes a
child of this process, which is a subreaper (or pid 1 of a namespace), so that `close` finds it.

As a script it does one run in a process of its own, mostly from within a fresh pid namespace:
`unshare -pf --mount-proc python roundtrip.py DIR MODE HOW PROGRAM ARGS...`.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from live.snapshot import (  # noqa: E402
    Snapshot,
    collect_tree,
    differences,
    is_settled,
    take_snapshot,
)

PROGRAMS = ROOT / "tests" / "programs" / "build"
TOOL = ROOT / ".venv" / "bin" / "crtools"
INTERRUPT = PROGRAMS / "interrupt"
FOREIGN_UID = 12345
# For anything that has to happen: a machine with other work to do is slow.
SECONDS = float(os.environ.get("CRTOOLS_TEST_SECONDS", "60"))
SETTLE_SECONDS = 20.0
# How many rounds in a row the mode "rounds" has.
ROUNDS = int(os.environ.get("CRTOOLS_ROUNDS", "3"))
SKIPPED = 77
TEST_DIRECTORY = "crtools-test-"  # what the names of all tests' directories begin with
PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", "HOME": "/nonexistent"}


class Skipped(Exception):
    """The machine lacks what the program is about."""


class Run:
    """One test program, from its start to its verdict."""

    def __init__(
        self,
        directory: Path,
        program: str | Path,
        *args: str,
        uid: int | None = None,
        compare: bool = True,
        dump_options: Sequence[str] = (),
    ) -> None:
        """`program`: the name of a test program, or the path of another, run as PROGRAM ARGS.

        `compare`: whether /proc has to say the same afterwards (not for what changes all the time).
        `dump_options`: what every dump of it needs.
        """
        self.directory = directory
        self.compare = compare
        self.dump_options = dump_options
        self.tool: Sequence[str] = (str(TOOL),)
        self.owns_mounts = False  # nobody else is in this process's mount namespace
        self.work = directory / "run"
        self.uid = uid
        self.pid = 0
        self.status: int | None = None  # as waitpid gives it, of the root
        self.given: tuple[int, ...] = ()  # descriptors of ours that it gets as 3, 4, ...
        self._images = 0
        self._dumped: list[int] = []
        self._sessions: set[int] = set()
        self._logs: list[Path] = []
        self._before = set(collect_tree(os.getpid()))
        directory.chmod(0o755)
        self.work.mkdir()
        self.is_ours = "/" not in str(program)
        if self.is_ours:
            # A copy: the one of the build tree may lie where a foreign user cannot go.
            self.command = [str(shutil.copy(PROGRAMS / program, directory)), str(self.work), *args]
        else:
            self.command = [str(program), *args]
        if uid is not None:
            os.chown(directory, uid, uid)
            os.chown(self.work, uid, uid)

    @property
    def out(self) -> str:
        path = self.work / "out"
        return path.read_text(errors="replace") if path.exists() else ""

    def start(self, *, wait: bool = True, own_session: bool = True) -> int:
        """Starts the program, in a session of its own; returns its pid once it is ready."""
        self.pid = os.fork()
        if self.pid == 0:
            try:
                if own_session:
                    os.setsid()
                self._become_program()
            finally:
                os._exit(126)
        if wait:
            self.wait_until_ready()
        return self.pid

    def _become_program(self) -> None:
        os.chdir(self.work)
        os.umask(0o022)
        null = os.open("/dev/null", os.O_RDONLY)
        out = os.open("out", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        if self.uid is not None:
            os.fchown(out, self.uid, self.uid)
        for target, fd in enumerate((null, out, out)):
            os.dup2(fd, target)
        for place, fd in enumerate(self.given, 500):
            os.dup2(fd, place)
        os.closerange(500 + len(self.given), 4096)
        os.closerange(3, 500)
        for target, place in enumerate(range(500, 500 + len(self.given)), 3):
            os.dup2(place, target)
            os.close(place)
        # A shell without job control has what it starts with "&" ignore SIGINT and SIGQUIT.
        for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, signal.SIG_DFL)
        if self.uid is not None:
            os.setgroups([self.uid, self.uid + 1])
            os.setresgid(self.uid, self.uid, self.uid)
            os.setresuid(self.uid, self.uid, self.uid)
        os.execve(self.command[0], self.command, ENVIRONMENT)

    def wait_until_ready(self, word: str = "READY") -> None:
        def said() -> bool:
            return word in self.out or "SKIP" in self.out or self.has_ended()

        self.wait_until(said, f"the program says {word}")
        if "SKIP: " in self.out:
            raise Skipped(self.out.partition("SKIP: ")[2].strip())
        if self.status is not None or word not in self.out:
            self.fail(f"the program ended before it was ready: {self._describe_status()}")
        if self.is_ours and self.compare:
            # What it wrote can be read before its write(2) has moved the position.
            self.wait_until(self._wrote_all, "its position in its output is the end")

    def _wrote_all(self) -> bool:
        position = Path(f"/proc/{self.pid}/fdinfo/1").read_text().split()[1]
        return int(position) == (self.work / "out").stat().st_size

    def dump(self, *options: str, kills: bool = True) -> Path:
        """`crtools dump`; returns the directory of the images. The tree is gone and reaped."""
        images = self.new_images()
        done = self.try_dump(images, *options)
        self.expect_done(done)
        if kills:
            self.reap_dumped()
        return images

    def try_dump(self, images: Path, *options: str) -> subprocess.CompletedProcess[str]:
        """A dump that may be refused."""
        self._dumped = collect_tree(self.pid)
        self._sessions = {_session(pid) for pid in self._dumped}
        where = ("-t", str(self.pid), "-D", str(images), "-o", "dump.log")
        return self.run_tool("dump", *where, *self.dump_options, *options, check=False)

    def reap_dumped(self) -> None:
        """Waits until the tree that was dumped is gone, with what it created meanwhile."""
        self.reap(self._tree())

    def restore(self, images: Path, *options: str) -> None:
        pidfile = images / f"pid-{len(self._logs)}"
        where = ("-D", str(images), "-d", "--pidfile", str(pidfile), "-o", "restore.log")
        self.run_tool("restore", *where, *options)
        self.status = None
        got = int(pidfile.read_text())
        if got != self.pid:
            self.fail(f"the pidfile says {got}")

    def new_images(self) -> Path:
        self._images += 1
        images = self.directory / str(self._images)
        images.mkdir(mode=0o700)
        return images

    def run_tool(
        self, verb: str, *args: str, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Runs `crtools VERB ARGS -v4`, or what `tool` says; unless `check` is off it has to
        succeed."""
        if "-D" in args and "-o" in args:
            self._logs.append(Path(args[args.index("-D") + 1]) / args[args.index("-o") + 1])
        command = [*self.tool, verb, *args, "-v4"]
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS,
                check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            self.fail(f"not done after {SECONDS:.0f} s: {' '.join(command)}")
        if check:
            self.expect_done(done)
        return done

    def expect_done(self, done: subprocess.CompletedProcess[str]) -> None:
        if done.returncode:
            said = (done.stdout + done.stderr).strip()
            self.fail(f"status {done.returncode} of {' '.join(done.args)}\n{said}")

    def reap(self, pids: Sequence[int]) -> None:
        """Waits until these processes, which were killed, are gone; takes their statuses."""

        def gone() -> bool:
            for pid in pids:
                try:
                    got, status = os.waitpid(pid, os.WNOHANG)
                    if got == self.pid:
                        self.status = status
                except ChildProcessError:
                    pass
            return not any(os.path.exists(f"/proc/{pid}") for pid in pids)

        self.wait_until(gone, "the dumped tree is gone")

    def snapshot(self) -> Snapshot:
        """What /proc says of the tree once it is at rest: the same twice in a row."""
        if not self.compare:
            return {}
        self.wait_until(lambda: is_settled(self.pid), "its threads have begun", SETTLE_SECONDS)
        taken = self._look()
        end = time.monotonic() + SETTLE_SECONDS
        while lines := differences(taken, again := self._look()):
            if time.monotonic() > end:
                self.fail("the tree does not come to rest:\n  " + "\n  ".join(lines[:40]))
            time.sleep(0.005)
            taken = again
        return taken

    def _look(self) -> Snapshot:
        """Mounts are compared where nobody else makes any: in a namespace of the run's own."""
        own = self.owns_mounts or _mounts(self.pid) != _mounts("self")
        taken = take_snapshot(self.pid, mounts=own)
        if own:
            # What other tests had mounted when the namespace was made goes as soon as they remove
            # the directory below it.
            lines = taken["mounts"].splitlines()
            taken["mounts"] = "\n".join(line for line in lines if not self._is_of_others(line))
        return taken

    def _is_of_others(self, mount: str) -> bool:
        """Whether a line of mountinfo is about another test's directory."""
        found = mount.partition(TEST_DIRECTORY)
        return bool(found[1]) and found[1] + found[2].split("/")[0] not in self.directory.parts

    def expect_same(self, before: Snapshot, when: str) -> None:
        """/proc has to say what it said: at once, or as soon as the tree has come to rest."""
        if not self.compare:
            return
        end = time.monotonic() + SETTLE_SECONDS
        while lines := differences(before, self._look()):
            if time.monotonic() > end:
                shown = "\n  ".join(lines[:40])
                self.fail(f"{when} /proc says otherwise in {len(lines)} places:\n  {shown}")
            time.sleep(0.02)

    def interrupt(self) -> None:
        """What a dump does at the least, without crtools."""
        pids = [str(pid) for pid in collect_tree(self.pid)]
        subprocess.run([str(INTERRUPT), *pids], check=True, capture_output=True, timeout=SECONDS)

    def kill(self) -> None:
        """Ends the whole tree, and what it creates meanwhile."""
        self._dumped = collect_tree(self.pid)
        self._sessions = {_session(pid) for pid in self._dumped}
        while left := [pid for pid in self._tree() if _runs(pid)]:
            for pid in left:
                _end(pid)
        self.reap_dumped()

    def _tree(self) -> list[int]:
        """The dumped tree and all that has one of its sessions, wherever it is by now."""
        new = set(collect_tree(os.getpid())) - self._before - set(self._dumped)
        return [*self._dumped, *(pid for pid in new if _session(pid) in self._sessions)]

    def tell(self) -> None:
        (self.work / "go").touch()

    def expect_pass(self) -> None:
        """Tells the program to look at its state and waits for its verdict."""
        self.tell()
        self.wait_until(self.has_ended, "the program's verdict")
        if self.status != 0 or not self.out.endswith("PASS\n"):
            self.fail(f"no PASS: {self._describe_status()}")

    def wait_until(self, holds: Callable[[], bool], what: str, seconds: float = SECONDS) -> None:
        end = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > end:
                self.fail(f"not after {seconds:.0f} s: {what}")
            time.sleep(0.002)

    def expect_success(self) -> None:
        """Waits for the end of a program that gives no verdict of its own."""
        self.wait_until(self.has_ended, "the program's end")
        if self.status != 0:
            self.fail(f"no success: {self._describe_status()}")

    def has_ended(self) -> bool:
        if self.status is None:
            try:
                got, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:
                self.fail("the root is not our child: nothing to wait for")
            if got:
                self.status = status
        return self.status is not None

    def _describe_status(self) -> str:
        if self.status is None:
            return "it is running"
        code = os.waitstatus_to_exitcode(self.status)
        return f"exit status {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"

    def fail(self, what: str) -> None:
        """Raises AssertionError with what the program and the tool have said."""
        parts = [what, f"$ {' '.join(self.command)}", self.out, *_describe_threads(self.pid)]
        for log in self._logs:
            if log.exists():
                lines = log.read_text(errors="replace").splitlines()
                tail = lines[-25:] if log == self._logs[-1] else lines[-3:]
                parts += [f"--- {log}", *tail]
        raise AssertionError("\n".join(parts))

    def close(self) -> None:
        """Ends all that is there because of this run."""
        while left := set(collect_tree(os.getpid())) - self._before:
            for pid in left:
                _end(pid)
            for pid in left:
                try:
                    os.waitpid(pid, os.WNOHANG)
                except ChildProcessError:
                    continue
            time.sleep(0.001)


def _describe_threads(pid: int) -> list[str]:
    """What each thread of a process that is stuck waits for, and which signals wait for it."""
    lines = []
    for task in sorted(Path(f"/proc/{pid}/task").glob("*")):
        try:
            status = (task / "status").read_text().splitlines()
            wanted = ("State:", "TracerPid:", "SigPnd:", "ShdPnd:", "SigBlk:")
            facts = [" ".join(line.split()) for line in status if line.startswith(wanted)]
            facts += [(task / "wchan").read_text(), (task / "syscall").read_text().strip()]
        except OSError as error:
            facts = [str(error)]
        lines.append(f"thread {task.name}: {', '.join(facts)}")
    return lines


def _mounts(pid: int | str) -> str:
    """Its mount namespace; empty if it is gone."""
    try:
        return os.readlink(f"/proc/{pid}/ns/mnt")
    except OSError:
        return ""


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return 0


def _state(pid: int) -> str:
    """As in /proc/PID/stat; empty if it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _runs(pid: int) -> bool:
    """Whether any thread does: the first one may have exited while others run on."""
    try:
        return _state(pid) not in ("Z", "X", "") or len(os.listdir(f"/proc/{pid}/task")) > 1
    except FileNotFoundError:
        return False


def _end(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # it has ended by itself


def alone(run: Run) -> None:
    """The program passes when nobody touches it."""
    run.start()
    run.expect_pass()


def interrupted(run: Run) -> None:
    """The program passes when it is only stopped for a moment."""
    run.start()
    before = run.snapshot()
    run.interrupt()
    run.expect_same(before, "after an interruption")
    run.expect_pass()


def restored(run: Run) -> None:
    run.start()
    before = run.snapshot()
    images = run.dump()
    run.restore(images)
    run.expect_same(before, "after the restore")
    run.expect_pass()


def left_running(run: Run) -> None:
    run.start()
    before = run.snapshot()
    run.dump("-R", kills=False)
    run.expect_same(before, "after a dump that leaves it running")
    run.expect_pass()


def restored_twice(run: Run) -> None:
    run.start()
    before = run.snapshot()
    run.restore(run.dump())
    run.expect_same(before, "after the first restore")
    run.restore(run.dump())
    run.expect_same(before, "after the second restore")
    run.expect_pass()


def rounds(run: Run) -> None:
    run.start()
    before = run.snapshot()
    for number in range(ROUNDS):
        run.restore(run.dump())
        run.expect_same(before, f"after round {number + 1}")
    run.expect_pass()


def left_running_then_restored(run: Run) -> None:
    run.start()
    before = run.snapshot()
    images = run.dump("-R", kills=False)
    run.kill()
    run.restore(images)
    run.expect_same(before, "after the restore")
    run.expect_pass()


def refused(run: Run) -> None:
    """The dump is refused, without harm; DIR/refusal has what it says."""
    run.start()
    before = run.snapshot()
    done = run.try_dump(run.new_images())
    if done.returncode != 1:
        run.fail(f"the dump was not refused, its status is {done.returncode}")
    (run.directory / "refusal").write_text(done.stderr)
    run.expect_same(before, "after the refusal")
    run.expect_pass()


def session_from_outside(run: Run) -> None:
    """As `docker exec` leaves it: session and group have no number in this pid namespace."""
    run.start(own_session=False)
    session, group = os.getsid(run.pid), os.getpgid(run.pid)
    refused = run.try_dump(run.new_images())
    if refused.returncode != 1 or "the leader of its session has no pid here" not in refused.stderr:
        run.fail(f"a session from outside was not refused: {refused.stderr}")
    run.restore(run.dump("--shell-job"), "--shell-job")
    if (os.getsid(run.pid), os.getpgid(run.pid)) != (session, group):
        run.fail(f"it was in session {session} and group {group} before")
    run.expect_pass()


def numbers_above_the_most(run: Run) -> None:
    """Numbers that kernel.pid_max does not allow any more: it is the namespace's own from Linux
    6.14 on; before that it would be the whole system's that is changed here."""
    if tuple(map(int, os.uname().release.split(".")[:2])) < (6, 14):
        raise Skipped("kernel.pid_max is the whole system's before Linux 6.14")
    most = Path("/proc/sys/kernel/pid_max")
    before = most.read_text()
    Path("/proc/sys/kernel/ns_last_pid").write_text("5000")
    run.start()
    images = run.dump()
    most.write_text("400")
    left = set(os.listdir("/proc"))
    refused = run.run_tool("restore", "-D", str(images), "-d", check=False)
    if refused.returncode != 1 or "raise kernel.pid_max" not in refused.stderr:
        run.fail(f"the number was not refused: {refused.stderr}")
    if new := {name for name in set(os.listdir("/proc")) - left if name.isdigit()}:
        run.fail(f"a restore that was refused has left tasks {new}")
    most.write_text(before)
    run.restore(images)
    run.expect_pass()


MODES: dict[str, Callable[[Run], None]] = {
    "alone": alone,
    "interrupted": interrupted,
    "restored": restored,
    "left-running": left_running,
    "twice": restored_twice,
    "left-running-then-restored": left_running_then_restored,
}
MODES_INSIDE = MODES | {
    "foreign-uid": restored,
    "namespace": restored,
    "rounds": rounds,
    "refused": refused,
    "session-from-outside": session_from_outside,
    "numbers-above-the-most": numbers_above_the_most,
}


def run_in_namespace(
    directory: Path, mode: str, program: str, *args: str, **how: bool | Sequence[str]
) -> None:
    """The same from within a pid and mount namespace of its own. Raises as a Run does.

    `how`: the keyword arguments of the Run.
    """
    limit = SECONDS * (2 + ROUNDS * (mode == "rounds"))
    script = _begin_script(directory, mode, how, program, *args, namespace=True)
    _expect_script(script, "inside its own pid namespace", limit)


def run_at_once(
    directory: Path, modes: Sequence[str], program: str, *args: str, **how: bool | Sequence[str]
) -> None:
    """The program in several modes at the same time, each in a process of its own: it only sleeps.

    "foreign-uid" and "namespace" are modes here. Raises as a Run does, of the first that fails.
    """
    scripts = []
    for mode in modes:
        where = directory / mode
        where.mkdir()
        uid = {"uid": FOREIGN_UID} if mode == "foreign-uid" else {}
        namespace = mode == "namespace"
        scripts.append(
            _begin_script(where, mode, {**how, **uid}, program, *args, namespace=namespace)
        )
    try:
        for mode, script in zip(modes, scripts, strict=True):
            _expect_script(script, f"mode {mode}", 4 * SECONDS)
    finally:
        for script in scripts:  # all end by themselves: what they have started is to be ended too
            script.communicate(timeout=4 * SECONDS)


def _begin_script(
    directory: Path, mode: str, how: Mapping[str, object], *words: str, namespace: bool
) -> subprocess.Popen[str]:
    unshare = ("unshare", "--pid", "--mount", "--fork", "--kill-child", "--mount-proc")
    command = [
        *(unshare if namespace else ()),
        # Without site, of which the imports take longer than many a run.
        *(sys.executable, "-S", str(Path(__file__).resolve())),
        *(str(directory), mode, json.dumps(how), *words),
    ]
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def _expect_script(script: subprocess.Popen[str], where: str, limit: float) -> None:
    try:
        out, err = script.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        script.kill()
        script.communicate()
        raise
    if script.returncode == SKIPPED:
        raise Skipped(out.strip())
    if script.returncode:
        raise AssertionError(f"{where}: {out}{err}")


def main(directory: str, mode: str, how: str, program: str, *args: str) -> int:
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    run = Run(Path(directory), program, *args, **json.loads(how))
    run.owns_mounts = os.getpid() == 1
    try:
        MODES_INSIDE[mode](run)
    except Skipped as reason:
        print(reason)
        return SKIPPED
    except AssertionError as error:
        print(error)
        return 1
    finally:
        run.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
