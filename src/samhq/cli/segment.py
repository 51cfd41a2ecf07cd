"""`samhq segment`: pictures and prompts to mask files. Its own flags are in `flags.py` and `prompts.py`.

Imports torch only inside functions, so that help is fast.
"""

from __future__ import annotations

from functools import partial

from samhq.batch.exported import check_exported
from samhq.cli.flags import STARTER, ModelFlags, OutputFlags
from samhq.cli.job import NO_EMBEDDINGS, PLAIN_JOB, EmbeddingFlags, JobFlags
from samhq.cli.picture_flags import ONE_LOOK, RefineFlags
from samhq.cli.pictures import check_results_spare_inputs, find_pictures, result_names
from samhq.cli.places import make_folder
from samhq.cli.prompts import NO_PROMPTS, PromptFlags
from samhq.cli.text import NO_TEXT, TextFlags
from samhq.errors import ConfigError


def segment(
    *images: str,
    prompt: PromptFlags = NO_PROMPTS,
    model: ModelFlags = STARTER,
    text: TextFlags = NO_TEXT,
    refining: RefineFlags = ONE_LOOK,
    embeddings: EmbeddingFlags = NO_EMBEDDINGS,
    job: JobFlags = PLAIN_JOB,
    output: OutputFlags,
) -> int:
    """Write masks, an overlay and a JSON record for every picture.

    For example: samhq segment photo.jpg --box 10,20,300,400 --output masks

    All points are one object, together with the box and the mask if given. Several
    boxes are several objects. A prompts file can describe any objects. With --text
    "cup, red car" a detector finds objects of these classes, and with --like
    x0,y0,x1,y1 objects like the one in this box. Masks, records and the files of
    samhq write carry the class names. A picture without detections is not an error:
    its record has no masks.

    Results have the name of the picture: NAME_mask_0.png for the first object
    (NAME_mask_0_0.png for the first of its several masks), NAME_overlay.jpg,
    NAME_cutout_0.png, NAME.json. If two pictures have the same name, their suffix
    and folder are added to it. If the folder holds another picture's result of that
    name, a number is added. For several pictures, manifest.jsonl has one line for
    each. With --resume, pictures that an earlier run finished are skipped.

    Exit code 0: all done. 1: some of several pictures failed; NAME.json has the
    reason. 2: wrong use, such as a single picture that cannot be read or a point
    outside it. 130: interrupted.

    Parameters:
        images: Files, folders, patterns such as '*.jpg', http(s) addresses, or - for the standard input.
    """
    from samhq.batch.job import Item, failure_record, run_job
    from samhq.batch.prompts import hashes_of_prompts
    from samhq.batch.segment import SegmentWork

    _check_together(prompt, text, model, refining, embeddings)
    job.check()
    pictures = find_pictures(images, output.output, recursive=job.recursive)
    text = text.found_in(pictures)
    names = result_names(pictures, output.output, quiet=job.quiet)
    files = [path for path in (prompt.mask, prompt.prompts) if path is not None]
    check_results_spare_inputs([*pictures, *files], names, output.output)
    make_folder(output.output)
    several = len(pictures) > 1
    kept = several or job.resume
    options = {"command": "segment", **refining.options(), **embeddings.options(), **output.options()}
    options |= text.search_options()
    given = prompt.given()
    prompt_hashes = hashes_of_prompts(given, pictures)
    tally = run_job(
        list(map(Item, pictures, names, prompt_hashes)),
        SegmentWork(output, given, text, model, refining, embeddings),
        output.output if kept else None,
        options={**options, **model.options()} if kept else None,
        resume=job.resume,
        workers=job.workers,
        keep_going=several,
        tell=job.tell,
        progress=not job.quiet,
        on_failure=partial(failure_record, output.output),
    )
    return job.conclude(tally, output.output)


def _check_together(
    prompt: PromptFlags, text: TextFlags, model: ModelFlags, refining: RefineFlags, embeddings: EmbeddingFlags
) -> None:
    """Refuses flags that do not go together.

    Raises:
        ConfigError, PromptError: two of them contradict each other, or a value cannot be used.
    """
    text.check()
    if text.wanted:
        prompt.check_none()
    else:
        prompt.check()
    if text.wanted and model.multimask:
        raise ConfigError(
            "Expected --multimask without --text or --like, got both: each detection has one mask. "
            "Leave --multimask out."
        )
    if refining.refine and model.multimask:
        raise ConfigError(
            "Expected --refine, which gives one mask for each object, or --multimask, got both. Leave one out."
        )
    check_exported(
        model.exported, {"--refine": bool(refining.refine), "--embeddings": embeddings.embeddings is not None}
    )
