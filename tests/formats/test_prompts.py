"""Prompt files of every form say what their authors meant, or are refused in a sentence."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from tests.results.test_segmentation import result

from samhq.errors import PromptError, SamHQError
from samhq.formats.prompts import read_mask_prompt, read_prompts
from samhq.image.frame import Frame
from samhq.masks.rle import encode, uncompressed
from samhq.results.prompt import Prompt
from samhq.results.prompt_arrays import mask_array, mask_logits

CAT, DOG = {"points": [[1, 2], [3, 4]], "labels": [1, 0]}, {"box": [1, 2, 30, 20]}
BOTH = (Prompt(points=[[1, 2], [3, 4]], labels=[1, 0]), Prompt(box=[1, 2, 30, 20]))


def written(folder: Path, value: Any) -> Path:
    path = folder / "prompts.json"
    path.write_text(json.dumps(value))
    return path


@pytest.mark.parametrize("value", [{"objects": [CAT, DOG]}, [CAT, DOG], {"prompts": [CAT, DOG], "annotations": []}])
def test_our_forms(tmp_path: Path, value: Any) -> None:
    assert read_prompts(written(tmp_path, value)).for_picture("any.jpg") == BOTH


def test_one_object_needs_no_list(tmp_path: Path) -> None:
    assert read_prompts(written(tmp_path, CAT)).for_picture("any.jpg") == BOTH[:1]


@pytest.mark.parametrize("name", ["photos/a.jpg", "a.jpg", "a"])
def test_prompts_by_picture(tmp_path: Path, name: str) -> None:
    found = read_prompts(written(tmp_path, {name: [CAT, DOG], "b.jpg": {"objects": [DOG]}}))
    assert found.for_picture(Path("photos/a.jpg")) == BOTH
    assert found.for_picture("elsewhere/b.jpg") == BOTH[1:]
    with pytest.raises(PromptError, match=r"b2.jpg .* Did you mean 'b.jpg'"):
        found.for_picture("b2.jpg")


def test_samexporters_marks_are_one_object(tmp_path: Path) -> None:
    marks = [
        {"type": "point", "data": [575, 750], "label": 0},
        {"type": "rectangle", "data": [425, 600, 700, 875]},
        {"type": "point", "data": [600, 700]},
    ]
    only = Prompt(points=[[575, 750], [600, 700]], labels=[0, 1], box=[425, 600, 700, 875])
    assert read_prompts(written(tmp_path, marks)).for_picture("x") == (only,)
    assert read_prompts(written(tmp_path, {"x.jpg": marks[1:2]})).for_picture("x.jpg") == (
        Prompt(box=[425, 600, 700, 875]),
    )


def test_a_written_record_is_read_again(tmp_path: Path) -> None:
    rough = np.zeros((30, 50), bool)
    rough[3:9, 4:20] = True
    result(prompts=(Prompt(points=np.array([[1.5, 2]])), Prompt(mask=rough))).save(tmp_path, "cat")
    first, second = read_prompts(tmp_path / "cat.json").for_picture("cat.jpg")
    assert first == Prompt(points=[[1.5, 2.0]])
    assert np.array_equal(mask_array(second.mask, rough.shape), rough)


def test_masks_are_files_beside_the_prompts(tmp_path: Path) -> None:
    one = result()
    one.save(tmp_path / "old", "cat")
    (prompt,) = read_prompts(written(tmp_path, [{"mask": "old/cat_mask_0.png"}])).for_picture("cat.jpg")
    assert np.array_equal(prompt.mask, one.masks[0])


@pytest.mark.parametrize("value", [[], {"objects": []}, {"prompts": []}, {"cat.jpg": []}, {"cat": {"objects": []}}])
def test_no_objects_are_what_a_detector_that_found_nothing_writes(tmp_path: Path, value: Any) -> None:
    assert read_prompts(written(tmp_path, value)).for_picture("cat.jpg") == ()


def test_of_several_pictures_some_may_have_no_objects(tmp_path: Path) -> None:
    prompts = read_prompts(written(tmp_path, {"cat.jpg": [], "dog.jpg": [{"box": [1, 2, 3, 4]}]}))
    assert (len(prompts.for_picture("cat.jpg")), len(prompts.for_picture("dog.jpg"))) == (0, 1)
    with pytest.raises(PromptError, match=r"owl\.jpg"):
        prompts.for_picture("owl.jpg")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({}, "empty"),
        (5, "known forms"),
        ("text", "known forms"),
        ([[1, 2]], "known forms"),
        ({"objects": [{}]}, "empty"),
        ({"objects": [{"points": None}]}, "empty"),
        ({"objects": [{"point": [[1, 2]]}]}, "Did you mean 'points'"),
        ({"point": [[1, 2]]}, "known forms"),
        ({"error": "broken"}, "broken"),
        ({"a.jpg": 3}, "known forms"),
        ([{"mask": True}], "logits"),
        ([{"mask": 3}], "RLE"),
        ([{"mask": {"size": [2, 2]}}], "RLE"),
        ([{"mask": "nowhere.png"}], "nowhere.png"),
        ([{"type": "text", "data": "a cat"}], "'text'"),
        ([{"type": "rectangle", "data": [1, 2, 3, 4]}] * 2, "one rectangle"),
        ([{"type": "point", "data": [1, 2]}, CAT], "null"),
        ({"box": [1, 2, 3]}, "Expected a box of 4 numbers x0, y0, x1, y1, got 3 numbers"),
        ({"b.jpg": [CAT, {"box": "1,2,3,4"}]}, r"b\.jpg: Object 1 \(of 0 to 1\): Expected boxes as numbers"),
        ({"b.jpg": {"points": [[1, 2, 3]]}}, r"b\.jpg: Expected at least one point of 2 numbers x, y, got 1 row of 3"),
        ([CAT, {"box": []}], "Object 1 .*one box for each object, got 0"),
        ([{"box": [[1, 2, 3, 4], [5, 6, 7, 8]]}], "one box for each object, got 2"),
        ([{"points": [[True, False]]}], "true or false"),
    ],
)
def test_other_forms_are_refused_in_a_sentence(tmp_path: Path, value: Any, said: str) -> None:
    with pytest.raises(PromptError, match=said) as caught:
        read_prompts(written(tmp_path, value))
    assert str(caught.value).startswith(str(tmp_path))


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\x00", b"[" * 100_000, b"x = 1"])
def test_what_is_no_json_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(PromptError, match=r"a.json"):
        read_prompts(tmp_path / "a.json")


def test_a_missing_file_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(PromptError, match="Check the path") as caught:
        read_prompts(tmp_path / "a.json")
    assert caught.value.__suppress_context__, "one traceback, not two"


def test_a_mask_as_picture_record_or_array(tmp_path: Path) -> None:
    one = result(prompts=(Prompt(points=[[1, 2]]),))
    single = type(one)(
        **{**vars(one), **{k: getattr(one, k)[:1] for k in ("candidates", "candidate_scores", "low_res_logits")}}
    )
    single.save(tmp_path, "cat")
    np.save(tmp_path / "bool.npy", single.masks[0])
    np.save(tmp_path / "logits.npy", single.low_res_logits[0, 0])
    Image.fromarray(single.masks[0]).save(tmp_path / "one_bit.png")
    for name in ("cat_mask_0.png", "cat.json", "bool.npy", "one_bit.png"):
        mask = mask_array(read_mask_prompt(tmp_path / name), single.masks[0].shape)
        assert mask.dtype == np.bool_
        assert np.array_equal(mask, single.masks[0])
    assert np.array_equal(read_mask_prompt(tmp_path / "logits.npy"), single.low_res_logits[0, 0])


def test_the_best_of_several_candidates_is_the_mask_of_a_record(tmp_path: Path) -> None:
    three = result(3)
    three.save(tmp_path, "two")
    with pytest.raises(PromptError, match="2 objects"):
        read_mask_prompt(tmp_path / "two.json")
    record = json.loads((tmp_path / "two.json").read_text())
    record["annotations"] = record["annotations"][:3]
    assert np.array_equal(mask_array(read_mask_prompt(written(tmp_path, record)), three.masks[0].shape), three.masks[0])


@pytest.mark.parametrize(
    "value", [3, [], {}, {"annotations": 3}, {"annotations": [3]}, {"annotations": [{"segmentation": 3}]}]
)
def test_a_record_without_a_mask_is_refused(tmp_path: Path, value: Any) -> None:
    with pytest.raises(PromptError, match="Expected"):
        read_mask_prompt(written(tmp_path, value))


def test_arrays_that_are_no_masks_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "labels.npy", np.zeros((4, 4), np.uint8))
    np.save(tmp_path / "pickle.npy", np.array([{}], object), allow_pickle=True)
    np.savez(tmp_path / "many.npz", a=np.zeros(3))
    (tmp_path / "many.npz").rename(tmp_path / "many.npy")
    (tmp_path / "cut.npy").write_bytes(b"\x93NUMPY")
    (tmp_path / "empty.npy").write_bytes(b"")
    for name in ("labels", "pickle", "many", "cut", "empty", "nowhere"):
        with pytest.raises(PromptError, match=name):
            read_mask_prompt(tmp_path / f"{name}.npy")


LARGE = {"size": [65535, 65535], "counts": [65535 * 65535]}
ENDLESS = {"size": [10**5, 10**5], "counts": [10**10]}


@pytest.mark.parametrize("read", ["prompts", "record"])
def test_a_mask_of_any_size_costs_its_bytes_alone(tmp_path: Path, read: str) -> None:
    tracemalloc.start()
    try:
        path = written(tmp_path, {"annotations": [{"segmentation": LARGE}]} if read == "record" else [{"mask": LARGE}])
        mask = read_mask_prompt(path) if read == "record" else read_prompts(path).for_picture("cat.jpg")[0].mask
        with pytest.raises(PromptError, match="another size"):
            mask_logits(mask, Frame.fit((30, 40), 64))
        path = written(
            tmp_path, {"annotations": [{"segmentation": ENDLESS}]} if read == "record" else [{"mask": ENDLESS}]
        )
        with pytest.raises(PromptError, match="less than 2"):
            read_mask_prompt(path) if read == "record" else read_prompts(path)
        assert tracemalloc.get_traced_memory()[1] < 2 << 20
    finally:
        tracemalloc.stop()


def test_a_mask_as_rle_is_the_same_prompt_as_its_array() -> None:
    mask = np.random.default_rng(0).random((30, 40)) < 0.4
    frame = Frame.fit((30, 40), 64)
    for code in (encode(mask), uncompressed(mask)):
        np.testing.assert_array_equal(mask_logits(code, frame), mask_logits(mask, frame))


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                ["objects", "prompts", "points", "labels", "box", "mask", "type", "data", "a.jpg", "size", "counts"]
            ),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(json_values)
def test_whatever_json_says_only_our_errors_come_out(tmp_path: Path, value: Any) -> None:
    try:
        prompts = read_prompts(written(tmp_path, value)).for_picture("a.jpg")
    except SamHQError:
        return
    assert isinstance(prompts, tuple)


def test_labels_and_scores_come_along(tmp_path: Path) -> None:
    objects = [{**CAT, "label": "cat", "score": 0.5}, {**DOG, "label": "dog"}]
    cat, dog = read_prompts(written(tmp_path, objects)).for_picture("x.jpg")
    assert (cat.label, cat.score, dog.label, dog.score) == ("cat", 0.5, "dog", None)
    assert cat.points == CAT["points"]
    result(prompts=(Prompt(box=[1, 2, 30, 20], label="cup", score=0.5), BOTH[0])).save(tmp_path, "r")
    again = read_prompts(tmp_path / "r.json").for_picture("x.jpg")
    assert [(prompt.label, prompt.score) for prompt in again] == [("cup", 0.5), (None, None)]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"label": 1}, "labels of points"),
        ({"label": " "}, "a label as text"),
        ({"label": ["cat"]}, "a label as text"),
        ({"score": "high"}, "finite number"),
        ({"score": True}, "finite number"),
        ({"score": float("nan")}, "finite number"),
    ],
)
def test_labels_and_scores_of_another_form_are_refused(tmp_path: Path, more: dict[str, Any], said: str) -> None:
    with pytest.raises(PromptError, match=said):
        read_prompts(written(tmp_path, [{**DOG, **more}]))


def test_a_label_alone_is_no_object(tmp_path: Path) -> None:
    with pytest.raises(PromptError, match="an empty one"):
        read_prompts(written(tmp_path, [{"label": "cat", "score": 0.5}]))
