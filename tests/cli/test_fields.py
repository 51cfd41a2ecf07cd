"""Flags have the names, defaults, types and sentences of the fields that they grow from, and say them once."""

from __future__ import annotations

import ast
import dataclasses
import inspect
from dataclasses import dataclass
from typing import get_args, get_type_hints

import pytest
from cyclopts import App, Parameter

from samhq.batch.search import DetectorSettings, ExampleSettings, TextSettings
from samhq.batch.settings import BandSettings, EverythingFiles, MaskFiles, ModelSettings, TileSettings
from samhq.cli import everything, flags, picture_flags, text, track, write
from samhq.cli.fields import flags_of, grown_from
from samhq.formats.options import WriteOptions
from samhq.masks.finish import Finish
from samhq.results.automatic_config import AutomaticConfig


@dataclass(frozen=True)
class Cut:
    """What is cut."""

    most: int
    """Pixels at most."""

    width: float = 0.5
    """Width, if `most` allows it; see `Cut`."""

    span: tuple[float, float] | None = None
    """Two numbers."""


def pair(word: str) -> tuple[float, float]:
    low, high = map(float, word.split(","))
    return low, high


@Parameter(name="*")
@dataclass(frozen=True)
@grown_from(Cut, unset={"width": "that of the picture"}, words={"span": pair}, most=Parameter(alias="-m"))
class CutFlags:
    """Flags."""

    own: bool = False
    """A flag of the class itself."""


@Parameter(name="*")
@dataclass(frozen=True)
@grown_from(Cut, leave_out=("span",), width=Parameter(help="Another sentence."))
class Inherited(Cut):
    """Flags that keep what the class can do."""


def parsed(arguments: str) -> object:
    app = App(result_action="return_value", exit_on_error=False, print_error=False)

    @app.default
    def run(*, cut: CutFlags) -> CutFlags:
        return cut

    return app(arguments.split())


def test_fields_become_flags_with_their_defaults() -> None:
    assert dataclasses.astuple(parsed("-m 3")) == (3, None, None, False)
    assert dataclasses.astuple(parsed("--most 3 --width 0.25 --span 1,2.5 --own")) == (3, 0.25, (1.0, 2.5), True)
    assert dataclasses.astuple(Inherited(most=3)) == (3, 0.5, None)
    assert isinstance(Inherited(3), Cut)


def test_a_value_from_a_word_is_no_mistake_where_pydantic_is_imported() -> None:
    import pydantic  # noqa: F401  # Cyclopts then checks values against annotations with it.

    assert dataclasses.astuple(parsed("-m 3 --span 1,2")) == (3, None, (1.0, 2.0), False)


def test_help_is_that_of_the_fields() -> None:
    texts = {
        name: get_args(flag.annotation)[1].help for name, flag in flags_of(Cut, unset={"width": "that of it"}).items()
    }
    assert texts == {
        "most": "Pixels at most.",
        "width": "Width, if --most allows it; see `Cut`. [default: that of it, else 0.5]",
        "span": "Two numbers.",
    }
    assert get_args(get_type_hints(Inherited, include_extras=True)["width"])[1].help == "Another sentence."


#: The flags of commands, with the fields that they grow from.
GROWN = [
    (everything.AutomaticFlags, AutomaticConfig),
    (everything.EverythingOutputFlags, EverythingFiles),
    (everything.WholeImageModelFlags, ModelSettings),
    (write.FinishFlags, Finish),
    (write.WriteFlags, WriteOptions),
    (flags.ModelFlags, ModelSettings),
    (flags.OutputFlags, MaskFiles),
    (picture_flags.BandFlags, BandSettings),
    (picture_flags.TileFlags, TileSettings),
    (text.DetectorFlags, DetectorSettings),
    (text.ExampleFlags, ExampleSettings),
    (text.TextFlags, TextSettings),
]


@pytest.mark.parametrize(("grown", "source"), GROWN, ids=lambda kind: kind.__name__)
def test_a_default_stands_once(grown: type, source: type) -> None:
    """The class of the flags says no default of its own, and has those of its source."""
    (body,) = ast.parse(inspect.getsource(grown)).body
    assert isinstance(body, ast.ClassDef)
    assert not [node for node in body.body if isinstance(node, ast.AnnAssign)]
    defaults = {field.name: field.default for field in dataclasses.fields(source)}
    unset = {"pred_iou_thresh", "stability_score_thresh"}
    for field in dataclasses.fields(grown):
        assert field.default == (None if field.name in unset else defaults[field.name])


def test_a_model_for_videos_has_the_defaults_of_one_for_pictures() -> None:
    """Its flags are fewer, so they do not grow from the same class."""
    assert track.VideoModelFlags().plain == flags.ModelFlags()
