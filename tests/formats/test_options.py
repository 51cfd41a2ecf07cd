"""Options that mean nothing are refused before a file is written; plain values come out."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from samhq.errors import ConfigError
from samhq.formats.options import WriteOptions


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shapes": "poligon"}, "Did you mean 'polygon'"),
        ({"order": "size"}, "order"),
        ({"tolerance": -1}, "tolerance"),
        ({"tolerance": float("nan")}, "tolerance"),
        ({"embed": "yes"}, "embed"),
        ({"labels": "cat"}, r"\['cat', 'dog'\]"),
        ({"labels": [1]}, "labels"),
    ],
)
def test_other_values_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        WriteOptions(**options)


@pytest.mark.usefixtures("unchecked")
def test_numpys_values_become_pythons() -> None:
    options = WriteOptions(tolerance=np.float32(0.5), embed=np.True_)  # type: ignore[arg-type]
    assert (type(options.tolerance), type(options.embed)) == (float, bool)


def test_flags_can_grow_from_them_without_numpy() -> None:
    code = "import sys, samhq.formats.options, samhq.results.automatic_config; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "False"
