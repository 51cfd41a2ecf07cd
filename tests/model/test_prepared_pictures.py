"""What is kept of a picture is used only while nothing that it depends on has changed."""

from __future__ import annotations

import copy
import gc
import pickle
import threading
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from samhq.config import ModelConfig
from samhq.model.prepared_pictures import PreparedPictures
from samhq.model.sam import Sam
from samhq.types import ImageEmbedding
from tests import tiny

CONFIGS = pytest.mark.parametrize("config", tiny.ALL, ids=lambda config: config.name)


class Pictures:
    """A network, the tensors of a picture, and how often its embedding was made."""

    def __init__(self, config: ModelConfig = tiny.HQ, *, dtype: torch.dtype = torch.float32) -> None:
        self.sam, self.kept, self.made = tiny.model(config).requires_grad_(False).eval(), PreparedPictures(), 0
        with torch.no_grad():
            encoded = self.sam.encode(tiny.pixels(config), keep_early=True)
        self.features = encoded.features.clone().to(dtype)
        self.early = None if encoded.early is None else encoded.early.clone().to(dtype)

    @property
    def sources(self) -> tuple[Tensor, ...]:
        return (self.features,) if self.early is None else (self.features, self.early)

    def embed(self) -> ImageEmbedding:
        self.made += 1
        if self.early is None:
            return ImageEmbedding(self.features.float())
        return self.sam.embed(self.features.float(), self.early.float())

    def prepare(self) -> ImageEmbedding:
        with torch.no_grad():
            return self.kept.prepare(self.sam, self.sources, self.embed)


def parts(embedding: ImageEmbedding) -> list[Tensor]:
    shared = [] if embedding.shared is None else [embedding.shared.place, *embedding.shared.parts]
    return [embedding.features, *([] if embedding.hq is None else [embedding.hq]), *shared]


def assert_same(one: ImageEmbedding, other: ImageEmbedding) -> None:
    ours, theirs = parts(one), parts(other)
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert torch.equal(a, b)


def assert_fresh(pictures: Pictures) -> None:
    """The answer is what the tensors and weights give now."""
    with torch.no_grad():
        wanted = pictures.sam.prepared(pictures.embed())
    assert_same(pictures.prepare(), wanted)


@CONFIGS
def test_an_embedding_is_made_once(config: ModelConfig) -> None:
    pictures = Pictures(config)
    first, second = pictures.prepare(), pictures.prepare()
    assert pictures.made == 1
    assert second.features is pictures.features
    assert second.shared is first.shared is not None
    assert_same(first, second)


