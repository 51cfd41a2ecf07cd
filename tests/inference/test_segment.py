"""Pictures and prompts in, masks out: the same however they are asked, and sentences for misuse."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from tests import tiny
from tests.results.test_prompt_arrays import anything

from samhq.config import Defaults
from samhq.errors import CheckpointError, ConfigError, ImageError, PromptError, SamHQError, SamHQWarning
from samhq.inference.cache import EmbeddingCache
from samhq.inference.everything import segment_everything
from samhq.inference.mosaic import segment_mosaic
from samhq.inference.segment import EncodedImage, Segmenter, load
from samhq.model.sam import Sam
from samhq.results.prompt import Prompt
from samhq.results.sa1b import read_sa1b


def picture(height: int = 40, width: int = 60, seed: int = 0) -> np.ndarray:
    """A smooth random picture."""
    coarse = np.random.default_rng(seed).integers(0, 256, (height // 10 + 1, width // 10 + 1, 3))
    return np.kron(coarse, np.ones((10, 10, 1)))[:height, :width].astype(np.uint8)


ROUGH = np.zeros((40, 60), bool)
ROUGH[10:30, 20:50] = True
KINDS = {
    "click": Prompt(points=[[20, 15]]),
    "clicks": Prompt(points=[[20, 15], [40, 30], [5, 5]], labels=[1, 0, 0]),
    "box": Prompt(box=[5, 5, 50, 30]),
    "box and click": Prompt(points=[[20, 15]], box=[5, 5, 50, 30]),
    "mask": Prompt(mask=ROUGH),
    "mask and box": Prompt(box=[5, 5, 50, 30], mask=ROUGH),
}


@pytest.fixture
def segmenter(hq: Sam) -> Segmenter:
    return Segmenter(hq)


def test_a_click_gives_one_mask_of_the_pictures_size(any_sam: Sam) -> None:
    result = Segmenter(any_sam).segment(picture(), points=[[20, 15]])
    assert result.candidates.shape == (1, 1, 40, 60)
    assert result.candidates.dtype == np.bool_
    assert result.candidate_scores.shape == (1, 1)
    assert result.model == any_sam.config.name
    assert np.array_equal(result.masks, result.logits > 0)
    assert 0 < result.areas[0] < 40 * 60, "a test of masks needs one that is neither empty nor full"


def test_neither_the_picture_nor_the_prompt_is_changed(segmenter: Segmenter) -> None:
    image, points, mask = picture(), np.array([[20.0, 15.0]]), ROUGH.copy()
    segmenter.segment(image, points=points, mask=mask)
    assert np.array_equal(image, picture())
    assert points.tolist() == [[20.0, 15.0]]
    assert np.array_equal(mask, ROUGH)


def test_many_objects_need_one_pass_of_the_encoder(segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    encode = Sam.encode
    monkeypatch.setattr(Sam, "encode", lambda self, *args, **kwargs: calls.append(1) or encode(self, *args, **kwargs))
    encoded = segmenter.encode(picture())
    segmenter.segment(encoded, prompts=list(KINDS.values()))
    segmenter.segment(encoded, points=[[1, 1]])
    assert len(calls) == 1


@pytest.mark.parametrize("multimask", [None, True, False])
def test_a_batch_gives_what_each_prompt_gives_alone(any_sam: Sam, multimask: bool | None) -> None:
    segmenter = Segmenter(any_sam)
    images = [picture(), picture(40, 60, seed=1)]
    prompts = [list(KINDS.values()), list(KINDS.values())[::-1][:3]]
    if multimask is None:
        prompts = [asked[1:3] for asked in prompts]
    batch = segmenter.segment_batch(images, prompts, multimask=multimask)
    for image, asked, result in zip(images, prompts, batch, strict=True):
        assert result.prompts == tuple(asked)
        for i, prompt in enumerate(asked):
            alone = segmenter.segment(image, prompts=[prompt], multimask=multimask)
            np.testing.assert_allclose(result.low_res_logits[i], alone.low_res_logits[0], atol=2e-5)
            np.testing.assert_allclose(result.candidate_scores[i], alone.candidate_scores[0], atol=1e-5)
            assert (result.candidates[i] != alone.candidates[0]).mean() < 1e-3


def test_pictures_of_different_sizes_in_one_batch(segmenter: Segmenter) -> None:
    sizes = [(40, 60), (64, 64), (90, 20)]
    results = segmenter.segment_batch([picture(*size) for size in sizes], [[Prompt(points=[[9, 9]])]] * 3)
    assert [result.masks.shape for result in results] == [(1, *size) for size in sizes]


def test_pictures_encoded_together_are_those_encoded_alone(any_sam: Sam) -> None:
    segmenter, images = Segmenter(any_sam), [picture(), picture(64, 30, seed=1), picture(9, 90, seed=2)]
    together = segmenter.encode_batch(images)
    assert segmenter.encode_batch([]) == []
    for image, one in zip(images, together, strict=True):
        alone = segmenter.encode(image)
        assert one.frame == alone.frame
        np.testing.assert_array_equal(one.image, image)
        assert not np.shares_memory(one.image, image)
        torch.testing.assert_close(one.embedding.features, alone.embedding.features, atol=1e-4, rtol=1e-4)
        (here,), (there,) = (segmenter.segment(e, points=[[5, 5]]).candidate_scores for e in (one, alone))
        np.testing.assert_allclose(here, there, atol=1e-4)
    with pytest.raises(ImageError, match="Picture 1"):
        segmenter.encode_batch([images[0], "nowhere.png"])


def test_arguments_boxes_and_prompts_say_the_same(segmenter: Segmenter) -> None:
    encoded = segmenter.encode(picture())
    by_prompts = segmenter.segment(encoded, prompts=[Prompt(box=[5, 5, 50, 30]), Prompt(box=[1, 1, 9, 30])])
    by_boxes = segmenter.segment(encoded, boxes=np.array([[5, 5, 50, 30], [1, 1, 9, 30]]))
    first = segmenter.segment(encoded, box=[5, 5, 50, 30])
    assert np.array_equal(by_prompts.low_res_logits, by_boxes.low_res_logits)
    np.testing.assert_allclose(by_boxes.low_res_logits[:1], first.low_res_logits, atol=2e-5)


def test_an_earlier_result_refines(segmenter: Segmenter) -> None:
    encoded = segmenter.encode(picture())
    first = segmenter.segment(encoded, points=[[20, 15]], multimask=True)
    second = segmenter.segment(encoded, points=[[20, 15]], mask=first.low_res_logits[0, 2])
    again = segmenter.segment(encoded, points=[[20, 15]], mask=torch.from_numpy(first.low_res_logits[0, 2]))
    without = segmenter.segment(encoded, points=[[20, 15]], multimask=False)
    assert np.array_equal(second.low_res_logits, again.low_res_logits)
    assert not np.allclose(second.low_res_logits, without.low_res_logits, atol=1e-3)


def test_candidates_are_the_three_best_first_and_a_lone_click_takes_the_best(any_sam: Sam) -> None:
    segmenter = Segmenter(any_sam)
    encoded = segmenter.encode(picture())
    three = segmenter.segment(encoded, points=[[20, 15]], multimask=True)
    assert three.candidates.shape[:2] == (1, 3)
    assert (np.diff(three.candidate_scores[0]) <= 0).all()
    best = segmenter.segment(encoded, points=[[20, 15]])
    np.testing.assert_allclose(best.low_res_logits[0, 0], three.low_res_logits[0, 0], atol=2e-5)
    clear = segmenter.segment(encoded, points=[[20, 15]], multimask=False)
    if not any_sam.config.second:  # whose single mask, where it is unstable, gives way to the best of three
        assert not np.allclose(clear.low_res_logits[0, 0], best.low_res_logits[0, 0], atol=1e-3)


def test_weights_may_say_that_a_lone_click_takes_the_clear_mask(hq: Sam) -> None:
    segmenter = Segmenter(hq)
    encoded = segmenter.encode(picture())
    clear, best = (segmenter.segment(encoded, points=[[20, 15]], multimask=m).low_res_logits for m in (False, None))
    sam = copy.deepcopy(hq)
    sam.config = sam.config.replace(defaults=Defaults(click_mask="single"))
    by_weights = Segmenter(sam).segment(encoded, points=[[20, 15]]).low_res_logits
    np.testing.assert_allclose(by_weights, clear, atol=2e-5)
    assert not np.allclose(by_weights, best, atol=1e-3)


def test_ambiguous_and_clear_prompts_keep_their_order(segmenter: Segmenter) -> None:
    encoded = segmenter.encode(picture())
    mixed = [KINDS["box"], KINDS["click"], KINDS["mask"], KINDS["click"]]
    together = segmenter.segment(encoded, prompts=mixed)
    for i, prompt in enumerate(mixed):
        alone = segmenter.segment(encoded, prompts=[prompt])
        np.testing.assert_allclose(together.low_res_logits[i], alone.low_res_logits[0], atol=2e-5)


def test_add_is_sams_logits_plus_the_hq_logits(segmenter: Segmenter) -> None:
    encoded = segmenter.encode(picture())
    add, only, off = (
        segmenter.segment(encoded, box=[5, 5, 50, 30], hq=mode).low_res_logits for mode in ("add", "only", "off")
    )
    np.testing.assert_allclose(add, only + off, atol=1e-4)
    assert np.array_equal(segmenter.segment(encoded, box=[5, 5, 50, 30]).low_res_logits, add)


def test_the_hq_mask_is_one_a_prompt(segmenter: Segmenter) -> None:
    result = segmenter.segment(picture(), boxes=[[5, 5, 50, 30]] * 2, multimask=True, hq="only")
    assert result.candidates.shape[:2] == (2, 1)


def test_a_plain_model_has_no_hq_mask(plain: Sam) -> None:
    with pytest.raises(ConfigError, match="HQ"):
        Segmenter(plain).segment(picture(), points=[[20, 15]], hq="only")


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"points": [[20, 15]], "boxes": [[5, 5, 50, 30]]},
        {"boxes": [[5, 5, 50, 30]], "prompts": [Prompt(box=[5, 5, 50, 30])]},
        {"boxes": 5},
        {"boxes": [5, 5, 50, 30]},
        {"prompts": 5},
        {"prompts": Prompt(points=[[20, 15]])},
        {"prompts": [None]},
        {"prompts": [{"points": [[20, 15]]}]},
        {"labels": [1]},
        {"points": [[100, 15]]},
        {"box": [50, 30, 5, 5]},
        {"mask": np.zeros((10, 10), bool)},
    ],
    ids=str,
)
def test_misuse_of_the_arguments_is_a_sentence(segmenter: Segmenter, arguments: dict[str, Any]) -> None:
    with pytest.raises(PromptError, match="Expected"):
        segmenter.segment(picture(), **arguments)


def test_a_result_of_a_file_says_which(segmenter: Segmenter, tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    Image.fromarray(picture()).save(path)
    cache = EmbeddingCache(tmp_path / "cache")
    for image in (path, str(path), segmenter.encode(path), *(cache.get_or_encode(segmenter, path) for _ in range(2))):
        found = segmenter.segment(image, points=[[20, 20]])
        assert found.file_name == str(path)
        found.save(tmp_path / "out", masks=False, overlay=False)
        assert read_sa1b(tmp_path / "out" / "photo.json").file_name == str(path)
    assert segmenter.segment(picture(), points=[[20, 20]]).file_name is None


@pytest.mark.parametrize(("images", "prompts"), [([], [[]]), ([1], []), ([1, 2], [[KINDS["click"]]])])
def test_a_batch_has_one_list_of_prompts_a_picture(segmenter: Segmenter, images: list[int], prompts: list[Any]) -> None:
    with pytest.raises(PromptError, match="one list of prompts for each picture"):
        segmenter.segment_batch([picture()] * len(images), prompts)


EMPTY = {"array": {"boxes": np.zeros((0, 4))}, "list": {"boxes": []}, "tensor": {"boxes": torch.zeros(0, 4)}}


EMPTY |= {"prompts": {"prompts": []}, "tuple": {"prompts": ()}}


@pytest.mark.parametrize("asked", EMPTY.values(), ids=EMPTY)
@pytest.mark.parametrize(("multimask", "count"), [(None, 1), (False, 1), (True, 3)])
def test_a_detector_that_found_nothing_gets_no_masks(
    segmenter: Segmenter, tmp_path: Path, asked: dict[str, Any], multimask: bool | None, count: int
) -> None:
    """IDEA-Research/Grounded-Segment-Anything#100."""
    encoded = segmenter.encode(picture())
    found = segmenter.segment(encoded, multimask=multimask, **asked)
    some = segmenter.segment(encoded, boxes=[[5, 5, 50, 30]], multimask=multimask)
    assert found.candidates.shape == (0, count, 40, 60)
    for name in ("candidates", "candidate_scores", "low_res_logits", "masks", "scores", "boxes", "areas", "logits"):
        ours, theirs = getattr(found, name), getattr(some, name)
        assert (ours.shape[1:], ours.dtype) == (theirs.shape[1:], theirs.dtype), name
    assert (len(found), found.polygons(), found.annotations()) == (0, [], [])
    assert np.array_equal(found.overlay(), found.image)
    written = {path.name for path in found.save(tmp_path, cutouts=True)}
    assert written == {"result_overlay.jpg", "result.json"}


