"""Names that fit are kept; longer ones stay different and fit with what results add."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from samhq.storage.names import short_name


@pytest.mark.parametrize("letter", ["x", "é", "猫", "🐈", "\udcff"])
def test_long_names_fit_and_stay_different(letter: str, tmp_path: Path) -> None:
    count = 250 // len(os.fsencode(letter))
    names = [short_name(letter * count), short_name(letter * (count - 1) + "b")]
    assert names[0] != names[1]
    for name in names:
        (tmp_path / f"{name}_cutout_123456_789012.png").touch()
        assert name == short_name(name)
    assert len(list(tmp_path.iterdir())) == 2


def test_names_that_fit_are_kept() -> None:
    for name in ("cat", "猫" * 60, ""):
        assert short_name(name) == name
