"""Channels, tiles and a second look on the command line are what they are in the API."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests import tiny
from tests.cli.segmenting import drawn
from tests.inference.test_segment import picture

from samhq.checkpoint.save import save_model
from samhq.cli.main import main
from samhq.cli.picture_flags import bands_from_text, stretch_from_text
from samhq.errors import ConfigError
from samhq.image.bands import as_rgb
from samhq.image.draw import cutout
from samhq.image.raster_source import RasterSource
from samhq.image.read import read_mask
from samhq.image.windows import Window, whole
from samhq.inference.cache import EmbeddingCache
from samhq.inference.mosaic import segment_mosaic
from samhq.inference.refine import refine, segment_native
from samhq.inference.segment import Segmenter
from samhq.model.sam import Sam
from samhq.results.prompt import Prompt
from samhq.results.sa1b import read_sa1b

Shown = pytest.CaptureFixture[str]
BOX = [10, 10, 30, 30]
LOOSE = ["--points-per-side", "3", "--pred-iou-thresh", "0", "--stability-score-thresh", "0.01"]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_model(tiny.shared(tiny.HQ), path)
    return path


def run(command: str, weights: Path, out: Path, *arguments: object) -> int:
    return main([command, *map(str, arguments), "--model", str(weights), "--device", "cpu", "-o", str(out)])


@pytest.fixture
def field(tmp_path: Path) -> tuple[Path, np.ndarray]:
    """A file of five bands of 16 bits, and its values."""
    rasterio = pytest.importorskip("rasterio")
    raw = np.concatenate([picture(80, 90), picture(80, 90, seed=1)[..., :2]], axis=2).astype(np.uint16) * 9
    path = tmp_path / "field.tif"
    place = {"crs": "EPSG:32633", "transform": rasterio.Affine(2, 0, 500_000, 0, -2, 5_000_000)}
    with rasterio.open(path, "w", driver="GTiff", height=80, width=90, count=5, dtype="uint16", **place) as file:
        file.write(np.moveaxis(raw, -1, 0))
    return path, raw


@pytest.fixture
def wide(tmp_path: Path) -> Path:
    """A file far larger than the model's square, of five bands."""
    rasterio = pytest.importorskip("rasterio")
    raw = np.concatenate([picture(150, 200), picture(150, 200, seed=1)[..., :2]], axis=2)
    path = tmp_path / "wide.tif"
    with rasterio.open(path, "w", driver="GTiff", height=150, width=200, count=5, dtype="uint8") as file:
        file.write(np.moveaxis(raw, -1, 0))
    return path


def test_embeddings_of_chosen_channels(weights: Path, tmp_path: Path, field: tuple[Path, np.ndarray], hq: Sam) -> None:
    flags, folder = ["--bands", "5,4,1", "--stretch", "1,99"], tmp_path / "embeddings"
    assert run("embed", weights, folder, field[0], *flags) == 0
    shown = as_rgb(field[1], (5, 4, 1), (1, 99))
    assert EmbeddingCache(folder).get(Segmenter(hq), shown) is not None
    before = sorted(folder.rglob("*"))
    asked = [*flags, "--box", "10,10,30,30", "--embeddings", folder]
    assert run("segment", weights, tmp_path / "out", field[0], *asked) == 0
    assert sorted(folder.rglob("*")) == before, "found, so not stored again"


def test_a_second_look(weights: Path, tmp_path: Path, hq: Sam) -> None:
    cat, out = drawn(tmp_path / "cat.png", 120, 150), tmp_path / "out"
    assert run("segment", weights, out, cat, "--box", "10,10,30,30", "--hq", "off", "--refine") == 0
    segmenter = Segmenter(hq)
    first = segmenter.segment(picture(120, 150), box=BOX, hq="off")
    finer = refine(segmenter, first, hq="off")
    assert not np.array_equal(first.masks, finer.masks), "a test of a second look needs one that differs"
    assert np.array_equal(read_mask(out / "cat_mask_0.png"), finer.masks[0])
    assert run("segment", weights, out, cat, "--box", "10,10,30,30", "--refine", "--multimask") == 2