def test_pictures_without_prompts_may_stand_anywhere_in_a_batch(segmenter: Segmenter) -> None:
    asked = [[], [KINDS["click"], KINDS["box"]], []]
    found = segmenter.segment_batch([picture()] * 3, asked)
    assert [len(result) for result in found] == [0, 2, 0]
    alone = segmenter.segment(picture(), prompts=asked[1])
    assert np.array_equal(found[1].masks, alone.masks)
    assert [result.masks.shape for result in segmenter.segment_batch([picture()] * 2, [[], []])] == [(0, 40, 60)] * 2
    assert segmenter.segment_batch([], []) == []


def test_nothing_said_is_still_an_error(segmenter: Segmenter) -> None:
    with pytest.raises(PromptError, match=r"none of these.*segment_everything\(image, model\)"):
        segmenter.segment(picture())
    with pytest.raises(PromptError, match="at least one point"):
        segmenter.segment(picture(), points=[])


@pytest.mark.parametrize("image", [None, "nowhere.jpg", b"no picture", np.zeros((0, 5, 3), np.uint8), {}])
def test_what_is_no_picture_is_a_sentence(segmenter: Segmenter, image: Any) -> None:
    with pytest.raises(ImageError):
        segmenter.segment(image, points=[[20, 15]])


@pytest.mark.parametrize("mode", ["ad", "", 3, True])
@pytest.mark.usefixtures("unchecked")
def test_an_unknown_hq_mode_is_a_sentence(segmenter: Segmenter, mode: Any) -> None:
    with pytest.raises(ConfigError, match="add"):
        segmenter.segment(picture(), points=[[20, 15]], hq=mode)


