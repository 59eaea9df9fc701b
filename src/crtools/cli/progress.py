"""What is being done, on a terminal: one line that is written over, and gone at the end.

Plain escape sequences: importing rich takes longer than most dumps, and the tasks may be frozen
meanwhile. For the same reason nothing here may wait: the terminal can belong to the very tree that
is being dumped.
"""

from __future__ import annotations

import os
import select
import time

from crtools import log

_CLEAR = b"\r\x1b[K"  # ECMA-48: EL, erase in line
_FIRST_AFTER = 0.2  # seconds: what is over by then needs no display
_EVERY = 0.05  # seconds


class Progress:
    """Shows the stages that the work reports to the log. `with Progress(2): …`"""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._next = time.monotonic() + _FIRST_AFTER
        self._shown = False

    def __enter__(self) -> Progress:
        log.watcher = self._show
        return self

    def __exit__(self, *_: object) -> None:
        log.watcher = None
        if self._shown:
            self._write(_CLEAR)

    def _show(self, name: str, done: int, total: int) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + _EVERY
        share = f" {done * 100 // total}%" if total else ""
        self._write(_CLEAR + f"{name}{share} …"[:79].encode("utf-8", "replace"))
        self._shown = True

    def _write(self, data: bytes) -> None:
        try:
            # A background job that writes may be stopped by its terminal (TOSTOP).
            if os.tcgetpgrp(self._fd) != os.getpgrp():
                return
            if select.select((), (self._fd,), (), 0)[1]:
                os.write(self._fd, data)
        except OSError:
            log.watcher = None
