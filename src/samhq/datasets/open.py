"""A data set by name: a COCO file, a folder of pictures and masks, a part of HQSeg-44K, or drawn scenes."""

from __future__ import annotations

import sys
from pathlib import Path

from samhq.datasets.coco import open_coco_pictures
from samhq.datasets.drawn.pictures import PREFIX as SCENES
from samhq.datasets.drawn.pictures import open_drawn
from samhq.datasets.hqseg import PREFIX, open_hqseg
from samhq.datasets.pairs import open_pairs
from samhq.datasets.sample import Pictures
from samhq.datasets.views import present, spread
from samhq.errors import ConfigError
from samhq.options import yes_or_no
from samhq.plural import plural
from samhq.progress import print_line


def open_dataset(
    source: str | Path,
    *,
    images: str | Path | None = None,
    limit: int | None = None,
    skip_missing: bool = False,
) -> Pictures:
    """The pictures of a data set, each read when it is asked for.

    `source` is a COCO JSON file (`images` is its folder of pictures, by default found near the file); a folder with
    `images/` and `masks/`, with `im/` and `gt/`, or with NAME.jpg beside NAME.png; a part of HQSeg-44K as
    `hqseg44k:DIS5K-VD@/path/to/data`, or all parts for training or validation as `hqseg44k:train@...`,
    `hqseg44k:val@...`; or drawn scenes that training never uses, `scenes:100`, `scenes:100:thin`, `scenes:100@224`.
    `limit` takes this many pictures, spread evenly over the source. `skip_missing` leaves out pictures whose files are
    missing, and prints their number on stderr; without it, reading such a picture is an error.

    Raises:
        ConfigError: not one of these forms, or a limit below 1; with `skip_missing` all pictures are missing.
    """
    pictures = _opened(source, None if images is None else Path(images))
    return spread(_present(pictures) if yes_or_no("skip_missing", skip_missing) else pictures, limit)


def _present(pictures: Pictures) -> Pictures:
    there, missing = present(pictures)
    if missing:
        count, of = len(missing), len(pictures)
        print_line(
            f"{pictures.name}: {count} of {plural(of, 'picture')} left out, such as {missing[0]}", stream=sys.stderr
        )
    return there


def _opened(source: str | Path, images: Path | None) -> Pictures:
    text, path = str(source), Path(source).expanduser()
    if text.startswith(PREFIX):
        _check_no_images(images, text)
        return open_hqseg(*hqseg_source(text))
    if text.startswith(f"{SCENES}:"):
        _check_no_images(images, text)
        return open_drawn(text)
    if path.is_file() or path.suffix.lower() == ".json":
        return open_coco_pictures(path, images)
    _check_no_images(images, text)
    if not path.exists():
        raise ConfigError(
            "Expected a COCO JSON file, a folder of pictures and masks, hqseg44k:NAME@FOLDER or scenes:COUNT, got "
            f"{text}, which does not exist. Check the name."
        )
    return open_pairs(path)


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
        raise ConfigError(f"Expected images= with a COCO JSON file only, got it with {source}. Leave it out.")
