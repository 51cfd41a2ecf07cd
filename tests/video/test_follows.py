from __future__ import annotations

import pytest

from samhq.errors import ConfigError
from samhq.model.sam import Sam
from samhq.video.follows import check_follows
from tests.video import small


def test_only_models_with_memory_follow_objects(hq: Sam) -> None:
    assert check_follows(small.shared()) is small.shared()
    with pytest.raises(ConfigError, match=r"follows objects.*tiny_hq.*single pictures"):
        check_follows(hq)
