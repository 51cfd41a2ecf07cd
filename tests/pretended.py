"""A CUDA device that is not there: tensors that lie in the CPU's memory, say that they are on `cuda:0`, and count.

Inside `Cuda()` PyTorch's functions treat such tensors as a GPU's: they do not mix with tensors of the CPU, NumPy does
not read them, and the program waits where it reads values or sends tensors (`waits`). So branches for other devices
than the CPU run with real numbers. What it cannot show: the kernels of a GPU, its memory and its time.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

DEVICE = torch.device("cuda:0")
#: Functions that need values or shapes from the device.
_READS = {
    Tensor.item, Tensor.tolist, Tensor.__bool__, Tensor.__int__, Tensor.__float__, Tensor.__index__, Tensor.nonzero,
    Tensor.__contains__, Tensor.argwhere, torch.nonzero, torch.argwhere, torch.equal, Tensor.equal, torch.allclose,
    torch.unique, Tensor.unique, torch.masked_select, Tensor.masked_select, torch.bincount, Tensor.bincount,
}  # fmt: skip
#: Functions that take tensors of several devices.
_INDEXING = {Tensor.__getitem__, Tensor.__setitem__}
_MIXING = {Tensor.copy_, Tensor.to, Tensor.type_as, *_INDEXING}
_GETTERS = {Tensor.device.__get__: DEVICE, Tensor.is_cuda.__get__: True, Tensor.is_cpu.__get__: False}  # type: ignore[attr-defined]


class OnCuda(Tensor):
    """A tensor that says it is on a GPU."""

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]


class Cuda(TorchFunctionMode):
    """The device.

    `waits` says, by place in the library's code, how often the program waited there for the device; `unfused`, how
    often attention there is not a single kernel, or copies its bias.
    """

    def __init__(self) -> None:
        super().__init__()
        self.waits: Counter[str] = Counter()
        self.unfused: Counter[str] = Counter()

    def __torch_function__(self, function: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """The function's result; on the device if its inputs are, or if it is asked to put it there."""
        del types
        kwargs = dict(kwargs or {})
        inputs = list(_tensors((args, kwargs)))
        here = any(isinstance(one, OnCuda) for one in inputs)
        if here and function in _GETTERS:
            return _GETTERS[function]
        if function in (Tensor.pin_memory, Tensor.is_pinned):
            return args[0]
        wanted, args = _wanted(function, args, kwargs)
        _refuse(function, args, kwargs, here, wanted)
        there = wanted == "cuda" if wanted else here
        if _waits(function, args, kwargs, here, there):
            self.waits[_place()] += 1
        if here and function is F.scaled_dot_product_attention and not _fused(*args, **kwargs):
            self.unfused[_place()] += 1
        result = function(*args, **kwargs)
        if any(result is one for one in inputs):
            if isinstance(result, OnCuda) is there or function is Tensor.copy_:
                return result
            result = result.clone()  # Another device's memory is another memory.
        return _marked(result, there)


def moved(value: Any) -> Any:
    """A module with all its tensors on the device, in place; or a tensor there."""
    if not isinstance(value, nn.Module):
        return value.as_subclass(OnCuda)
    for module in value.modules():
        for held in (module._parameters, module._buffers):
            for name, tensor in held.items():
                if tensor is not None:
                    held[name] = _moved_parameter(tensor) if isinstance(tensor, nn.Parameter) else moved(tensor)
    return value


def _moved_parameter(parameter: nn.Parameter) -> Any:
    inner = parameter.detach().as_subclass(OnCuda).requires_grad_(parameter.requires_grad)
    inner._is_param = True  # what PyTorch's own subclasses of Parameter say
    return inner


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        yield from _tensors(list(value.values()))
    elif isinstance(value, (tuple, list)):
        for one in value:
            yield from _tensors(one)


