"""A compiled model gives the results of the same model uncompiled, and keeps its state dict."""

from __future__ import annotations

import pytest
import torch

import samhq
from samhq.config import ModelConfig
from samhq.model.compiled import compile_parts
from samhq.model.sam import Sam
from samhq.types import Prompts
from tests import tiny

pytestmark = pytest.mark.usefixtures("unchecked")  # Checks of shapes are not compiled.


def prompts(config: ModelConfig, count: int) -> Prompts:
    places, labels = tiny.points(config, [1] * count)
    return Prompts(torch.zeros(count, dtype=torch.int64), places, labels)


@torch.inference_mode()
def check_equal(compiled: Sam, plain: Sam) -> None:
    """For several numbers of prompts, in float32."""
    pixels = tiny.pixels(plain.config)
    ours, expected = compiled.encode(pixels), plain.encode(pixels)
    assert torch.allclose(ours.features, expected.features, atol=1e-4)
    for count in (1, 3, 5):
        one = compiled.decode(ours, prompts(plain.config, count))
        other = plain.decode(expected, prompts(plain.config, count))
        assert torch.allclose(one.logits, other.logits, atol=1e-3 * float(other.logits.abs().max()))
        assert torch.allclose(one.iou, other.iou, atol=1e-4)


@pytest.mark.parametrize(
    "config",
    [config if config is tiny.HQ else pytest.param(config, marks=pytest.mark.slow) for config in tiny.ALL],
    ids=lambda config: config.name,
)
def test_results_and_state_dict_stay_the_same(config: ModelConfig) -> None:
    plain, compiled = tiny.shared(config), compile_parts(tiny.model(config), backend="eager")
    assert compiled.state_dict().keys() == plain.state_dict().keys()
    check_equal(compiled, plain)


def test_both_parts_run_compiled() -> None:
    sam = tiny.model(tiny.HQ)
    graphs: list[torch.fx.GraphModule] = []

    def counting(graph: torch.fx.GraphModule, inputs: list[torch.Tensor]) -> object:
        del inputs
        graphs.append(graph)
        return graph.forward

    compile_parts(sam, backend=counting)  # type: ignore[arg-type]
    with torch.inference_mode():
        embedding = sam.encode(tiny.pixels(tiny.HQ))
        after_encoder = len(graphs)
        sam.decode(embedding, prompts(tiny.HQ, 2))
    assert 0 < after_encoder < len(graphs)


def test_load_compiles_if_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[Sam] = []
    monkeypatch.setattr("samhq.model.compiled.compile_parts", compiled.append)
    samhq.load()
    assert not compiled
    segmenter = samhq.load(compile=True)
    assert compiled == [segmenter.model]


@pytest.mark.slow
def test_generated_code_gives_the_same() -> None:
    check_equal(compile_parts(tiny.model(tiny.HQ)), tiny.shared(tiny.HQ))
