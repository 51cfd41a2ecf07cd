"""The processor's output: a dict with attributes that moves to a device as a whole. Knows nothing about models."""

from __future__ import annotations

from collections import UserDict
from typing import Any

import torch
from torch import Tensor


class BatchFeature(UserDict[str, Any]):
    """Inputs by key or attribute; `model(**features)` takes them all."""

    def __getattr__(self, name: str) -> Any:
        # `data` is missing while an instance is being unpickled.
        if name == "data" or name not in self.data:
            raise AttributeError(
                f"{type(self).__name__} has no {name!r}; it has {', '.join(self.__dict__.get('data', {}))}."
            )
        return self.data[name]

    def to(self, *args: Any, **kwargs: Any) -> BatchFeature:
        """This object, with its tensors moved as by `Tensor.to`; a dtype applies only to `pixel_values`.

        Coordinates keep float32, because half precision would move them by pixels, and integers stay integers.
        """
        device, dtype, non_blocking, _ = torch._C._nn._parse_to(*args, **kwargs)
        for name, value in self.data.items():
            if isinstance(value, Tensor):
                self.data[name] = value.to(
                    device=device, dtype=dtype if name == "pixel_values" else None, non_blocking=non_blocking
                )
        return self
