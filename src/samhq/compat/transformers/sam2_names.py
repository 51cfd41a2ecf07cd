"""transformers' names for the tensors and modules of SAM 2. One tensor differs: four embeddings are one there.

Knows nothing about the computation of modules.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch

from samhq.checkpoint.naming import POSITIONAL_COPY, to_transformers
from samhq.checkpoint.naming_sam2 import POINTS, POINTS_STACKED
from samhq.compat.transformers.module_names import ModuleNames
from samhq.compat.transformers.renaming import Renamed

_POINT = "prompt_encoder.point_embed.{}.weight"  #: The name of one point embedding, which transformers does not have.
_POINTS = 4


class RenamedSam2(Renamed):
    """Names of modules, parameters and tensors of the state dict are transformers'.

    What only videos use has the names of transformers' video model. In a state dict the four point embeddings are one
    tensor, as in transformers. As parameters they are four, called `prompt_encoder.point_embed.0.weight` and so on.
    """

    def _name(self, inside: str, original: str) -> None:
        """Sets the names: keys that begin with `inside` begin with `original` in the original layout."""
        keys = [key for key in torch.nn.Module.state_dict(self) if key.startswith(inside)]
        self._names = ModuleNames.of(_outer_names(keys, inside, original))
        self.take_aliases(self._names.aliases.get("", {}))

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """All tensors by transformers' names; arguments as for any module."""
        state, prefix = super().state_dict(*args, **kwargs), kwargs.get("prefix", "")
        rows = [state.pop(prefix + _POINT.format(number)) for number in range(_POINTS)]
        state[prefix + POINTS_STACKED] = torch.cat(rows)
        return state

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Loads a state dict in transformers' names; returns missing and unexpected names.

        The point embeddings may be one tensor, or some of the four parameters.

        Raises:
            CheckpointError: as `Renamed.load_state_dict`.
        """
        state, names = dict(state_dict), [_POINT.format(number) for number in range(_POINTS)]
        if any(name in state for name in names):
            own = self.state_dict()[POINTS_STACKED]
            state[POINTS_STACKED] = torch.cat([state.pop(name, own[i : i + 1]) for i, name in enumerate(names)])
        return super().load_state_dict(state, strict, assign)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        """torch's hook for each module while loading; also called if this is part of a larger module."""
        stacked = state_dict.pop(prefix + POINTS_STACKED, None)
        if stacked is not None:
            rows = stacked[:, None].unbind()
            state_dict.update({prefix + _POINT.format(number): row for number, row in enumerate(rows)})
        super()._load_from_state_dict(state_dict, prefix, *args)


def _outer_names(keys: Iterable[str], inside: str, original: str) -> dict[str, str]:
    """transformers' names by inner names."""
    originals = {original + key.removeprefix(inside): key for key in keys}
    points = {key: name for name, key in originals.items() if name.startswith(POINTS)}
    others = to_transformers({name: key for name, key in originals.items() if not name.startswith(POINTS)})
    names = {inner: outer for outer, inner in others.items() if outer != POSITIONAL_COPY}
    return names | {key: _POINT.format(name.removeprefix(POINTS).split(".")[0]) for key, name in points.items()}
