"""HQSeg-44K, the data for training and measuring SAM-HQ: its parts by name, and their folders.

Source: SysCV/sam-hq, train/train.py (folders); arXiv 2306.01567, section 4.1 (numbers of pictures).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from samhq.datasets.pairs import PairFolder, pairs_apart, pairs_together
from samhq.datasets.sample import Pictures
from samhq.datasets.views import Joined
from samhq.errors import ConfigError, did_you_mean
from samhq.image.channels import AS_SHOWN, Channels

PREFIX = "hqseg44k:"


@dataclass(frozen=True)
class Part:
    """One of the ten parts: folders below the root, and the published number of pictures.

    If `masks` is None, masks lie beside pictures.
    """

    name: str
    split: Literal["train", "val"]
    images: str
    masks: str | None
    count: int


PARTS = (
    Part("DIS5K-TR", "train", "DIS5K/DIS-TR/im", "DIS5K/DIS-TR/gt", 3000),
    Part(
        "ThinObject5k-TR",
        "train",
        "thin_object_detection/ThinObject5K/images_train",
        "thin_object_detection/ThinObject5K/masks_train",
        4748,
    ),
    Part("FSS", "train", "cascade_psp/fss_all", None, 10000),
    Part("DUTS-TR", "train", "cascade_psp/DUTS-TR", None, 10553),
    Part("DUTS-TE", "train", "cascade_psp/DUTS-TE", None, 5019),
    Part("ECSSD", "train", "cascade_psp/ecssd", None, 1000),
    Part("MSRA10K", "train", "cascade_psp/MSRA_10K", None, 10000),
    Part("DIS5K-VD", "val", "DIS5K/DIS-VD/im", "DIS5K/DIS-VD/gt", 470),
    Part("COIFT", "val", "thin_object_detection/COIFT/images", "thin_object_detection/COIFT/masks", 280),
    Part("HRSOD", "val", "thin_object_detection/HRSOD/images", "thin_object_detection/HRSOD/masks_max255", 287),
    Part(
        "ThinObject5k-TE",
        "val",
        "thin_object_detection/ThinObject5K/images_test",
        "thin_object_detection/ThinObject5K/masks_test",
        500,
    ),
)


def parts_of(name: str) -> tuple[Part, ...]:
    """The parts of a name: one, all for training ("train"), all for validation ("val"), or "all".

    >>> [part.count for part in parts_of("val")], sum(part.count for part in parts_of("train"))
    ([470, 280, 287, 500], 44320)

    Raises:
        ConfigError: no such part.
    """
    folded = name.casefold()
    if folded == "all":
        return PARTS
    parts = tuple(part for part in PARTS if folded in (part.name.casefold(), part.split))
    if not parts:
        known = ["train", "val", "all", *(part.name for part in PARTS)]
        raise ConfigError(f"Expected a part of HQSeg-44K, got {name!r}. {did_you_mean(name, known)}")
    return parts


def open_part(part: Part, root: Path, channels: Channels = AS_SHOWN) -> PairFolder:
    """The pictures of a part; pictures are JPEG and masks PNG files.

    Raises:
        ConfigError: its folder is not below the root.
    """
    images, masks = root / part.images, None if part.masks is None else root / part.masks
    for folder in filter(None, (images, masks)):
        if not folder.is_dir():
            raise ConfigError(
                f"Expected {part.name} of HQSeg-44K in {folder}, got no such folder. Unpack {part.images.split('/')[0]}"
                f".zip of sam-hq-team/sam-hq-training into {root}, or name another folder after the @."
            )
    if masks is None:
        return pairs_together(part.name, images, channels)
    return pairs_apart(part.name, images, masks, (".jpg", ".jpeg"), channels)


def open_hqseg(name: str, root: Path, channels: Channels = AS_SHOWN) -> Pictures:
    """The pictures of "DIS5K-VD", "train", "val" or "all" below a root with the unpacked archives.

    Raises:
        ConfigError: no such name, or a folder that does not exist.
    """
    parts = [open_part(part, root, channels) for part in parts_of(name)]
    return parts[0] if len(parts) == 1 else Joined(f"HQSeg-44K {name.casefold()}", parts)


def is_root(folder: Path) -> bool:
    """Whether a folder holds some of the unpacked archives."""
    return any((folder / part.images.split("/")[0]).is_dir() for part in PARTS)
