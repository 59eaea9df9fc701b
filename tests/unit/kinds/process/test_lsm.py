"""Security labels, as AppArmor and SELinux word them: few machines have either."""

from __future__ import annotations

import pytest

from crtools.agent.program import Program
from crtools.errors import RestoreConflict, UnsupportedObject, UsageError
from crtools.kinds.process.lsm import (
    APPARMOR,
    NO_LSM,
    OTHER,
    SELINUX,
    LsmDump,
    build_label,
    parse_label,
    parse_option,
    plan_label,
)

CONTEXT = "system_u:system_r:httpd_t:s0-s0:c0.c1023"


@pytest.mark.parametrize(
    ("text", "label"),
    [
        (b"", (NO_LSM, "")),
        (b"unconfined\n", (APPARMOR, "")),
        (b"/usr/sbin/cupsd (enforce)\n", (APPARMOR, "/usr/sbin/cupsd")),
        (b"docker-default (complain)\n", (APPARMOR, "docker-default")),
        (b"a b (x) (kill)\n", (APPARMOR, "a b (x)")),
        (b":ns:profile:x (enforce)\n", (APPARMOR, ":ns:profile:x")),
        (CONTEXT.encode() + b"\0", (SELINUX, CONTEXT)),
        (b"user_u:user_r:user_t", (SELINUX, "user_u:user_r:user_t")),
        (b"kernel\0", (OTHER, "kernel")),
        (b"_\n", (OTHER, "_")),
    ],
)
def test_labels_are_told_apart(text: bytes, label: tuple[int, str]) -> None:
    assert parse_label(text) == label


def test_the_option_names_module_and_label() -> None:
    assert parse_option("apparmor:a:b") == (APPARMOR, "a:b")
    assert parse_option("apparmor:unconfined") == (APPARMOR, "")
    assert parse_option(f"selinux:{CONTEXT}") == (SELINUX, CONTEXT)
    for text in ("", "apparmor", "apparmor:", "smack:x", "profile"):
        with pytest.raises(UsageError, match="--lsm-profile"):
            parse_option(text)


def dump(own: bytes, texts: dict[tuple[int, str], bytes]) -> LsmDump:
    """Of process 5 with threads 5 and 6."""
    lsm = LsmDump(own, lambda pid, tid, name: texts.get((tid, name), b""))
    lsm.collect(5, "task 5 (x)", [5, 6])
    return lsm


@pytest.mark.parametrize(
    ("own", "theirs", "kind", "label"),
    [
        (b"unconfined\n", b"p (enforce)\n", APPARMOR, "p"),
        (b"p (enforce)\n", b"unconfined\n", APPARMOR, None),
        (b"a:b:c:d\0", b"e:f:g:h\0", SELINUX, "e:f:g:h"),
        (b"_\n", b"_\n", NO_LSM, None),
    ],
)
def test_a_process_has_the_label_of_its_threads(
    own: bytes, theirs: bytes, kind: int, label: str | None
) -> None:
    lsm = dump(own, {(5, "current"): theirs, (6, "current"): theirs})
    assert (lsm.type, lsm.labels) == (kind, {5: label})


@pytest.mark.parametrize(
    ("own", "texts", "says"),
    [
        (b"unconfined\n", {(5, "current"): b"p (enforce)\n", (6, "current"): b"unconfined\n"},
         "different security labels"),
        (b"_\n", {(5, "current"): b"x\n", (6, "current"): b"x\n"}, "label x is of a module"),
        (b"a:b:c\0", {(5, "current"): b"a:b:c\0", (6, "current"): b"a:b:c\0",
                      (6, "sockcreate"): b"d:e:f\0"}, "thread 6 .* attr/sockcreate"),
        (b"unconfined\n", {(5, "current"): b"unconfined\n", (6, "current"): b"unconfined\n",
                           (5, "exec"): b"p (enforce)\n"}, "thread 5 .* attr/exec"),
    ],
)  # fmt: skip
def test_what_the_images_have_no_place_for_is_refused(
    own: bytes, texts: dict[tuple[int, str], bytes], says: str
) -> None:
    with pytest.raises(UnsupportedObject, match=says.replace(" .* ", ".*").replace("(", r"\(")):
        dump(own, texts)


@pytest.mark.parametrize(
    ("wanted", "host", "becomes"),
    [
        ((NO_LSM, ""), (NO_LSM, ""), None),
        ((NO_LSM, ""), (APPARMOR, "p"), None),
        ((APPARMOR, ""), (APPARMOR, ""), None),
        ((APPARMOR, ""), (APPARMOR, "p"), "unconfined"),
        ((APPARMOR, "p"), (APPARMOR, "p"), None),
        ((APPARMOR, "p"), (APPARMOR, ""), "p"),
        ((APPARMOR, ""), (SELINUX, "a:b:c"), None),
        ((SELINUX, "a:b:c"), (SELINUX, "a:b:d"), "a:b:c"),
    ],
)
def test_a_label_is_set_where_it_differs(
    wanted: tuple[int, str], host: tuple[int, str], becomes: str | None
) -> None:
    label = wanted[1] or None
    assert plan_label(5, "task 5 (x)", wanted, [label, label], host) == becomes


def test_a_label_of_a_module_that_is_not_active_is_refused() -> None:
    with pytest.raises(RestoreConflict, match="with the security label p") as caught:
        plan_label(5, "task 5 (x)", (APPARMOR, "p"), ["p"], (NO_LSM, ""))
    assert caught.value.because == "that is of AppArmor, and here is no security module"
    with pytest.raises(RestoreConflict, match="different security labels"):
        plan_label(5, "task 5 (x)", (APPARMOR, "p"), ["p", None], (APPARMOR, "p"))


@pytest.mark.parametrize(
    ("kind", "label", "text"),
    [(APPARMOR, "p", b"changeprofile p"), (SELINUX, "a:b:c", b"a:b:c")],
)
def test_a_label_is_written_as_its_module_reads_it(kind: int, label: str, text: bytes) -> None:
    program = Program()
    build_label(program, kind, label)
    assert program.data.startswith(b"/proc/self/attr/current\0" + text)
