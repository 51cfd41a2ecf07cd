"""Prompts are checked, masks are read, and a lone click is ambiguous."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from samhq.errors import PromptError
from samhq.results.prompt import Prompt, a_list_each, as_prompts, candidates_for

LOGITS = np.linspace(-5, 5, 256, dtype=np.float32).reshape(16, 16)
ROUGH = np.zeros((40, 80), bool)
ROUGH[10:30, 20:60] = True


@pytest.mark.parametrize(
    ("prompt", "policy"),
    [
        (Prompt(points=[[1, 2]]), "best"),
        (Prompt(points=[1, 2]), "best"),
        (Prompt(points=[[1, 2]], labels=[1]), "best"),
        (Prompt(points=[[1, 2], [3, 4]]), "single"),
        (Prompt(points=[[1, 2]], box=[0, 0, 5, 5]), "single"),
        (Prompt(points=[[1, 2]], mask=ROUGH), "single"),
        (Prompt(box=[0, 0, 5, 5]), "single"),
    ],
)
def test_only_a_lone_click_is_ambiguous(prompt: Prompt, policy: str) -> None:
    assert candidates_for([prompt], None) == [policy]
    assert candidates_for([prompt], None, "single") == ["single"]
    assert candidates_for([prompt], True, "single") == ["sorted"]
    assert candidates_for([prompt], True) == ["sorted"]
    assert candidates_for([prompt], False) == ["single"]


def test_a_prompt_shows_what_was_given() -> None:
    assert repr(Prompt(box=[1, 2, 3, 4], label="cup")) == "Prompt(box=[1, 2, 3, 4], label='cup')"
    assert repr(Prompt(points=[[1, 2]], mask=ROUGH)) == "Prompt(points=[[1, 2]], mask=<an array bool [40, 80]>)"
    assert repr(Prompt(mask={"size": [40, 80], "counts": "..."})) == "Prompt(mask=<COCO's RLE>)"
    assert repr(Prompt()) == "Prompt()"


def test_what_is_no_prompt_is_named_among_those_that_are() -> None:
    with pytest.raises(PromptError, match=r"^Prompt 1 \(of 0 to 1\): .*list"):
        as_prompts([Prompt(points=[[1, 2]]), [1, 2]])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (Prompt(points=[[1, 2]]), r"Write \[prompt\]"),
        ([{"box": [1, 2, 3, 4]}], r"Prompt\(\*\*fields\)"),
        (iter([Prompt(points=[[1, 2]])]), r"Write list\(prompts\)"),
        ("here", r"Write \[Prompt\(points="),
        (np.zeros((1, 2)), r"Write \[Prompt\(points="),
    ],
)
def test_what_is_no_list_of_prompts_gets_advice(given: object, said: str) -> None:
    with pytest.raises(PromptError, match=said):
        as_prompts(given)


def test_there_is_a_list_of_prompts_for_each_picture() -> None:
    lists = [[Prompt(points=[[1, 2]])], []]
    assert a_list_each(lists, 2) is lists
    with pytest.raises(PromptError, match="got 3 pictures and 2 lists"):
        a_list_each(lists, 3)
    with pytest.raises(PromptError, match=r"Write list\(prompts\)"):
        a_list_each(iter(lists), 2)


def test_a_mask_may_be_a_picture_or_its_file(tmp_path: Path) -> None:
    picture = Image.fromarray(ROUGH.astype(np.uint8) * 255)
    file, stream = tmp_path / "rough.png", io.BytesIO()
    picture.save(file)
    picture.save(stream, "PNG")
    for mask in (picture, file, str(file), stream.getvalue(), io.BytesIO(stream.getvalue())):
        read = as_prompts([Prompt(box=[1, 2, 30, 40], mask=mask)])[0]
        assert np.array_equal(read.mask, ROUGH)
        assert read.box == [1, 2, 30, 40]
    assert as_prompts([Prompt(mask=LOGITS)])[0].mask is LOGITS


@pytest.mark.parametrize("name", ["nowhere.png", "logits.npy"])
def test_a_mask_file_that_is_no_picture_is_a_sentence(tmp_path: Path, name: str) -> None:
    np.save(tmp_path / "logits.npy", LOGITS)
    with pytest.raises(PromptError, match=f"(?s){name}.*read_mask_prompt"):
        as_prompts([Prompt(mask=tmp_path / name)])
