"""One picture at a time, then any number of prompts for it: `SamPredictor`'s interface over an exported model.

Needs NumPy, Pillow and a runtime. Keeps state between calls, because that is the published interface.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from samhq.config import BACKGROUND, FOREGROUND, IGNORED, NOT_A_POINT, Candidates
from samhq.errors import ImageError, PromptError
from samhq.image.frame import Frame
from samhq.image.read import as_array
from samhq.image.transform import to_square
from samhq.options import yes_or_no
from samhq.results.prompt_arrays import PromptArrays, mask_logits
from samhq.runtime.graph import Precision
from samhq.runtime.model import Embedding, OnnxModel
from samhq.shapes import Float32, Shaped, UInt8


class OnnxPredictor:
    """Masks for the prompts of one picture; the picture is encoded once.

    `directory` is a folder that `samhq export` wrote; `providers` and `precision` as in
    `samhq.runtime.graph.open_graph`. `original_size` and `input_size` are the picture's (height, width) before and
    after the resize, and `features` [1,C,g,g] is the encoder's output; all are None before `set_image`. Raises as
    `samhq.runtime.model.OnnxModel`.

    Threads: a call of `predict` uses the picture that was set when the call began, even if another thread sets
    one meanwhile. Threads that set pictures need their own predictors.
    """

    _set: tuple[Embedding, Frame] | None  #: Both together, so that no thread sees a mixture of two pictures.

    def __init__(
        self,
        directory: str | os.PathLike[str],
        providers: str | Sequence[str] | None = None,
        precision: Precision = "float32",
    ) -> None:
        self.model = OnnxModel(directory, providers, precision)
        self.reset_image()

    def set_image(self, image: UInt8[np.ndarray, "H W 3"], image_format: str = "RGB") -> None:
        """Encodes the picture, uint8 [H,W,3] in 0..255, with channels in the order `image_format`.

        Raises:
            ImageError: a format other than "RGB" and "BGR"; a picture of another shape or type.
        """
        if image_format not in ("RGB", "BGR"):
            raise ImageError(f'Expected image_format "RGB" or "BGR", got {image_format!r}. Convert it first.')
        picture = np.asarray(image)
        if image_format == "BGR" and picture.ndim == 3:
            picture = np.ascontiguousarray(picture[..., ::-1])
        pixels, frame = to_square(picture, self.model.about.form)
        self._set = self.model.encode(pixels), frame

    def predict(
        self,
        point_coords: Shaped[np.ndarray, "N 2"] | None = None,
        point_labels: Shaped[np.ndarray, " N"] | None = None,
        box: Shaped[np.ndarray, "*one 4"] | None = None,
        mask_input: Shaped[np.ndarray, "*one G G"] | None = None,
        multimask_output: bool = True,
        return_logits: bool = False,
        hq_token_only: bool = False,
    ) -> tuple[Shaped[np.ndarray, "K H W"], Float32[np.ndarray, " K"], Float32[np.ndarray, "K G G"]]:
        """Masks bool [K,H,W] (float logits with `return_logits`), scores [K], low-resolution logits [K,4g,4g].

        For one object, in pixels of the picture: `point_coords` [N,2] as (x, y) with `point_labels` [N], 1 on, 0 off
        the object, -1 not a point; `box` (x0, y0, x1, y1); `mask_input` [1,4g,4g], low-resolution logits of an earlier
        call. K is 3 for plain SAM with `multimask_output`, in the network's order; else 1: HQ models answer with the
        best of the three, corrected by the HQ mask, or with the HQ mask alone (`hq_token_only`).

        Raises:
            PromptError: no picture was set; points without labels, more than one box, other shapes or labels, NaN.
            ConfigError: `hq_token_only` of a plain SAM.
        """
        embedding, frame = self._picture()
        prompts = _one_prompt(point_coords, point_labels, box, mask_input, frame)
        hq = self.model.hq_mode("only" if yes_or_no("hq_token_only", hq_token_only) else None)
        about = self.model.about
        several: Candidates = "best" if about.hq and not about.squashed else "all"
        candidates: Candidates = several if yes_or_no("multimask_output", multimask_output) else "single"
        logits, iou = self.model.decode(embedding, prompts, candidates, hq)
        masks = frame.logits_to_image(logits) if return_logits else frame.masks_to_image(logits)
        return masks[0], iou[0], logits[0]

    def get_image_embedding(self) -> Float32[np.ndarray, "1 C g g"]:
        """The picture's features.

        Raises:
            PromptError: no picture was set.
        """
        return self._picture()[0].features

    def reset_image(self) -> None:
        """Forgets the picture."""
        self._set = None

    @property
    def is_image_set(self) -> bool:
        """Whether a picture is set."""
        return self._set is not None

    @property
    def features(self) -> Float32[np.ndarray, "1 C g g"] | None:
        """The encoder's output for the picture."""
        current = self._set
        return None if current is None else current[0].features

    @property
    def original_size(self) -> tuple[int, int] | None:
        """Height and width of the picture."""
        current = self._set
        return None if current is None else current[1].original_hw

    @property
    def input_size(self) -> tuple[int, int] | None:
        """Height and width of the picture after the resize."""
        current = self._set
        return None if current is None else current[1].resized_hw

    def _picture(self) -> tuple[Embedding, Frame]:
        current = self._set
        if current is None:
            raise PromptError("Expected a picture before prompts, got none. Call set_image first.")
        return current


