"""Every command that reads pictures shows those of 12 bits by --stretch, and then gives what it gives for 8 bits."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from samhq.batch.rows import read_rows
from samhq.checkpoint.save import save_model
from samhq.cli.main import main
from samhq.datasets.open import open_dataset
from samhq.errors import ConfigError
from samhq.evaluation.run import evaluate
from samhq.image.bands import as_rgb
from samhq.image.channels import Channels
from samhq.image.read import read_image
from samhq.training.config import TrainConfig
from tests import tiny
from tests.datasets.layouts import disc, grey, photo, save
from tests.serve.served import API, opened, running
from tests.text.tiny_detectors import save_dino

pytest.importorskip("rasterio")

STRETCH = ["--stretch", "0,100"]
Shown = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_model(tiny.shared(tiny.LIGHT), path)
    return str(path)


def values(seed: int) -> np.ndarray:
    """A picture of 12 bits with a bright disc."""
    noise = photo(seed=seed)[..., 0].astype(np.uint16)
    return np.where(disc(), noise * 7 + 2000, noise * 3).astype(np.uint16)


@pytest.fixture
def twins(tmp_path: Path) -> tuple[Path, Path]:
    """Folders with the same pictures in 12 bits and, stretched, in 8; names, and masks beside them, are the same."""
    for folder in ("deep", "flat"):
        for number, name in enumerate(("a.tif", "b.tif", "c.tif")):
            raw = values(number)
            save(tmp_path / folder / "images" / name, raw if folder == "deep" else as_rgb(raw, None, (0, 100)))
            save(tmp_path / folder / "masks" / f"{name[0]}.png", grey(disc()))
    return tmp_path / "deep", tmp_path / "flat"


def run(*arguments: object) -> int:
    return main([*map(str, arguments), "--device", "cpu"])


def alike(twins: tuple[Path, Path], call: Callable[[Path, list[str]], object]) -> None:
    """What a call gives for pictures of 12 bits with the flags, and for those of 8 bits without them, is the same."""
    deep, flat = twins
    assert call(deep, STRETCH) == call(flat, [])


def test_evaluate(twins: tuple[Path, Path], weights: str, tmp_path: Path, capsys: Shown) -> None:
    def table(folder: Path, flags: list[str]) -> str:
        assert run("evaluate", folder, "--model", weights, "--kinds", "box,1p", *flags) == 0
        return capsys.readouterr().out.replace(folder.name, "")

    alike(twins, table)
    deep, flat = twins
    rows = evaluate(tiny.shared(tiny.LIGHT), deep, stretch=(0, 100)).rows
    assert rows == evaluate(tiny.shared(tiny.LIGHT), flat).rows
    assert run("evaluate", deep, "--model", weights) == 2
    assert "--stretch 2,98" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="stretch="):
        evaluate(tiny.shared(tiny.LIGHT), open_dataset(flat), stretch=(0, 100))


def test_a_resumed_evaluation_measures_again_with_another_stretch(twins: tuple[Path, Path], tmp_path: Path) -> None:
    sam, deep, out = tiny.shared(tiny.LIGHT), twins[0], tmp_path / "out"
    evaluate(sam, deep, stretch=(0, 100), output=out)
    again = evaluate(sam, deep, stretch=(20, 60), output=out, resume=True)
    assert again.rows == evaluate(sam, deep, stretch=(20, 60)).rows


def test_ap_of_boxes(tmp_path: Path, weights: str, capsys: Shown) -> None:
    from tests.datasets.layouts import annotation, coco

    for folder in ("deep", "flat"):
        coco(tmp_path / folder / "val.json", {"a.tif": (40, 56)}, [annotation(1, 1, disc())])
        raw = values(0)
        save(tmp_path / folder / "a.tif", raw if folder == "deep" else as_rgb(raw, None, (0, 100)))

    def table(folder: Path, flags: list[str]) -> str:
        assert run("evaluate", folder / "val.json", "--detections", "truth", "--model", weights, *flags) == 0
        return capsys.readouterr().out

    alike((tmp_path / "deep", tmp_path / "flat"), table)


def test_train(twins: tuple[Path, Path], weights: str, tmp_path: Path, capsys: Shown) -> None:
    def losses(folder: Path, flags: list[str]) -> list[float]:
        out = tmp_path / f"run-{folder.name}"
        quick = ["--batch", 2, "--epochs", 1, "--workers", 0, "--log-steps", 1, "--no-tensorboard"]
        cached = ["--cache", tmp_path / "features", "--copies", 1]
        assert run("train", "--data", folder, "--init", weights, "-o", out, *quick, *cached, *flags) == 0
        capsys.readouterr()
        lines = map(json.loads, (out / "log.jsonl").read_text().splitlines())
        return [line["loss"] for line in lines if "loss" in line]

    alike(twins, losses)
    assert run("train", "--data", twins[0], "--init", weights, "-o", tmp_path / "other", "--workers", 0) == 2
    assert "--stretch 2,98" in capsys.readouterr().err


def test_a_training_configuration_checks_its_channels() -> None:
    config = TrainConfig(data="a", bands=(3, 2, 1), stretch=(2, 98))
    assert config.channels == Channels((3, 2, 1), (2, 98))
    assert config.to_dict()["stretch"] == [2, 98]
    with pytest.raises(ConfigError, match="stretch"):
        TrainConfig(data="a", stretch=(98, 2))
    with pytest.raises(ConfigError, match="scenes:2"):
        open_dataset("scenes:2", stretch=(2, 98))


def test_data_check(twins: tuple[Path, Path], capsys: Shown) -> None:
    assert main(["data", "check", str(twins[0])]) == 1
    assert main(["data", "check", str(twins[0]), *STRETCH]) == 0
    assert "nothing is wrong" in capsys.readouterr().out


def test_detect(twins: tuple[Path, Path], tmp_path: Path) -> None:
    detector = save_dino(tmp_path / "detector")

    def boxes(folder: Path, flags: list[str]) -> object:
        out = tmp_path / f"boxes-{folder.name}"
        search = ["--text", "a cat", "--detector", detector, "--threshold", "0"]
        assert run("detect", folder / "images", *search, "-o", out, *flags) == 0
        return json.loads((out / "boxes.json").read_text())["annotations"]

    alike(twins, boxes)


def test_segment_by_name(twins: tuple[Path, Path], weights: str, tmp_path: Path) -> None:
    detector = save_dino(tmp_path / "detector")

    def masks(folder: Path, flags: list[str]) -> object:
        out = tmp_path / f"masks-{folder.name}"
        search = ["--text", "a cat", "--detector", detector, "--threshold", "0", "--max-detections", 3]
        assert run("segment", folder / "images", *search, "--model", weights, "-o", out, *flags) == 0
        return [json.loads((out / f"{name}.json").read_text())["annotations"] for name in "abc"]

    alike(twins, masks)


def test_batch(twins: tuple[Path, Path], weights: str, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")

    def rows(folder: Path, flags: list[str]) -> object:
        job = tmp_path / f"job-{folder.name}"
        line = ["--box", "5,5,40,30", "--model", weights, "--out", job]
        assert run("batch", "plan", folder / "images", *line, *flags) == 0
        assert main(["batch", "run", str(job), "--quiet"]) == 0
        return [(row["status"], row["instances"]) for row in read_rows(str(job))]

    alike(twins, rows)
    job = tmp_path / "job-without"
    assert run("batch", "plan", twins[0] / "images", "--everything", "--model", weights, "--out", job) == 0
    assert main(["batch", "run", str(job), "--quiet"]) == 1
    assert {row["status"] for row in read_rows(str(job))} == {"error"}


@pytest.mark.parametrize("stack", [False, True])
def test_track(twins: tuple[Path, Path], weights: str, tmp_path: Path, stack: bool) -> None:
    def lines(folder: Path, flags: list[str]) -> str:
        video, out = folder / "images", tmp_path / f"track-{folder.name}"
        if stack:
            pages = [Image.open(path) for path in sorted(video.iterdir())]
            video = tmp_path / f"{folder.name}.tif"
            pages[0].save(video, save_all=True, append_images=pages[1:])
        line = [video, "--box", "5,5,40,30", "--model", weights, "--no-overlay", "-o", out]
        assert run("track", *line, *flags) == 0
        return (out / "frames.jsonl").read_text()

    alike(twins, lines)


def test_a_film_has_no_channels_to_stretch(tmp_path: Path, weights: str, capsys: Shown) -> None:
    pytest.importorskip("av")
    from samhq.video.film import write_film

    film = write_film(tmp_path / "a.mp4", [photo() for _ in range(2)], 10)
    line = [film, "--box", "5,5,40,30", "--model", weights, "-o", tmp_path / "out", *STRETCH]
    assert run("track", *line) == 2
    assert "--stretch, got the video" in capsys.readouterr().err


def test_serve(twins: tuple[Path, Path]) -> None:
    folder = twins[0] / "images"
    with running(opened(folder)) as client:
        assert client.get(f"{API}/images/1/pixels").status_code == 422
    with running(opened(folder, channels=Channels(stretch=(0, 100)))) as client:
        answer = client.get(f"{API}/images/1/pixels")
        assert np.array_equal(read_image(answer.content), as_rgb(values(0), None, (0, 100)))
        known = {"if-none-match": answer.headers["etag"]}
        assert client.get(f"{API}/images/1/pixels", headers=known).status_code == 304
    with running(opened(folder, channels=Channels(stretch=(10, 90)))) as client:
        assert client.get(f"{API}/images/1/pixels", headers=known).status_code == 200


def test_labels_of_a_labelling_tool(tmp_path: Path) -> None:
    shapes = [{"label": "disc", "shape_type": "polygon", "points": [[10, 10], [30, 10], [30, 30]]}]
    size = {"imageHeight": 40, "imageWidth": 56}
    (tmp_path / "a.json").write_text(json.dumps({"shapes": shapes, "imagePath": "a.png", **size}))
    save(tmp_path / "a.png", values(0))
    pictures = open_dataset(tmp_path, stretch=(0, 100))
    assert np.array_equal(pictures[0].image, as_rgb(values(0), None, (0, 100)))
    assert pictures.stamp(0) != open_dataset(tmp_path).stamp(0)  # type: ignore[attr-defined]
