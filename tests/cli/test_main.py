"""Help is there at once, and what is wrong ends in a sentence and an exit code."""

from __future__ import annotations

import gc
import io
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.cli.segmenting import drawn
from tests.text.tiny_detectors import coco_boxes

from samhq import garbage
from samhq.batch.embed import EmbedWork
from samhq.cli import main as module
from samhq.cli.main import LOADING, main
from samhq.errors import ConfigError
from samhq.garbage import collect_as_usual, collect_late
from samhq.image.sample_picture import sample_picture

HEAVY = ("torch", "numpy", "PIL", "cv2", "pycocotools", "huggingface_hub", "transformers", "samhq.types")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["segment", "--help"],
        ["write", "--help"],
        ["everything", "--help"],
        ["--version"],
        ["segmnt"],
        ["segment", "a", "--pt"],
    ],
)
def test_help_and_mistakes_import_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys; from samhq.cli.main import main; code = main(sys.argv[1:]); "
        f"print('heavy:', [name for name in {HEAVY!r} if name in sys.modules]); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "heavy: []", done.stderr
    assert "Traceback" not in done.stderr


def imported(code: str, *arguments: str) -> set[str]:
    """The modules that a new Python has after running this."""
    code = f"import sys; {code}; print('modules', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split()[1:])


def test_the_import_of_the_package_brings_its_table_of_names_alone() -> None:
    found = imported("import samhq") - imported("import __future__, typing, importlib")
    assert found == {"samhq"}


def test_the_list_of_commands_imports_no_command() -> None:
    found = imported("from samhq.cli.main import main; main(sys.argv[1:])", "--help")
    light = {f"samhq.cli.{name}" for name in ("main", "spellings", "whole_numbers")}
    assert {name for name in found if name.startswith("samhq.cli.")} == light
    assert "importlib.metadata" not in found


def test_a_command_imports_no_other_and_segment_no_room_that_it_has_no_use_for(tmp_path: Path) -> None:
    line = ["segment", str(sample_picture()), "--box", "170,60,430,330", "--output", str(tmp_path)]
    found = imported("from samhq.cli.main import main; main(sys.argv[1:])", *line)
    rooms = ("training", "evaluation", "datasets", "video", "compat", "export", "speed", "runtime")
    assert not {name for name in found if name.startswith(tuple(f"samhq.{room}" for room in rooms))}
    late = {"cv2", "huggingface_hub", "transformers", "onnxruntime", "matplotlib", "torchvision", "skimage", "scipy"}
    assert not late & found
    assert "torch._dynamo" not in found
    assert not {f"samhq.cli.{name}" for name in module.COMMANDS if name != "segment"} & found


def test_the_list_of_commands_says_what_their_own_help_begins_with() -> None:
    for name, line in module.COMMANDS.items():
        command = getattr(import_module(f"samhq.cli.{name}"), name)
        assert (command.help if name in module.APPS else command.__doc__.partition("\n")[0]) == line


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f" {name} " in shown for name in ("segment", "embed", "models", "info", "convert"))


def test_the_help_of_segment_names_every_flag(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["segment", "--help"]) == 0
    shown = capsys.readouterr().out
    flags = "point box mask prompts model hq multimask device dtype output cutout no-overlay resume workers embeddings"
    assert all(f"--{flag}" in shown for flag in flags.split())


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == version("samhq")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["segmnt"], 'Did you mean "segment"'),
        (["segment", "a.jpg", "--point", "1,2"], "Expected --output, got none. See samhq segment --help."),
        (["segment", "a.jpg", "--output"], "--output requires an argument"),
        (["segment", "a.jpg", "-o", "x", "--pont", "1,2"], "Did you mean --point"),
        (["segment", "a.jpg", "-o", "x", "--hq", "onl"], '"only"'),
        (["segment", "a.jpg", "-o", "x", "--dtype", "half"], "float16"),
        (["info"], "Expected FILE, got none."),
        (["info", "a", "b"], "b"),
        (["convert", "a"], "TARGET"),
    ],
)
def test_wrong_use_is_one_sentence_and_exit_code_2(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    shown = capsys.readouterr()
    assert said in shown.err
    assert shown.err.startswith("samhq: ")
    assert shown.err.count("\n") == 1
    assert shown.out == ""


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (KeyboardInterrupt(), 130, "stopped"),
        (OSError(28, "No space left on device", "a.png"), 1, "No space left on device (a.png). Free some space, and"),
        (PermissionError(13, "Permission denied"), 1, "Permission denied. Choose a folder that you may write to, and"),
        (OSError("strange"), 1, "got: strange. Correct this, and repeat"),
        (module.SamHQError("Expected x."), 2, "Expected x."),
    ],
)
def test_what_ends_a_command(
    error: BaseException, code: int, said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> list[object]:
        raise error

    monkeypatch.setattr("samhq.checkpoint.hub.catalogue", broken)
    assert main(["models"]) == code
    shown = capsys.readouterr().err
    assert said in shown
    assert shown.count("\n") == 1


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "samhq", "--help"], stdout=writing, stderr=subprocess.PIPE, check=False
    )
    os.close(writing)
    assert done.stderr == b""
    assert done.returncode in (0, 1)


