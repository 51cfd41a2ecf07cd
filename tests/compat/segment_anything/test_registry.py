"""The registries: their keys, files, and golden values through them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from tests import tiny
from tests.compat.segment_anything.tiny_predictors import BOX, PICTURE, SIZE, batch
from tests.golden import deterministic

import samhq
from samhq.compat.segment_anything import Sam, SamPredictor
from samhq.config import MODELS
from samhq.errors import CheckpointError, ConfigError
from samhq.model.build import build

CASES = (
    "point__multi1__hqonly0",
    "points_pos_neg__multi1__hqonly1",
    "box__multi0__hqonly0",
    "box_point__multi0__hqonly1",
)
GOLDEN = Path(__file__).parents[2] / "golden" / "data"


@pytest.fixture
def small_models(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, row in list(MODELS.items()):
        monkeypatch.setitem(MODELS, name, (tiny.HQ if row.hq else tiny.PLAIN).replace(name=name))


@pytest.mark.usefixtures("small_models")
def test_registry_keys_and_their_models() -> None:
    names = {key: make().config.name for key, make in samhq.sam_model_registry.items()}
    high = {"vit_h": "sam_hq_vit_h", "vit_l": "sam_hq_vit_l", "vit_b": "sam_hq_vit_b", "vit_tiny": "sam_hq_vit_tiny"}
    assert names == {"default": "sam_hq_vit_h", **high}
    names = {key: make(checkpoint=None).config.name for key, make in samhq.sam_model_registry_baseline.items()}
    plain = {"vit_h": "sam_vit_h", "vit_l": "sam_vit_l", "vit_b": "sam_vit_b"}
    assert names == {"default": "sam_vit_h", **plain, "vit_tiny": "mobile_sam", "vit_t": "mobile_sam"}
    assert samhq.sam_hq_model_registry["vit_b"]().config.name == "sam_hq_vit_b"


@pytest.mark.usefixtures("small_models")
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("build_sam", "sam_hq_vit_h"),
        ("build_sam_vit_h", "sam_hq_vit_h"),
        ("build_sam_vit_l", "sam_hq_vit_l"),
        ("build_sam_vit_b", "sam_hq_vit_b"),
        ("build_sam_vit_tiny", "sam_hq_vit_tiny"),
        ("build_sam_vit_t", "mobile_sam"),
        ("build_sam_hq", "sam_hq_vit_h"),
        ("build_sam_hq_vit_h", "sam_hq_vit_h"),
        ("build_sam_hq_vit_l", "sam_hq_vit_l"),
        ("build_sam_hq_vit_b", "sam_hq_vit_b"),
    ],
)
def test_builders(name: str, expected: str) -> None:
    builder: Callable[..., Sam] = getattr(samhq, name)
    assert builder().config.name == expected


def test_unknown_key_names_the_known_ones() -> None:
    with pytest.raises(KeyError, match="Did you mean 'vit_tiny'") as raised:
        samhq.sam_model_registry["vit_tny"]
    assert isinstance(raised.value, ConfigError)
    assert "vit_t" not in samhq.sam_model_registry
    assert samhq.sam_model_registry.get("vit_t") is None


def filled(name: str, folder: Path) -> Path:
    """A file as its publishers save it: a plain state dict."""
    state = {k: torch.from_numpy(deterministic.tensor(k, tuple(v.shape))) for k, v in layout(name).items()}
    path = folder / f"{name}.pth"
    torch.save(state, path)
    return path


def layout(name: str) -> dict[str, torch.Tensor]:
    return build(MODELS[name], device="meta").state_dict()


@pytest.fixture(scope="module")
def light_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return filled("sam_hq_vit_tiny", tmp_path_factory.mktemp("weights"))


def test_file_of_another_model_is_refused_with_its_registry(light_file: Path) -> None:
    with pytest.raises(CheckpointError, match=r'Use sam_model_registry\["vit_tiny"\]') as raised:
        samhq.sam_model_registry_baseline["vit_t"](checkpoint=light_file)
    assert "sam_hq_vit_tiny" in str(raised.value)
    with pytest.raises(RuntimeError, match="does not exist"):
        samhq.sam_model_registry["vit_b"](checkpoint=str(light_file.parent / "none.pth"))


def test_golden_values_through_the_face(light_file: Path) -> None:
    """From the file on disk to masks at full size, one stored case for each way to ask Light HQ-SAM."""
    described = json.loads((GOLDEN / "hq_vit_tiny.json").read_text())
    predictor = SamPredictor(samhq.sam_model_registry["vit_tiny"](checkpoint=str(light_file)))
    predictor.set_image(deterministic.image(*described["image"]))
    with np.load(GOLDEN / "hq_vit_tiny.npz") as stored:
        assert relative(predictor.features[:, ::8, ::4, ::4], stored["embedding"]) < 2e-4
        assert relative(predictor.interm_features[0][:, ::4, ::4, ::16], stored["early"]) < 2e-4
        for name in CASES:
            case = described["cases"][name]
            prompt = {key: np.array(value) for key, value in case["prompt"].items()}
            flags = {"multimask_output": "multi1" in name, "hq_token_only": "hqonly1" in name}
            masks, scores, low = predictor.predict(**prompt, **flags)
            assert list(masks.shape) == case["mask_shape"]
            part = low if f"{name}__mask_bits" in stored else low[:, ::4, ::4]
            assert relative(part, stored[f"{name}__low"]) < 2e-4, name
            assert relative(scores, stored[f"{name}__iou"]) < 2e-4, name
            assert abs(int(masks.sum()) - int(stored[f"{name}__area"][0])) <= 12, name
        point = {key: np.array(value) for key, value in described["cases"]["mask_feedback"]["prompt"].items()}
        _, _, first = predictor.predict(**point, multimask_output=False, hq_token_only=True)
        _, scores, low = predictor.predict(**point, mask_input=first, multimask_output=False)
        assert relative(low[:, ::4, ::4], stored["mask_feedback__low"]) < 2e-4
        assert relative(scores, stored["mask_feedback__iou"]) < 2e-4


def relative(ours: np.ndarray | torch.Tensor, stored: np.ndarray) -> float:
    """The largest difference, as a part of the largest stored value."""
    assert tuple(ours.shape) == stored.shape
    return float(np.abs(np.asarray(ours, np.float64) - stored).max() / np.abs(stored).max())


@pytest.mark.usefixtures("small_models")
@pytest.mark.parametrize("registry", ["sam_model_registry", "sam_model_registry_baseline"])
def test_the_notebooks_calls(registry: str) -> None:
    """The predictor notebook of segment-anything, step by step, with either registry."""
    sam = getattr(samhq, registry)["vit_b"](checkpoint=None)
    sam.to(device="cpu")
    predictor = samhq.SamPredictor(sam)
    predictor.set_image(PICTURE)

    masks, scores, logits = predictor.predict(
        point_coords=np.array([[30, 40]]), point_labels=np.array([1]), multimask_output=True
    )
    mask_input = logits[np.argmax(scores), :, :]
    masks, _, _ = predictor.predict(
        point_coords=np.array([[30, 40], [12, 70]]),
        point_labels=np.array([1, 0]),
        mask_input=mask_input[None, :, :],
        multimask_output=False,
    )
    assert masks.shape == (1, *SIZE)
    masks, _, _ = predictor.predict(point_coords=None, point_labels=None, box=BOX[None, :], multimask_output=False)
    assert masks[0].shape == SIZE

    input_boxes = torch.tensor([[5, 5, 30, 60], [20, 10, 60, 88]], device=predictor.device)
    transformed_boxes = predictor.transform.apply_boxes_torch(input_boxes, PICTURE.shape[:2])
    masks, scores, _ = predictor.predict_torch(
        point_coords=None, point_labels=None, boxes=transformed_boxes, multimask_output=False
    )
    assert masks.shape == (2, 1, *SIZE)
    assert masks.squeeze(1).cpu().numpy().dtype == np.bool_
    assert scores.squeeze(1).cpu().numpy().shape == (2,)

    batched_output = sam(batch(sam), multimask_output=False)
    assert [list(output) for output in batched_output] == [["masks", "iou_predictions", "low_res_logits"]] * 2
