"""CPUs compared: what a program can use counts, and what differs is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from crtools.abi.kernel import PAGE
from crtools.errors import ImageError, RestoreConflict
from crtools.images.messages.cpuinfo import CpuinfoEntry, CpuinfoX86Entry
from crtools.images.store import ImageStore
from crtools.kinds.process import cpu
from crtools.kinds.process.cpu import ALL, DEFAULT, FEATURES, compare_cpus, wanted_caps

AVX512F = 9, 16
SMEP = 9, 7  # the kernel's affair
HYPERVISOR = 4, 31
# Where Intel's server CPUs have the components (offset, bytes), and AMD's.
INTEL = {2: (576, 256), 5: (1088, 64), 6: (1152, 512), 7: (1664, 1024), 9: (2688, 8)}
AMD = {2: (576, 256), 5: (832, 64), 6: (896, 512), 7: (1408, 1024), 9: (2432, 8)}


def made(**changes: object) -> CpuinfoX86Entry:
    """A CPU of no features but those given as words=((word, bit), ...)."""
    words = [0] * cpu.WORDS
    for word, bit in changes.pop("words", ()):
        words[word] |= 1 << bit
    fields = {"xfeatures_mask": 0xE7, "xsave_size": 2432, "model_id": "Test CPU", **changes}
    return CpuinfoX86Entry(
        vendor_id=2,
        cpu_family=25,
        model=1,
        stepping=1,
        capability_ver=2,
        capability=words,
        **fields,
    )


def conflict(image: CpuinfoX86Entry, here: CpuinfoX86Entry, caps=DEFAULT) -> RestoreConflict:
    with pytest.raises(RestoreConflict) as caught:
        compare_cpus(image, here, frozenset(caps))
    return caught.value


@pytest.fixture
def places(monkeypatch):
    def places(of: dict[int, tuple[int, int]]) -> None:
        monkeypatch.setattr(cpu, "cpuid", lambda leaf, n: (*of.get(n, (0, 0))[::-1], 0, 0))

    return places


def test_this_cpu_is_what_proc_cpuinfo_says():
    entry = cpu.read_cpu()
    fields = {}
    for line in Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines():
        name, _, value = line.partition(":")
        fields[name.strip()] = value.strip()
    assert entry.model_id == fields["model name"]
    assert (entry.cpu_family, entry.model) == (int(fields["cpu family"]), int(fields["model"]))
    assert entry.stepping == int(fields["stepping"])
    assert cpu.CpuinfoX86EntryVendor.INTEL == 1
    vendors = {"GenuineIntel": 1, "AuthenticAMD": 2}
    assert entry.vendor_id == vendors.get(fields["vendor_id"], 0)
    shown = set(fields["flags"].split())
    ours = set(cpu.missing_features(entry, made()))
    known = {name for names in FEATURES.values() for name in names.values()}
    assert known & shown <= ours
    # What CPUID tells and the kernel does not show, it has switched off or does not name.
    assert len(ours - shown) <= 3, ours - shown


def test_the_xsave_figures_are_the_kernels(monkeypatch):
    entry = cpu.read_cpu()
    assert entry.xfeatures_mask & 3 == 3
    assert 512 < entry.xsave_size <= entry.xsave_size_max < 16 * PAGE
    assert cpu.area_size(entry.xfeatures_mask) == entry.xsave_size


def test_a_cpu_is_good_enough_for_its_own_images():
    here = cpu.read_cpu()
    again = CpuinfoX86Entry.decode(here.encode())
    compare_cpus(again, here, ALL)


def test_a_missing_instruction_set_is_named():
    error = conflict(made(words=(AVX512F, (4, 28))), made(words=((4, 28),)))
    assert "this CPU lacks avx512f" in str(error)
    assert "Test CPU" in str(error)
    assert error.subject == ("cpu", "avx512f")


def test_what_programs_cannot_use_may_be_missing():
    compare_cpus(made(words=(SMEP, HYPERVISOR)), made(), DEFAULT)


def test_a_cpu_that_can_do_more_is_good_enough():
    compare_cpus(made(), made(words=(AVX512F,)), DEFAULT)


def test_ins_is_not_asked_for_without_its_word():
    compare_cpus(made(words=(AVX512F,)), made(), frozenset(("fpu",)))


def test_cpu_wants_exactly_the_same():
    assert "avx512f" in str(conflict(made(), made(words=(AVX512F,)), {"cpu"}))
    assert "not exactly" in str(conflict(made(words=(SMEP,)), made(), {"cpu"}))
    compare_cpus(made(words=(SMEP,)), made(words=(SMEP,)), ALL)


def test_registers_that_this_kernel_keeps_not_are_named():
    error = conflict(made(xfeatures_mask=0xE7), made(xfeatures_mask=0x7), {"fpu"})
    assert "AVX-512 masks, AVX-512" in str(error)
    error = conflict(made(xfeatures_mask=0x60007), made(xfeatures_mask=0x7), {"fpu"})
    assert "XSAVE component 17, XSAVE component 18" in str(error)


def test_more_registers_here_do_no_harm(places):
    places(AMD)
    compare_cpus(made(xfeatures_mask=7, xsave_size=832), made(), DEFAULT)


def test_registers_at_other_offsets_are_refused(places):
    places(AMD)
    error = conflict(made(xsave_size=2688), made(), {"fpu"})
    assert "at other offsets" in str(error)
    assert "--cpu-cap=ins" in error.hint
    places(INTEL)
    compare_cpus(made(xsave_size=2688), made(xsave_size=2696, xfeatures_mask=0x2E7), DEFAULT)


def test_images_that_say_less_are_compared_as_far_as_they_go():
    image = made()
    image.xfeatures_mask = image.xsave_size = None
    image.capability = [0, 0, 0]
    compare_cpus(image, made(), DEFAULT)


@pytest.mark.parametrize(
    ("given", "caps"),
    [
        (None, DEFAULT),
        (("all",), ALL),
        (("none",), set()),
        (("cpu",), {"cpu"}),
        (("fpu", "ins"), {"fpu", "ins"}),
        (("^cpu",), {"fpu", "ins"}),
        (("all", "^fpu"), {"cpu", "ins"}),
        (("all", "none", "fpu"), {"fpu"}),
        (("^none",), ALL),
        (("^all",), set()),
    ],
)
def test_words_of_the_option_add_and_take_away_in_their_order(given, caps):
    assert wanted_caps(given) == caps


@pytest.fixture
def store(tmp_path):
    with ImageStore.open(str(tmp_path), allow_incomplete=True) as store:
        yield store


def test_none_writes_nothing_and_takes_an_old_image_away(store):
    cpu.dump_cpu(store, None)
    assert store.has("cpuinfo")
    cpu.check_cpu(store, ("all",))
    cpu.dump_cpu(store, ("none",))
    assert not store.has("cpuinfo")


def test_a_set_without_the_image_passes_unless_it_is_asked_for(store):
    cpu.check_cpu(store, None)
    cpu.check_cpu(store, ("fpu",))
    cpu.check_cpu(store, ("none",))
    with pytest.raises(ImageError, match="--cpu-cap=ins"):
        cpu.check_cpu(store, ("ins",))


def test_an_image_of_another_architecture_is_an_error(store):
    store.write("cpuinfo", [CpuinfoEntry()])
    with pytest.raises(ImageError, match="architecture"):
        cpu.check_cpu(store, None)
    cpu.check_cpu(store, ("none",))


def test_features_have_one_name_each():
    names = [name for word in FEATURES.values() for name in word.values()]
    assert len(names) == len(set(names))
    assert max(FEATURES) < cpu.WORDS