def test_python_m_samhq_is_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "samhq", "segmnt"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("samhq: Unknown command")


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["segment", "a.png", "--box", "1,2,3,4", "--output", ""], "--output"),
        (["segment", "a.png", "--output="], "--output"),
        (["segment", "", "-o", "out"], "an argument"),
        (["everything", "a.png", "-o", ""], "-o"),
        (["evaluate", ""], "an argument"),
        (["train", "--data", ""], "--data"),
    ],
)
def test_an_empty_argument_is_refused(arguments: list[str], name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert f"Expected a value for {name}, got an empty one" in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["--version", "-V"])
def test_the_version_is_told(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    import samhq

    assert main([flag]) == 0
    assert capsys.readouterr().out.strip() == version("samhq") == samhq.__version__


def test_completion_scripts_can_be_made() -> None:
    assert all("segment" in module.app.generate_completion(shell=shell) for shell in ("bash", "zsh", "fish"))


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(("typed", "offered"), [("samhq se", "segment serve"), ("samhq segment --bo", "--box")])
def test_bash_completes_commands_and_flags(typed: str, offered: str, tmp_path: Path) -> None:
    script = tmp_path / "samhq"
    script.write_text(module.app.generate_completion(shell="bash"), encoding="utf-8")
    words = typed.split()
    code = f"source {script}; COMP_WORDS=({typed}); COMP_CWORD={len(words) - 1}; _samhq; echo ${{COMPREPLY[@]}}"
    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == offered


def test_a_lone_hyphen_reaches_the_command_as_the_standard_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"")))
    assert main(["segment", "-", "--box", "1,2,3,4", "--output", str(tmp_path)]) == 2
    assert "on the standard input, got nothing" in capsys.readouterr().err


def test_quiet_says_nothing_and_verbose_names_the_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [
        "segment",
        str(sample_picture()),
        "--box",
        "326,200,407,326",
        "--output",
        str(tmp_path),
        "--no-overlay",
    ]
    assert main([*arguments, "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    assert main([*arguments, "-v"]) == 0
    told = capsys.readouterr().out
    assert all(str(tmp_path / name) in told for name in ("coffee.json", "coffee_mask_0.png"))
    assert main([*arguments, "-q", "-v"]) == 2
    assert "got both" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["segment", "--box", "5,5,40,30", "--no-overlay"],
        ["everything", "--points-per-side", "1"],
        ["detect", "--text", "cup", "--detector", "BOXES"],
        ["embed"],
    ],
)
def test_quiet_shows_no_progress_either(
    tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("samhq.progress._draws", lambda: True)
    folder = drawn(tmp_path / "in" / "a.png").parent
    drawn(folder / "b.png")
    boxes = coco_boxes(tmp_path / "boxes.json", {"a.png": [], "b.png": []})
    flags = [str(boxes) if word == "BOXES" else word for word in words]
    assert main([*flags, str(folder), "--output", str(tmp_path / "loud")]) == 0
    assert "2/2" in capsys.readouterr().err
    assert main([*flags, str(folder), "--output", str(tmp_path / "out"), "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    (folder / "b.png").write_bytes(b"no picture")
    assert main([*flags, str(folder), "--output", str(tmp_path / "out"), "--quiet"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "b.png" in line, "only failures are printed"


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Python collects no cycles, as at the start of a command."""
    monkeypatch.setattr("atexit.register", lambda _: None)
    collect_late()
    yield
    collect_as_usual()
    gc.unfreeze()


@pytest.mark.parametrize(
    ("work", "arguments"),
    [
        ("samhq.video.job.run_video", "track frames --box 2,2,20,20 --output out"),
        ("samhq.training.loop.train", "train --data data.json"),
        ("samhq.serve.start.run_server", "serve frames --no-open --port 0"),
        ("samhq.batch.embed.EmbedWork.__call__", "embed frames --output out"),
    ],
)
@pytest.mark.usefixtures("late")
def test_cycles_are_collected_as_usual_when_work_begins(
    work: str, arguments: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[bool] = []
    begin = EmbedWork.__call__

    def begins(*given: object, **_: object) -> None:
        if "embed" in work:
            begin(*given)  # type: ignore[arg-type]  # It loads the model.
        begun.append(not garbage._usual)
        raise ConfigError("Expected nothing more.")

    monkeypatch.setattr(work, begins)
    monkeypatch.chdir(tmp_path)
    drawn(tmp_path / "frames" / "a.png")
    assert garbage._usual
    assert main(arguments.split()) == 2
    assert begun == [True]
    assert arguments.split()[0] in LOADING
