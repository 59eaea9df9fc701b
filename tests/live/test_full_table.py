"""As many descriptors as a process can have, with no more than that for the tool itself.

Not among the cases of test_programs: looking at each of 36,000 descriptors before and after takes
longer than all the rest. The program looks at every one of them.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from live.roundtrip import Run


@pytest.mark.parametrize("uid", [None, 4711])
def test_a_full_table_comes_back(uid: int | None, new_run: Callable[..., Run]) -> None:
    run = new_run("full_table", uid=uid)
    run.start()
    run.restore(run.dump())
    run.restore(run.dump())
    run.expect_pass()


def test_a_full_table_is_left_running(new_run: Callable[..., Run]) -> None:
    run = new_run("full_table")
    run.start()
    run.dump("-R", kills=False)
    run.expect_pass()
