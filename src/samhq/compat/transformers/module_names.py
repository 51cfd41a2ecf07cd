"""Two names for the modules and tensors of a model, and attributes by either of them.

Knows nothing about particular models or libraries.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from torch import nn


@dataclass(frozen=True)
class ModuleNames:
    """The names of a model's tensors and modules here and outside.

    `tensors` are the outer names of tensors by inner name, and `modules` those of modules, "" for the model itself.
    `aliases` has, by a module's inner name, the outer names of its children that are other attributes here. Each has
    the name of the module that holds the child, within the first one, and the attribute.
    """

    tensors: Mapping[str, str]
    modules: Mapping[str, str]
    aliases: Mapping[str, Mapping[str, tuple[str, str]]]

    @classmethod
    def of(cls, tensors: Mapping[str, str]) -> ModuleNames:
        """The names of modules that follow from those of tensors, inner to outer.

        >>> names = ModuleNames.of({"net.0.weight": "first.weight", "net.1.weight": "second.weight"})
        >>> names.outward("net.0"), names.inward("second.lora.weight"), names.aliases[""]
        ('first', 'net.1.lora.weight', {'first': ('net', '0'), 'second': ('net', '1')})
        """
        holders = {_split(inner)[0]: _split(outer)[0] for inner, outer in tensors.items()}
        modules = {"": ""}
        outer_names = {""}
        # Modules that hold tensors are certain. Those above them are paired level by level, the shortest name first.
        above = [pair for inner, outer in holders.items() for pair in _parents(inner, outer)]
        for inner, outer in (*holders.items(), *sorted(above, key=lambda pair: pair[0].count("."))):
            if inner not in modules and outer not in outer_names:
                modules[inner] = outer
                outer_names.add(outer)
        return cls(dict(tensors), modules, _aliases(modules))

    def outward(self, name: str) -> str:
        """The outer name of a tensor or module, or of one that was added to a module later."""
        return self.tensors[name] if name in self.tensors else _translated(name, self.modules)

    def inward(self, name: str) -> str:
        """The inner name of a tensor or module by its outer name; other names do not change."""
        return self._inner_tensors.get(name) or _translated(name, self._inner_modules)

    @cached_property
    def _inner_tensors(self) -> dict[str, str]:
        return {outer: inner for inner, outer in self.tensors.items()}

    @cached_property
    def _inner_modules(self) -> dict[str, str]:
        return {outer: inner for inner, outer in self.modules.items()}


def _split(name: str) -> tuple[str, str]:
    holder, _, last = name.rpartition(".")
    return holder, last


def _parents(inner: str, outer: str) -> list[tuple[str, str]]:
    """The pairs of modules above a pair, as many levels as both have."""
    pairs = []
    while inner and outer:
        (inner, _), (outer, _) = _split(inner), _split(outer)
        pairs.append((inner, outer))
    return [pair for pair in pairs if all(pair)]


def _aliases(modules: Mapping[str, str]) -> dict[str, dict[str, tuple[str, str]]]:
    aliases: dict[str, dict[str, tuple[str, str]]] = {}
    inner_of = {outer: inner for inner, outer in modules.items()}
    for inner, outer in modules.items():
        (place, attribute), (outer_holder, name) = _split(inner), _split(outer)
        holder = inner_of.get(outer_holder)
        if not outer or holder is None or (place, attribute) == (holder, name):
            continue
        if place == holder or not holder or place.startswith(f"{holder}."):
            aliases.setdefault(holder, {})[name] = place.removeprefix(holder).removeprefix("."), attribute
    return aliases


def _translated(name: str, modules: Mapping[str, str]) -> str:
    """The name, with the longest known module name at its beginning translated."""
    place, rest = name, ""
    while place not in modules:
        place, last = _split(place)
        rest = f"{last}.{rest}" if rest else last
    return ".".join(part for part in (modules[place], rest) if part)


class Aliased(nn.Module):
    """A module with aliases: attributes under which descendants can be read and replaced."""

    def take_aliases(self, places: Mapping[str, tuple[str, str]]) -> None:
        """Sets the aliases: by name, the descendant that holds the value ("" for this module) and its attribute."""
        self.__dict__["_places"] = dict(places)

    def __setattr__(self, name: str, value: Any) -> None:
        """Sets an attribute; an alias sets the descendant's attribute."""
        place = self.__dict__.get("_places", {}).get(name)
        if place is None:
            super().__setattr__(name, value)
        else:
            nn.Module.__setattr__(descendant(self, place[0]), place[1], value)

    def __getattr__(self, name: str) -> Any:
        """A parameter, buffer or module, by its name or an alias."""
        place = self.__dict__.get("_places", {}).get(name)
        if place is None:
            return super().__getattr__(name)
        return descendant(self, _under(*place))


def _under(place: str, attribute: str) -> str:
    return f"{place}.{attribute}" if place else attribute


def descendant(module: nn.Module, path: str) -> nn.Module:
    """The module at a path of inner names, ignoring aliases; the module itself for "".

    Raises:
        AttributeError: there is none.
    """
    for name in path.split(".") if path else []:
        child = module._modules.get(name)
        if child is None:
            raise AttributeError(f"{type(module).__name__} has no module {name!r}.")
        module = child
    return module


def with_aliases(module: nn.Module, places: Mapping[str, tuple[str, str]]) -> nn.Module:
    """The same module; its class is replaced by a subclass with these aliases."""
    if not isinstance(module, Aliased):
        module.__class__ = _aliased(type(module))  # type: ignore[arg-type]
        module.take_aliases(places)  # type: ignore[operator]
    return module


@cache
def _aliased(kind: type[nn.Module]) -> type[nn.Module]:
    """A class of modules like `kind`, with aliases; its instances can be copied and pickled."""

    def reduce(self: nn.Module, protocol: Any) -> tuple[Any, ...]:
        return _empty, (kind,), self.__dict__

    return type(kind.__name__, (Aliased, kind), {"__reduce_ex__": reduce, "__module__": kind.__module__})


def _empty(kind: type[nn.Module]) -> nn.Module:
    aliased: Any = _aliased(kind)  # type: ignore[arg-type]
    module: nn.Module = aliased.__new__(aliased)
    return module
