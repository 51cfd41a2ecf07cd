from __future__ import annotations

import pytest
import torch

from samhq.model.mask_decoder_hq import HQ_MODULES, MaskDecoderHQ, shared_product
from samhq.model.sam import Sam
from samhq.types import Attended, Choice, ImageEmbedding
from tests import tiny

FAMILIES = pytest.mark.parametrize("sam", [tiny.HQ, tiny.LIGHT], ids=lambda c: c.name, indirect=True)


@pytest.fixture
def sam(request: pytest.FixtureRequest) -> Sam:
    return tiny.shared(request.param)


def attend(sam: Sam, images: int = 2) -> tuple[ImageEmbedding, Attended]:
    embedding = sam.encode(tiny.pixels(sam.config, images), keep_early=True)
    index = torch.arange(3) % images
    places, labels = tiny.points(sam.config, [1, 2, 1])
    return embedding, sam.attend(embedding, tiny.Prompts(index, places, labels))


@FAMILIES
@pytest.mark.parametrize("images", [1, 2])
def test_hq_logits_are_the_published_formula(sam: Sam, images: int) -> None:
    embedding, attended = attend(sam, images)
    decoder = sam.mask_decoder
    early = embedding.early.permute(0, 3, 1, 2)
    maps = decoder.embedding_encoder(embedding.features) + decoder.compress_vit_feat(early)
    torch.testing.assert_close(embedding.hq, maps)
    features = decoder.embedding_maskfeature(decoder.output_upscaling(attended.image)) + maps[attended.image_index]
    expected = torch.einsum("pc,pcyx->pyx", decoder.hf_mlp(attended.tokens[:, 5]), features)[:, None]
    masks = torch.tensor([[1, 3], [2, 0], [0, 1]])
    plain, refined = decoder.logits(attended, embedding, masks, "add")
    torch.testing.assert_close(refined, expected)
    torch.testing.assert_close(plain, super(MaskDecoderHQ, decoder).logits(attended, embedding, masks)[0])


@FAMILIES
def test_add_is_the_sum_of_off_and_only(sam: Sam) -> None:
    embedding, attended = attend(sam)
    masks = torch.tensor([[1, 3], [2, 0], [0, 1]])
    add, off, only = (
        sam.mask_decoder.paint(attended, embedding, Choice(masks, attended.iou.gather(1, masks), mode))
        for mode in ("add", "off", "only")
    )
    assert add.shape == off.shape == (3, 2, 4 * sam.config.grid, 4 * sam.config.grid)
    assert only.shape == (3, 1, 4 * sam.config.grid, 4 * sam.config.grid)
    torch.testing.assert_close(add, off + only)


@FAMILIES
def test_training_reaches_every_hq_parameter_and_no_other(sam: Sam) -> None:
    trained = tiny.model(sam.config)
    for name, parameter in trained.named_parameters():
        parameter.requires_grad_(name.startswith(tuple(f"mask_decoder.{module}." for module in HQ_MODULES)))
    embedding = trained.encode(tiny.pixels(sam.config, 2))
    index = torch.tensor([0, 1])
    low = trained.decode(embedding, tiny.Prompts(index, boxes=tiny.boxes(sam.config, [True, True])), hq="only")
    before = {name: value.clone() for name, value in trained.state_dict().items()}
    low.logits.square().mean().backward()
    torch.optim.SGD(trained.parameters(), lr=1.0).step()
    changed = {name for name, value in trained.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {name for name, p in trained.named_parameters() if p.requires_grad}
    assert len(changed) == 25


@pytest.mark.parametrize("config", tiny.ALL, ids=lambda config: config.name)
def test_training_everything_reaches_every_parameter(config: tiny.ModelConfig) -> None:
    """But for the classifier that no forward uses, and what SAM 2 needs for videos alone."""
    sam = tiny.model(config)
    sam.stable_from = None  # so that SAM 2 keeps single masks
    embedding = sam.encode(tiny.pixels(config))
    places, labels = tiny.points(config, [4, 1, 1])
    labels = torch.tensor([[0, 1, 2, 3], [-1, -10, -10, -10], [1, -10, -10, -10]])
    prompts = tiny.Prompts(
        torch.zeros(3, dtype=torch.int64), places, labels, masks=tiny.masks(config, [True, False, True])
    )
    losses = [sam.decode(embedding, prompts, candidates=which) for which in ("single", "all")]
    sum(low.logits.square().mean() + low.iou.square().mean() for low in losses).backward()
    idle = {name for name, p in sam.named_parameters() if p.grad is None or not p.grad.any()}
    videos = ("memory_", "maskmem_", "mask_downsample", "obj_ptr", "no_obj", "no_mem_pos", "sam_mask_decoder.pred_obj")
    light = ("image_encoder.norm_head", "image_encoder.head")
    expected = {tiny.LIGHT.name: light}.get(config.name, videos if config.second else ("-",))
    assert idle == {name for name, _ in sam.named_parameters() if name.startswith(expected)}


def test_shared_product_of_one_image_equals_that_of_many() -> None:
    source = torch.Generator().manual_seed(0)
    weights, maps = torch.randn(3, 1, 4, generator=source), torch.randn(2, 4, 5, 5, generator=source)
    index = torch.tensor([1, 1, 1])
    torch.testing.assert_close(
        shared_product(weights, maps[1:], torch.zeros_like(index)), shared_product(weights, maps, index)
    )
