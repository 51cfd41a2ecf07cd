"""Impossible configurations of scenes are refused."""

from __future__ import annotations

import pytest

from samhq.datasets.drawn.config import SceneConfig, scenes_at
from samhq.errors import ConfigError


def test_impossible_configs_are_refused_in_a_sentence() -> None:
    with pytest.raises(ConfigError, match=r"side as a whole number from 32 up to 8192, got 16"):
        SceneConfig(side=16)
    with pytest.raises(ConfigError, match=r"objects=\(3, 2\)"):
        SceneConfig(objects=(3, 2))


def test_smaller_pictures_have_larger_and_plainer_objects() -> None:
    small, large = scenes_at(112), scenes_at(512)
    assert (small.side, large.side) == (112, 512)
    assert small.size[0] > large.size[0]
    assert small.thin < large.thin
    assert small.objects[1] < large.objects[1]
