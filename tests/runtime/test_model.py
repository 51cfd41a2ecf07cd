"""The exported decoder answers as the network, for every kind of prompt and every choice of masks."""

from __future__ import annotations

import contextlib
import copy
import pickle
import shutil
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests import tiny

from samhq.config import Candidates, HQMode
from samhq.errors import CheckpointError, ConfigError
from samhq.export.graphs import ranked
from samhq.model.sam import Sam
from samhq.model.selection import select
from samhq.results.prompt_arrays import PromptArrays
from samhq.runtime.model import OnnxModel, prompt_inputs, taken
from samhq.types import Prompts

CHOICES = [(c, h) for c in get_args(Candidates) for h in get_args(HQMode)]


@given(st.integers(1, 5), st.integers(2, 5), st.integers(0, 99), st.sampled_from(CHOICES))
def test_what_is_taken_is_what_is_selected(
    prompts: int, masks: int, seed: int, choice: tuple[Candidates, HQMode]
) -> None:
    iou = torch.rand(prompts, masks, generator=torch.Generator().manual_seed(seed))
    places = torch.tensor(taken(*choice, masks))
    assert torch.equal(ranked(iou).index_select(1, places), select(iou, *choice).masks)


def test_a_decoder_with_one_mask_gives_that() -> None:
    assert {tuple(taken(*choice, 1)) for choice in CHOICES} == {(0,)}


def test_prompts_without_points_get_one_that_takes_no_part() -> None:
    none = PromptArrays(np.zeros((2, 0, 2), np.float32), np.zeros((2, 0), np.int64), np.ones((2, 4), np.float32), None)
    inputs = prompt_inputs(none, 16)
    assert inputs["points"].shape == (2, 1, 2)
    assert inputs["labels"].tolist() == [[-10], [-10]]
    assert inputs["labels"].dtype == np.int32
    assert inputs["masks"].shape == (1, 1, 16, 16)
    assert np.isnan(inputs["masks"]).all()


@pytest.fixture(scope="module")
def exported(hq_folder: Path) -> OnnxModel:
    return OnnxModel(hq_folder)


def asked(counts: list[int], boxes: list[bool] | None, masks: list[bool] | None, seed: int) -> PromptArrays:
    points, labels = tiny.points(tiny.HQ, [max(count, 1) for count in counts], seed)
    labels[torch.tensor(counts) == 0] = -10
    width = max(counts)
    return PromptArrays(
        points[:, :width].numpy(),
        labels[:, :width].numpy(),
        None if boxes is None else tiny.boxes(tiny.HQ, boxes, seed).numpy(),
        None if masks is None else tiny.masks(tiny.HQ, masks, seed).numpy(),
    )


@pytest.mark.parametrize("choice", CHOICES, ids="-".join)
@pytest.mark.parametrize(
    ("counts", "boxes", "masks"),
    [
        ([1], None, None),
        ([1, 3, 2], None, None),
        ([0, 0], [True, True], None),
        ([2, 0, 1], [False, True, True], None),
        ([1, 0, 4], None, [True, True, False]),
        ([0], None, [True]),
        ([1, 2, 0, 1], [True, False, False, True], [False, False, True, True]),
        ([2] * 19, [True] * 19, None),
        ([1] * 18, None, [i % 3 == 0 for i in range(18)]),
    ],
    ids=["click", "ragged", "boxes", "mixed", "masks", "mask", "all", "many", "many-masks"],
)
def test_answers_are_the_networks(
    exported: OnnxModel,
    hq: Sam,
    counts: list[int],
    boxes: list[bool] | None,
    masks: list[bool] | None,
    choice: tuple[Candidates, HQMode],
) -> None:
    pixels = tiny.pixels(tiny.HQ, seed=3)
    prompts = asked(counts, boxes, masks, seed=len(counts))
    logits, iou = exported.decode(exported.encode(pixels.numpy()), prompts, *choice)
    parts = (prompts.points, prompts.labels, prompts.boxes, prompts.masks)
    tensors = [None if part is None else torch.from_numpy(part) for part in parts]
    flat = Prompts(torch.zeros(len(counts), dtype=torch.int64), *tensors)
    with torch.inference_mode():
        expected = hq.decode(hq.encode(pixels), flat, candidates=choice[0], hq=choice[1])
    assert logits.shape == expected.logits.shape
    np.testing.assert_allclose(iou, expected.iou, atol=1e-5)
    np.testing.assert_allclose(logits, expected.logits, atol=2e-4)


