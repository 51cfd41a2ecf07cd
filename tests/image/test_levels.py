"""Levels of eight bits are made a strip at a time: the same as at once, and in little memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from samhq.errors import ImageError
from samhq.image import levels
from samhq.image.read import read_image, read_mask


@pytest.fixture
def thin_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(levels, "_STRIP", 20)


def values(dtype: str, *channels: int) -> np.ndarray:
    numbers = np.random.default_rng(0).random((23, 9, *channels))
    return (numbers * {"f": 1.0, "u": np.iinfo("u2").max, "i": 200, "b": 2}[np.dtype(dtype).kind]).astype(dtype)


@pytest.mark.parametrize("channels", [(), (1,), (3,), (4,)])
@pytest.mark.parametrize("dtype", ["f4", "f8", "u2", "i4", "b1"])
def test_strips_are_the_same_as_one_piece(
    dtype: str, channels: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    array = values(dtype, *channels)
    whole = read_image(array)
    monkeypatch.setattr(levels, "_STRIP", 20)
    np.testing.assert_array_equal(read_image(array), whole)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I", "F", "I;16"])
def test_strips_of_files_are_the_same_as_one_piece(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    grey = values("u2").astype(np.uint16)
    picture = Image.fromarray(grey if mode == "I;16" else (grey // 257).astype(np.uint8))
    picture = picture if mode == "I;16" else picture.convert(mode)
    whole = read_image(picture), read_mask(picture)
    monkeypatch.setattr(levels, "_STRIP", 20)
    np.testing.assert_array_equal(read_image(picture), whole[0])
    np.testing.assert_array_equal(read_mask(picture), whole[1])


@pytest.mark.usefixtures("thin_strips")
def test_the_range_is_that_of_all_strips() -> None:
    array = np.zeros((23, 9), np.int32)
    array[-1, -1] = 65535
    assert read_image(array)[-1, -1, 0] == 255
    array[0, 0] = -1
    with pytest.raises(ImageError, match=r"-1\.\.65535"):
        read_image(array)
    numbers = np.zeros((23, 9), np.float32)
    numbers[11, 3] = np.nan
    with pytest.raises(ImageError, match="NaN"):
        read_image(numbers)


_MEASURED = """
import io, json, numpy as np
from PIL import Image
from samhq.image import levels
from samhq.image.read import read_image, read_mask
side, levels._STRIP = 2000, 1 << 16  # as small for this picture as strips are for one that fills the memory
def peak():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]) * 1024
def beyond(read, source):
    with open("/proc/self/clear_refs", "w") as reset:
        reset.write("5")
    before = peak()
    read(source)
    return (peak() - before) / (3 * side * side)
def png(mode, colour, **options):
    file = io.BytesIO()
    Image.new(mode, (side, side), colour).save(file, "PNG", **options)
    return file.getvalue()
files = {
    "RGBA": png("RGBA", (200, 10, 10, 128)), "1": png("1", 1), "I;16": png("I;16", 40000), "LA": png("LA", (9, 199)),
    "P": png("P", 1, transparency=1), "RGB": png("RGB", (1, 2, 3)),
}
arrays = {
    "uint8": np.full((side, side, 4), 99, np.uint8), "uint16": np.full((side, side, 3), 9999, np.uint16),
    "float": np.full((side, side, 3), 0.5, np.float32), "bool": np.ones((side, side), bool),
}
found = {f"image {name}": beyond(read_image, source) for name, source in (files | arrays).items()}
found |= {f"mask {name}": beyond(read_mask, files[name]) for name in ("RGBA", "1", "LA")}
print(json.dumps(found))
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="Linux says how much memory was used")
def test_a_picture_needs_about_its_own_memory() -> None:
    found = subprocess.run([sys.executable, "-c", _MEASURED], capture_output=True, text=True, check=True)
    times_its_own = json.loads(found.stdout)
    assert len(times_its_own) == 13
    assert max(times_its_own.values()) < 3.2, times_its_own
