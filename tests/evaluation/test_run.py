from __future__ import annotations

import csv
import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests import tiny
from tests.datasets.layouts import annotation, coco, disc, grey, pair, photo, save

from samhq.config import ClickMask, Defaults
from samhq.datasets.coco import open_coco_pictures
from samhq.datasets.sample import Sample, labelled
from samhq.errors import ConfigError, ImageError
from samhq.evaluation.metrics import boundary_iou, iou
from samhq.evaluation.prompt_kinds import draw_points, object_rng
from samhq.evaluation.run import evaluate, make_plan
from samhq.image.boxes import boxes_from_masks
from samhq.inference.segment import Segmenter
from samhq.model.sam import Sam
from samhq.results.prompt import Prompt


class Memory:
    """Pictures in memory, which count how often each is read."""

    def __init__(self, *samples: Sample) -> None:
        self.name, self.samples, self.read = "memory", samples, [0] * len(samples)

    def __len__(self) -> int:
        return len(self.samples)

    def names(self) -> list[str]:
        return [sample.name for sample in self.samples]

    def __getitem__(self, index: int) -> Sample:
        self.read[index] += 1
        return self.samples[index]


def several(count: int, name: str = "many") -> Sample:
    masks = np.zeros((count, 40, 56), bool)
    for k in range(count):
        masks[k, k : k + 5, 2 * k : 2 * k + 9] = True
    return labelled(name, photo(), masks)


@pytest.fixture
def data() -> Memory:
    return Memory(several(3, "a"), several(20, "b"), labelled("none", photo(), np.zeros((0, 40, 56), bool)))


@pytest.mark.parametrize("click_mask", [None, "best", "single"])
def test_a_single_click_gets_the_mask_that_a_user_gets(data: Memory, click_mask: ClickMask | None) -> None:
    sam = tiny.model(tiny.HQ)
    sam.config = sam.config.replace(defaults=Defaults(click_mask=click_mask))
    segmenter, sample = Segmenter(sam.eval()), data.samples[0]
    row = evaluate(sam, data, prompts="1p").rows[0]
    point, _ = draw_points(sample.masks[0], 1, 0, object_rng(0, sample.name, sample.ids[0]))
    mask = segmenter.segment(sample.image, points=point.tolist()).masks[0]
    assert row.iou == float(iou(torch.from_numpy(mask), torch.from_numpy(sample.masks[0])))


def test_the_other_mask_of_a_click_can_be_asked_for(data: Memory) -> None:
    sam, rows = tiny.model(tiny.HQ), {}
    for choice in ("best", "single"):
        sam.config = sam.config.replace(defaults=Defaults(click_mask=choice))
        rows[choice] = evaluate(sam, data, prompts="1p,clicks").rows
    assert rows["best"] != rows["single"]
    for choice, own in rows.items():
        assert evaluate(sam, data, prompts="1p,clicks", click_mask=choice).rows == own
    with pytest.raises(ConfigError, match="published"):
        evaluate(sam, data, prompts="1p", protocol="published", click_mask="best")


def test_rows_are_the_scores_of_the_masks_that_a_user_gets(hq: Sam, data: Memory) -> None:
    result = evaluate(hq, data, prompts="box", hq=["add", "off"])
    assert len(result.rows) == 2 * 23
    segmenter = Segmenter(hq)
    for sample in data.samples[:2]:
        true = torch.from_numpy(sample.masks)
        boxes = boxes_from_masks(sample.masks)
        for mode in ("add", "off"):
            found = segmenter.segment(sample.image, prompts=[Prompt(box=box) for box in boxes], hq=mode)
            rows = [row for row in result.rows if (row.picture, row.hq) == (sample.name, mode)]
            masks = torch.from_numpy(found.masks)
            assert [row.object for row in rows] == list(sample.ids)
            assert [row.area for row in rows] == true.sum((1, 2)).tolist()
            assert [row.iou for row in rows] == iou(masks, true).tolist()
            assert [row.boundary_iou for row in rows] == boundary_iou(masks, true).tolist()
            assert np.allclose([row.predicted_iou for row in rows], found.scores, atol=1e-5)


