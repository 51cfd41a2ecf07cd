"""`samhq segment`: pictures and prompts to mask files. Its own flags are in `flags.py` and `prompts.py`.

Light until it runs: the network's side is imported inside functions.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samhq.cli.exported import check_exported
from samhq.cli.flags import STARTER, ModelFlags, OutputFlags
from samhq.cli.job import NO_EMBEDDINGS, PLAIN_JOB, EmbeddingFlags, JobFlags, failure_record
from samhq.cli.looks import PLAIN_LOOK, BandFlags, RefineFlags
from samhq.cli.pictures import check_results_spare_inputs, find_pictures, result_names
from samhq.cli.places import make_folder
from samhq.cli.prompts import NO_PROMPTS, PromptFlags
from samhq.cli.text import NO_TEXT, TextFlags
from samhq.errors import ConfigError

if TYPE_CHECKING:
    from samhq.batch.job import Item, Outcome
    from samhq.image.sources import PictureSource
    from samhq.inference.by_text import PromptSegmenter
    from samhq.inference.segment import Segmenter
    from samhq.results.prompt import Prompt
    from samhq.results.segmentation import Segmentation
    from samhq.text.search import Search


def segment(
    *images: str,
    prompt: PromptFlags = NO_PROMPTS,
    model: ModelFlags = STARTER,
    text: TextFlags = NO_TEXT,
    look: RefineFlags = PLAIN_LOOK,
    embeddings: EmbeddingFlags = NO_EMBEDDINGS,
    job: JobFlags = PLAIN_JOB,
    output: OutputFlags,
) -> int:
    """Write masks, an overlay and a JSON record for every picture.

    For example: samhq segment photo.jpg --box 10,20,300,400 --output masks

    All points are one object, together with the box and the mask if given;
    several boxes are several objects; a prompts file says more. With --text
    "cup, red car" a detector finds the objects of these classes; masks, records
    and what samhq write makes of them have the classes' names. A picture in which
    nothing is found is no failure: its record has no masks.

    Results are called after the picture: NAME_mask_0.png for the first object
    (NAME_mask_0_0.png for its first of several masks), NAME_overlay.jpg,
    NAME_cutout_0.png, NAME.json. Where two pictures have one name, suffix and
    folder become part of it; where the folder holds a result of another picture
    of that name, a number does. Of several pictures manifest.jsonl keeps a line
    each, and with --resume those that are finished are not done again, however
    the earlier run ended.

    Exit code 0: all done. 1: some of several pictures failed, each with a
    NAME.json that says why. 2: wrong use, such as a single picture that cannot
    be read or a point outside it. 130: interrupted.

    Parameters:
        images: Files, folders, patterns such as '*.jpg', http(s) addresses, or - for the standard input.
    """
    from samhq.batch.job import Item, run_job

    text.check()
    if text.text is None:
        prompt.check()
    else:
        prompt.check_none()
    if text.text is not None and model.multimask:
        raise ConfigError("Expected --multimask without --text, got both: each detection has one mask.")
    if look.refine and model.multimask:
        raise ConfigError("Expected --refine, which gives one mask for each object, or --multimask, got both.")
    check_exported(model.exported, {"--refine": bool(look.refine), "--embeddings": embeddings.embeddings is not None})
    job.check()
    pictures = find_pictures(images, output.output, recursive=job.recursive)
    names = result_names(pictures, output.output, quiet=job.quiet)
    files = [path for path in (prompt.mask, prompt.prompts) if path is not None]
    check_results_spare_inputs([*pictures, *files], names, output.output)
    make_folder(output.output)
    several = len(pictures) > 1
    kept = several or job.resume
    options = {"command": "segment", **look.options(), **embeddings.options(), **output.options()}
    options |= text.search_options()
    tally = run_job(
        [Item(path, name, asked) for path, name, asked in zip(pictures, names, prompt.asked(pictures), strict=True)],
        SegmentWork(prompt, text, model, look, embeddings, output),
        output.output if kept else None,
        options={**options, **model.options()} if kept else None,
        resume=job.resume,
        workers=job.workers,
        keep_going=several,
        tell=job.tell,
        on_failure=partial(failure_record, output.output),
    )
    return job.conclude(tally)


@dataclass(frozen=True)
class SegmentWork:
    """What a process needs to segment pictures; called, it loads the model and gives the function for one picture."""

    prompt: PromptFlags
    text: TextFlags
    model: ModelFlags
    look: RefineFlags
    embeddings: EmbeddingFlags
    output: OutputFlags

    def __call__(self) -> Callable[[Item], Outcome]:
        """The function that writes one picture's results."""
        if self.text.text is not None:
            search = self.text.search(self.text.text, self.model.torch_device)
            asked: Asking = FoundPrompts(search, self.look, self.embeddings.embeddings)
        else:
            asked = GivenPrompts(self.prompt.reader())
        if self.model.exported is not None:
            return partial(self.exported, asked, self.model.load_for_prompts())
        return partial(self.one, asked, self.model.load())

    def one(self, asking: Asking, segmenter: Segmenter, item: Item) -> Outcome:
        """Writes the results of one picture.

        Raises:
            ImageError, PromptError: the picture or its prompts cannot be used.
        """
        asked = asking(item.path)
        source = self.look.windows(item.path) if self.embeddings.embeddings is None and asked.prompts else None
        if source is not None:
            with source:
                return self.by_window(segmenter, source, asked, item)
        started = time.perf_counter()
        result = self.masks(segmenter, asked, item, refine=self.look.refine)
        return self.saved(result, asked, time.perf_counter() - started, item)

    def exported(self, asking: Asking, segmenter: PromptSegmenter, item: Item) -> Outcome:
        """As `one`, by a model without torch, which looks once."""
        asked, started = asking(item.path), time.perf_counter()
        result = self.masks(segmenter, asked, item)
        return self.saved(result, asked, time.perf_counter() - started, item)

    def masks(self, segmenter: PromptSegmenter, asked: PicturePrompts, item: Item, **options: Any) -> Segmentation:
        """The masks of one picture; `options` are more arguments of the segmenter."""
        picture = self.look.picture(item.path)
        if not asked.prompts:
            from samhq.inference.by_text import nothing_found

            return nothing_found(segmenter, picture)
        encoded = self.embeddings.picture(segmenter, picture)
        return segmenter.segment(
            encoded, prompts=asked.prompts, multimask=self.model.multimask, hq=self.model.hq_mode, **options
        )

    def saved(self, result: Segmentation, asked: PicturePrompts, seconds: float, item: Item) -> Outcome:
        """Writes a result."""
        from samhq.batch.job import Outcome

        flags, name = self.output, str(item.path)
        files = result.save(flags.output, item.name, overlay=flags.overlay, cutouts=flags.cutout, file_name=name)
        said = summary(result.candidate_scores.size, result.scores.tolist())
        said = said if len(result) else asked.said or said
        return Outcome(files, f"{said}{asked.times(seconds)}")

    def by_window(self, segmenter: Segmenter, source: PictureSource, asked: PicturePrompts, item: Item) -> Outcome:
        """As `one`, for a picture that need not fit into memory, unless an overlay is drawn.

        Raises:
            ImageError, PromptError: as `one`.
        """
        from samhq.batch.job import Outcome
        from samhq.inference.refine import segment_native
        from samhq.results.native import save_native

        started, prompts = time.perf_counter(), asked.prompts
        found = segment_native(segmenter, source, prompts, multimask=self.model.multimask, hq=self.model.hq_mode)
        flags, about = self.output, {"model": segmenter.name, "file_name": str(item.path)}
        shown = {"overlay": flags.overlay, "cutouts": flags.cutout}
        files = save_native(found, source, prompts, flags.output, item.name, **shown, **about)  # type: ignore[arg-type]
        said = summary(len(found), [one.score for one in found])
        return Outcome(files, f"{said}{asked.times(time.perf_counter() - started)}")


