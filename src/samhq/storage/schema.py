"""Schemas of JSON documents, and the check of a document against its schema.

A schema names what is needed and leaves everything else free, so that files of other makers pass with fields of their
own. Knows nothing about files or about what a field means.

Why not a library: none of the dependencies checks JSON; jsonschema needs milliseconds for a record, and COCO files have
a million of them. The five kinds below are all that the project reads.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_SHOWN = 60  #: characters of a wrong value in a message

#: Where a value stands in its document: keys and numbers from the top.
Place = tuple["str | int", ...]


class Mismatch(Exception):  # noqa: N818 - never leaves `samhq.storage`
    """A value is not what its schema says; the message says where, what was expected and what came."""


class Schema:
    """A condition on a value; `words` describes it in messages."""

    words = "any value"

    def check(self, value: Any, place: Place = ()) -> None:
        """Returns if the value fits.

        Raises:
            Mismatch: it does not.
        """


ANY = Schema()


@dataclass(frozen=True)
class Text(Schema):
    """A string that may be a file's name: without NUL, and without half characters unless `halves`; not empty unless
    `empty`."""

    empty: bool = False
    halves: bool = False
    words = "text"

    def check(self, value: Any, place: Place = ()) -> None:
        """As `Schema.check`."""
        if not isinstance(value, str) or "\0" in value or not (value or self.empty):
            raise _mismatch(self.words, value, place)
        if not self.halves and not _encodable(value):
            raise _mismatch(self.words, value, place)


@dataclass(frozen=True)
class Number(Schema):
    """A finite number between `least` and `most`, called `name`; `whole` allows 3 and 3.0, not 3.5."""

    least: float = -math.inf
    most: float = math.inf
    whole: bool = False
    name: str = ""

    @property
    def words(self) -> str:  # type: ignore[override]
        """In a message."""
        if self.name:
            return self.name
        kind = "a whole number" if self.whole else "a finite number"
        if self.least == -math.inf:
            return kind
        least, most = (f"{limit:.15g}" for limit in (self.least, self.most))
        return f"{kind} of at least {least}" if self.most == math.inf else f"{kind} {least}..{most}"

    def check(self, value: Any, place: Place = ()) -> None:
        """As `Schema.check`."""
        fits = type(value) in (int, float) and -_LARGEST < value < _LARGEST and self.least <= value <= self.most
        if not fits or (self.whole and value % 1):
            raise _mismatch(self.words, value, place)


_LARGEST = 1 << 62  #: Later steps overflow with larger numbers. NaN and infinity fail the comparison, too.


@dataclass(frozen=True)
class Flag(Schema):
    """True or false, also as 1 and 0."""

    words = "true or false"

    def check(self, value: Any, place: Place = ()) -> None:
        """As `Schema.check`."""
        if not isinstance(value, (bool, int, float)) or value not in (0, 1):
            raise _mismatch(self.words, value, place)


@dataclass(frozen=True)
class Items(Schema):
    """A list of values of one kind: exactly `count` of them if given, and at least `least`."""

    item: Schema
    count: int | None = None
    least: int = 0

    @property
    def words(self) -> str:  # type: ignore[override]
        """In a message."""
        if self.count is not None:
            return f"a list of {self.count}, each {self.item.words}"
        size = f" of at least {self.least}" if self.least else ""
        return f"a list{size}, each {self.item.words}"

    def check(self, value: Any, place: Place = ()) -> None:
        """As `Schema.check`."""
        if not isinstance(value, list) or len(value) < self.least or self.count not in (None, len(value)):
            raise _mismatch(self.words, value, place)
        for number, item in enumerate(value):
            self.item.check(item, (*place, number))


@dataclass(frozen=True)
class Fields(Schema):
    """An object with the fields `needed`; those of `may` may be missing or null; other fields may hold anything."""

    needed: Mapping[str, Schema] = field(default_factory=dict)
    may: Mapping[str, Schema] = field(default_factory=dict)

    @property
    def words(self) -> str:  # type: ignore[override]
        """In a message."""
        return f"an object with {', '.join(self.needed)}" if self.needed else "an object"

    def check(self, value: Any, place: Place = ()) -> None:
        """As `Schema.check`."""
        if not isinstance(value, dict):
            raise _mismatch(self.words, value, place)
        for name, schema in self.needed.items():
            if name not in value:
                raise Mismatch(f"{_where(place)} as {self.words}, got one without {name!r}")
            schema.check(value[name], (*place, name))
        for name, schema in self.may.items():
            if value.get(name) is not None:
                schema.check(value[name], (*place, name))


@dataclass(frozen=True)
class Named(Schema):
    """An object whose values are all of one kind, whatever their names."""

    item: Schema

    @property
    def words(self) -> str:  # type: ignore[override]
        """In a message."""
        return f"an object of named values, each {self.item.words}"

    def check(self, value: Any, place: Place = ()) -> None:
        """As `Schema.check`."""
        if not isinstance(value, dict):
            raise _mismatch(self.words, value, place)
        for name, item in value.items():
            self.item.check(item, (*place, name))


@dataclass(frozen=True)
class Either(Schema):
    """One of several kinds; a mismatch is told of the kind that the value's own type points to."""

    kinds: Sequence[Schema]

    @property
    def words(self) -> str:  # type: ignore[override]
        """In a message."""
        return " or ".join(kind.words for kind in self.kinds)

    def check(self, value: Any, place: Place = ()) -> None:
        """As `Schema.check`."""
        inner: Mismatch | None = None
        alike: tuple[type[Schema], ...] = (Fields, Named) if isinstance(value, dict) else ()
        alike = (Items,) if isinstance(value, list) else alike
        for kind in self.kinds:
            try:
                return kind.check(value, place)
            except Mismatch as mismatch:
                if isinstance(kind, alike):
                    inner = mismatch
        raise inner or _mismatch(self.words, value, place)