def test_means_are_over_objects(hq: Sam, data: Memory) -> None:
    result = evaluate(Segmenter(hq), data, prompts="box,2p")
    box = [row for row in result.rows if row.prompt == "box"]
    summary = result.summary("box")
    assert (summary.hq, summary.all.count, result.pictures) == ("add", 23, 3)
    assert summary.all.iou == pytest.approx(np.mean([row.iou for row in box]))
    assert {size: means.count for size, means in summary.sizes.items()} == {"small": 23, "medium": 0, "large": 0}
    with pytest.raises(KeyError):
        result.summary("1p")


def test_defaults_of_protocols(hq: Sam, plain: Sam, data: Memory) -> None:
    assert {row.hq for row in evaluate(hq, data, protocol="published", limit=1).rows} == {"only"}
    assert {row.hq for row in evaluate(plain, data, protocol="published", limit=1).rows} == {"off"}
    assert {row.hq for row in evaluate(plain, data, limit=1).rows} == {"off"}


def test_a_tiny_object_scores_as_others_and_what_vanishes_scores_nothing(hq: Sam) -> None:
    masks = np.zeros((2, 40, 4000), bool)
    masks[0, 20, 77], masks[1, 10:30, 1000:3000] = True, True
    wide = Memory(labelled("wide", photo(40, 4000), masks))
    exact = evaluate(hq, wide, prompts="box,1p,5p")
    assert len(exact.rows) == 6
    published = evaluate(hq, wide, prompts="box", protocol="published").rows
    assert (published[0].iou, published[0].predicted_iou) == (0, 0)
    assert published[1].predicted_iou != 0


def test_left_out_are_crowds_and_the_empty(hq: Sam, tmp_path: Path) -> None:
    mask, none = disc(), disc() & False
    records = [annotation(1, 1, mask), annotation(2, 1, mask, iscrowd=1), annotation(3, 1, none, 2)]
    path = coco(tmp_path / "d.json", {"a.png": (40, 56), "b.png": (40, 56)}, records)
    result = evaluate(hq, path)
    assert [(row.object, row.category) for row in result.rows] == [(1, "disc")]
    assert (result.pictures, result.empty, result.crowds) == (2, 1, 1)
    assert "left out: 1 without pixels, 1 crowd" in result.table()
    assert evaluate(hq, open_coco_pictures(path)).rows == result.rows


def test_the_network_is_left_as_it_was(data: Memory) -> None:
    sam = tiny.model(tiny.LIGHT).train()
    before = {key: value.clone() for key, value in sam.state_dict().items()}
    evaluate(sam, data, limit=1)
    assert sam.training
    assert all(torch.equal(value, before[key]) for key, value in sam.state_dict().items())
    evaluate(sam.eval(), data, limit=1)
    assert not sam.training


def test_points_do_not_depend_on_what_else_is_measured(hq: Sam) -> None:
    first, second = several(2, "a"), several(3, "b")
    alone = evaluate(hq, Memory(first, second), prompts="3p")
    among = evaluate(hq, Memory(second, first), prompts=["box", "3p", "5p+5n"])
    rows = {(row.picture, row.object): row for row in among.rows if row.prompt == "3p"}
    assert rows == {(row.picture, row.object): row for row in alone.rows}
    assert evaluate(hq, Memory(first, second), prompts="3p", seed=1).rows != alone.rows


