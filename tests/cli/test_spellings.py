"""Old spellings of flags work for one more release, and say so."""

from __future__ import annotations

import pytest

from samhq.cli.main import app, main
from samhq.cli.spellings import OF_OTHERS, PAIRS, RENAMED, renewed


def lines_of(arguments: list[str]) -> tuple[list[str], list[str]]:
    lines: list[str] = []
    return renewed(arguments, lines.append), lines


@pytest.mark.parametrize(
    ("old", "new"),
    [(f"{command} {old}", new) for command, names in RENAMED.items() for old, new in names.items()],
)
@pytest.mark.parametrize("equals", [True, False])
def test_every_old_flag_becomes_the_new_one(old: str, new: str, equals: bool) -> None:
    command, flag = old.split()
    words, lines = lines_of([command, f"{flag}=x"] if equals else [command, flag, "x"])
    assert words == ([command, f"{new}=x"] if equals else [command, new, "x"])
    assert len(lines) == 1
    assert flag in lines[0]
    assert new in lines[0]


@pytest.mark.parametrize("command", RENAMED)
def test_new_flags_exist_and_old_ones_do_not(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    shown = capsys.readouterr().out.split()
    for old, new in RENAMED[command].items():
        assert new in shown
        assert old not in shown
    assert command in list(app)


def test_pairs_become_one_word() -> None:
    for command, flags in PAIRS.items():
        for flag in flags:
            assert lines_of([command, flag, "0.5", "1.5", "--x"])[0] == [command, flag, "0.5,1.5", "--x"]
            assert lines_of([command, flag, "0.5,1.5"]) == ([command, flag, "0.5,1.5"], [])


def test_other_commands_and_values_stay() -> None:
    words = ["segment", "a.jpg", "--model", "x", "--prompts", "p.json", "--box", "1,2,3,4"]
    assert lines_of(words) == (words, [])
    assert lines_of([]) == ([], [])


def test_the_line_goes_to_stderr_and_the_command_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--data", "nowhere.json", "--init", "random", "--model", "sam_hq_vit_x"]) == 2
    shown = capsys.readouterr().err
    assert "train --model is now --arch" in shown
    assert "sam_hq_vit_x" in shown


@pytest.mark.parametrize("flag", OF_OTHERS)
@pytest.mark.parametrize("command", ["segment", "everything"])
def test_flags_of_other_programs_say_what_to_write(command: str, flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "a.jpg", "--output", "out", flag, "x"]) == 2
    shown = capsys.readouterr().err
    assert f"Unknown option: {flag}. {OF_OTHERS[flag]}. See samhq {command} --help" in shown
    assert main([command, "a.jpg", "--output", "out", f"{flag}=x"]) == 2
    assert OF_OTHERS[flag] in capsys.readouterr().err


def test_only_commands_that_take_pictures_give_such_advice(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--source", "x"]) == 2
    assert "come behind the command" not in capsys.readouterr().err
