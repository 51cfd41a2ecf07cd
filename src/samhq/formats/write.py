"""All formats by name, and one call that writes pictures in several of them in one pass.

Knows which files each format writes; the formats' own modules know their content.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from samhq.errors import ConfigError, did_you_mean
from samhq.formats.coco import open_coco
from samhq.formats.cvat import open_cvat
from samhq.formats.geojson import write_geojson
from samhq.formats.geotiff import write_geotiff
from samhq.formats.isat import open_isat
from samhq.formats.labelme import write_labelme
from samhq.formats.labelstudio import open_labelstudio
from samhq.formats.options import WriteOptions
from samhq.formats.supervisely import open_supervisely
from samhq.formats.svg import write_svg
from samhq.formats.webdataset import open_webdataset
from samhq.formats.yolo import open_yolo
from samhq.image.write import MaskWindow, write_mask, write_picture
from samhq.results.label_map import write_label_map
from samhq.results.picture import Picture
from samhq.results.sa1b import write_sa1b

Add = Callable[[Picture], list[Path]]

NEED_PIXELS = {"cutouts"}  #: Formats that contain the picture's pixels; SVG does if it embeds them.
NEED_PLACE = {"geotiff", "geojson"}  #: Formats that contain the geographic position of the picture.
NEED_FILE = {"yolo", "supervisely", "webdataset"}  #: Formats that copy the picture's file.


@dataclass(frozen=True)
class Format:
    """A format: a line that describes it, and the function that begins writing it into a folder."""

    about: str
    open: Callable[[Path, WriteOptions], AbstractContextManager[Add]]


@contextmanager
def open_formats(
    formats: Sequence[str], directory: str | os.PathLike[str], options: WriteOptions | None = None
) -> Iterator[Add]:
    """A function that writes a picture in every format and returns that picture's own files.

    Files of the whole dataset are written when the block ends, and not at all if it raises.

    Raises:
        ConfigError: an unknown format, none at all, or a second picture whose files would have the same names.
    """
    options = WriteOptions() if options is None else options
    if not formats:
        raise ConfigError(f"Expected at least one format, got none. Known: {', '.join(FORMATS)}.")
    for name in formats:
        if name not in FORMATS:
            raise ConfigError(f"Expected a known format, got {name!r}. {did_you_mean(name, FORMATS)}")
    stems: set[str] = set()
    with ExitStack() as stack:
        adders = [stack.enter_context(FORMATS[name].open(Path(directory), options)) for name in dict.fromkeys(formats)]

        def add(picture: Picture) -> list[Path]:
            if picture.stem in stems:
                raise ConfigError(
                    f"Expected pictures with different stems, got {picture.stem!r} twice. One's files would replace "
                    "the other's. Give stem= to tell them apart."
                )
            stems.add(picture.stem)
            finished = picture.finished(options.finish)
            return [path for adder in adders for path in adder(finished)]

        yield add


def write(
    formats: str | Sequence[str],
    pictures: Iterable[Picture] | Picture,
    directory: str | os.PathLike[str],
    options: WriteOptions | None = None,
) -> list[Path]:
    """Writes pictures in one or several formats; returns the pictures' own files, in order.

    `pictures` is iterated once, and only one picture is held at a time. Raises as `open_formats`.
    """
    names = [formats] if isinstance(formats, str) else list(formats)
    pictures = [pictures] if isinstance(pictures, Picture) else pictures
    with open_formats(names, directory, options) as add:
        return [path for picture in pictures for path in add(picture)]


def _each(about: str, write_one: Callable[[Picture, Path, WriteOptions], Path | list[Path]]) -> Format:
    """A format with separate files for each picture."""

    @contextmanager
    def begin(directory: Path, options: WriteOptions) -> Iterator[Add]:
        def add(picture: Picture) -> list[Path]:
            written = write_one(picture, directory, options)
            return [written] if isinstance(written, Path) else written

        yield add

    return Format(about, begin)


def _masks(picture: Picture, directory: Path, options: WriteOptions) -> list[Path]:
    return [
        write_mask(
            directory / f"{picture.stem}_mask_{number}.png",
            MaskWindow(item.cropped, item.bbox_xywh[:2], item.size_hw),
        )
        for number, item in enumerate(picture.annotations)
    ]


def _cutouts(picture: Picture, directory: Path, options: WriteOptions) -> list[Path]:
    """Each object with all else transparent, cut to its opaque part."""
    if picture.image is None:
        raise ConfigError(f"Expected the pixels of {picture.file_name} for cut-outs, got none. Give image=.")
    written = []
    for number, item in picture.objects:
        alpha = np.round(options.finish.alpha(picture.image, item.mask) * 255).astype(np.uint8)
        rows, columns = (np.flatnonzero(alpha.any(axis=axis)) for axis in (1, 0))
        if not len(rows):
            continue
        window = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        rgb = np.where(alpha[window][..., None] > 0, picture.image[window], 0)
        path = directory / f"{picture.stem}_cutout_{number - 1}.png"
        written.append(write_picture(path, np.concatenate([rgb, alpha[window][..., None]], axis=2)))
    return written


FORMATS: dict[str, Format] = {
    "masks": _each("a PNG for each object, 255 on it", _masks),
    "cutouts": _each("a PNG for each object, transparent around it", _cutouts),
    "labelmap": _each(
        "one PNG of object numbers, 8 or 16 bits",
        lambda p, folder, o: write_label_map(p, folder / f"{p.stem}_labels.png", o.order),
    ),
    "coco": Format(
        "COCO dataset, coco.json",
        lambda folder, o: open_coco(folder / "coco.json", shapes=o.shapes, tolerance=o.tolerance, labels=o.labels),
    ),
    "sa1b": _each(
        "SA-1B's JSON, sa1b/STEM.json, which keeps everything",
        lambda p, folder, o: write_sa1b(p, folder / "sa1b" / f"{p.stem}.json"),
    ),
    "yolo": Format(
        "YOLO segmentation dataset, yolo/",
        lambda folder, o: open_yolo(folder / "yolo", tolerance=o.tolerance, labels=o.labels),
    ),
    "labelme": _each(
        "labelme's JSON, labelme/STEM.json",
        lambda p, folder, o: write_labelme(p, folder / "labelme" / f"{p.stem}.json", o.shapes, o.tolerance),
    ),
    "isat": Format(
        "ISAT's JSON, isat/STEM.json, and its classes",
        lambda folder, o: open_isat(folder / "isat", tolerance=o.tolerance, labels=o.labels),
    ),
    "labelstudio": Format(
        "Label Studio tasks with predictions, labelstudio.json",
        lambda folder, o: open_labelstudio(
            folder / "labelstudio.json",
            shapes=o.shapes,
            tolerance=o.tolerance,
            labels=o.labels,
            image_url=o.image_url,
        ),
    ),
    "cvat": Format(
        "CVAT for images 1.1, cvat.xml",
        lambda folder, o: open_cvat(folder / "cvat.xml", shapes=o.shapes, tolerance=o.tolerance, labels=o.labels),
    ),
    "supervisely": Format(
        "Supervisely project, supervisely/",
        lambda folder, o: open_supervisely(
            folder / "supervisely", shapes=o.shapes, tolerance=o.tolerance, labels=o.labels
        ),
    ),
    "geojson": _each(
        "GeoJSON, STEM.geojson, on earth where the picture is",
        lambda p, folder, o: write_geojson(p, folder / f"{p.stem}.geojson", o.tolerance),
    ),
    "geotiff": _each(
        "GeoTIFF of object numbers, STEM_labels.tif; needs samhq[geo]",
        lambda p, folder, o: write_geotiff(p, folder / f"{p.stem}_labels.tif", o.order),
    ),
    "svg": _each(
        "SVG, STEM.svg, over the picture",
        lambda p, folder, o: write_svg(p, folder / f"{p.stem}.svg", o.tolerance, o.embed),
    ),
    "webdataset": Format(
        "WebDataset tars of pictures and SA-1B's JSON, webdataset/",
        lambda folder, _: open_webdataset(folder / "webdataset"),
    ),
}