SEGMENTER = Segmenter(tiny.shared(tiny.HQ))
ENCODED = SEGMENTER.encode(picture())


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.fixed_dictionaries({}, optional=dict.fromkeys(("points", "labels", "box", "boxes", "mask", "prompts"), anything))
)
def test_whatever_is_asked_only_our_errors_come_out(arguments: dict[str, Any]) -> None:
    try:
        result = SEGMENTER.segment(ENCODED, **arguments)
    except SamHQError:
        return
    assert result.masks.shape == (len(result), 40, 60)
    assert np.isfinite(result.candidate_scores).all()


def test_load_gives_a_model_from_a_file(tmp_path: Any, segmenter: Segmenter) -> None:
    from samhq.checkpoint.save import save_model

    save_model(segmenter.model, tmp_path / "tiny.safetensors")
    loaded = load(tmp_path / "tiny.safetensors", device="cpu")
    asked: dict[str, Any] = {"points": [[20, 15]], "multimask": True}
    ours, theirs = loaded.segment(picture(), **asked), segmenter.segment(picture(), **asked)
    assert np.array_equal(ours.low_res_logits, theirs.low_res_logits)
    half = load(str(tmp_path / "tiny.safetensors"), device="cpu", dtype="bfloat16").segment(picture(), **asked)
    assert (half.candidates == ours.candidates).mean() > 0.9


