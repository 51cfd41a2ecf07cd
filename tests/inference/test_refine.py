"""The second look shows what the first could not, whatever the surroundings; nothing else changes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tests import tiny
from torch import Tensor

from samhq.config import Defaults
from samhq.encoder_config import PIXEL_MEAN, PIXEL_STD
from samhq.errors import ConfigError, PromptError, SamHQWarning
from samhq.image.picture_source import ArraySource
from samhq.image.read import ReadPicture
from samhq.image.windows import Window, whole
from samhq.inference import second_look
from samhq.inference.refine import refine, segment_native
from samhq.inference.second_look import Refiner
from samhq.inference.segment import Segmenter
from samhq.masks.regions import Piece
from samhq.model.build import build
from samhq.model.sam import Sam
from samhq.results.prompt import Prompt
from samhq.types import ImageEmbedding, LowRes, Prompts

SIDE = 256


class RedFinder(Sam):
    """Knows one thing, that objects are red, and sees as a SAM does: a square of 256 pixels, masks a quarter of it.

    A mask is what is red inside the box, or everywhere without one. `asked` keeps the prompts; the first gets a
    score of 0.5, all later ones of 0.75.
    """

    def __init__(self) -> None:
        model = build(tiny.PLAIN.replace(side=SIDE))
        super().__init__(model.config, model.image_encoder, model.prompt_encoder, model.mask_decoder)
        self.asked: list[Prompts] = []

    def encode(self, pixels: Tensor, **_: Any) -> ImageEmbedding:
        colours = pixels * pixels.new_tensor(PIXEL_STD).view(3, 1, 1) + pixels.new_tensor(PIXEL_MEAN).view(3, 1, 1)
        red = (colours[:, :1] - colours[:, 1:2]) / 12.75 - 10  # -10 .. 10
        return ImageEmbedding(F.avg_pool2d(red, 4))

    def prepared(self, embedding: ImageEmbedding) -> ImageEmbedding:
        return embedding

    def decode(self, embedding: ImageEmbedding, prompts: Prompts, **_: Any) -> LowRes:
        self.asked.append(prompts)
        logits = embedding.features[prompts.image_index].clone()
        for one, box in zip(logits, prompts.boxes if prompts.boxes is not None else [None] * len(logits), strict=True):
            if box is not None and not box.isnan().any():
                x0, y0, x1, y1 = (box / 4).round().int().tolist()
                inside = torch.zeros_like(one, dtype=torch.bool)
                inside[..., max(0, y0) : y1, max(0, x0) : x1] = True
                one[~inside] = -10
        return LowRes(logits, torch.full((len(prompts), 1), 0.5 if len(self.asked) == 1 else 0.75))


@pytest.fixture
def finder() -> RedFinder:
    return RedFinder()


@pytest.fixture
def red(finder: RedFinder) -> Segmenter:
    return Segmenter(finder)


def painted(mask: np.ndarray) -> np.ndarray:
    """Red on white where the mask is."""
    image = np.full((*mask.shape, 3), 255, np.uint8)
    image[mask] = (255, 0, 0)
    return image


def comb(size_hw: tuple[int, int], x: int, y: int, side: int = 106) -> np.ndarray:
    """A comb: a back and teeth 10 pixels wide, 6 apart, which a look at a quarter of the size takes for a block."""
    mask = np.zeros(size_hw, bool)
    mask[y : y + 20, x : x + side] = True
    for tooth in range(x, x + side, 16):
        mask[y : y + side, tooth : tooth + 10] = True
    return mask


def iou(first: np.ndarray, second: np.ndarray) -> float:
    return float((first & second).sum() / (first | second).sum())


PROMPTS = {
    "box": Prompt(box=[595, 395, 711, 511]),
    "click": Prompt(points=[[603, 405]]),
    "clicks": Prompt(points=[[603, 405], [20, 20]], labels=[1, 0]),
}


@pytest.mark.parametrize("prompt", PROMPTS.values(), ids=PROMPTS)
def test_fine_structure_appears(red: Segmenter, prompt: Prompt) -> None:
    truth = comb((900, 1024), 600, 400)
    result = red.segment(painted(truth), prompts=[prompt])
    finer = refine(red, result)
    assert iou(result.masks[0], truth) < 0.75
    assert iou(finer.masks[0], truth) > 0.93
    assert finer.scores.tolist() == [0.75]
    [native] = segment_native(red, ArraySource(painted(truth)), [prompt])
    assert np.array_equal(native.piece.inside(whole(truth.shape)), finer.masks[0])
    assert native.zoom > 4


def test_the_second_look_gets_the_prompt_in_its_own_pixels(red: Segmenter, finder: RedFinder) -> None:
    truth = comb((900, 1024), 600, 400)
    prompt = Prompt(points=[[603, 405], [20, 20]], labels=[1, 0], box=[598, 398, 708, 508])
    segment_native(red, ArraySource(painted(truth)), [prompt])
    [second] = finder.asked
    assert second.labels.tolist() == [[1]], "the other click is out of view"
    x0, y0, x1, y1 = second.boxes[0].tolist()
    scale = (x1 - x0) / 110
    assert (y1 - y0) / 110 == pytest.approx(scale, rel=0.03)
    assert ((second.points[0, 0] - second.boxes[0, :2]) / scale).tolist() == pytest.approx([5, 7], abs=0.2)


@pytest.mark.parametrize(
    ("size_hw", "at"), [((640, 640), (250, 270)), ((1024, 1280), (777, 333)), ((1500, 700), (5, 1200))]
)
def test_the_extent_of_the_picture_hardly_matters(
    red: Segmenter, size_hw: tuple[int, int], at: tuple[int, int]
) -> None:
    def views(size_hw: tuple[int, int], x: int, y: int) -> tuple[np.ndarray, np.ndarray]:
        """Around the object, what the first and what the second look finds."""
        image = painted(comb(size_hw, x, y))
        result = red.segment(image, prompts=[Prompt(box=[x - 4, y - 4, x + 110, y + 110])])
        around = Window(x - 5, y - 5, x + 115, y + 115).slices()
        return result.masks[0][around], refine(red, result).masks[0][around]

    here, there = views(size_hw, *at), views((700, 800), 305, 305)
    assert iou(here[1], there[1]) > 0.95 > iou(here[0], there[0])


def test_what_the_first_mask_adds_to_the_prompt(red: Segmenter, finder: RedFinder) -> None:
    """Nothing to a box that is all in view, a mask to clicks, a box too where nothing else is known."""
    source = ArraySource(painted(comb((900, 1024), 600, 400)))
    rough = np.zeros((900, 1024), bool)
    rough[400:506, 600:706] = True
    given = [PROMPTS["box"], PROMPTS["click"], Prompt(mask=rough)]
    for prompt in given:
        segment_native(red, source, [prompt])
    box, _, click, _, mask = finder.asked
    assert (box.boxes is None, box.masks is None) == (False, True)
    assert (click.boxes is None, click.masks is None) == (True, False)
    assert (mask.boxes is None, mask.masks is None) == (False, False)


def test_each_prompt_has_its_own_crop(red: Segmenter) -> None:
    one, other = comb((900, 1024), 100, 100), comb((900, 1024), 800, 700, side=122)
    prompts = [Prompt(box=[95, 95, 211, 211]), Prompt(box=[795, 695, 925, 825])]
    both = refine(red, red.segment(painted(one | other), prompts=prompts))
    assert iou(both.masks[0], one) > 0.9
    assert iou(both.masks[1], other) > 0.9
    alone = refine(red, red.segment(painted(one | other), prompts=prompts[1:]))
    assert np.array_equal(both.masks[1], alone.masks[0])


def test_an_object_larger_than_the_square_is_seen_in_tiles(red: Segmenter, finder: RedFinder) -> None:
    truth = comb((900, 1024), 200, 150, side=600)
    prompt = Prompt(box=[195, 145, 810, 755])
    result = red.segment(painted(truth), prompts=[prompt])
    finer = refine(red, result)
    assert iou(result.masks[0], truth) < 0.75
    assert iou(finer.masks[0], truth) > 0.87
    assert max(float(p.boxes.max()) for p in finder.asked[1:]) <= SIDE


def test_what_is_all_inside_is_not_looked_at(red: Segmenter, finder: RedFinder) -> None:
    """Of a large plain object only tiles with outline are decoded."""
    truth = np.zeros((1000, 1000), bool)
    truth[100:900, 100:900] = True
    refine(red, red.segment(painted(truth), prompts=[Prompt(box=[100, 100, 900, 900])]))
    assert sum(map(len, finder.asked)) == 1 + 16  # of 25 tiles


def test_a_picture_that_the_model_sees_whole_is_left_alone(red: Segmenter) -> None:
    truth = np.zeros((100, 120), bool)
    truth[5:95, 5:115] = True
    result = red.segment(painted(truth), prompts=[Prompt(box=[5, 5, 115, 95])])
    finer = refine(red, result)
    assert np.array_equal(finer.masks, result.masks)
    assert np.array_equal(finer.low_res_logits, result.low_res_logits[:, :1])
    assert np.array_equal(finer.scores, result.scores)


def test_a_second_look_at_something_else_is_not_believed(red: Segmenter, monkeypatch: pytest.MonkeyPatch) -> None:
    truth = comb((900, 1024), 600, 400)
    result = red.segment(painted(truth), prompts=[PROMPTS["click"]])
    decode = RedFinder.decode

    def elsewhere(self: RedFinder, *args: Any, **kwargs: Any) -> LowRes:
        low = decode(self, *args, **kwargs)
        return LowRes(-low.logits, low.iou)

    monkeypatch.setattr(RedFinder, "decode", elsewhere)
    finer = refine(red, result)
    assert np.array_equal(finer.masks, result.masks)
    assert finer.scores.tolist() == [0.5]


def test_a_mask_that_is_empty_stays_so(red: Segmenter) -> None:
    image = painted(np.zeros((400, 500), bool))
    finer = refine(red, red.segment(image, prompts=[Prompt(box=[10, 10, 100, 100])]))
    assert not finer.masks.any()
    [native] = segment_native(red, ArraySource(image), [Prompt(box=[10, 10, 100, 100])])
    assert (native.piece.area, native.zoom) == (0, 1.0)


def test_the_result_can_be_given_back_as_a_prompt(red: Segmenter) -> None:
    truth = comb((900, 1024), 600, 400)
    finer = refine(red, red.segment(painted(truth), prompts=[PROMPTS["box"]]))
    assert finer.low_res_logits.shape == (1, 1, SIDE // 4, SIDE // 4)
    assert iou(finer.frame.masks_to_image(torch.from_numpy(finer.low_res_logits))[0, 0].numpy(), truth) > 0.5
    assert finer.logits.shape == (1, 900, 1024)
    assert len(finer.annotations()) == 1


def test_nothing_given_is_changed(red: Segmenter) -> None:
    truth = comb((900, 1024), 600, 400)
    result = red.segment(painted(truth), prompts=[PROMPTS["box"]])
    before = result.masks.copy(), result.low_res_logits.copy(), result.scores.copy(), result.image.copy()
    refine(red, result)
    after = result.masks, result.low_res_logits, result.scores, result.image
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_a_large_picture_is_read_by_window(red: Segmenter) -> None:
    source = ArraySource(painted(comb((900, 1024), 600, 400)))
    largest = []
    read = source.read

    def counted(window: Window) -> np.ndarray:
        largest.append(window.area)
        return read(window)

    overview = source.overview(SIDE)
    source.read, source.overview = counted, lambda _: overview  # type: ignore[method-assign]
    segment_native(red, source, [PROMPTS["box"]])
    assert largest
    assert max(largest) <= SIDE * SIDE


def test_real_models_refine_every_kind_of_prompt(any_sam: Sam) -> None:
    segmenter = Segmenter(any_sam)
    image = np.random.default_rng(0).integers(0, 256, (90, 120, 3)).astype(np.uint8)
    rough = np.zeros((90, 120), bool)
    rough[40:70, 50:90] = True
    prompts = [
        Prompt(points=[[60, 50]]),
        Prompt(box=[50, 40, 80, 70]),
        Prompt(mask=rough),
        Prompt(points=[[60, 50], [110, 10]], labels=[1, 0], box=[50, 40, 80, 70]),
    ]
    result = segmenter.segment(image, prompts=prompts, multimask=True)
    finer = refine(segmenter, result)
    assert finer.candidates.shape == (4, 1, 90, 120)
    assert finer.candidate_scores.shape == (4, 1)
    assert finer.low_res_logits.shape == (4, 1, any_sam.config.side // 4, any_sam.config.side // 4)
    assert finer.prompts == result.prompts
    native = segment_native(segmenter, ArraySource(image), prompts)
    assert len(native) == 4
    assert all(isinstance(one.piece, Piece) for one in native)


def test_misuse_ends_in_sentences(red: Segmenter) -> None:
    image = painted(comb((300, 300), 50, 50))
    result = red.segment(image, prompts=[Prompt(box=[50, 50, 156, 156])])
    with pytest.raises(ConfigError, match="margin"):
        refine(red, result, margin=-1)
    with pytest.raises(PromptError, match="Expected a box"):
        segment_native(red, ArraySource(image), [Prompt(box=[1, 2, 3])])


def test_without_prompts_there_are_no_objects(red: Segmenter) -> None:
    assert segment_native(red, ArraySource(painted(comb((300, 300), 50, 50))), []) == []


def test_an_hq_mask_of_a_plain_sam_is_refused(plain: Sam) -> None:
    image = painted(comb((300, 300), 50, 50))
    with pytest.raises(ConfigError, match="HQ"):
        segment_native(Segmenter(plain), ArraySource(image), [Prompt(box=[50, 50, 156, 156])], hq="add")


def _with_margin(margin: float | None) -> Segmenter:
    """A model whose weights ask for a second look at boxes, or do not."""
    sam = tiny.model(tiny.HQ)
    sam.config = sam.config.replace(defaults=Defaults(refine_margin=margin))
    return Segmenter(sam)


def test_weights_may_ask_for_a_second_look_at_boxes() -> None:
    image = np.random.default_rng(0).integers(0, 256, (200, 300, 3)).astype(np.uint8)
    prompts = [Prompt(box=[40, 50, 90, 100]), Prompt(points=[[200, 80]])]
    once, twice = (_with_margin(margin).segment(image, prompts=prompts) for margin in (None, 0.5))
    wanted = refine(_with_margin(None), once, margin=0.5, tiled=False, boxes_only=True)
    assert np.array_equal(twice.masks, wanted.masks)
    assert np.array_equal(twice.masks[1], once.masks[1]), "a click is looked at once"
    assert not np.array_equal(twice.scores, once.scores)


def test_the_second_look_can_be_refused_and_asked_for() -> None:
    image = np.random.default_rng(0).integers(0, 256, (200, 300, 3)).astype(np.uint8)
    plain, asking = _with_margin(None), _with_margin(0.5)
    box = [40, 50, 90, 100]
    assert np.array_equal(asking.segment(image, box=box, refine=False).masks, plain.segment(image, box=box).masks)
    assert np.array_equal(
        plain.segment(image, box=box, refine=True).masks, refine(plain, plain.segment(image, box=box)).masks
    )
    with pytest.raises(ConfigError, match="multimask"):
        plain.segment(image, box=box, refine=True, multimask=True)
    assert asking.segment(image, box=box, multimask=True).candidates.shape[1] == 3


def test_a_crop_larger_than_the_square_is_reduced_where_tiles_are_not_wanted() -> None:
    image = np.random.default_rng(0).integers(0, 256, (400, 900, 3)).astype(np.uint8)
    refiner = Refiner(_with_margin(None).model, ArraySource(image), 0.25, None, tiled=False)
    crop = Window(100, 50, 300, 250)
    assert [tile.window for tile in refiner._tiles(crop)] == [crop]
    assert len(replace(refiner, tiled=True)._tiles(crop)) > 1


def test_a_box_mostly_outside_is_cut_to_the_picture(red: Segmenter, finder: RedFinder) -> None:
    truth = comb((900, 1024), 600, 400)
    with pytest.warns(SamHQWarning, match="mostly outside"):
        segment_native(red, ArraySource(painted(truth)), [Prompt(box=[598, 398, 4000, 900])])
    assert (finder.asked[0].boxes[0] * 4).tolist() == pytest.approx([598, 398, 1024, 900], abs=0.5)


def test_inputs_made_beforehand_change_nothing_and_are_used(red: Segmenter, monkeypatch: pytest.MonkeyPatch) -> None:
    red.model.config = red.model.config.replace(defaults=Defaults(refine_margin=0.25))
    picture = painted(comb((900, 1024), 600, 400))
    prompts = [PROMPTS["box"], PROMPTS["click"], Prompt(box=[100, 100, 300, 260], points=[[150, 150]])]
    expected = red.segment(picture, prompts=prompts)
    read = red.beforehand(ReadPicture("a.png", picture), prompts)
    assert len(read.inputs.crops) == 2, "a click's crop depends on its mask"
    monkeypatch.setattr(second_look, "to_pixels_fast", None)  # Calling it would fail.
    got = red.segment(read, prompts=prompts)
    assert np.array_equal(got.masks, expected.masks)
    assert np.array_equal(got.low_res_logits, expected.low_res_logits)


@pytest.mark.parametrize(
    ("margin", "refine", "count"), [(None, None, 0), (0.25, False, 0), (0.25, None, 1), (None, True, 1)]
)
def test_crops_are_made_beforehand_if_there_is_a_second_look(
    red: Segmenter, margin: float | None, refine: bool | None, count: int
) -> None:
    red.model.config = red.model.config.replace(defaults=Defaults(refine_margin=margin))
    read = red.beforehand(ReadPicture("a.png", painted(comb((900, 1024), 600, 400))), [PROMPTS["box"]], refine)
    assert len(read.inputs.crops) == count
    assert ("square" in vars(read.inputs)) == (count == 0), "the second look at a box needs no first one"


def test_the_number_of_crops_made_beforehand_is_bounded(red: Segmenter) -> None:
    boxes = [Prompt(box=[x, 100, x + 40, 140]) for x in range(0, 900, 20)]
    read = red.beforehand(ReadPicture("a.png", painted(comb((900, 1024), 600, 400))), boxes, refine=True)
    assert len(read.inputs.crops) == (1 << 21) // SIDE**2
