"""`samhq segment`: pictures and prompts to mask files. Its own flags are in `flags.py` and `prompts.py`.

Light until it runs: the network's side is imported inside functions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

from samhq.cli.exported import check_exported
from samhq.cli.flags import STARTER, ModelFlags, OutputFlags
from samhq.cli.job import NO_EMBEDDINGS, PLAIN_JOB, EmbeddingFlags, JobFlags, conclude, failure_record, tell
from samhq.cli.looks import PLAIN_LOOK, RefineFlags
from samhq.cli.pictures import check_results_spare_inputs, find_pictures, stems
from samhq.cli.places import make_folder
from samhq.cli.prompts import NO_PROMPTS, PromptFlags
from samhq.errors import ConfigError

if TYPE_CHECKING:
    from samhq.batch.job import Item, Outcome
    from samhq.image.sources import PictureSource
    from samhq.inference.segment import Segmenter
    from samhq.results.prompt import Prompt
    from samhq.runtime import OnnxSegmenter


def segment(
    *images: str,
    prompt: PromptFlags = NO_PROMPTS,
    model: ModelFlags = STARTER,
    look: RefineFlags = PLAIN_LOOK,
    embeddings: EmbeddingFlags = NO_EMBEDDINGS,
    job: JobFlags = PLAIN_JOB,
    output: OutputFlags,
) -> int:
    """Write masks, an overlay and a JSON record for every picture.

    For example: samhq segment photo.jpg --box 10,20,300,400 --output masks

    All points are one object, together with the box and the mask if given;
    several boxes are several objects; a prompts file says more.

    Results are called after the picture: NAME_mask_0.png for the first object
    (NAME_mask_0_0.png for its first of several masks), NAME_overlay.jpg,
    NAME_cutout_0.png, NAME.json. Where two pictures have one name, suffix and
    folder become part of it. Of several pictures manifest.jsonl keeps a line
    each, and with --resume those that are finished are not done again, however
    the earlier run ended.

    Exit code 0: all done. 1: some of several pictures failed, each with a
    NAME.json that says why. 2: wrong use, such as a single picture that cannot
    be read or a point outside it. 130: interrupted.

    Parameters:
        images: Files, folders, or patterns such as '*.jpg'.
    """
    from samhq.batch.job import Item, run_job

    prompt.check()
    if look.refine and model.multimask:
        raise ConfigError("Expected --refine, which gives one mask for each object, or --multimask, got both.")
    check_exported(model.exported, {"--refine": bool(look.refine), "--embeddings": embeddings.embeddings is not None})
    pictures = find_pictures(images)
    names = stems(pictures)
    files = [path for path in (prompt.mask, prompt.prompts) if path is not None]
    check_results_spare_inputs([*pictures, *files], names, output.output)
    make_folder(output.output)
    several = len(pictures) > 1
    kept = several or job.resume
    options = {"command": "segment", **look.options(), **embeddings.options(), **output.options()}
    tally = run_job(
        [Item(path, name, asked) for path, name, asked in zip(pictures, names, prompt.asked(pictures), strict=True)],
        SegmentWork(prompt, model, look, embeddings, output),
        output.output if kept else None,
        options={**options, **model.options()} if kept else None,
        resume=job.resume,
        workers=job.workers,
        keep_going=several,
        tell=tell,
        on_failure=partial(failure_record, output.output),
    )
    return conclude(tally)


@dataclass(frozen=True)
class SegmentWork:
    """What a process needs to segment pictures; called, it loads the model and gives the function for one picture."""

    prompt: PromptFlags
    model: ModelFlags
    look: RefineFlags
    embeddings: EmbeddingFlags
    output: OutputFlags

    def __call__(self) -> Callable[[Item], Outcome]:
        """The function that writes one picture's results."""
        return partial(self.one, self.prompt.reader(), self.model.load_for_prompts())

    def one(
        self, prompts_of: Callable[[Path], Sequence[Prompt]], segmenter: Segmenter | OnnxSegmenter, item: Item
    ) -> Outcome:
        """Writes the results of one picture.

        Raises:
            ImageError, PromptError: the picture or its prompts cannot be used.
        """
        from samhq.batch.job import Outcome

        asked = prompts_of(item.path)
        source = self.look.windows(item.path) if self.embeddings.embeddings is None else None
        if source is not None:
            with source:
                return self.by_window(cast("Segmenter", segmenter), source, asked, item)
        picture = self.embeddings.picture(segmenter, self.look.picture(item.path))
        options = {} if self.model.exported else {"refine": self.look.refine}  # exported models look once
        result = segmenter.segment(
            picture, prompts=asked, multimask=self.model.multimask, hq=self.model.hq_mode, **options
        )
        flags, name = self.output, str(item.path)
        files = result.save(flags.output, item.name, overlay=flags.overlay, cutouts=flags.cutout, file_name=name)
        return Outcome(files, summary(result.candidate_scores.size, result.scores.tolist()))

    def by_window(self, segmenter: Segmenter, source: PictureSource, asked: Sequence[Prompt], item: Item) -> Outcome:
        """As `one`, for a picture that need not fit into memory, unless an overlay is drawn.

        Raises:
            ImageError, PromptError: as `one`.
        """
        from samhq.batch.job import Outcome
        from samhq.inference.refine import segment_native
        from samhq.results.native import save_native

        found = segment_native(segmenter, source, asked, multimask=self.model.multimask, hq=self.model.hq_mode)
        flags, about = self.output, {"model": segmenter.name, "file_name": str(item.path)}
        shown = {"overlay": flags.overlay, "cutouts": flags.cutout}
        files = save_native(found, source, asked, flags.output, item.name, **shown, **about)  # type: ignore[arg-type]
        return Outcome(files, summary(len(found), [one.score for one in found]))


def summary(count: int, scores: Sequence[float]) -> str:
    """How many masks, and the predicted IoU, of the best masks on average.

    >>> summary(3, [0.5])
    '3 masks, score 0.500'
    """
    if not scores:
        return "0 masks, since no objects were asked for"
    return f"{count} {'mask' if count == 1 else 'masks'}, score {sum(scores) / len(scores):.3f}"
