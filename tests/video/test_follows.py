from __future__ import annotations

import pytest

from samhq.errors import ConfigError
from samhq.model.sam import Sam
from samhq.video.follows import check_follows, follows_with_memory
from tests.video import small


def test_only_models_with_memory_pass(hq: Sam) -> None:
    assert check_follows(small.shared()) is small.shared()
    assert not follows_with_memory(hq)
    with pytest.raises(ConfigError, match=r"memory of frames.*tiny_hq.*load_video_model"):
        check_follows(hq)
