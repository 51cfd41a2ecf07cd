"""A data set by name: a COCO file, a folder of pictures and masks, other tools' labels, HQSeg-44K, or drawn scenes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from samhq.datasets.annotated import open_label_file, open_label_folder
from samhq.datasets.coco import open_coco_pictures
from samhq.datasets.drawn.pictures import PREFIX as SCENES
from samhq.datasets.drawn.pictures import open_drawn
from samhq.datasets.hqseg import PREFIX, open_hqseg
from samhq.datasets.pairs import open_pairs
from samhq.datasets.sample import Pictures
from samhq.datasets.views import present, spread
from samhq.datasets.yolo import open_yolo_pictures, yolo_source
from samhq.errors import ConfigError
from samhq.image.channels import AS_SHOWN, Channels
from samhq.options import yes_or_no
from samhq.plural import plural
from samhq.progress import print_line
from samhq.storage.documents import read_json


def open_dataset(
    source: str | Path,
    *,
    images: str | Path | None = None,
    limit: int | None = None,
    skip_missing: bool = False,
    bands: Sequence[int] | None = None,
    stretch: tuple[float, float] | None = None,
) -> Pictures:
    """The pictures of a data set. Each is read when it is used.

    `source` is a COCO JSON file (`images` is its folder of pictures, by default found near the file); a folder with
    `images/` and `masks/`, with `im/` and `gt/`, or with NAME.jpg beside NAME.png; a folder with the files of labelme,
    ISAT or Supervisely; a file of CVAT (XML) or Label Studio (JSON), with `images` as for COCO; a part of YOLO's
    dataset, `data.yaml@train`; a part of HQSeg-44K as `hqseg44k:DIS5K-VD@/path/to/data`, or all parts for training or
    validation as `hqseg44k:train@...`, `hqseg44k:val@...`; or drawn scenes that training never uses, `scenes:100`,
    `scenes:100:thin`, `scenes:100@224`.
    `limit` takes this many pictures, spread evenly over the source. `skip_missing` leaves out pictures whose files are
    missing, and prints their number on stderr; without it, reading such a picture is an error. `bands` and `stretch`
    choose and stretch the channels of picture files, for satellite, 12-bit and float pictures, see
    `samhq.image.channels.Channels`.

    Raises:
        ConfigError: not one of these forms, or a limit below 1; with `skip_missing` all pictures are missing; bands or
            percentiles that cannot be used, or that are given for drawn scenes.
    """
    channels = Channels(None if bands is None else tuple(bands), stretch)
    pictures = _opened(source, None if images is None else Path(images), channels)
    return spread(_present(pictures) if yes_or_no("skip_missing", skip_missing) else pictures, limit)


def _present(pictures: Pictures) -> Pictures:
    kept, missing = present(pictures)
    if missing:
        counts = f"{len(missing)} of {plural(len(pictures), 'picture')}"
        print_line(f"{pictures.name}: {counts} left out, such as {missing[0]}", stream=sys.stderr)
    return kept


def _opened(source: str | Path, images: Path | None, channels: Channels) -> Pictures:
    text, path = str(source), Path(source).expanduser()
    if text.startswith(PREFIX):
        _check_no_images(images, text)
        return open_hqseg(*hqseg_source(text), channels)
    if text.startswith(f"{SCENES}:"):
        _check_no_images(images, text)
        if channels != AS_SHOWN:
            raise ConfigError(f"Expected bands and stretch for picture files, got them with {text}. Leave them out.")
        return open_drawn(text)
    yolo = yolo_source(text)
    if yolo is not None:
        _check_no_images(images, text)
        return open_yolo_pictures(*yolo).shown(channels)
    if path.is_file() or path.suffix.lower() == ".json":
        if path.suffix.lower() == ".xml" or _is_labelstudio(path):
            return open_label_file(path, images).shown(channels)
        return open_coco_pictures(path, images, channels)
    if not path.exists():
        raise ConfigError(
            "Expected a COCO JSON file, a folder of pictures and masks or of other tools' labels, data.yaml@PART, "
            f"hqseg44k:NAME@FOLDER or scenes:COUNT, got {text}, which does not exist. Check the name."
        )
    return _opened_folder(path, images, channels)


def _opened_folder(path: Path, images: Path | None, channels: Channels) -> Pictures:
    """The pictures of a folder with masks, or else with the files of a labelling tool."""
    try:
        pairs = open_pairs(path, channels)
    except ConfigError:
        labels = open_label_folder(path, images)
        if labels is None:
            _check_no_images(images, str(path))
            raise
        return labels.shown(channels)
    _check_no_images(images, str(path))
    return pairs


def _is_labelstudio(path: Path) -> bool:
    """Whether a JSON file is a list of Label Studio's tasks."""
    try:
        with path.open("rb") as stream:
            if not stream.read(64).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"["):
                return False
    except OSError:  # The reader of the file reports the error.
        return False
    tasks = read_json(path, "a COCO file", error=ConfigError)
    return bool(tasks) and all(isinstance(task, dict) and "data" in task for task in tasks)


def hqseg_source(text: str) -> tuple[str, Path]:
    """The name and the root in a source `hqseg44k:NAME@FOLDER`.

    >>> hqseg_source("hqseg44k:val@data")[0]
    'val'

    Raises:
        ConfigError: no @ in it.
    """
    name, at, root = text.removeprefix(PREFIX).partition("@")
    if not at or not root:
        raise ConfigError(f"Expected hqseg44k:NAME@FOLDER, such as hqseg44k:DIS5K-VD@data, got {text}. Add the folder.")
    return name, Path(root)


def _check_no_images(images: Path | None, source: str) -> None:
    if images is not None:
        raise ConfigError(f"Expected images= with a file of labels only, got it with {source}. Leave it out.")
