"""Every family, dtype and contract, exported and asked the same as the network; minutes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto

from samhq.checkpoint.load import load_model
from samhq.config import ModelConfig
from samhq.encoder_config import TinyViTConfig, ViTConfig
from samhq.export.verify import original_inputs, verify
from samhq.image.frame import Frame
from samhq.image.read import read_image
from samhq.results.prompt_arrays import PromptArrays
from samhq.runtime.about import DECODER, ENCODER
from samhq.runtime.graph import open_graph
from tests import exported, tiny

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
#: A deeper ViT with wide heads, as in ViT-L and ViT-H; SlimSAM's, whose attention is narrower than its width.
DEEP = ModelConfig(
    "tiny_deep", ViTConfig(dim=48, depth=6, heads=4, global_blocks=(2, 5), window=3), True, 80, tiny.DECODER
)
SLIM = ModelConfig(
    "tiny_slim",
    ViTConfig(dim=24, depth=3, heads=2, head_dim=9, mlp_dim=41, global_blocks=(1,), window=3, qkv_bias=False),
    False,
    64,
    tiny.DECODER,
)
MOBILE = ModelConfig("tiny_mobile", tiny.TINY_VIT, False, 96, tiny.DECODER)
assert isinstance(MOBILE.encoder, TinyViTConfig)
FAMILIES = (tiny.PLAIN, tiny.LIGHT, DEEP, SLIM, MOBILE, tiny.SECOND, tiny.SECOND_HQ)


@pytest.mark.parametrize("config", FAMILIES, ids=lambda config: config.name)
def test_every_family_answers_as_in_torch(tmp_path_factory: pytest.TempPathFactory, config: ModelConfig) -> None:
    found = verify(tiny.shared(config), exported.folder(tmp_path_factory, config))
    assert found.features < 1e-4
    assert found.logits < 5e-4
    assert found.scores < 1e-4
    assert found.worst_iou > 0.99


@pytest.mark.parametrize(("dtype", "iou", "part"), [("float16", 0.99, 0.65), ("int8", 0.95, 0.8)])
def test_smaller_files_answer_nearly_the_same(
    tmp_path_factory: pytest.TempPathFactory, hq_folder: Path, dtype: str, iou: float, part: float
) -> None:
    place = exported.folder(tmp_path_factory, tiny.HQ, dtype=dtype)
    assert verify(tiny.shared(tiny.HQ), place).mask_iou > iou
    assert (place / ENCODER).stat().st_size < part * (hq_folder / ENCODER).stat().st_size
    kinds = {tensor.data_type for tensor in onnx.load(place / ENCODER).graph.initializer}
    assert {"float16": onnx.TensorProto.FLOAT16, "int8": onnx.TensorProto.INT8}[dtype] in kinds
    graph = onnx.load(place / DECODER).graph
    floats = {v.name for v in graph.input if v.type.tensor_type.elem_type == onnx.TensorProto.FLOAT}
    assert floats == {"features", "hq_features", "points", "boxes", "masks"}


def test_the_matrices_of_a_hiera_become_whole_numbers(tmp_path_factory: pytest.TempPathFactory) -> None:
    place, whole = (exported.folder(tmp_path_factory, tiny.SECOND, dtype=dtype) for dtype in ("int8", "float32"))
    assert verify(tiny.shared(tiny.SECOND), place).mask_iou > 0.95
    weights = onnx.load(place / ENCODER).graph.initializer
    small, large = (
        sum(tensor.data_type == kind for tensor in weights) for kind in (TensorProto.INT8, TensorProto.FLOAT)
    )
    assert small > 0
    assert large > 0
    assert (place / ENCODER).stat().st_size < (whole / ENCODER).stat().st_size


ORIGINAL: list[tuple[ModelConfig, dict[str, Any]]] = [
    (tiny.HQ, {}),
    (tiny.LIGHT, {"hq": "only", "multimask": True}),
    (tiny.PLAIN, {}),
    (tiny.PLAIN, {"multimask": False}),
]


@pytest.mark.parametrize(("config", "options"), ORIGINAL, ids=lambda value: getattr(value, "name", str(value)))
def test_the_original_contract(
    tmp_path_factory: pytest.TempPathFactory, config: ModelConfig, options: dict[str, Any]
) -> None:
    place = exported.folder(tmp_path_factory, config, contract="original", **options)
    found = verify(tiny.shared(config), place, **options)
    assert found.logits < 5e-4
    assert found.worst_iou > 0.99
    inputs = [value.name for value in onnx.load(place / DECODER).graph.input]
    named = {"image_embeddings", "point_coords", "point_labels", "mask_input", "has_mask_input", "orig_im_size"}
    assert set(inputs) == named | ({"interm_embeddings"} if config.hq else set())
    outputs = [value.name for value in onnx.load(place / DECODER).graph.output]
    assert outputs == ["masks", "iou_predictions", "low_res_masks"]


def test_the_original_contract_paints_at_the_pictures_size(tmp_path_factory: pytest.TempPathFactory) -> None:
    """With as many maps as its client stacks: the original's encoder gives four, of which the first is read."""
    place = exported.folder(tmp_path_factory, tiny.HQ, contract="original")
    maps = open_graph(place / ENCODER)({"pixels": tiny.pixels(tiny.HQ).numpy()})
    first = maps["interm_embeddings"]
    maps["interm_embeddings"] = np.concatenate([first, np.full_like(first, 9), first + 1, first])
    one = PromptArrays(np.array([[[30.0, 20]]], np.float32), np.array([[1]]), None, None)
    decoder = open_graph(place / DECODER)
    for size in ((45, 70), (300, 200), (64, 64)):
        found = decoder({**maps, **original_inputs(one, 64), "orig_im_size": np.array(size, np.float32)})
        assert found["masks"].shape == (1, 1, *size)
        expected = Frame.fit(size, 64).logits_to_image(torch.from_numpy(found["low_res_masks"]))
        np.testing.assert_allclose(found["masks"], expected, atol=1e-4)


def test_the_starter_on_a_photograph(tmp_path: Path) -> None:
    from samhq.export.convert import export

    starter = load_model()
    with exported.unwatched():
        export(starter, tmp_path)
        found = verify(starter, tmp_path, read_image(ROOT / "docs" / "overview.jpg"))
    assert found.logits < 1e-3
    assert found.mask_iou > 0.9999
    assert found.worst_iou > 0.999