def test_clicks(hq: Sam) -> None:
    result = evaluate(hq, Memory(several(2)), prompts="clicks")
    assert [len(row.clicks) for row in result.rows] == [20, 20]
    assert all(row.clicks[-1] == pytest.approx(row.iou) for row in result.rows)
    first = evaluate(hq, Memory(several(2)), prompts="clicks", hq="off").rows[0].clicks[0]
    # The first click is in the middle of the object, and asks for the best of three.
    found = Segmenter(hq).segment(photo(), points=[[2, 2]], hq="off")
    assert first == pytest.approx(iou(torch.from_numpy(found.masks[0]), torch.from_numpy(several(2).masks[0])).item())
    summary = result.summary("clicks")
    assert set(summary.noc) == {"85", "90"}
    assert len(summary.curve) == 20
    assert "NoC@85" in result.table()


def test_clicks_beside_a_word_for_several_kinds(hq: Sam) -> None:
    plan = make_plan(hq, "curve,clicks", "exact", None, 0)
    assert len(plan.kinds) == 6
    assert plan.clicks


def measured_again(hq: Sam, source: Path, output: Path, **options: Any) -> list[str]:
    """The names of the pictures that a resumed run measures."""
    before = len((output / "rows.jsonl").read_text().splitlines())
    evaluate(hq, source, output=output, resume=True, **options)
    lines = (output / "rows.jsonl").read_text().splitlines()[before:]
    return [json.loads(line)["picture"] for line in lines]


def test_what_changed_since_is_measured_again(hq: Sam, tmp_path: Path) -> None:
    data, out = tmp_path / "data", tmp_path / "out"
    for name in ("a", "b", "c"):
        pair(data / "images", data / "masks", name, disc())
    evaluate(hq, data, output=out)
    assert measured_again(hq, data, out) == []
    save(data / "images" / "b.jpg", photo(seed=3))
    assert measured_again(hq, data, out) == ["b"]
    save(data / "masks" / "c.png", grey(disc(radius=5)))
    assert measured_again(hq, data, out, limit=3) == ["c"]
    assert measured_again(hq, data, out) == []
    assert evaluate(hq, data, output=out, resume=True) == evaluate(hq, data)
    (data / "images" / "a.jpg").unlink()
    save(data / "images" / "a.png", photo(seed=4))
    assert measured_again(hq, data, out) == ["a"]


def test_a_changed_annotation_is_measured_again(hq: Sam, tmp_path: Path) -> None:
    sizes = {"a.png": (40, 56), "b.png": (40, 56)}
    objects = [annotation(1, 1, disc()), annotation(2, 2, disc())]
    file, out = coco(tmp_path / "data" / "val.json", sizes, objects), tmp_path / "out"
    evaluate(hq, file, output=out)
    times = {path: path.stat().st_mtime_ns for path in file.parent.rglob("*.png")}
    coco(file, sizes, [objects[0], annotation(2, 2, disc(radius=4))])
    for path, time in times.items():
        os.utime(path, ns=(time, time))
    assert measured_again(hq, file, out) == ["b"]
    assert {row.area for row in evaluate(hq, file, output=out, resume=True).rows} == {
        int(disc().sum()), int(disc(radius=4).sum())
    }  # fmt: skip


