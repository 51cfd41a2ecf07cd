"""Reports the content of a data set and what is missing or broken; every picture and mask is read once.

Knows nothing about networks or scores.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

from samhq.datasets import hqseg
from samhq.datasets.annotated import AnnotatedPictures
from samhq.datasets.coco import CocoPictures
from samhq.datasets.hqseg import Part, open_part, parts_of
from samhq.datasets.open import hqseg_source, open_dataset
from samhq.datasets.pairs import PairFolder
from samhq.datasets.sample import MissingFileError, Pictures, SizeMismatchError
from samhq.errors import ConfigError, ImageError
from samhq.image.channels import AS_SHOWN, Channels
from samhq.plural import plural

#: Kinds of findings: files are missing, cannot be read, differ in size, hold no object, or belong to nothing.
Kind = Literal["missing", "unreadable", "size", "empty", "stray"]


@dataclass(frozen=True)
class Finding:
    """One fault, in a sentence that names the file."""

    kind: Kind
    text: str


@dataclass(frozen=True)
class DatasetReport:
    """The content of one part of a data set; `published` is the published number of pictures, None if there is none."""

    part: str
    pictures: int
    objects: int = 0
    crowds: int = 0
    published: int | None = None
    findings: tuple[Finding, ...] = ()

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings and self.published in (None, self.pictures)

    def count(self, kind: Kind) -> int:
        """The number of findings of one kind."""
        return sum(finding.kind == kind for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """The report as JSON values."""
        return asdict(self) | {"sound": self.sound}


@dataclass(frozen=True)
class _Checked:
    """The numbers and findings of one picture."""

    objects: int = 0
    crowds: int = 0
    findings: tuple[Finding, ...] = ()


#: Shows progress: wraps an iterable, given its length and a label.
Progress = Callable[[Iterable[Any], int, str], Iterable[Any]]


def _silent(items: Iterable[Any], total: int, name: str) -> Iterable[Any]:
    del total, name
    return items


def check_dataset(
    source: str | Path,
    *,
    images: Path | None = None,
    workers: int = 2,
    progress: Progress = _silent,
    channels: Channels = AS_SHOWN,
) -> list[DatasetReport]:
    """A report on each part of a source that `open_dataset` takes, or of HQSeg-44K in its root folder.

    `channels` says how pictures are read.

    Raises:
        ConfigError: the source has another form.
    """
    read = partial(_report, workers=workers, progress=progress)
    text, path = str(source), Path(source)
    if text.startswith(hqseg.PREFIX):
        name, root = hqseg_source(text)
        return [_part_report(part, root, read, channels) for part in parts_of(name)]
    if path.is_dir() and hqseg.is_root(path):
        return [_part_report(part, path, read, channels) for part in parts_of("all")]
    return [read(open_dataset(source, images=images, bands=channels.bands, stretch=channels.stretch))]


def _part_report(
    part: Part, root: Path, read: Callable[[Pictures], DatasetReport], channels: Channels
) -> DatasetReport:
    try:
        pictures = open_part(part, root, channels)
    except ConfigError as error:
        return DatasetReport(part.name, 0, published=part.count, findings=(Finding("missing", str(error)),))
    return replace(read(pictures), published=part.count)


def _report(pictures: Pictures, *, workers: int, progress: Progress) -> DatasetReport:
    with ThreadPoolExecutor(max(1, workers)) as pool:
        results = pool.map(partial(_check, pictures), range(len(pictures)))
        checked = list(progress(results, len(pictures), pictures.name))
    findings = [finding for result in checked for finding in result.findings] + list(_beside(pictures))
    objects, crowds = sum(result.objects for result in checked), sum(result.crowds for result in checked)
    return DatasetReport(pictures.name, len(pictures), objects, crowds, findings=tuple(findings))


def _check(pictures: Pictures, index: int) -> _Checked:
    try:
        sample = pictures[index]
    except ImageError as error:
        return _Checked(findings=(Finding(_kind(error), str(error)),))
    empty = [
        Finding("empty", f"Object {number} of {sample.name} has no pixels.")
        for number, mask in zip(sample.ids, sample.masks, strict=True)
        if not mask.any()
    ]
    if isinstance(pictures, AnnotatedPictures):
        empty += [Finding("empty", sentence) for sentence in pictures.left_out(index)]
    return _Checked(len(sample.objects), int(sample.crowd.sum()), tuple(empty))


def _kind(error: ImageError) -> Kind:
    if isinstance(error, SizeMismatchError):
        return "size"
    missing = isinstance(error, MissingFileError) or isinstance(error.__context__, FileNotFoundError)
    return "missing" if missing else "unreadable"


def _beside(pictures: Pictures) -> Iterator[Finding]:
    """Files and annotations that belong to no picture."""
    if isinstance(pictures, PairFolder):
        yield from (Finding("stray", f"Mask {path} has no picture.") for path in pictures.strays)
    if not isinstance(pictures, CocoPictures):
        return
    known = {image["id"] for image in pictures.images}  # `annotations` may have other pictures.
    for image, records in pictures.annotations.items():
        if image not in known:
            yield Finding("stray", f"Image {image}, which is not listed, has {plural(len(records), 'annotation')}.")
    records = [record for of_image in pictures.annotations.values() for record in of_image]
    of_category = Counter(record.get("category_id") for record in records)
    for category in of_category.keys() - pictures.categories.keys():
        count = plural(of_category[category], "annotation")
        yield Finding("stray", f"Category {category}, which is not listed, has {count}.")
    for number, times in Counter(record["id"] for record in records if "id" in record).items():
        if times > 1:
            yield Finding("stray", f"{times} annotations have the id {number}; each needs its own.")


KINDS: tuple[Kind, ...] = get_args(Kind)
