"""`samhq segment` writes what the API gives."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.cli.segmenting import Shown, drawn, files_in, mask_files, record, run
from tests.inference.test_segment import ROUGH, picture
from tests.text.tiny_detectors import coco_boxes, save_dino, save_owl

from samhq.checkpoint.save import save_model
from samhq.cli.main import main
from samhq.inference.segment import Segmenter
from samhq.model.sam import Sam
from samhq.results.prompt import Prompt
from samhq.text.grounding_dino import GroundingDino
from samhq.text.owl import Owl


@pytest.mark.parametrize(
    ("flags", "prompts"),
    [
        (["--point", "20,15"], [Prompt(points=[[20, 15]])]),
        (["--point", "20,15", "--point", "40,30,0"], [Prompt(points=[[20, 15], [40, 30]], labels=[1, 0])]),
        (["--box", "5,5,50,30"], [Prompt(box=[5, 5, 50, 30])]),
        (["--box", "5,5,50,30", "--point=20,15.5"], [Prompt(points=[[20, 15.5]], box=[5, 5, 50, 30])]),
        (["--box", "5,5,50,30", "--box", "1,1,9,30"], [Prompt(box=[5, 5, 50, 30]), Prompt(box=[1, 1, 9, 30])]),
    ],
    ids=str,
)
def test_masks_are_those_of_the_api(
    weights: Path, cat: Path, tmp_path: Path, hq: Sam, capsys: Shown, flags: list[str], prompts: list[Prompt]
) -> None:
    out = tmp_path / "new" / "out"
    assert run(weights, out, cat, *flags) == 0
    expected = Segmenter(hq).segment(picture(), prompts=prompts)
    assert np.array_equal(mask_files(out), expected.masks)
    assert (out / "cat_overlay.jpg").is_file()
    assert [a["predicted_iou"] for a in record(out)["annotations"]] == pytest.approx(expected.scores.tolist(), abs=1e-5)
    line = capsys.readouterr().out
    assert line.startswith(f"{cat}: {len(prompts)} mask")
    assert line.count("\n") == 1


def test_candidates_hq_cutouts_and_no_overlay(weights: Path, cat: Path, tmp_path: Path) -> None:
    assert (
        run(weights, tmp_path / "a", cat, "--point", "20,15", "--multimask", "--hq", "off", "--cutout", "--no-overlay")
        == 0
    )
    names = {path.name for path in (tmp_path / "a").iterdir()}
    assert names == {"cat_mask_0_0.png", "cat_mask_0_1.png", "cat_mask_0_2.png", "cat_cutout_0.png", "cat.json"}
    assert run(weights, tmp_path / "b", cat, "--point", "20,15", "--no-multimask", "--dtype", "bfloat16") == 0
    assert len(record(tmp_path / "b")["annotations"]) == 1


def test_many_objects_in_one_pass_of_the_encoder(
    weights: Path, cat: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    encode = Sam.encode
    monkeypatch.setattr(Sam, "encode", lambda self, *args, **kwargs: calls.append(1) or encode(self, *args, **kwargs))
    boxes = [flag for x in range(20) for flag in ("--box", f"{x},2,{x + 20},30")]
    assert run(weights, tmp_path / "out", cat, *boxes) == 0
    assert len(calls) == 1
    assert len(list((tmp_path / "out").glob("cat_mask_*.png"))) == 20


def test_a_mask_of_an_earlier_result_as_picture_or_record(weights: Path, cat: Path, tmp_path: Path, hq: Sam) -> None:
    assert run(weights, tmp_path / "first", cat, "--point", "20,15") == 0
    first = mask_files(tmp_path / "first")[0]
    expected = Segmenter(hq).segment(picture(), points=[[20, 15]], mask=first).masks
    for i, previous in enumerate(("cat_mask_0.png", "cat.json")):
        assert run(weights, tmp_path / f"{i}", cat, "--point", "20,15", "--mask", tmp_path / "first" / previous) == 0
        assert np.array_equal(mask_files(tmp_path / f"{i}"), expected)


def test_a_mask_alone_and_logits(weights: Path, cat: Path, tmp_path: Path, hq: Sam) -> None:
    logits = Segmenter(hq).segment(picture(), points=[[20, 15]]).low_res_logits[0, 0]
    for name, array in (("rough", ROUGH), ("logits", logits)):
        np.save(tmp_path / f"{name}.npy", array)
        assert run(weights, tmp_path / name, cat, "--mask", tmp_path / f"{name}.npy") == 0
        assert np.array_equal(mask_files(tmp_path / name), Segmenter(hq).segment(picture(), mask=array).masks)


def test_a_prompts_file_and_its_record_give_the_same(weights: Path, cat: Path, tmp_path: Path) -> None:
    Image.fromarray(ROUGH).save(tmp_path / "rough.png")
    objects = [
        {"points": [[20, 15]]},
        {"box": [5, 5, 50, 30], "points": [[9, 9]], "labels": [0]},
        {"mask": "rough.png"},
    ]
    (tmp_path / "prompts.json").write_text(json.dumps({"objects": objects}))
    assert run(weights, tmp_path / "a", cat, "--prompts", tmp_path / "prompts.json") == 0
    assert run(weights, tmp_path / "b", cat, "--prompts", tmp_path / "a" / "cat.json") == 0
    assert len(mask_files(tmp_path / "a")) == 3
    assert np.array_equal(mask_files(tmp_path / "a"), mask_files(tmp_path / "b"))


def test_prompts_by_picture(weights: Path, tmp_path: Path, capsys: Shown) -> None:
    for name in ("a", "b", "c"):
        drawn(tmp_path / "in" / f"{name}.png")
    (tmp_path / "p.json").write_text(
        json.dumps({"a.png": [{"box": [5, 5, 50, 30]}], "b.png": [{"box": [1, 1, 9, 9]}] * 2})
    )
    assert run(weights, tmp_path / "out", tmp_path / "in", "--prompts", tmp_path / "p.json") == 1
    assert len(record(tmp_path / "out", "a")["annotations"]) == 1
    assert len(record(tmp_path / "out", "b")["annotations"]) == 2
    assert "c.png" in record(tmp_path / "out", "c")["error"]
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_a_picture_in_which_a_detector_found_nothing_gets_a_record(
    weights: Path, tmp_path: Path, capsys: Shown
) -> None:
    pictures = [drawn(tmp_path / name) for name in ("cat.png", "dog.png")]
    (tmp_path / "p.json").write_text(json.dumps({"cat.png": [], "dog.png": [{"box": [5, 5, 50, 30]}]}))
    assert run(weights, tmp_path / "out", *pictures, "--prompts", tmp_path / "p.json") == 0
    assert [len(record(tmp_path / "out", name)["annotations"]) for name in ("cat", "dog")] == [0, 1]
    assert "cat.png: 0 masks, since no objects were asked for" in capsys.readouterr().out
    # The record is a prompts file again.
    assert run(weights, tmp_path / "again", pictures[0], "--prompts", tmp_path / "out" / "cat.json") == 0


def test_embeddings_are_used_and_added(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Shown
) -> None:
    pictures = [drawn(tmp_path / "in" / f"{i}.png", 40 + i, 60) for i in range(2)]
    assert run(weights, tmp_path / "without", *pictures, "--point", "20,15") == 0
    calls = []
    encode = Sam.encode
    monkeypatch.setattr(Sam, "encode", lambda self, *args, **kwargs: calls.append(1) or encode(self, *args, **kwargs))
    model = ["--model", str(weights), "--device", "cpu"]
    assert main(["embed", str(pictures[0]), "--output", str(tmp_path / "e"), *model]) == 0
    assert len(calls) == 1
    for encoded in (2, 2):
        asked = ("--point", "20,15", "--embeddings", tmp_path / "e")
        assert run(weights, tmp_path / "with", *pictures, *asked) == 0
        assert len(calls) == encoded
    assert files_in(tmp_path / "with") == files_in(tmp_path / "without")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ([], "got none of them"),
        (["--point", "1"], "--point 450,600"),
        (["--point", "1,2,3"], "label 1"),
        (["--point", "a,b"], "--point 450,600"),
        (["--point", "nan,1"], "--point 450,600"),
        (["--box", "5,5,1,1"], "x0 < x1"),
        (["--box", "1,2,3"], "--box 10,20,300,400"),
        (["--point", "5,5", "--box", "1,1,9,9", "--box", "2,2,9,9"], "--prompts"),
        (["--mask", "in/cat.png", "--box", "1,1,9,9", "--box", "2,2,9,9"], "--prompts"),
        (["--point", "5,5", "--prompts", "p.json"], "got both"),
        (["--prompts", "p.json"], "p.json"),
        (["--mask", "m.png"], "m.png"),
        (["--point", "500,5"], "500"),
        (["--point=-5,5"], "-5"),
        (["--box", "70,5,90,20"], "share some of the picture"),
        (["--point", "5,5", "--model", "sam_hq_vitb"], "sam_hq_vit_b"),
        (["--point", "5,5", "--device", "gpu"], "device"),
        (["--point", "5,5", "--model", "in/cat.png"], "cat.png"),
    ],
    ids=str,
)
def test_wrong_use_is_a_sentence(
    weights: Path,
    cat: Path,
    tmp_path: Path,
    capsys: Shown,
    monkeypatch: pytest.MonkeyPatch,
    flags: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    model = [] if "--model" in flags else ["--model", str(weights)]
    device = [] if "--device" in flags else ["--device", "cpu"]
    assert main(["segment", str(cat), *flags, *model, *device, "-o", "out"]) == 2
    shown = capsys.readouterr()
    assert said in shown.err
    assert shown.err.count("\n") == 1
    assert not list(Path("out").glob("*"))


def test_a_box_mostly_outside_is_a_warning_of_one_line_for_each_picture(
    weights: Path, tmp_path: Path, capsys: Shown
) -> None:
    cats = [drawn(tmp_path / "in" / f"{name}.png") for name in "ab"]
    prompts = tmp_path / "p.json"
    prompts.write_text(json.dumps({"a": [{"box": [-90, -90, 20, 20]}] * 2, "b": [{"box": [5, 5, 50, 30]}]}))
    assert run(weights, tmp_path / "out", *cats, "--prompts", prompts, "--quiet") == 0
    shown = capsys.readouterr().err
    assert shown.startswith(
        f"samhq: warning: {cats[0]}: Expected boxes inside the picture, 60 wide and 40 high, got (-90,"
    )
    assert shown.count("\n") == 1
    assert record(tmp_path / "out", "a")["prompts"][0]["box"] == [0, 0, 20, 20]


def test_prompts_of_a_wrong_form_are_named_by_file_picture_and_object(
    weights: Path, cat: Path, tmp_path: Path, capsys: Shown
) -> None:
    prompts = tmp_path / "p.json"
    prompts.write_text(json.dumps({"cat.png": [{"box": [5, 5, 50, 30]}, {"box": [1, 2, 3]}]}))
    assert run(weights, tmp_path / "out", cat, "--prompts", prompts) == 2
    said = (
        f"samhq: {prompts}: cat.png: Object 1 (of 0 to 1): Expected a box of 4 numbers x0, y0, x1, y1, got 3 numbers."
    )
    assert capsys.readouterr().err.startswith(said)


def test_one_unreadable_picture_is_wrong_use(weights: Path, tmp_path: Path, capsys: Shown) -> None:
    (tmp_path / "cat.png").write_bytes(b"no picture")
    for name in ("cat.png", "missing.png"):
        assert run(weights, tmp_path / "out", tmp_path / name, "--point", "20,15") == 2
        assert name in capsys.readouterr().err
    assert not list((tmp_path / "out").iterdir())


def test_an_hq_mask_of_a_plain_model_is_wrong_use(tmp_path: Path, cat: Path, plain: Sam, capsys: Shown) -> None:
    save_model(plain, tmp_path / "plain.pth")
    assert run(tmp_path / "plain.pth", tmp_path / "out", cat, cat.parent, "--point", "20,15", "--hq", "only") == 2
    assert "plain SAM" in capsys.readouterr().err


def test_a_file_in_place_of_the_output_folder_is_wrong_use(weights: Path, cat: Path, capsys: Shown) -> None:
    assert run(weights, cat, cat, "--point", "20,15") == 2
    assert run(weights, cat / "deeper", cat, "--point", "20,15") == 2
    assert "Expected a folder for the results" in capsys.readouterr().err


def test_results_never_take_the_place_of_inputs(weights: Path, cat: Path, capsys: Shown) -> None:
    folder = cat.parent
    assert run(weights, folder, folder, "--point", "20,15") == 0, "beside its picture is a fine place for a result"
    before = {path: path.read_bytes() for path in folder.iterdir()}
    assert run(weights, folder, folder, "--point", "30,15") == 2
    assert run(weights, folder, cat, "--prompts", folder / "cat.json") == 2
    assert run(weights, folder, cat, "--mask", folder / "cat_mask_0.png") == 2
    assert capsys.readouterr().err.count("another folder as --output") == 3
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_file_names_that_are_no_text(weights: Path, tmp_path: Path, capsys: Shown) -> None:
    odd = drawn(tmp_path / "caf\udce9.png")
    assert run(weights, tmp_path / "out", odd, "--point", "20,15") == 0
    assert record(tmp_path / "out", "caf\udce9")["image"]["file_name"] == str(odd)


def boxes(folder: Path) -> Path:
    rows = {"cat.png": [("ear", [5, 5, 45, 25], 0.75), ("tail", [10, 8, 30, 20], 0.5)], "dog.png": []}
    return coco_boxes(folder / "boxes.json", rows)


def test_class_names_give_masks_with_labels(weights: Path, cat: Path, hq: Sam, tmp_path: Path, capsys: Shown) -> None:
    drawn(cat.parent / "dog.png")
    out = tmp_path / "out"
    assert run(weights, out, cat.parent, "--text", "Ear, tail", "--detector", boxes(tmp_path)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "2 masks, score " in lines[0]
    assert re.search(r"; found in \d+\.\d\d s, segmented in \d+\.\d\d s, ", lines[0])
    assert "dog.png: nothing found; found in" in lines[1]
    expected = Segmenter(hq).segment(cat, boxes=[[5, 5, 50, 30], [10, 8, 40, 28]], multimask=False)
    assert np.array_equal(mask_files(out, "cat_mask_*"), expected.masks)
    annotations = record(out)["annotations"]
    assert [(one["label"], one["score"]) for one in annotations] == [("Ear", 0.75), ("tail", 0.5)]
    assert [one["predicted_iou"] for one in annotations] == pytest.approx(expected.scores.tolist(), abs=1e-5)
    assert record(out, "dog")["annotations"] == []
    assert main(["write", str(out), "--format", "coco", "-o", str(tmp_path / "set")]) == 0
    coco = json.loads((tmp_path / "set" / "coco.json").read_text())
    assert ([one["name"] for one in coco["categories"]], len(coco["images"])) == (["Ear", "tail"], 2)


def test_a_file_of_boxes_alone_gives_all_its_objects(weights: Path, cat: Path, tmp_path: Path, capsys: Shown) -> None:
    assert run(weights, tmp_path / "out", cat, "--detector", boxes(tmp_path)) == 0
    assert [one["label"] for one in record(tmp_path / "out")["annotations"]] == ["ear", "tail"]
    assert run(weights, tmp_path / "out", cat, "--detector", boxes(tmp_path), "--text", "ears") == 2
    assert "Did you mean 'ear'?" in capsys.readouterr().err
    assert run(weights, tmp_path / "out", cat, "--detector", boxes(tmp_path), "--max-detections", "1") == 0
    assert "--max-detections 2" in capsys.readouterr().err


def test_a_search_is_resumed(weights: Path, cat: Path, tmp_path: Path, capsys: Shown) -> None:
    drawn(cat.parent / "dog.png")
    flags = ["--text", "ear", "--detector", boxes(tmp_path)]
    assert run(weights, tmp_path / "out", cat.parent, *flags) == 0
    assert run(weights, tmp_path / "out", cat.parent, *flags, "--resume") == 0
    assert "2 finished before" in capsys.readouterr().err
    assert run(weights, tmp_path / "out", cat.parent, *flags, "--threshold", "ear=0.8", "--resume") == 0
    captured = capsys.readouterr()
    assert "2 done" in captured.err
    assert "nothing found (closest: ear 0.75 < 0.8)" in captured.out
    assert not list((tmp_path / "out").glob("cat_mask_*")), "the masks of the earlier search are gone"


def test_what_does_not_go_with_class_names(weights: Path, cat: Path, tmp_path: Path, capsys: Shown) -> None:
    given = ["--text", "ear", "--detector", boxes(tmp_path)]
    for flags in ([*given, "--box", "1,1,9,9"], [*given, "--multimask"], ["--nms", "0.5", "--box", "1,1,9,9"]):
        assert run(weights, tmp_path / "out", cat, *flags) == 2
        assert "--text" in capsys.readouterr().err


def test_a_label_in_a_prompts_file_comes_out(weights: Path, cat: Path, tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text(json.dumps([{"box": [5, 5, 50, 30], "label": "ear"}]))
    assert run(weights, tmp_path / "out", cat, "--prompts", tmp_path / "p.json") == 0
    assert [one["label"] for one in record(tmp_path / "out")["annotations"]] == ["ear"]
    (tmp_path / "q.json").write_text(json.dumps([{"box": [5, 5, 50, 30], "label": "tail"}]))
    assert run(weights, tmp_path / "out", cat, "--prompts", tmp_path / "q.json", "--resume") == 0
    assert [one["label"] for one in record(tmp_path / "out")["annotations"]] == ["tail"], "another label is another job"


def test_with_kept_embeddings_detections_are_kept_too(
    weights: Path, cat: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    detector = save_dino(tmp_path / "detector")
    flags = ["--text", "a cat", "--detector", detector, "--embeddings", tmp_path / "kept", "--nms", "1"]
    assert run(weights, tmp_path / "first", cat, *flags, "--threshold", "0") == 0
    monkeypatch.setattr(GroundingDino, "detect", lambda *_: pytest.fail("it was searched again"))
    assert run(weights, tmp_path / "again", cat, *flags, "--threshold", "0.5") == 0
    first, again = record(tmp_path / "first")["annotations"], record(tmp_path / "again")["annotations"]
    assert [one["score"] for one in again] == [one["score"] for one in first if one["score"] >= 0.5]


def test_an_example_gives_masks_and_its_detections_are_kept(
    weights: Path, cat: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Shown
) -> None:
    detector = save_owl(tmp_path / "owl")
    flags = ["--like", "5,5,40,30", "--like-name", "ear", "--detector", detector, "--embeddings", tmp_path / "kept"]
    assert run(weights, tmp_path / "first", cat, *flags, "--threshold", "0") == 0
    first = record(tmp_path / "first")["annotations"]
    assert first
    assert {one["label"] for one in first} == {"ear"}
    monkeypatch.setattr(Owl, "detect_like", lambda *_: pytest.fail("it was searched again"))
    assert run(weights, tmp_path / "again", cat, *flags, "--threshold", "0", "--max-detections", "1") == 0
    assert record(tmp_path / "again")["annotations"][0]["score"] == first[0]["score"]
    assert run(weights, tmp_path / "out", cat, "--like", "5,5,40,30", "--point", "1,1") == 2
    assert "--like or a --detector of boxes alone" in capsys.readouterr().err


@pytest.mark.parametrize("relative", [False, True])
def test_separate_runs_on_pictures_of_one_name_keep_both_results(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Shown, relative: bool
) -> None:
    one, other, out = drawn(tmp_path / "a" / "cat.png"), drawn(tmp_path / "b" / "cat.png", 50, 40), tmp_path / "out"
    paths = []
    for path in (one, other):
        if relative:
            monkeypatch.chdir(path.parent)
        paths.append(Path(path.name) if relative else path)
        assert run(weights, out, paths[-1], "--point", "20,15") == 0
    assert "cat_2" in capsys.readouterr().err
    assert [record(out, name)["image"]["height"] for name in ("cat", "cat_2")] == [40, 50]
    first = {name: data for name, data in files_in(out).items() if not name.startswith("cat_2")}
    assert run(weights, out, paths[1], "--box", "1,1,9,9") == 0
    assert {name: data for name, data in files_in(out).items() if not name.startswith("cat_2")} == first
    assert not list(out.glob("cat_3*")), "the same picture again replaces its own results"


def test_a_job_over_names_that_are_taken_is_resumed(weights: Path, tmp_path: Path, capsys: Shown) -> None:
    out, flags = tmp_path / "out", ("--point", "20,15")
    for folder in ("a", "b"):
        for name in ("cat", "dog"):
            drawn(tmp_path / folder / f"{name}.png")
        assert run(weights, out, tmp_path / folder, *flags) == 0
    before = files_in(out)
    assert {"cat.json", "cat_2.json", "dog_2_mask_0.png"} <= before.keys()
    assert "the new results are called cat_2, dog_2" in capsys.readouterr().err
    assert run(weights, out, tmp_path / "b", *flags, "--resume", "--quiet") == 0
    assert "called" not in capsys.readouterr().err
    assert files_in(out) == before


def test_a_json_file_of_somebody_else_stays(weights: Path, cat: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "cat.json").write_text('{"shapes": [], "imagePath": "cat.png"}')
    assert run(weights, out, cat, "--point", "20,15") == 0
    assert record(out) == {"shapes": [], "imagePath": "cat.png"}
    assert record(out, "cat_2")["image"]["file_name"] == str(cat)
