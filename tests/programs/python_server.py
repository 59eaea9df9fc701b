"""CPython's asyncio: an HTTP server that knows its connections: what each has sent so far, and a
long answer that is only as far ahead as its client reads."""

from __future__ import annotations

import asyncio
import hashlib
import sys


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    sent = hashlib.sha256()
    while True:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        except asyncio.IncompleteReadError:
            break
        method, path, _ = head[0].split()
        if method == "GET":
            left = int(path.removeprefix("/give/"))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % left)
            at = 0
            while left:
                length = min(left, 8192)
                writer.write(bytes((at + i) % 251 for i in range(length)))
                await writer.drain()
                at, left = at + length, left - length
            continue
        fields = dict(line.lower().split(": ") for line in head[1:] if line)
        for _ in range(int(fields["content-length"])):
            sent.update(await reader.readexactly(1))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 64\r\n\r\n")
        writer.write(sent.hexdigest().encode())
        await writer.drain()
    writer.close()


async def main() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()


asyncio.run(main())
