"""The pieces of work to measure, as data, and who does them.

Encoding, decoding, a click, whole-image segmentation, a frame of a video and a whole video.

Light to import: the asking process needs no torch, only the working processes do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

from samhq.config import HQMode, ModelConfig
from samhq.speed import flops

Kind = Literal["boxes", "points"]
ONE = {"boxes": "box", "points": "point"}


@runtime_checkable
class Work(Protocol):
    """A piece of work that several parties can do."""

    case: ClassVar[str]
    verb: ClassVar[str]  #: The method of a party that does it.
    long: ClassVar[bool]  #: Too long to repeat: results are not compared, and memory is measured in the same run.

    @property
    def config(self) -> ModelConfig:
        """The architecture of the model."""

    @property
    def count(self) -> int:
        """The number of items in one call: pictures or prompts."""

    def facts(self) -> dict[str, Any]:
        """The settings as JSON values."""

    def flops(self) -> int | None:
        """The operations that it needs; None if they are not known beforehand."""


@dataclass(frozen=True)
class Encode:
    """Pictures to embeddings, ready for any number of prompts."""

    case: ClassVar[str] = "encode"
    verb: ClassVar[str] = "encoding"
    long: ClassVar[bool] = False
    config: ModelConfig
    images: int = 1

    @property
    def count(self) -> int:
        """The number of pictures."""
        return self.images

    def facts(self) -> dict[str, Any]:
        """The number of pictures in one call."""
        return {"images": self.images}

    def flops(self) -> int:
        """The operations for all pictures."""
        return flops.encoding(self.config, self.images)


@dataclass(frozen=True)
class Decode:
    """Prompts on one encoded picture to one low-resolution mask each."""

    case: ClassVar[str] = "decode"
    verb: ClassVar[str] = "decoding"
    long: ClassVar[bool] = False
    config: ModelConfig
    prompts: int = 1
    kind: Kind = "boxes"
    hq: HQMode = "off"

    @property
    def count(self) -> int:
        """The number of prompts."""
        return self.prompts

    def facts(self) -> dict[str, Any]:
        """The number and kind of prompts, and the kind of logits."""
        return {"prompts": self.prompts, "kind": self.kind, "hq": self.hq}

    def flops(self) -> int:
        """The operations for all prompts."""
        return flops.decoding(self.config, self.prompts, hq=self.hq)


@dataclass(frozen=True)
class Click(Decode):
    """One prompt on an encoded photograph to a mask of the photograph's size."""

    case: ClassVar[str] = "click"
    verb: ClassVar[str] = "clicking"
    size_hw: tuple[int, int] = (1000, 1500)

    def facts(self) -> dict[str, Any]:
        """The prompt and the photograph's size."""
        return {**super().facts(), "picture": list(self.size_hw)}


@dataclass(frozen=True)
class EverythingLoad:
    """A photograph to masks of everything in it, from a grid of points; the mask of every point is computed."""

    case: ClassVar[str] = "everything"
    verb: ClassVar[str] = "finding"
    long: ClassVar[bool] = False
    config: ModelConfig
    points_per_side: int
    size_hw: tuple[int, int] = (1000, 1500)

    @property
    def count(self) -> int:
        """The number of points."""
        return self.points_per_side**2

    def facts(self) -> dict[str, Any]:
        """The grid and the photograph's size."""
        return {"points_per_side": self.points_per_side, "picture": list(self.size_hw)}

    def flops(self) -> int:
        """The operations for the picture and for all points' masks."""
        return flops.whole_image(self.config, self.count)


@dataclass(frozen=True)
class TrackedFrame:
    """The next frame of a drawn video with one object, after `before` frames."""

    case: ClassVar[str] = "track"
    verb: ClassVar[str] = "tracking"
    long: ClassVar[bool] = False
    config: ModelConfig
    before: int = 8  #: Then all slots of memory are full.
    size_hw: tuple[int, int] = (480, 854)
    compared: int = 1  #: The frame whose logits are compared; later ones differ more by rounding to bfloat16.

    @property
    def count(self) -> int:
        """One frame."""
        return 1

    def facts(self) -> dict[str, Any]:
        """The size of frames, and at which side the model sees them."""
        return {"frames": 1, "picture": list(self.size_hw), "side": self.config.side}

    def flops(self) -> None:
        """Not counted."""


@dataclass(frozen=True)
class Clip:
    """A drawn video with one object, from its first frame to its last."""

    case: ClassVar[str] = "clip"
    verb: ClassVar[str] = "following"
    long: ClassVar[bool] = True
    config: ModelConfig
    frames: int = 200
    size_hw: tuple[int, int] = (480, 854)

    @property
    def count(self) -> int:
        """Frames."""
        return self.frames

    def facts(self) -> dict[str, Any]:
        """Number and size of frames, and at which side the model sees them."""
        return {"frames": self.frames, "picture": list(self.size_hw), "side": self.config.side}

    def flops(self) -> None:
        """Not counted."""


@dataclass(frozen=True)
class Entrant:
    """A party: the class that makes it as `module:name`, its dtype and its own options."""

    maker: str
    dtype: str
    options: tuple[str, ...] = ()
    own: bool = False  #: this library behind another package's interface: it keeps its own allocator settings

    @property
    def name(self) -> str:
        """The party's name if it is absent.

        >>> Entrant("package.module:Transformers", "float32", ("eager",)).name
        'transformers eager'
        """
        return " ".join([self.maker.split(":")[1].lower(), *self.options])


def decoder_only(config: ModelConfig) -> ModelConfig:
    """The same model with the shortest encoder, such as a ViT of one block, because decoding needs none.

    >>> from samhq.config import model_config
    >>> decoder_only(model_config("sam_hq_vit_h")).encoder.summary
    'ViT, 1 blocks, 1280 wide'
    """
    return config.replace(encoder=config.encoder.shortest)
