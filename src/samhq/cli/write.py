"""`samhq write`: converts finished results to the files of annotation and training tools.

Imports the writers only inside functions, so that help is fast.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from samhq.cli.fields import grown_from
from samhq.cli.places import make_folder
from samhq.errors import ConfigError, ImageError, SamHQWarning
from samhq.formats.options import WriteOptions
from samhq.masks.finish import Finish
from samhq.plural import plural

if TYPE_CHECKING:
    from samhq.results.picture import Picture

_WHERE = (
    "Run the command in the folder in which their paths begin, or name the folder of the pictures: --images FOLDER."
)


@Parameter(name="*")
@dataclass(frozen=True)
@grown_from(Finish)
class FinishFlags:
    """How masks are changed before they are written: the fields of `samhq.masks.finish.Finish`."""


@Parameter(name="*")
@dataclass(frozen=True)
@grown_from(
    WriteOptions,
    leave_out=("finish",),
    labels=Parameter(
        name="--label",
        negative="",
        show_default=False,
        help="Class names in the order of their numbers. Other classes get the next numbers. Repeat for more.",
    ),
    embed=Parameter(name="--inline", negative=""),
)
class WriteFlags:
    """How masks are written: the fields of `samhq.formats.options.WriteOptions`."""

    def options(self, finish: FinishFlags) -> WriteOptions:
        """The options for the writers.

        Raises:
            ConfigError: a value that cannot be used.
        """
        return WriteOptions(finish=Finish(**asdict(finish)), **asdict(self))


def write(
    *results: Path,
    format: Annotated[tuple[str, ...], Parameter(negative="")],
    output: Annotated[Path, Parameter(alias="-o")],
    images: Path | None = None,
    write: WriteFlags = WriteFlags(),
    finish: FinishFlags = FinishFlags(),
) -> int:
    """Write finished results for annotation and training tools.

    For example: samhq write masks --format coco --format yolo --output dataset

    Reads the JSON records that samhq segment and samhq everything wrote, one for
    each picture. Records of pictures that failed are left out and counted. If a
    prompt has several candidates (--multimask), the best is written. Formats:
    masks, cutouts, labelmap, coco, sa1b, yolo, labelme, isat, labelstudio, cvat,
    supervisely, geojson, geotiff, svg, webdataset.

    Exit code 0: all done. 2: wrong use, such as a folder without records.

    Parameters:
        results: Folders of results, or single JSON records.
        format: One format. Repeat for more.
        output: Folder for the files. It is created if it does not exist.
        images: Folder with the pictures. [default: where their paths in the records lead, or beside the records]
    """
    from samhq.formats.write import NEED_PIXELS, NEED_PLACE, open_formats

    options = write.options(finish)
    records = find_records(results)
    check_names(records)
    if images is not None and not images.is_dir():
        raise ConfigError(f"Expected a folder of pictures as --images, got {images}, which does not exist. Check it.")
    make_folder(output)
    pixels = options.embed or not set(format).isdisjoint(NEED_PIXELS)
    place = not set(format).isdisjoint(NEED_PLACE)
    written = left_out = 0
    without_file: list[str] = []
    with open_formats(format, output, options) as add:
        for path in records:
            picture = read_record(path, pixels=pixels, place=place, images=images)
            if picture is None:
                left_out += 1
                continue
            add(picture)
            written += len(picture.objects)
            without_file += [picture.file_name] * (picture.source is None)
    count = len(records) - left_out
    report_missing(without_file, count, format)
    print(
        f"{plural(written, 'mask')} of {plural(count, 'picture')}"
        + (f", {plural(left_out, 'failed picture')} left out" if left_out else "")
        + f"; results in {output}"
    )
    return 0


def find_records(results: Sequence[Path]) -> list[Path]:
    """The JSON records among files and directly inside folders, in order.

    Raises:
        ConfigError: a name that does not exist, or no record at all.
    """
    records: list[Path] = []
    for path in results:
        if not path.exists():
            raise ConfigError(
                f"Expected a folder of results or a JSON record, got {path}, which does not exist. Give the --output "
                "folder of samhq segment or samhq everything."
            )
        records += sorted(path.glob("*.json")) if path.is_dir() else [path]
    if not records:
        raise ConfigError(
            f"Expected JSON records in {', '.join(map(str, results)) or 'the results'}, got none. Give the --output "
            "folder of samhq segment or samhq everything."
        )
    return records


def check_names(records: Sequence[Path]) -> None:
    """Refuses records whose pictures' files would overwrite each other, before anything is written.

    Raises:
        ConfigError: two have the same name.
    """
    names: dict[str, Path] = {}
    for path in records:
        first = names.setdefault(path.stem, path)
        if first is not path:
            raise ConfigError(
                f"Expected records with different names, got {first} and {path}, whose files would replace each "
                "other's. Write them into two folders, one after the other."
            )


def report_missing(names: Sequence[str], count: int, formats: Sequence[str]) -> None:
    """Warns about pictures whose files were not found, if a format copies them or needs their geographic position.

    Warns:
        SamHQWarning: there are some.
    """
    from samhq.formats.write import NEED_FILE, NEED_PLACE
    from samhq.image.sources import BY_WINDOW

    geographic = any(name.lower().endswith(BY_WINDOW) for name in names)
    lacking = [name for name in formats if name in NEED_FILE or (geographic and name in NEED_PLACE)]
    if names and lacking:
        shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
        warnings.warn(
            f"Expected the pictures of all records, got no file for {len(names)} of {count} ({shown}), which "
            f"these formats need: {', '.join(lacking)}. {_WHERE}",
            SamHQWarning,
            stacklevel=2,
        )


def read_record(path: Path, *, pixels: bool, place: bool, images: Path | None = None) -> Picture | None:
    """The picture of a record with the best mask of each prompt; None for the record of a picture that failed.

    The picture has its file, if that still exists, and if wanted its pixels and its geographic position. `images` is a
    folder in which to look for the file first.

    Raises:
        ImageError: the record has another form, or the picture is needed and is not found or cannot be read.
    """
    from samhq.image.read import read_image
    from samhq.results.picture import georeference
    from samhq.results.sa1b import picture_of_record, read_record_content

    content = read_record_content(path)
    if "error" in content:
        return None
    picture = picture_of_record(content, path)
    best = tuple(item for item in picture.annotations if not (item.extra or {}).get("candidate"))
    picture = replace(picture, annotations=best)
    named = Path(picture.file_name)
    places = [] if images is None else [images / named, images / named.name]
    source = next((candidate for candidate in (*places, named, path.parent / named.name) if candidate.is_file()), None)
    if source is not None:
        picture = replace(picture, source=source, geo=georeference(source) if place else None)
        return replace(picture, image=read_image(source)) if pixels else picture
    if pixels:
        raise ImageError(f"Expected the picture of {path}, got no file {named}. {_WHERE}")
    return picture