def test_a_prompt_does_not_depend_on_its_neighbours(exported: OnnxModel) -> None:
    embedding = exported.encode(tiny.pixels(tiny.HQ).numpy())
    together = asked([1, 4, 2], [False, True, False], None, seed=1)
    alone, _ = exported.decode(embedding, together[:1], "all", "add")
    among, _ = exported.decode(embedding, together, "all", "add")
    np.testing.assert_allclose(among[:1], alone, atol=1e-4)


def test_modes_are_checked(exported: OnnxModel) -> None:
    assert exported.hq_mode(None) == "add"
    only = copy.copy(exported)
    only.about = replace(exported.about, default_hq="only")
    assert (only.hq_mode(None), only.hq_mode("off")) == ("only", "off")
    with pytest.raises(ConfigError, match="Did you mean 'only'"):
        exported.hq_mode("onli")  # type: ignore[arg-type]


def test_halves_of_two_exports_are_refused(hq_folder: Path, tmp_path: Path) -> None:
    import onnx

    shutil.copytree(hq_folder, tmp_path, dirs_exist_ok=True)
    model = onnx.load(tmp_path / "encoder.onnx")
    for entry in model.metadata_props:
        if entry.key == "samhq.weights":
            entry.value = "0" * 64
        if entry.key == "samhq.sha256":
            entry.value = ""  # a whole file of another export
    onnx.save(model, tmp_path / "encoder.onnx")
    with pytest.raises(CheckpointError, match="one export"):
        OnnxModel(tmp_path)


@pytest.mark.parametrize("runtime", [None, "openvino"])
def test_swapped_files_are_refused_when_they_are_opened(hq_folder: Path, tmp_path: Path, runtime: str | None) -> None:
    shutil.copy(hq_folder / "encoder.onnx", tmp_path / "decoder.onnx")
    shutil.copy(hq_folder / "decoder.onnx", tmp_path / "encoder.onnx")
    with pytest.raises(CheckpointError, match=r"input 'pixels' at .*encoder\.onnx, got one with .*swapped"):
        OnnxModel(tmp_path, runtime)


@pytest.mark.parametrize("runtime", [None, "openvino"])
@pytest.mark.parametrize("seed", range(6))
def test_flipped_bytes_end_in_our_own_error(hq_folder: Path, tmp_path: Path, seed: int, runtime: str | None) -> None:
    shutil.copytree(hq_folder, tmp_path, dirs_exist_ok=True)
    source = np.random.default_rng(seed)
    for name in ("encoder.onnx", "decoder.onnx"):
        data = bytearray((tmp_path / name).read_bytes())
        places = source.integers(len(data) - 3000, len(data), 40) if seed % 2 else source.integers(0, len(data), 40)
        for place in places:
            data[place] = source.integers(256)
        (tmp_path / name).write_bytes(bytes(data))
    with contextlib.suppress(CheckpointError):  # a weight may change without a trace
        opened = OnnxModel(tmp_path, runtime)
        opened.decode(opened.encode(tiny.pixels(tiny.HQ).numpy()), asked([1], None, None, 0), "best", "add")


def test_metadata_that_is_no_text_is_refused(hq_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(hq_folder, tmp_path, dirs_exist_ok=True)
    data = (tmp_path / "decoder.onnx").read_bytes()
    assert data.count(b"tiny_hq") >= 1
    (tmp_path / "decoder.onnx").write_bytes(data.replace(b"tiny_hq", b"tiny_\xff\xfe"))
    with pytest.raises(CheckpointError, match=r"decoder\.onnx"):
        OnnxModel(tmp_path)


def test_a_model_travels_to_another_process_by_its_files(exported: OnnxModel) -> None:
    copied = pickle.loads(pickle.dumps(exported))
    pixels = tiny.pixels(tiny.HQ).numpy()
    np.testing.assert_array_equal(copied.encode(pixels).features, exported.encode(pixels).features)