def _one_prompt(points: Any, labels: Any, box: Any, mask: Any, frame: Frame) -> PromptArrays:
    """One prompt, checked as loosely as in the published predictor: positions may lie outside the picture.

    Raises:
        PromptError: points without labels or labels without points; other shapes or labels; NaN or infinity.
    """
    if (points is None) != (labels is None):
        got = "labels without points" if points is None else "points without labels"
        raise PromptError(f"Expected points together with their labels, got {got}. Give both.")
    xy = np.zeros((0, 2)) if points is None else _finite(points, "point_coords")
    kinds = np.zeros(0) if labels is None else _finite(labels, "point_labels")
    if xy.ndim != 2 or xy.shape[1] != 2 or kinds.shape != xy.shape[:1]:
        raise PromptError(
            f"Expected point_coords [N, 2] and point_labels [N], got {list(xy.shape)} and {list(kinds.shape)}. "
            "Give an (x, y) and a label for each point."
        )
    if not np.isin(kinds, (FOREGROUND, BACKGROUND, NOT_A_POINT)).all():
        raise PromptError(
            f"Expected labels 1 (on the object), 0 (off it) or -1 (not a point), got {kinds.tolist()}. "
            "Give a box with box=."
        )
    return PromptArrays(
        frame.points_to_model(xy)[None],
        kinds.astype(np.int64)[None] if len(kinds) else np.full((1, 0), IGNORED, np.int64),
        None if box is None else frame.boxes_to_model(_one_box(box)),
        None if mask is None else mask_logits(mask, frame)[None],
    )


def _one_box(box: Any) -> np.ndarray:
    corners = _finite(box, "box")
    if corners.shape not in ((4,), (1, 4)):
        raise PromptError(
            f"Expected one box (x0, y0, x1, y1), got shape {list(corners.shape)}. "
            "For several objects use OnnxSegmenter.segment with boxes=."
        )
    return corners.reshape(1, 4)


def _finite(value: Any, name: str) -> np.ndarray:
    try:
        numbers = as_array(value).astype(np.float64)
    except ImageError as error:
        raise PromptError(f"Expected {name} as an array of numbers, got {type(value).__name__}. Convert it.") from error
    if not np.isfinite(numbers).all():
        raise PromptError(f"Expected finite numbers in {name}, got NaN or infinity. Remove them.")
    return numbers
