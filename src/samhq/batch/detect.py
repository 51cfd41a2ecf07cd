"""The work of `samhq detect`: a picture and class names or examples to a file of boxes.

Imports detectors only inside functions, so that help is fast.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samhq.batch.ahead import EachAfterSearch, PictureSearch
from samhq.batch.job import Item, Outcome
from samhq.batch.reading import PictureReader
from samhq.batch.search import DEFAULT_DETECTOR, NO_EXAMPLES, DetectorSettings, ExampleSettings
from samhq.batch.settings import AS_IT_IS, BandSettings

if TYPE_CHECKING:
    from samhq.results.detections import Detections


@dataclass(frozen=True)
class DetectWork:
    """Finds boxes of classes or of objects like examples; a call loads the detector and gives the function for one
    picture. Picklable."""

    text: str | None
    output: Path
    search: DetectorSettings = DEFAULT_DETECTOR
    device: str | None = None
    like: ExampleSettings = NO_EXAMPLES
    bands: BandSettings = AS_IT_IS

    def __call__(self) -> EachAfterSearch:
        """The function that writes one picture's boxes."""
        example = None if self.like.like_in is None else self.bands.picture(self.like.like_in)
        search = self.search.search(self.text, self.device, self.like.examples(example))
        pictures = PictureSearch(search, PictureReader(self.bands))
        return EachAfterSearch(partial(self.process, pictures), pictures.pictures, pictures)

    @property
    def together(self) -> int:
        """The number of pictures to prepare together: those that the detector sees at once."""
        return self.search.together(self.device)

    def process(self, pictures: PictureSearch, item: Item) -> Outcome:
        """Writes the boxes of one picture.

        Raises:
            ImageError, PromptError: the picture or its boxes cannot be used.
        """
        from samhq.results.origin import origin_record
        from samhq.storage.atomic import write_json

        result, search = pictures(item.path), pictures.search
        kept = search.selection.apply(result.detections)
        path = self.output / f"{item.name}_boxes.json"
        name = str(item.path)
        write_json(path, coco_of_boxes(name, result.size_hw, kept) | origin_record(name))
        return Outcome([path], boxes_said(kept, search.rejected(result.detections)))


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


def coco_of_boxes(file_name: str, size_hw: Sequence[int], detections: Detections) -> dict[str, Any]:
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
            zip(detections.boxes.tolist(), detections.scores.tolist(), detections.class_ids.tolist(), strict=True), 1
        )
    ]
    return {
        "images": [{"id": 1, "file_name": file_name, "height": int(size_hw[0]), "width": int(size_hw[1])}],
        "categories": [{"id": number, "name": name} for number, name in enumerate(detections.names, 1)],
        "annotations": annotations,
    }