def test_load_says_what_is_wrong(tmp_path: Any) -> None:
    (tmp_path / "x.pth").write_bytes(b"nothing")
    with pytest.raises(CheckpointError):
        load(tmp_path / "x.pth", device="cpu")
    with pytest.raises(ConfigError, match="sam_hq_vit_b"):
        load("sam_hq_vitb", device="cpu")


def test_what_another_model_encoded_is_refused(hq: Sam, plain: Sam, light: Sam) -> None:
    encoded = [Segmenter(model).encode(picture()) for model in (hq, plain, light)]
    for i, model in enumerate((hq, plain, light)):
        for j, other in enumerate(encoded):
            if i != j:
                with pytest.raises(ConfigError, match="Encode it with the model"):
                    Segmenter(model).segment(other, points=[[20, 15]])
    with pytest.raises(ConfigError, match="Encode it with the model"):
        Segmenter(hq).segment_batch(encoded[:2], [[KINDS["click"]]] * 2)


def test_an_embedding_of_another_dtype_is_brought_along(hq: Sam) -> None:
    segmenter = Segmenter(hq)
    encoded = segmenter.encode(picture())
    half = EncodedImage(encoded.image, encoded.embedding.to(torch.float16), encoded.frame, encoded.model)
    whole, short = (segmenter.segment(one, points=[[20, 15]]).low_res_logits for one in (encoded, half))
    assert np.abs(whole - short).max() < 0.02 * np.abs(whole).max() + 1e-3


