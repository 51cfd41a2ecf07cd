"""Turns a detector's numbers for queries and tokens into scored boxes of phrases.

Works on logits and spans of tokens, never on decoded text, so every box has exactly one of the given phrases. Knows
nothing about networks, tokenisers or files.

Source: SysCV/sam-hq, seginw/test_ap_on_seginw.py (a phrase's score is the mean over its tokens).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from scipy.special import expit

from samhq.shapes import Float32, Int64, Shaped
from samhq.text.caption import Span

Reduce = Literal["mean", "max"]
Assign = Literal["best", "all"]

FLOOR = 0.05  #: Detections below this are dropped; those between this and a threshold are kept for later choices.


def phrase_scores(
    logits: Shaped[np.ndarray, "Q L"], spans: Sequence[Span], reduce: Reduce = "mean"
) -> Float32[np.ndarray, "Q T"]:
    """The score of each query for each span, 0..1: the mean, or the largest, of the probabilities of its tokens.

    `logits` are those of each query for each token of the caption.

    >>> logits = np.array([[-9.0, 0.0, 0.0, 9.0]])
    >>> phrase_scores(logits, [Span(0, 1, 3)]).tolist()
    [[0.5]]
    """
    probabilities = expit(logits.astype(np.float32))
    # NumPy would warn about an empty span; captions have none.
    parts = [probabilities[:, span.start : span.end] for span in spans]
    columns = [part.mean(axis=1) if reduce == "mean" else part.max(axis=1) for part in parts]
    return np.stack(columns, axis=1).astype(np.float32) if columns else np.zeros((len(logits), 0), np.float32)


def assign(
    scores: Float32[np.ndarray, "Q T"], pairs: Assign = "best", floor: float = FLOOR
) -> tuple[Int64[np.ndarray, " D"], Int64[np.ndarray, " D"]]:
    """Pairs of queries and phrases that become detections, best score first.

    "best" gives every query the phrase with the best score; "all" takes every pair of a query and a phrase. Pairs below
    `floor` are left out, except the best one, so that a message can say how close it came.

    >>> [rows.tolist() for rows in assign(np.array([[0.1, 0.9], [0.4, 0.3]], np.float32))]
    [[0, 1], [1, 0]]
    """
    if not scores.size:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    if pairs == "best":
        queries, phrases = np.arange(len(scores)), scores.argmax(axis=1)
    else:
        queries, phrases = (index.ravel() for index in np.indices(scores.shape))
    values = scores[queries, phrases]
    order = np.argsort(-values, kind="stable")
    order = order[: max(1, int((values >= floor).sum()))]
    return queries[order].astype(np.int64), phrases[order].astype(np.int64)


def corners(centres: Shaped[np.ndarray, "Q 4"], width: float, height: float) -> Float32[np.ndarray, "Q 4"]:
    """Boxes (x0, y0, x1, y1) in pixels from (centre x, centre y, width, height) as shares of a size.

    >>> corners(np.array([[0.5, 0.5, 0.2, 1.0]]), 100, 10).tolist()
    [[40.0, 0.0, 60.0, 10.0]]
    """
    middle, half = centres[:, :2].astype(np.float64), centres[:, 2:].astype(np.float64) / 2
    size = np.array([width, height, width, height])
    return (np.concatenate([middle - half, middle + half], axis=1) * size).astype(np.float32)
