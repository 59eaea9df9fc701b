"""CPython's asyncio: a server at a unix socket, clients in its own process and in another one."""

from __future__ import annotations

import asyncio
import os
import sys

os.chdir(sys.argv[1])
answered = 0


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    global answered
    while line := await reader.readline():
        writer.write(b"%d\n" % (int(line) * 2))
        await writer.drain()
        answered += 1
    writer.close()


async def ask() -> int:
    """Asks over one connection all the time, and over a new one now and then."""
    reader, writer = await asyncio.open_unix_connection("server.sock")
    number = 0
    while not os.path.exists("go"):
        number += 1
        writer.write(b"%d\n" % number)
        got = int(await reader.readline())
        assert got == 2 * number, (number, got)
        if number % 50 == 0:
            other, its_writer = await asyncio.open_unix_connection("server.sock")
            its_writer.write(b"21\n")
            assert int(await other.readline()) == 42
            its_writer.close()
            await its_writer.wait_closed()
        await asyncio.sleep(0.001)
    writer.close()
    await writer.wait_closed()
    return number


async def main() -> None:
    server = await asyncio.start_unix_server(answer, "server.sock")
    child = await asyncio.create_subprocess_exec(sys.executable, __file__, ".", "client")
    clients = [asyncio.create_task(ask()) for _ in range(3)]
    while answered < 20:
        await asyncio.sleep(0.001)
    print("READY", flush=True)
    asked = sum(await asyncio.gather(*clients))
    assert await child.wait() == 0
    assert answered >= asked > 0
    server.close()
    print("PASS", flush=True)


if __name__ == "__main__":
    if sys.argv[2:]:
        asyncio.run(ask())
    else:
        asyncio.run(main())
