import numpy as np
import pytest
import supervision
import torch

from samhq.errors import ConfigError, PromptError
from samhq.results.detections import Detections
from samhq.text.classes import as_classes
from samhq.text.detector import Detector, EachPicture, as_detections, check_detector, detect_classes
from tests.text import tiny_detectors as tiny

NAMES = ("red", "blue")
BOXES = [[0, 0, 10, 10], [5, 5, 20, 20], [1, 1, 2, 2]]


@pytest.mark.parametrize(
    "labels",
    [
        ["Blue", "red", "green"],
        np.array(["blue", "red", "lamp"]),
        [1, 0, 7],
        np.array([1, 0, -1]),
        torch.tensor([1, 0, 5]),
    ],
)
def test_labels_by_name_or_number_and_others_left_out(labels: object) -> None:
    found = as_detections(
        {"boxes": torch.tensor(BOXES), "scores": torch.tensor([0.1, 0.2, 0.3]), "labels": labels}, NAMES
    )
    assert found.labels == ("blue", "red")
    assert found.scores.tolist() == pytest.approx([0.1, 0.2])
    assert found.boxes.tolist() == BOXES[:2]


def test_transformers_text_labels_come_first() -> None:
    answer = {"boxes": BOXES[:1], "scores": [0.5], "labels": [0], "text_labels": ["blue"]}
    assert as_detections(answer, NAMES).labels == ("blue",)


def test_our_own_value_is_matched_by_name() -> None:
    own = Detections.of(np.array(BOXES), np.array([0.1, 0.2, 0.3]), np.array([0, 1, 1]), ("lamp", "RED"))
    found = as_detections(own, NAMES)
    assert (found.labels, found.names) == (("red", "red"), NAMES)


def test_supervision_by_class_name_or_number() -> None:
    boxes, scores, ids = np.array(BOXES, np.float32), np.array([0.1, 0.2, 0.3]), np.array([9, 0, 1])
    named = supervision.Detections(
        boxes, confidence=scores, class_id=ids, data={"class_name": np.array(["blue", "x", "red"])}
    )
    assert as_detections(named, NAMES).labels == ("blue", "red")
    numbered = supervision.Detections(boxes, confidence=scores, class_id=ids)
    assert as_detections(numbered, NAMES).labels == ("red", "blue")
    unsure = supervision.Detections(boxes, class_id=ids)
    assert as_detections(unsure, NAMES).scores.tolist() == [1, 1]
    assert len(as_detections(supervision.Detections.empty(), NAMES)) == 0
    with pytest.raises(PromptError, match="Expected classes in the supervision"):
        as_detections(supervision.Detections(boxes), NAMES)


def test_masks_come_along() -> None:
    masks = np.zeros((3, 4, 4), bool)
    masks[1, 2] = True
    boxes, ids = np.array(BOXES, np.float32), np.array([7, 1, 0])
    found = as_detections(supervision.Detections(boxes, mask=masks, class_id=ids), NAMES)
    assert np.array_equal(found.masks, masks[1:])


@pytest.mark.parametrize("answer", [None, [1, 2], {"boxes": []}, {"boxes": [], "scores": []}, "red"])
def test_other_forms_are_said(answer: object) -> None:
    with pytest.raises(PromptError, match="Expected a detector's answer"):
        as_detections(answer, NAMES)


def test_counts_that_differ_are_said() -> None:
    with pytest.raises(PromptError, match="got 3, 2 and 1"):
        as_detections({"boxes": BOXES, "scores": [0.1, 0.2], "labels": [0]}, NAMES)


def test_phrases_are_asked_for_and_classes_found() -> None:
    detector = tiny.ColourDetector()
    image = tiny.blobs({"red": (10, 10, 30, 40), "blue": (50, 20, 70, 30)})
    classes = as_classes({"warm": ["red thing", "orange thing"], "Cold": ["blue thing"]})
    (found,) = detect_classes(detector, [image], classes)
    assert detector.calls == [(1, ("red thing", "orange thing", "blue thing"))]
    assert found.names == ("warm", "Cold")
    assert (found.labels, found.boxes.tolist()) == (("warm", "Cold"), [[10, 10, 30, 40], [50, 20, 70, 30]])


def test_permuting_classes_permutes_results() -> None:
    image = tiny.blobs({"red": (10, 10, 30, 40), "green": (50, 20, 70, 30)})
    for names in (["green", "red", "blue"], ["blue", "red", "green"]):
        (found,) = detect_classes(tiny.ColourDetector(), [image], as_classes(names))
        assert (found.labels, found.names) == (("red", "green"), tuple(names))


def test_an_answer_for_each_picture() -> None:
    class Short:
        def detect(self, images: object, classes: object) -> list[object]:
            return []

    with pytest.raises(PromptError, match=r"Short\.detect"):
        detect_classes(Short(), [tiny.picture()], as_classes("red"))


def test_what_can_detect() -> None:
    own = tiny.ColourDetector()
    assert check_detector(own) is own
    assert isinstance(own, Detector)
    function = check_detector(lambda image: {"boxes": [[0, 0, image.shape[1], 5]], "scores": [1], "labels": ["red"]})
    assert isinstance(function, EachPicture)
    found = detect_classes(function, [tiny.picture(), tiny.picture(9, 9)], as_classes("red"))
    assert [one.boxes.tolist() for one in found] == [[[0, 0, 80, 5]], [[0, 0, 9, 5]]]
    ready = check_detector(supervision.Detections(np.array(BOXES, np.float32), class_id=np.array([0, 0, 1])))
    assert len(detect_classes(ready, [tiny.picture()], as_classes("red"))[0]) == 2
    with pytest.raises(PromptError, match="detections of 2 pictures, got 1"):
        detect_classes(ready, [tiny.picture()] * 2, as_classes("red"))
    with pytest.raises(ConfigError, match="got int"):
        check_detector(3)
