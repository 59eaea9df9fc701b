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


def add(slots: object, lock: object, index: int) -> None:
    while not os.path.exists("go"):
        with slots.get_lock():  # type: ignore[attr-defined]
            slots[0] += 1  # type: ignore[index]
        with lock:  # type: ignore[attr-defined]
            slots[index] += 1  # type: ignore[index]


def consume(numbers: object, total: object, lock: object, out: object) -> None:
    while (n := numbers.get()) is not None:  # type: ignore[attr-defined]
        with lock:  # type: ignore[attr-defined]
            total.value += n  # type: ignore[attr-defined]
    out.send("all consumed")  # type: ignore[attr-defined]


if __name__ == "__main__":
    numbers, lock = context.Queue(), context.Lock()
    total = context.Value("q", 0)
    slots = context.Array("q", 3)
    here, there = context.Pipe(duplex=False)
    consumer = context.Process(target=consume, args=(numbers, total, lock, there))
    consumer.start()
    adders = [context.Process(target=add, args=(slots, lock, index)) for index in (1, 2)]
    for adder in adders:
        adder.start()
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
    assert here.recv() == "all consumed", "pipe"
    consumer.join()
    for adder in adders:
        adder.join()
        assert adder.exitcode == 0, "adder"
    assert slots[0] == slots[1] + slots[2] > 0, f"slots: {slots[:]}"
    assert consumer.exitcode == 0, "consumer"
    assert total.value == sent, f"total: {total.value}, not {sent}"
    print("PASS", flush=True)
