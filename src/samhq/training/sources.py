"""The pictures of a run, opened by name: for training and for validation.

Knows nothing about the network but the side of its pictures.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from samhq.datasets.drawn.pictures import PREFIX, DrawnPictures, open_drawn, unseen_scenes
from samhq.datasets.open import open_dataset
from samhq.datasets.sample import MissingFileError, Pictures
from samhq.datasets.views import present, spread
from samhq.datasets.weighted import is_held_out, parse_source_weights, split
from samhq.errors import ConfigError
from samhq.image.suffixes import picture_files
from samhq.plural import plural
from samhq.training import drawn
from samhq.training.augment import Augmentation
from samhq.training.config import TrainConfig
from samhq.training.data import TrainingExample
from samhq.training.kinds import parse_kinds
from samhq.training.labelled import LabelledPictures, PromptDrawing, Stored

if TYPE_CHECKING:  # Composing pictures needs OpenCV, which other runs do not.
    from samhq.training.compose.composed import Composition

#: The numbers of the sets of scenes for training and for validation.
_TRAINING, _VALIDATION = 0, 1
#: Default number of scenes for the validation of a run from scratch.
_SCENES = 24


def training_pictures(config: TrainConfig, side: int) -> Pictures | None:
    """The data set for training; None for endless drawn scenes.

    Raises:
        ConfigError: none is named, or it does not exist.
    """
    if config.data is None:
        raise ConfigError(
            "Expected pictures to learn from, got none. Name a COCO JSON file, a folder or data.yaml@train as data= "
            "(--data), or scenes:400 for drawn ones."
        )
    if config.data == PREFIX:
        return None
    pictures = _opened(config, config.data, config.images, side, _TRAINING)
    return _nonempty(split(pictures, config.hold_out)[0] if config.hold_out else pictures)


def validation_pictures(config: TrainConfig, side: int) -> Pictures | None:
    """The data set for validation, or None if none is named.

    Raises:
        ConfigError: it does not exist.
    """
    if config.validation is not None:
        pictures = _opened(config, config.validation, config.validation_images, side, _VALIDATION)
    elif config.hold_out and config.data not in (None, PREFIX):
        pictures = split(_opened(config, str(config.data), config.images, side, _TRAINING), config.hold_out)[1]
    else:
        return None
    return _nonempty(spread(pictures, config.validate_pictures))


def validation_scenes(config: TrainConfig, side: int) -> DrawnPictures:
    """The drawn scenes for the validation of a run from scratch, with the network's own side."""
    return unseen_scenes(config.validate_pictures or _SCENES, side)


def questions(
    config: TrainConfig, side: int, pictures: Pictures | None, stored: Stored | None = None
) -> Callable[[int], TrainingExample]:
    """The training examples by number, for pictures of that side."""
    if pictures is None:
        kinds = parse_kinds(config.kinds)
        fine = 4 if config.weights.points else config.weights.fine
        return drawn.EndlessScenes(config.seed, side, config.prompts_per_picture, kinds, fine)
    if config.composed:
        from samhq.training.compose.composed import ComposedPictures

        kinds = parse_kinds(config.kinds)
        return ComposedPictures(pictures, composition(config, side), config.prompts_per_picture, kinds, config.seed)
    copies = config.copies
    return LabelledPictures(pictures, augmentation(config, side), PromptDrawing.of(config), config.seed, copies, stored)


def composition(config: TrainConfig, side: int) -> Composition:
    """How the configuration composes pictures.

    Raises:
        ConfigError: a folder does not exist, or holds no usable files.
    """
    from samhq.training.compose.composed import Composition
    from samhq.training.compose.cutouts import cutout_files

    return Composition(
        side,
        _learnt(cutout_files(Path(config.paste)), config.hold_out) if config.paste else (),
        _learnt(_background_files(Path(config.backgrounds)), config.hold_out) if config.backgrounds else (),
        parse_source_weights(config.source_weights),
        config.flip,
        config.scale,
        thin=config.thin,
        parts=config.parts,
        close=config.close,
        channels=config.channels,
    )


def _learnt(files: list[Path], hold_out: int) -> list[Path]:
    """The files for training."""
    return [path for path in files if not is_held_out(path.name, hold_out)]


def _background_files(folder: Path) -> list[Path]:
    files = picture_files(folder)
    if not files:
        raise ConfigError(
            f"Expected a folder of pictures, got {folder} without any. Name another one with backgrounds= "
            "(--backgrounds)."
        )
    return files


def augmentation(config: TrainConfig, side: int) -> Augmentation:
    """How the configuration changes pictures."""
    return Augmentation(side, config.flip, config.scale, config.published)


def _opened(config: TrainConfig, source: str | Path, images: Path | str | None, side: int, number: int) -> Pictures:
    if str(source).partition(":")[0] == PREFIX:
        return open_drawn(str(source), side=side, number=number)
    pictures = open_dataset(
        source, images=images, skip_missing=config.skip_missing, bands=config.bands, stretch=config.stretch
    )
    _check_files(pictures)
    return pictures


def _check_files(pictures: Pictures) -> None:
    """Refuses missing files before the run, which might meet the first of them after hours.

    Raises:
        MissingFileError: there are some.
    """
    missing = present(pictures)[1]
    if missing:
        raise MissingFileError(
            f"Expected the files of all {plural(len(pictures), 'picture')} of {pictures.name}, got "
            f"{plural(len(missing), 'missing file')}, such as {missing[0]}. Add them, or leave their pictures out with "
            "skip_missing=True (--skip-missing)."
        )


def _nonempty(pictures: Pictures) -> Pictures:
    if not len(pictures):
        raise ConfigError(f"Expected pictures in {pictures.name}, got none. Name another data set.")
    return pictures
