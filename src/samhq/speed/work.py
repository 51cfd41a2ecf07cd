"""What can be measured, as data: a picture encoded, prompts decoded, a click answered, all found, and who does it.

Light to import: the process that asks needs no torch, only those that work do.
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
    verb: ClassVar[str]  #: the method of a party that takes it
    long: ClassVar[bool]  #: too long to be done but for the clock: not compared, and memory is read meanwhile

    @property
    def config(self) -> ModelConfig:
        """Of the model that does it."""

    @property
    def count(self) -> int:
        """How many things one call works on: pictures or prompts."""

    def facts(self) -> dict[str, Any]:
        """What is asked, as JSON values."""

    def flops(self) -> int | None:
        """Operations that it needs; None where nobody knows before it is done."""


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
        """Pictures."""
        return self.images

    def facts(self) -> dict[str, Any]:
        """How many pictures in one call."""
        return {"images": self.images}

    def flops(self) -> int:
        """Of all pictures."""
        return flops.encode(self.config, self.images)


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
        """Prompts."""
        return self.prompts

    def facts(self) -> dict[str, Any]:
        """How many prompts of which kind, and which logits."""
        return {"prompts": self.prompts, "kind": self.kind, "hq": self.hq}

    def flops(self) -> int:
        """Of all prompts."""
        return flops.decode(self.config, self.prompts, hq=self.hq)


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
    """A photograph to masks of all that is in it, from a grid of points, of which every one is painted."""

    case: ClassVar[str] = "everything"
    verb: ClassVar[str] = "finding"
    long: ClassVar[bool] = False
    config: ModelConfig
    points_per_side: int
    size_hw: tuple[int, int] = (1000, 1500)

    @property
    def count(self) -> int:
        """Points."""
        return self.points_per_side**2

    def facts(self) -> dict[str, Any]:
        """The grid and the photograph's size."""
        return {"points_per_side": self.points_per_side, "picture": list(self.size_hw)}

    def flops(self) -> int:
        """Of the picture and of all points' masks."""
        return flops.everything(self.config, self.count)


@dataclass(frozen=True)
class Entrant:
    """Who works: the party's maker as `module:name`, in a dtype, with its own options."""

    maker: str
    dtype: str
    options: tuple[str, ...] = ()
    own: bool = False  #: this library behind another package's interface: it keeps its own allocator settings

    @property
    def name(self) -> str:
        """What it is called when it is not there.

        >>> Entrant("package.module:Transformers", "float32", ("eager",)).name
        'transformers eager'
        """
        return " ".join([self.maker.split(":")[1].lower(), *self.options])


def decoder_only(config: ModelConfig) -> ModelConfig:
    """The same model with as short an encoder as there is, such as a ViT of one block: decoding needs none.

    >>> from samhq.config import model_config
    >>> decoder_only(model_config("sam_hq_vit_h")).encoder.summary
    'ViT, 1 blocks, 1280 wide'
    """
    return config.replace(encoder=config.encoder.shortest)
