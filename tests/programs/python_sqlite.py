"""SQLite in WAL mode with two processes: one has a transaction open, the other a snapshot.

The write-ahead log's index (-shm) is mapped by both, and both hold POSIX locks of it.
"""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
import sys
import time

os.chdir(sys.argv[1])
context = multiprocessing.get_context("fork")
COUNT = "SELECT count(*), coalesce(sum(n), 0) FROM numbers"


def connect() -> sqlite3.Connection:
    connection = sqlite3.connect("data.db", timeout=0, isolation_level=None)
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    return connection


def read(ends: object) -> None:
    connection = connect()
    connection.execute("BEGIN")
    seen = connection.execute(COUNT).fetchone()
    ends.send(seen)  # type: ignore[attr-defined]
    while not ends.poll(0):  # type: ignore[attr-defined]
        assert connection.execute(COUNT).fetchone() == seen, "the snapshot has changed"
        time.sleep(0.002)
    ends.recv()  # type: ignore[attr-defined]
    connection.execute("COMMIT")
    try:
        connection.execute("BEGIN IMMEDIATE")
        ends.send("it could write too")  # type: ignore[attr-defined]
    except sqlite3.OperationalError as error:
        ends.send(str(error))  # type: ignore[attr-defined]
    ends.recv()  # type: ignore[attr-defined]
    ends.send(connection.execute(COUNT).fetchone())  # type: ignore[attr-defined]
    connection.close()


if __name__ == "__main__":
    first = connect()
    assert first.execute("PRAGMA journal_mode = WAL").fetchone() == ("wal",)
    first.execute("CREATE TABLE numbers (n INTEGER, filling BLOB)")
    first.execute("INSERT INTO numbers VALUES (1, zeroblob(100000))")
    first.close()  # nothing is open when the other is forked
    here, there = context.Pipe()
    reader = context.Process(target=read, args=(there,))
    reader.start()
    assert here.recv() == (1, 1), "what the reader sees"
    writer = connect()
    writer.execute("INSERT INTO numbers VALUES (2, zeroblob(100000))")
    writer.execute("BEGIN IMMEDIATE")
    print("READY", flush=True)
    sum_of_all, rows = 3, 2
    while not os.path.exists("go"):
        writer.execute("INSERT INTO numbers VALUES (?, zeroblob(1000))", (rows,))
        sum_of_all += rows
        rows += 1
        assert writer.execute(COUNT).fetchone() == (rows, sum_of_all), "in the transaction"
        time.sleep(0.001)
    here.send("look")
    assert here.recv() == "database is locked", "the transaction is the only one"
    writer.execute("COMMIT")
    here.send("look")
    assert here.recv() == (rows, sum_of_all), "what was committed"
    reader.join()
    assert reader.exitcode == 0, "reader"
    assert writer.execute("PRAGMA integrity_check").fetchone() == ("ok",), "integrity"
    assert writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0, "checkpoint"
    writer.close()
    assert not os.path.exists("data.db-wal"), "the log of a database that nobody has open"
    print("PASS")
