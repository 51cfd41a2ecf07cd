"""transformers' SAM 2 as a party, with this library's weights: `Sam2Model` for pictures, `Sam2VideoModel` for videos.

Like `peers.py` not part of the library. transformers has no HQ-SAM 2.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.peers import installed
from samhq.checkpoint.hf_config import config_to_transformers
from samhq.checkpoint.naming import to_transformers
from samhq.image.frame import Frame
from samhq.model.sam2.sam2 import Sam2
from samhq.speed.ours import Refusal, Workload, random_inputs, random_pixels
from samhq.speed.videos import drawn, first_click
from samhq.speed.work import Click, Clip, Decode, Encode, TrackedFrame
from samhq.video.pixels import frame_pixels


class Transformers2:
    """`Sam2Model` or `Sam2VideoModel`, with one way of attention: "sdpa" or "eager"."""

    def __init__(self, model: Sam2, dtype: str, device: torch.device, attention: str = "sdpa") -> None:
        self.package = installed()
        if model.config.hq:
            raise Refusal("has no HQ-SAM 2")
        self.name, self.config, self.device = f"transformers {attention}", model.config, device
        raw = config_to_transformers(model.config)
        video = raw["model_type"] == "sam2_video"
        config = (self.package.Sam2VideoConfig if video else self.package.Sam2Config).from_dict(raw)
        config._attn_implementation = attention
        kind = self.package.Sam2VideoModel if video else self.package.Sam2Model
        self.model = kind._from_config(config, attn_implementation=attention)
        self.model.load_state_dict(to_transformers(model.state_dict()))
        self.model.eval().requires_grad_(False).to(device=device, dtype=getattr(torch, dtype))

    def encoding(self, work: Encode) -> Workload:
        """Pictures to image embeddings, with the decoder's two finer maps."""
        pixels = random_pixels(self.config, work.images).to(self.device, self.model.dtype)

        def answer() -> dict[str, Tensor]:
            finest, finer, features = self.model.get_image_embeddings(pixels)
            return {"features": features, "finest": finest, "finer": finer}

        return Workload(lambda: self.model.get_image_embeddings(pixels), answer)

    def decoding(self, work: Decode) -> Workload:
        """Prompts to low-resolution logits from image embeddings."""
        model, given = self.picture_model(), self.arguments(work)

        def answer() -> dict[str, Tensor]:
            output = model(**given)
            return {"iou": output.iou_scores[0], "logits": output.pred_masks[0]}

        return Workload(lambda: model(**given), answer)

    def clicking(self, work: Click) -> Workload:
        """A prompt to a mask of the photograph's size."""
        model, given = self.picture_model(), self.arguments(work)

        def run() -> Tensor:
            # What its processor does with masks; the processor itself needs torchvision.
            logits = model(**given).pred_masks[0]
            return nn.functional.interpolate(logits, work.size_hw, mode="bilinear", align_corners=False) > 0

        return Workload(run, self.decoding(work).answer)

    def tracking(self, work: TrackedFrame) -> Workload:
        """The next frame of a video, as it streams in, with one object."""
        video = _Stream(self, work.size_hw)
        logits = [video.next() for _ in range(work.before)]
        return Workload(video.next, lambda: {"logits": logits[work.compared]})

    def following(self, work: Clip) -> Workload:
        """A video from its first frame to its last, as it streams in; the session keeps all of its outputs."""

        def run() -> None:
            video = _Stream(self, work.size_hw)
            for _ in range(work.frames):
                video.next()

        return Workload(run)

    def picture_model(self) -> Any:
        """The decoder for pictures, with the same weights."""
        if self.config.memory is None:
            return self.model
        raw = config_to_transformers(self.config.replace(memory=None))
        config = self.package.Sam2Config.from_dict(raw)
        config._attn_implementation = self.model.config._attn_implementation
        made = self.package.Sam2Model._from_config(config)
        missing, _ = made.load_state_dict(self.model.state_dict(), strict=False)
        assert not missing, missing
        return made.eval().requires_grad_(False).to(device=self.device, dtype=self.model.dtype)

    def arguments(self, work: Decode) -> dict[str, Any]:
        """The arguments for its picture model."""
        inputs = random_inputs(work).to(self.device, self.model.dtype)
        given: dict[str, Any] = {"image_embeddings": [*inputs.levels, inputs.features], "multimask_output": False}
        if work.kind == "boxes":
            return given | {"input_boxes": inputs.places[None]}
        labels = torch.ones_like(inputs.places[None, :, :1], dtype=torch.int64)
        return given | {"input_points": inputs.places[None, :, None], "input_labels": labels}


class _Stream:
    """One object of a drawn video, by a session that is given frame after frame."""

    def __init__(self, party: Transformers2, size_hw: tuple[int, int]) -> None:
        if party.config.memory is None:
            raise Refusal("has no memory")
        self.party, self.size_hw, self.index = party, size_hw, 0
        module = import_module("transformers.models.sam2_video.modeling_sam2_video")
        height, width = size_hw
        self.session = module.Sam2VideoInferenceSession(
            video_height=height,
            video_width=width,
            inference_device=party.device,
            inference_state_device=party.device,
            video_storage_device=party.device,
            dtype=party.model.dtype,
        )
        frame = Frame.fit(size_hw, party.config.side, squash=True)
        place = torch.from_numpy(frame.points_to_model(np.array([first_click(size_hw)], np.float32)))
        clicks = {"point_coords": place[None, None].to(party.device, party.model.dtype)}
        clicks["point_labels"] = torch.ones(1, 1, 1, dtype=torch.int32, device=party.device)
        self.session.obj_id_to_idx(1)
        self.session.add_point_inputs(0, 0, clicks)
        self.session.obj_with_new_inputs = [1]

    def next(self) -> Tensor:
        """The object's low-resolution logits on the next frame."""
        side, normalisation = self.party.config.side, self.party.config.encoder.normalisation
        pixels = frame_pixels(drawn(self.index, self.size_hw), side, normalisation)
        self.index += 1
        return self.party.model(self.session, frame=pixels[0].to(self.party.device)).pred_masks
