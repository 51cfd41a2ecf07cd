"""A module whose parameters and state dict have transformers' names, whatever its inner modules are called.

The names come from the table in `checkpoint/naming.py`. Knows nothing about the work of modules.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor, nn

from samhq.checkpoint.load import fit
from samhq.checkpoint.naming import POSITIONAL, POSITIONAL_COPY, to_transformers
from samhq.errors import CheckpointError


class Renamed(nn.Module):
    """`state_dict`, `load_state_dict`, `named_parameters` and `named_buffers` use transformers' names.

    State dicts are transformers' own, also inside a larger module, with both names of the positional matrix, of which
    loading needs one. That matrix is a buffer here, not a parameter, as in training. Parameters that were added later
    (adapters) keep their inner names.
    """

    _outward: dict[str, str]

    def _name(self, inside: str, original: str) -> None:
        """Makes the table: `inside...` here is `original...` in the original layout."""
        keys = [key for key in super().state_dict() if key.startswith(inside)]
        renamed = to_transformers({original + key.removeprefix(inside): key for key in keys})
        self._outward = {here: there for there, here in renamed.items()}

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, nn.Parameter]]:
        """Parameters with transformers' names, such as `vision_encoder.layers.0.layer_norm1.weight`."""
        for name, parameter in super().named_parameters("", recurse, remove_duplicate):
            yield _under(prefix, self._outward.get(name, name)), parameter

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """Buffers with transformers' names."""
        for name, buffer in super().named_buffers("", recurse, remove_duplicate):
            yield _under(prefix, self._outward.get(name, name)), buffer

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """All tensors by transformers' names; arguments as for any module."""
        prefix = kwargs.get("prefix", "")
        state = super().state_dict(*args, **kwargs)
        for here, there in self._outward.items():
            state[prefix + there] = state.pop(prefix + here)
        if POSITIONAL in self._outward.values():
            state[prefix + POSITIONAL_COPY] = state[prefix + POSITIONAL]
        return state

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Loads a state dict in transformers' names; returns missing and unexpected names.

        Raises:
            CheckpointError: a tensor of another shape, or with `strict` a missing or unexpected name.
        """
        layout = self.state_dict()
        state = dict(state_dict)
        for name, other in ((POSITIONAL, POSITIONAL_COPY), (POSITIONAL_COPY, POSITIONAL)):
            if other in layout and name in state:
                state.setdefault(other, state[name])
        difference = fit(state, layout)
        if difference.misshapen or (strict and not difference):
            raise CheckpointError(
                f"Expected a state dict in transformers' names that fits this {type(self).__name__}, got {difference}. "
                "Read files, also those in the original names, with from_pretrained."
            )
        result: Any = super().load_state_dict(state, strict=False, assign=assign)
        return type(result)(list(difference.missing), list(difference.unexpected))

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        """torch's hook for each module while loading; also called if this is part of a larger module."""
        copy = state_dict.pop(prefix + POSITIONAL_COPY, None)
        if copy is not None:
            state_dict.setdefault(prefix + POSITIONAL, copy)
        for here, there in self._outward.items():
            if prefix + there in state_dict:
                state_dict[prefix + here] = state_dict.pop(prefix + there)
        super()._load_from_state_dict(state_dict, prefix, *args)


def _under(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name