def test_a_stopped_run_goes_on(hq: Sam, data: Memory, tmp_path: Path) -> None:
    whole = evaluate(hq, data, prompts="box,1p", output=tmp_path)
    lines = (tmp_path / "rows.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "rows.jsonl").write_text("".join(lines[:2]) + lines[2][:50])
    data.read = [0, 0, 0]
    again = evaluate(hq, data, prompts="box,1p", output=tmp_path, resume=True)
    assert again == whole
    assert data.read == [0, 1, 1]
    assert (tmp_path / "rows.jsonl").read_text() == "".join(lines)
    with pytest.raises(ConfigError, match="another prompts"):
        evaluate(hq, data, prompts="box", output=tmp_path, resume=True)
    with pytest.raises(ConfigError, match="another weights"):
        evaluate(tiny.model(tiny.HQ, salt=1), data, prompts="box,1p", output=tmp_path, resume=True)
    assert (tmp_path / "rows.jsonl").read_text() == "".join(lines), "refused runs change nothing"
    (tmp_path / "rows.jsonl").write_text("something else\n")
    with pytest.raises(ConfigError, match="as JSON"):
        evaluate(hq, data, prompts="box,1p", output=tmp_path, resume=True)


def test_rows_of_an_earlier_run_are_not_lost_by_mistake(hq: Sam, data: Memory, tmp_path: Path) -> None:
    whole = evaluate(hq, data, output=tmp_path)
    rows = (tmp_path / "rows.jsonl").read_text()
    with pytest.raises(ConfigError, match="resume=True"):
        evaluate(hq, data, prompts="1p", output=tmp_path)
    assert (tmp_path / "rows.jsonl").read_text() == rows
    (tmp_path / "rows.jsonl").write_text(rows.splitlines(keepends=True)[0])  # stopped before its first picture
    assert evaluate(hq, data, output=tmp_path) == whole


def test_the_files(hq: Sam, data: Memory, tmp_path: Path) -> None:
    result = evaluate(hq, data, prompts="box,clicks", output=tmp_path, limit=1, name="mine")
    with (tmp_path / "objects.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [float(row["iou"]) for row in rows] == [row.iou for row in result.rows]
    assert {row["size"] for row in rows} == {"small"}
    assert rows[0]["clicks"] == ""
    assert len(rows[-1]["clicks"].split()) == 20
    (summary,) = json.loads((tmp_path / "summary.json").read_text())
    assert summary == json.loads(json.dumps(result.to_json()))
    assert (summary["model"], summary["summaries"][0]["all"]["count"]) == ("mine", 3)
    assert (tmp_path / "summary.md").read_text() == result.table()


def test_names_that_are_no_text_and_ids_below_0(hq: Sam, tmp_path: Path) -> None:
    whole = labelled(os.fsdecode(b"caf\xe9"), photo(), disc()[None])
    data = Memory(dataclasses.replace(whole, ids=(-1,)))
    data.name = os.fsdecode(b"\xe9")
    result = evaluate(hq, data, prompts="box,1p", output=tmp_path)
    with (tmp_path / "objects.csv").open(newline="", encoding="utf-8") as stream:
        assert [(row["picture"], row["object"]) for row in csv.DictReader(stream)] == [("caf\\udce9", "-1")] * 2
    assert evaluate(hq, data, prompts="box,1p", output=tmp_path, resume=True) == result


def test_a_broken_picture_is_named_and_nothing_is_lost(hq: Sam, tmp_path: Path) -> None:
    for stem in ("a", "b"):
        pair(tmp_path / "in", tmp_path / "in", stem, disc())
    (tmp_path / "in" / "b.jpg").write_bytes(b"no picture")
    with pytest.raises(ImageError, match=r"b\.jpg"):
        evaluate(hq, tmp_path / "in", output=tmp_path / "out")
    pair(tmp_path / "in", tmp_path / "in", "b", disc())
    assert len(evaluate(hq, tmp_path / "in", output=tmp_path / "out", resume=True).rows) == 2


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"prompts": "boxes"}, "Expected prompts"),
        ({"prompts": []}, "at least one kind"),
        ({"hq": []}, "at least one kind"),
        ({"hq": "ad"}, "Did you mean 'add'"),
        ({"protocol": "paper"}, "Expected a protocol"),
        ({"prompts": "clicks", "protocol": "published"}, "Leave clicks out"),
        ({"limit": 0}, "at least one picture"),
        ({"seed": -1}, "seed of 0 or more"),
        ({"images": Path()}, "images="),
    ],
)
def test_wrong_use(hq: Sam, data: Memory, asked: dict, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        evaluate(hq, data, **asked)


def test_an_hq_mask_of_a_plain_sam_and_nothing_to_measure(plain: Sam, data: Memory) -> None:
    with pytest.raises(ConfigError, match="plain SAM"):
        evaluate(plain, data, hq="only")
    with pytest.raises(ConfigError, match="found none"):
        evaluate(plain, Memory(data.samples[2]))
