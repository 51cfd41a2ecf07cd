"""Folders of pictures and of masks with the same names, with one mask file for each picture.

Knows layouts on the disk; nothing about prompts or networks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from samhq.datasets.masks import read_objects
from samhq.datasets.sample import MissingFileError, Sample, check_size, labelled, stamp_of_files
from samhq.errors import ConfigError
from samhq.image.channels import AS_SHOWN, Channels
from samhq.image.suffixes import SUFFIXES, is_picture_file
from samhq.plural import plural

#: Subfolders with pictures, and those with their masks.
LAYOUTS = (("images", "masks"), ("im", "gt"))


@dataclass(frozen=True)
class Pair:
    """The files of a picture and of its mask; None for a missing mask."""

    name: str
    image: Path
    mask: Path | None


class PairFolder:
    """Pictures, each with a mask file; satisfies `samhq.datasets.sample.Pictures`.

    `strays` are mask files that belong to no picture. `channels` says how pictures, not masks, are shown.
    """

    def __init__(
        self, name: str, pairs: Sequence[Pair], strays: Sequence[Path] = (), channels: Channels = AS_SHOWN
    ) -> None:
        self.name, self.pairs, self.strays, self.channels = name, list(pairs), list(strays), channels

    def __len__(self) -> int:
        return len(self.pairs)

    def names(self) -> Sequence[str]:
        """Paths below the folder of pictures, without suffix."""
        return [pair.name for pair in self.pairs]

    def stamp(self, index: int) -> str:
        """The stamp of the picture's and the mask's files, and of the chosen channels."""
        pair = self.pairs[index]
        return stamp_of_files(filter(None, (pair.image, pair.mask)), self.channels.options() or None)

    def lacks(self, index: int) -> Path | None:
        """The picture's file or its mask's, if missing; the picture's if no mask has its name."""
        pair = self.pairs[index]
        files = (pair.image, pair.mask or pair.image.with_suffix(".png"))
        return next((path for path in files if not path.is_file()), None)

    def __getitem__(self, index: int) -> Sample:
        pair = self.pairs[index]
        if pair.mask is None:
            raise MissingFileError(
                f"Expected a mask of {pair.image}, got none of its name. Add it, or remove the picture."
            )
        image, masks = self.channels.read(pair.image), read_objects(pair.mask)
        check_size(image.shape[:2], pair.image, masks.shape[1:], pair.mask)
        return labelled(pair.name, image, masks)


def open_pairs(folder: Path, channels: Channels = AS_SHOWN) -> PairFolder:
    """The pictures of a folder: in `images/` with masks in `masks/`, in `im/` and `gt/`, or side by side.

    If they lie side by side, the masks are the PNG files and the pictures are all others, with the same names.

    Raises:
        ConfigError: no such folder, or no picture that has a mask.
    """
    if not folder.is_dir():
        raise ConfigError(f"Expected a folder of pictures and masks, got {folder}, which is no folder. Check the name.")
    for images, masks in LAYOUTS:
        if (folder / images).is_dir() and (folder / masks).is_dir():
            return _checked(pairs_apart(folder.name, folder / images, folder / masks, channels=channels), folder)
    return _checked(pairs_together(folder.name, folder, channels), folder)


def pairs_apart(
    name: str, images: Path, masks: Path, suffixes: Collection[str] = SUFFIXES, channels: Channels = AS_SHOWN
) -> PairFolder:
    """Every picture below one folder with the mask of the same path below the other.

    `suffixes` are the suffixes of pictures, in lower case.
    """
    # If several masks have the same stem, the last one is used: its suffix comes first in `SUFFIXES`.
    by_suffix = sorted(_files(masks, SUFFIXES), key=lambda path: -SUFFIXES.index(path.suffix.lower()))
    known = {_stem(path, masks): path for path in by_suffix}
    return _paired(name, images, _files(images, suffixes), known, channels)


def pairs_together(name: str, folder: Path, channels: Channels = AS_SHOWN) -> PairFolder:
    """Every picture below a folder except PNG files, with the PNG file of the same name beside it."""
    known = {_stem(path, folder): path for path in _files(folder, (".png",))}
    pictures = (path for path in _files(folder, SUFFIXES) if path.suffix.lower() != ".png")
    return _paired(name, folder, pictures, known, channels)


def _paired(name: str, root: Path, pictures: Iterable[Path], masks: dict[str, Path], channels: Channels) -> PairFolder:
    """Pairs with unique names: a second picture with the same stem keeps its suffix in its name."""
    taken: set[str] = set()
    pairs = []
    for path in pictures:
        stem = _stem(path, root)
        unique = stem if stem not in taken else path.relative_to(root).as_posix()
        taken.add(unique)
        pairs.append(Pair(unique, path, masks.get(stem)))
    return PairFolder(name, pairs, [path for stem, path in masks.items() if stem not in taken], channels)


def _files(folder: Path, suffixes: Collection[str]) -> Iterator[Path]:
    """Files below a folder, sorted by path, without hidden ones (macOS writes them beside others)."""
    return (path for path in sorted(folder.rglob("*")) if is_picture_file(path, suffixes))


def _stem(path: Path, root: Path) -> str:
    return path.relative_to(root).with_suffix("").as_posix()


def _checked(pictures: PairFolder, folder: Path) -> PairFolder:
    if any(pair.mask is not None for pair in pictures.pairs):
        return pictures
    got = f"{plural(len(pictures), 'picture')} without a mask of the same name" if len(pictures) else "no pictures"
    inner = _inner_set(folder)
    advice = "Name a folder of this form, one with the files of a labelling tool, or a COCO JSON file."
    if inner is not None:
        advice = f"Name {inner}, which has this form."
    raise ConfigError(
        f"Expected pictures with masks in {folder}: images/ and masks/, im/ and gt/, or NAME.jpg beside NAME.png; got "
        f"{got}. {advice}"
    )


def _inner_set(folder: Path) -> Path | None:
    """The first subfolder with pictures and masks, such as `train`; None if there is none."""
    inside = (path for path in sorted(folder.iterdir()) if path.is_dir())
    fits = (path for path in inside if any((path / a).is_dir() and (path / b).is_dir() for a, b in LAYOUTS))
    return next(fits, None)