def test_results_do_not_change_with_the_users_array(segmenter: Segmenter) -> None:
    frame = picture()
    encoded = segmenter.encode(frame)
    before = encoded.image.copy()
    frame[:] = 0
    assert np.array_equal(encoded.image, before)


def test_values_say_what_they_are_in_a_line(segmenter: Segmenter) -> None:
    encoded = segmenter.encode(picture())
    shown = [repr(value) for value in (segmenter, encoded, segmenter.segment(encoded, box=[5, 5, 50, 30]))]
    assert all("40x60" in text for text in shown[1:])
    assert max(map(len, shown)) < 100


def test_of_several_pictures_the_wrong_one_is_named(segmenter: Segmenter, tmp_path: Path) -> None:
    fine, far = Prompt(points=[[20, 15]]), Prompt(points=[[20, 500]])
    with pytest.raises(PromptError, match=r"^Picture 1 \(of 0 to 1\): Prompt 2 \(of 0 to 2\): Expected points"):
        segmenter.segment_batch([picture(), picture()], [[fine], [fine, fine, far]])
    with pytest.raises(PromptError, match=r"^Picture 0 \(of 0 to 1\): Expected points, a box or a mask"):
        segmenter.segment_batch([picture(), picture()], [[Prompt()], [fine]])
    with pytest.raises(ImageError, match=r"^Picture 1 \(of 0 to 1\): Expected"):
        segmenter.segment_batch([picture(), np.zeros((5, 5, 5))], [[fine], [fine]])
    file = tmp_path / "b.png"
    Image.fromarray(picture()).save(file)
    with pytest.raises(PromptError, match=r"^Picture 1 \(of 0 to 1\), '.*b.png': Expected points"):
        segmenter.segment_batch([picture(), file], [[fine], [far]])
    with pytest.raises(PromptError, match=r"^Expected points"):
        segmenter.segment(file, prompts=[far])


