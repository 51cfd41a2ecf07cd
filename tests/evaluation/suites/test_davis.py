from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from tests.datasets.layouts import photo, save
from tests.evaluation.painter import SIDE, Painter

from samhq.errors import ConfigError, ImageError
from samhq.evaluation.suites.davis import (
    contour,
    davis_table,
    edge_pixels,
    evaluate_davis,
    read_labels,
    region_similarity,
)


def square(x: int, y: int, side: int = 20, size: int = 100) -> np.ndarray:
    mask = np.zeros((size, size), bool)
    mask[y : y + side, x : x + side] = True
    return mask


def test_region_by_hand() -> None:
    none = square(0, 0) & False
    assert region_similarity(square(0, 0), square(10, 0)) == pytest.approx(1 / 3)
    assert (region_similarity(none, none), region_similarity(none, square(0, 0))) == (1, 0)


def test_contours_that_are_near_are_met() -> None:
    """At 100 x 100 pixels 0.008 of the diagonal is 1.13, rounded up to 2."""
    true = square(40, 40)
    assert [contour(square(40 + shift, 40), true) for shift in range(3)] == [1, 1, 1]
    # 3 pixels off, the two upright sides are lost, and of the lying ones what is more than 2 pixels beyond.
    assert 0 < contour(square(43, 40), true) < 1
    assert contour(square(70, 70), true) == 0


def test_half_an_object_by_hand() -> None:
    """A predicted line of 10 pixels within a true one of 40: all of it right, 10 and 2 beyond at each end found."""
    true, pred = np.zeros((2, 100, 100), bool)
    true[50, 30:70], pred[50, 45:55] = True, True
    precision, recall = 1.0, outlined_recall(true, pred)
    assert contour(pred, true) == pytest.approx(2 * precision * recall / (precision + recall))
    assert recall == pytest.approx(0.35, abs=0.05)


def outlined_recall(true: np.ndarray, pred: np.ndarray) -> float:
    """The share of the true outline with a predicted one within 2 pixels, by going through all pairs."""
    places = np.argwhere(edge_pixels(pred))
    near = [((places - place) ** 2).sum(1).min() <= 4 for place in np.argwhere(edge_pixels(true))]
    return float(np.mean(near))


def test_empty_contours_have_a_value() -> None:
    none = square(0, 0) & False
    assert (contour(none, none), contour(none, square(3, 3)), contour(square(3, 3), none)) == (1, 0, 0)
    pixel = square(7, 9, 1)
    assert contour(pixel, pixel) == 1


Masks = arrays(bool, (14, 18), elements=st.booleans())


@given(Masks, Masks, st.sampled_from([0.008, 0.1, 0.2]))
def test_contour_against_dilation_by_discs(pred: np.ndarray, true: np.ndarray, tolerance: float) -> None:
    """The definition: each contour, dilated by a disc, is laid over the other."""
    from skimage.morphology import dilation, disk

    reach = int(np.ceil(tolerance * np.hypot(14, 18)))
    mine, theirs = edge_pixels(pred), edge_pixels(true)
    if not mine.any() or not theirs.any():
        assert contour(pred, true, tolerance) == float(mine.any() == theirs.any())
        return
    precision = (mine & dilation(theirs, disk(reach))).sum() / mine.sum()
    recall = (theirs & dilation(mine, disk(reach))).sum() / theirs.sum()
    expected = 2 * precision * recall / (precision + recall) if precision + recall else 0
    assert contour(pred, true, tolerance) == pytest.approx(expected)


def labels(path: Path, values: np.ndarray, palette: bool = True) -> None:
    picture = Image.fromarray(values.astype(np.uint8))
    if palette:
        picture = picture.convert("P")
        picture.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0] + [7] * 759)
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)


def blank(*, first: tuple[int, int], second: tuple[int, int] | None) -> np.ndarray:
    """A label map with a square of 10 pixels as object 1, and one as object 2."""
    values = np.zeros((SIDE, SIDE), np.uint8)
    values[first[1] : first[1] + 10, first[0] : first[0] + 10] = 1
    if second is not None:
        values[second[1] : second[1] + 10, second[0] : second[0] + 10] = 2
    return values


@pytest.fixture
def davis(tmp_path: Path) -> Path:
    """Two squares that move; the second leaves before the last but one frame."""
    for frame in range(5):
        second = (40 - frame, 40) if frame < 3 else None
        labels(tmp_path / f"Annotations/480p/cars/{frame:05}.png", blank(first=(5 + frame, 8), second=second))
        save(tmp_path / f"JPEGImages/480p/cars/{frame:05}.jpg", photo(SIDE, SIDE, frame))
    return tmp_path


