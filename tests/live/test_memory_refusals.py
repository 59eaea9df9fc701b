"""Memory that is not carried: it is refused by name, and the program goes on unharmed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from live.roundtrip import Run, Skipped

pytestmark = pytest.mark.root

# Program and variant -> what the refusal has to say.
REFUSED = {
    "holds memfd-attribute": "its memory has extended attributes",
    "holds foreign-memfd": "is also open outside the tree",
    "userfaults inherited": "a userfaultfd that another process has as well",
    "holds secret": "it is secret memory (memfd_secret)",
    "holds secret-closed": "it is secret memory (memfd_secret)",
}


@pytest.mark.parametrize("what", REFUSED, ids=lambda what: what.replace(" ", "-"))
def test_memory_is_refused_by_name(what: str, new_run: Callable[..., Run]) -> None:
    program, *args = what.split()
    run = new_run(program, *args)
    try:
        run.start()
    except Skipped as reason:
        pytest.skip(str(reason))
    before = run.snapshot()
    images = run.new_images()
    done = run.try_dump(images)
    assert done.returncode == 1
    assert REFUSED[what] in done.stderr
    assert "of task " in done.stderr
    assert not (images / "inventory.img").exists()
    run.expect_same(before, "after the refusal")
    run.expect_pass()
