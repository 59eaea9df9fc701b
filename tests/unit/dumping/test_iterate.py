"""When one more round does not pay."""

from __future__ import annotations

import pytest

from crtools.dumping.iterate import LITTLE, Round, why_stop

MIB = 256  # pages


def rounds(*of: tuple[int, float, float | None]) -> list[Round]:
    return [Round(pages=pages, seconds=seconds, rate=rate) for pages, seconds, rate in of]


@pytest.mark.parametrize(
    ("done", "because"),
    [
        # The first writes everything: nothing is known of the rate yet.
        (rounds((1024 * MIB, 1.0, None)), ""),
        # 50 MiB a second, of 100 MiB a second that are written.
        (rounds((1024 * MIB, 10.0, None), (500 * MIB, 5.0, 50 << 20)), ""),
        (rounds((1024 * MIB, 10.0, None), (LITTLE // 4096, 0.1, 1e6)), "little"),
        (rounds((1024 * MIB, 1.0, None), (900 * MIB, 0.9, 900 << 20)), "about as much"),
        (
            rounds((1024 * MIB, 1.0, None), (90 * MIB, 0.1, 80 << 20), (80 * MIB, 0.1, 80 << 20)),
            "do not get smaller",
        ),
    ],
)
def test_rounds_end_when_the_next_would_leave_as_much(done: list[Round], because: str) -> None:
    said = why_stop(done, 8, 0)
    assert (because in said) if because else not said


def test_rounds_keep_to_the_bounds_that_were_asked_for() -> None:
    done = rounds((1024 * MIB, 10.0, None), (500 * MIB, 5.0, 50 << 20))
    assert "there were 2" in why_stop(done, 2, 0)
    assert "not more than was asked for" in why_stop(done, 8, 50 << 20)
    assert why_stop(done, 8, 49 << 20) == ""
