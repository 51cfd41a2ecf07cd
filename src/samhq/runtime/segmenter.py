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
from samhq.inference.box_crops import MARGIN
from samhq.inference.by_text import check_alone, segment_found
from samhq.inference.hints import NotCallable
from samhq.inference.opened import Opened
from samhq.inference.refined import with_refined
from samhq.other_arguments import ENCODE, SEGMENT, translated
from samhq.results.native import Refined
from samhq.results.prompt import Prompt, candidates_for, one_or_many
from samhq.results.prompt_arrays import PromptArrays, prompt_arrays
from samhq.results.prompt_boxes import boxes_in_picture
from samhq.results.segmentation import Segmentation
from samhq.runtime.graph import Precision
from samhq.runtime.model import Embedding, OnnxModel, taken
from samhq.runtime.second_look import looks_at_boxes
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
        opened = self._opened(image)
        embedding = opened.embedding()
        return OnnxImage(opened.image, embedding, opened.frame, self.model.about.weights, opened.file_name)

    def _opened(self, image: PictureInput | OnnxImage) -> Opened[Embedding]:
        """The picture, not encoded yet unless it was given so."""
        if isinstance(image, OnnxImage):
            if image.weights != self.model.about.weights:
                raise ConfigError(
                    f"Expected a picture encoded by this {self.name}, got one encoded by other weights. Encode it "
                    "again."
                )
            return Opened(image.image, image.frame, lambda: image.embedding, image.file_name)
        picture = read_copy(image)
        inputs = inputs_of(image, picture, self.form)
        return Opened(picture, inputs.frame, lambda: self.model.encode(inputs.square), file_name_of(image))

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
        refine: bool | None = None,
    ) -> Segmentation:
        """Masks for one object or many; arguments, defaults and results as `samhq.Segmenter.segment` has them.

        `refine=True` segments boxes a second time, in crops around them; None does so if the model's weights ask for
        it. A second look at other prompts, and the closer look at thin objects, need torch. `text` with a file of
        boxes, or with a detector without torch, works where torch is not installed.

        Raises:
            WrongCallError: an unknown argument; the message offers the right one.
            ImageError: the picture cannot be read.
            PromptError: no prompt, or a prompt of the wrong shape, range, order or type; class names that cannot be
                used.
            ConfigError: an HQ mask from a plain SAM, a picture that another model encoded, an unknown detector, or
                `refine=True` with `multimask` or with a prompt that has no box.
            CheckpointError, MissingExtraError: the detector cannot be loaded.
        """
        if text is not None or like is not None or detector is not None:
            check_alone(points, labels, box, boxes, mask, prompts, multimask)
            rules = {"threshold": threshold, "nms": nms, "max_detections": max_detections}
            search = Search.of(text, like=like, detector=detector, **rules)  # type: ignore[arg-type]
            return segment_found(self, [image], search, hq=hq, refine=refine)[0]
        objects = one_or_many(points, labels, box, boxes, mask, prompts)
        mode, opened = self.model.hq_mode(hq), self._opened(image)
        objects = boxes_in_picture(objects, opened.frame.original_hw, opened.file_name or "")
        flat = prompt_arrays(objects, opened.frame)
        refined = self._refined(opened.image, objects, refine, multimask, mode)
        logits, scores = self._first_looks(opened, flat, objects, refined, multimask, mode)
        first = [row for row, item in enumerate(refined) if item is None]
        if len(first) == len(objects):
            masks = opened.frame.masks_to_image(logits)
        else:
            masks = np.zeros((*logits.shape[:2], *opened.frame.original_hw), bool)
            masks[first] = opened.frame.masks_to_image(logits[first])
        result = Segmentation(
            image=opened.image,
            candidates=masks,
            candidate_scores=scores,
            low_res_logits=logits,
            prompts=tuple(objects),
            frame=opened.frame,
            model=self.name,
            file_name=opened.file_name,
        )
        return result if len(first) == len(objects) else with_refined(result, refined)

    def _refined(
        self,
        picture: np.ndarray,
        prompts: Sequence[Prompt],
        refine: bool | None,
        multimask: bool | None,
        hq: HQMode,
    ) -> list[Refined | None]:
        """The objects with a second look; None for the others, and for all if nothing asks for second looks."""
        margin = self.model.about.refine_margin
        if refine and (multimask or any(prompt.box is None for prompt in prompts)):
            raise ConfigError(
                "Expected refine=True with boxes, and without multimask, got others. Without torch only boxes get a "
                "second look, which gives one mask for each object. Leave refine out."
            )
        if multimask or refine is False or (margin is None and not refine):
            return [None] * len(prompts)
        return looks_at_boxes(self.model, picture, prompts, MARGIN if margin is None else margin, hq)

    def _first_looks(
        self,
        opened: Opened[Embedding],
        prompts: PromptArrays,
        objects: Sequence[Prompt],
        refined: Sequence[Refined | None],
        multimask: bool | None,
        hq: HQMode,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Low-resolution masks and scores of all prompts, in order; zeros for objects that have a second look."""
        policies = candidates_for(objects, multimask, self.model.about.click_mask)
        rows = [row for row, item in enumerate(refined) if item is None]
        candidates = policies[0] if policies else "sorted" if multimask else "single"
        count, side = len(taken(candidates, hq, self.model.about.masks)), self.model.about.low_res
        logits = np.zeros((len(objects), count, side, side), np.float32)
        scores = np.zeros((len(objects), count), np.float32)
        if rows:
            chosen = [policies[row] for row in rows]
            logits[rows], scores[rows] = self._decode(opened.embedding(), prompts[np.array(rows)], chosen, hq)
        return logits, scores

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
