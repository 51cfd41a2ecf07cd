"""Scores of a network on a data set: pictures in, rows out; a picture is encoded once for all its objects and prompts.

The same function measures on pictures with masks during training and afterwards. Knows nothing about tables or the
presentation of results.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, get_args

import numpy as np
from jaxtyping import Bool
from torch import Tensor

from samhq.checkpoint.fingerprint import weights_hash
from samhq.config import Candidates, ClickMask, HQMode
from samhq.datasets.open import open_dataset
from samhq.datasets.sample import Pictures, Sample, stamp_of
from samhq.datasets.views import spread
from samhq.device import to_device
from samhq.errors import ConfigError, did_you_mean
from samhq.evaluation.clicks import click_through
from samhq.evaluation.journal import Journal, Scored
from samhq.evaluation.network import measuring
from samhq.evaluation.prompt_kinds import CLICKS, PromptKind, make_prompts, object_rng, parse_prompt_kinds
from samhq.evaluation.protocols import ProtocolName, View, check_protocol, click_mask_of, default_hq, protocol_view
from samhq.evaluation.result import Evaluation
from samhq.evaluation.rows import Row
from samhq.image.transform import SquareForm
from samhq.inference.everything import as_sam
from samhq.inference.segment import Segmenter
from samhq.model.sam import Sam, network_of
from samhq.options import one_of
from samhq.progress import counted
from samhq.storage.locks import only_one
from samhq.types import ImageEmbedding, LowRes, Prompts

_AT_ONCE = 16  #: Objects with full-size masks in memory together.


@dataclass(frozen=True)
class Plan:
    """The settings of a run: kinds of prompts, whether to simulate clicks, protocol, HQ modes and the points' seed.

    `click_mask` chooses the mask of SAM that answers a single click.
    """

    kinds: tuple[PromptKind, ...]
    clicks: bool
    protocol: ProtocolName
    modes: tuple[HQMode, ...]
    seed: int = 0
    click_mask: ClickMask = "best"


def evaluate(
    model: Segmenter | Sam | str | None,
    source: Pictures | str | Path,
    *,
    prompts: str | Sequence[str] = "box",
    protocol: str = "exact",
    hq: HQMode | Sequence[HQMode] | None = None,
    images: str | Path | None = None,
    limit: int | None = None,
    skip_missing: bool = False,
    bands: Sequence[int] | None = None,
    stretch: tuple[float, float] | None = None,
    seed: int = 0,
    click_mask: ClickMask | None = None,
    name: str | None = None,
    output: str | Path | None = None,
    resume: bool = False,
    progress: bool = False,
) -> Evaluation:
    """Scores of every object in a data set for every kind of prompt, as rows, tables and JSON.

    `source` is a `Pictures` or a value that `samhq.datasets.open.open_dataset` takes, with its `images`, `limit`,
    `skip_missing`, `bands` and `stretch`. `prompts` are words such as "box", "5p+5n", "curve" or "clicks", in a list or
    separated by commas; `protocol` is "exact" or "published"; `hq` is one mode or several, by default the protocol's.
    Random points depend only on `seed` and the object. `click_mask` says which of SAM's masks answers a single click:
    "best" of three by predicted IoU, or the "single" one; by default the choice of the weights, as in `Segmenter`.
    `name` is the model's name in tables. With `output`, rows are saved in that folder at once, and tables at the end.
    `resume` continues an interrupted run with the same settings, and measures pictures again that have changed: files
    by size and time, COCO's records by content. A source without stamps (see `samhq.datasets.sample.Stamped`) counts as
    unchanged.

    Crowds and objects without pixels are left out; the result has their numbers. The network is in evaluation mode
    during the run.

    Raises:
        ConfigError: unknown words, a seed below 0, nothing to measure, clicks under the published protocol, a folder
            with rows of an earlier run without `resume` or with other settings, a folder that another process uses, or
            `resume` without a folder.
        ImageError: a picture or mask cannot be read, or they differ in size.
    """
    sam = as_sam(model) if model is None or isinstance(model, str) else network_of(model)
    plan = make_plan(sam, prompts, protocol, hq, seed, click_mask)
    if resume and output is None:
        raise ConfigError("Expected output= with resume=True, got none. Name the folder of the run to continue.")
    opening = {"images": images, "skip_missing": skip_missing, "bands": bands, "stretch": stretch}
    pictures = _pictures(source, limit, opening)
    label = name or sam.config.name
    with nullcontext() if output is None else only_one(Path(output), "evaluating"):
        settings = _settings(sam, plan, pictures)
        journal = Journal.none() if output is None else Journal.open(Path(output), settings, resume)
        scored = _collect(sam, pictures, plan, journal, label if progress else None)
        result = Evaluation.of(label, pictures.name, plan.protocol, scored)
        if not result.rows:
            raise ConfigError(
                f"Expected objects with pixels in {pictures.name}, found none. Run samhq data check on it."
            )
        if output is not None:
            result.save(Path(output))
    return result


def make_plan(
    sam: Sam,
    prompts: str | Sequence[str],
    protocol: str,
    hq: HQMode | Sequence[HQMode] | None,
    seed: int,
    click_mask: ClickMask | None = None,
) -> Plan:
    """The plan of a run, checked against the network. `click_mask` None is the choice of the weights.

    Raises:
        ConfigError: an unknown word, an HQ mask of a plain SAM, clicks under the published protocol, or a seed below 0.
    """
    if seed < 0:
        raise ConfigError(f"Expected a seed of 0 or more, got {seed}. Take another number.")
    words = prompts.split(",") if isinstance(prompts, str) else list(prompts)
    kinds = parse_prompt_kinds([word for word in words if word.strip() != CLICKS])
    clicks, known = CLICKS in map(str.strip, words), check_protocol(protocol)
    if clicks and known == "published":
        raise ConfigError("Expected clicks under protocol 'exact', got 'published', which has none. Leave clicks out.")
    if hq is None:
        modes: tuple[HQMode, ...] = (default_hq(sam.config, known),)
    else:
        modes = (hq,) if isinstance(hq, str) else tuple(dict.fromkeys(hq))
    for mode in modes:
        if mode not in get_args(HQMode):
            raise ConfigError(f"Expected an HQ mode, got {mode!r}. {did_you_mean(str(mode), get_args(HQMode))}")
        sam.hq_mode(mode)
    if not (kinds or clicks) or not modes:
        raise ConfigError("Expected at least one kind of prompt and one HQ mode, got none. Give prompts='box'.")
    if click_mask is not None:
        one_of("click_mask", click_mask, ClickMask)
        if known == "published":
            raise ConfigError("Expected click_mask under protocol 'exact', got it with 'published'. Leave it out.")
    chosen = click_mask or click_mask_of(known, sam.config.defaults.click_mask)
    return Plan(tuple(kinds), clicks, known, modes, seed, chosen)


def score_sample(sam: Sam, sample: Sample, plan: Plan) -> list[Row]:
    """The rows of one picture: for each object that can be prompted, each kind of prompt, each HQ mode."""
    objects = sample.objects
    if not objects:
        return []
    encoded = EncodedSample.of(sam, sample, plan.protocol)
    rows: list[Row] = []
    for start in range(0, len(objects), _AT_ONCE):
        numbers = objects[start : start + _AT_ONCE]
        true_masks = encoded.view.prompt_masks(sample.masks[numbers])
        for kind, mode in product(plan.kinds, plan.modes):
            rows += encoded.prompted(numbers, true_masks, kind, mode, plan)
        if not plan.clicks:
            continue
        for mode in plan.modes:
            rows += encoded.clicked(numbers, mode, plan)
    return rows


@dataclass(frozen=True)
class EncodedSample:
    """A picture that the network has encoded, ready for prompts for some of its objects."""

    sam: Sam
    sample: Sample
    view: View
    embedding: ImageEmbedding

    @classmethod
    def of(cls, sam: Sam, sample: Sample, protocol: ProtocolName) -> EncodedSample:
        """The picture encoded under a protocol."""
        view = protocol_view(sample.image, SquareForm.for_model(sam.config), protocol)
        return cls(sam, sample, view, sam.encode(to_device(view.pixels, sam.device)))

    def masks(
        self,
        numbers: Sequence[int],
        prompt_masks: Bool[np.ndarray, "K h w"],
        kind: PromptKind,
        mode: HQMode,
        plan: Plan,
    ) -> tuple[Bool[np.ndarray, "K H W"], list[float]]:
        """Masks of objects for one kind of prompt, and their predicted IoU; prompts come from `prompt_masks`."""
        # An object that disappears when squashed cannot be prompted: its mask stays empty, which scores 0.
        visible = [k for k, mask in enumerate(prompt_masks) if mask.any()]
        masks, predicted = np.zeros((len(numbers), *self.sample.image.shape[:2]), bool), np.zeros(len(numbers))
        if visible:
            prompts = make_prompts(
                kind, prompt_masks[visible], [self.rng(numbers[k], plan) for k in visible], self.view.scale_xy
            )
            low = self.decode(prompts, plan.click_mask if kind.ambiguous else "single", mode)
            masks[visible], predicted[visible] = self.view.back(low.logits), low.iou[:, 0].float().cpu().numpy()
        return masks, predicted.tolist()

    def prompted(
        self,
        numbers: Sequence[int],
        prompt_masks: Bool[np.ndarray, "K h w"],
        kind: PromptKind,
        mode: HQMode,
        plan: Plan,
    ) -> list[Row]:
        """Rows of objects for one kind of prompt."""
        rows = zip(numbers, *self.masks(numbers, prompt_masks, kind, mode, plan), strict=True)
        return [Row.of(self.sample, k, mask, str(kind), mode, predicted=iou) for k, mask, iou in rows]

    def rng(self, k: int, plan: Plan) -> np.random.Generator:
        """The random generator for the points of object `k`."""
        return object_rng(plan.seed, self.sample.name, self.sample.ids[k])

    def clicked(self, numbers: Sequence[int], mode: HQMode, plan: Plan) -> list[Row]:
        """Rows of objects for the simulated annotator."""

        def segment(prompts: Prompts, candidates: Candidates) -> tuple[Tensor, np.ndarray]:
            low = self.decode(prompts, candidates, mode)
            return low.logits, self.view.back(low.logits)

        curves, masks = click_through(segment, self.sample.masks[numbers], self.view.scale_xy, first=plan.click_mask)
        rows = zip(numbers, masks, curves, strict=True)
        return [Row.of(self.sample, k, mask, CLICKS, mode, clicks=tuple(curve)) for k, mask, curve in rows]

    def decode(self, prompts: Prompts, candidates: Candidates, mode: HQMode) -> LowRes:
        """The network's masks; one for each prompt."""
        return self.sam.decode(self.embedding, prompts, candidates=candidates, hq=mode)


