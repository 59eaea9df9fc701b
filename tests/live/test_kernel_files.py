"""Files of the kernel's own are refused by name, each with what can be done about it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from live.roundtrip import Run, Skipped

pytestmark = pytest.mark.root

# What the program holds -> what it is called, and words of the advice.
REFUSED = {
    "bpf-program": ("a BPF program", "load it again"),
    "bpf-link": ("a BPF link", "detach it"),
    "btf": ("BPF type information (BTF)", "load it again"),
    "perf-event": ("a performance event", "end perf(1)"),
    "file-system": ("a file system context (fsopen)", "mount it"),
    "mount": ("a mount that is in no mount namespace", "mount it"),
    "tree": ("a mount that is in no mount namespace", "mount it"),
    "ruleset": ("a Landlock ruleset", "close it"),
    "machine": ("a virtual machine (KVM)", "hypervisor"),
    "processor": ("a processor of a virtual machine (KVM)", "hypervisor"),
    "fuse-server": ("a connection to a file system's server (FUSE)", "unmount"),
    "latency": ("a demand on the processors' latency", "close it"),
    "arbiter": ("a lock on graphics devices", "close it"),
    "namespace": ("a namespace, uts:[", "mount it somewhere"),
    "log": ("the kernel's log", "open it for writing only"),
}


# Of maps there are many kinds, and who else has one matters.
MAPS = {
    "ring": ("a BPF map, which is a ring", "end what loads BPF programs"),
    "used": ("a BPF map, which a BPF program uses", "end what loads BPF programs"),
    "pinned": ("a BPF map, which somebody outside the tree has", "end what loads BPF programs"),
}


DEVICES = {"addresses": ("the network device", "ip tuntap add")}
QUEUES = {
    "decides": ("a fanotify queue that decides about accesses", "stop the program"),
    "unread": ("a fanotify queue with", "dump again"),
}


@pytest.mark.parametrize(
    ("program", "what", "words"),
    [
        *[("kernel_files", what, words) for what, words in REFUSED.items()],
        *[("fanotify", what, words) for what, words in QUEUES.items()],
        *[("tuns", what, words) for what, words in DEVICES.items()],
        *[("bpf_maps", what, words) for what, words in MAPS.items()],
    ],
)
def test_what_is_the_kernels_own_is_refused_by_name(
    program: str, what: str, words: tuple[str, str], new_run: Callable[..., Run]
) -> None:
    run = new_run(program, what)
    try:
        run.start()
    except Skipped as reason:
        pytest.skip(str(reason))
    before = run.snapshot()
    done = run.try_dump(run.new_images())
    name, advice = words
    lines = done.stderr.splitlines()
    assert done.returncode == 1, done.stderr
    assert f"({program}): it is {name}" in lines[0] or f", {name}" in lines[0], done.stderr
    assert lines[1].startswith("Because: "), done.stderr
    assert any(line.startswith("Try: ") and advice in line for line in lines), done.stderr
    run.expect_same(before, "after a dump that was refused")
    run.expect_pass()
