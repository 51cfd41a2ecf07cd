"""This library through the interfaces of other packages, as parties beside its own and the packages themselves.

python benchmarks/decode.py --model sam_hq_vit_b --prompts 1 --peers as-transformers as-predictor sdpa
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.peers import Transformers
from samhq.compat.segment_anything import SamPredictor
from samhq.compat.transformers import SamConfig, SamHQConfig, SamHQModel, SamModel
from samhq.model.sam import Sam
from samhq.speed.ours import Refusal, Workload, random_inputs
from samhq.speed.work import Decode


class AsTransformers(Transformers):
    """`samhq.SamHQModel` or `samhq.SamModel`, called with image embeddings as transformers' own are."""

    def __init__(self, model: Sam, dtype: str, device: torch.device) -> None:
        self.name, self.config, self.device = "samhq as transformers", model.config, device
        family = (SamHQConfig, SamHQModel) if model.config.hq else (SamConfig, SamModel)
        if not model.config.encoder.in_transformers:
            raise Refusal(f"has no {model.config.encoder.kind}")
        self.model = family[1](family[0].from_model_config(model.config))
        self.model.sam.load_state_dict(model.state_dict())
        self.model.requires_grad_(False).to(device=device, dtype=getattr(torch, dtype))


class AsPredictor:
    """`samhq.SamPredictor` with a picture of the model's own size set, and one object's prompt."""

    def __init__(self, model: Sam, dtype: str, device: torch.device) -> None:
        self.name, self.config = "samhq as SamPredictor", model.config
        self.predictor = SamPredictor(model.to(device=device, dtype=getattr(torch, dtype)))

    def decoding(self, work: Decode) -> Workload:
        """One box or point to a mask of 1024 x 1024 pixels and low-resolution logits."""
        if work.prompts != 1 or (work.hq == "off" and work.config.hq):
            raise Refusal("answers one prompt, with the HQ mask")
        inputs = random_inputs(work).to(self.predictor.device, self.predictor.model.dtype)
        self.predictor.features, self.predictor.interm_features = inputs.features, [inputs.early]
        self.predictor.original_size = self.predictor.input_size = (work.config.side, work.config.side)
        self.predictor.is_image_set = True
        places = inputs.places[0].cpu().numpy()
        given: dict[str, Any] = {"box": places}
        if work.kind == "points":
            given = {"point_coords": places[None], "point_labels": np.ones(1)}

        def run() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            return self.predictor.predict(**given, multimask_output=False, hq_token_only=work.hq == "only")

        def answer() -> dict[str, Tensor]:
            _, iou, logits = run()
            return {"iou": torch.from_numpy(iou)[None], "logits": torch.from_numpy(logits)[None]}

        return Workload(run, answer)
