"""Who runs exported files: ONNX Runtime or OpenVINO with our contract, and with the original's one prompt at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from samhq.errors import SamHQError
from samhq.export.verify import original_inputs
from samhq.image.frame import Frame
from samhq.model.sam import Sam
from samhq.results.prompt_arrays import PromptArrays
from samhq.runtime import OnnxImage, OnnxSegmenter
from samhq.runtime.about import DECODER, ENCODER
from samhq.runtime.graph import open_graph
from samhq.runtime.model import Embedding
from samhq.speed.ours import DecoderInputs, Refusal, Workload, random_inputs, random_pixels
from samhq.speed.work import Click, Decode, Encode

RUNTIMES = {"cpu": "ONNX Runtime", "openvino": "OpenVINO"}


class Exported:
    """Our contract."""

    def __init__(self, model: Sam, dtype: str, device: torch.device, folder: str, runtime: str = "cpu") -> None:
        self.name, self.torch = f"samhq in {RUNTIMES[runtime]}", model
        try:
            self.segmenter = OnnxSegmenter(folder, runtime)
        except SamHQError as error:
            raise Refusal(str(error)) from error
        self.model = self.segmenter.model

    def encoding(self, work: Encode) -> Workload:
        """One picture to features and HQ map."""
        if work.images != 1:
            raise Refusal("one picture a call")
        pixels = random_pixels(self.torch.config).numpy()

        def answer() -> dict[str, torch.Tensor]:
            return {"features": torch.from_numpy(self.model.encode(pixels).features)}

        return Workload(lambda: self.model.encode(pixels), answer)

    def decoding(self, work: Decode) -> Workload:
        """Prompts to low-resolution logits."""
        inputs = random_inputs(work)
        embedding, prompts = self.embedding(inputs), arrays(inputs)

        def run() -> tuple[np.ndarray, np.ndarray]:
            return self.model.decode(embedding, prompts, "single", work.hq)

        return Workload(run, lambda: answer(*run()))

    def clicking(self, work: Click) -> Workload:
        """A prompt to a mask of the photograph's size."""
        inputs, frame = random_inputs(work), Frame.fit(work.size_hw, self.torch.config.side)
        image = np.zeros((*work.size_hw, 3), np.uint8)
        encoded = OnnxImage(image, self.embedding(inputs), frame, self.model.about.weights)
        places = frame.points_to_image(inputs.places[0].view(-1, 2).numpy())
        given: dict[str, Any] = {"box": places.flatten()} if work.kind == "boxes" else {"points": places}

        def run() -> Any:
            return self.segmenter.segment(encoded, **given, multimask=False, hq=work.hq)

        def found() -> dict[str, torch.Tensor]:
            result = run()
            return answer(result.low_res_logits, result.candidate_scores)

        return Workload(run, found)

    def embedding(self, inputs: DecoderInputs) -> Embedding:
        """What encoding would have made of the two encoder outputs."""
        made = self.torch.embed(inputs.features, inputs.early)
        return Embedding(made.features.numpy(), None if made.hq is None else np.ascontiguousarray(made.hq.numpy()))


class Original:
    """The original's contract: features of the encoder with each call, one prompt a call, masks at full size."""

    name = "original contract in ONNX Runtime"

    def __init__(self, model: Sam, dtype: str, device: torch.device, folder: str) -> None:
        self.config = model.config
        self.encoder, self.decoder = (open_graph(Path(folder) / name, "cpu") for name in (ENCODER, DECODER))

    def encoding(self, work: Encode) -> Workload:
        """One picture to features and intermediate maps."""
        if work.images != 1:
            raise Refusal("one picture a call")
        pixels = {"pixels": random_pixels(self.config).numpy()}

        def found() -> dict[str, torch.Tensor]:
            return {"features": torch.from_numpy(self.encoder(pixels)["image_embeddings"])}

        return Workload(lambda: self.encoder(pixels), found)

    def decoding(self, work: Decode) -> Workload:
        """Prompts to logits, low-resolution and at the square's size, which this contract always paints."""
        return self._task(work, (self.config.side, self.config.side))

    def clicking(self, work: Click) -> Workload:
        """A prompt to a mask of the photograph's size."""
        return self._task(work, work.size_hw)

    def _task(self, work: Decode, size_hw: tuple[int, int]) -> Workload:
        inputs = random_inputs(work)
        maps = {"image_embeddings": inputs.features.numpy()}
        if self.config.hq:
            maps["interm_embeddings"] = inputs.early[None].numpy()
        prompts = arrays(inputs)
        singly = [original_inputs(prompts[row : row + 1], self.config.side) for row in range(len(prompts))]
        size = np.array(size_hw, np.float32)

        def run() -> list[dict[str, np.ndarray]]:
            found = [self.decoder({**maps, **one, "orig_im_size": size}) for one in singly]
            for each in found:
                each["masks"] = each["masks"] > 0
            return found

        def found() -> dict[str, torch.Tensor]:
            each = run()
            first = slice(0, 1)  # plain SAM's answers are all four
            logits = np.concatenate([one["low_res_masks"][:, first] for one in each])
            return answer(logits, np.concatenate([one["iou_predictions"][:, first] for one in each]))

        return Workload(run, found)


def arrays(inputs: DecoderInputs) -> PromptArrays:
    """Random prompts as arrays."""
    places = inputs.places.numpy()
    if inputs.kind == "boxes":
        return PromptArrays(
            np.zeros((len(places), 0, 2), np.float32), np.zeros((len(places), 0), np.int64), places, None
        )
    return PromptArrays(places[:, None], np.ones((len(places), 1), np.int64), None, None)


def answer(logits: np.ndarray, iou: np.ndarray) -> dict[str, torch.Tensor]:
    """What is compared."""
    return {"iou": torch.from_numpy(iou), "logits": torch.from_numpy(logits)}
