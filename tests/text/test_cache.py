from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from samhq.results.detections import Detections
from samhq.text.cache import DetectionCache
from samhq.text.detector import Example
from samhq.text.search import Search
from tests.text import tiny_detectors as tiny

IMAGE = tiny.picture()


class Counting(tiny.ColourDetector):
    """Says what it is, so that its answers may be kept."""

    identity = {"weights": "1"}  # noqa: RUF012


def search(detector: Any, text: Any = ("red", "blue")) -> Search:
    return Search.of(text if isinstance(text, dict) else list(text), detector=detector)


@pytest.fixture
def cache(tmp_path: Path) -> DetectionCache:
    return DetectionCache(tmp_path / "detections")


def test_what_was_found_is_not_searched_again(cache: DetectionCache) -> None:
    image = tiny.blobs({"red": (10, 10, 30, 40)})
    detector = Counting()
    (first,) = cache.get_or_detect(search(detector), [image])
    (again,) = cache.get_or_detect(search(detector), [image.copy()])
    assert len(detector.calls) == 1
    assert (again.labels, again.names) == (first.labels, first.names) == (("red",), ("red", "blue"))
    assert np.array_equal(again.boxes, first.boxes)
    assert np.array_equal(again.scores, first.scores), "to the last bit"


def test_nothing_found_is_kept_too(cache: DetectionCache) -> None:
    detector = Counting()
    for _ in range(2):
        assert len(cache.get_or_detect(search(detector), [IMAGE])[0]) == 0
    assert len(detector.calls) == 1


def test_another_picture_other_classes_or_other_weights_are_searched(cache: DetectionCache) -> None:
    detector, other = Counting(), Counting()
    other.identity = {"weights": "2"}
    cache.get_or_detect(search(detector), [IMAGE])
    cache.get_or_detect(search(detector), [IMAGE[:, ::-1]])
    cache.get_or_detect(search(detector), [IMAGE.reshape(80, 60, 3)])
    cache.get_or_detect(search(detector, ["blue", "red"]), [IMAGE])
    cache.get_or_detect(search(detector, {"red": ["red", "crimson"], "blue": "blue"}), [IMAGE])
    assert len(detector.calls) == 5
    cache.get_or_detect(search(other), [IMAGE])
    assert len(other.calls) == 1


def test_who_does_not_say_what_it_is_is_asked_every_time(cache: DetectionCache) -> None:
    detector = tiny.ColourDetector()
    for _ in range(2):
        cache.get_or_detect(search(detector), [IMAGE])
    assert len(detector.calls) == 2
    assert not cache.folder.exists()


@pytest.mark.parametrize("content", ["", "[]", "{}", "no json"])
def test_a_damaged_file_is_made_anew(cache: DetectionCache, content: str) -> None:
    detector = Counting()
    cache.get_or_detect(search(detector), [IMAGE])
    (path,) = cache.folder.iterdir()
    path.write_text(content)
    cache.get_or_detect(search(detector), [IMAGE])
    assert len(detector.calls) == 2
    assert "sha256" in json.loads(path.read_text())


def test_a_changed_number_is_noticed(cache: DetectionCache) -> None:
    detector, image = Counting(), tiny.blobs({"red": (10, 10, 30, 40)})
    cache.get_or_detect(search(detector), [image])
    (path,) = cache.folder.iterdir()
    path.write_text(path.read_text().replace("10.0", "11.0", 1))
    assert cache.get_or_detect(search(detector), [image])[0].boxes[0, 0] == 10


def test_masks_are_not_kept(cache: DetectionCache) -> None:
    class Masked(Counting):
        def detect(self, images: Any, classes: Any) -> list[Any]:
            self.calls.append((len(images), tuple(classes)))
            mask = np.ones((1, *images[0].shape[:2]), bool)
            return [Detections.of([[1, 1, 9, 9]], [0.5], [0], classes, mask)]

    detector = Masked()
    for _ in range(2):
        assert cache.get_or_detect(search(detector), [IMAGE])[0].masks is not None
    assert len(detector.calls) == 2


def test_only_pictures_that_are_missing_are_searched_together(cache: DetectionCache) -> None:
    images = [tiny.blobs({"red": (10, 10, 30, 20 + step)}) for step in range(4)]
    detector = Counting()
    cache.get_or_detect(search(detector), [images[1]])
    found = cache.get_or_detect(search(detector), images)
    assert [count for count, _ in detector.calls] == [1, 3]
    assert [one.boxes[0, 3] for one in found] == [20, 21, 22, 23]
    assert cache.get_or_detect(search(detector), images)[2].boxes[0, 3] == 22
    assert len(detector.calls) == 2


def test_examples_are_kept_by_what_they_show(cache: DetectionCache, monkeypatch: pytest.MonkeyPatch) -> None:
    detector = tiny.owl(weights="1", floor=0.0)
    calls: list[int] = []
    real = type(detector).detect_like
    monkeypatch.setattr(type(detector), "detect_like", lambda self, *inputs: calls.append(1) or real(self, *inputs))

    def like(box: Any = (5, 5, 30, 30), label: str = "mug", seed: int = 1) -> Search:
        return Search.of(like=Example(tiny.picture(seed=seed), box, label), detector=detector)

    (first,) = cache.get_or_detect(like(), [IMAGE])
    (again,) = cache.get_or_detect(like(), [IMAGE])
    assert len(calls) == 1
    assert (again.names, len(again)) == (("mug",), len(first))
    assert np.array_equal(again.boxes, first.boxes)
    for other in (like(box=(6, 5, 30, 30)), like(label="cup"), like(seed=2)):
        cache.get_or_detect(other, [IMAGE])
    assert len(calls) == 4


def test_networks_from_folders_say_what_they_are(tmp_path: Path) -> None:
    from samhq.text.load import load_detector

    folder = tiny.save_dino(tmp_path / "detector")
    one = search(load_detector(folder), ["cat"]).identity
    assert one == search(load_detector(folder), ["cat"]).identity
    assert one != search(load_detector(folder, short_side=48), ["cat"]).identity
    assert search(tiny.dino(), ["cat"]).identity is None, "nobody knows its weights"
    (folder / "other.json").write_text("{}")
    assert one["detector"]["weights"]