def _collect(sam: Sam, pictures: Pictures, plan: Plan, journal: Journal, bar: str | None) -> list[Scored]:
    """The records of all pictures, in order: from an earlier run, or measured now."""
    scored = []
    with measuring(sam):
        for index, name in enumerate(counted(pictures.names(), "picture", bar, show=bar is not None)):
            known, stamp = journal.known.get(name), stamp_of(pictures, index)
            if known is None or known.stamp != stamp:
                sample = pictures[index]
                empty = int((~sample.masks.any((1, 2)) & ~sample.crowd).sum())
                known = Scored(name, tuple(score_sample(sam, sample, plan)), empty, int(sample.crowd.sum()), stamp)
                journal.add(known)
            scored.append(known)
    return scored


def _pictures(source: Pictures | str | Path, limit: int | None, opening: Mapping[str, Any]) -> Pictures:
    """The pictures to measure; `opening` has arguments of `open_dataset`, which only a path may have."""
    if isinstance(source, (str, Path)):
        return open_dataset(source, limit=limit, **opening)
    given = [name for name, value in opening.items() if value not in (None, False)]
    if given:
        raise ConfigError(f"Expected {given[0]}= with a path only, got it with pictures. Leave it out.")
    return spread(source, limit)


def _settings(sam: Sam, plan: Plan, pictures: Pictures) -> dict[str, Any]:
    """Everything that rows depend on except the pictures' content, as JSON values."""
    return {
        "weights": weights_hash(sam),
        "pictures": pictures.name,
        "prompts": [str(kind) for kind in plan.kinds] + ([CLICKS] if plan.clicks else []),
        "seed": plan.seed,
        "protocol": plan.protocol,
        "click_mask": plan.click_mask,
        "hq": list(plan.modes),
        "side": sam.config.side,
    }
