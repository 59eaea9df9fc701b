"""What is understood but not served is refused where it matters, and only there."""

from __future__ import annotations

import pytest

from crtools.errors import UsageError
from crtools.model.options import Options
from crtools.model.unimplemented import _REFUSED, collect_ignored, refuse_unimplemented

VERBS = ("dump", "restore", "check")


@pytest.mark.parametrize("verb", VERBS)
def test_plain_options_are_never_refused(verb):
    refuse_unimplemented(verb, Options())
    assert collect_ignored(verb, Options()) == ()


@pytest.mark.parametrize(("name", "field", "verbs", "hint"), _REFUSED)
def test_an_option_is_refused_for_its_verbs_only(name, field, verbs, hint):
    default = Options._own_defaults[field]
    given = {bool: True, str: "x", tuple: ("x",)}.get(type(default), 0)
    options = Options(**{field: given})
    for verb in VERBS:
        if verb in verbs:
            with pytest.raises(UsageError, match=f"{name} is not available yet"):
                refuse_unimplemented(verb, options)
        else:
            refuse_unimplemented(verb, options)


@pytest.mark.parametrize("mode", ["props", "soft", "full", "strict"])
@pytest.mark.parametrize("verb", ["dump", "restore"])
def test_cgroups_are_not_carried_silently(verb, mode):
    with pytest.raises(UsageError, match=f"--manage-cgroups={mode}"):
        refuse_unimplemented(verb, Options(manage_cgroups=mode))


@pytest.mark.parametrize(
    "options",
    [
        Options(manage_cgroups="ignore"),
        Options(manage_cgroups="none"),
        Options(cpu_cap=("none",)),
        Options(cpu_cap=("cpu", "ins")),
        Options(tcp_established=True, file_locks=True, ext_unix_sk=()),
        Options(ghost_fiemap=True, link_remap=True, shell_job=True, root="/x"),
    ],
)
@pytest.mark.parametrize("verb", VERBS)
def test_what_only_permits_is_let_through(verb, options):
    refuse_unimplemented(verb, options)


def test_what_has_no_effect_is_remarked_on():
    options = Options(libdir="/x", freeze_cgroup="/y")
    assert len(collect_ignored("dump", options)) == 2
    assert len(collect_ignored("restore", options)) == 1
