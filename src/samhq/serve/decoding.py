"""Prompts to candidate masks of one picture, at low resolution or at the picture's own size."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from samhq.config import Candidates, HQMode
from samhq.inference.prompts import flatten
from samhq.inference.segment import EncodedImage, Segmenter
from samhq.masks import rle
from samhq.model.sam import narrowed
from samhq.results.prompt import Prompt, candidates_for
from samhq.results.prompt_boxes import boxes_in_picture
from samhq.serve.faults import Fault
from samhq.serve.messages import MaskRequest, PromptFields

HQ, CLEAR = "HQ", "0"  #: The names of the HQ mask and of SAM's mask for clear prompts.
_PADDING = 4  #: The data after the header begins at a multiple of this many bytes.


@dataclass(frozen=True, eq=False)
class Candidate:
    """One mask of a prompt: its name, predicted IoU, and logits [4g,4g]."""

    name: str
    iou: float
    logits: Tensor


def prompt_of(fields: PromptFields) -> Prompt:
    """The library's prompt for a prompt from a request.

    Raises:
        Fault: the prompt is empty, or the numbers of points and labels differ.
    """
    if len(fields.points) != len(fields.labels):
        raise Fault(
            422, f"Expected one label for each point, got {len(fields.labels)} for {len(fields.points)}. Send both."
        )
    if not fields.points and fields.box is None and fields.mask is None:
        raise Fault(422, "Expected points, a box or a mask, got none. Click on the object.")
    mask = None if fields.mask is None else {"size": list(fields.mask.size), "counts": fields.mask.counts}
    return Prompt(
        points=np.array(fields.points, np.float64).reshape(-1, 2) if fields.points else None,
        labels=np.array(fields.labels) if fields.points else None,
        box=None if fields.box is None else np.array(fields.box, np.float64),
        mask=mask,
    )


@torch.inference_mode()
def possible_masks(
    segmenter: Segmenter, encoded: EncodedImage, prompt: Prompt, hq: HQMode | None, *, only_chosen: bool = False
) -> list[Candidate]:
    """The candidate masks of a prompt; the first is the one that `Segmenter.segment` gives.

    HQ models give the HQ mask and SAM's three, best first. Other models give SAM's three, after the mask for clear
    prompts if `segment` gives that one.

    Raises:
        PromptError: coordinates that cannot be used.
        ConfigError: an HQ mask of a model without HQ heads.
    """
    model = segmenter.model
    mode = model.hq_mode(hq)
    embedding = encoded.embedding.to(model.device).to(model.dtype)
    (prompt,) = boxes_in_picture([prompt], encoded.frame.original_hw)
    prompts = flatten([prompt], encoded.frame)
    embedding, prompts = narrowed(model.prepared(embedding), prompts)
    attended = model.attend(embedding, prompts)
    (chosen,) = candidates_for([prompt], None, segmenter.defaults.click_mask)
    wanted: list[tuple[list[str], Candidates, HQMode]] = []
    clear = chosen == "single"
    if mode != "off" or clear or only_chosen:
        wanted.append(([HQ if mode != "off" else CLEAR if clear else "1"], chosen, mode))
    if not only_chosen:
        wanted.append((["1", "2", "3"], "sorted", "off"))
    possible: list[Candidate] = []
    for names, policy, hq_mode in wanted:
        attended_with_levels, choice = model.choose(attended, embedding, policy, hq_mode)
        logits = model.mask_decoder.paint(attended_with_levels, embedding, choice)[0].float()
        ious = choice.iou[0].float().tolist()
        possible += [Candidate(*row) for row in zip(names, ious, logits, strict=False)]
    return possible


def packed_candidates(possible: list[Candidate], encoded: EncodedImage, about: dict[str, Any]) -> bytes:
    """Candidates as bytes: the length of a JSON header, the header, and logits as float16 [K,4g,4g]."""
    logits = torch.stack([candidate.logits for candidate in possible]).to("cpu", torch.float16).numpy()
    frame = encoded.frame
    header = about | {
        "candidates": [{"name": candidate.name, "iou": round(candidate.iou, 4)} for candidate in possible],
        "chosen": 0,
        "shape": list(logits.shape),
        "crop_hw": [side * logits.shape[1] / frame.side for side in frame.resized_hw],
        "image_hw": list(frame.original_hw),
    }
    text = json.dumps(header).encode()
    text += b" " * (-(len(text) + 4) % _PADDING)
    return struct.pack("<I", len(text)) + text + logits.astype("<f2").tobytes()


def full_mask(segmenter: Segmenter, encoded: EncodedImage, request: MaskRequest) -> tuple[rle.RLE, float]:
    """A prompt's mask at the picture's own size as RLE, and its predicted IoU.

    Without a candidate the mask equals that of `samhq segment`, with a second look if `refine` or the weights say so.

    Raises:
        Fault: there is no such candidate, or the prompt is empty.
        PromptError, ConfigError: as `possible_masks`.
    """
    prompt = prompt_of(request)
    if request.refine or (request.candidate is None and request.refine is None):
        result = segmenter.segment(encoded, prompts=[prompt], hq=request.hq, refine=request.refine)
        return rle.encode(result.masks[0]), float(result.scores[0])
    possible = possible_masks(segmenter, encoded, prompt, request.hq, only_chosen=request.candidate is None)
    chosen = next((candidate for candidate in possible if request.candidate in (None, candidate.name)), None)
    if chosen is None:
        names = ", ".join(candidate.name for candidate in possible)
        raise Fault(422, f"Expected one of the candidates {names}, got {request.candidate!r}. Choose one of them.")
    mask = encoded.frame.masks_to_image(chosen.logits[None, None])[0, 0].cpu().numpy()
    return rle.encode(mask), chosen.iou
