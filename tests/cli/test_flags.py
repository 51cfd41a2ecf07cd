"""Short spellings of the flags that commands share, and which have no negative."""

from __future__ import annotations

from pathlib import Path

import pytest
from cyclopts import App, CycloptsError

from samhq.cli.flags import STARTER, ModelFlags, OutputFlags


def parsed(*arguments: str) -> tuple[ModelFlags, OutputFlags]:
    app = App(result_action="return_value", exit_on_error=False, print_error=False)

    @app.default
    def run(*, model: ModelFlags = STARTER, output: OutputFlags) -> tuple[ModelFlags, OutputFlags]:
        return model, output

    return app(arguments)


def test_short_and_long_spellings_mean_the_same() -> None:
    short = parsed("-m", "sam_vit_b", "-o", "out")
    assert short == parsed("--model", "sam_vit_b", "--output", "out")
    assert short == (ModelFlags(model="sam_vit_b"), OutputFlags(Path("out")))


def test_what_is_off_by_default_has_no_negative() -> None:
    assert parsed("-o", "out", "--cutout", "--no-overlay")[1] == OutputFlags(Path("out"), overlay=False, cutout=True)
    with pytest.raises(CycloptsError):
        parsed("-o", "out", "--no-cutout")
    with pytest.raises(CycloptsError):
        parsed()
