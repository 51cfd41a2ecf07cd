"""Modules that somebody wrapped or watches are called, not computed around: adapters, hooks, autocast."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import weight_norm

from samhq.config import ModelConfig
from samhq.encoder_config import EfficientNetLiteConfig
from samhq.errors import ConfigError
from samhq.model.sam import Sam, network_of
from samhq.types import Prompts
from tests import tiny
from tests.exported import unwatched

LITE = EfficientNetLiteConfig(
    stem=8, channels=(8, 12, 16, 20, 24, 28, 32), depths=(1, 2, 1, 1, 2, 1, 1), expand=2, fine_dim=8, hidden=16
)
EVERY = (
    *tiny.ALL,
    ModelConfig("tiny_lite", LITE, hq=True, side=64, decoder=tiny.DECODER),
)
CONFIGS = pytest.mark.parametrize("config", EVERY, ids=lambda config: config.name)
#: Read, as in the original code, not called; and TinyViT's classifier, which no model uses.
_READ = (nn.Embedding,)
#: What pictures pass through, without the parts that only videos need.
_PARTS = ("image_encoder.", "prompt_encoder.", "mask_decoder.", "sam_prompt_encoder.", "sam_mask_decoder.")
_UNUSED = ("image_encoder.norm_head", "image_encoder.head", "sam_mask_decoder.pred_obj_score_head")


class Adapter(nn.Module):
    """A layer beside which a second, thin one is added, as PEFT, loralib and SAMed do; it has no `weight`."""

    def __init__(self, inner: nn.Linear) -> None:
        super().__init__()
        self.inner = inner
        self.down, self.up = (nn.Linear(a, b, bias=False) for a, b in ((inner.in_features, 2), (2, inner.out_features)))
        for number, layer in enumerate((self.down, self.up)):
            noise = torch.randn(layer.weight.shape, generator=torch.Generator().manual_seed(number))
            layer.weight.data = 0.1 * noise

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x) + self.up(self.down(x))

    def merged(self) -> nn.Linear:
        merged = copy.deepcopy(self.inner)
        merged.weight.data += self.up.weight @ self.down.weight
        return merged


def answers(sam: Sam) -> list[Tensor]:
    """What a model says of points, boxes, and prompts with masks, on two pictures."""
    config = sam.config
    with torch.inference_mode():
        embedding = sam.prepared(sam.encode(tiny.pixels(config, 2)))
        points, labels = tiny.points(config, [2, 1])
        boxes, masks = tiny.boxes(config, [True, False]), tiny.masks(config, [True, True])
        owner = torch.tensor([0, 1])
        kinds = [Prompts(owner, points, labels, boxes), Prompts(owner, points, labels, None, masks)]
        found = [sam.decode(embedding, prompts, candidates="all") for prompts in kinds]
    return [embedding.features, *(part for low in found for part in (low.logits, low.iou))]


def agree(ours: list[Tensor], expected: list[Tensor], relative: float = 1e-4) -> None:
    for one, other in zip(ours, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=relative * other.detach().abs().max().item())


def layers(sam: Sam) -> Iterator[tuple[str, nn.Module]]:
    """Modules with parameters of their own that a call should pass through."""
    for name, module in sam.named_modules():
        own = next(iter(module.parameters(recurse=False)), None) is not None and not isinstance(module, _READ)
        if own and name.startswith(_PARTS) and not name.startswith(_UNUSED):
            yield name, module


@CONFIGS
def test_every_layer_is_called_when_it_is_watched(config: ModelConfig) -> None:
    sam, calls = tiny.model(config), Counter[str]()
    expected = answers(sam)
    watched = dict(sam.named_modules()) | dict(layers(sam))
    blocks = [
        name
        for name, module in watched.items()
        if type(module).__name__ in ("Attention", "TwoWayBlock", "Block", "MLP")
    ]
    names = {name for name, _ in layers(sam)} | {
        name for name in blocks if name.startswith(_PARTS) and not name.startswith(_UNUSED)
    }
    for name in names:
        watched[name].register_forward_hook(lambda *_, name=name: calls.update([name]))
    agree(answers(sam), expected)
    # A hypernetwork's mask may be left out, what the image is made of may not.
    assert sorted(name for name in names if not calls[name]) == []


@CONFIGS
def test_watched_layers_see_whole_inputs(config: ModelConfig) -> None:
    """Not one row of padding, nor a strip of a picture: what the original code would give them."""
    sam, shapes = tiny.model(config), Counter[int]()
    for _, module in layers(sam):
        if isinstance(module, nn.Linear):
            module.register_forward_hook(lambda module, given, _: shapes.update([given[0].ndim]))
    answers(sam)
    assert 1 not in shapes


@CONFIGS
def test_adapters_count_as_if_they_were_merged(config: ModelConfig) -> None:
    """computational-cell-analytics/micro-sam#1089."""
    adapted, merged = tiny.model(config), tiny.model(config)
    linear = [name for name, module in layers(adapted) if isinstance(module, nn.Linear)]
    for name in linear:
        owner, _, attribute = name.rpartition(".")
        adapter = Adapter(adapted.get_submodule(name)).requires_grad_(False)
        setattr(adapted.get_submodule(owner), attribute, adapter)
        setattr(merged.get_submodule(owner), attribute, adapter.merged())
    assert len(linear) > 40
    before = answers(tiny.model(config))
    agree(answers(adapted), answers(merged))
    assert (answers(adapted)[1] - before[1]).abs().max() > 1e-2 * before[1].abs().max()


