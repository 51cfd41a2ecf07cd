"""What these tests share: SAM-HQ with a tiny ViT, exported."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests import exported, tiny


@pytest.fixture(scope="session")
def hq_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of `tests.tiny.HQ`; shared, so not to be changed."""
    return exported.folder(tmp_path_factory, tiny.HQ)
