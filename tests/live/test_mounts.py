"""Files that other mounts cover, on read-only mounts, on overlay file systems."""

from __future__ import annotations

from pathlib import Path

import pytest

from live.roundtrip import Skipped, run_in_namespace

pytestmark = pytest.mark.root

# variant -> options of its dumps
VARIANTS = {
    "covered": (),
    "bind": (),
    "overlay": (),
    "link": ("--link-remap",),
    "hidden": ("--link-remap",),
}
# What a deleted file is called has to be the same, but not its inode and, on an overlay, whether it
# counts as linked: a file of a lower layer does.
COMPARED = ("covered", "bind")
MODES = ("alone", "interrupted", "restored", "left-running", "twice", "left-running-then-restored")
# Overlays have no file handles as a rule: what --link-remap made stays until a restore.
KEEPS_LINK = ("link", "hidden")


@pytest.mark.parametrize(
    ("variant", "mode"),
    [
        (variant, mode)
        for variant in VARIANTS
        for mode in MODES
        if mode != "left-running" or variant not in KEEPS_LINK
    ],
)
def test_files_that_are_hard_to_find_are_the_same_afterwards(
    variant: str, mode: str, directory: Path
) -> None:
    try:
        run_in_namespace(
            directory,
            mode,
            "mounts",
            variant,
            compare=variant in COMPARED,
            dump_options=VARIANTS[variant],
        )
    except Skipped as reason:
        pytest.skip(str(reason))


# variant -> words of the refusal
REFUSED = {
    "copied": ("mapped is mapped at", "was copied up since it was mapped"),
    "link": ("merged/linked was removed or leads elsewhere", "--link-remap"),
    "hidden": ("was removed or leads elsewhere", "--link-remap"),
}


@pytest.mark.parametrize("variant", REFUSED)
def test_files_that_nothing_leads_to_are_refused_by_name(variant: str, directory: Path) -> None:
    try:
        run_in_namespace(directory, "refused", "mounts", variant)
    except Skipped as reason:
        pytest.skip(str(reason))
    said = (directory / "refusal").read_text()
    assert all(words in said for words in REFUSED[variant]), said
