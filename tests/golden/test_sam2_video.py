"""Videos followed as the original code of SAM 2 and HQ-SAM 2 follows them, on stored weights and clips.

Runs of the original code: `video_` of facebookresearch/sam2 (2b90b9f), `joint_` of HQ-SAM 2's own, older predictor.
Memory is kept in float32 so that two correct programs agree; cases that end in `_bf16` round it to bfloat16, where one
flipped rounding shows.
"""

from __future__ import annotations

import json
import zlib
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from samhq.compat.sam2.state import InferenceState
from samhq.compat.sam2.video_predictor import SAM2HQVideoPredictor, SAM2VideoPredictor
from samhq.model.sam2.sam2 import Sam2
from samhq.video.encoded import EncodedFrame
from tests.golden import clip, sam2

DATA = Path(__file__).parent / "data"
FILES = [path.stem.removesuffix("_video") for path in sorted(DATA.glob("*_video.json"))]
DESCRIBED: dict[str, dict[str, Any]] = {
    file: json.loads((DATA / f"{file}_video.json").read_text(encoding="utf-8")) for file in FILES
}
#: Cases of the small model that every test run plays: forward, backward, masks, corrections, objects that come later.
QUICK = {"click", "absent", "two_objects", "later_object", "correction_as_cond", "reverse", "mask_then_click"}
#: The float32 bar is many times the 5e-6 by which correct programs differ, and a fraction of what mistakes cost.
BAR, BAR_BF16 = 1e-4, 3e-3


def cases() -> list[Any]:
    """Every stored case; all but some of the small model's take minutes."""
    found = []
    for file, described in DESCRIBED.items():
        for name in described["video"]:
            slow = not (file.endswith("_t") and name.removeprefix("video_256/") in QUICK)
            found.append(pytest.param(file, name, id=f"{file}-{name}", marks=[pytest.mark.slow] * slow))
    return found


@lru_cache(maxsize=1)
def network(file: str, side: int) -> Sam2:
    return sam2.model(file, DESCRIBED[file], side)


@lru_cache(maxsize=2)
def stored(file: str) -> Any:
    return np.load(DATA / f"{file}_video.npz")


@lru_cache(maxsize=32)
def frame(t: int, height: int, width: int, seed: int) -> np.ndarray:
    return clip.frame(t, height, width, seed)


@lru_cache(maxsize=24)
def encoded(file: str, side: int, t: int, height: int, width: int, seed: int) -> EncodedFrame:
    """A frame with the encoder's features, for all cases of a file that see it."""
    return EncodedFrame(t, frame(t, height, width, seed), network(file, side))