def test_a_mask_file_segments_as_its_array(segmenter: Segmenter, tmp_path: Path) -> None:
    file = tmp_path / "rough.png"
    Image.fromarray(ROUGH).save(file)
    plain = segmenter.segment(picture(), mask=ROUGH)
    for mask in (file, Image.open(file)):
        found = segmenter.segment(picture(), mask=mask)
        assert np.array_equal(found.low_res_logits, plain.low_res_logits)
        written = found.save(tmp_path / "out")
        assert found.annotations() == plain.annotations()
        assert json.loads(written[-1].read_text())["prompts"][0]["mask"]["size"] == [40, 60]


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"multimask": "False"}, "multimask as True or False, got 'False'"),
        ({"multimask": 2}, "multimask"),
        ({"hq": "on"}, "hq as one of its words, got 'on'"),
        ({"hq": True}, "hq as one of its words"),
    ],
)
def test_options_that_mean_nothing_are_refused(hq: Sam, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Segmenter(hq).segment(picture(), points=[[3, 3]], **options)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_is_near_float32_in_every_call(segmenter: Segmenter, dtype: torch.dtype) -> None:
    """facebookresearch/sam3#507."""
    asked = [KINDS["click"], KINDS["box"]]
    expected = segmenter.segment(picture(), prompts=asked)
    with torch.autocast("cpu", dtype):
        encoded = segmenter.encode(picture())
        inside = segmenter.segment(encoded, prompts=asked)
        refined = segmenter.segment(encoded, box=[5, 5, 50, 30], mask=inside.low_res_logits[0, 0])
        everything = segment_everything(picture(), segmenter, points_per_side=3, pred_iou_thresh=0.0, keep_all=True)
        tiles = segment_mosaic(picture(), segmenter, tile=40, points_per_side=2, pred_iou_thresh=0.0)
    outside = segmenter.segment(encoded, prompts=asked)
    for found in (inside, outside):
        assert found.low_res_logits.dtype == found.scores.dtype == np.float32
        scale = np.abs(expected.low_res_logits).max()
        np.testing.assert_allclose(found.low_res_logits, expected.low_res_logits, atol=0.1 * scale)
    assert refined.masks.dtype == bool
    assert len(everything) >= 0
    assert len(tiles) >= 0


def test_a_compiled_or_parallel_network_segments(segmenter: Segmenter) -> None:
    expected = segmenter.segment(picture(), prompts=[KINDS["click"]])
    for wrapped in (torch.compile(segmenter.model, backend="eager"), torch.nn.DataParallel(segmenter.model)):
        assert np.array_equal(Segmenter(wrapped).segment(picture(), prompts=[KINDS["click"]]).masks, expected.masks)
        assert segment_everything(picture(), wrapped, points_per_side=2) is not None


@pytest.mark.parametrize("several", [["a.png", "b.png"], [picture(), picture()], (Image.new("RGB", (4, 4)),)])
def test_a_list_of_pictures_is_for_segment_batch(hq: Sam, several: Any) -> None:
    with pytest.raises(ImageError, match="segment_batch"):
        Segmenter(hq).segment(several, points=[[3, 3]])


def test_a_home_folder_is_found(hq: Sam, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    Image.fromarray(picture()).save(tmp_path / "a.png")
    result = Segmenter(hq).segment("~/a.png", box=[5, 5, 30, 30])
    assert all(path.is_relative_to(tmp_path / "out") for path in result.save("~/out"))


def test_a_box_mostly_outside_is_cut_to_its_picture_which_is_named(segmenter: Segmenter, tmp_path: Path) -> None:
    far, cut = Prompt(box=[-90, -90, 20, 20]), Prompt(box=[0, 0, 20, 20])
    Image.fromarray(picture()).save(tmp_path / "a.png")
    with pytest.warns(SamHQWarning) as said:
        one, two = segmenter.segment_batch([tmp_path / "a.png", picture()], [[far], [KINDS["box"], far]])
    assert [str(line.message).partition(": ")[0] for line in said] == [f"{tmp_path}/a.png", "Picture 1 (of 0 to 1)"]
    assert np.array_equal([one.masks[0], two.masks[1]], [segmenter.segment(picture(), prompts=[cut]).masks[0]] * 2)
