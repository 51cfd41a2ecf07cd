"""The processor's output is a dict with attributes that moves as a whole."""

from __future__ import annotations

import pickle

import pytest
import torch

from samhq.compat.transformers.features import BatchFeature


def feature() -> BatchFeature:
    points, labels = torch.tensor([1.5]), torch.tensor([1])
    return BatchFeature({"pixel_values": torch.zeros(1), "input_points": points, "input_labels": labels, "n": 3})


def test_values_by_key_and_attribute() -> None:
    assert feature().n == feature()["n"] == 3
    with pytest.raises(AttributeError, match="pixel_values"):
        _ = feature().pixels


def test_a_dtype_is_for_pixels_alone() -> None:
    moved = feature().to(torch.float16)
    assert moved.pixel_values.dtype == torch.float16
    assert moved.input_points.dtype == torch.float32
    assert moved.input_labels.dtype == torch.int64
    assert moved.to("cpu").n == 3


def test_it_can_be_pickled_and_unpacked() -> None:
    again = pickle.loads(pickle.dumps(feature()))
    assert again.n == 3
    assert set(dict(**again)) == {"pixel_values", "input_points", "input_labels", "n"}
