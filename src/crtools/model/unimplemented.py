"""Options that are understood and not served yet: refused where ignoring them would matter.

Where an option only permits or tunes something that is refused by name anyway when it is met
(--file-locks while no lock is carried), it is let through. Whoever implements one takes its line
away.
"""

from __future__ import annotations

from crtools.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crtools.model.options import Options

_ALL = ("dump", "pre-dump", "restore")

# option, its field, the verbs it matters to, what to do instead
_REFUSED = (
    ("--lazy-pages", "lazy_pages", ("dump", "restore"), "leave it out: pages are in the images"),
    ("--stream", "stream", _ALL, "images are files in the images directory"),
    ("--page-server", "page_server", ("dump", "pre-dump"), "dump to a directory and copy it"),
    ("--tls", "tls", _ALL, ""),
    ("--join-ns", "join_ns", ("restore",), "run crtools in that namespace, with nsenter(1)"),
    ("--empty-ns", "empty_ns", ("dump", "restore"), ""),
    ("--veth-pair", "veth_pair", ("restore",), ""),
    ("--ext-mount-map", "ext_mount_map", ("dump", "restore"), ""),
    ("--lsm-mount-context", "lsm_mount_context", ("restore",), ""),
    ("--exec-cmd", "exec_cmd", ("restore",), "restore with --restore-detached, then run it"),
    ("--ps-socket", "ps_socket", ("dump", "pre-dump"), ""),
)


def refuse_unimplemented(verb: str, options: Options) -> None:
    """Raise UsageError if the options ask for something that this verb can't do yet."""
    for name, field, verbs, hint in _REFUSED:
        value = getattr(options, field)
        if verb in verbs and value is not None and value is not False and value not in ("", ()):
            raise UsageError(
                f"{name} is not available yet", hint=hint, subject=("option", name, "verb", verb)
            )
    if verb not in ("dump", "restore"):
        return
    if options.external:
        from crtools.model.externals import SERVED, parse_external

        for text in options.external:
            kind = parse_external(text)[0]
            if kind not in SERVED[verb]:
                raise UsageError(
                    f"--external {kind}[...] is not available yet for a {verb}",
                    hint=f"of --external it takes {', '.join(SERVED[verb])}",
                    subject=("option", "--external", "verb", verb),
                )
    # "none" and "ignore" ask for what is done without the option.
    if options.manage_cgroups not in ("", "none", "ignore"):
        raise UsageError(
            f"--manage-cgroups={options.manage_cgroups} is not available yet",
            hint="leave it out: the tasks are restored into the cgroup of crtools",
            subject=("option", "--manage-cgroups", "verb", verb),
        )


def collect_ignored(verb: str, options: Options) -> tuple[str, ...]:
    """Remarks on options that have no effect: for the log, as warnings."""
    remarks = []
    if options.libdir:
        remarks.append("--libdir has no effect: crtools has no plugins")
    if options.freeze_cgroup and verb == "dump":
        remarks.append("--freeze-cgroup is not used: every task is stopped by ptrace")
    return tuple(remarks)
