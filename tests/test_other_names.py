"""Names of other libraries: the error says what to use."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import samhq
from samhq.errors import SamHQError
from samhq.other_names import ADVICE

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", ADVICE)
def test_an_import_of_the_name_gives_advice(name: str) -> None:
    assert name not in samhq.__all__
    with pytest.raises(ImportError, match=f"got {name}\\.") as caught:
        exec(f"from samhq import {name}", {})
    assert isinstance(caught.value, SamHQError)
    assert ADVICE[name] in str(caught.value)


@pytest.mark.parametrize("name", ADVICE)
def test_the_advice_names_what_is_there(name: str) -> None:
    for public in re.findall(r"samhq\.(\w+)(?:\(|[,.]\s|[,.]$)", ADVICE[name]):
        assert public in samhq.__all__, public
    for page in re.findall(r"docs/\S+\.md", ADVICE[name]):
        assert (ROOT / page).is_file(), page
    if "samhq.compat.sam2" in ADVICE[name]:
        assert hasattr(import_module("samhq.compat.sam2"), name)


def test_a_name_that_nobody_has_is_an_attribute_error() -> None:
    assert not hasattr(samhq, "nothing_of_the_kind")


def test_python_can_offer_the_nearest_name() -> None:
    done = subprocess.run([sys.executable, "-c", "import samhq; samhq.Segmentor"], capture_output=True, text=True)
    assert "Did you mean: 'Segmenter'?" in done.stderr
