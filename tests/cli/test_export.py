"""`samhq export`, and what other commands say to a folder that it made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests import exported, tiny

from samhq.checkpoint.save import save_model
from samhq.cli.main import main
from samhq.export import convert, litert, saved_model
from samhq.export import verify as verifying
from samhq.export.fixed import Difference
from samhq.model.sam import Sam
from samhq.storage.atomic import write_bytes
from samhq.storage.locks import only_one


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported.folder(tmp_path_factory, tiny.HQ)


def test_files_and_the_comparison_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[Any] = []

    def export(model: Sam, output: Path, **options: Any) -> list[Path]:
        asked.append((model.config.name, options))
        (output / "decoder.onnx").write_bytes(b"x" * 1_500_000)
        return [output / "decoder.onnx"]

    def verify(model: Sam, output: Path, picture: Any, **options: Any) -> str:
        return f"compared on {None if picture is None else picture.shape}, {options}"

    monkeypatch.setattr(convert, "export", export)
    monkeypatch.setattr(verifying, "verify", verify)
    Image.new("RGB", (9, 7)).save(tmp_path / "p.png")
    out = tmp_path / "out"
    flags = ["--contract", "original", "--hq", "only", "--no-multimask", "--picture", str(tmp_path / "p.png")]
    assert main(["export", "--output", str(out), *flags]) == 0
    options = {"dtype": "float32", "contract": "original", "hq": "only", "multimask": False}
    assert asked == [("starter", options)]
    told = capsys.readouterr().out.splitlines()
    assert told[0].endswith("decoder.onnx: 1.5 MB")
    assert main(["export", "--output", str(out), *flags]) == 2, "what is there is replaced only by force"
    assert "--force" in capsys.readouterr().err
    assert main(["export", "--output", str(out), *flags, "--force"]) == 0
    assert len(asked) == 2
    assert told[1] == "compared on (7, 9, 3), {'hq': 'only', 'multimask': False}"


@pytest.mark.parametrize("to", ["onnx", "litert", "tensorflow"])
@pytest.mark.parametrize("force", [[], ["--force"]])
def test_a_folder_into_which_another_process_exports_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], to: str, force: list[str]
) -> None:
    with only_one(tmp_path / "out", "exporting"):
        assert main(["export", "--output", str(tmp_path / "out"), "--to", to, *force]) == 2
    assert "where one is exporting now" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("to", ["litert", "tensorflow"])
def test_other_frameworks_say_sizes_and_differences(
    to: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = Difference(2e-6, 4.0)

    def export_litert(model: Sam, output: Path) -> dict[Path, Difference]:
        return {write_bytes(output / litert.ENCODER, b"x" * 1_500_000): found}

    def export_saved_model(model: Sam, output: Path) -> Difference:
        write_bytes(output / "variables" / "variables.index", b"x" * 1_000_000)
        write_bytes(output / saved_model.FILE, b"x" * 500_000)
        return found

    monkeypatch.setattr(litert, "export_litert", export_litert)
    monkeypatch.setattr(saved_model, "export_saved_model", export_saved_model)
    command = ["export", "--output", str(tmp_path / "out"), "--to", to]
    assert main(command) == 0
    assert capsys.readouterr().out.endswith(": 1.5 MB, differs from torch by up to 2.0e-06 in values up to 4\n")
    assert main(command) == 2, "what is there is replaced only by force"
    assert "--force" in capsys.readouterr().err
    assert main([*command, "--force"]) == 0
    assert main([*command, "--force", "--dtype", "int8"]) == 2
    assert f"with --to {to}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--dtype", "int4"], "int8"),
        (["--hq", "only"], "original contract only"),
        (["nothing_like_it"], "Known:"),
    ],
)
def test_wrong_use(tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], says: str) -> None:
    assert main(["export", *flags, "--output", str(tmp_path)]) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (["segment", "--point", "2,2", "--refine"], "weights of a model for --refine, which"),
        (["segment", "--point", "2,2", "--embeddings", "e"], "or leave --embeddings out"),
        (["segment", "--point", "2,2", "--dtype", "float16"], "computes as it was exported"),
        (["segment", "--point", "2,2", "--dtype", "bfloat16"], "--device openvino"),
        (["segment", "--point", "2,2", "--device", "mps"], "provider of this machine"),
        (["everything"], "weights of a model for samhq everything, which"),
    ],
)
def test_what_an_exported_model_cannot_do(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], line: list[str], says: str
) -> None:
    Image.new("RGB", (40, 30)).save(tmp_path / "p.png")
    rest = [str(tmp_path / "p.png"), "--model", str(folder), "--output", str(tmp_path / "out")]
    assert main([*line, *rest]) == 2
    assert says in capsys.readouterr().err


def test_many_pictures_are_resumed_and_shared_out(folder: Path, tmp_path: Path) -> None:
    for name in "abc":
        Image.new("RGB", (40, 30), (200, 90, 30)).save(tmp_path / f"{name}.png")
    line = ["segment", str(tmp_path), "--box", "5,5,30,25", "--model", str(folder), "--output", str(tmp_path / "out")]
    assert main([*line, "--workers", "2", "--multimask"]) == 0
    made = {path.name for path in (tmp_path / "out").iterdir()}
    assert {f"{name}_mask_0_{k}.png" for name in "abc" for k in range(3)} <= made
    before = (tmp_path / "out" / "a.json").stat().st_mtime_ns
    assert main([*line, "--resume", "--multimask"]) == 0
    assert (tmp_path / "out" / "a.json").stat().st_mtime_ns == before


@pytest.mark.slow
def test_from_weights_to_masks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_model(tiny.shared(tiny.HQ), tmp_path / "tiny.safetensors")
    Image.new("RGB", (40, 30), (200, 90, 30)).save(tmp_path / "p.png")
    with exported.unwatched():
        assert main(["export", str(tmp_path / "tiny.safetensors"), "-o", str(tmp_path / "made"), "--verify"]) == 0
    assert "mask IoU 1.0000" in capsys.readouterr().out
    flags = ["--point", "20,15", "--model", str(tmp_path / "made"), "--output", str(tmp_path / "out")]
    assert main(["segment", str(tmp_path / "p.png"), *flags]) == 0
    assert (tmp_path / "out" / "p_mask_0.png").exists()