@CONFIGS
def test_contents_are_compared_twice_for_all_tensors(config: ModelConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each comparison waits for a GPU: one of the checksums, one of the bytes beyond them."""
    pictures, compared, equal = Pictures(config), [], torch.equal
    pictures.prepare()
    monkeypatch.setattr(torch, "equal", lambda one, other: compared.append(one) or equal(one, other))
    pictures.prepare()
    assert pictures.made == 1
    assert len(compared) == 2


def test_features_in_another_dtype_are_converted_once() -> None:
    pictures = Pictures(dtype=torch.float64)
    first, second = pictures.prepare(), pictures.prepare()
    assert pictures.made == 1
    assert second.features.dtype == torch.float32
    assert_same(first, second)


CHANGES: dict[str, Callable[[Pictures], object]] = {
    "features in place": lambda p: p.features.add_(0.1),
    "early in place": lambda p: p.early[0, 0].zero_(),
    "one number": lambda p: p.features[0, -1, -1, -1].add_(1e-3),
    "through NumPy": lambda p: np.multiply(p.features.numpy(), 2, out=p.features.numpy()),
    "through .data": lambda p: p.features.data.mul_(2),
    "other .data": lambda p: setattr(p.features, "data", p.features * 2),
    "weight": lambda p: p.sam.mask_decoder.embedding_encoder[0].weight.mul_(2),
    "weight through .data": lambda p: p.sam.mask_decoder.embedding_encoder[0].bias.data.add_(1),
    "state dict": lambda p: p.sam.load_state_dict(tiny.model(p.sam.config, salt=1).state_dict()),
    "other module": lambda p: setattr(p.sam, "mask_decoder", tiny.model(p.sam.config, salt=1).mask_decoder.eval()),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_every_change_is_noticed(change: Callable[[Pictures], object]) -> None:
    pictures = Pictures()
    before = pictures.prepare()
    with torch.no_grad():
        change(pictures)
    assert_fresh(pictures)
    after = parts(pictures.prepare())
    assert any(not torch.equal(a, b) for a, b in zip(parts(before)[1:], after[1:], strict=True))


def test_changes_of_inference_tensors_are_noticed() -> None:
    pictures = Pictures()
    with torch.inference_mode():
        pictures.features = pictures.features.clone()
        pictures.prepare()
        pictures.features.mul_(2)
    assert_fresh(pictures)


def test_other_memory_layouts_and_odd_offsets_are_compared_too() -> None:
    pictures = Pictures()
    pictures.features = pictures.features.contiguous(memory_format=torch.channels_last)
    assert pictures.early is not None
    pictures.early = torch.cat([pictures.early.new_zeros(1), pictures.early.flatten()])[1:].view(pictures.early.shape)
    pictures.prepare()
    pictures.prepare()
    assert pictures.made == 1
    pictures.early.numpy()[0, -1, -1, -1] += 1
    assert_fresh(pictures)


@CONFIGS
def test_weights_outside_picture_modules_do_not_matter(config: ModelConfig) -> None:
    pictures = Pictures(config)
    inside = {id(weight) for module in pictures.sam.picture_modules() for weight in module.parameters()}
    before = pictures.prepare()
    with torch.no_grad():
        for module in (pictures.sam.prompt_encoder, pictures.sam.mask_decoder):
            for weight in module.parameters():
                if id(weight) not in inside:
                    weight.add_(1)
        assert_same(pictures.sam.prepared(pictures.embed()), before)


def test_what_inference_mode_makes_is_not_used_outside() -> None:
    pictures = Pictures()
    with torch.inference_mode():
        assert pictures.prepare().hq.is_inference()  # type: ignore[union-attr]
    pictures.features.requires_grad_(False)
    assert not pictures.prepare().hq.is_inference()  # type: ignore[union-attr]


def test_autocast_has_results_of_its_own() -> None:
    pictures = Pictures()
    exact = pictures.prepare()
    with torch.autocast("cpu", torch.bfloat16):
        rounded = pictures.prepare()
    assert pictures.made == 2
    assert not torch.equal(exact.hq, rounded.hq)  # type: ignore[arg-type]


def test_gradients_flow_and_nothing_is_kept() -> None:
    pictures = Pictures()
    pictures.sam.mask_decoder.requires_grad_(True)
    for _ in range(2):
        made = pictures.kept.prepare(pictures.sam, pictures.sources, pictures.embed)
        made.hq.sum().backward()  # type: ignore[union-attr]
    assert pictures.made == 2
    assert len(pictures.kept) == 0
    assert pictures.sam.mask_decoder.embedding_encoder[0].weight.grad is not None


class Halved(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) / 2


def test_modules_with_hooks_or_of_other_classes_are_called_every_time() -> None:
    pictures, calls = Pictures(), []
    hook = pictures.sam.mask_decoder.embedding_encoder[0].register_forward_hook(lambda *_: calls.append(1))
    pictures.prepare()
    pictures.prepare()
    assert len(calls) == pictures.made == 2
    hook.remove()
    first = pictures.sam.mask_decoder.transformer.layers[0].cross_attn_token_to_image
    first.k_proj.__class__ = Halved
    pictures.prepare()
    pictures.prepare()
    assert pictures.made == 3, "an attention that is called for every prompt is no part of the embedding"
    pictures.sam.mask_decoder.compress_vit_feat.append(nn.Dropout(0.0))
    pictures.prepare()
    pictures.prepare()
    assert pictures.made == 5


def test_a_hook_of_all_modules_is_called_every_time() -> None:
    pictures, calls = Pictures(), []
    hook = nn.modules.module.register_module_forward_hook(lambda *_: calls.append(1))
    try:
        pictures.prepare()
        once = len(calls)
        pictures.prepare()
    finally:
        hook.remove()
    assert len(calls) == 2 * once > 0


def test_nothing_outlives_the_picture() -> None:
    pictures = Pictures()
    pictures.prepare()
    assert len(pictures.kept) == 1
    del pictures.features
    gc.collect()
    assert len(pictures.kept) == 0


def test_the_last_pictures_are_kept() -> None:
    several = [Pictures() for _ in range(3)]
    kept, sam = several[0].kept, several[0].sam
    for pictures in several:
        pictures.kept, pictures.sam = kept, sam
        pictures.prepare()
    assert len(kept) == 2
    for pictures in several[::-1]:
        pictures.prepare()
    assert [pictures.made for pictures in several] == [2, 1, 1]


def test_copies_are_empty() -> None:
    pictures = Pictures()
    pictures.prepare()
    for other in (copy.deepcopy(pictures.kept), copy.copy(pictures.kept), pickle.loads(pickle.dumps(pictures.kept))):
        assert len(other) == 0
    assert len(pictures.kept) == 1


def test_threads_with_pictures_of_their_own_get_their_own() -> None:
    kept, sam, wrong = PreparedPictures(), Pictures().sam, []

    def work(seed: int) -> None:
        pictures = Pictures()
        pictures.kept, pictures.sam = kept, sam
        with torch.no_grad():
            for step in range(8):
                pictures.features.fill_(seed + 10 * (step // 2))
                wanted = sam.prepared(pictures.embed())
                found = pictures.prepare()
                wrong.extend(step for a, b in zip(parts(found), parts(wanted), strict=True) if not torch.equal(a, b))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.filterwarnings("ignore")
def test_traced_code_records_the_work() -> None:
    pictures = Pictures()

    def keys(features: Tensor) -> Tensor:
        return pictures.kept.prepare(pictures.sam, (features,), lambda: ImageEmbedding(features)).shared.keys  # type: ignore[union-attr]

    traced = torch.jit.trace(keys, (pictures.features,))
    assert len(pictures.kept) == 0
    with torch.no_grad():
        wanted = pictures.sam.share(pictures.features * 2).keys
        torch.testing.assert_close(traced(pictures.features * 2), wanted)


def test_the_network_names_its_parts() -> None:
    sam: Sam = tiny.model(tiny.HQ)
    names = {name for name, module in sam.named_modules() if any(module is part for part in sam.picture_modules())}
    assert names == {
        "prompt_encoder.pe_layer",
        "prompt_encoder.no_mask_embed",
        "mask_decoder.embedding_encoder",
        "mask_decoder.compress_vit_feat",
        "mask_decoder.transformer.layers.0.cross_attn_token_to_image",
        "mask_decoder.transformer.layers.0.cross_attn_image_to_token",
    }
