import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samhq.text.caption import Span
from samhq.text.scoring import assign, corners, phrase_scores

LOGITS = np.random.default_rng(1).normal(0, 3, (7, 12)).astype(np.float32)
SPANS = (Span(0, 1, 3), Span(1, 4, 5), Span(2, 6, 10))


def test_scores_are_those_of_a_row_normalised_map_of_tokens() -> None:
    """SAM-HQ's SegInW script multiplies probabilities with such a map."""
    positive = np.zeros((3, 12))
    for span in SPANS:
        positive[span.phrase, span.start : span.end] = 1 / (span.end - span.start)
    expected = (1 / (1 + np.exp(-LOGITS.astype(np.float64)))) @ positive.T
    assert phrase_scores(LOGITS, SPANS) == pytest.approx(expected, abs=1e-6)


def test_the_largest_token_may_decide() -> None:
    probabilities = 1 / (1 + np.exp(-LOGITS))
    expected = np.stack([probabilities[:, s.start : s.end].max(axis=1) for s in SPANS], axis=1)
    assert phrase_scores(LOGITS, SPANS, "max") == pytest.approx(expected, abs=1e-6)


def test_padding_of_the_logits_counts_as_nothing() -> None:
    assert phrase_scores(np.full((2, 4), -np.inf), [Span(0, 1, 3)]).tolist() == [[0], [0]]
    assert phrase_scores(LOGITS, []).shape == (7, 0)


@given(st.integers(0, 2**32 - 1))
def test_best_gives_each_query_one_phrase(seed: int) -> None:
    scores = np.random.default_rng(seed).random((9, 4), np.float32)
    queries, phrases = assign(scores, "best", 0.0)
    assert sorted(queries.tolist()) == list(range(9))
    assert (phrases == scores.argmax(axis=1)[queries]).all()
    chosen = scores[queries, phrases]
    assert (np.diff(chosen) <= 0).all()


@given(st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_all_gives_every_pair_from_the_floor_up(seed: int, floor: float) -> None:
    scores = np.random.default_rng(seed).random((5, 3), np.float32)
    queries, phrases = assign(scores, "all", floor)
    assert len(set(zip(queries.tolist(), phrases.tolist(), strict=True))) == len(queries)
    assert len(queries) == max(1, int((scores >= floor).sum()))
    assert (np.diff(scores[queries, phrases]) <= 0).all()
    assert scores[queries[0], phrases[0]] == scores.max()


def test_the_best_stays_however_low_it_is() -> None:
    queries, phrases = assign(np.array([[0.01, 0.02], [0.001, 0.0]], np.float32))
    assert (queries.tolist(), phrases.tolist()) == ([0], [1])


@pytest.mark.parametrize("shape", [(0, 3), (3, 0)])
def test_nothing_gives_nothing(shape: tuple[int, int]) -> None:
    assert [len(rows) for rows in assign(np.zeros(shape, np.float32))] == [0, 0]


def test_boxes_become_corners_in_pixels() -> None:
    assert corners(np.array([[0.25, 0.5, 0.5, 1.0]]), 200, 100).tolist() == [[0, 0, 100, 100]]
