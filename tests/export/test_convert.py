"""The files: what they hold and say, what runtimes need of them, and that a failure leaves nothing behind."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from tests import tiny
from torch import Tensor, nn

from samhq.checkpoint.fingerprint import weights_hash
from samhq.errors import ConfigError, MissingExtraError
from samhq.export import convert
from samhq.export.convert import as_exported, check_file, describe_export, export
from samhq.export.trace import trace
from samhq.model.sam import Sam
from samhq.runtime.about import DECODER, ENCODER, About
from samhq.runtime.graph import open_graph


def shapes(values: Any) -> dict[str, list[int | str]]:
    return {v.name: [d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim] for v in values}


@pytest.mark.parametrize("name", [ENCODER, DECODER])
def test_files_say_what_they_are(hq_folder: Path, hq: Sam, name: str) -> None:
    about = About.from_metadata(open_graph(hq_folder / name).metadata, hq_folder / name)
    assert about == describe_export(hq, "float32", "samhq")
    assert (about.model, about.side, about.hq, about.masks) == ("tiny_hq", 64, True, 4)
    assert about.weights == weights_hash(hq)
    assert about.mean == (123.675, 116.28, 103.53)


def test_inputs_and_outputs_of_the_encoder(hq_folder: Path) -> None:
    graph = onnx.load(hq_folder / ENCODER).graph
    assert shapes(graph.input) == {"pixels": [1, 3, 64, 64]}
    assert shapes(graph.output) == {"features": [1, 32, 4, 4], "hq_features": [1, 4, 16, 16]}


def test_inputs_and_outputs_of_the_decoder(hq_folder: Path) -> None:
    graph = onnx.load(hq_folder / DECODER).graph
    assert shapes(graph.input) == {
        "features": [1, 32, 4, 4],
        "hq_features": [1, 4, 16, 16],
        "points": ["prompts", "points", 2],
        "labels": ["prompts", "points"],
        "boxes": ["prompts", 4],
        "masks": ["masks", 1, 16, 16],
        "take": ["taken"],
        "hq": [1],
    }
    assert shapes(graph.output) == {"logits": ["prompts", "taken", 16, 16], "iou": ["prompts", "taken"]}


@pytest.mark.parametrize("name", [ENCODER, DECODER])
def test_standard_operators_of_one_version(hq_folder: Path, name: str) -> None:
    check_file(hq_folder / name)
    model = onnx.load(hq_folder / name)
    versions = {entry.domain: entry.version for entry in model.opset_import}
    assert versions.pop("") == 18
    used = {node.domain for node in model.graph.node}
    assert used <= {"", "ai.onnx"}, f"operators of {used | set(versions)}"


@pytest.mark.parametrize("name", [ENCODER, DECODER])
def test_no_traces_of_the_exporting_machine(hq_folder: Path, name: str) -> None:
    content = (hq_folder / name).read_bytes()
    for part in (b".py", b"site-packages", b"/src/", b"stack_trace"):
        assert part not in content


def test_hq_is_computed_only_where_it_is_asked_for(hq_folder: Path) -> None:
    graph = onnx.load(hq_folder / DECODER).graph
    (branch,) = [node for node in graph.node if node.op_type == "If"]
    then = next(attribute.g for attribute in branch.attribute if attribute.name == "then_branch")
    convolutions = [node for node in then.node if node.op_type == "Conv"]
    assert convolutions, "the mask features' convolutions belong inside"
    elsewhere = [tuple(node.input) for node in graph.node if node.op_type == "Conv"]
    assert not {tuple(node.input) for node in convolutions} & set(elsewhere)


def test_a_failure_leaves_what_was_there(tmp_path: Path, hq: Sam, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ENCODER).write_text("older")

    def write(model: Sam, path: Path, *rest: Any) -> None:
        path.write_text("newer")

    def refuse(path: Path) -> None:
        raise onnx.checker.ValidationError(path)

    monkeypatch.setattr(convert, "write_encoder", write)
    monkeypatch.setattr(convert, "write_decoder", write)
    monkeypatch.setattr(convert, "check_file", refuse)
    with pytest.raises(onnx.checker.ValidationError):
        export(hq, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [ENCODER]
    assert (tmp_path / ENCODER).read_text() == "older"
    for step in ("check_file", "seal"):
        monkeypatch.setattr(convert, step, lambda path: None)
    (tmp_path / f"{ENCODER}.data").write_text("weights of the older one")
    assert export(hq, tmp_path) == [tmp_path / DECODER, tmp_path / ENCODER]
    assert {path.read_text() for path in tmp_path.iterdir()} == {"newer"}


def test_the_model_stays_as_it_is(hq: Sam) -> None:
    before = weights_hash(hq)
    half = as_exported(hq, "float16")
    assert half.dtype.itemsize == 2
    assert hq.dtype.itemsize == 4
    assert weights_hash(hq) == before


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"dtype": "int4"}, "got 'int4'.*int8"),
        ({"contract": "orignal"}, "Did you mean 'original'"),
        ({"hq": "only"}, "original contract only"),
        ({"multimask": True}, "original contract only"),
        ({"contract": "original", "hq": "add"}, "plain SAM"),
    ],
)
def test_options_that_cannot_be(tmp_path: Path, plain: Sam, options: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        export(plain, tmp_path, **options)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("package", ["onnx", "onnxscript", "onnxruntime"])
def test_missing_packages_are_named_with_their_extra(
    tmp_path: Path, hq: Sam, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"{package} .*Run: pip install 'samhq\[onnx\]'"):
        export(hq, tmp_path)


class Scaled(nn.Module):
    """A convolution whose weight, larger than a megabyte, is a product of constants."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.scale = nn.Parameter(torch.randn(600, 500, 1, 1)), nn.Parameter(torch.randn(600, 1, 1, 1))

    def forward(self, pixels: Tensor) -> Tensor:
        return nn.functional.conv2d(pixels, self.weight * self.scale)


