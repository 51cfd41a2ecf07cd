from __future__ import annotations

import pytest

from samhq.checkpoint import starter
from samhq.errors import CheckpointError


def test_the_path_is_in_the_package_or_a_sentence(monkeypatch):
    monkeypatch.setattr(starter, "FILENAME", "py.typed")
    with pytest.raises(CheckpointError, match="sam_hq_vit_tiny"):
        starter.starter_path()


def test_the_file_lies_beside_the_code(monkeypatch, tmp_path):
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / starter.FILENAME).touch()
    monkeypatch.setattr(starter.resources, "files", lambda package: tmp_path)
    assert starter.starter_path() == tmp_path / "weights" / starter.FILENAME
