"""CPython's asyncio: timers, tasks that wait for one another, a subprocess that answers, pipes,
threads of an executor, signals."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time

os.chdir(sys.argv[1])
ANSWER = "import sys\nfor line in sys.stdin: print(int(line) * 2, flush=True)\n"
ticks = 0
echoed: list[int] = []
answers: list[int] = []
hashed: list[int] = []
signals = 0


def on_signal() -> None:
    global signals
    signals += 1


async def tick(told: asyncio.Event) -> None:
    global ticks
    while not told.is_set():
        before = time.monotonic()
        await asyncio.sleep(0.002)
        assert time.monotonic() - before >= 0.0019
        ticks += 1
        if os.path.exists("go"):
            told.set()


async def echo(told: asyncio.Event) -> None:
    """Through a pipe to ourselves: numbers come in order, none twice."""
    loop = asyncio.get_running_loop()
    read, write = os.pipe()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(read, "rb")
    )
    transport, _ = await loop.connect_write_pipe(asyncio.Protocol, os.fdopen(write, "wb"))
    while not told.is_set():
        transport.write(b"%d\n" % len(echoed))
        echoed.append(int(await reader.readline()))
        await asyncio.sleep(0.001)
    transport.close()


async def ask(told: asyncio.Event) -> None:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", ANSWER, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert child.stdin is not None
    assert child.stdout is not None
    while not told.is_set():
        child.stdin.write(b"%d\n" % len(answers))
        await child.stdin.drain()
        answers.append(int(await child.stdout.readline()))
        await asyncio.sleep(0.001)
    child.stdin.close()
    assert await child.wait() == 0, "the child's end"


async def compute(told: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    while not told.is_set():
        hashed.append(await loop.run_in_executor(None, sum, range(len(hashed) * 100)))


async def interrupt(told: asyncio.Event) -> int:
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, on_signal)
    sent = 0
    while not told.is_set():
        os.kill(os.getpid(), signal.SIGUSR1)
        sent += 1
        while signals < sent:
            await asyncio.sleep(0.001)
    return sent


async def main() -> None:
    told = asyncio.Event()
    late = asyncio.get_running_loop().call_later(3600, sys.exit, "too late")
    tasks = [asyncio.create_task(part(told)) for part in (tick, echo, ask, compute, interrupt)]
    while not (ticks and echoed and answers and hashed and signals):
        await asyncio.sleep(0.001)
    print("READY", flush=True)
    *_, sent = await asyncio.wait_for(asyncio.gather(*tasks), 60)
    late.cancel()
    assert ticks > 10, ticks
    assert echoed == list(range(len(echoed))), "echoes"
    assert answers == [2 * n for n in range(len(answers))], "answers"
    assert hashed == [sum(range(n * 100)) for n in range(len(hashed))], "sums"
    assert signals == sent, (signals, sent)
    assert len(echoed) > 10
    assert len(answers) > 10
    print("PASS")


asyncio.run(main())
