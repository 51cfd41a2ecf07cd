"""The rows of a sharded job as files of annotation and training tools. Knows nothing about models or shards.

Imports the writers only inside functions, so that help is fast.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samhq.batch.places import check_no_file, is_address, read_address, upload
from samhq.batch.plan import open_job
from samhq.batch.rows import read_rows

if TYPE_CHECKING:
    from samhq.formats.options import WriteOptions
    from samhq.results.picture import Picture


@dataclass(frozen=True)
class ExportTally:
    """The numbers of written pictures and masks, and of pictures left out because they failed."""

    pictures: int
    masks: int
    failed: int


def export_job(
    job: str,
    formats: str | Sequence[str],
    output: str,
    options: WriteOptions | None = None,
    *,
    allow_partial: bool = False,
) -> ExportTally:
    """Writes the rows of a job in one or several formats; see `samhq.formats.write.FORMATS`.

    `output` is a folder, a path or an address. Pictures are read again only for formats that contain them. Only one
    picture is held at a time.

    Raises:
        ConfigError: the job is not finished, unless `allow_partial`; an unknown format; a file as `output`.
        ImageError: a picture that a format contains can no longer be read, or has changed its size.
        OSError: a store or the folder cannot be read or written.
    """
    from samhq.formats.options import WriteOptions
    from samhq.formats.write import NEED_FILE, NEED_PIXELS, NEED_PLACE, open_formats

    check_no_file(output, "--output")
    names = [formats] if isinstance(formats, str) else list(formats)
    options = WriteOptions() if options is None else options
    pixels = options.embed or not NEED_PIXELS.isdisjoint(names)
    place = not NEED_PLACE.isdisjoint(names)
    files = pixels or place or not NEED_FILE.isdisjoint(names)
    pictures = masks = failed = 0
    with _local_folder(output) as folder, open_formats(names, folder, options) as add:
        for row, stem in _named(job, allow_partial=allow_partial):
            if row["status"] == "error":
                failed += 1
                continue
            picture = picture_of_row(row, stem)
            with _file_of(row, files) as source:
                add(_with_file(picture, source, pixels=pixels, place=place))
            pictures, masks = pictures + 1, masks + len(picture.objects)
    return ExportTally(pictures, masks, failed)


def picture_of_row(row: Mapping[str, Any], stem: str = "") -> Picture:
    """The picture and the objects of a row whose status is not "error".

    Raises:
        ImageError: a damaged mask.
    """
    from samhq.results.annotation import LABEL, Annotation
    from samhq.results.picture import Picture

    size = [row["height"], row["width"]]
    annotations = tuple(
        Annotation(
            {"size": size, "counts": instance["counts"]},
            instance["label"] or LABEL,
            instance["iou"],
            instance["stability"],
            detector_score=instance["score"],
        )
        for instance in row["instances"]
    )
    return Picture(row["id"], (row["height"], row["width"]), annotations, stem=stem)


def _named(job: str, *, allow_partial: bool) -> Iterator[tuple[dict[str, Any], str]]:
    """The rows of a job, each with a stem that no other picture has."""
    from samhq.batch.names import stems

    ids = [name for name, _ in open_job(job).pictures]
    by_id = dict(zip(ids, stems([Path(name) for name in ids]), strict=True))
    for row in read_rows(job, allow_partial=allow_partial):
        yield row, by_id[row["id"]]


def _with_file(picture: Picture, source: Path | None, *, pixels: bool, place: bool) -> Picture:
    if source is None:
        return picture
    from samhq.image.read import read_image
    from samhq.results.picture import georeference

    picture = replace(picture, source=source, geo=georeference(source) if place else None)
    return replace(picture, image=read_image(source)) if pixels else picture


@contextmanager
def _file_of(row: Mapping[str, Any], needed: bool) -> Iterator[Path | None]:
    """The path of a picture's file, None if it is not needed; a file in a store is copied here for the block."""
    if not needed or not is_address(row["uri"]):
        yield Path(row["uri"]) if needed else None
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"picture{Path(row['id']).suffix}")
        path.write_bytes(read_address(row["uri"]))
        yield path


@contextmanager
def _local_folder(output: str) -> Iterator[Path]:
    """The folder; for one in a store a temporary one, whose files are put there when the block ends without error."""
    if not is_address(output):
        yield Path(output)
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)
        upload(Path(folder), output)
