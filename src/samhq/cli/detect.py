"""`samhq detect`: class names to boxes, without masks.

Imports detectors only inside functions, so that help is fast.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from samhq.cli.job import PLAIN_JOB, JobFlags
from samhq.cli.pictures import find_pictures, result_names
from samhq.cli.places import make_folder
from samhq.cli.text import PLAIN_SEARCH, DetectorFlags

if TYPE_CHECKING:
    from samhq.batch.job import Item, Outcome
    from samhq.results.detections import Detections
    from samhq.text.search import Search

ALL = "boxes.json"  #: The file with the boxes of all pictures.


def detect(
    *images: str,
    text: str,
    output: Annotated[Path, Parameter(alias="-o")],
    search: DetectorFlags = PLAIN_SEARCH,
    device: str | None = None,
    job: JobFlags = PLAIN_JOB,
) -> int:
    """Find objects by class names and write their boxes.

    For example: samhq detect photos --text "cup, red car" --output found
    samhq segment photos --text "cup, red car" --detector found/boxes.json -o masks

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
    from samhq.batch.job import Item, run_job
    from samhq.text.classes import as_classes

    as_classes(text)
    job.check()
    pictures = find_pictures(images, output, recursive=job.recursive)
    make_folder(output)
    names = result_names(pictures, output, "_boxes.json", quiet=job.quiet)
    items = [Item(path, name) for path, name in zip(pictures, names, strict=True)]
    tally = run_job(
        items,
        DetectWork(text, output, search, device),
        output,
        options={"command": "detect", "text": text, **search.options()},
        resume=job.resume,
        workers=job.workers,
        keep_going=len(items) > 1,
        tell=job.tell,
        on_failure=partial(forget, output),
    )
    join([output / f"{item.name}_boxes.json" for item in items], output / ALL)
    return job.conclude(tally)


@dataclass(frozen=True)
class DetectWork:
    """Finds boxes; a call loads the detector and gives the function for one picture. Can be sent to other processes."""

    text: str
    output: Path
    search: DetectorFlags
    device: str | None

    def __call__(self) -> Callable[[Item], Outcome]:
        """The function that writes one picture's boxes."""
        return partial(self.one, self.search.search(self.text, self.device))

    def one(self, search: Search, item: Item) -> Outcome:
        """Writes the boxes of one picture.

        Raises:
            ImageError, PromptError: the picture or its boxes cannot be used.
        """
        from samhq.batch.job import Outcome
        from samhq.image.read import read_image
        from samhq.results.origin import origin_record
        from samhq.storage.atomic import write_json

        image = read_image(item.path)
        (found,) = search.detect([image], [str(item.path)])
        kept = search.selection.apply(found)
        path = self.output / f"{item.name}_boxes.json"
        name = str(item.path)
        write_json(path, coco_of_boxes(name, image.shape[:2], kept) | origin_record(name))
        return Outcome([path], boxes_said(kept, search.rejected(found)))


def forget(output: Path, item: Item, reason: str) -> Sequence[Path]:
    """Deletes the boxes that an earlier run wrote for a picture that failed now; returns no file."""
    (output / f"{item.name}_boxes.json").unlink(missing_ok=True)
    return []


def boxes_said(kept: Detections, rejected: str) -> str:
    """The number of boxes of each class, or the closest rejected one if there are none.

    >>> from samhq.results.detections import Detections
    >>> boxes_said(Detections.of([[0, 0, 9, 9]], [0.5], [0], ["cup"]), "")
    '1 cup'
    >>> boxes_said(Detections.none(["cup"]), "closest: cup 0.18 < 0.25")
    'nothing found (closest: cup 0.18 < 0.25)'
    """
    if not len(kept):
        return f"nothing found{f' ({rejected})' if rejected else ''}"
    return ", ".join(f"{kept.labels.count(name)} {name}" for name in kept.names if name in kept.labels)


def coco_of_boxes(file_name: str, size_hw: Sequence[int], found: Detections) -> dict[str, Any]:
    """One picture's boxes as a COCO data set. Ids count from 1; categories are in the order of the classes."""
    annotations = [
        {
            "id": number,
            "image_id": 1,
            "category_id": category + 1,
            "bbox": [x0, y0, x1 - x0, y1 - y0],
            "area": (x1 - x0) * (y1 - y0),
            "iscrowd": 0,
            "score": score,
        }
        for number, ((x0, y0, x1, y1), score, category) in enumerate(
            zip(found.boxes.tolist(), found.scores.tolist(), found.class_ids.tolist(), strict=True), 1
        )
    ]
    return {
        "images": [{"id": 1, "file_name": file_name, "height": int(size_hw[0]), "width": int(size_hw[1])}],
        "categories": [{"id": number, "name": name} for number, name in enumerate(found.names, 1)],
        "annotations": annotations,
    }


def join(paths: Iterable[Path], output: Path) -> Path:
    """Joins the data sets of several pictures into one. Missing ones, of pictures that failed, are left out."""
    from samhq.storage.atomic import write_json

    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    categories: list[dict[str, Any]] = []
    for path in paths:
        if not path.is_file():
            continue
        content = json.loads(path.read_text(encoding="utf-8"))
        images.append(content["images"][0] | {"id": len(images) + 1})
        categories = content["categories"]
        for record in content["annotations"]:
            annotations.append(record | {"id": len(annotations) + 1, "image_id": len(images)})
    return write_json(output, {"images": images, "categories": categories, "annotations": annotations})
