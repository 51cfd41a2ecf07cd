"""A model ready for use: pictures and prompts in, masks out. Values in, values out, no hidden state.

Knows nothing about commands or other libraries' interfaces.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from samhq.config import Defaults, HQMode
from samhq.device import as_device, as_dtype, to_device
from samhq.errors import ConfigError, naming
from samhq.image.frame import Frame
from samhq.image.inputs import BoxesInput, BoxInput, LabelsInput, MaskInput, PictureInput, PointsInput, TextInput
from samhq.image.network_inputs import Crops, inputs_of, with_inputs
from samhq.image.picture_source import ArraySource
from samhq.image.read import ReadPicture, describe, file_name_of, read_copy
from samhq.image.several import several
from samhq.image.transform import SquareForm
from samhq.inference.box_crops import MARGIN
from samhq.inference.by_text import check_alone, segment_found
from samhq.inference.hints import NotCallable
from samhq.inference.opened import Opened
from samhq.inference.picture_task import PictureTask
from samhq.inference.prompts import flatten, join
from samhq.inference.second_look import Refiner
from samhq.model import compiled
from samhq.model.sam import network_of
from samhq.other_arguments import ENCODE, LOAD, SEGMENT, SEGMENT_BATCH, translated
from samhq.results.prompt import Prompt, a_list_each, as_prompts, candidates_for, one_or_many
from samhq.results.prompt_boxes import boxes_in_picture
from samhq.results.segmentation import Segmentation
from samhq.text.detector import Example
from samhq.text.search import Search
from samhq.types import ImageEmbedding, LowRes, Prompts

_AT_ONCE = 64  #: Prompts that are decoded together; masks do not depend on it.
_MOST_BEFOREHAND = 1 << 21  #: Pixels of the crops of a picture that are made beforehand: 24 MiB.


@dataclass(frozen=True, eq=False)
class EncodedImage:
    """A picture with its embedding. Pass it to `segment` as often as needed."""

    image: np.ndarray  #: uint8 [H,W,3], RGB.
    embedding: ImageEmbedding
    frame: Frame
    model: str  #: Name of the model that encoded it.
    file_name: str | None = None  #: The picture's path, if it was given as a path.
    crops: Crops = field(default_factory=dict)  #: Network inputs for the second look that were made beforehand.

    def __repr__(self) -> str:
        height, width = self.frame.original_hw
        return f"EncodedImage({height}x{width}, {self.model})"


class Segmenter(NotCallable):
    """A model with two methods: `encode` a picture once, `segment` it with prompts."""

    def __init__(self, model: nn.Module) -> None:
        self.model = network_of(model).eval()

    def __repr__(self) -> str:
        return f"Segmenter({self.name}, {self.model.device}, {self.model.dtype})"

    @property
    def name(self) -> str:
        """The model's name, such as "sam_hq_vit_b"."""
        return self.model.config.name

    @property
    def defaults(self) -> Defaults:
        """The settings that came with the model's weights."""
        return self.model.config.defaults

    @property
    def side(self) -> int:
        """The side of the model's square input in pixels."""
        return self.model.config.side

    @property
    def form(self) -> SquareForm:
        """The model's square input."""
        return SquareForm.for_model(self.model.config)

    @translated(ENCODE)
    @torch.inference_mode()
    def encode(self, image: PictureInput) -> EncodedImage:
        """The picture, encoded once for any number of prompts.

        `image` is any input of `samhq.image.read.read_image`: a path, bytes, a PIL picture, a NumPy array or a torch
        tensor. Grey, 16-bit, float, RGBA, palette and CMYK pictures become what a viewer shows.

        Raises:
            ImageError: it cannot be read as a picture.
        """
        opened = self._opened(image)
        embedding = opened.embedding()
        return EncodedImage(opened.image, embedding, opened.frame, self.name, opened.file_name, opened.crops)

    def _opened(self, image: PictureInput | EncodedImage) -> Opened[ImageEmbedding]:
        """The picture, not encoded yet unless it was given so."""
        if isinstance(image, EncodedImage):
            self._check_encoder(image)
            return Opened(image.image, image.frame, lambda: image.embedding, image.file_name, image.crops)
        picture = read_copy(image)
        inputs = inputs_of(image, picture, self.form)

        def embedding() -> ImageEmbedding:
            square = to_device(torch.from_numpy(inputs.square), self.model.device)
            return self.model.prepared(self.model.encode(square))

        return Opened(picture, inputs.frame, embedding, file_name_of(image), inputs.crops)

    @translated(ENCODE)
    @torch.inference_mode()
    def encode_batch(self, images: Sequence[Any]) -> list[EncodedImage]:
        """Several pictures, each as `encode` returns it up to rounding, in one pass of the encoder: faster on a GPU.

        Raises:
            ImageError: one cannot be read as a picture; the message gives its number, from 0.
        """
        pictures, inputs = [], []
        for number, image in enumerate(several(images)):
            with _naming_picture(images, number):
                picture = read_copy(image)
                pictures.append(picture)
                inputs.append(inputs_of(image, picture, self.form))
        if not inputs:
            return []
        squares = torch.from_numpy(np.concatenate([each.square for each in inputs]))
        embedding = self.model.encode(to_device(squares, self.model.device))
        return [
            EncodedImage(
                picture,
                self.model.prepared(embedding[i : i + 1]),
                inputs[i].frame,
                self.name,
                file_name_of(image),
                inputs[i].crops,
            )
            for i, (image, picture) in enumerate(zip(images, pictures, strict=True))
        ]

    @translated(SEGMENT)
    def segment(
        self,
        image: PictureInput | EncodedImage,
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
        """Masks for one object (`points`, `labels`, `box`, `mask` together) or many (`boxes`, or `prompts`).

        `image` is a picture or an `EncodedImage`. Coordinates are image pixels: `points` [N,2] as (x, y), `labels` [N]
        with 1 on and 0 off the object, `box` (x0, y0, x1, y1), `boxes` [P,4]. `mask` is bool [H,W], such a mask as a
        PIL image or a file, or an earlier result's `low_res_logits[p, k]`. `multimask=True` gives three candidates for
        each prompt, best first; False gives one; None gives one, the best of three for a single click. Empty `boxes` or
        `prompts` give a result without masks. `hq` is "add" (SAM's logits plus the HQ logits; the default of HQ
        models), "only" or "off". `refine=True` segments each object a second time, in a crop around it. None does so
        for boxes if the model's weights ask for it, as the starter's do.

        In place of prompts, `text` gives class names: ["cup", "red car"], "cup, red car", or phrases by class, {"cup":
        ["cup", "mug"]}; `like` is an `Example`, or several. The detector finds boxes, and each mask has a label and the
        detector's score. `detector` is a value that `samhq.load_detector` takes, by default "grounding-dino-tiny".
        A file of boxes alone, without `text` and `like`, means all its classes.
        `threshold` is the lowest score to keep, also by class (default: the detector's own). If two boxes of a class
        have an IoU above `nms`, the one with the better score stays. At most `max_detections` are kept. If nothing is
        found, the result has no masks.

        Raises:
            WrongCallError: an unknown argument; the message offers the right one.
            ImageError: the picture cannot be read.
            PromptError: no prompt, or a prompt of the wrong shape, range, order or type; class names that cannot be
                used.
            ConfigError: an HQ mask from a plain SAM, an unknown detector, or numbers out of range.
            CheckpointError, MissingExtraError: the detector cannot be loaded.
        """
        if text is not None or like is not None or detector is not None:
            check_alone(points, labels, box, boxes, mask, prompts, multimask)
            search = Search.of(
                text,
                like=like,
                detector=detector,
                threshold=threshold,
                nms=nms,
                max_detections=max_detections,
                device=self.model.device,
            )
            return segment_found(self, [image], search, hq=hq, refine=refine)[0]
        objects = one_or_many(points, labels, box, boxes, mask, prompts)
        return self.segment_batch([image], [objects], multimask=multimask, hq=hq, refine=refine)[0]

    @translated(SEGMENT_BATCH)
    @torch.inference_mode()
    def segment_batch(
        self,
        images: Sequence[PictureInput | EncodedImage],
        prompts: Sequence[Sequence[Prompt]],
        *,
        multimask: bool | None = None,
        hq: HQMode | None = None,
        refine: bool | None = None,
    ) -> list[Segmentation]:
        """Masks for several pictures, each with its own prompts, of any number and kind.

        The result of a prompt does not depend on other prompts. Raises as `segment`; the message gives the number, from
        0, of the picture or prompt that is wrong.
        """
        prompts = a_list_each(prompts, len(several(images)))
        mode = self.model.hq_mode(hq)
        if refine and multimask:
            raise ConfigError(
                "Expected refine, which gives one mask for each object, or multimask, got both. Leave one out."
            )
        if not len(images):
            return []
        lists, tasks, parts = [], [], []
        for i, picture_prompts in enumerate(prompts):
            with _naming_picture(images, i):
                lists.append(as_prompts(picture_prompts))
        pictures = []
        for i, image in enumerate(images):
            with _naming_picture(images, i):
                pictures.append(self._opened(image))
        refined = not multimask and self._refines(refine)
        for i, (picture, picture_prompts) in enumerate(zip(pictures, lists, strict=True)):
            with _naming_picture(images, i):
                name = _picture_name(images, i, picture.file_name)
                inside = boxes_in_picture(picture_prompts, picture.frame.original_hw, name)
                parts.append(flatten(inside, picture.frame, i))
            refiner = self._refiner(picture.image, refine, mode, picture.crops) if refined else None
            tasks.append(PictureTask(picture, tuple(inside), refiner, boxes_only=not refine))
        low = self._first_looks(tasks, join(parts), multimask, mode)
        ends = np.cumsum([0, *(len(task.prompts) for task in tasks)])
        return [task.result(low[s:e], self.name) for task, s, e in zip(tasks, ends, ends[1:], strict=False)]

    def _refines(self, refine: bool | None) -> bool:
        """Whether objects get a second look, because the caller or the weights' settings ask for one."""
        return bool(refine) or (refine is None and self.defaults.refine_margin is not None)

    def _refiner(self, picture: np.ndarray, refine: bool | None, hq: HQMode, crops: Crops) -> Refiner:
        """The refiner of a picture's objects."""
        default_margin = self.defaults.refine_margin
        margin = MARGIN if default_margin is None else default_margin
        return Refiner(self.model, ArraySource(picture), margin, hq, tiled=bool(refine), crops=crops)

    def beforehand(
        self, picture: ReadPicture, prompts: Sequence[Prompt] = (), refine: bool | None = None
    ) -> ReadPicture:
        """The same picture with the network's inputs that `encode` and `segment` will need, as far as they are known.

        These are the whole picture, and crops around the boxes of `prompts` that get a second look. Touches no network,
        so it can be called in a thread while another picture is segmented.
        """
        if not self._refines(refine):
            return with_inputs(picture, self.form)
        refiner = self._refiner(picture.pixels, refine, self.model.hq_mode(None), {})
        windows = refiner.windows_of_boxes(prompts)[: max(1, _MOST_BEFOREHAND // self.side**2)]
        return with_inputs(picture, self.form, windows, whole=not prompts or not refiner.all_by_boxes(prompts))

    def _check_encoder(self, encoded: EncodedImage) -> None:
        """Refuses an embedding of another model, whose features would give wrong masks."""
        side, hq_map = self.model.config.side, self.model.config.has_hq_map
        if (encoded.model, encoded.frame.side, encoded.embedding.hq is not None) != (self.name, side, hq_map):
            raise ConfigError(
                f"Expected a picture encoded by {self.name} at {side} pixels, got one encoded by {encoded.model} at "
                f"{encoded.frame.side}. Encode it with the model that segments it."
            )

    def _first_looks(
        self, tasks: Sequence[PictureTask], prompts: Prompts, multimask: bool | None, hq: HQMode
    ) -> LowRes:
        """Low-resolution masks of all prompts, in order; zeros for objects that need no first look.

        Only pictures with other objects are encoded. Prompts whose masks are chosen alike are decoded together.
        """
        click = self.defaults.click_mask
        policies = [policy for task in tasks for policy in candidates_for(task.prompts, multimask, click)]
        rows = [row for row, wanted in enumerate(w for task in tasks for w in task.first_wanted) if wanted]
        if not rows:
            return self.model.no_masks("sorted" if multimask else "single", hq, len(policies))
        chosen = prompts[torch.tensor(rows)]
        pictures, place = torch.unique(chosen.image_index, return_inverse=True)
        embedding = ImageEmbedding.cat([tasks[i].picture.embedding() for i in pictures.tolist()])
        embedding, chosen = embedding.to(self.model.device).to(self.model.dtype), replace(chosen, image_index=place)
        found: dict[int, LowRes] = {}
        for policy in dict.fromkeys(policies[row] for row in rows):
            positions = torch.tensor([i for i, row in enumerate(rows) if policies[row] == policy])
            for batch in torch.split(positions, _AT_ONCE):
                low = self.model.decode(embedding, chosen[batch], candidates=policy, hq=hq)
                found |= {rows[i]: low[k : k + 1] for k, i in enumerate(batch.tolist())}
        blank = self.model.no_masks(policies[rows[0]], hq, 1)
        return LowRes.cat([found.get(row, blank) for row in range(len(policies))])


def _naming_picture(images: Sequence[Any], number: int) -> AbstractContextManager[None]:
    """A context that adds the picture's number, and the name of its file, to errors."""
    image = images[number]
    name = describe(image) if isinstance(image, (str, os.PathLike)) else ""
    return naming("picture", number, len(images), name)


def _picture_name(images: Sequence[Any], number: int, file_name: str | None) -> str:
    """A picture's name in a warning: that of its file, or its number among several."""
    return file_name or (f"Picture {number} (of 0 to {len(images) - 1})" if len(images) > 1 else "")


@translated(LOAD)
def load(
    source: Any = None,
    *,
    device: str | torch.device | None = None,
    dtype: str | torch.dtype = "float32",
    compile: compiled.Compile = False,
) -> Segmenter:
    """A model ready to segment; without a name the starter that comes with the package.

    `source` is a published name ("sam_hq_vit_b"; `samhq models` lists them), a file, a folder, or a hub id; or the
    weights themselves: a file's bytes, a file opened in binary mode, or a state dict. `device` is "cpu", "cuda", "mps"
    and others; "auto", the default, is CUDA if there is one, else the CPU. `dtype` is "float32", "bfloat16", "float16",
    or "auto": bfloat16 if the device multiplies it faster, else float32. `compile=True` runs the encoder and the
    decoder's attention through `torch.compile`: the first picture and prompt take up to minutes, later ones less time.
    With "graphs" short calls are also recorded as CUDA graphs, which spares the time to start their kernels.

    Raises:
        ConfigError: an unknown name, device or dtype; another `compile`, or "graphs" without a CUDA device.
        CheckpointError: the file cannot be read or downloaded, or does not fit.
    """
    from samhq.checkpoint.load import load_model

    place = as_device(device)
    wanted, graphs = compiled.choice_of(compile, place)
    model = load_model(source, device=place, dtype=as_dtype(dtype, place))
    if wanted:
        compiled.compile_parts(model, graphs=graphs)
    return Segmenter(model)
