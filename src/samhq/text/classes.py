"""Class names as people give them, and the phrases that a detector searches for.

Knows nothing about tokenisers, detectors or pictures.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from samhq.errors import PromptError

_MARKS = re.compile(r"[.?!;]+")  #: These characters end phrases in captions of Grounding DINO.
_ADVICE = 'Write text=["cup", "red car"], or {"cup": ["cup", "mug"]} for several phrases of one class.'


@dataclass(frozen=True)
class Classes:
    """Class names in the caller's spelling, and all phrases with the number of their class."""

    names: tuple[str, ...]
    phrases: tuple[str, ...]
    owners: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.names)

    @property
    def by_name(self) -> dict[str, list[str]]:
        """The phrases of every class, in order."""
        phrases: dict[str, list[str]] = {name: [] for name in self.names}
        for phrase, owner in zip(self.phrases, self.owners, strict=True):
            phrases[self.names[owner]].append(phrase)
        return phrases


def as_classes(text: Any) -> Classes:
    """The classes in a list of names, in a mapping from names to phrases, or in a text with commas.

    The names keep their spelling. Two names are the same class if they differ only in case, spaces or punctuation. A
    phrase that one class lists twice counts once.

    >>> as_classes("cup, red car").phrases
    ('cup', 'red car')
    >>> as_classes({"cup": ["cup", "mug"], "fork": "fork"}).owners
    (0, 0, 1)

    Raises:
        PromptError: no class, a class without a phrase, a class named twice, a phrase of two classes, or no text.
    """
    if isinstance(text, Classes):
        return text
    pairs = _pairs(text)
    if not pairs or not all(phrases for _, phrases in pairs):
        raise PromptError(f"Expected at least one class, each with a phrase to search for, got none. {_ADVICE}")
    _check_names([name for name, _ in pairs])
    owners: dict[str, int] = {}  # By the plain form of each phrase.
    all_phrases: list[str] = []
    for number, (name, phrases) in enumerate(pairs):
        for phrase in phrases:
            if _is_new(phrase, name, owners.get(plain_phrase(phrase)), number, pairs):
                owners[plain_phrase(phrase)] = number
                all_phrases.append(" ".join(phrase.split()))
    return Classes(tuple(name.strip() for name, _ in pairs), tuple(all_phrases), tuple(owners.values()))


def plain_phrase(phrase: str) -> str:
    """The phrase in lower case, with single spaces in place of characters that end a phrase: dots, `?`, `!` and `;`.

    >>> plain_phrase(" St. Bernard? ")
    'st bernard'
    """
    return " ".join(_MARKS.sub(" ", phrase).lower().split())


def slash_variants(names: Sequence[str]) -> dict[str, list[str]]:
    """Each name with its phrases: the parts of a name with slashes, except parts that are names themselves.

    >>> slash_variants(["pea/bean", "bean"])
    {'pea/bean': ['pea'], 'bean': ['bean']}
    """
    not_parts = {"", *map(plain_phrase, names)}
    variants = {}
    for name in names:
        parts = [part for part in name.split("/") if plain_phrase(part) not in not_parts]
        variants[name] = parts or [name]
    return variants


def _pairs(text: Any) -> list[tuple[str, list[str]]]:
    """Names with their phrases, as given."""
    if isinstance(text, str):
        return [(name, [name]) for name in text.split(",")] if text.strip() else []
    if isinstance(text, Mapping):
        return [(name, [phrases] if isinstance(phrases, str) else _strings(phrases)) for name, phrases in text.items()]
    return [(name, [name]) for name in _strings(text)]


def _strings(values: Any) -> list[str]:
    if isinstance(values, Sequence | set | frozenset) and not isinstance(values, bytes):
        listed = sorted(values) if isinstance(values, set | frozenset) else list(values)
        if all(isinstance(value, str) for value in listed):
            return listed
    raise PromptError(f"Expected class names as a list of strings, got {values!r:.80}. {_ADVICE}")


def _check_names(names: Sequence[Any]) -> None:
    known: set[str] = set()
    for name in names:
        if not isinstance(name, str) or not plain_phrase(name):
            raise PromptError(f"Expected class names with letters or digits, got {name!r:.80}. Leave it out.")
        if plain_phrase(name) in known:
            raise PromptError(
                f"Expected each class once, got {name.strip()!r} twice (upper case and punctuation make no "
                "difference). Leave one out."
            )
        known.add(plain_phrase(name))


def _is_new(phrase: str, name: str, owner: int | None, number: int, pairs: Sequence[tuple[str, list[str]]]) -> bool:
    """Whether the phrase, which may already belong to class `owner`, is new in class `number`."""
    if not plain_phrase(phrase):
        raise PromptError(f"Expected phrases with letters or digits for {name!r}, got {phrase!r:.80}. Leave it out.")
    if owner is not None and owner != number:
        raise PromptError(
            f"Expected each phrase in one class, got {phrase!r} in {pairs[owner][0]!r} and in {name!r}. "
            "Leave it in one of them."
        )
    return owner is None
