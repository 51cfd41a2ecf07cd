"""A compiled model gives the results of the same model uncompiled, and keeps its state dict."""

from __future__ import annotations

import copy
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch

import samhq
from samhq.config import ModelConfig
from samhq.errors import ConfigError
from samhq.model.compiled import Replayed, choice_of, compile_parts
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


def overwriting(graph: torch.fx.GraphModule, inputs: list[torch.Tensor], mode: str = "", **_: Any) -> Any:
    """A backend whose "graphs" write to the same memory at every call, as CUDA graphs do, and count their calls."""
    del inputs
    if mode != "reduce-overhead":
        return graph.forward
    memory: dict[Any, list[torch.Tensor]] = {}

    def replay(*args: Any) -> list[torch.Tensor]:
        replays[mode] += 1
        results = graph(*args)
        kept = memory.setdefault(tuple(result.shape for result in results), [result.clone() for result in results])
        return [old.copy_(new) for old, new in zip(kept, results, strict=True)]

    return replay


replays: Counter[str] = Counter()


def graphed(config: ModelConfig) -> Sam:
    replays.clear()
    torch._dynamo.reset()
    return compile_parts(tiny.model(config).requires_grad_(False), graphs=True, backend=overwriting)


@pytest.mark.parametrize("config", [tiny.HQ, pytest.param(tiny.SECOND, marks=pytest.mark.slow)], ids=lambda c: c.name)
@torch.inference_mode()
def test_results_of_graphs_do_not_change_at_the_next_call(config: ModelConfig) -> None:
    plain, sam = tiny.shared(config), graphed(config)
    first, second = (tiny.pixels(config, seed=seed) for seed in (0, 1))
    ours = [sam.encode(pixels) for pixels in (first, second, first)]
    for embedding, pixels in zip(ours, (first, second, first), strict=True):
        assert torch.allclose(embedding.features, plain.encode(pixels).features, atol=1e-4)
    encoded = replays.total()
    assert encoded >= 3  # Checks of annotations split some graphs.
    asked = [prompts(config, 1), prompts(config, 2), prompts(config, 1)]
    attended = [sam.attend(ours[0], one) for one in asked]
    for state, one in zip(attended, asked, strict=True):
        expected = plain.attend(ours[0], one)
        assert torch.allclose(state.tokens, expected.tokens, atol=1e-4)
        assert torch.allclose(state.image, expected.image, atol=1e-4)
    assert replays.total() >= encoded + 3
    check_equal(sam, plain)


class Layer(torch.nn.Module):
    """A module that is not PyTorch's own, because those are not compiled alone."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = torch.nn.Linear(3, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x).relu()


def test_calls_that_graphs_could_spoil_are_compiled_only(monkeypatch: pytest.MonkeyPatch) -> None:
    replays.clear()
    layer = Layer()
    layer.compile(backend="eager")
    layer._compiled_call_impl = Replayed(layer, overwriting, dynamic=False, most_rows=4)
    monkeypatch.setattr("samhq.model.compiled._MOST_GRAPHS", 2)
    rows = torch.arange(15.0).view(5, 3)
    with torch.no_grad():
        first, second, again = layer(rows[:1]), layer(rows[:2]), layer(rows[1:2])
        assert torch.equal(first, layer._call_impl(rows[:1]))
        assert torch.equal(again, layer._call_impl(rows[1:2]))
        assert torch.equal(second, layer._call_impl(rows[:2]))
        assert replays.total() == 3
        layer(rows[:3])  # a third shape
        layer(rows)  # more rows
        with ThreadPoolExecutor(1) as pool:
            pool.submit(torch.no_grad()(layer), rows[:1]).result()
        assert replays.total() == 3
    layer(rows[:1]).sum().backward()
    assert replays.total() == 3
    assert layer.inner.weight.grad is not None
    assert "_compiled_call_impl" not in vars(copy.deepcopy(layer))


def test_load_compiles_if_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[tuple[Sam, bool]] = []
    monkeypatch.setattr("samhq.model.compiled.compile_parts", lambda sam, graphs: compiled.append((sam, graphs)))
    samhq.load()
    assert not compiled
    segmenter = samhq.load(compile=True)
    assert compiled == [(segmenter.model, False)]


def test_graphs_need_a_cuda_device() -> None:
    assert choice_of("graphs", torch.device("cuda:1")) == (True, True)
    with pytest.raises(ConfigError, match=r"CUDA device .* got cpu\. Use compile=True"):
        samhq.load(compile="graphs", device="cpu")
    for wrong in ("graph", "yes", 2, None):
        with pytest.raises(ConfigError, match="Expected compile"):
            samhq.load(compile=wrong)


@pytest.mark.slow
def test_generated_code_gives_the_same() -> None:
    check_equal(compile_parts(tiny.model(tiny.HQ)), tiny.shared(tiny.HQ))
