"""The models' outputs: dataclasses that can also be read by key, by number and as a mapping.

A field that is None counts as absent, as in transformers. Knows nothing about networks.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor


class Output(Mapping[str, Any]):
    """Fields by attribute (`out.pred_masks`), key (`out["pred_masks"]`) or index (`out[1]`, `out[:2]`).

    Iterating gives the names, as with a dict; `to_tuple()` gives the values.
    """

    def keys(self) -> Any:
        """Names of the fields that are not None, in order."""
        return self._filled().keys()

    def to_tuple(self) -> tuple[Any, ...]:
        """The values that are not None, in order."""
        return tuple(self._filled().values())

    def _filled(self) -> dict[str, Any]:
        names = (field.name for field in dataclasses.fields(self))  # type: ignore[arg-type]
        values = {name: getattr(self, name) for name in names}
        return {name: value for name, value in values.items() if value is not None}

    def __getitem__(self, key: Any) -> Any:
        return self._filled()[key] if isinstance(key, str) else self.to_tuple()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._filled())

    def __len__(self) -> int:
        return len(self._filled())


@dataclass(eq=False)
class SegmentationOutput(Output):
    """`iou_scores` [I,P,K], predicted quality; `pred_masks` [I,P,K,4g,4g], logits in the model's square.

    `vision_hidden_states`, on request, as in `VisionOutput`. `post_process_masks` brings the masks to the pictures.
    """

    iou_scores: Float[Tensor, "I P K"] | None = None
    pred_masks: Float[Tensor, "I P K G G"] | None = None
    vision_hidden_states: tuple[Tensor, ...] | None = None
    vision_attentions: tuple[Tensor, ...] | None = None
    mask_decoder_attentions: tuple[Tensor, ...] | None = None


@dataclass(eq=False)
class VisionOutput(Output):
    """`last_hidden_state` [I,C,g,g], the image embedding.

    `intermediate_embeddings`, for SAM-HQ: the output of each global block.
    `hidden_states`, on request: the input of the first block and the output of each block, [I,g,g,C'].
    The order is the one in which transformers' models fill their outputs.
    """

    last_hidden_state: Float[Tensor, "I C g g"] | None = None
    intermediate_embeddings: list[Tensor] | None = None
    hidden_states: tuple[Tensor, ...] | None = None
    attentions: tuple[Tensor, ...] | None = None
