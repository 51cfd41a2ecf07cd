"""The caption rules, each tried on the real tokenizer and on the network's own mask of who attends to whom."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import GroundingDinoProcessor
from transformers.models.grounding_dino.modeling_grounding_dino import (
    SPECIAL_TOKENS,
    generate_masks_with_special_tokens_and_transfer_map,
)

from samhq.errors import PromptError
from samhq.text.caption import Caption, Span
from samhq.text.scoring import phrase_scores
from tests.text import tiny_detectors as tiny


def captions(phrases: list[str], limit: int = 256) -> list[Caption]:
    return tiny.dino(max_text_len=limit).captions(phrases)


def tokens(caption: Caption, span: Span) -> list[str]:
    return tiny.bert_tokenizer().convert_ids_to_tokens(list(caption.ids[span.start : span.end]))


def blocks(caption: Caption) -> set[tuple[int, ...]]:
    """The groups of tokens that attend to each other, by the network's own rule."""
    ids = torch.tensor([caption.ids])
    mask, _ = generate_masks_with_special_tokens_and_transfer_map(ids, torch.tensor(SPECIAL_TOKENS))
    return {tuple(row.nonzero().flatten().tolist()) for row in mask[0]}


def test_clean_names_give_the_ids_of_transformers_own_processor() -> None:
    (caption,) = captions(["A cat", "red car"])
    processor = GroundingDinoProcessor(tiny.picture_processor(), tiny.bert_tokenizer())
    theirs = processor(images=tiny.picture(), text=["A cat", "red car"], return_tensors="pt")
    assert list(caption.ids) == theirs["input_ids"][0].tolist()
    assert caption.text == "a cat. red car."


@pytest.mark.parametrize(
    ("names", "text", "words"),
    [
        (["A cat", "red car"], "a cat. red car.", [["a", "cat"], ["red", "car"]]),
        (["a cat", "st. car"], "a cat. st car.", [["a", "cat"], ["st", "car"]]),
        (["Cat"], "cat.", [["cat"]]),
        (["cat?", "red; car!"], "cat. red car.", [["cat"], ["red", "car"]]),
        (["T-shirt"], "t-shirt.", [["t", "-", "shirt"]]),
        (["cats", "RED CUP"], "cats. red cup.", [["cat", "##s"], ["red", "cup"]]),
        (["[SEP] cat"], "[sep] cat.", [["[", "sep", "]", "cat"]]),
        (["zebra"], "zebra.", [["[UNK]"]]),
    ],
)
def test_every_phrase_is_one_block_of_attention(names: list[str], text: str, words: list[list[str]]) -> None:
    (caption,) = captions(names)
    assert caption.text == text
    assert [tokens(caption, span) for span in caption.spans] == words
    assert [span.phrase for span in caption.spans] == list(range(len(names)))
    ids = tiny.SPECIAL
    assert (caption.ids[0], caption.ids[-2:]) == (ids["[CLS]"], (ids["."], ids["[SEP]"]))
    for span in caption.spans:
        assert (*range(span.start, span.end), span.end) in blocks(caption), "its tokens and its dot see each other"


def test_a_phrase_without_its_dot_would_see_itself_only() -> None:
    """The rule that the dots are for: the same text without the last one has no block."""
    (caption,) = captions(["red car"])
    span = caption.spans[0]
    undotted = Caption("red car", (*caption.ids[:-2], caption.ids[-1]), caption.spans)
    assert (*range(span.start, span.end), span.end) not in blocks(undotted)
    assert all(len(block) == 1 for block in blocks(undotted))


def test_a_phrase_of_nothing_that_the_tokenizer_knows_is_said() -> None:
    with pytest.raises(PromptError, match="another word"):
        captions(["\u200b\u200b"])


def test_a_phrase_that_is_too_long_is_said() -> None:
    with pytest.raises(PromptError, match="at most 29 tokens for this detector, got 30"):
        captions(["cat " * 30], limit=32)
    (caption,) = captions(["cat " * 29], limit=32)
    assert len(caption.ids) == 32


def test_300_classes_are_cut_into_captions_that_fit() -> None:
    names = [f"red {'cat ' * (number % 5)}{'mug ' * (number // 5)}"[:200] for number in range(300)]
    made = captions(names)
    assert len(made) > 1
    assert all(len(caption.ids) <= 256 for caption in made)
    assert [span.phrase for caption in made for span in caption.spans] == list(range(300))
    for one, following in pairwise(made):
        first = following.spans[0]
        assert len(one.ids) + first.end - first.start + 1 > 256, "the next phrase did not fit"


@given(st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=12), st.integers(16, 64))
def test_no_text_breaks_out_of_its_span(names: list[str], limit: int) -> None:
    from samhq.text.classes import plain_phrase

    names = [name for name in names if tiny.bert_tokenizer()(plain_phrase(name), add_special_tokens=False)["input_ids"]]
    try:
        made = captions(names, limit)
    except PromptError:
        return
    assert sorted(span.phrase for caption in made for span in caption.spans) == list(range(len(names)))
    for caption in made:
        covered = [place for span in caption.spans for place in range(span.start, span.end)]
        free = [place for place in range(len(caption.ids)) if place not in covered]
        assert all(caption.ids[place] in SPECIAL_TOKENS for place in free)
        assert not any(caption.ids[place] in SPECIAL_TOKENS for place in covered)
        logits = torch.zeros(1, 64).numpy()
        assert phrase_scores(logits, caption.spans).tolist() == [[0.5] * len(caption.spans)]
