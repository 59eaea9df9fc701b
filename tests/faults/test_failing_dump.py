"""A dump whose calls fail, one after the other: refused, with the program as it was before."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from faults.target import Target
from faults.tool import Failing, FailingInstruction, Outcome, run_tool
from live.roundtrip import Run

pytestmark = [pytest.mark.root, pytest.mark.timeout(300)]

NewRun = Callable[..., Run]
Fault = Callable[[int], Callable[[int], None]]


def fail_each(target: Target, fault: Fault, stride: int) -> list[Outcome]:
    """Dumps with every `stride`th call failing until none is left; what came of each."""
    outcomes = []
    nth = 1
    while True:
        outcome = run_tool(target.dump_in_haste, fault(nth))
        if "failed: " not in outcome.said:
            if "Cannot stop the tree in time" in outcome.said:
                continue  # a busy machine, not a fault: once more
            assert outcome.done, outcome
            return outcomes
        # Some questions may go unanswered: the dump does without.
        assert outcome.refused or outcome.done, outcome
        outcomes.append(outcome)
        if outcome.refused:
            left = (target.images / "inventory.img").exists()
            assert not left, f"an inventory of a dump that failed: {outcome}"
        target.check(outcome.said)
        if len(outcomes) % 8 == 0:
            target.expect_dump(outcome.said)
        nth += stride


@pytest.mark.parametrize(
    ("program", "stride"),
    [("threads", 4), ("groups", 29), ("pipes", 13), ("mdwe", 13), ("writers", 31)],
)
def test_a_system_call_of_the_tools_own_fails(program: str, stride: int, new_run: NewRun) -> None:
    target = Target(new_run(program))
    outcomes = fail_each(target, Failing, stride)
    assert len(outcomes) > 40
    assert sum(outcome.refused for outcome in outcomes) > len(outcomes) / 2
    target.run.expect_pass()


@pytest.mark.parametrize(
    ("program", "stride"), [("threads", 2), ("groups", 13), ("anonymous", 3), ("writers", 25)]
)
def test_a_system_call_inside_the_program_fails(program: str, stride: int, new_run: NewRun) -> None:
    target = Target(new_run(program))
    outcomes = fail_each(target, FailingInstruction, stride)
    assert len(outcomes) > 30
    assert all("RemoteSyscallError" in outcome.said for outcome in outcomes if outcome.refused)
    target.run.expect_pass()


def test_a_call_fails_while_it_is_found_out_who_shares_which_page(new_run: NewRun) -> None:
    target = Target(new_run("relatives"), share_pages=True)
    outcomes = fail_each(target, Failing, 97)
    assert any(outcome.refused for outcome in outcomes)
    assert list(target.images.glob("crtools-pages-*.img")), "no dump came that far"
    target.run.expect_pass()
