"""CPython with multiprocessing: a pool, queues, locks and shared memory of forked processes."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time

os.chdir(sys.argv[1])
context = multiprocessing.get_context("fork")


def cube(n: int) -> int:
    time.sleep(0.002)
    return n**3


def consume(numbers: object, total: object, lock: object) -> None:
    while (n := numbers.get()) is not None:  # type: ignore[attr-defined]
        with lock:  # type: ignore[attr-defined]
            total.value += n  # type: ignore[attr-defined]


if __name__ == "__main__":
    numbers, lock = context.Queue(), context.Lock()
    total = context.Value("q", 0)
    consumer = context.Process(target=consume, args=(numbers, total, lock))
    consumer.start()
    with context.Pool(3) as pool:
        print("READY", flush=True)
        rounds = sent = 0
        while not os.path.exists("go"):
            assert pool.map(cube, range(20)) == [n**3 for n in range(20)], "cubes"
            rounds += 1
            numbers.put(rounds)
            sent += rounds
        pool.close()
        pool.join()
    numbers.put(None)
    consumer.join()
    assert consumer.exitcode == 0, "consumer"
    assert total.value == sent, f"total: {total.value}, not {sent}"
    print("PASS", flush=True)
