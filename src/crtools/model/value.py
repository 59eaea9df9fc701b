"""Frozen values without the dataclasses module.

`dataclasses` costs 12 ms to import and 0.4 ms a class, which is more than a whole dump of a small
process may take (docs/decisions/0002). This metaclass turns annotations into slots and generates
one keyword-only `__init__` in one small exec, and type checkers see a frozen dataclass. That exec
takes 0.1 ms, and most classes that a command loads it makes no value of: it waits for the first.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Self, dataclass_transform
else:

    def dataclass_transform(**_: object) -> object:
        return lambda cls: cls


_set = object.__setattr__


@dataclass_transform(kw_only_default=True, frozen_default=True, eq_default=True)
class _ValueType(type):
    def __new__(mcls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> _ValueType:
        own = tuple(
            field
            for field, kind in namespace.get("__annotations__", {}).items()
            if not str(kind).startswith("ClassVar")
        )
        defaults = {field: namespace.pop(field) for field in own if field in namespace}
        namespace["__slots__"] = own
        cls = super().__new__(mcls, name, bases, namespace)
        fields: dict[str, None] = {}
        all_defaults: dict[str, Any] = {}
        for base in reversed(cls.__mro__):
            fields.update(dict.fromkeys(base.__dict__.get("_own_fields", ())))
            all_defaults.update(base.__dict__.get("_own_defaults", {}))
        fields.update(dict.fromkeys(own))
        all_defaults.update(defaults)
        type.__setattr__(cls, "_own_fields", own)
        type.__setattr__(cls, "_own_defaults", defaults)
        type.__setattr__(cls, "_fields", tuple(fields))
        if fields and "__init__" not in namespace:

            def __init__(self: Any, **values: Any) -> None:
                made = _make_init(tuple(fields), all_defaults)
                type.__setattr__(cls, "__init__", made)
                made(self, **values)

            type.__setattr__(cls, "__init__", __init__)
        return cls


def _make_init(fields: tuple[str, ...], defaults: dict[str, Any]) -> Callable[..., None]:
    parameters = ", ".join(f"{f}=_d_{f}" if f in defaults else f for f in fields)
    body = "\n".join(f"    _set(self, {f!r}, {f})" for f in fields)
    scope: dict[str, Any] = {f"_d_{f}": value for f, value in defaults.items()}
    scope["_set"] = _set
    exec(f"def __init__(self, *, {parameters}):\n{body}\n", scope)
    made: Callable[..., None] = scope["__init__"]
    return made


class Value(metaclass=_ValueType):
    """A frozen record: keyword-only fields from annotations, equality and hash by content."""

    if TYPE_CHECKING:
        _fields: tuple[str, ...] = ()

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: cannot set {name}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: cannot delete {name}")

    def _key(self) -> tuple[object, ...]:
        return tuple([getattr(self, field) for field in self._fields])

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        inner = ", ".join(f"{field}={getattr(self, field)!r}" for field in self._fields)
        return f"{type(self).__name__}({inner})"

    def but(self, **changes: Any) -> Self:
        """The same value with some fields changed."""
        values = {field: getattr(self, field) for field in self._fields}
        values.update(changes)
        return type(self)(**values)
