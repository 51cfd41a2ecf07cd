"""Two ways to give a picture to a network and to bring its masks back: `exact` and `published`.

`exact`: as users get masks, without a second look. The picture's longer side fills the network's square, the aspect is
kept, prompts are made from the true mask at the picture's own size, and masks come back through the same frame.

`published`: as SAM-HQ's training script measures. Picture and mask are squashed to the square whatever their aspect,
prompts are made from the squashed mask, and the low-resolution logits are stretched in one step to the picture's size.
Even a single point gives one mask, and for an HQ model only the HQ mask counts.

Both compare at the picture's own size. Knows pixels and masks; nothing of kinds of prompts, scores or files.

Source: SysCV/sam-hq, train/train.py (`evaluate`) and train/utils/dataloader.py (`Resize`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
import torch.nn.functional as functional
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from samhq.config import ClickMask, HQMode, ModelConfig
from samhq.datasets.masks import THRESHOLD
from samhq.errors import ConfigError, did_you_mean
from samhq.image.frame import Frame
from samhq.image.transform import SquareForm, normalise_and_pad, to_pixels

ProtocolName = Literal["exact", "published"]


class View(ABC):
    """A picture in a protocol: `pixels` for the network, and `scale_xy` from pixels of prompts to the network's.

    Prompts are made from `prompt_masks(masks)`.
    """

    pixels: Float[Tensor, "1 3 S S"]
    scale_xy: tuple[float, float]

    @abstractmethod
    def prompt_masks(self, masks: Bool[np.ndarray, "K H W"]) -> Bool[np.ndarray, "K h w"]:
        """The true masks in the pixels in which prompts are made."""

    @abstractmethod
    def back(self, logits: Float[Tensor, "P 1 G G"]) -> Bool[np.ndarray, "P H W"]:
        """Masks at the picture's own size from low-resolution logits."""


@dataclass(frozen=True)
class Exact(View):
    """The aspect is kept, see the module."""

    pixels: Float[Tensor, "1 3 S S"]
    frame: Frame

    @property
    def scale_xy(self) -> tuple[float, float]:  # type: ignore[override]
        """From the picture's pixels to the network's."""
        return self.frame.scale_xy

    def prompt_masks(self, masks: Bool[np.ndarray, "K H W"]) -> Bool[np.ndarray, "K H W"]:
        """The masks themselves."""
        return masks

    def back(self, logits: Float[Tensor, "P 1 G G"]) -> Bool[np.ndarray, "P H W"]:
        """Through the frame, as `Segmenter` does it."""
        return self.frame.masks_to_image(logits)[:, 0].cpu().numpy()


@dataclass(frozen=True)
class PublishedProtocol(View):
    """Picture and masks are squashed, see the module."""

    pixels: Float[Tensor, "1 3 S S"]
    original_hw: tuple[int, int]
    scale_xy: tuple[float, float] = (1.0, 1.0)

    def prompt_masks(self, masks: Bool[np.ndarray, "K H W"]) -> Bool[np.ndarray, "K S S"]:
        """The masks stretched to the square; very small ones may vanish."""
        side = self.pixels.shape[-1]
        squashed = [_stretched(torch.from_numpy(m)[None, None].float() * 255, (side, side))[0, 0] for m in masks]
        return torch.stack(squashed).gt(THRESHOLD).numpy() if squashed else np.zeros((0, side, side), bool)

    def back(self, logits: Float[Tensor, "P 1 G G"]) -> Bool[np.ndarray, "P H W"]:
        """Stretched to the picture's size in one step."""
        masks = [_stretched(mask_logits[None].float(), self.original_hw)[0, 0] > 0 for mask_logits in logits]
        return torch.stack(masks).cpu().numpy()


def _stretched(values: Float[Tensor, "I C H W"], size_hw: tuple[int, int]) -> Float[Tensor, "I C h w"]:
    return functional.interpolate(values, size_hw, mode="bilinear", align_corners=False)


def protocol_view(image: UInt8[np.ndarray, "H W 3"], form: SquareForm, protocol: ProtocolName = "exact") -> View:
    """The picture in a protocol, for a network with this input.

    Raises:
        ImageError: not uint8 [H,W,3], or empty.
    """
    if protocol == "exact":
        return Exact(*to_pixels(image, form))
    # The script resizes floats without antialiasing and then cuts them off to whole levels.
    stretched = _stretched(torch.tensor(image).permute(2, 0, 1)[None].float(), (form.side, form.side)).to(torch.uint8)
    pixels = normalise_and_pad(stretched, form.side, form.normalisation)
    return PublishedProtocol(pixels, (int(image.shape[0]), int(image.shape[1])))


def check_protocol(name: str) -> ProtocolName:
    """The name, checked.

    Raises:
        ConfigError: no protocol has this name.
    """
    known: tuple[ProtocolName, ...] = get_args(ProtocolName)
    for protocol in known:
        if name == protocol:
            return protocol
    raise ConfigError(f"Expected a protocol, got {name!r}. {did_you_mean(name, known)}")


def click_mask_of(protocol: ProtocolName, own: ClickMask | None) -> ClickMask:
    """The mask of SAM that answers a single click: the weights' choice, `own`, or the single mask as published.

    >>> click_mask_of("exact", None), click_mask_of("exact", "single"), click_mask_of("published", "best")
    ('best', 'single', 'single')
    """
    return (own or "best") if protocol == "exact" else "single"


def default_hq(config: ModelConfig, protocol: ProtocolName) -> HQMode:
    """The default HQ mode: as in `Segmenter`, or the HQ mask alone as published.

    >>> from samhq.config import model_config
    >>> default_hq(model_config("sam_hq_vit_b"), "exact"), default_hq(model_config("sam_hq_vit_b"), "published")
    ('add', 'only')
    >>> default_hq(model_config("sam_vit_b"), "published")
    'off'
    """
    if not config.hq:
        return "off"
    return (config.defaults.hq or "add") if protocol == "exact" else "only"
