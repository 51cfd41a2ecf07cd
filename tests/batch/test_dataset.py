"""The rows of a job in other tools' formats: the same masks, wherever pictures and files are."""

from __future__ import annotations

import json
import tarfile
import uuid
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from samhq.batch.dataset import ExportTally, export_job, picture_of_row
from samhq.batch.places import Folder
from samhq.batch.plan import ShardedJob, plan_job
from samhq.batch.rows import read_rows
from samhq.batch.sharded import run_sharded
from samhq.errors import ConfigError
from samhq.masks import rle
from samhq.results.sa1b import read_sa1b
from tests.batch.sharding import planned, question


@pytest.fixture
def job(tmp_path: Path) -> ShardedJob:
    job = planned(tmp_path)
    run_sharded(job.folder.address)
    return job


def rows_by_id(job: ShardedJob) -> dict[str, dict]:
    return {row["id"]: row for row in read_rows(job.folder.address)}


def test_every_picture_that_did_not_fail_is_written(job: ShardedJob, tmp_path: Path) -> None:
    out = tmp_path / "out"
    tally = export_job(job.folder.address, ["coco", "sa1b", "labelmap", "yolo"], str(out))
    assert tally == ExportTally(pictures=5, masks=5, failed=2)
    coco = json.loads((out / "coco.json").read_text())
    assert [image["file_name"] for image in coco["images"]] == [f"deep/p{number}.png" for number in range(5)]
    rows = rows_by_id(job)
    for image, one in zip(coco["images"], coco["annotations"], strict=True):
        row = rows[image["file_name"]]
        assert (image["height"], image["width"]) == (row["height"], row["width"])
        mask = rle.decode({"size": [row["height"], row["width"]], "counts": row["instances"][0]["counts"]})
        np.testing.assert_array_equal(rle.decode(one["segmentation"]), mask)
        stem = Path(image["file_name"]).stem
        np.testing.assert_array_equal(np.asarray(Image.open(out / f"{stem}_labels.png")), mask)
        assert read_sa1b(out / "sa1b" / f"{stem}.json").annotations[0].score == pytest.approx(one["score"])
        copied = (out / "yolo" / "images" / f"{stem}.png").read_bytes()
        assert copied == (tmp_path / "in" / image["file_name"]).read_bytes()


def test_labels_and_scores_of_rows(job: ShardedJob) -> None:
    row = rows_by_id(job)["deep/p0.png"]
    (instance,) = row["instances"]
    picture = picture_of_row(row | {"instances": [instance, instance | {"label": "cup", "score": 0.75}]}, "stem")
    assert [(one.label, one.confidence) for one in picture.annotations] == [("object", instance["iou"]), ("cup", 0.75)]
    assert (picture.stem, picture.file_name) == ("stem", "deep/p0.png")


def test_from_a_store_into_a_store(job: ShardedJob, tmp_path: Path) -> None:
    store = f"memory://{uuid.uuid4().hex}"
    for path in (tmp_path / "in").rglob("*.png"):
        Folder(f"{store}/in").write(path.relative_to(tmp_path / "in").as_posix(), path.read_bytes())
    plan_job(f"{store}/in", f"{store}/job", question(tmp_path))
    run_sharded(f"{store}/job")
    for address, output in ((job.folder.address, str(tmp_path / "out")), (f"{store}/job", f"{store}/out")):
        assert export_job(address, ["webdataset", "cutouts"], output).pictures == 5
    content = Folder(f"{store}/out").read("webdataset/samples-000000.tar")
    assert content == (tmp_path / "out" / "webdataset" / "samples-000000.tar").read_bytes()
    with tarfile.open(tmp_path / "out" / "webdataset" / "samples-000000.tar") as tar:
        assert tar.getnames() == [f"p{number}.{kind}" for number in range(5) for kind in ("png", "json")]
    cutouts = sorted(path.name for path in (tmp_path / "out").glob("*_cutout_0.png"))
    assert cutouts
    assert [name for name in Folder(store).names("out") if name.endswith(".png")] == cutouts


def test_a_job_that_is_not_finished_is_refused(tmp_path: Path) -> None:
    job = planned(tmp_path)
    run_sharded(job.folder.address, part=(0, 2))
    with pytest.raises(ConfigError, match="2 of 4 shards to do"):
        export_job(job.folder.address, "coco", str(tmp_path / "out"))
    assert not (tmp_path / "out" / "coco.json").exists()
    assert export_job(job.folder.address, "coco", str(tmp_path / "out"), allow_partial=True).failed == 1


def test_pictures_of_one_name_in_two_folders(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / "in" / folder).mkdir(parents=True)
        Image.new("RGB", (50, 40)).save(tmp_path / "in" / folder / "cat.png")
    job = planned(tmp_path)
    run_sharded(job.folder.address)
    export_job(job.folder.address, "labelme", str(tmp_path / "out"))
    assert sorted(path.stem for path in (tmp_path / "out" / "labelme").iterdir()) == ["a_cat_png", "b_cat_png"]
