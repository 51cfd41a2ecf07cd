"""`samhq everything` writes what the API gives, with segment-anything's flags."""

from __future__ import annotations

from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests import tiny
from tests.cli.segmenting import drawn
from tests.inference.test_segment import picture

from samhq.checkpoint.save import save_model
from samhq.cli.everything import AutomaticFlags
from samhq.cli.flags import ModelFlags
from samhq.cli.main import main
from samhq.config import Defaults
from samhq.image.read import read_mask
from samhq.inference.automatic import propose
from samhq.inference.everything import segment_everything
from samhq.model.sam import Sam
from samhq.results.automatic_config import AutomaticConfig
from samhq.results.sa1b import read_sa1b

Shown = pytest.CaptureFixture[str]
LOOSE = ["--points-per-side", "4", "--pred-iou-thresh", "0", "--stability-score-thresh", "0.01"]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_model(tiny.shared(tiny.HQ), path)
    return path


def run(weights: Path, out: Path, *arguments: object) -> int:
    return main(["everything", *map(str, arguments), "--model", str(weights), "--device", "cpu", "-o", str(out)])


def test_defaults_are_those_of_the_config() -> None:
    config, flags = AutomaticConfig(), asdict(AutomaticFlags())
    assert vars(AutomaticFlags().config(ModelFlags())) == vars(config)
    assert {name for name, value in flags.items() if value is None} == {"pred_iou_thresh", "stability_score_thresh"}
    assert all(value in (None, getattr(config, name)) for name, value in flags.items())
    own = {"point_grids", "candidates", "hq", "mask_threshold", "second_pass", "low_res_region_area"}
    assert set(flags) == {field.name for field in fields(AutomaticConfig)} - own


def test_settings_that_the_weights_bring_count_where_no_flag_says_else() -> None:
    brought = Defaults(pred_iou_thresh=0.25, hq="off")
    config = AutomaticFlags().config(ModelFlags(), brought)
    assert (config.pred_iou_thresh, config.stability_score_thresh, config.hq) == (0.25, 0.95, "off")
    config = AutomaticFlags(pred_iou_thresh=0.5).config(ModelFlags(hq="only"), brought)
    assert (config.pred_iou_thresh, config.hq) == (0.5, "only")


def test_the_file_of_the_weights_carries_settings(tmp_path: Path, capsys: Shown) -> None:
    sam = tiny.model(tiny.HQ)
    sam.config = sam.config.replace(defaults=Defaults(pred_iou_thresh=9.0))
    save_model(sam, tmp_path / "strict.safetensors")
    cat = drawn(tmp_path / "cat.png")
    assert run(tmp_path / "strict.safetensors", tmp_path / "out", cat, "--points-per-side", "2") == 0
    assert "lower --pred-iou-thresh from 9" in capsys.readouterr().out
    assert len(read_sa1b(tmp_path / "out" / "cat.json").annotations) == 0


def test_files_are_those_of_the_api(weights: Path, tmp_path: Path, hq: Sam, capsys: Shown) -> None:
    cat, out = drawn(tmp_path / "cat.png"), tmp_path / "new" / "out"
    assert run(weights, out, cat, *LOOSE, "--box-nms-thresh=1", "--label-map") == 0
    expected = segment_everything(
        picture(), hq, points_per_side=4, pred_iou_thresh=0.0, stability_score_thresh=0.01, box_nms_thresh=1.0
    )
    assert len(expected) > 1
    for number in range(len(expected)):
        assert np.array_equal(read_mask(out / "cat" / f"{number}.png"), expected.mask(number))
    assert len((out / "cat" / "metadata.csv").read_text().splitlines()) == len(expected) + 1
    record = read_sa1b(out / "cat.json")
    assert (record.file_name, len(record.annotations)) == (str(cat), len(expected))
    with Image.open(out / "cat_labels.png") as png:
        assert np.array_equal(np.asarray(png), expected.label_map())
    assert (out / "cat_overlay.jpg").is_file()
    assert f"{len(expected)} masks" in capsys.readouterr().out


@pytest.mark.parametrize("tiles", [[], ["--tile", "64"]])
def test_without_masks_it_says_which_threshold_kept_them_out(
    weights: Path, tmp_path: Path, capsys: Shown, tiles: list[str]
) -> None:
    cat, few = drawn(tmp_path / "cat.png"), ["--points-per-side", "2", *tiles]
    assert run(weights, tmp_path / "out", cat, *few, "--pred-iou-thresh", "9") == 0
    said = capsys.readouterr().out
    assert "0 masks" in said
    highest = float(said.split("predicted IoU is ")[1].split(";")[0])
    assert (
        run(weights, tmp_path / "out", cat, *few, "--pred-iou-thresh", highest - 0.01, "--stability-score-thresh", "1")
        == 0
    )
    assert "stability score is" in capsys.readouterr().out


