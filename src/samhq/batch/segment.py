"""The work of `samhq segment`: a picture and its prompts to mask files.

Imports torch only inside functions, so that help is fast.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samhq.batch.ahead import EachAfterSearch, PictureSearch
from samhq.batch.job import Item, Outcome
from samhq.batch.prompts import NO_OBJECTS, Asking, FoundPrompts, PicturePrompts, PromptsByPath, PromptsOf, PromptSource
from samhq.batch.reading import EachReadAhead, PictureReader
from samhq.batch.search import NO_SEARCH, TextSettings
from samhq.batch.settings import (
    NO_REFINING,
    NONE_KEPT,
    STARTER_MODEL,
    EmbeddingSettings,
    MaskFiles,
    ModelSettings,
    RefineSettings,
)
from samhq.plural import plural

if TYPE_CHECKING:
    from samhq.image.picture_source import PictureSource
    from samhq.image.read import ReadPicture
    from samhq.inference.by_text import PromptSegmenter
    from samhq.inference.segment import Segmenter
    from samhq.results.segmentation import Segmentation


@dataclass(frozen=True)
class SegmentWork:
    """Segments pictures; a call loads the model and gives the function for one picture. Picklable."""

    output: MaskFiles
    prompts: PromptSource = NO_OBJECTS
    text: TextSettings = NO_SEARCH
    model: ModelSettings = STARTER_MODEL
    refining: RefineSettings = NO_REFINING
    embeddings: EmbeddingSettings = NONE_KEPT

    def __call__(self) -> EachReadAhead:
        """The function that writes one picture's results."""
        pictures = PictureReader(self.refining, lambda path: not self.refining.by_window(path))
        if not self.text.wanted:
            prompts_of = self.prompts.reader()
            return EachReadAhead(self.each(PromptsByPath(prompts_of), pictures, prompts_of), pictures)
        picture = None if self.text.like_in is None else self.refining.picture(self.text.like_in)
        found = self.text.search(self.text.text, self.model.torch_device, self.text.examples(picture))
        search = PictureSearch(found, pictures, self.embeddings.embeddings)
        return EachAfterSearch(self.each(FoundPrompts(search), pictures), pictures, search)

    @property
    def together(self) -> int:
        """The number of pictures to prepare together: those that a detector sees at once."""
        return self.text.together(self.model.torch_device) if self.text.wanted else 1

    def each(
        self, asking: Asking, pictures: PictureReader, prompts_of: PromptsOf | None = None
    ) -> Callable[[Item], Outcome]:
        """The function that writes one picture's results, with its model loaded.

        `prompts_of` gives the prompts of pictures that are read ahead, if they are known by then.
        """
        kept = self.embeddings.embeddings is not None  # Then there may be embeddings that need no input.
        if self.model.exported is not None:
            from samhq.image.network_inputs import with_inputs

            runtime = self.model.load_for_prompts()
            pictures.prepare = None if kept else partial(with_inputs, form=runtime.form)
            return partial(self.exported, asking, pictures, runtime)
        segmenter = self.model.load()
        pictures.prepare = None if kept else partial(self.prepared, segmenter, prompts_of)
        return partial(self.process, asking, pictures, segmenter)

    def prepared(self, segmenter: Segmenter, prompts_of: PromptsOf | None, picture: ReadPicture) -> ReadPicture:
        """A picture with the network's inputs, as far as they are known beforehand."""
        prompts = () if prompts_of is None else prompts_of(Path(picture))
        refine = False if self.model.multimask else self.refining.refine  # Candidates get no second look.
        return segmenter.beforehand(picture, prompts, refine)

    def process(self, asking: Asking, pictures: PictureReader, segmenter: Segmenter, item: Item) -> Outcome:
        """Writes the results of one picture.

        Raises:
            ImageError, PromptError: the picture or its prompts cannot be used.
        """
        prompts = asking(item.path)
        source = self.refining.windows(item.path) if self.embeddings.embeddings is None and prompts.prompts else None
        if source is not None:
            with source:
                return self.by_window(segmenter, source, prompts, item)
        started = time.perf_counter()
        result = self.masks(segmenter, prompts, pictures(item.path), refine=self.refining.refine)
        return self.saved(result, prompts, time.perf_counter() - started, item)

    def exported(self, asking: Asking, pictures: PictureReader, segmenter: PromptSegmenter, item: Item) -> Outcome:
        """As `process`, with a model without torch, in a single look."""
        prompts, started = asking(item.path), time.perf_counter()
        result = self.masks(segmenter, prompts, pictures(item.path), refine=self.refining.refine)
        return self.saved(result, prompts, time.perf_counter() - started, item)

    def masks(
        self, segmenter: PromptSegmenter, picture_prompts: PicturePrompts, picture: Any, **options: Any
    ) -> Segmentation:
        """The masks of one picture; `options` are further arguments of the segmenter."""
        if not picture_prompts.prompts:
            from samhq.inference.by_text import nothing_found

            return nothing_found(segmenter, picture)
        encoded = self.embeddings.picture(segmenter, picture)
        return segmenter.segment(
            encoded, prompts=picture_prompts.prompts, multimask=self.model.multimask, hq=self.model.hq_mode, **options
        )

    def saved(self, result: Segmentation, picture_prompts: PicturePrompts, seconds: float, item: Item) -> Outcome:
        """A result as an outcome that writes it."""
        flags, name = self.output, str(item.path)
        shown = {"overlay": flags.overlay, "cutouts": flags.cutout}
        save = partial(result.save, flags.output, item.name, file_name=name, **shown)
        summary = segment_summary(result.candidate_scores.size, result.scores.tolist())
        summary = summary if len(result) else picture_prompts.summary or summary
        held = result.image.nbytes + result.candidates.nbytes + result.low_res_logits.nbytes
        return Outcome((), f"{summary}{picture_prompts.times(seconds)}", save, held)

    def by_window(
        self, segmenter: Segmenter, source: PictureSource, picture_prompts: PicturePrompts, item: Item
    ) -> Outcome:
        """As `process`, for a picture that need not fit into memory, unless an overlay is drawn.

        Raises:
            ImageError, PromptError: as `process`.
        """
        from samhq.inference.refine import segment_native
        from samhq.results.native import save_native
        from samhq.results.prompt_boxes import boxes_in_picture

        started = time.perf_counter()
        prompts = boxes_in_picture(picture_prompts.prompts, source.size_hw, str(item.path))
        objects = segment_native(segmenter, source, prompts, multimask=self.model.multimask, hq=self.model.hq_mode)
        flags, about = self.output, {"model": segmenter.name, "file_name": str(item.path)}
        shown = {"overlay": flags.overlay, "cutouts": flags.cutout}
        files = save_native(objects, source, prompts, flags.output, item.name, **shown, **about)  # type: ignore[arg-type]
        summary = segment_summary(len(objects), [refined.score for refined in objects])
        return Outcome(files, f"{summary}{picture_prompts.times(time.perf_counter() - started)}")


def segment_summary(count: int, scores: Sequence[float]) -> str:
    """The number of masks, and the mean predicted IoU of the best masks.

    >>> segment_summary(3, [0.5])
    '3 masks, score 0.500'
    """
    if not scores:
        return "0 masks, since no objects were asked for"
    return f"{plural(count, 'mask')}, score {sum(scores) / len(scores):.3f}"