@pytest.mark.parametrize("flags", [[], ["--bands", "5,4,1", "--stretch", "1,99"]])
def test_a_second_look_reads_tiffs_by_window(
    weights: Path, tmp_path: Path, hq: Sam, wide: Path, flags: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    read, largest = RasterSource.read, [0]

    def counted(self: RasterSource, window: Window) -> np.ndarray:
        largest.append(window.area)
        return read(self, window)

    monkeypatch.setattr(RasterSource, "read", counted)
    boxes = [[10, 10, 30, 30], [60, 100, 80, 130]]
    asked = [word for box in boxes for word in ("--box", ",".join(map(str, box)))]
    command = (weights, tmp_path / "out", wide, *asked, "--refine", *flags)
    assert run("segment", *command, "--no-overlay") == 0
    assert 0 < max(largest) <= 64 * 64, "what the model sees at once"
    assert run("segment", *command, "--no-overlay", "--cutout") == 0
    with RasterSource(wide, *((5, 4, 1), (1, 99)) if flags else ()) as source:
        found = segment_native(Segmenter(hq), source, [Prompt(box=box) for box in boxes])
        shown = source.read(whole(source.size_hw))
    files = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert files == sorted(["wide.json", *(f"wide_{kind}_{n}.png" for kind in ("mask", "cutout") for n in (0, 1))])
    content = json.loads((tmp_path / "out" / "wide.json").read_text())
    record = read_sa1b(tmp_path / "out" / "wide.json")
    assert [prompt["box"] for prompt in content["prompts"]] == boxes
    for number, (one, item) in enumerate(zip(found, record.annotations, strict=True)):
        mask = one.piece.inside(whole((150, 200)))
        assert np.array_equal(read_mask(tmp_path / "out" / f"wide_mask_{number}.png"), mask)
        assert np.array_equal(item.mask, mask)
        assert (item.area, item.box, item.score) == (mask.sum(), one.piece.bbox_xywh, one.score)
        with Image.open(tmp_path / "out" / f"wide_cutout_{number}.png") as png:
            assert np.array_equal(np.asarray(png), cutout(shown, mask, crop=True))
    assert run("segment", *command) == 0
    assert max(largest) == 150 * 200, "an overlay shows all of it"
    assert {"wide_overlay.jpg", *files} == {path.name for path in (tmp_path / "out").iterdir()}
    assert json.loads((tmp_path / "out" / "wide.json").read_text())["annotations"] == content["annotations"]


def test_channels_are_chosen_and_stretched(
    weights: Path, tmp_path: Path, hq: Sam, field: tuple[Path, np.ndarray]
) -> None:
    path, raw = field
    flags = ["--bands", "5,4,1", "--stretch", "1,99", "--box", "10,10,30,30"]
    assert run("segment", weights, tmp_path / "out", path, *flags) == 0
    expected = Segmenter(hq).segment(as_rgb(raw, (5, 4, 1), (1, 99)), box=BOX)
    assert np.array_equal(read_mask(tmp_path / "out" / "field_mask_0.png"), expected.masks[0])
    stored = tmp_path / "embeddings"
    assert run("segment", weights, tmp_path / "again", path, *flags, "--embeddings", stored) == 0
    assert np.array_equal(read_mask(tmp_path / "again" / "field_mask_0.png"), expected.masks[0])
    assert list(stored.iterdir())


def test_channels_that_are_not_there(
    weights: Path, tmp_path: Path, field: tuple[Path, np.ndarray], capsys: Shown
) -> None:
    assert run("segment", weights, tmp_path / "out", field[0], "--bands", "6", "--box", "10,10,30,30") == 2
    assert "1..5" in capsys.readouterr().err


def test_tiles_of_a_geotiff_become_geojson(
    weights: Path, tmp_path: Path, hq: Sam, field: tuple[Path, np.ndarray]
) -> None:
    path, raw = field
    out = tmp_path / "out"
    flags = [*LOOSE, "--tile", "48", "--overlap", "16", "--bands", "3,2,1", "--stretch", "0,100", "--convert-to-rle"]
    assert run("everything", weights, out, path, *flags) == 0
    expected = segment_mosaic(
        as_rgb(raw, (3, 2, 1), (0, 100)),
        hq,
        tile=48,
        overlap=16,
        points_per_side=3,
        pred_iou_thresh=0.0,
        stability_score_thresh=0.01,
    )
    record = read_sa1b(out / "field.json")
    assert [one.code for one in record.annotations] == [one["segmentation"] for one in expected.as_records()]
    assert (out / "field_overlay.jpg").is_file()
    assert main(["write", str(out), "--format", "geojson", "-o", str(tmp_path / "geo")]) == 0
    [written] = (tmp_path / "geo").glob("**/*.geojson")
    text = json.dumps(json.loads(written.read_text()))
    assert '"type": "Polygon"' in text or '"type": "MultiPolygon"' in text


def test_without_an_overlay_the_picture_is_not_needed_whole(weights: Path, tmp_path: Path) -> None:
    cat = drawn(tmp_path / "cat.png", 80, 90)
    flags = [*LOOSE, "--tile", "48", "--convert-to-rle"]
    for out, more in (("lean", ["--no-overlay"]), ("full", [])):
        assert run("everything", weights, tmp_path / out, cat, *flags, *more) == 0
    lean, full = (json.loads((tmp_path / out / "cat.json").read_text()) for out in ("lean", "full"))
    assert (lean.pop("files"), list(full.pop("files"))) == ({}, ["cat_overlay.jpg"])
    assert lean == full
    assert not (tmp_path / "lean" / "cat_overlay.jpg").exists()
    with Image.open(tmp_path / "full" / "cat_overlay.jpg") as overlay:
        assert overlay.size == (90, 80)


def test_resuming_with_another_look_does_it_again(weights: Path, tmp_path: Path, capsys: Shown) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    drawn(folder / "cat.png", 60, 70)
    drawn(folder / "dog.png", 60, 70)
    for flags, times in ((["--refine"], 2), (["--refine", "--resume"], 0), (["--resume"], 2)):
        assert run("segment", weights, out, folder, "--box", "10,10,30,30", *flags) == 0
        assert capsys.readouterr().out.count("1 mask,") == times


@pytest.mark.parametrize(
    "flags",
    [
        ["--overlap", "16"],
        ["--tile", "16", "--overlap", "16"],
        ["--tile", "0"],
        ["--tile", "5"],
        ["--tile", "64", "--embeddings", "somewhere"],
        ["--bands", "1,2"],
        ["--stretch", "98,2"],
    ],
)
def test_flags_that_do_not_go_together(weights: Path, tmp_path: Path, flags: list[str], capsys: Shown) -> None:
    assert run("everything", weights, tmp_path / "out", drawn(tmp_path / "cat.png"), *flags) == 2
    assert "xpected" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("text", ["", "1,2", "0,1,2", "1,2,3,4", "a,b,c", "1.5", "-1"])
def test_channels_are_one_or_three(text: str) -> None:
    with pytest.raises(ConfigError, match="4,3,2"):
        bands_from_text(text)


@pytest.mark.parametrize("text", ["", "2", "98,2", "2,2", "-1,50", "0,101", "a,b", "nan,98", "1,2,3"])
def test_percentiles_are_two_in_order(text: str) -> None:
    with pytest.raises(ConfigError, match="2,98"):
        stretch_from_text(text)
