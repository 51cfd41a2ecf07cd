"""Gives a module's parameters, modules and state dict transformers' names, whatever its inner modules are called.

The names come from the table in `checkpoint/naming.py`. Knows nothing about the computation of modules.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor, nn

from samhq.checkpoint.load import fit
from samhq.checkpoint.naming import POSITIONAL, POSITIONAL_COPY, to_transformers
from samhq.compat.transformers.module_names import Aliased, ModuleNames, descendant, with_aliases
from samhq.errors import CheckpointError


class Renamed(Aliased):
    """Names of modules, parameters, buffers and tensors of the state dict are transformers'.

    State dicts are transformers' own, also inside a larger module. They have both names of the positional matrix;
    loading needs one of them. That matrix is a buffer here, not a parameter, as in training. `get_submodule` finds
    modules by transformers' names and by their inner ones, and setting an attribute by transformers' name replaces the
    module of that name. So tools that look for modules by name and wrap them, as PEFT does, work as with transformers'
    models. Modules that were added later, such as adapters, are named after the module that holds them.
    """

    _names: ModuleNames

    def _name(self, inside: str, original: str) -> None:
        """Sets the names: keys that begin with `inside` begin with `original` in the original layout."""
        keys = [key for key in super().state_dict() if key.startswith(inside)]
        renamed = to_transformers({original + key.removeprefix(inside): key for key in keys})
        self._names = ModuleNames.of({inner: outside for outside, inner in renamed.items()})
        self.take_aliases(self._names.aliases.get("", {}))

    def named_modules(
        self, memo: set[nn.Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, nn.Module]]:
        """Modules with transformers' names, such as `vision_encoder.layers.0.attn.qkv`.

        A container that transformers does not have keeps its own name within the module that holds it.
        """
        for name, module in super().named_modules(memo, "", remove_duplicate):
            yield _under(prefix, self._names.outward(name)), module

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, nn.Parameter]]:
        """Parameters with transformers' names, such as `vision_encoder.layers.0.layer_norm1.weight`."""
        for name, parameter in self._members("_parameters", recurse, remove_duplicate):
            yield _under(prefix, self._names.outward(name)), parameter

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """Buffers with transformers' names."""
        for name, buffer in self._members("_buffers", recurse, remove_duplicate):
            yield _under(prefix, self._names.outward(name)), buffer

    def _members(self, kind: str, recurse: bool, remove_duplicate: bool) -> Iterator[tuple[str, Any]]:
        """Parameters or buffers with their inner names, each tensor once with `remove_duplicate`."""
        known_ids: set[int] = set()
        modules = super().named_modules(remove_duplicate=remove_duplicate) if recurse else [("", self)]
        for place, module in modules:
            for name, value in getattr(module, kind).items():
                if value is None or (remove_duplicate and id(value) in known_ids):
                    continue
                known_ids.add(id(value))
                yield _under(place, name), value

    def get_submodule(self, target: str) -> nn.Module:
        """The module of a name, transformers' or its own here; raises AttributeError if there is none."""
        inner = self._names.inward(target)
        module = descendant(self, inner)
        return with_aliases(module, self._names.aliases[inner]) if inner in self._names.aliases else module

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """All tensors by transformers' names; arguments as for any module.

        The second name of the positional matrix has a copy of its own, because safetensors and transformers' `Trainer`
        do not save tensors that share memory.
        """
        prefix = kwargs.get("prefix", "")
        state = super().state_dict(*args, **kwargs)
        for key in [key for key in state if key.startswith(prefix)]:
            state[prefix + self._names.outward(key.removeprefix(prefix))] = state.pop(key)
        if prefix + POSITIONAL in state:
            matrix = state[prefix + POSITIONAL]
            state[prefix + POSITIONAL_COPY] = matrix if kwargs.get("keep_vars") else matrix.clone()
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
        for key in [key for key in state_dict if key.startswith(prefix)]:
            state_dict[prefix + self._names.inward(key.removeprefix(prefix))] = state_dict.pop(key)
        super()._load_from_state_dict(state_dict, prefix, *args)


def _under(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name
