"""`samhq detect`: class names or examples to boxes, without masks.

Imports detectors only inside functions, so that help is fast.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from samhq.batch.search import has_boxes
from samhq.cli.job import PLAIN_JOB, JobFlags
from samhq.cli.picture_flags import ALL_AS_IT_IS, BandFlags
from samhq.cli.pictures import find_pictures, result_names
from samhq.cli.places import make_folder
from samhq.cli.text import NO_EXAMPLE, PLAIN_SEARCH, DetectorFlags, ExampleFlags, check_one_search
from samhq.errors import PromptError
from samhq.storage.schema import Fields, Items

if TYPE_CHECKING:
    from samhq.batch.job import Item

_BOXES = Fields({"images": Items(Fields(), least=1), "categories": Items(Fields()), "annotations": Items(Fields())})
ALL = "boxes.json"  #: The file with the boxes of all pictures.


def detect(
    *images: str,
    text: str | None = None,
    like: ExampleFlags = NO_EXAMPLE,
    output: Annotated[Path, Parameter(alias="-o")],
    search: DetectorFlags = PLAIN_SEARCH,
    bands: BandFlags = ALL_AS_IT_IS,
    device: str | None = None,
    job: JobFlags = PLAIN_JOB,
) -> int:
    """Find objects by class names or by an example and write their boxes.

    For example: samhq detect photos --text "cup, red car" --output found
    samhq segment photos --text "cup, red car" --detector found/boxes.json -o masks
    samhq detect photos --like 120,80,260,240 --like-in mug.jpg --output found

    Writes NAME_boxes.json for each picture, and boxes.json for all of them. Both
    are COCO data sets whose annotations have a bbox (x, y, width, height) and a
    score. A picture without detections has no annotation. With --resume, pictures
    that an earlier run with the same flags finished are skipped.

    Exit code 0: all done. 1: some of several pictures failed. 2: wrong use, such
    as a single picture that cannot be read. 130: interrupted.

    Parameters:
        images: Files, folders, patterns such as '*.jpg', http(s) addresses, or - for the standard input.
        text: Class names separated by commas: "cup, red car".
        output: Folder for the boxes. It is created if it does not exist.
        device: cpu, cuda, cuda:1, mps, ... [default: cuda where there is one, else cpu]
    """
    from samhq.batch.detect import DetectWork
    from samhq.batch.job import Item, run_job

    check_one_search(text, like.like)
    if text is None and not like.like and not has_boxes(search.detector):
        raise PromptError('Expected --text or --like, got neither. Write --text "cup, red car".')
    job.check()
    pictures = find_pictures(images, output, recursive=job.recursive)
    like = like.found_in(pictures)
    make_folder(output)
    names = result_names(pictures, output, "_boxes.json", quiet=job.quiet)
    items = [Item(path, name) for path, name in zip(pictures, names, strict=True)]
    tally = run_job(
        items,
        DetectWork(text, output, search, device, like, bands),
        output,
        options={
            "command": "detect",
            "text": text,
            **search.options(),
            **like.like_options(),
            **bands.channels.options(),
        },
        resume=job.resume,
        workers=job.workers,
        keep_going=len(items) > 1,
        tell=job.tell,
        progress=not job.quiet,
        on_failure=partial(forget, output),
    )
    join_boxes([output / f"{item.name}_boxes.json" for item in items], output / ALL)
    return job.conclude(tally, output)


def forget(output: Path, item: Item, reason: str) -> Sequence[Path]:
    """Deletes the boxes that an earlier run wrote for a picture that failed now; returns no file."""
    (output / f"{item.name}_boxes.json").unlink(missing_ok=True)
    return []


def join_boxes(paths: Iterable[Path], output: Path) -> Path:
    """Joins the data sets of several pictures into one. Missing ones, of pictures that failed, are left out."""
    from samhq.storage.atomic import write_json
    from samhq.storage.documents import read_json

    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    categories: list[dict[str, Any]] = []
    for path in paths:
        if not path.is_file():
            continue
        content = read_json(path, "boxes of a picture", _BOXES, PromptError, "Delete the file and search again.")
        images.append(content["images"][0] | {"id": len(images) + 1})
        categories = content["categories"]
        for record in content["annotations"]:
            annotations.append(record | {"id": len(annotations) + 1, "image_id": len(images)})
    return write_json(output, {"images": images, "categories": categories, "annotations": annotations})