def test_true_boxes_of_squares_are_perfect(davis: Path) -> None:
    painter = Painter()
    scores = evaluate_davis(painter, davis)
    assert [(one.object, one.frames, one.j, one.f) for one in scores.objects] == [(1, 3, 1, 1), (2, 3, 1, 1)]
    assert painter.encoded == 3, "the first and the last frame do not count"
    assert evaluate_davis(painter, davis, all_frames=True).objects[0].frames == 5
    assert "| 100.0 | 100.0 | 100.0 |" in davis_table([scores, scores])


def test_boxes_of_a_tracker(davis: Path, tmp_path: Path) -> None:
    """Object 1 lost in one of three frames, object 2 seen where it is no more: J is 2/3 of both."""

    def at(x: int, y: int) -> list[int]:
        return [x, y, x + 9, y + 9]

    frames = {f"{n:05}": {"1": at(5 + n, 8), "2": at(40 - n, 40)} for n in range(1, 4)}
    del frames["00002"]["1"]
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps({"cars": frames}))
    scores = evaluate_davis(Painter(), davis, path)
    assert [one.j for one in scores.objects] == pytest.approx([2 / 3, 2 / 3])
    assert scores.j == scores.f == pytest.approx(2 / 3)
    assert json.loads(json.dumps(scores.to_json()))["j_and_f"] == pytest.approx(2 / 3)


def test_void_is_not_scored(davis: Path) -> None:
    path = davis / "Annotations/480p/cars/00002.png"
    values = read_labels(path).copy()
    values[0:6] = 255
    labels(path, values)
    assert evaluate_davis(Painter(), davis).j == 1
    boxes = {"cars": {f"{n:05}": {"1": [5 + n, 0 if n == 2 else 8, 14 + n, 17]} for n in range(1, 4)}}
    (davis / "b.json").write_text(json.dumps(boxes))
    found = evaluate_davis(Painter(), davis, davis / "b.json").objects[0]
    assert found.j == pytest.approx((2 + 100 / 120) / 3), "of eight rows too many six are void"


def test_maps_of_0_and_255_have_one_object(tmp_path: Path) -> None:
    labels(tmp_path / "a.png", blank(first=(3, 3), second=None) * 255, palette=False)
    assert read_labels(tmp_path / "a.png").max() == 1
    save(tmp_path / "rgb.png", photo())
    with pytest.raises(ImageError, match="one channel"):
        read_labels(tmp_path / "rgb.png")


def test_subsets_and_limits(davis: Path) -> None:
    (davis / "ImageSets/2017").mkdir(parents=True)
    (davis / "ImageSets/2017/val.txt").write_text("cars\n")
    labels(davis / "Annotations/480p/boats/00000.png", blank(first=(3, 3), second=None))
    assert len(evaluate_davis(Painter(), davis, subset="2017/val").objects) == 2
    with pytest.raises(ConfigError, match="at least 3 label maps"):
        evaluate_davis(Painter(), davis, limit=1)
    with pytest.raises(ConfigError, match=r"test\.txt"):
        evaluate_davis(Painter(), davis, subset="2017/test")


def test_nothing_to_measure_is_said(davis: Path) -> None:
    (davis / "ImageSets").mkdir()
    (davis / "ImageSets/none.txt").write_text("\n")
    with pytest.raises(ConfigError, match=r"none\.txt, got an empty file"):
        evaluate_davis(Painter(), davis, subset="none")
    labels(davis / "Annotations/480p/cars/00000.png", np.zeros((SIDE, SIDE)))
    with pytest.raises(ConfigError, match="found none in 1 sequence"):
        evaluate_davis(Painter(), davis)


@pytest.mark.parametrize("content", ["[", "[]", '{"cars": []}', '{"cars": {"0": {"a": [1, 2, 3, 4]}}}'])
def test_other_boxes_are_refused(davis: Path, content: str) -> None:
    (davis / "b.json").write_text(content)
    with pytest.raises(ConfigError, match=r"b\.json"):
        evaluate_davis(Painter(), davis, davis / "b.json")


def test_what_is_missing_is_named(davis: Path) -> None:
    with pytest.raises(ConfigError, match="none"):
        evaluate_davis(Painter(), davis / "Annotations")
    save(davis / "JPEGImages/480p/cars/00002.jpg", photo(30, 20))
    with pytest.raises(ImageError, match=r"00002\.jpg of 20 x 30"):
        evaluate_davis(Painter(), davis)
    (davis / "JPEGImages/480p/cars/00001.jpg").unlink()
    with pytest.raises(ImageError, match=r"00001\.jpg"):
        evaluate_davis(Painter(), davis)


def test_boxes_must_be_numbers(davis: Path) -> None:
    content: dict[str, Any] = {"cars": {"00001": {"1": [1, 2, 3]}}}
    (davis / "b.json").write_text(json.dumps(content))
    with pytest.raises(ConfigError, match=r"cars\.00001\.1 as a list of 4"):
        evaluate_davis(Painter(), davis, davis / "b.json")
