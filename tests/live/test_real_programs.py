"""Programs not written for us, each dumped and restored twice, and its result verified.

As a script it does one of them from within a fresh pid namespace:
`unshare -pf --mount-proc python test_real_programs.py DIR NAME`.
"""

from __future__ import annotations

import hashlib
import importlib.util
import lzma
import pwd
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from live.roundtrip import PROGRAMS, SECONDS, SKIPPED, Run
from live.snapshot import collect_tree

pytestmark = pytest.mark.root

SCRIPTS = PROGRAMS.parent


def tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"needs {name}")
    return path


def twice(run: Run, progress: Callable[[], int]) -> None:
    """Dumps and restores it twice, with some progress before each and after the last."""
    for _ in range(2):
        wait_for_progress(run, progress)
        run.restore(run.dump())
    wait_for_progress(run, progress)


def wait_for_progress(run: Run, progress: Callable[[], int]) -> None:
    before = progress()
    run.wait_until(lambda: progress() > before or run.has_ended(), "it makes progress")
    if run.has_ended():
        run.fail("it ended too early to be dumped again")


def size(path: Path) -> Callable[[], int]:
    return lambda: path.stat().st_size if path.exists() else 0


def cpu_ticks(run: Run) -> Callable[[], int]:
    """User and system time of the root and of its children that have ended (proc_pid_stat(5))."""

    def read() -> int:
        fields = Path(f"/proc/{run.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15]))

    return read


def test_bash_with_background_jobs_and_pipes(new_run: Callable[..., Run]) -> None:
    run = new_run(tool("bash"), str(SCRIPTS / "jobs.sh"), ".")
    run.start()
    twice(run, size(run.work / "seen"))
    run.expect_pass()


@pytest.mark.parametrize(
    "script",
    [
        "python_threads.py",
        "python_processes.py",
        "python_numpy.py",
        "python_asyncio.py",
        "python_unix_server.py",
    ],
)
def test_cpython_survives(script: str, new_run: Callable[..., Run]) -> None:
    if "numpy" in script and importlib.util.find_spec("numpy") is None:
        pytest.skip("needs numpy")
    run = new_run(sys.executable, str(SCRIPTS / script), ".")
    run.start()
    twice(run, cpu_ticks(run))
    run.expect_pass()


def test_sqlite_with_a_transaction_and_a_snapshot_open(new_run: Callable[..., Run]) -> None:
    script = str(SCRIPTS / "python_sqlite.py")
    run = new_run(sys.executable, script, ".", dump_options=("--file-locks",))
    run.start()
    twice(run, cpu_ticks(run))
    run.expect_pass()


def test_postgresql_with_a_transaction_open(new_run: Callable[..., Run]) -> None:
    programs = Path(tool("postgres")).resolve().parent
    try:
        user = pwd.getpwnam("postgres")  # it does not run as root, nor as nobody that has a name
    except KeyError:
        pytest.skip("needs the user postgres")
    script = (str(SCRIPTS / "postgres.sh"), ".", str(programs))
    run = new_run(tool("bash"), *script, uid=user.pw_uid, dump_options=("--file-locks",))
    run.start()
    twice(run, size(run.work / "answers"))
    run.expect_pass()


def test_perl_with_a_child_on_a_pipe(new_run: Callable[..., Run]) -> None:
    run = new_run(tool("perl"), str(SCRIPTS / "perl_words.pl"), ".")
    run.start()
    twice(run, cpu_ticks(run))
    run.expect_pass()


def test_node_with_timers_a_worker_and_a_child(new_run: Callable[..., Run]) -> None:
    run = new_run(tool("node"), str(SCRIPTS / "node_events.js"), ".")
    run.start()
    twice(run, cpu_ticks(run))
    run.expect_pass()


def test_java_with_threads_timers_and_a_selector(new_run: Callable[..., Run]) -> None:
    run = new_run(tool("java"), "-Xmx64m", str(SCRIPTS / "JavaThreads.java"), ".")
    run.start()
    twice(run, cpu_ticks(run))
    run.expect_pass()


def test_xz_with_two_threads_compresses_to_the_right_bytes(new_run: Callable[..., Run]) -> None:
    tool("xz")
    script = "echo READY; exec xz -T2 --block-size=1MiB -7 -c data >data.xz"
    run = new_run(tool("sh"), "-c", script)
    data = compressible(16 << 20)
    (run.work / "data").write_bytes(data)
    run.start()
    twice(run, size(run.work / "data.xz"))
    run.expect_success()
    assert lzma.decompress((run.work / "data.xz").read_bytes()) == data


def compressible(length: int) -> bytes:
    """Digits of hashes: hard work, but not in vain."""
    parts = []
    for n in range(length // 128):
        digits = hashlib.sha256(str(n % 50000).encode()).hexdigest()
        parts.append((digits + digits[::-1]).encode())
    return b"".join(parts)


def test_make_with_two_jobs_of_gcc_builds_the_right_program(new_run: Callable[..., Run]) -> None:
    for name in ("make", "gcc"):
        tool(name)
    run = new_run(tool("sh"), "-c", "echo READY; exec make -s -j2")
    write_project(run.work, files=24)
    run.start()
    done = 0

    def objects_while_it_compiles() -> int:
        nonlocal done
        if "cc1" in names_in_tree(run):
            done = len(list(run.work.glob("*.o")))
        return done

    twice(run, objects_while_it_compiles)
    run.expect_success()
    done = subprocess.run([run.work / "program"], capture_output=True, text=True, check=False)
    assert done.stdout == f"{sum(range(24))}\n"


def names_in_tree(run: Run) -> set[str]:
    names = set()
    for pid in collect_tree(run.pid):
        try:
            names.add(Path(f"/proc/{pid}/comm").read_text().strip())
        except (FileNotFoundError, ProcessLookupError):
            continue
    return names


def write_project(where: Path, *, files: int) -> None:
    """Files that take gcc a good while each, and a program that calls into all of them."""
    for n in range(files):
        functions = "\n".join(
            f"static int f{n}_{i}(int x) {{ for (int k = 0; k < x; k++) x ^= k * {i}; return x; }}"
            for i in range(150)
        )
        uses = " + ".join(f"0 * f{n}_{i}({i})" for i in range(150))
        (where / f"part{n}.c").write_text(
            f"{functions}\nint part{n}(void) {{ return {n} + {uses}; }}\n"
        )
    declared = "\n".join(f"int part{n}(void);" for n in range(files))
    summed = " + ".join(f"part{n}()" for n in range(files))
    (where / "main.c").write_text(
        f'#include <stdio.h>\n{declared}\nint main(void) {{ printf("%d\\n", {summed}); }}\n'
    )
    objects = " ".join(f"part{n}.o" for n in range(files))
    (where / "Makefile").write_text(
        f"program: main.o {objects}\n\tgcc -o $@ $^\n%.o: %.c\n\tgcc -O2 -c -o $@ $<\n"
    )


IN_NAMESPACE: dict[str, Callable[[Callable[..., Run]], None]] = {
    "bash": test_bash_with_background_jobs_and_pipes,
    "multiprocessing": lambda new_run: test_cpython_survives("python_processes.py", new_run),
    "make-gcc": test_make_with_two_jobs_of_gcc_builds_the_right_program,
}


@pytest.mark.parametrize("name", IN_NAMESPACE)
def test_real_program_survives_inside_its_own_pid_namespace(name: str, directory: Path) -> None:
    command = [
        *("unshare", "--pid", "--mount", "--fork", "--kill-child", "--mount-proc"),
        *(sys.executable, str(Path(__file__).resolve()), str(directory), name),
    ]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=2 * SECONDS,
        check=False,
    )  # fmt: skip
    if done.returncode == SKIPPED:
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, f"inside its own pid namespace: {done.stdout}{done.stderr}"


def main(directory: str, name: str) -> int:
    runs: list[Run] = []

    def new_run(program: str, *args: str) -> Run:
        runs.append(Run(Path(directory), program, *args))
        return runs[-1]

    try:
        IN_NAMESPACE[name](new_run)
    except pytest.skip.Exception as reason:
        print(reason)
        return SKIPPED
    except AssertionError as error:
        print(error)
        return 1
    finally:
        for run in runs:
            run.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
