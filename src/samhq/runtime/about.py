"""The description inside exported files: the model, its pictures, and the type of its numbers.

Text by name, which every ONNX file can carry; the exporter writes it, this module reads it. Knows nothing of runtimes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from samhq.config import ClickMask, HQMode
from samhq.encoder_config import PIXEL_MEAN, PIXEL_STD, Normalisation
from samhq.errors import CheckpointError
from samhq.image.transform import SquareForm
from samhq.options import one_of, real_number, whole_number
from samhq.runtime.seal import UNSEALED

#: The two files of an exported model.
ENCODER, DECODER = "encoder.onnx", "decoder.onnx"
#: How weights are stored. int8: the encoder's matrices are int8, the rest float32.
Dtype = Literal["float32", "float16", "int8"]
#: Names and meaning of inputs and outputs: ours, or those of the decoder from SAM's and SAM-HQ's own script.
Contract = Literal["samhq", "original"]

_PREFIX = "samhq."
_FORMAT = "1"


@dataclass(frozen=True)
class About:
    """An exported model: `model` and `family` as in `samhq.config.MODELS`, `side` of its square in pixels.

    `masks` is the number of masks of SAM's decoder, `weights` the SHA-256 of the exported model, `version` samhq's.
    `mean` and `std` normalise pictures, RGB on a 0..255 scale. `squashed` is true if pictures fill the square, as SAM
    2's do. `default_hq` is the default HQ mode, and `click_mask` says which mask answers a single click. Boxes get a
    second look with `refine_margin`, unless it is None.
    """

    model: str
    family: str
    side: int
    hq: bool
    masks: int
    dtype: Dtype
    contract: Contract
    weights: str
    version: str
    mean: tuple[float, ...] = PIXEL_MEAN
    std: tuple[float, ...] = PIXEL_STD
    squashed: bool = False
    default_hq: HQMode = "add"
    click_mask: ClickMask = "best"
    refine_margin: float | None = None

    @property
    def form(self) -> SquareForm:
        """The model's square input."""
        return SquareForm(self.side, Normalisation(self.mean, self.std), self.squashed)

    @property
    def low_res(self) -> int:
        """The side of low-resolution masks."""
        return self.side // 4

    def to_metadata(self) -> dict[str, str]:
        """The description as text by name, as an ONNX file carries it, with space for `samhq.runtime.seal`.

        >>> About("sam_vit_b", "SAM", 1024, False, 4, "int8", "samhq", "", "1.0").to_metadata()["samhq.mean"]
        '123.675,116.28,103.53'
        """
        values = {
            "format": _FORMAT,
            "model": self.model,
            "family": self.family,
            "side": str(self.side),
            "hq": str(self.hq).lower(),
            "masks": str(self.masks),
            "dtype": self.dtype,
            "contract": self.contract,
            "weights": self.weights,
            "version": self.version,
            "mean": ",".join(map(str, self.mean)),
            "std": ",".join(map(str, self.std)),
            "squashed": str(self.squashed).lower(),
            "default_hq": self.default_hq,
            "click_mask": self.click_mask,
            "refine_margin": "" if self.refine_margin is None else repr(self.refine_margin),
        }
        return {_PREFIX + name: value for name, value in values.items()} | UNSEALED

    @staticmethod
    def from_metadata(metadata: Mapping[str, str], path: Path) -> About:
        """The description in a file.

        Raises:
            CheckpointError: another program wrote it, or a version of samhq whose description has another form.
        """
        values = {name.removeprefix(_PREFIX): value for name, value in metadata.items() if name.startswith(_PREFIX)}
        if values.get("format") != _FORMAT:
            got = "another form" if "format" in values else "a file of another maker"
            raise CheckpointError(
                f"Expected a file that this version's `samhq export` wrote at {path}, got {got}. Export it again."
            )
        try:
            description = About(
                model=values["model"],
                family=values["family"],
                side=int(values["side"]),
                hq={"true": True, "false": False}[values["hq"]],
                masks=int(values["masks"]),
                dtype=one_of("dtype", values["dtype"], Dtype),
                contract=one_of("contract", values["contract"], Contract),
                weights=values["weights"],
                version=values["version"],
                mean=_numbers(values["mean"]),
                std=_numbers(values["std"]),
                squashed=values.get("squashed") == "true",
                default_hq=one_of("default_hq", values.get("default_hq", "add"), HQMode),
                click_mask=one_of("click_mask", values.get("click_mask", "best"), ClickMask),
                refine_margin=float(margin) if (margin := values.get("refine_margin")) else None,
            )
            whole_number("side", description.side, 16, 1 << 14)
            whole_number("masks", description.masks, 1, 64)
            if description.refine_margin is not None:
                real_number("refine_margin", description.refine_margin, 0)
            return description
        except (KeyError, ValueError, OverflowError) as error:
            raise CheckpointError(
                f"Expected a whole description in {path}, got a damaged one ({error!s:.300}). Export it again."
            ) from error


def _numbers(text: str) -> tuple[float, ...]:
    """Three finite numbers.

    Raises:
        ValueError: anything else.
    """
    numbers = tuple(map(float, text.split(",")))
    if len(numbers) != 3 or not all(abs(number) < 1e6 for number in numbers):
        raise ValueError(f"{text[:40]!r} in place of three numbers")
    return numbers


def is_exported(path: Path) -> bool:
    """Whether this is a folder that `samhq export` made."""
    return (path / ENCODER).is_file() and (path / DECODER).is_file()
