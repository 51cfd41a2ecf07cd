"""What a result says of itself agrees with its masks."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco

from samhq.errors import ConfigError
from samhq.image.frame import Frame
from samhq.image.write import write_mask
from samhq.results.prompt import Prompt
from samhq.results.record_file import write_record
from samhq.results.segmentation import Segmentation

HEIGHT, WIDTH = 30, 50


def result(
    candidates: int = 1, prompts: tuple[Prompt, ...] = (Prompt(points=[[10, 12]]), Prompt(box=[1, 2, 30, 20]))
) -> Segmentation:
    """Two objects: a rectangle with a hole, and nothing at all, on a ramp of grey."""
    source = np.random.default_rng(0)
    masks = np.zeros((2, candidates, HEIGHT, WIDTH), bool)
    masks[0, :, 5:15, 20:41] = True
    masks[0, :, 8:10, 25:30] = False
    for k in range(1, candidates):
        masks[0, k, :k] = True
    return Segmentation(
        image=np.linspace(20, 220, HEIGHT * WIDTH * 3).reshape(HEIGHT, WIDTH, 3).astype(np.uint8),
        candidates=masks,
        candidate_scores=np.array([[0.9, 0.5, 0.1], [0.8, 0.4, 0.2]], np.float32)[:, :candidates],
        low_res_logits=source.normal(size=(2, candidates, 16, 16)).astype(np.float32),
        prompts=prompts,
        frame=Frame.fit((HEIGHT, WIDTH), 64),
        model="test",
    )


def test_the_best_candidate_stands_for_the_prompt() -> None:
    three = result(3)
    assert len(three) == 2
    assert np.array_equal(three.masks, three.candidates[:, 0])
    assert three.scores.tolist() == pytest.approx([0.9, 0.8])


def test_several_prompts_are_chosen_by_number_or_by_bool() -> None:
    three = result(3)
    for rows, chosen in (([1, 0], [1, 0]), (three.scores > 0.85, [0]), (slice(1, None), [1]), ([], [])):
        part = three[rows]
        assert np.array_equal(part.candidates, three.candidates[chosen])
        assert np.array_equal(part.low_res_logits, three.low_res_logits[chosen])
        assert part.scores.tolist() == three.scores[chosen].tolist()
        assert part.prompts == tuple(three.prompts[number] for number in chosen)
    assert np.shares_memory(three[1].candidates, three.candidates)
    with pytest.raises(TypeError, match=r"write result\.masks"):
        three["masks"]


def test_a_result_is_no_array_and_says_where_they_are() -> None:
    with pytest.raises(TypeError, match=r"Write result\.masks"):
        np.asarray(result())


def test_areas_and_boxes_are_those_of_the_masks() -> None:
    assert result().areas.tolist() == [10 * 21 - 2 * 5, 0]
    assert result().boxes.tolist() == [[20, 5, 40, 14], [0, 0, 0, 0]]


def test_annotations_decode_to_the_masks_with_pycocotools() -> None:
    three = result(3)
    annotations = three.annotations()
    assert [(a["prompt"], a["candidate"]) for a in annotations] == [(p, k) for p in range(2) for k in range(3)]
    for annotation in annotations:
        mask = three.candidates[annotation["prompt"], annotation["candidate"]]
        rle = annotation["segmentation"]
        assert isinstance(rle["counts"], str)
        assert np.array_equal(coco.decode(rle).astype(bool), mask)
        assert annotation["area"] == mask.sum() == coco.area(rle)
        assert annotation["bbox"] == coco.toBbox(rle).tolist()


def test_logits_have_the_pictures_size() -> None:
    one = result()
    assert one.logits.shape == (2, HEIGHT, WIDTH)
    assert one.logits.dtype == np.float32


def test_the_overlay_changes_the_object_and_without_prompts_nothing_else() -> None:
    one = result()
    drawn = one.overlay(prompts=False, alpha=0.5)
    assert drawn.dtype == np.uint8
    assert drawn.shape == one.image.shape
    changed = (drawn != one.image).any(axis=2)
    far = np.ones((HEIGHT, WIDTH), bool)
    far[2:18, 17:44] = False
    assert not changed[far].any()
    assert changed[one.masks[0]].mean() > 0.9


@pytest.mark.parametrize(
    "prompt", [Prompt(points=[[3, 25]]), Prompt(points=[3, 25]), Prompt(points=np.array([[3, 25]]), labels=[0])]
)
def test_points_are_drawn_where_they_are(prompt: Prompt) -> None:
    one = result(prompts=(prompt, Prompt(mask=np.zeros((HEIGHT, WIDTH), bool))))
    changed = (one.overlay() != one.overlay(prompts=False)).any(axis=2)
    assert changed[25, 3]
    assert not changed[:, 30:].any()


def test_a_cutout_keeps_the_object_and_clears_the_rest() -> None:
    one = result()
    whole, cropped = one.cutout(0, crop=False), one.cutout(0)
    assert np.array_equal(whole[..., 3] > 0, one.masks[0])
    assert np.array_equal(whole[..., :3][one.masks[0]], one.image[one.masks[0]])
    assert np.array_equal(cropped, whole[5:15, 20:41])


def test_the_cutout_of_nothing_is_transparent() -> None:
    nothing = result().cutout(1)
    assert nothing.shape[2] == 4
    assert not nothing[..., 3].any()


def test_polygons_enclose_the_area_of_the_mask() -> None:
    def area(ring: np.ndarray) -> float:
        x, y = ring.T
        return abs(float(x @ np.roll(y, 1) - y @ np.roll(x, 1))) / 2

    (outline,), nothing = result().polygons()
    assert area(outline.exterior) - sum(map(area, outline.holes)) == result().areas[0]
    assert nothing == []


def names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


def test_one_candidate_a_prompt(tmp_path: Path) -> None:
    written = result().save(tmp_path / "new", "cat")
    assert names(written) == ["cat_mask_0.png", "cat_mask_1.png", "cat_overlay.jpg", "cat.json"]
    assert sorted((tmp_path / "new").iterdir()) == sorted(written)


def test_several_candidates_a_prompt(tmp_path: Path) -> None:
    written = result(3).save(tmp_path, "cat", overlay=False, record=False)
    assert names(written) == [f"cat_mask_{p}_{k}.png" for p in range(2) for k in range(3)]


def test_only_what_is_asked_is_written(tmp_path: Path) -> None:
    written = result().save(tmp_path, "cat", masks=False, overlay=False, cutouts=True, record=False)
    assert names(written) == ["cat_cutout_0.png", "cat_cutout_1.png"]


def test_a_png_holds_its_mask(tmp_path: Path) -> None:
    three = result(3)
    flat = three.candidates.reshape(-1, *three.candidates.shape[2:])
    for path, mask in zip(three.save(tmp_path, overlay=False, record=False), flat, strict=True):
        with Image.open(path) as png:
            assert png.mode == "L"
            assert np.array_equal(np.asarray(png), np.where(mask, 255, 0))


def test_a_cutout_file_keeps_colours_and_alpha(tmp_path: Path) -> None:
    one = result()
    path = one.save(tmp_path, masks=False, overlay=False, cutouts=True, record=False)[0]
    with Image.open(path) as png:
        assert np.array_equal(np.asarray(png), one.cutout(0))


def test_the_overlay_is_near_to_what_the_result_shows(tmp_path: Path) -> None:
    one = result()
    path = one.save(tmp_path, masks=False, record=False)[0]
    with Image.open(path) as jpg:
        assert np.abs(np.asarray(jpg).astype(int) - one.overlay()).mean() < 8


def test_the_record_says_all_and_its_masks_decode(tmp_path: Path) -> None:
    rough = np.zeros((30, 50), bool)
    rough[3:9, 4:20] = True
    asked = (
        Prompt(points=np.array([[1.5, 2]]), labels=[0], mask=rough),
        Prompt(box=(1, 2, 3, 4), mask=np.zeros((16, 16), np.float32)),
    )
    three = result(3, asked)
    three.save(tmp_path, "cat", file_name="in/cat.jpg")
    record = json.loads((tmp_path / "cat.json").read_text())
    assert record["image"] == {"file_name": "in/cat.jpg", "height": 30, "width": 50}
    assert record["model"] == "test"
    mask = record["prompts"][0].pop("mask")
    assert np.array_equal(coco.decode(mask).astype(bool), rough)
    assert record["prompts"] == [{"points": [[1.5, 2.0]], "labels": [0]}, {"box": [1, 2, 3, 4], "mask": True}]
    for annotation in record["annotations"]:
        with Image.open(tmp_path / annotation["mask_file"]) as png:
            assert np.array_equal(np.asarray(png) > 0, coco.decode(annotation["segmentation"]).astype(bool))
    assert [a["id"] for a in record["annotations"]] == [1, 2, 3, 4, 5, 6]


def test_a_record_without_masks_names_no_files(tmp_path: Path) -> None:
    result().save(tmp_path, "cat", masks=False, overlay=False)
    record = json.loads((tmp_path / "cat.json").read_text())
    assert "file_name" not in record["image"]
    assert all("mask_file" not in annotation for annotation in record["annotations"])


def test_saving_again_replaces(tmp_path: Path) -> None:
    first = result().save(tmp_path, "cat")
    assert result().save(tmp_path, "cat") == first
    assert len(list(tmp_path.iterdir())) == len(first)


def test_a_place_that_cannot_be_written_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        result().save(tmp_path / "file")


LABELLED = (Prompt(box=[1, 2, 30, 20], label="cup", score=0.75), Prompt(points=[[10, 12]]))


def test_a_result_knows_the_classes_of_its_prompts() -> None:
    labelled = result(3, LABELLED)
    assert labelled.labels == ("cup", None)
    assert labelled.detector_scores.tolist() == pytest.approx([0.75, np.nan], nan_ok=True)
    records = labelled.annotations()
    assert [(one.get("label"), one.get("score")) for one in records] == [("cup", 0.75)] * 3 + [(None, None)] * 3
    assert "label" not in records[3]


def test_the_result_of_no_prompt_is_empty_and_still_a_result(tmp_path: Path) -> None:
    image = result().image
    none = Segmentation.empty(image, Frame.fit((HEIGHT, WIDTH), 64), "test", "cat.jpg")
    assert (len(none), none.labels, none.annotations(), none.polygons()) == (0, (), [], [])
    assert none.masks.shape == none.logits.shape == (0, HEIGHT, WIDTH)
    assert none.boxes.shape == (0, 4)
    assert (none.areas.tolist(), none.scores.tolist(), none.detector_scores.tolist()) == ([], [], [])
    assert np.array_equal(none.overlay(), image)
    written = none.save(tmp_path, "cat", cutouts=True)
    assert [path.name for path in written] == ["cat_overlay.jpg", "cat.json"]
    record = json.loads((tmp_path / "cat.json").read_text())
    assert (record["image"]["file_name"], record["prompts"], record["annotations"]) == ("cat.jpg", [], [])


def named(name: str | None, shift: int = 0) -> Segmentation:
    one = result()
    return replace(one, file_name=name, candidate_scores=one.candidate_scores + shift)


def test_results_in_a_loop_do_not_replace_each_other(tmp_path: Path) -> None:
    paths = ["a/cat.jpg", "b/cat.jpg", "dog.png", None, None, "x/result.jpg"]
    written = [named(path, number).save(tmp_path) for number, path in enumerate(paths)]
    stems = [files[-1].stem for files in written]
    assert stems == ["cat", "cat_2", "dog", "result", "result_2", "result_3"]
    assert len({file for files in written for file in files}) == sum(map(len, written))
    assert all(file.exists() for files in written for file in files)


def test_a_result_of_the_same_picture_takes_the_place_of_the_earlier_one(tmp_path: Path) -> None:
    for number in range(3):
        assert named("b/cat.jpg", number).save(tmp_path)[-1].name == "cat.json"
        assert named("a/cat.jpg", number).save(tmp_path)[-1].name == "cat_2.json"
    assert named("dog.png").save(tmp_path, "cat")[-1].name == "cat.json", "a stem that is given is told"


def test_files_of_an_unknown_picture_are_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "cat_overlay.jpg").write_text("mine")
    assert named("cat.jpg").save(tmp_path)[-1].name == "cat_2.json"
    (tmp_path / "dog.json").write_text('{"shapes": []}')
    assert named("dog.jpg").save(tmp_path)[-1].name == "dog_2.json"
    named("owl.jpg").save(tmp_path, record=False)
    assert named("b/owl.jpg").save(tmp_path)[-1].name == "owl_2.json"
    assert (tmp_path / "cat_overlay.jpg").read_text() == "mine"


def test_long_names_of_pictures_fit(tmp_path: Path) -> None:
    files = named("猫" * 80 + ".jpg").save(tmp_path, cutouts=True)
    assert all(file.exists() for file in files)
    assert named("猫" * 79 + "犬.jpg").save(tmp_path)[-1] not in files


def test_a_whole_image_result_leaves_the_masks_of_a_prompted_one(tmp_path: Path) -> None:
    prompted = result().save(tmp_path, "cat", cutouts=True)
    (tmp_path / "cat").mkdir()
    whole = [write_mask(tmp_path / "cat" / f"{number}.png", np.eye(3, dtype=bool)) for number in range(2)]
    record = {"image": {"height": 30, "width": 50}, "annotations": []}
    write_record(tmp_path / "cat.json", record, whole)
    assert all(path.exists() for path in (*prompted, *whole) if path.name != "cat_overlay.jpg")
    again = result(prompts=(Prompt(box=[2, 2, 9, 9]),) * 2).save(tmp_path, "cat", masks=False)
    assert all(path.exists() for path in whole), "and the other way round"
    assert not (tmp_path / "cat_cutout_0.png").exists(), "its own earlier files go"
    assert again[-1].exists()


def test_a_result_is_a_sequence_of_results() -> None:
    two = result(3)
    parts = list(two)
    assert [len(part) for part in parts] == [1, 1]
    assert np.array_equal(np.concatenate([part.masks for part in parts]), two.masks)
    assert np.array_equal(two[-1].scores, two.scores[1:])
    assert two[1].prompts == two.prompts[1:2]
    assert np.array_equal(two[:1].boxes, two.boxes[:1])
    with pytest.raises(IndexError):
        two[2]


def test_the_label_map_numbers_the_objects_and_small_ones_win() -> None:
    two = result()
    two.candidates[1, 0, 6:9, 22:27] = True
    numbers = two.label_map()
    assert numbers.dtype == np.uint8
    assert numbers.shape == (HEIGHT, WIDTH)
    assert np.array_equal(numbers == 2, two.masks[1])
    assert np.array_equal(numbers == 1, two.masks[0] & ~two.masks[1])
    many = replace(two, candidates=np.repeat(two.candidates, 200, axis=0))
    assert many.label_map().dtype == np.uint16


def test_the_name_of_a_picture_is_no_folder_to_save_to(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Expected a folder.*overlay\(\)\)\.save"):
        result().save(tmp_path / "result.PNG")
    (tmp_path / "scene.tif").mkdir()
    assert result().save(tmp_path / "scene.tif", masks=False, overlay=False)