class Played:
    """A case's predictor and state, and the steps that were played."""

    def __init__(self, file: str, name: str) -> None:
        self.file, self.name, self.case = file, name, DESCRIBED[file]["video"][name]
        self.sam = network(file, self.case["image_size"])
        exact = self.case["memory"] == "float32"
        kind = SAM2HQVideoPredictor if name.startswith("joint_") else SAM2VideoPredictor
        self.predictor = kind(self.sam, memory_dtype=torch.float32 if exact else torch.bfloat16)
        for key, value in self.case.get("set", {}).items():
            assert hasattr(self.predictor, key)
            setattr(self.predictor, key, value)
        about = self.case["clip"]
        self.size_hw, self.seed = (about["height"], about["width"]), about["seed"]
        images = [frame(t, *self.size_hw, self.seed) for t in range(about["frames"])]
        checks = DESCRIBED[file]["clip_crc32"][str(self.seed)]
        assert [zlib.crc32(image.tobytes()) for image in images] == checks[: len(images)]
        self.state: InferenceState = self.predictor.init_state(images, **self.case.get("init", {}))
        self.state.encoded = lambda t: encoded(file, self.case["image_size"], t, *self.size_hw, self.seed)  # type: ignore[method-assign]
        self.bar = BAR if exact else BAR_BF16

    def step(self, step: dict[str, Any]) -> list[tuple[int, list[int], torch.Tensor]]:
        """What a step gives: frames with ids and logits."""
        predictor, state, which = self.predictor, self.state, (step.get("frame"), step.get("obj"))
        if step["op"] == "points":
            more = {key: step[key] for key in ("points", "labels", "box", "clear_old_points") if key in step}
            return [predictor.add_new_points_or_box(state, *which, **more)]
        if step["op"] == "mask":
            shape = step["shape"]
            mask = clip.mask(which[0], shape, *self.size_hw, self.seed) if shape else np.zeros(self.size_hw, bool)
            return [predictor.add_new_mask(state, *which, mask)]
        if step["op"] == "propagate":
            keys = ("start_frame_idx", "max_frame_num_to_track", "reverse")
            return list(predictor.propagate_in_video(state, **{key: step[key] for key in keys if key in step}))
        if step["op"] == "clear_prompts":
            return [predictor.clear_all_prompts_in_frame(state, *which)]
        if step["op"] == "remove":
            ids, frames = predictor.remove_object(state, which[1])
            return [(index, ids, logits) for index, logits in frames]
        assert step["op"] == "reset"
        predictor.reset_state(state)
        return []

    def compare(self, number: int, step: dict[str, Any], given: list[tuple[int, list[int], torch.Tensor]]) -> None:
        """The objects' masks, scores, pointers and memories after a step, beside the stored ones."""
        assert [[index, ids] for index, ids, _ in given] == [list(one) for one in step["yields"]]
        arrays = stored(self.file)
        prefix = f"{self.name}/{number}/"
        for row, (index, ids, logits) in enumerate(given):
            for column, object_id in enumerate(ids):
                where = f"{prefix} frame {index} object {object_id}"
                found = self.state.tracker.object(object_id).at(index)
                if found is None:
                    assert step["kinds"][row][column] == "absent", where
                    assert logits[column].max() < -1023
                    continue
                low = found.logits[0, 0].float().numpy()
                true = arrays[f"{prefix}low"][row, column]
                stride = len(low) // len(true)
                error = np.abs(low[::stride, ::stride] - true).max() / np.abs(true).mean()
                bar = BAR if index == 0 and step["op"] != "propagate" else self.bar
                assert error < bar, f"{where}: {error:.1e}"
                score = abs(found.object_score.item() - arrays[f"{prefix}object_score"][row, column])
                assert score < bar, f"{where}: score {score:.1e}"
                pointers = arrays[f"{prefix}pointer"][row, column]
                mine = found.pointer[0].float().numpy()[:: 256 // len(pointers)]
                assert np.abs(mine - pointers).max() < bar, where
                area = int((logits[column] > 0).sum())
                assert abs(area - arrays[f"{prefix}area"][row, column]) <= 20, where
                if f"{prefix}video_bits" in arrays.files:
                    bits = np.unpackbits(arrays[f"{prefix}video_bits"][row]).astype(bool)
                    bits = bits[: len(ids) * self.size_hw[0] * self.size_hw[1]].reshape(len(ids), *self.size_hw)
                    assert (bits[column] ^ (logits[column, 0].numpy() > 0)).sum() <= 20, where
        self.compare_memory(prefix, given)

    def compare_memory(self, prefix: str, given: list[tuple[int, list[int], torch.Tensor]]) -> None:
        """Memory maps of frames 0 and 1."""
        if f"{prefix}memory" not in stored(self.file).files:
            return
        maps = stored(self.file)[f"{prefix}memory"]
        order = [(index, number) for index, ids, _ in given for number in ids]
        order = [pair for pair in order if pair[0] in (0, 1)]
        assert len(order) == len(maps)
        for (index, number), true in zip(order, maps, strict=True):
            found = self.state.tracker.object(number).at(index)
            assert found is not None
            assert found.map is not None
            stride = self.case["image_size"] // 128
            mine = found.map[0, ::4, ::stride, ::stride].float().numpy()
            assert np.abs(mine - true).max() / np.abs(true).mean() < 3 * self.bar, f"{prefix} memory of frame {index}"


@pytest.mark.parametrize(("file", "name"), cases())
def test_videos_are_followed_as_by_the_original(file: str, name: str) -> None:
    played = Played(file, name)
    changed = played.case.get("weights", {})
    state = played.sam.state_dict()
    before = {key: state[key].clone() for key in changed}
    try:
        for key, value in changed.items():
            state[key].copy_(torch.tensor(value))
        for number, step in enumerate(played.case["steps"]):
            played.compare(number, step, played.step(step))
    finally:
        for key, value in before.items():
            state[key].copy_(value)
