"""Flags that grow from the fields of a dataclass, so that a default, a type and a sentence of help stand once.

Knows nothing about what the fields mean.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Annotated, Any, NamedTuple, TypeVar, get_type_hints

import docstring_parser
from cyclopts import Parameter, Token

Flags = TypeVar("Flags")


class GrownFlag(NamedTuple):
    """A flag: its annotation, with its help, and its default; `dataclasses.MISSING` if it has to be given."""

    annotation: Any
    default: Any


def flags_of(
    source: type,
    *,
    unset: Mapping[str, str] | None = None,
    words: Mapping[str, Callable[[str], Any]] | None = None,
    parameters: Mapping[str, Parameter] | None = None,
) -> dict[str, GrownFlag]:
    """The fields of a dataclass as flags, by name and in order. Their help is the fields' docstrings.

    Fields in `unset` are None where they are not given; the text says what counts then, before the dataclass's own
    default. `words` are fields whose value is one word, such as `2,98`, with the function that makes the value from it.
    `parameters` add to the flags, or replace parts of them. In help, names of fields become names of flags.
    """
    unset, words, parameters = unset or {}, words or {}, parameters or {}
    texts = {param.arg_name: param.description or "" for param in docstring_parser.parse_from_object(source).params}
    hints = get_type_hints(source, include_extras=True)
    flags = {}
    for field in dataclasses.fields(source):
        text, hint, default = _in_flags(texts[field.name], hints), hints[field.name], field.default
        if field.name in unset:
            text += f" [default: {unset[field.name]}, else {default}]"
            hint, default = hint | None, None
        elif default is None:  # By mode: pydantic, where it is imported, would refuse None for a plain float.
            hint = hint | None
        word = _one_word(words[field.name]) if field.name in words else None
        show_default = _short_number if isinstance(default, float) else False if default == "" else None
        plain = Parameter(help=text, show_default=show_default)
        parameter = Parameter.combine(plain, word, parameters.get(field.name))
        flags[field.name] = GrownFlag(Annotated[hint, parameter], default)
    return flags


def grown_from(
    source: type,
    *,
    leave_out: Collection[str] = (),
    unset: Mapping[str, str] | None = None,
    words: Mapping[str, Callable[[str], Any]] | None = None,
    **parameters: Parameter,
) -> Callable[[type[Flags]], type[Flags]]:
    """A decorator, below `@dataclass`, that gives a class the fields of another one as flags; see `flags_of`.

    Fields in `leave_out` are no flags. Fields that the class itself declares stay as they are.
    """

    def grow(flags: type[Flags]) -> type[Flags]:
        declared = inspect.get_annotations(flags)
        grown = flags_of(source, unset=unset, words=words, parameters=parameters)
        grown = {name: flag for name, flag in grown.items() if name not in {*declared, *leave_out}}
        flags.__annotations__ = {**{name: flag.annotation for name, flag in grown.items()}, **declared}
        for name, flag in grown.items():
            if flag.default is not dataclasses.MISSING:
                setattr(flags, name, flag.default)
        return flags

    return grow


def _one_word(read: Callable[[str], Any]) -> Parameter:
    """A flag whose value is one word, which may contain commas; `read` makes the value from it."""

    def convert(_: Any, tokens: Sequence[Token]) -> Any:
        return read(tokens[-1].value)

    return Parameter(converter=convert, n_tokens=1, accepts_keys=False, negative="", show_default=False)


def flag_name(field: str) -> str:
    """The flag of a field.

    >>> flag_name("box_nms_thresh")
    '--box-nms-thresh'
    """
    return f"--{field.replace('_', '-')}"


def _short_number(number: float) -> str:
    """A default in the help, with six digits.

    >>> _short_number(512 / 1500)
    '0.341333'
    """
    return f"{number:g}"


def _in_flags(text: str, names: Collection[str]) -> str:
    """The text with flags in place of quoted names of fields."""
    return re.sub(r"`(\w+)`", lambda quoted: flag_name(quoted[1]) if quoted[1] in names else quoted[0], text)
