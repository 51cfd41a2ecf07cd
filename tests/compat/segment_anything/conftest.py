"""Predictors of tiny models."""

from __future__ import annotations

import pytest
from tests import tiny
from tests.compat.segment_anything.tiny_predictors import predictor_for

from samhq.compat.segment_anything import SamPredictor


@pytest.fixture
def hq_predictor() -> SamPredictor:
    return predictor_for(tiny.HQ)


@pytest.fixture
def plain_predictor() -> SamPredictor:
    return predictor_for(tiny.PLAIN)
