"""Pictures with the label files of other tools: labelme, ISAT, Supervisely, CVAT and Label Studio.

Knows where these tools keep pictures and labels; `samhq.formats` knows their forms. Knows nothing about networks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np

from samhq.datasets.coco import find_images, located
from samhq.datasets.sample import Sample, check_size, stamp_of_files
from samhq.errors import ConfigError, ImageError
from samhq.formats.cvat import read_cvat
from samhq.formats.isat import read_isat
from samhq.formats.labelme import read_labelme
from samhq.formats.labelstudio import read_labelstudio
from samhq.formats.supervisely import read_supervisely
from samhq.image.channels import AS_SHOWN, Channels
from samhq.image.suffixes import SUFFIXES
from samhq.results.annotation import LABEL
from samhq.results.picture import Picture
from samhq.storage.documents import read_json

#: A picture with its objects, and a sentence for each shape that has no mask.
Labels = tuple[Picture, list[str]]


@dataclass(frozen=True)
class LabelledFile:
    """A picture's name and file, the files that hold its labels, and the function that reads these.

    The function can be pickled, because pictures are read in other processes.
    """

    name: str
    image: Path
    labels: tuple[Path, ...]
    read: Callable[[], Labels]


class AnnotatedPictures:
    """Pictures with label files; satisfies `samhq.datasets.sample.Pictures`. `channels` says how they are shown."""

    def __init__(self, name: str, files: Sequence[LabelledFile], channels: Channels = AS_SHOWN) -> None:
        self.name, self.files, self.channels = name, list(files), channels

    def shown(self, channels: Channels) -> AnnotatedPictures:
        """The same pictures with their channels shown that way."""
        return AnnotatedPictures(self.name, self.files, channels)

    def __len__(self) -> int:
        return len(self.files)

    def names(self) -> Sequence[str]:
        """The unique names of the pictures."""
        return [file.name for file in self.files]

    def file_name(self, index: int) -> str:
        """The name of a picture's file."""
        return self.files[index].image.name

    def source(self, index: int) -> str:
        """The origin of a picture, which these files do not name."""
        del index
        return ""

    def stamp(self, index: int) -> str:
        """The stamp of the picture's file, of its labels, and of the chosen channels."""
        file = self.files[index]
        return stamp_of_files([file.image, *file.labels], self.channels.options() or None)

    def lacks(self, index: int) -> Path | None:
        """A picture's file, if it is missing."""
        image = self.files[index].image
        return None if image.is_file() else image

    def left_out(self, index: int) -> list[str]:
        """A sentence for each shape of a picture that has no mask.

        Raises:
            ImageError: the labels cannot be read.
        """
        return self.files[index].read()[1]

    def __getitem__(self, index: int) -> Sample:
        file = self.files[index]
        image = self.channels.read(file.image)
        picture, _ = file.read()
        labels_path = file.labels[0] if file.labels else file.image
        check_size(image.shape[:2], file.image, picture.size_hw, f"its labels in {labels_path}")
        masks = [item.mask for item in picture.annotations]
        count = len(masks)
        return Sample(
            file.name,
            image,
            np.stack(masks) if masks else np.zeros((0, *image.shape[:2]), bool),
            tuple(range(1, count + 1)),
            tuple("" if item.label == LABEL else item.label for item in picture.annotations),
            np.zeros(count, bool),
        )


def open_label_folder(folder: Path, images: Path | None = None) -> AnnotatedPictures | None:
    """The pictures of a folder with one JSON file for each, by labelme, ISAT or Supervisely; None for other folders.

    The files of labelme and ISAT are in the folder or in its subfolders.
    `images` is the folder of the pictures; by default they are where the files say, or beside them.

    Raises:
        ConfigError: a file that cannot be read as one of these.
    """
    if (folder / "meta.json").is_file() and any(folder.glob("*/ann/*.json")):
        return _annotated(folder, (_supervisely(path, images) for path in sorted(folder.glob("*/ann/*.json"))))
    paths = sorted([*folder.glob("*.json"), *folder.glob("*/*.json")])
    read = [_labelled(path, images) for path in paths if path.name[0] != "."]
    files = [file for file in read if file is not None]
    return _annotated(folder, files) if files else None


def open_label_file(path: Path, images: Path | None = None) -> AnnotatedPictures:
    """The pictures of a file of CVAT (XML) or Label Studio (JSON); `images` is their folder, by default found near it.

    Raises:
        ConfigError: the file cannot be read, or no folder around it holds its pictures.
    """
    read = read_cvat if path.suffix.lower() == ".xml" else read_labelstudio
    try:
        labelled = list(read(path))
    except ImageError as error:
        raise ConfigError(str(error)) from error
    if images is not None and not images.is_dir():
        raise ConfigError(f"Expected the folder of the pictures of {path}, got {images}, which is no folder. Check it.")
    folder = images or find_images(path, [picture.file_name for picture, _ in labelled])
    files = []
    for labels in labelled:
        name = labels[0].file_name
        files.append(LabelledFile(_stem(name), located(folder, name), (path,), partial(_same, labels)))
    return AnnotatedPictures(path.stem, with_unique_names(files))


def with_unique_names(files: Iterable[LabelledFile]) -> list[LabelledFile]:
    """The files; those with the same name get a number, in their order."""
    counts: Counter[str] = Counter()
    renamed = []
    for file in files:
        counts[file.name] += 1
        number = counts[file.name]
        renamed.append(file if number == 1 else replace(file, name=f"{file.name}#{number}"))
    return renamed


def _same(labels: Labels) -> Labels:
    return labels


def _isat(path: Path) -> Labels:
    return read_isat(path), []


def _annotated(folder: Path, files: Iterable[LabelledFile]) -> AnnotatedPictures:
    try:
        return AnnotatedPictures(folder.name, with_unique_names(files))
    except ImageError as error:
        raise ConfigError(str(error)) from error


def _stem(file_name: str) -> str:
    return PurePosixPath(file_name.replace("\\", "/")).with_suffix("").as_posix()


def _labelled(path: Path, images: Path | None) -> LabelledFile | None:
    """A picture by its JSON file of labelme or ISAT; None for a file of another tool."""
    content = read_json(path, "a picture's labels", error=ConfigError)
    names = set(content) if isinstance(content, dict) else set()
    if {"shapes", "imagePath"} <= names:
        named = str(content["imagePath"]).replace("\\", "/")
        return LabelledFile(path.stem, _beside(path, named, images, path.parent), (path,), partial(read_labelme, path))
    if {"info", "objects"} <= names:
        info = content["info"] if isinstance(content["info"], dict) else {}
        named_folder = Path(str(info.get("folder") or path.parent))
        image = _beside(path, str(info.get("name") or path.stem), images, named_folder)
        return LabelledFile(path.stem, image, (path,), partial(_isat, path))
    return None


def _supervisely(path: Path, images: Path | None) -> LabelledFile:
    name = path.name.removesuffix(".json")
    image = _beside(path, name, images, path.parent.parent / "img")
    return LabelledFile(_stem(name), image, (path,), partial(read_supervisely, path))


def _beside(path: Path, named: str, images: Path | None, named_folder: Path) -> Path:
    """A picture's file: in `images` if given; else in `named_folder`, or beside its labels under the same name."""
    base = PurePosixPath(named).name
    if images is not None:
        return images / base
    places = [named_folder / named, path.parent / base, *(path.with_suffix(suffix) for suffix in SUFFIXES)]
    return next((place for place in places if place.is_file()), places[0])