def test_large_weights_that_are_products_are_stored_as_constants() -> None:
    """Quantizers expect constants: with a product they fail ("Expected mul to be an initializer")."""
    graph = trace(Scaled(), {"pixels": torch.zeros(1, 500, 2, 2)}, ["out"], {}).model_proto.graph
    assert [node.op_type for node in graph.node] == ["Conv"]
    assert graph.node[0].input[1] in {stored.name for stored in graph.initializer}


@pytest.mark.slow
def test_large_weights_lie_beside_the_graph(tmp_path: Path, plain: Sam, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.exported import unwatched

    monkeypatch.setattr(convert, "_LARGE", 1000)
    about = describe_export(plain, "float32", "samhq")
    with unwatched():
        convert.write_encoder(plain, tmp_path / ENCODER, about)
    assert {path.name for path in tmp_path.iterdir()} == {ENCODER, f"{ENCODER}.data"}
    check_file(tmp_path / ENCODER)
    features = open_graph(tmp_path / ENCODER)({"pixels": tiny.pixels(tiny.PLAIN).numpy()})["features"]
    assert features.shape == (1, 32, 4, 4)
    floats = (tmp_path / f"{ENCODER}.data").stat().st_size
    convert.quantise(tmp_path / ENCODER, about)
    assert {path.name for path in tmp_path.iterdir()} == {ENCODER, f"{ENCODER}.data"}
    check_file(tmp_path / ENCODER)
    assert (tmp_path / f"{ENCODER}.data").stat().st_size < 0.7 * floats, "the float32 weights stayed in the file"
    assert About.from_metadata(open_graph(tmp_path / ENCODER).metadata, tmp_path) == about


@pytest.mark.parametrize("name", [ENCODER, DECODER])
def test_nothing_is_computed_from_constants_alone(hq_folder: Path, name: str) -> None:
    graph = onnx.load(hq_folder / name).graph
    known = {tensor.name for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant":
            known |= set(node.output)
        elif node.input and set(node.input) <= known | {""}:
            raise AssertionError(f"{node.op_type} of {list(node.input)}")
