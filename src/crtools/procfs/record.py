"""Values that are built by the ten thousand.

crtools.model.value makes frozen values, at 2 µs for one of nine fields and 0.14 ms for each class
at start-up. What a parser makes of each line of /proc/PID/maps has to be four times as fast, so
these have hand-written positional constructors and are frozen by convention only.
"""

from __future__ import annotations


class Record:
    """Equality and a repr by the fields in `__slots__`."""

    __slots__: tuple[str, ...] = ()

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, field) == getattr(other, field) for field in self.__slots__)

    __hash__ = None  # type: ignore[assignment]  # no key of a dictionary: fields can be set

    def __repr__(self) -> str:
        fields = ", ".join([f"{field}={getattr(self, field)!r}" for field in self.__slots__])
        return f"{type(self).__name__}({fields})"