def test_codes_instead_of_pictures(weights: Path, tmp_path: Path) -> None:
    cat, out = drawn(tmp_path / "cat.png"), tmp_path / "out"
    assert run(weights, out, cat, *LOOSE, "--convert-to-rle", "--no-overlay", "--no-multimask") == 0
    assert [path.name for path in out.iterdir()] == ["cat.json"]


def test_a_single_picture_in_many_tiles_tells_a_log_how_far_it_is(
    weights: Path, tmp_path: Path, capsys: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("samhq.progress._PAUSE_S", 0.0)
    Image.fromarray(picture(64, 96)).save(tmp_path / "scene.png")
    assert run(weights, tmp_path / "out", tmp_path / "scene.png", "--tile", 64, *LOOSE) == 0
    assert "of 2 tiles" in capsys.readouterr().err


def test_an_interrupted_picture_continues_with_its_next_tile(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(picture(64, 192)).save(tmp_path / "scene.png")
    scene, tiles = (tmp_path / "scene.png", "--tile", 64, "--overlap", 0, *LOOSE), 3
    assert run(weights, tmp_path / "whole", *scene) == 0
    calls: list[int] = []

    def interrupted(*given: object, **options: object) -> object:
        calls.append(len(calls))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return propose(*given, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("samhq.inference.mosaic.propose", interrupted)
    out = tmp_path / "out"
    assert run(weights, out, *scene) == 130
    assert [path.name for path in out.iterdir()] == ["scene_tiles.jsonl"]
    assert run(weights, out, *scene, "--resume") == 0
    assert len(calls) == tiles + 1, "only the interrupted tile was computed again"
    written = {path.name: path.read_bytes() for path in (tmp_path / "whole").rglob("*.*")}
    assert {path.name: path.read_bytes() for path in out.rglob("*.*") if path.name != "manifest.jsonl"} == written
    calls.clear()
    other = tmp_path / "other"
    assert run(weights, other, *scene, "--min-mask-region-area", 1) == 130
    assert run(weights, other, *scene, "--resume") == 0
    assert len(calls) == 3 + tiles, "tiles that were made with other settings do not count"


def test_a_broken_picture_among_others(weights: Path, tmp_path: Path, capsys: Shown) -> None:
    drawn(tmp_path / "in" / "cat.png")
    (tmp_path / "in" / "dog.png").write_bytes(b"no picture")
    assert run(weights, tmp_path / "out", tmp_path / "in", *LOOSE, "--convert-to-rle") == 1
    assert (tmp_path / "out" / "cat.json").is_file()
    assert "dog.png" in capsys.readouterr().err
    assert run(weights, tmp_path / "out", tmp_path / "in" / "dog.png", *LOOSE) == 2


@pytest.mark.parametrize(("name", "place"), [("0.png", "out/0"), ("cat_labels.png", "out"), ("cat_overlay.jpg", "out")])
def test_inputs_are_spared(weights: Path, tmp_path: Path, capsys: Shown, name: str, place: str) -> None:
    kept = drawn(tmp_path / place / name)
    before = kept.read_bytes()
    assert run(weights, tmp_path / "out", kept, drawn(tmp_path / "cat.png"), *LOOSE) == 2
    assert "--output" in capsys.readouterr().err
    assert kept.read_bytes() == before


@pytest.mark.parametrize("flags", [["--points-per-side", "0"], ["--crop-overlap-ratio", "2"], ["--points-per-side=x"]])
def test_wrong_use_is_said_before_a_model_is_loaded(tmp_path: Path, capsys: Shown, flags: list[str]) -> None:
    arguments = ["everything", str(drawn(tmp_path / "cat.png")), *flags, "--model", "no such", "-o", str(tmp_path)]
    assert main(arguments) == 2
    assert flags[0].split("=")[0].strip("-").replace("-", "_") in capsys.readouterr().err.replace("-", "_")


def test_the_help_says_nothing_about_other_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["everything", "--help"]) == 0
    shown = capsys.readouterr().out
    assert "samhq export" not in shown
    assert "single click" not in shown
    assert main(["segment", "--help"]) == 0
    assert "everything:" not in capsys.readouterr().out
