"""Values: frozen, keyword-only, equal by content; the constructor is made when first used."""

from __future__ import annotations

import pytest

from crtools.model import value
from crtools.model.value import Value


class Point(Value):
    x: int
    y: int = 7


class Named(Point):
    name: str


class Nothing(Value):
    pass


def test_fields_are_keywords_and_have_defaults() -> None:
    assert (Point(x=1).x, Point(x=1).y, Point(x=1, y=2).y) == (1, 7, 2)
    named = Named(x=1, name="a")
    assert (named.x, named.y, named.name) == (1, 7, "a")
    assert Nothing() == Nothing()


@pytest.mark.parametrize("wrong", [{}, {"y": 1}, {"x": 1, "z": 2}])
def test_other_arguments_are_an_error_the_first_time_too(wrong: dict[str, int]) -> None:
    class Fresh(Value):
        x: int
        y: int = 7

    for _ in range(2):
        with pytest.raises(TypeError):
            Fresh(**wrong)
    assert Fresh(x=3).y == 7


def test_a_value_cannot_be_changed_but_copied_with_changes() -> None:
    point = Named(x=1, name="a")
    with pytest.raises(AttributeError, match="frozen"):
        point.x = 2  # type: ignore[misc]
    with pytest.raises(AttributeError, match="frozen"):
        del point.x
    assert point.but(x=2) == Named(x=2, name="a")
    assert point == Named(x=1, name="a")
    assert hash(point) == hash(Named(x=1, name="a"))
    assert point != Point(x=1)
    assert repr(point) == "Named(x=1, y=7, name='a')"


def test_a_constructor_is_made_once_and_not_before_it_is_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = []

    def make(fields: tuple[str, ...], defaults: dict[str, object]) -> object:
        made.append(fields)
        return original(fields, defaults)

    original = value._make_init
    monkeypatch.setattr(value, "_make_init", make)

    class Base(Value):
        x: int

    class Derived(Base):
        y: int

    assert made == []
    assert Derived(x=1, y=2).y == 2
    assert Derived(x=1, y=3).y == 3
    assert made == [("x", "y")]
    assert Base(x=1).x == 1
    assert made == [("x", "y"), ("x",)]