@CONFIGS
def test_one_adapter_alone_counts(config: ModelConfig) -> None:
    """Each projection of the decoder by itself: none is computed around."""
    plain, expected = tiny.model(config), answers(tiny.model(config))
    for name in [name for name, module in layers(plain) if isinstance(module, nn.Linear) and "cross_attn" in name]:
        owner, _, attribute = name.rpartition(".")
        inner = plain.get_submodule(name)
        adapter = Adapter(inner).requires_grad_(False)
        setattr(plain.get_submodule(owner), attribute, adapter)
        assert any((one - other).abs().max() > 1e-5 for one, other in zip(answers(plain), expected, strict=True)), name
        setattr(plain.get_submodule(owner), attribute, inner)
    agree(answers(plain), expected, relative=0)


class Scaled(nn.Module):
    """Any layer, its output made larger: for convolutions."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        return 1.5 * self.inner(x)


@CONFIGS
def test_wrapped_convolutions_count(config: ModelConfig) -> None:
    wrapped, scaled = tiny.model(config), tiny.model(config)
    names = [n for n, m in layers(wrapped) if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d)) and "downsample" not in n]
    with torch.no_grad():
        for name in names:
            owner, _, attribute = name.rpartition(".")
            setattr(wrapped.get_submodule(owner), attribute, Scaled(wrapped.get_submodule(name)))
            for parameter in scaled.get_submodule(name).parameters():
                parameter *= 1.5
    agree(answers(wrapped), answers(scaled))


@CONFIGS
def test_parametrized_layers_count(config: ModelConfig) -> None:
    sam, expected = tiny.model(config), tiny.model(config)
    with torch.no_grad():
        for name, module in list(layers(expected)):
            if isinstance(module, nn.Linear):
                module.weight *= 2
                parametrize.register_parametrization(sam.get_submodule(name), "weight", Twice())
    agree(answers(sam), answers(expected))
    for attention in (expected.mask_decoder.transformer.layers[1].cross_attn_image_to_token,):
        weight_norm(attention.q_proj)
        weight_norm(attention.out_proj)
    agree(answers(sam), answers(expected))


class Twice(nn.Module):
    def forward(self, weight: Tensor) -> Tensor:
        return 2 * weight


class Watched(nn.Module):
    """An attention of somebody else, with the three arguments that SAM's own code gives."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return self.inner(q, k, v)


@CONFIGS
def test_a_wrapped_attention_is_called(config: ModelConfig) -> None:
    sam = tiny.model(config)
    expected = sam.decode(sam.encode(tiny.pixels(config)), tiny.one_point(config))
    for block in sam.mask_decoder.transformer.layers:
        for name in ("self_attn", "cross_attn_token_to_image", "cross_attn_image_to_token"):
            setattr(block, name, Watched(getattr(block, name)))
    sam.mask_decoder.transformer.final_attn_token_to_image = Watched(
        sam.mask_decoder.transformer.final_attn_token_to_image
    )
    found = sam.decode(sam.encode(tiny.pixels(config)), tiny.one_point(config))
    agree([found.logits, found.iou], [expected.logits, expected.iou])


def test_gradients_reach_adapters() -> None:
    sam = tiny.model(tiny.HQ).requires_grad_(False)
    for block in sam.mask_decoder.transformer.layers:
        for attention in (block.cross_attn_token_to_image, block.cross_attn_image_to_token):
            for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
                setattr(attention, name, Adapter(getattr(attention, name)))
    low = sam.decode(sam.encode(tiny.pixels(tiny.HQ)), tiny.one_point(tiny.HQ))
    low.logits.square().mean().backward()
    silent = [
        n for n, p in sam.named_parameters() if ("down" in n or "up.weight" in n) and p.requires_grad and p.grad is None
    ]
    assert silent == []


@CONFIGS
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_autocast_answers_near_float32_and_in_the_weights_type(config: ModelConfig, dtype: torch.dtype) -> None:
    """facebookresearch/sam3#507."""
    sam = tiny.shared(config)
    expected = answers(sam)
    with torch.autocast("cpu", dtype):
        inside = answers(sam)
        embedding = sam.prepared(sam.encode(tiny.pixels(config)))
    assert {part.dtype for part in inside} == {torch.float32}
    agree(inside, expected, relative=0.1)
    after = sam.decode(embedding, tiny.one_point(config))
    assert after.logits.dtype == torch.float32


WRAPPERS = {
    "compiled": lambda sam: torch.compile(sam, backend="eager"),
    "data parallel": lambda sam: nn.DataParallel(sam),
    "both": lambda sam: nn.DataParallel(torch.compile(sam, backend="eager")),
}


@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS)
def test_a_wrapped_network_is_found(wrap: Callable[[Sam], nn.Module]) -> None:
    sam = tiny.model(tiny.HQ)
    assert network_of(sam) is sam
    assert network_of(wrap(sam)) is sam


@pytest.mark.parametrize("other", [nn.Linear(2, 2), nn.Sequential(), "sam_vit_b", None, 3], ids=str)
def test_what_holds_no_network_is_a_sentence(other: object) -> None:
    with pytest.raises(ConfigError, match=r"samhq\.load.*model"):
        network_of(other)


def test_a_compiled_part_works() -> None:
    sam, expected = tiny.model(tiny.HQ), answers(tiny.model(tiny.HQ))
    for name in ("image_encoder", "mask_decoder", "prompt_encoder"):
        setattr(sam, name, torch.compile(getattr(sam, name), backend="eager"))
    with unwatched():
        agree(answers(sam), expected)


@pytest.mark.parametrize("name", ["mask_decoder", "prompt_encoder"])
def test_a_part_that_hides_its_steps_is_refused_when_it_is_put_in(name: str) -> None:
    sam = tiny.model(tiny.HQ)
    with pytest.raises(ConfigError, match=rf"DataParallel as {name}.*inside"):
        setattr(sam, name, nn.DataParallel(getattr(sam, name)))
    answers(sam)
