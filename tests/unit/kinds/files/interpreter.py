"""Processes for tests of open files: targets to be dumped, and workers that run agent programs.

A worker does in Python what agent/vm.c does in the real thing: it executes a Program's instructions
one by one, in a process of its own, and answers with the results.
"""

from __future__ import annotations

import os
import pickle
import signal
import socket
import struct
import tempfile
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from crtools.abi import kernel
from crtools.agent import program as agent
from crtools.agent.program import Program

CONTROL = 900  # the descriptor that a worker listens at
_ALL = 1 << 16
FAILURE = os.path.join(tempfile.gettempdir(), f"crtools-test-failure-{os.getpid()}")


class ProgramFailed(Exception):
    def __init__(self, label: str, result: int) -> None:
        super().__init__(f"{label}: {result}")
        self.label = label
        self.result = result


def execute(code: bytes, data: bytearray) -> tuple[int, list[int]]:
    """Runs instructions here: where it stopped, and the results."""
    base = kernel.address_of(data) if data else 0
    count = len(code) // agent.INSN_BYTES
    results = [0] * count
    at = 0
    while at < count:
        fields = agent.INSN.unpack_from(code, at * agent.INSN_BYTES)
        nr, op, expect, store_bytes, kinds, store_at = fields[:6]
        expected = fields[12]
        args = []
        for index, value in enumerate(fields[6:12]):
            kind = kinds >> (4 * index) & 15
            if kind == agent.ARG_DATA:
                value += base
            elif kind == agent.ARG_RESULT:
                value = results[value]
            elif kind == agent.ARG_LOAD64:
                value = struct.unpack_from("<Q", data, value)[0]
            elif kind == agent.ARG_LOAD32:
                value = struct.unpack_from("<i", data, value)[0]
            elif kind != agent.ARG_VALUE:
                raise NotImplementedError(kind)
            args.append(value & 0xFFFFFFFFFFFFFFFF)
        result = 0
        if op == agent.OP_SYSCALL:
            result = kernel.raw(nr, *args)
        elif op == agent.OP_SKIP_IF:
            if args[0] == args[1]:
                at += args[2]
        elif op == agent.OP_VALUE:
            result = args[0]
        else:
            raise NotImplementedError(op)
        if at < count:
            results[at] = result
        if store_bytes:
            struct.pack_into("<q" if store_bytes & 8 else "<i", data, store_at, result)
        if expect == agent.EXACTLY:
            good = result & 0xFFFFFFFFFFFFFFFF == expected
        elif expect == agent.OR_ERRNO:
            good = result >= 0 or -result in expected.to_bytes(8, "little").rstrip(b"\0")
        else:
            good = expect == agent.ANY or not -4096 < result < 0
        if not good:
            return at, results
        at += 1
    return count, results


class Process:
    """A child of the test, with nothing open but what it opens itself."""

    def __init__(self, body: Callable[[], None], keep: int = -1) -> None:
        closed, until = os.pipe2(os.O_CLOEXEC)
        self.pid = os.fork()
        if self.pid == 0:
            try:
                if keep >= 0:
                    os.dup2(keep, CONTROL, inheritable=True)
                os.closerange(0, CONTROL)
                os.closerange(CONTROL + (keep >= 0), _ALL)
                body()
            except BaseException:
                with open(FAILURE, "w") as file:
                    traceback.print_exc(file=file)
            finally:
                os._exit(1)
        # The child closes its copy with all else that it has inherited.
        os.close(until)
        os.read(closed, 1)
        os.close(closed)

    def end(self) -> None:
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.pid = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: object, trace: TracebackType | None
    ) -> None:
        self.end()


def fds_of(pid: int) -> dict[int, str]:
    return {
        int(name): os.readlink(f"/proc/{pid}/fd/{name}") for name in os.listdir(f"/proc/{pid}/fd")
    }


def fdinfo_of(pid: int, fd: int) -> dict[str, str]:
    with open(f"/proc/{pid}/fdinfo/{fd}") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def take(pid: int, fd: int) -> int:
    """A descriptor here for another process's open file."""
    pidfd = os.pidfd_open(pid)
    try:
        got = kernel.checked(438, pidfd, fd, 0)  # pidfd_getfd
    finally:
        os.close(pidfd)
    return got


class Tree(Process):
    """Processes that sleep with files open: what `bodies` do, one in each. The first is forked with
    nothing open; each of the others is forked by the first after its body, and inherits."""

    def __init__(self, *bodies: Callable[[], None]) -> None:
        ready, tell = os.pipe2(os.O_CLOEXEC)

        def live() -> None:
            bodies[0]()
            for body in bodies[1:]:
                if os.fork() == 0:
                    body()
                    break
            os.write(CONTROL, struct.pack("<i", os.getpid()))
            os.close(CONTROL)
            while True:
                signal.pause()

        super().__init__(live, keep=tell)
        os.close(tell)
        told = b""
        while piece := os.read(ready, 65536):
            told += piece
        os.close(ready)
        assert told, open(FAILURE).read()
        pids = [pid for (pid,) in struct.iter_unpack("<i", told)]
        self.pids = [self.pid, *sorted(set(pids) - {self.pid})]

    def end(self) -> None:
        if self.pid:
            for pid in self.pids[1:]:
                os.kill(pid, signal.SIGKILL)
        super().end()
        for pid in self.pids[1:]:
            os.waitpid(pid, 0)  # the tests' process is a subreaper (conftest.py)
        self.pids = []


class Worker(Process):
    """Runs programs. `run` raises ProgramFailed with the label of what went wrong."""

    def __init__(self) -> None:
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in (self.control, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
        super().__init__(self._serve, keep=theirs.fileno())
        theirs.close()

    def _serve(self) -> None:
        control = socket.socket(fileno=CONTROL)
        while True:
            message = control.recv(8 << 20)
            if not message:
                os._exit(0)
            code, data = pickle.loads(message)
            stopped, results = execute(code, data)
            control.send(pickle.dumps((stopped, results, bytes(data))))

    def run(self, program: Program) -> list[int]:
        if not program.count:
            return []
        self.control.send(pickle.dumps((bytes(program.code), bytearray(program.data))))
        stopped, results, _ = pickle.loads(self.control.recv(8 << 20))
        if stopped < program.count:
            label: Any = program.labels.get(stopped, "?")
            raise ProgramFailed(label() if callable(label) else label, results[stopped])
        return results

    def fds(self) -> dict[int, str]:
        found = fds_of(self.pid)
        del found[CONTROL]
        return found

    def end(self) -> None:
        self.control.close()
        super().end()
