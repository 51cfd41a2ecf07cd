import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samhq.errors import ConfigError, PromptError
from samhq.results.detections import Detections, Selection

NAMES = ("cup", "fork")


def some(*rows: tuple[list[float], float, int]) -> Detections:
    boxes, scores, ids = zip(*rows, strict=True)
    return Detections.of(boxes, scores, ids, NAMES)


FOUND = some(
    ([0, 0, 10, 10], 0.3, 0),
    ([0, 0, 10, 9.5], 0.9, 0),
    ([0, 0, 10, 10], 0.24, 1),
    ([20, 0, 30, 10], 0.26, 1),
)


def test_a_row_knows_its_label() -> None:
    assert FOUND.labels == ("cup", "cup", "fork", "fork")
    assert FOUND[1:2].labels == ("cup",)
    assert FOUND.sorted().scores.tolist() == sorted(FOUND.scores.tolist(), reverse=True)


def test_nothing_is_a_value_too() -> None:
    none = Detections.none(NAMES)
    assert (len(none), none.labels, none.boxes.shape) == (0, (), (0, 4))
    assert len(Selection().apply(none)) == 0
    assert Selection().rejected(none) == ""
    assert len(none.renamed([0, 0], ["thing"])) == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"boxes": [[0, 0, 1, 1]] * 2}, "for each detection"),
        ({"scores": [0.1, 0.2]}, "for each detection"),
        ({"scores": [np.nan]}, "finite"),
        ({"boxes": [[0, 0, np.inf, 1]]}, "finite"),
        ({"class_ids": [2]}, "from 0 to 1"),
        ({"class_ids": [-1]}, "from 0 to 1"),
        ({"masks": np.zeros((2, 4, 4), bool)}, "for each detection"),
    ],
)
def test_rows_belong_together(change: dict, said: str) -> None:
    good = {"boxes": [[0, 0, 1, 1]], "scores": [0.5], "class_ids": [0], "names": NAMES}
    with pytest.raises(PromptError, match=said):
        Detections.of(**(good | change))


def test_a_threshold_and_nms_by_class() -> None:
    kept = Selection().apply(FOUND)
    assert kept.scores.tolist() == pytest.approx([0.9, 0.26])
    assert Selection(nms=1).apply(FOUND).labels == ("cup", "cup", "fork")
    assert Selection(thresholds={"fork": 0.2}).apply(FOUND).labels == ("cup", "fork", "fork")
    assert Selection(threshold=0.5, thresholds={"fork": 0.25}).apply(FOUND).labels == ("cup", "fork")
    assert Selection(max_detections=1).apply(FOUND).labels == ("cup",)


def test_a_score_at_the_threshold_counts() -> None:
    assert len(Selection(0.9).apply(FOUND)) == 1


def test_nms_leaves_other_classes_alone() -> None:
    assert Selection(threshold=0, nms=0.5).apply(FOUND).labels == ("cup", "fork", "fork")


def test_what_came_closest_is_said() -> None:
    assert Selection().rejected(FOUND) == "closest: fork 0.24 < 0.25"
    assert Selection(0.95, {"fork": 0.3}).rejected(FOUND) == "closest: cup 0.90 < 0.95"
    assert Selection(0.1).rejected(FOUND) == ""


def test_a_threshold_of_nobody_is_said() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'cup'"):
        Selection(thresholds={"cups": 0.2}).apply(FOUND)


@pytest.mark.parametrize(
    "options", [{"threshold": 1.1}, {"nms": -0.1}, {"thresholds": {"cup": 25}}, {"max_detections": 0}]
)
def test_numbers_stay_in_their_range(options: dict) -> None:
    with pytest.raises(ConfigError, match="Expected"):
        Selection(**options)


def test_phrases_of_one_class_become_one() -> None:
    phrases = ("cup", "mug", "fork")
    boxes = np.array([[0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 3, 3]], np.float32)
    found = Detections.of(boxes, np.array([0.2, 0.7, 0.5, 0.6]), np.array([0, 1, 2, 1]), phrases)
    renamed = found.renamed([0, 0, 1], NAMES)
    assert renamed.labels == ("cup", "cup", "fork")
    assert renamed.scores.tolist() == pytest.approx([0.7, 0.6, 0.5])


@given(st.integers(0, 2**32 - 1), st.permutations([0, 1, 2]))
def test_the_order_of_classes_does_not_matter(seed: int, order: list[int]) -> None:
    random = np.random.default_rng(seed)
    corner = random.integers(0, 20, (12, 2))
    boxes = np.concatenate([corner, corner + random.integers(1, 20, (12, 2))], axis=1).astype(np.float32)
    names, ids = ("a", "b", "c"), random.integers(0, 3, 12)
    scores = random.permutation(np.linspace(0.1, 0.9, 12)).astype(np.float32)
    kept = Selection(0.2, nms=0.4).apply(Detections.of(boxes, scores, ids, names))
    back = np.argsort(order)
    other = Selection(0.2, nms=0.4).apply(Detections.of(boxes, scores, back[ids], tuple(names[i] for i in order)))
    assert kept.labels == other.labels
    assert np.array_equal(kept.boxes, other.boxes)
