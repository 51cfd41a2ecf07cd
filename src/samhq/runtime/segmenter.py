"""Pictures and prompts in, masks out, by an exported model: `samhq.load`'s methods with NumPy, Pillow and a runtime.

Values in, values out, no hidden state. Knows nothing about commands.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from samhq.config import Candidates, HQMode
from samhq.errors import ConfigError
from samhq.image.frame import Frame
from samhq.image.inputs import BoxesInput, BoxInput, LabelsInput, MaskInput, PictureInput, PointsInput, TextInput
from samhq.image.network_inputs import inputs_of
from samhq.image.read import file_name_of, read_copy
from samhq.image.transform import SquareForm
from samhq.inference.by_text import check_alone, segment_found
from samhq.inference.hints import NotCallable
from samhq.other_arguments import ENCODE, SEGMENT, translated
from samhq.results.prompt import Prompt, candidates_for, one_or_many
from samhq.results.prompt_arrays import PromptArrays, prompt_arrays
from samhq.results.prompt_boxes import boxes_in_picture
from samhq.results.segmentation import Segmentation
from samhq.runtime.graph import Precision
from samhq.runtime.model import Embedding, OnnxModel
from samhq.text.detector import Example
from samhq.text.search import Search


@dataclass(frozen=True, eq=False)
class OnnxImage:
    """A picture with its embedding. Pass it to `OnnxSegmenter.segment` as often as needed."""

    image: np.ndarray  #: uint8 [H,W,3], RGB
    embedding: Embedding
    frame: Frame
    weights: str  #: The hash of the weights that encoded it.
    file_name: str | None = None  #: The picture's path, if it was given as a path.

    def __repr__(self) -> str:
        height, width = self.frame.original_hw
        return f"OnnxImage({height}x{width})"


class OnnxSegmenter(NotCallable):
    """An exported model with two methods: `encode` a picture once, `segment` it with prompts.

    `directory` is a folder that `samhq export` wrote; `providers` and `precision` as in
    `samhq.runtime.graph.open_graph`. Raises as `samhq.runtime.model.OnnxModel`.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        providers: str | Sequence[str] | None = None,
        precision: Precision = "float32",
    ) -> None:
        self.model = OnnxModel(directory, providers, precision)

    def __repr__(self) -> str:
        return f"OnnxSegmenter({self.name}, {self.model.about.dtype})"

    @property
    def name(self) -> str:
        """The model's name, such as "sam_hq_vit_b"."""
        return self.model.about.model

    @property
    def side(self) -> int:
        """The side of the model's square input in pixels."""
        return self.model.about.side

    @property
    def form(self) -> SquareForm:
        """The model's square input."""
        return self.model.about.form

    @translated(ENCODE)
    def encode(self, image: PictureInput) -> OnnxImage:
        """A picture, in any form that `samhq.image.read.read_image` takes, encoded once for any number of prompts.

        Raises:
            ImageError: it cannot be read as a picture.
        """
        picture = read_copy(image)
        inputs = inputs_of(image, picture, self.form)
        return OnnxImage(
            picture, self.model.encode(inputs.square), inputs.frame, self.model.about.weights, file_name_of(image)
        )

    @translated(SEGMENT)
    def segment(
        self,
        image: PictureInput | OnnxImage,
        *,
        points: PointsInput | None = None,
        labels: LabelsInput | None = None,
        box: BoxInput | None = None,
        boxes: BoxesInput | None = None,
        mask: MaskInput | None = None,
        prompts: Sequence[Prompt] | None = None,
        text: TextInput | None = None,
        like: Example | Sequence[Example] | None = None,
        detector: Any = None,
        threshold: float | Mapping[str, float] | None = None,
        nms: float = 0.8,
        max_detections: int | None = 100,
        multimask: bool | None = None,
        hq: HQMode | None = None,
    ) -> Segmentation:
        """Masks for one object or many; arguments, defaults and results as `samhq.Segmenter.segment` has them.

        `text` with a file of boxes, or with a detector without torch, works where torch is not installed.

        Raises:
            WrongCallError: an unknown argument; the message offers the right one.
            ImageError: the picture cannot be read.
            PromptError: no prompt, or a prompt of the wrong shape, range, order or type; class names that cannot be
                used.
            ConfigError: an HQ mask from a plain SAM, a picture that another model encoded, or an unknown detector.
            CheckpointError, MissingExtraError: the detector cannot be loaded.
        """
        if text is not None or like is not None or detector is not None:
            check_alone(points, labels, box, boxes, mask, prompts, multimask)
            rules = {"threshold": threshold, "nms": nms, "max_detections": max_detections}
            search = Search.of(text, like=like, detector=detector, **rules)  # type: ignore[arg-type]
            return segment_found(self, [image], search, hq=hq)[0]
        objects = one_or_many(points, labels, box, boxes, mask, prompts)
        mode = self.model.hq_mode(hq)
        encoded = image if isinstance(image, OnnxImage) else self.encode(image)
        if encoded.weights != self.model.about.weights:
            raise ConfigError(
                f"Expected a picture encoded by this {self.name}, got one encoded by other weights. Encode it again."
            )
        objects = boxes_in_picture(objects, encoded.frame.original_hw, encoded.file_name or "")
        flat = prompt_arrays(objects, encoded.frame)
        policies = candidates_for(objects, multimask, self.model.about.click_mask)
        if policies:
            logits, iou = self._decode(encoded.embedding, flat, policies, mode)
        else:
            logits, iou = self.model.decode(encoded.embedding, flat, "sorted" if multimask else "single", mode)
        return Segmentation(
            image=encoded.image,
            candidates=encoded.frame.masks_to_image(logits),
            candidate_scores=iou,
            low_res_logits=logits,
            prompts=tuple(objects),
            frame=encoded.frame,
            model=self.name,
            file_name=encoded.file_name,
        )

    def _decode(
        self, embedding: Embedding, prompts: PromptArrays, policies: list[Candidates], hq: HQMode
    ) -> tuple[np.ndarray, np.ndarray]:
        """Low-resolution masks of all prompts, in order; prompts of one policy are decoded together."""
        rows: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        for policy in dict.fromkeys(policies):
            chosen = [i for i, other in enumerate(policies) if other == policy]
            low_res = self.model.decode(embedding, prompts[np.array(chosen)], policy, hq)
            rows |= {i: (logits, iou) for i, logits, iou in zip(chosen, *low_res, strict=True)}
        ordered = [rows[i] for i in range(len(policies))]
        return np.stack([logits for logits, _ in ordered]), np.stack([iou for _, iou in ordered])
