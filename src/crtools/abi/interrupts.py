"""SIGINT at a time that suits: not between two steps that belong together."""

from __future__ import annotations

# `signal` itself costs 4 ms to import.
import _signal  # type: ignore[import-not-found]


class Deferred:
    """While it is open, a SIGINT waits. It is taken (KeyboardInterrupt) by `check`, or at the end.

    Other signals that end us are not held off: a death at any moment does no harm
    (docs/decisions/0001-who-dies-when.md), half-undone steps after an exception would.
    """

    def __enter__(self) -> Deferred:
        self._before = _signal.pthread_sigmask(_signal.SIG_BLOCK, (_signal.SIGINT,))
        return self

    def __exit__(self, *_: object) -> None:
        _signal.pthread_sigmask(_signal.SIG_SETMASK, self._before)

    def check(self) -> None:
        """Raises KeyboardInterrupt if a SIGINT is waiting. It goes on waiting until the end."""
        if _signal.SIGINT in _signal.sigpending():
            raise KeyboardInterrupt