@dataclass(frozen=True)
class PicturePrompts:
    """What is asked of a picture: its prompts, and where a detector found them, how long that took."""

    prompts: Sequence[Prompt]
    said: str = ""
    seconds: float | None = None

    def times(self, seconds: float) -> str:
        """The seconds of the detector and of the segmenter, where there is a detector."""
        return "" if self.seconds is None else f"; found in {self.seconds:.2f} s, segmented in {seconds:.2f} s"


#: Gives what is asked of a picture, by its path.
Asking = Callable[[Path], PicturePrompts]


@dataclass(frozen=True)
class GivenPrompts:
    """Prompts that people gave."""

    prompts_of: Callable[[Path], Sequence[Prompt]]

    def __call__(self, path: Path) -> PicturePrompts:
        """The prompts of a picture."""
        return PicturePrompts(self.prompts_of(path))


@dataclass(frozen=True)
class FoundPrompts:
    """Prompts that a detector finds; `kept` is a folder of embeddings, which keeps detections too."""

    search: Search
    look: BandFlags
    kept: Path | None = None

    def __call__(self, path: Path) -> PicturePrompts:
        """The boxes that count in a picture, as prompts.

        Raises:
            ImageError, PromptError: the picture or the detector's answer cannot be used.
        """
        from samhq.cli.detect import boxes_said
        from samhq.image.read import read_image

        image, started = read_image(self.look.picture(path)), time.perf_counter()
        if self.kept is None:
            (found,) = self.search.detect([image], [str(path)])
        else:
            from samhq.text.cache import DetectionCache

            found = DetectionCache(self.kept / "detections").get_or_detect(self.search, image, str(path))
        said = boxes_said(self.search.selection.apply(found), self.search.rejected(found))
        return PicturePrompts(self.search.prompts(found), said, time.perf_counter() - started)


def summary(count: int, scores: Sequence[float]) -> str:
    """How many masks, and the predicted IoU, of the best masks on average.

    >>> summary(3, [0.5])
    '3 masks, score 0.500'
    """
    if not scores:
        return "0 masks, since no objects were asked for"
    return f"{count} {'mask' if count == 1 else 'masks'}, score {sum(scores) / len(scores):.3f}"
