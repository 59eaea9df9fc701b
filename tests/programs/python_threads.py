"""CPython with threads: a queue, a lock, an event, timers, generators half way, open files."""

from __future__ import annotations

import hashlib
import itertools
import os
import queue
import sys
import threading
import time

os.chdir(sys.argv[1])
work: queue.Queue[int | None] = queue.Queue(maxsize=8)
results: dict[int, str] = {}
lock = threading.Lock()
told = threading.Event()
local = threading.local()


def digest(number: int) -> str:
    return hashlib.sha256(str(number).encode() * 1000).hexdigest()


def serve(name: str) -> None:
    local.name = name
    while (number := work.get()) is not None:
        with lock:
            results[number] = digest(number)
    assert local.name == name == threading.current_thread().name


def watch() -> None:
    while not os.path.exists("go"):
        time.sleep(0.005)
    told.set()


threads = [threading.Thread(target=serve, args=(f"s{i}",), name=f"s{i}") for i in range(4)]
threads.append(threading.Thread(target=watch))
for thread in threads:
    thread.start()
log = open("log", "w")
squares = (n * n for n in itertools.count())
floats = [1 / 3**n for n in range(300)]
print("READY", flush=True)
count = 0
while not told.wait(0.001):
    work.put(count)
    print(count, next(squares), file=log)
    count += 1
for _ in range(4):
    work.put(None)
for thread in threads:
    thread.join()
log.close()
assert results == {n: digest(n) for n in range(count)}, "digests"
with open("log") as text:
    assert text.read() == "".join(f"{n} {n * n}\n" for n in range(count)), "log"
assert floats == [1 / 3**n for n in range(300)], "floats"
print("PASS", flush=True)
