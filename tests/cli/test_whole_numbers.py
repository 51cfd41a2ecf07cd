"""Flags of whole numbers refuse fractions, in every command."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cyclopts import App

from samhq.cli.main import app, main


def commands(of: App = app, chain: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], App]]:
    """Every command with the words that call it."""
    for name in of:
        if not name.startswith("-"):
            yield from commands(of[name], (*chain, name))
    if chain and of.default_command is not None:
        yield chain, of


def whole_flags() -> list[tuple[tuple[str, ...], str]]:
    whole = (int, int | None, tuple[int, ...])
    return [
        (chain, argument.name)
        for chain, command in commands()
        for argument in command.assemble_argument_collection()
        if argument.hint in whole and argument.parameter.converter is None
    ]


def test_every_flag_of_whole_numbers_refuses_a_fraction(capsys: pytest.CaptureFixture[str]) -> None:
    flags = whole_flags()
    assert len(flags) > 50
    for chain, flag in flags:
        for given in (["2.6"], ["1e1"], ["-0.5"]):
            assert main([*chain, f"{flag}={given[0]}"]) == 2
            said = capsys.readouterr().err
            assert f"Expected a whole number for {flag}, got {given[0]}. Write {flag}" in said, (chain, said)


@pytest.mark.parametrize("given", ["x", "nan", "inf"])
def test_what_is_no_number_is_refused_by_the_parser(
    given: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "make", str(tmp_path / "made"), "--count", given]) == 2
    assert "--count" in capsys.readouterr().err


def test_a_frame_is_not_rounded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["track", str(tmp_path), "--box", "1,1,9,9", "--frame", "2.6", "--output", str(tmp_path / "out")]
    assert main(line) == 2
    assert capsys.readouterr().err == "samhq: Expected a whole number for --frame, got 2.6. Write --frame 3.\n"
