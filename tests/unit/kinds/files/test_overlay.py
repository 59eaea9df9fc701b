"""What an overlay's options in mountinfo say of its layers."""

from __future__ import annotations

import pytest

from crtools.kinds.files.overlay import lower_layers


@pytest.mark.parametrize(
    ("options", "layers"),
    [
        (b"rw,lowerdir=/a,upperdir=/u,workdir=/w", [b"/a"]),
        (b"rw,lowerdir=/a:/b:/c,upperdir=/u", [b"/a", b"/b", b"/c"]),
        (b"ro,lowerdir=/with\\:colon:/b\\,c", [b"/with:colon", b"/b,c"]),
        # Layers that hold data only come after two colons.
        (b"ro,lowerdir=/a::/data,metacopy=on", [b"/a", b"/data"]),
        (b"ro,lowerdir+=/one:two,lowerdir+=/b", [b"/one:two", b"/b"]),
        (b"rw,relatime", []),
    ],
)
def test_lower_layers(options: bytes, layers: list[bytes]) -> None:
    assert lower_layers(options) == layers