def _wanted(function: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> tuple[str | None, Any]:
    """The type of the device that a call names, if any; the call itself then names the CPU."""
    if function in (Tensor.cpu, Tensor.cuda):
        return ("cpu" if function is Tensor.cpu else "cuda"), args
    if kwargs.get("device") is not None:
        wanted = torch.device(kwargs["device"]).type
        kwargs["device"] = "cpu"
        return wanted, args
    if function is Tensor.to and len(args) > 1:
        target = args[1]
        if isinstance(target, Tensor):
            return ("cuda" if isinstance(target, OnCuda) else "cpu"), args
        if isinstance(target, (str, int, torch.device)):
            return torch.device(target).type, (args[0], "cpu", *args[2:])
    return None, args


def _refuse(function: Callable[..., Any], args: Any, kwargs: dict[str, Any], here: bool, wanted: str | None) -> None:
    """Raises what PyTorch raises where tensors, or a generator, are on a wrong device."""
    if isinstance(kwargs.get("generator"), torch.Generator) and (here or wanted == "cuda"):
        raise RuntimeError("Expected a 'cuda' device type for generator but found 'cpu'")
    if not here:
        return
    if function in (Tensor.numpy, Tensor.__array__):
        raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() first")
    if function in _INDEXING:
        index = [one for one in _tensors(args[1]) if _size(one)]
        if not isinstance(args[0], OnCuda) and any(isinstance(one, OnCuda) for one in index):
            raise RuntimeError("indices should be either on cpu or on the same device as the indexed tensor (cpu)")
    away = [one for one in _tensors((args, kwargs)) if not isinstance(one, OnCuda) and _size(one)]
    if away and function not in _MIXING:
        name = getattr(function, "__name__", function)
        raise RuntimeError(f"{name}: expected all tensors on cuda:0, got one of shape {_size(away[0])} on the cpu")


def _size(tensor: Tensor) -> tuple[int, ...]:
    with torch._C.DisableTorchFunction():
        return tuple(tensor.shape)


def _waits(function: Callable[..., Any], args: Any, kwargs: dict[str, Any], here: bool, there: bool) -> bool:
    """Whether a GPU would have to finish its work first."""
    inputs = [one for one in _tensors((args, kwargs)) if 0 not in _size(one)]
    if function in (Tensor.to, Tensor.cpu, Tensor.cuda):
        return here is not there and not kwargs.get("non_blocking") and bool(inputs)
    if function in (torch.tensor, torch.as_tensor):
        return there and not here
    if here and function is Tensor.copy_:
        return any(not isinstance(one, OnCuda) for one in inputs)
    if here and function in _INDEXING:
        index = [one for one in _tensors(args[1]) if _size(one)]
        return any(one.dtype == torch.bool or not isinstance(one, OnCuda) for one in index)
    return here and (function in _READS or (function is torch.where and len(args) == 1))


def _fused(q: Tensor, k: Tensor, v: Tensor, attn_mask: Tensor | None = None, **_: Any) -> bool:
    """Whether CUDA has one kernel for this attention that takes the bias as it lies.

    Source: PyTorch, aten/src/ATen/native/transformers/attention.cpp (`preprocess_mask`) and cuda/sdp_utils.cpp.
    """
    four = all(one.ndim == 4 and one.stride(3) == 1 and one.shape[3] % 8 == 0 for one in (q, k, v))
    return four and (
        attn_mask is None or (attn_mask.stride(3) == 1 and all(stride % 8 == 0 for stride in attn_mask.stride()[:3]))
    )


def _marked(result: Any, there: bool) -> Any:
    """The result with all its tensors on the device, or none."""
    if isinstance(result, Tensor):
        with torch._C.DisableTorchFunction():
            kind = OnCuda if there else Tensor
            return result if isinstance(result, OnCuda) is there else result.as_subclass(kind)
    if type(result) in (tuple, list):
        return type(result)(_marked(one, there) for one in result)
    if isinstance(result, tuple) and not isinstance(result, torch.Size):  # such as what `max` and `topk` return
        return type(result)([_marked(one, there) for one in result])
    return result


def _place() -> str:
    """The file and function of the library that called last."""
    frame = sys._getframe(1)
    while frame is not None and "/samhq/" not in frame.f_code.co_filename:
        frame = frame.f_back  # type: ignore[assignment]
    if frame is None:
        return "elsewhere"
    return f"{Path(frame.f_code.co_filename).name}:{frame.f_code.co_name}"
