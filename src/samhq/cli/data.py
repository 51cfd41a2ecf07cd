"""`samhq data`: checks a data set for missing and broken files, and draws small data sets to try things with.

Imports numpy and the drawing code only inside functions, so that help is fast.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from samhq.cli.models import aligned
from samhq.cli.picture_flags import ALL_AS_IT_IS, BandFlags
from samhq.errors import ConfigError
from samhq.options import whole_number
from samhq.plural import plural
from samhq.progress import counted, print_line
from samhq.storage.locks import only_one
from samhq.storage.names import printable

if TYPE_CHECKING:
    from samhq.datasets.check import DatasetReport
    from samhq.datasets.drawn.config import SceneConfig

data = App(name="data", help="Check a data set, or make a drawn one.", help_format="plaintext")
_SHOWN = 10  #: How many findings of each kind are shown.
_MOST = 10_000_000  #: Default number of drawn pictures.
_VALIDATION = 5  #: One picture in this many is for validation.


@data.command(help_epilogue="")
def check(
    source: str,
    /,
    *,
    images: Path | None = None,
    bands: BandFlags = ALL_AS_IT_IS,
    workers: int = 2,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Check a data set: read every picture and mask, and report what is missing or broken.

    For example: samhq data check hqseg44k:val@data

    Counts pictures and objects, and for HQSeg-44K compares them with the published
    counts. Lists files that are missing, cannot be read, differ in size from their
    mask, or show no object.

    Exit code 0: nothing is wrong. 1: files are missing or broken. 2: wrong use.

    Parameters:
        source: A COCO JSON file, a folder of pictures and masks or of other tools' labels, data.yaml@PART of YOLO,
            HQSeg-44K's root folder, or hqseg44k:NAME@FOLDER.
        images: The folder of a COCO file's pictures. [default: the one beside or around the file]
        workers: Number of files to read at the same time.
        as_json: Print JSON instead of a table.
    """
    from samhq.datasets.check import check_dataset

    reports = check_dataset(source, images=images, workers=workers, progress=_bar, channels=bands.channels)
    if as_json:
        print(json.dumps([report.to_json() for report in reports], indent=1))
    else:
        print("\n".join([*_rows(reports), *map(printable, _sentences(reports))]))
    return 0 if all(report.sound for report in reports) else 1


def _bar(items: Iterable[Any], total: int, name: str) -> Iterable[Any]:
    return counted(items, "picture", name, show=sys.stderr.isatty(), total=total, leave=False)


def _rows(reports: Sequence[DatasetReport]) -> list[str]:
    from samhq.datasets.check import KINDS

    known = any(report.published is not None for report in reports)
    head = ["part", "pictures", *(["published"] if known else []), "objects", "crowds", *KINDS]
    rows = [head]
    for report in reports:
        published = [str(report.published)] if known else []
        counts = [report.objects, report.crowds, *map(report.count, KINDS)]
        rows.append([report.part, str(report.pictures), *published, *map(str, counts)])
    return aligned(rows)


def _sentences(reports: Sequence[DatasetReport]) -> Iterator[str]:
    """The findings as sentences, at most `_SHOWN` for each kind and part."""
    from samhq.datasets.check import KINDS

    for report in reports:
        for kind in KINDS:
            texts = [finding.text for finding in report.findings if finding.kind == kind]
            yield from (f"{kind}: {text}" for text in texts[:_SHOWN])
            if len(texts) > _SHOWN:
                yield f"{kind}: and {len(texts) - _SHOWN} more in {report.part}; --json lists them all"
        if report.pictures and report.published not in (None, report.pictures):
            yield f"count: {report.part} has {plural(report.pictures, 'picture')}, published with {report.published}"
    if all(report.sound for report in reports):
        yield "nothing is wrong"


@data.command(help_epilogue="")
def make(
    folder: Path,
    /,
    *,
    count: int = 200,
    side: int = 256,
    seed: int = 0,
    thin: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Draw a small data set: train.json and val.json in COCO's form, pictures in train/ and val/.

    For example: samhq data make scenes --count 200

    Every fifth picture is for validation. Objects are whole, with exact masks,
    of the category "object" or "thin object". Equal flags give equal masks.

    Parameters:
        folder: Folder for the data set. It is created if it does not exist.
        count: Number of pictures, at least 5.
        side: Height and width of the pictures in pixels.
        seed: Seed of the random numbers. Another seed gives other pictures.
        thin: Draw mostly cables, branches, meshes, spokes and other thin things.
    """
    from samhq.datasets.drawn.config import SceneConfig

    whole_number("--count", count, _VALIDATION, _MOST)
    whole_number("--seed", seed, 0, (1 << 31) - 1)
    taken = [folder / name for name in ("train.json", "val.json") if (folder / name).exists()]
    if taken:
        raise ConfigError(f"Expected a folder without data of an earlier run, got {taken[0]}. Name another folder.")
    # Not training's mix (`samhq.datasets.drawn.config.scenes_at`), which leaves out objects that are hard to learn from
    # small pictures: these scenes are for measuring and fine-tuning, and must stay the same when training changes.
    config = SceneConfig(side=side, objects=(1, 8), size=(0.1, 0.85), thin=0.75 if thin else 0.25)
    places = {"train": [i for i in range(count) if i % _VALIDATION], "val": list(range(0, count, _VALIDATION))}
    with only_one(folder, "drawing"):
        for split, numbers in places.items():
            objects = write_scenes(folder, split, numbers, config, seed)
            print_line(f"{folder / split}.json: {plural(len(numbers), 'picture')}, {plural(objects, 'object')}")
    return 0


def write_scenes(folder: Path, split: str, numbers: Sequence[int], config: SceneConfig, seed: int) -> int:
    """Draws scenes into `folder/split/` and writes `folder/split.json`; returns the number of objects."""
    from PIL import Image

    from samhq.datasets.drawn.scene import draw_scene
    from samhq.datasets.drawn.seeds import made_seed
    from samhq.formats.coco import open_coco
    from samhq.image.files import save_picture
    from samhq.masks import rle
    from samhq.results.annotation import Annotation
    from samhq.results.picture import Picture

    objects = 0
    with open_coco(folder / f"{split}.json", labels=("object", "thin object")) as add:
        for number in _bar(numbers, len(numbers), split):
            scene = draw_scene(made_seed(seed) + number, config)
            name = f"{number:06}.jpg"
            save_picture(Image.fromarray(scene.image), folder / split / name, quality=95)
            labels = ["thin object" if thin else "object" for thin in scene.thin]
            whole = [Annotation(rle.encode(m), label) for m, label in zip(scene.masks, labels, strict=True)]
            kept = tuple(item for item, owner in zip(whole, scene.parts, strict=True) if owner < 0)
            add(Picture(name, (config.side, config.side), kept))
            objects += len(kept)
    return objects
