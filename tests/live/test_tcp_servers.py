"""Servers not written for us, dumped and restored twice while a client stays connected."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from live.network import own_network
from live.roundtrip import ROOT, Run

pytestmark = pytest.mark.root

OPTIONS = ("--tcp-established", "--file-locks")
ROUNDS = 2
SCRIPTS = ROOT / "tests" / "programs"
NOBODY = 65534  # PostgreSQL wants a user that has a name, and not root


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


SERVERS = {
    "node": ["node", "node_server.js"],
    "java": ["java", "-Xmx64m", "JavaServer.java"],
    "asyncio": [sys.executable, "python_server.py"],
}


@pytest.fixture
def browse() -> Iterator[Callable[[int], http.client.HTTPConnection]]:
    """Makes HTTP clients of a port, which are closed with the test."""
    with contextlib.ExitStack() as stack:
        yield lambda port: stack.enter_context(
            contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30))
        )


@pytest.mark.parametrize("name", SERVERS)
def test_servers_keep_what_they_know_of_their_connections(
    name: str,
    new_run: Callable[..., Run],
    browse: Callable[[int], http.client.HTTPConnection],
) -> None:
    *interpreter, script = SERVERS[name]
    command = [tool(interpreter[0]), *interpreter[1:], str(SCRIPTS / script), "7005"]
    run = new_run(*command, compare=False, dump_options=OPTIONS)
    run.start(wait=False)
    wait_until_listening(run, 7005)
    clients = sending, reading, _ = browse(7005), browse(7005), browse(7005)
    sent = {client: hashlib.sha256() for client in clients}
    sockets = {}
    long = bytes(n % 251 for n in range(3_000_000))

    def begin(client: http.client.HTTPConnection, data: bytes) -> None:
        client.putrequest("POST", "/add")
        client.putheader("Content-Length", str(len(data)))
        client.endheaders(data[: len(data) // 2])
        sent[client].update(data)

    def end(client: http.client.HTTPConnection, data: bytes) -> None:
        client.send(data[len(data) // 2 :])

    def expect_answer(client: http.client.HTTPConnection) -> None:
        answer = client.getresponse()
        assert (answer.status, answer.read().decode()) == (200, sent[client].hexdigest())
        # HTTPConnection would make another connection in silence.
        assert sockets.setdefault(client, client.sock) is client.sock is not None

    for number in range(ROUNDS):
        data = f"in round {number} ".encode() * 1000
        for client in clients:
            begin(client, data)
            end(client, data)
            expect_answer(client)
        reading.request("GET", f"/give/{len(long)}")
        answer = reading.getresponse()
        begun = answer.read(1000)
        begin(sending, data)
        images = run.dump()
        end(sending, data)  # waits while nobody is there
        run.restore(images)
        expect_answer(sending)
        assert begun + answer.read() == long
    for client in clients:
        begin(client, b"ends")
        end(client, b"ends")
        expect_answer(client)


class Client:
    """A connection to a server that listens sooner or later."""

    def __init__(self, run: Run, address: tuple[str, int] | str) -> None:
        self.socket = socket.socket(
            socket.AF_UNIX if isinstance(address, str) else socket.AF_INET, socket.SOCK_STREAM
        )
        run.wait_until(lambda: self.socket.connect_ex(address) == 0, "the server listens")
        self.socket.settimeout(30)
        self.file = self.socket.makefile("rwb")

    def close(self) -> None:
        self.file.close()
        self.socket.close()

    def ask(self, request: bytes) -> bytes:
        """One line of answer."""
        self.send(request)
        return self.file.readline()

    def send(self, request: bytes) -> None:
        self.file.write(request)
        self.file.flush()


@pytest.fixture
def connect() -> Iterator[Callable[..., Client]]:
    """Makes clients of a run, which are closed with the test."""
    with contextlib.ExitStack() as stack:
        yield lambda *how: stack.enter_context(contextlib.closing(Client(*how)))


def test_memcached_with_threads(
    new_run: Callable[..., Run], connect: Callable[..., Client]
) -> None:
    run = new_run(
        *(tool("memcached"), "-p", "7003", "-l", "127.0.0.1", "-t", "4", "-m", "64", "-U", "7003"),
        *("-u", "root"),
        compare=False,
        dump_options=OPTIONS,
    )
    run.start(wait=False)
    clients = [connect(run, ("127.0.0.1", 7003)) for _ in range(6)]

    def use(number: int) -> None:
        for step, client in enumerate(clients):
            value = b"%d-%d" % (number, step) * 500
            request = b"set key%d 0 0 %d\r\n%b\r\n" % (step, len(value), value)
            assert client.ask(request) == b"STORED\r\n"
        for step, client in enumerate(reversed(clients)):
            value = b"%d-%d" % (number, step) * 500
            assert client.ask(b"get key%d\r\n" % step) == b"VALUE key%d 0 %d\r\n" % (
                step,
                len(value),
            )
            assert client.file.readline() == value + b"\r\n"
            assert client.file.readline() == b"END\r\n"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
            datagrams.settimeout(30)
            datagrams.connect(("127.0.0.1", 7003))
            head = struct.pack(">4H", number, 0, 1, 0)
            datagrams.send(head + b"get nothing\r\n")
            assert datagrams.recv(1400) == head + b"END\r\n"

    for number in range(ROUNDS):
        use(number)
        run.restore(run.dump())
    use(ROUNDS)


class Postgres:
    """A session, spoken by the simple query protocol (PostgreSQL's manual, 55.2)."""

    def __init__(self, client: Client) -> None:
        self.client = client
        words = b"user\0tester\0database\0postgres\0\0"
        client.send(struct.pack(">II", 8 + len(words), 3 << 16) + words)
        self.answers()

    def answers(self) -> list[bytes]:
        """Values of all rows until the server is ready for the next query."""
        values = []
        while True:
            kind, length = struct.unpack(">cI", self.client.file.read(5))
            body = self.client.file.read(length - 4)
            assert kind != b"E", body
            if kind == b"D":
                size = struct.unpack_from(">i", body, 2)[0]
                values.append(body[6 : 6 + size])
            if kind == b"Z":
                return values

    def query(self, text: str) -> list[bytes]:
        data = text.encode() + b"\0"
        self.client.send(struct.pack(">cI", b"Q", 4 + len(data)) + data)
        return self.answers()


def test_postgresql_with_transactions_of_clients_that_stay(
    new_run: Callable[..., Run], connect: Callable[..., Client]
) -> None:
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if not places:
        pytest.skip("needs PostgreSQL")
    run = new_run(
        *(str(places[-1]), "-D", "data", "-p", "7004", "-k", ".", "-h", "127.0.0.1"),
        *("-c", "fsync=off", "-c", "autovacuum_naptime=1"),
        uid=NOBODY,
        dump_options=OPTIONS,
        compare=False,
    )
    subprocess.run(
        [
            *("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"),
            *(str(places[-1].with_name("initdb")), "-D", str(run.work / "data"), "-U", "tester"),
            *("-A", "trust", "--no-sync", "--no-locale", "-E", "UTF8", "--no-instructions"),
        ],
        check=True,
        capture_output=True,
    )
    run.start(wait=False)
    run.wait_until_ready("ready to accept")
    inside = Postgres(connect(run, ("127.0.0.1", 7004)))
    outside = Postgres(connect(run, ("127.0.0.1", 7004)))
    inside.query("create table t (n int); create index on t (n)")
    outside.query("begin; declare c cursor for select generate_series(1, 1000)")

    def use(number: int) -> None:
        inside.query(f"begin; insert into t select generate_series(1, {100 + number})")
        assert inside.query("select count(*) from t") == [b"%d" % counts[number + 1]]
        assert outside.query("fetch 3 from c") == [b"%d" % (number * 3 + n) for n in (1, 2, 3)]
        with contextlib.closing(Client(run, str(run.work / "data/.s.PGSQL.7004"))) as fresh:
            # What is not committed yet nobody else sees.
            assert Postgres(fresh).query("select count(*) from t") == [b"%d" % counts[number]]

    counts = [0, 100, 201, 303]
    for number in range(ROUNDS):
        use(number)
        run.restore(run.dump())
        assert inside.query("commit; select count(*) from t") == [b"%d" % counts[number + 1]]
    use(ROUNDS)
    # It ends by itself: killed, it would leave its System V segment behind.
    os.kill(run.pid, signal.SIGINT)
    run.wait_until(run.has_ended, "the server's end")
