"""Captions for Grounding DINO: phrases as one text, and the tokens of each phrase.

A caption is `[CLS] a cat . red car . [SEP]`. In the network only tokens between the same two dots attend to each other,
so every phrase ends with a dot and contains none. Each phrase is tokenised alone, and the caption's ids are assembled
here. So the spans are exact whatever the tokeniser does to a word, and no text is ever decoded.

Knows nothing about pictures or scores.

Source: IDEA-Research/GroundingDINO, groundingdino/models/GroundingDINO/bertwarper.py (the rule of the dots).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from samhq.errors import PromptError
from samhq.text.classes import plain_phrase


class Span(NamedTuple):
    """The tokens of one phrase: from `start` to `end`, exclusive."""

    phrase: int
    start: int
    end: int


@dataclass(frozen=True)
class Caption:
    """A text for the detector with its token ids, and the span of every phrase in it."""

    text: str
    ids: tuple[int, ...]
    spans: tuple[Span, ...]


@dataclass(frozen=True)
class CaptionWriter:
    """Makes captions for one detector, with its tokeniser, the ids around phrases, and its limit of tokens.

    `encode` gives a phrase's token ids without special ones. `delimiters` are all ids that end a phrase in the network.
    """

    encode: Callable[[str], Sequence[int]]
    start: int
    dot: int
    end: int
    delimiters: frozenset[int]
    limit: int

    def captions(self, phrases: Sequence[str]) -> list[Caption]:
        """The fewest captions that hold all phrases in their order, each within the limit of tokens.

        Raises:
            PromptError: a phrase without any token, or too long for its own caption.
        """
        captions: list[Caption] = []
        group: list[tuple[int, list[int]]] = []
        free = self.limit - 2
        for number, phrase in enumerate(phrases):
            ids = self._ids(phrase)
            if group and len(ids) + 1 > free:
                captions.append(self._caption(phrases, group))
                group, free = [], self.limit - 2
            group.append((number, ids))
            free -= len(ids) + 1
        return [*captions, self._caption(phrases, group)] if group else captions

    def _ids(self, phrase: str) -> list[int]:
        ids = [token for token in self.encode(plain_phrase(phrase)) if token not in self.delimiters]
        if not ids:
            raise PromptError(f"Expected a class that the detector can read, got {phrase!r}. Use another word for it.")
        if len(ids) + 3 > self.limit:
            raise PromptError(
                f"Expected classes of at most {self.limit - 3} tokens for this detector, got {len(ids)} in "
                f"{phrase[:60]!r}. Name the object in a few words."
            )
        return ids

    def _caption(self, phrases: Sequence[str], group: Sequence[tuple[int, list[int]]]) -> Caption:
        ids, spans = [self.start], []
        for number, phrase_ids in group:
            spans.append(Span(number, len(ids), len(ids) + len(phrase_ids)))
            ids += [*phrase_ids, self.dot]
        text = "".join(f"{plain_phrase(phrases[number])}. " for number, _ in group).strip()
        return Caption(text, (*ids, self.end), tuple(spans))