@dataclass(frozen=True)
class Null(Schema):
    """Nothing."""

    words = "null"

    def check(self, value: Any, place: Place = ()) -> None:
        """As `Schema.check`."""
        if value is not None:
            raise _mismatch(self.words, value, place)


TEXT, WORDS, NUMBER, FLAG = Text(), Text(empty=True), Number(), Flag()
NAME = Text(halves=True)  #: as a picture was called when its record was written, whether or not a file can be
WHOLE, COUNT = Number(whole=True), Number(0, whole=True)
PIXELS = Number(1, 2**31 - 1, whole=True)  #: a side of a picture
SIDE = Number(0, 2**31 - 1, whole=True)  #: the same, 0 where it is not known
COORDINATE = Number(-1e9, 1e9, name="a number of pixels")  #: what lies farther out overflows float32
BOX, POINT = Items(COORDINATE, 4), Items(COORDINATE, 2)
#: A run-length code; that its counts fill its size is checked where it is decoded.
RLE = Fields({"size": Items(COUNT, 2), "counts": Either((WORDS, Items(COUNT)))})
ID = Either((WHOLE, TEXT))


def shown(value: Any) -> str:
    """A value in a few words for a message; never long, however large or deep it is.

    >>> shown({"a": [1, 2]}), shown("x" * 100)[-6:]
    ('an object with a', "xxx..'")
    """
    if isinstance(value, dict):
        names = ", ".join(str(name)[:20] for _, name in zip(range(5), value, strict=False))
        return f"an object with {names or 'nothing'}"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, str):
        return repr(value if len(value) <= _SHOWN else f"{value[: _SHOWN - 2]}..")
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int) and abs(value) >= _LARGEST:
        return "a number of more than 18 digits"
    return repr(value)


def _encodable(text: str) -> bool:
    """Whether a file may be called so; names that are not UTF-8 travel as Python writes them."""
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True


def _mismatch(words: str, value: Any, place: Place) -> Mismatch:
    return Mismatch(f"{_where(place)} as {words}, got {shown(value)}")


def _where(place: Place) -> str:
    """The value's name in its document.

    >>> _where(("annotations", 3, "bbox")), _where(())
    ('annotations[3].bbox', 'the document')
    """
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part[:40]}" for part in place)
    return text.removeprefix(".") or "the document"
