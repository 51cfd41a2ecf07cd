"""Exported files survive the tools that make them smaller: ONNX Runtime's quantizer and float16 converters."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnxconverter_common import float16
from onnxruntime.quantization import QuantType, quantize_dynamic

from samhq.checkpoint.load import load_model
from samhq.config import ModelConfig
from samhq.export.convert import as_exported, describe_export, write_encoder
from samhq.image.read import read_image
from samhq.image.sample_picture import sample_picture
from samhq.image.transform import to_square
from samhq.runtime.about import DECODER, ENCODER
from samhq.runtime.predictor import OnnxPredictor
from tests import exported, tiny

pytestmark = pytest.mark.filterwarnings("ignore:the float32 number")
SIZES = {"prompts": 3, "points": 2, "masks": 1, "taken": 2, "maps": 1, "num_points": 2}


def to_int8(source: Path, target: Path) -> None:
    quantize_dynamic(source, target, weight_type=QuantType.QInt8)


def to_uint8(source: Path, target: Path) -> None:
    quantize_dynamic(source, target, weight_type=QuantType.QUInt8)


def to_float16(source: Path, target: Path) -> None:
    onnx.save(float16.convert_float_to_float16(onnx.load(source), max_finite_val=6e4), target)


def to_float16_inside(source: Path, target: Path) -> None:
    onnx.save(float16.convert_float_to_float16(onnx.load(source), max_finite_val=6e4, keep_io_types=True), target)


#: Each tool with how far its outputs may lie from the file's own, as a part of the largest.
TOOLS: list[tuple[Callable[[Path, Path], None], float]] = [
    (to_int8, 0.15), (to_uint8, 0.15), (to_float16, 0.02), (to_float16_inside, 0.02),
]  # fmt: skip


def opened(path: Path) -> Any:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options)


def inputs(session: Any) -> dict[str, np.ndarray]:
    """Three boxes with points, and noise for what the encoder gives."""
    source, feeds = np.random.default_rng(0), {}
    kinds = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(int32)": np.int32}
    for given in session.get_inputs():
        shape = [SIZES[size] if isinstance(size, str) else size for size in given.shape]
        values: dict[str, Any] = {
            "take": [0, 4],
            "hq": [1],
            "boxes": [[5, 5, 40, 40]] * 3,
            "masks": np.full(shape, np.nan),
            "orig_im_size": [48, 64],
            "has_mask_input": [0],
        }
        value = values.get(given.name, source.standard_normal(shape))
        if given.name in ("labels", "point_labels"):
            value = np.ones(shape)
        if given.name in ("points", "point_coords"):
            value = source.integers(0, 40, shape)
        feeds[given.name] = np.asarray(value).astype(kinds[given.type])
    return feeds


def check_tool(source: Path, folder: Path, tool: Callable[[Path, Path], None], bound: float) -> None:
    target = folder / source.name
    tool(source, target)
    first, second = opened(source), opened(target)
    expected, found = first.run(None, inputs(first)), second.run(None, inputs(second))
    for one, other in zip(expected, found, strict=True):
        assert one.shape == other.shape
        assert np.abs(one - other.astype(np.float32)).max() < bound * np.abs(one).max()
    assert target.stat().st_size < source.stat().st_size


@pytest.mark.parametrize("name", [ENCODER, DECODER])
@pytest.mark.parametrize(("tool", "bound"), TOOLS)
def test_each_tool_makes_a_file_that_answers_nearly_the_same(
    hq_folder: Path, tmp_path: Path, name: str, tool: Callable[[Path, Path], None], bound: float
) -> None:
    check_tool(hq_folder / name, tmp_path, tool, bound)


def test_a_converted_folder_is_opened_as_one_that_was_exported(hq_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(hq_folder, tmp_path / "exported"))
    for name in (ENCODER, DECODER):
        to_float16_inside(hq_folder / name, folder / name)
    image = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    logits = []
    for place in (hq_folder, folder):
        predictor = OnnxPredictor(place)
        predictor.set_image(image)
        logits.append(predictor.predict(box=np.array([5, 5, 40, 40]), multimask_output=False, return_logits=True)[0])
    assert np.abs(logits[0] - logits[1]).max() < 0.05 * np.abs(logits[0]).max()


def sensitive(path: Path) -> list[str]:
    """The first convolution and the depth-wise ones, as the recipe in docs/export.md finds them."""
    convolutions = [node for node in onnx.load(path).graph.node if node.op_type == "Conv"]
    grouped = [node for node in convolutions if any(a.name == "group" and a.i > 1 for a in node.attribute)]
    return [node.name for node in (convolutions[0], *grouped)]


@pytest.mark.slow
def test_the_starters_encoder_in_int8_needs_its_sensitive_convolutions(tmp_path: Path) -> None:
    """On a photograph, as docs/export.md says: a third of the size, and errors below 15 % of the largest value."""
    model = load_model(None)
    about = describe_export(model, "float32", "samhq")
    with exported.unwatched():
        write_encoder(as_exported(model, "float32"), tmp_path / ENCODER, about)
    pixels, _ = to_square(read_image(sample_picture()), about.form)
    answers = {}
    for name, left_out in (("all", []), ("recipe", sensitive(tmp_path / ENCODER))):
        target = tmp_path / f"{name}.onnx"
        quantize_dynamic(tmp_path / ENCODER, target, weight_type=QuantType.QInt8, nodes_to_exclude=left_out)
        answers[name] = opened(target).run(None, {"pixels": pixels})
    expected = opened(tmp_path / ENCODER).run(None, {"pixels": pixels})
    for one, recipe, plain in zip(expected, answers["recipe"], answers["all"], strict=True):
        error, plain_error = (np.abs(one - other).max() / np.abs(one).max() for other in (recipe, plain))
        assert error < 0.15
        assert error < plain_error / 2
    assert (tmp_path / "recipe.onnx").stat().st_size < (tmp_path / ENCODER).stat().st_size / 3


#: int8 has one scale for a whole layer, which is coarse for the random depth-wise weights of TinyViT's encoder.
COARSE = {(tiny.LIGHT.name, ENCODER, to_int8): 0.5, (tiny.LIGHT.name, ENCODER, to_uint8): 0.35}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("config", "options"),
    [
        (tiny.PLAIN, {}),
        (tiny.LIGHT, {}),
        (tiny.SECOND, {}),
        (tiny.SECOND_HQ, {}),
        (tiny.HQ, {"contract": "original"}),
    ],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_every_family_survives_every_tool(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, config: ModelConfig, options: dict[str, Any]
) -> None:
    folder = exported.folder(tmp_path_factory, config, **options)
    for name in (ENCODER, DECODER):
        for tool, bound in TOOLS:
            check_tool(folder / name, tmp_path, tool, COARSE.get((config.name, name, tool), bound))
