"""Where prompts come from, and how they are known by their content."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from samhq.batch.prompts import GivenPrompts, PromptSource, hashes_of_prompts
from samhq.errors import PromptError
from samhq.results.prompt import Prompt


def test_the_same_prompts_for_every_picture() -> None:
    source = GivenPrompts([Prompt(points=[[1, 2]])])
    assert isinstance(source, PromptSource)
    prompts_of = source.reader()
    assert prompts_of(Path("a.png")) == prompts_of(Path("b.png")) == [Prompt(points=[[1, 2]])]
    first, second = hashes_of_prompts(source, [Path("a.png"), Path("b.png")])
    assert first == second


@pytest.mark.parametrize(
    "change",
    [{"points": [[1, 3]]}, {"labels": [0]}, {"label": "cup"}, {"score": 0.5}, {"mask": np.zeros((4, 5), bool)}],
)
def test_another_prompt_has_another_hash(change: dict) -> None:
    plain = {"points": [[1, 2]], "labels": [1]}
    (one,) = hashes_of_prompts(GivenPrompts([Prompt(**plain)]), [Path("a.png")])
    (other,) = hashes_of_prompts(GivenPrompts([Prompt(**(plain | change))]), [Path("a.png")])
    assert one != other


def test_masks_count_by_their_content() -> None:
    masks = [np.zeros((4, 5), bool), np.zeros((4, 5), bool), np.ones((4, 5), bool)]
    hashes = [hashes_of_prompts(GivenPrompts([Prompt(mask=mask)]), [Path("a.png")]) for mask in masks]
    assert hashes[0] == hashes[1] != hashes[2]


def test_a_picture_that_a_file_does_not_name_has_no_hash(tmp_path: Path) -> None:
    file = tmp_path / "prompts.json"
    file.write_text(json.dumps({"a.png": [{"box": [1, 2, 9, 9]}]}))
    source = GivenPrompts(file=file)
    known, unknown = hashes_of_prompts(source, [Path("a.png"), Path("b.png")])
    assert known
    assert unknown == ""
    with pytest.raises(PromptError):
        source.reader()(Path("b.png"))
