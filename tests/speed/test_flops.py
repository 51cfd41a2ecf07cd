from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from benchmarks.plain_tiny_vit import PlainTinyViT
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from samhq.config import ModelConfig, model_config
from samhq.speed import flops
from samhq.speed.ours import Ours, random_model
from samhq.speed.work import Decode, Encode
from tests import tiny

CPU = torch.device("cpu")
#: Windows that fill their grids, so that the references have no padding to work on either.
EVEN = tiny.HQ.replace(encoder=replace(tiny.VIT, window=2))
EVEN_PLAIN = tiny.PLAIN.replace(encoder=replace(tiny.VIT, window=2))


def counted(work: Callable[[], Any]) -> int:
    """What PyTorch's own counter sees; attention is spelled out for it, which it cannot see into."""
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()


def transformers(config: ModelConfig) -> Any:
    pytest.importorskip("transformers")
    from benchmarks.peers import Transformers

    return Transformers(random_model(config), "float32", CPU, "eager")


@pytest.mark.parametrize("config", [EVEN, EVEN_PLAIN], ids=lambda config: config.name)
def test_the_plain_vit_is_what_transformers_computes(config: ModelConfig) -> None:
    assert counted(transformers(config).encoding(Encode(config, 2)).run) == 2 * flops.encoder(config)


def test_tiny_vit_is_what_its_published_modules_compute() -> None:
    encoder = PlainTinyViT(random_model(tiny.LIGHT), "float32", CPU)
    assert counted(encoder.encoding(Encode(tiny.LIGHT)).run) == flops.encoder(tiny.LIGHT)


def avoidable(work: Decode) -> int:
    """What transformers' decoder computes beyond what is needed, written out from its source."""
    config, row = work.config, work.config.decoder
    cells, inner, out = config.grid**2, row.dim // row.downsample, row.dim // 8
    length = 1 + row.masks + config.hq + flops.TOKENS
    written = flops.matrix(cells, row.dim, inner) + flops.matrix(cells, inner, length)
    first = 3 * flops.matrix(cells, row.dim, inner)  # made once a picture, not once a prompt
    orders = (4 * row.depth - 1) * (written - flops.projected(cells, length, row))
    vectors = flops.head(row.dim, row.dim, out, 3)
    unasked = (row.masks - 1) * (flops.matrix(16 * cells, out, 1) + vectors)
    hq = 0
    if config.hq:  # the whole last convolution; one product with the sum of two maps, and each vector with each map
        whole = flops.matrix(16 * cells, 9 * 2 * out, out)
        hq = whole - flops.matrix(16 * cells, 18 * out, 1) - flops.matrix(18 * out, out, 1)
    places = flops.matrix(cells, 2, row.dim // 2) + work.prompts * flops.matrix(2, 2, row.dim // 2)
    return work.prompts * (first + orders + unasked + hq) + flops.hq_map(config) + places


@pytest.mark.parametrize("config", [EVEN, EVEN_PLAIN], ids=lambda config: config.name)
@pytest.mark.parametrize("prompts", [1, 3])
def test_decoding_is_what_transformers_computes_less_what_is_avoidable(config: ModelConfig, prompts: int) -> None:
    work = Decode(config, prompts, "boxes", "add" if config.hq else "off")
    assert counted(transformers(config).decoding(work).run) - avoidable(work) == work.flops()


@pytest.mark.parametrize("hq", ["add", "only", "off"])
def test_our_decoder_computes_hardly_more_than_is_needed(hq: Any) -> None:
    config = model_config("sam_hq_vit_tiny")
    work = Decode(config, 2, "boxes", hq)
    assert counted(Ours(random_model(config), "float32", CPU).decoding(work).run) <= 1.02 * work.flops()
