"""A dataset of Ultralytics YOLO: `data.yaml`, folders of pictures, and a text file of outlines for each picture.

Source: docs.ultralytics.com, "Instance Segmentation Datasets Overview": the keys of `data.yaml`, and that the labels of
`images/NAME.jpg` are in `labels/NAME.txt`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from samhq.datasets.annotated import AnnotatedPictures, LabelledFile, Labels, with_unique_names
from samhq.errors import ConfigError
from samhq.formats.yolo import read_yolo
from samhq.image.sources import size_of_file
from samhq.image.suffixes import is_picture_file
from samhq.results.picture import Picture
from samhq.storage.documents import read_text

CONFIG = "data.yaml"  #: The usual name of the file that describes such a dataset.
PARTS = ("train", "val", "test")
_SUFFIXES = (".yaml", ".yml")


def yolo_source(text: str) -> tuple[Path, str | None] | None:
    """The file and the part in a source like `data.yaml@val`, or a folder with `data.yaml`; None for other sources.

    >>> path, part = yolo_source("set/data.yaml@val")
    >>> path.name, part
    ('data.yaml', 'val')
    """
    name, at, part = text.rpartition("@")
    readings: list[tuple[str, str | None]] = [(text, None)]
    if at:
        readings.append((name, part))
    for place, chosen in readings:
        path = Path(place).expanduser()
        if (path / CONFIG).is_file():
            path = path / CONFIG
        if path.suffix.lower() in _SUFFIXES:
            return path, chosen
    return None


def open_yolo_pictures(path: Path, part: str | None = None) -> AnnotatedPictures:
    """The pictures of one part of a dataset; None stands for the only part, or for parts with the same pictures.

    A picture without a label file has no objects.

    Raises:
        ConfigError: the file cannot be read, several parts and none named, a part that it lacks, no pictures, or no
            labels at all.
    """
    content = _content(path)
    chosen = _chosen(content, part, path)
    images = _images(path, content, chosen)
    if not images:
        raise ConfigError(
            f"Expected pictures of {chosen!r} in {content[chosen]}, as in {path}, got none. Check the file."
        )
    classes = class_names(content.get("names"), path)
    files = [LabelledFile(image.stem, image, (_labels_of(image),), partial(_read, image, classes)) for image in images]
    if not any(file.labels[0].is_file() for file in files):
        raise ConfigError(
            f"Expected label files of the pictures of {path}, such as {files[0].labels[0]}, got none. Put them there."
        )
    return AnnotatedPictures(f"{path.parent.name}-{chosen}", with_unique_names(files))


def _content(path: Path) -> dict[str, Any]:
    import yaml

    try:
        content = yaml.safe_load(read_text(path, "YOLO's data.yaml", ConfigError))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"Expected YAML in {path}, got text that is not: {str(error)[:120]}. Correct it.") from error
    if not isinstance(content, dict) or not any(content.get(name) for name in PARTS):
        raise ConfigError(f"Expected YOLO's data.yaml with train:, val: or test:, got {path} without them. Add them.")
    return content


def _chosen(content: Mapping[str, Any], part: str | None, path: Path) -> str:
    parts = [name for name in PARTS if content.get(name)]
    if part is None and len({str(content[name]) for name in parts}) == 1:
        return parts[0]
    if part not in parts:
        got = "none" if part is None else repr(part)
        raise ConfigError(f"Expected a part of {path}, {' or '.join(parts)}, got {got}. Write {path}@{parts[0]}.")
    return part


def _images(path: Path, content: Mapping[str, Any], part: str) -> list[Path]:
    """The pictures of a part, sorted: those below its folders, or those that its text files list."""
    places = content[part] if isinstance(content[part], list) else [content[part]]
    files: set[Path] = set()
    for place in map(str, places):
        source = _place(path, str(content.get("path") or ""), place)
        if source.is_file():
            lines = read_text(source, "YOLO's list of pictures", ConfigError).splitlines()
            files |= {source.parent / line.strip() for line in lines if line.strip()}
        else:
            files |= {file for file in source.rglob("*") if is_picture_file(file)}
    return sorted(files)


def _place(path: Path, root: str, place: str) -> Path:
    """The folder or list of a part: below `path:`, or below the folder of `data.yaml`, whichever exists.

    Some exports write `../train/images` for a folder beside `data.yaml`.
    """
    folder = path.parent
    candidates = [folder / root / place, folder / place, folder / place.removeprefix("../"), Path(root) / place]
    return next((candidate for candidate in candidates if candidate.exists()), candidates[0])


def read_class_names(path: Path) -> dict[int, str]:
    """The names of classes by number in a `data.yaml`.

    Raises:
        ConfigError: the file cannot be read, or has no such names.
    """
    return class_names(_content(path).get("names"), path)


def class_names(names: Any, path: Path) -> dict[int, str]:
    """The names of classes by number, from a list or a mapping.

    Raises:
        ConfigError: something else.
    """
    try:
        pairs = names.items() if isinstance(names, dict) else enumerate(names or ())
        return {int(number): str(name) for number, name in pairs}
    except (TypeError, ValueError) as error:
        raise ConfigError(f"Expected names: of classes by number in {path}, got {names!r:.80}. Correct it.") from error


def _labels_of(image: Path) -> Path:
    """The label file: the last folder `images` of the picture's path is `labels` there."""
    parts = list(image.parts)
    places = [place for place, name in enumerate(parts[:-1]) if name == "images"]
    if places:
        parts[places[-1]] = "labels"
    return Path(*parts).with_suffix(".txt")


def _read(image: Path, classes: Mapping[int, str]) -> Labels:
    size_hw, labels = size_of_file(image), _labels_of(image)
    if not labels.is_file():
        return Picture(image.name, size_hw), []
    return read_yolo(labels, image.name, size_hw, classes)
