"""Servers not written for us, dumped and restored twice while a client stays connected."""

from __future__ import annotations

import http.client
import shutil
import socket
from collections.abc import Callable, Iterator

import pytest

from live.network import own_network
from live.roundtrip import Run

pytestmark = pytest.mark.root

OPTIONS = ("--tcp-established",)


@pytest.fixture(autouse=True)
def network() -> Iterator[None]:
    with own_network():
        yield


def tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"needs {name}")
    return path


def wait_until_listening(run: Run, port: int) -> None:
    def answers() -> bool:
        if run.has_ended():
            run.fail("the server has ended")
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    run.wait_until(answers, f"somebody listens at port {port}")


class Redis:
    """A client of the server's own protocol, RESP."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.file = self.socket.makefile("rb")

    def send(self, *words: str) -> None:
        parts = [f"*{len(words)}\r\n", *(f"${len(word)}\r\n{word}\r\n" for word in words)]
        self.socket.sendall("".join(parts).encode())

    def read(self) -> str | int | list[str | int | list[object] | None] | None:
        line = self.file.readline().rstrip(b"\r\n").decode()
        kind, rest = line[:1], line[1:]
        if kind in "+-":
            return rest
        if kind == ":":
            return int(rest)
        if kind == "*":
            return [self.read() for _ in range(int(rest))]
        assert kind == "$", f"the server says {line!r}"
        if rest == "-1":
            return None
        return self.file.read(int(rest) + 2)[:-2].decode()

    def ask(self, *words: str) -> object:
        self.send(*words)
        return self.read()

    def close(self) -> None:
        self.file.close()
        self.socket.close()


def test_redis_keeps_its_clients(new_run: Callable[..., Run]) -> None:
    run = new_run(
        *(tool("redis-server"), "--port", "6379", "--save", "", "--appendonly", "no"),
        compare=False,
        dump_options=OPTIONS,
    )
    run.start(wait=False)
    wait_until_listening(run, 6379)
    client, waiting, hearing = Redis(6379), Redis(6379), Redis(6379)
    assert hearing.ask("SUBSCRIBE", "news") == ["subscribe", "news", 1]
    waiting.send("BLPOP", "list", "0")
    for number in range(100):
        assert client.ask("SET", f"key{number}", "x" * number) == "OK"
    for number in range(2):
        client.send("MULTI")
        assert client.read() == "OK"
        assert client.ask("INCR", "count") == "QUEUED"
        images = run.dump()
        # What is sent meanwhile waits.
        client.send("INCR", "count")
        client.send("EXEC")
        run.restore(images)
        assert client.read() == "QUEUED"
        assert client.read() == [2 * number + 1, 2 * number + 2]
        assert client.ask("PUBLISH", "news", f"round {number}") == 1
        assert hearing.read() == ["message", "news", f"round {number}"]
    assert client.ask("GET", "key99") == "x" * 99
    assert client.ask("RPUSH", "list", "there") == 1
    assert waiting.read() == ["list", "there"]
    for one in (client, waiting, hearing):
        one.close()


NGINX = """
daemon off;
master_process on;
worker_processes 2;
pid nginx.pid;
error_log error.log;
events { worker_connections 64; }
http {
    access_log off;
    keepalive_timeout 600s;
    server {
        listen 127.0.0.1:8080;
        location / { root html; }
    }
}
"""


def test_nginx_keeps_connections_alive(new_run: Callable[..., Run]) -> None:
    server = tool("nginx")
    run = new_run(server, "-p", ".", "-c", "nginx.conf", compare=False, dump_options=OPTIONS)
    (run.work / "nginx.conf").write_text(NGINX)
    (run.work / "html").mkdir()
    content = bytes(range(256)) * 4000
    (run.work / "html" / "large").write_bytes(content)
    run.directory.chmod(0o755)
    run.start(wait=False)
    wait_until_listening(run, 8080)
    idle = http.client.HTTPConnection("127.0.0.1", 8080, timeout=30)
    halfway = http.client.HTTPConnection("127.0.0.1", 8080, timeout=30)

    def get(connection: http.client.HTTPConnection) -> None:
        connection.request("GET", "/large")
        assert connection.getresponse().read() == content

    get(idle)
    before = idle.sock
    for _ in range(2):
        halfway.request("GET", "/large")
        response = halfway.getresponse()
        begun = response.read(100_000)
        run.restore(run.dump())
        assert begun + response.read() == content
        get(idle)
    # The same connection as in the beginning.
    assert idle.sock is before
    idle.close()
    halfway.close()
