from __future__ import annotations

import sys
from typing import Any

import pytest
import torch
from benchmarks.interfaces import AsPredictor, AsTransformers
from benchmarks.peers import Original, Transformers, corrected, original_package
from benchmarks.peers_sam2 import Transformers2
from tests import tiny

import samhq.compat.segment_anything as face
from samhq.config import MODELS, ModelConfig
from samhq.model.sam2.sam2 import Sam2
from samhq.speed.ours import Ours, Refusal, random_model
from samhq.speed.videos import drawn
from samhq.speed.work import Click, Clip, Decode, Encode, TrackedFrame

CPU = torch.device("cpu")


def close(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    for name in one:
        torch.testing.assert_close(one[name], other[name], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", ["boxes", "points"])
@pytest.mark.parametrize("hq", ["add", "only"])
def test_the_original_package_is_called_as_it_is_written(kind: Any, hq: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package does not install beside a CPU build of PyTorch; our face has its interface and stands in."""
    config = tiny.LIGHT.replace(name="sam_hq_vit_tiny")
    monkeypatch.setitem(MODELS, config.name, config)
    monkeypatch.setitem(sys.modules, original_package(config), face)
    with torch.inference_mode():
        theirs = Original(random_model(config), "float32", CPU)
        ours = Ours(random_model(config), "float32", CPU)
        for work in (Encode(config, 2), Decode(config, 3, kind, hq)):
            close(getattr(theirs, work.verb)(work).answer(), getattr(ours, work.verb)(work).answer())
        click = Click(config, 1, kind, hq, (40, 60))
        mine = ours.clicking(click).run().candidates[0]
        assert (theirs.clicking(click).run()[0].numpy() == mine).mean() > 0.99


def test_what_peers_cannot_do() -> None:
    with pytest.raises(Refusal, match=r"not installed|does not import"):
        Original(random_model(tiny.PLAIN.replace(name="sam_vit_b")), "float32", CPU)
    pytest.importorskip("transformers")
    light = Transformers(random_model(tiny.LIGHT), "float32", CPU)
    with pytest.raises(Refusal, match="TinyViT"):
        light.encoding(Encode(tiny.LIGHT))


def test_transformers_decodes_what_a_tiny_vit_saw_and_is_put_back() -> None:
    pytest.importorskip("transformers")
    from transformers.models.sam_hq.modeling_sam_hq import SamHQMaskDecoder

    published, work = SamHQMaskDecoder.forward, Decode(tiny.LIGHT, 3, "points", "add")
    with torch.inference_mode():
        theirs = Transformers(random_model(tiny.LIGHT), "float32", CPU, "eager").decoding(work)
        close(theirs.answer(), Ours(random_model(tiny.LIGHT), "float32", CPU).decoding(work).answer())
    assert SamHQMaskDecoder.forward is published
    with corrected():
        pass
    assert SamHQMaskDecoder.forward is published


@pytest.mark.parametrize("kind", ["boxes", "points"])
@pytest.mark.parametrize("config", [tiny.HQ, tiny.PLAIN], ids=lambda config: config.name)
def test_this_library_gives_the_same_through_every_interface(config: ModelConfig, kind: Any) -> None:
    work = Decode(config, 1, kind, "add" if config.hq else "off")
    with torch.inference_mode():
        wanted = Ours(random_model(config), "float32", CPU).decoding(work).answer()
        for party in (AsTransformers, AsPredictor):
            task = party(random_model(config), "float32", CPU).decoding(work)
            close(task.answer(), wanted)
            close(task.answer(), wanted)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_transformers_sam2_gives_the_same(attention: str) -> None:
    pytest.importorskip("transformers")
    config = tiny.SECOND_OF_TRANSFORMERS
    with torch.inference_mode():
        theirs = Transformers2(random_sam2(config), "float32", CPU, attention)
        ours = Ours(random_model(config), "float32", CPU)
        works = (Encode(config, 2), Decode(config, 3, "boxes"), Decode(config, 3, "points"), TrackedFrame(config, 3))
        for work in works:
            close(getattr(theirs, work.verb)(work).answer(), getattr(ours, work.verb)(work).answer())
        click = Click(config, 1, "points", "off", (40, 60))
        mine = ours.clicking(click).run().candidates[0]
        assert (theirs.clicking(click).run()[0, 0].numpy() == mine).mean() > 0.99


def test_a_clip_is_followed_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("transformers")
    seen: list[int] = []
    config = tiny.SECOND_OF_TRANSFORMERS
    work = Clip(config, 3, (48, 64))
    for module in ("samhq.speed.videos", "benchmarks.peers_sam2"):
        monkeypatch.setattr(f"{module}.drawn", lambda number, size_hw: seen.append(number) or drawn(number, size_hw))
    with torch.inference_mode():
        for party in (Ours, Transformers2):
            party(random_sam2(config), "float32", CPU).following(work).run()
    assert seen == [0, 1, 2] * 2


def test_what_stands_in_for_sam2() -> None:
    pytest.importorskip("transformers")
    with pytest.raises(Refusal, match="HQ-SAM 2"):
        Transformers2(random_sam2(tiny.SECOND_HQ), "float32", CPU)
    with pytest.raises(Refusal, match="not measured"):
        Original(random_model(tiny.SECOND), "float32", CPU)
    with pytest.raises(Refusal, match="no memory"):
        Ours(random_model(tiny.PLAIN), "float32", CPU).tracking(TrackedFrame(tiny.PLAIN))


def random_sam2(config: ModelConfig) -> Sam2:
    model = random_model(config)
    assert isinstance(model, Sam2)
    return model
