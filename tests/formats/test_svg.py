"""SVG: its paths fill to the masks, by the rule that they name."""

from __future__ import annotations

import base64
import io
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from PIL import Image
from tests.results.drawn import annotation, filled, masks, picture, scene

from samhq.errors import ConfigError
from samhq.formats.svg import path_data, svg, write_svg

SPACE = "{http://www.w3.org/2000/svg}"


def mask_of(data: str, size_hw: tuple[int, int]) -> np.ndarray:
    """A path of absolute moves and lines, filled by even-odd."""
    parts = [part for part in data.split("Z") if part]
    assert all(part.startswith("M") for part in parts)
    rings = [np.array([p.split() for p in part[1:].split("L")], float) for part in parts]
    return filled(rings, size_hw)


@settings(deadline=None)
@given(masks)
def test_paths_fill_to_the_mask(mask):
    np.testing.assert_array_equal(mask_of(path_data(annotation(mask)), mask.shape), mask)


def test_the_drawing_has_every_object_over_the_picture():
    one = scene()
    root = ElementTree.fromstring(svg(one, href="cat.jpg"))
    assert root.tag == f"{SPACE}svg"
    assert root.get("viewBox") == "0 0 60 40"
    assert root[0].get("href") == "cat.jpg"
    paths = {path.get("id"): path for path in root.iter(f"{SPACE}path")}
    assert list(paths) == ["object-1", "object-2", "object-4"] or len(paths) == 3
    for number, item in one.objects:
        path = paths[f"object-{number}"]
        assert path.get("fill-rule") == "evenodd"
        assert path.get("stroke", "none") == "none", "a line along the border covers pixels that are not on the mask"
        assert path.get("data-label") == item.label
        np.testing.assert_array_equal(mask_of(path.attrib["d"], one.size_hw), item.mask)
    assert paths["object-1"].findtext(f"{SPACE}title") == "wheel 0.900"
    areas = [dict(one.objects)[int(name.split("-")[1])].area for name in paths]
    assert areas == sorted(areas, reverse=True)


def test_the_picture_is_inside_or_found_by_its_path(tmp_path):
    source = tmp_path / "in" / "a b.jpg"
    linked = ElementTree.parse(write_svg(scene(source=source), tmp_path / "out" / "a.svg")).getroot()
    assert linked[0].get("href") == "../in/a%20b.jpg"
    inside = ElementTree.parse(write_svg(scene(), tmp_path / "b.svg", embed=True)).getroot()
    head, _, data = inside[0].attrib["href"].partition(",")
    assert head == "data:image/jpeg;base64"
    with Image.open(io.BytesIO(base64.b64decode(data))) as jpeg:
        assert jpeg.size == (60, 40)
    with pytest.raises(ConfigError, match="embed"):
        write_svg(picture(np.ones((3, 3), bool)), tmp_path / "c.svg", embed=True)
