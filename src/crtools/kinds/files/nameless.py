"""Files of the kernel's own, and devices, that are not carried: what each is, and what to do.

Names of anonymous inodes are what the kernel's callers of anon_inode_getfd() give; devices have
their numbers (Documentation/admin-guide/devices.txt).
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    Words: TypeAlias = tuple[str, str, str]

_CLOSE = "let the program close it before the dump"
_HARDWARE = "its state is in a device and its driver, which nobody can read and put back"
_GUEST = (
    "a virtual machine's state is the hypervisor's, and the kernel keeps it",
    "have the hypervisor save its guest itself (a snapshot or migration), and end it",
)
_BPF = (
    "what a program does, and what it is attached to, cannot be made again from outside",
    "let who loaded it load it again: close it before the dump, or detach it",
)
_MOUNT = (
    "what it is to be, or was taken from, is told by nothing",
    "let the program mount it (move_mount) or close it before the dump",
)

# Of an anonymous inode, by its name: what it is, why it is refused, what to do.
ANONYMOUS: dict[bytes, Words] = {
    b"[perf_event]": (
        "a performance event",
        "its counter runs in the processor, and what it has recorded cannot be put back",
        "end perf(1), or let the program close it before the dump",
    ),
    b"bpf-prog": ("a BPF program", *_BPF),
    b"bpf_link": ("a BPF link", *_BPF),
    b"bpf_iter": ("a BPF iterator", *_BPF),
    b"bpf_token": ("a BPF token", *_BPF),
    b"btf": ("BPF type information (BTF)", *_BPF),
    b"[fscontext]": ("a file system context (fsopen)", *_MOUNT),
    b"[landlock-ruleset]": (
        "a Landlock ruleset",
        "the rules in it are told by nothing",
        "let the program close it: what it has restricted stays so",
    ),
    b"seccomp notify": (
        "a seccomp listener",
        "system calls of others wait in it for an answer, and it belongs to their filters",
        "dump the supervised processes and their supervisor after the filters are gone",
    ),
    b"sync_file": ("a fence of a graphics driver (sync file)", _HARDWARE, _CLOSE),
    b"[kvm-gmem]": ("memory of a virtual machine (KVM)", *_GUEST),
    b"kvm-vm": ("a virtual machine (KVM)", *_GUEST),
    b"kvm-vm-stats": ("statistics of a virtual machine (KVM)", *_GUEST),
    b"[vfio-device]": ("a device given to a program (VFIO)", _HARDWARE, _CLOSE),
    b"[vfio-pci-device]": ("a device given to a program (VFIO)", _HARDWARE, _CLOSE),
    b"[iommufd-pgfault]": ("a queue of page faults (iommufd)", _HARDWARE, _CLOSE),
    b"[iommufd-viommu-event]": ("a queue of events (iommufd)", _HARDWARE, _CLOSE),
    b"drm-lease": ("a lease of a graphics device (DRM)", _HARDWARE, _CLOSE),
    b"i915.gem": ("memory of a graphics device (DRM)", _HARDWARE, _CLOSE),
    b"xe_oa": ("performance counters of a graphics device (DRM)", _HARDWARE, _CLOSE),
    b"[i915_perf]": ("performance counters of a graphics device (DRM)", _HARDWARE, _CLOSE),
    b"[infinibandevent]": ("a queue of InfiniBand events", _HARDWARE, _CLOSE),
    b"iio:event": ("events of a sensor (IIO)", _HARDWARE, _CLOSE),
    b"iio:buffer": ("readings of a sensor (IIO)", _HARDWARE, _CLOSE),
    b"counter": ("a hardware counter", _HARDWARE, _CLOSE),
    b"gpio-line": ("lines of a GPIO chip", _HARDWARE, _CLOSE),
    b"gpio-event": ("events of a GPIO line", _HARDWARE, _CLOSE),
    b"gpio-linehandle": ("lines of a GPIO chip", _HARDWARE, _CLOSE),
    b"request": ("a request to a media device", _HARDWARE, _CLOSE),
    b"ntsync": (
        "a semaphore, mutex or event for Windows programs (ntsync)",
        "who waits for it and who owns it is told by nothing",
        _CLOSE,
    ),
    b"[papr-vpd]": ("data of the firmware's", _HARDWARE, _CLOSE),
    b"[vduse]": ("a virtio device made by a program (VDUSE)", _HARDWARE, _CLOSE),
}
# The same where the name goes on.
PREFIXES: tuple[tuple[bytes, Words], ...] = (
    (b"kvm-vcpu", ("a processor of a virtual machine (KVM)", *_GUEST)),
    (b"kvm-", ("a device of a virtual machine (KVM)", *_GUEST)),
    (b"[vfio", ("a device given to a program (VFIO)", _HARDWARE, _CLOSE)),
    (b"[iommufd", ("a queue of events (iommufd)", _HARDWARE, _CLOSE)),
    (b"[papr-", ("data of the firmware's", _HARDWARE, _CLOSE)),
)

_BUS = "requests of a file system wait in it, for which it is the only server"
# Of a character device, by major and minor (None: all of that major).
DEVICES: dict[tuple[int, int | None], Words] = {
    (1, 11): (
        "the kernel's log",
        "how far it was read is told by nothing",
        "let the program close it, or open it for writing only",
    ),
    (10, 130): ("a watchdog", "it restarts the machine when nobody writes to it", _CLOSE),
    (10, 203): ("a character device made by a program (CUSE)", _BUS, _CLOSE),
    (10, 223): ("an input device made by a program (uinput)", _HARDWARE, _CLOSE),
    (10, 228): ("a timer of the machine (HPET)", _HARDWARE, _CLOSE),
    (10, 229): (
        "a connection to a file system's server (FUSE)",
        _BUS,
        "unmount the file system, or dump its users alone",
    ),
    (10, 238): ("a device of vhost-net", _HARDWARE, _CLOSE),
    (10, 241): ("a device of vhost-vsock", _HARDWARE, _CLOSE),
    (10, 196): ("a container of devices given to a program (VFIO)", _HARDWARE, _CLOSE),
    (13, None): ("an input device", _HARDWARE, _CLOSE),
    (21, None): ("a SCSI device", _HARDWARE, _CLOSE),
    (29, None): ("a frame buffer", _HARDWARE, _CLOSE),
    (81, None): ("a video device", _HARDWARE, _CLOSE),
    (89, None): ("an I2C bus", _HARDWARE, _CLOSE),
    (116, None): ("a sound device (ALSA)", _HARDWARE, "end what plays or records, or close it"),
    (180, None): ("a USB device", _HARDWARE, _CLOSE),
    (189, None): ("a USB device", _HARDWARE, _CLOSE),
    (195, None): ("a graphics device (NVIDIA)", _HARDWARE, _CLOSE),
    (226, None): ("a graphics device (DRM)", _HARDWARE, _CLOSE),
}
# By a word of its name, for what has no number of its own.
NAMES: tuple[tuple[bytes, Words], ...] = (
    (
        b"cpu_dma_latency",
        (
            "a demand on the processors' latency",
            "what it demands is told by nothing, and closing it ends that",
            _CLOSE,
        ),
    ),
    (b"vga_arbiter", ("a lock on graphics devices", _HARDWARE, _CLOSE)),
    (b"iommu", ("a container of devices given to a program (iommufd)", _HARDWARE, _CLOSE)),
    (b"binder", ("a device of Android's binder", _BUS, _CLOSE)),
    (b"vfio", ("a group of devices given to a program (VFIO)", _HARDWARE, _CLOSE)),
    (b"vhost", ("a device of vhost", _HARDWARE, _CLOSE)),
    (b"udmabuf", ("a maker of buffers for devices (udmabuf)", _HARDWARE, _CLOSE)),
    (b"dma_heap", ("a maker of buffers for devices", _HARDWARE, _CLOSE)),
    (b"ppp", ("a point-to-point connection (PPP)", _HARDWARE, _CLOSE)),
    (b"ntsync", ("a maker of semaphores for Windows programs (ntsync)", _HARDWARE, _CLOSE)),
)

TRACING = (b"/sys/kernel/debug/", b"/sys/kernel/tracing/")
DMABUF = b"/dmabuf:"


def explain_anonymous(name: bytes) -> Words | None:
    """What is behind "anon_inode:NAME"."""
    words = ANONYMOUS.get(name)
    if words is None:
        words = next((words for prefix, words in PREFIXES if name.startswith(prefix)), None)
    return words


def explain_device(path: bytes, device: int) -> Words | None:
    major, minor = os.major(device), os.minor(device)
    words = DEVICES.get((major, minor)) or DEVICES.get((major, None))
    if words is None:
        words = next((words for name, words in NAMES if name in path), None)
    return words
