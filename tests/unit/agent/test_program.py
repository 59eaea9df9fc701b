"""Programs: what is put together at once is what is put together one by one."""

from __future__ import annotations

from crtools.agent.program import Program


def test_repeated_calls_are_calls() -> None:
    rows = [(number, 0, (1, 32 * number), 8) for number in range(5)]
    at_once, singly = Program(), Program()
    for program in (at_once, singly):
        program.call(1, 2, label="before")
    at_once.repeat(13, rows, "ask")
    for row in rows:
        singly.call(13, *row, label="ask")
    for program in (at_once, singly):
        program.call(3, label="after")
    assert at_once.code == singly.code
    assert at_once.labels == singly.labels
    assert at_once.count == singly.count == 7
