"""Arguments of other libraries: the error says what to write, and the function keeps its signature."""

from __future__ import annotations

import inspect
import pickle
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

import samhq
from samhq import other_arguments
from samhq.errors import SamHQError
from samhq.model.sam import Sam
from samhq.other_arguments import translated
from samhq.video.segmenter import load_video_model

PICTURE = np.zeros((20, 30, 3), np.uint8)
#: Each table, and the functions that it is for.
TABLES: list[tuple[Mapping[str, str], tuple[Callable[..., Any], ...]]] = [
    (other_arguments.ENCODE, (samhq.Segmenter.encode, samhq.Segmenter.encode_batch)),
    (other_arguments.SEGMENT, (samhq.Segmenter.segment,)),
    (other_arguments.SEGMENT_BATCH, (samhq.Segmenter.segment_batch,)),
    (other_arguments.PROMPT, (samhq.Prompt,)),
    (other_arguments.LOAD, (samhq.load, load_video_model)),
    (other_arguments.TRACKER, (samhq.VideoSegmenter.tracker,)),
    (other_arguments.VIDEO_CLICK, (samhq.VideoTracker.prompt,)),
    (other_arguments.VIDEO_PROMPT, (samhq.VideoPrompt,)),
]


@pytest.mark.parametrize(("table", "functions"), TABLES)
def test_every_translated_argument_is_refused_with_its_advice(
    table: Mapping[str, str], functions: tuple[Callable[..., Any], ...]
) -> None:
    for function in functions:
        own = set(inspect.signature(function).parameters)
        assert not own & set(table), "an argument of our own needs no translation"
        for name, advice in table.items():
            with pytest.raises(TypeError, match=re.escape(f"got {name}=. Write {advice}.")) as caught:
                function(**{name: 1})
            assert isinstance(caught.value, SamHQError)


@pytest.mark.parametrize(("table", "functions"), TABLES)
def test_advice_names_arguments_that_exist(table: Mapping[str, str], functions: tuple[Callable[..., Any], ...]) -> None:
    own = set(inspect.signature(functions[0]).parameters)
    for advice in table.values():
        word = re.match(r"([a-z_]+)=", advice)
        assert word is None or word[1] in own, advice


def test_other_names_get_the_nearest_one(hq: Sam) -> None:
    with pytest.raises(TypeError, match=r"argument of load, got devise=\. Did you mean 'device'"):
        samhq.load(devise="cpu")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"argument of Prompt, got lables=\. Did you mean 'labels'"):
        samhq.Prompt(points=[[1, 2]], lables=[1])  # type: ignore[call-arg]


def test_an_argument_without_its_name_is_named(hq: Sam) -> None:
    segmenter = samhq.Segmenter(hq)
    with pytest.raises(TypeError, match=r"1 argument without a name in segment\(image\), got 2\. .*: points=, labels="):
        segmenter.segment(PICTURE, [[5, 5]])  # type: ignore[misc]
    with pytest.raises(TypeError, match=r"in load\(source\), got 2\. Write .*: device=, dtype=, compile=\."):
        samhq.load("starter", "cpu")  # type: ignore[misc]
    with pytest.raises(TypeError, match=r"in encode\(image\), got 2\. Leave the others out\."):
        segmenter.encode(PICTURE, PICTURE)  # type: ignore[call-arg]


def test_a_missing_argument_is_named_by_python(hq: Sam) -> None:
    with pytest.raises(TypeError, match="image"):
        samhq.Segmenter(hq).segment(box=[1, 2, 9, 9])  # type: ignore[call-arg]


def test_the_signature_and_the_words_stay() -> None:
    @translated({})
    def twice(number: int, *, more: int = 0) -> int:
        """Twice the number."""
        return 2 * number + more

    assert str(inspect.signature(twice)) == "(number: 'int', *, more: 'int' = 0) -> 'int'"
    assert (twice.__name__, twice.__doc__) == ("twice", "Twice the number.")
    assert twice(2) == 4
    assert twice(number=2, more=1) == 5
    assert pickle.loads(pickle.dumps(samhq.load)) is samhq.load
    assert "unknown" not in inspect.signature(samhq.Segmenter.segment).parameters


def test_a_prompt_stays_a_value() -> None:
    prompt = samhq.Prompt([[1, 2]], label="cup")
    assert pickle.loads(pickle.dumps(prompt)) == prompt == samhq.Prompt(points=[[1, 2]], label="cup")
