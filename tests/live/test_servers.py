"""Servers from Debian, dumped and restored twice while clients outside the tree stay connected.

The clients speak just enough of each protocol to see that no answer is lost, doubled or changed.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from live.network import own_network
from live.roundtrip import Run

pytestmark = pytest.mark.root

ROUNDS = 2
UID = 65534  # nobody: PostgreSQL wants a user that has a name
OPTIONS = ("--tcp-established", "--file-locks")


@pytest.fixture(autouse=True)
def network() -> Iterator[None]:
    with own_network():
        yield


@pytest.fixture
def connect() -> Iterator[Callable[..., Client]]:
    """Makes clients of a run, which are closed with the test."""
    with contextlib.ExitStack() as stack:
        yield lambda *how: stack.enter_context(contextlib.closing(Client(*how)))


def tool(name: str) -> str:
    path = shutil.which(name, path="/usr/sbin:/sbin:/usr/bin:/bin:/usr/local/bin")
    if path is None:
        pytest.skip(f"needs {name}")
    return path


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


def start(new_run: Callable[..., Run], *command: str) -> Run:
    run = new_run(*command, dump_options=OPTIONS, compare=False)
    run.start(wait=False)
    return run


def rounds(run: Run, use: Callable[[int], None]) -> None:
    """Dumps and restores it twice, used before, between and after; `use` gets the round."""
    for number in range(ROUNDS):
        use(number)
        run.restore(run.dump(), "--tcp-established", "--file-locks")
    use(ROUNDS)
    run.kill()


def test_redis_with_clients_that_stay(
    new_run: Callable[..., Run], connect: Callable[..., Client]
) -> None:
    run = start(
        new_run,
        *(tool("redis-server"), "--port", "7001", "--bind", "127.0.0.1", "--save", ""),
        *("--appendonly", "yes", "--unixsocket", "redis.sock"),
    )
    tcp, subscriber = connect(run, ("127.0.0.1", 7001)), connect(run, ("127.0.0.1", 7001))
    with contextlib.closing(Client(run, str(run.work / "redis.sock"))) as other:
        assert other.ask(b"PING\r\n") == b"+PONG\r\n"
    subscriber.send(b"SUBSCRIBE news\r\n")
    assert [subscriber.file.readline() for _ in range(6)][-1] == b":1\r\n"

    def use(number: int) -> None:
        for step in range(100):
            assert tcp.ask(b"INCR counter\r\n") == b":%d\r\n" % (number * 100 + step + 1)
        assert tcp.ask(b"PUBLISH news %d\r\n" % number) == b":1\r\n"
        lines = [subscriber.file.readline() for _ in range(7)]
        assert lines[-1] == b"%d\r\n" % number
        with contextlib.closing(Client(run, ("127.0.0.1", 7001))) as fresh:
            assert fresh.ask(b"GET counter\r\n") == b"$3\r\n"
        # A child that writes a snapshot, and a thread that frees.
        assert tcp.ask(b"BGREWRITEAOF\r\n").startswith(b"+Background")

    rounds(run, use)


def test_nginx_with_connections_kept_alive(
    new_run: Callable[..., Run], connect: Callable[..., Client], directory: Path
) -> None:
    pages = directory / "pages"
    pages.mkdir()
    for number in range(20):
        (pages / f"{number}").write_text(f"page {number}\n" * (1 + number * 50))
    (directory / "nginx.conf").write_text(f"""
daemon off; pid {directory}/nginx.pid; worker_processes 2; error_log {directory}/error.log;
user root; events {{ worker_connections 64; }}
http {{ access_log {directory}/access.log; client_body_temp_path {directory}/b; proxy_temp_path
{directory}/p; fastcgi_temp_path {directory}/f; uwsgi_temp_path {directory}/u; scgi_temp_path
{directory}/s; sendfile on; keepalive_timeout 300; keepalive_requests 10000;
server {{ listen 127.0.0.1:7002; root {pages}; }} }}
""")
    run = start(new_run, tool("nginx"), "-c", str(directory / "nginx.conf"), "-p", str(directory))
    kept = [connect(run, ("127.0.0.1", 7002)) for _ in range(4)]

    def use(number: int) -> None:
        for step in range(20):
            client = kept[step % len(kept)]
            client.send(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % step)
            assert client.file.readline() == b"HTTP/1.1 200 OK\r\n"
            headers = dict(line.split(b": ", 1) for line in iter(client.file.readline, b"\r\n"))
            assert headers[b"Connection"] == b"keep-alive\r\n"
            body = client.file.read(int(headers[b"Content-Length"]))
            assert body == (pages / str(step)).read_bytes()

    rounds(run, use)


def test_memcached_with_threads(
    new_run: Callable[..., Run], connect: Callable[..., Client]
) -> None:
    run = start(
        new_run,
        *(tool("memcached"), "-p", "7003", "-l", "127.0.0.1", "-t", "4", "-m", "64", "-U", "7003"),
        *("-u", "root"),
    )
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

    rounds(run, use)


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
        uid=UID,
        dump_options=OPTIONS,
        compare=False,
    )
    subprocess.run(
        [
            *("setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups"),
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
        run.restore(run.dump(), "--tcp-established", "--file-locks")
        assert inside.query("commit; select count(*) from t") == [b"%d" % counts[number + 1]]
    use(ROUNDS)
    run.kill()
