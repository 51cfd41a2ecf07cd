"""Compiles the parts of a network that take most of the time, with `torch.compile`. Knows nothing of what they compute.

Compiled are the encoder as a whole and the decoder's transformer. State dicts, and all that takes the network, stay as
they are; copies of the network are not compiled. With `graphs`, a GPU also gets the kernels of a whole call at once, as
a recorded CUDA graph, where a call is so short that starting its kernels one by one would decide about its time.

A graph writes its results to the same memory at every replay. So callers get copies, and no result ever changes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any, Literal

import torch
from torch import Tensor, nn

from samhq.errors import ConfigError
from samhq.model.sam import Sam
from samhq.options import yes_or_no

#: Whether to compile: not at all, or with CUDA graphs, too.
Compile = bool | Literal["graphs"]
#: Most prompts of a call that is replayed: with more, a GPU computes longer than kernels take to start.
_FEW_PROMPTS = 8
#: Graphs of one module; each keeps its memory. Calls of other shapes are compiled only.
_MOST_GRAPHS = 16


def choice_of(compile: Compile, device: torch.device) -> tuple[bool, bool]:
    """Whether to compile, and whether with CUDA graphs.

    Raises:
        ConfigError: another value, or "graphs" without a CUDA device.
    """
    if not isinstance(compile, str):
        return yes_or_no("compile", compile), False
    if compile != "graphs":
        raise ConfigError(f'Expected compile as True, False or "graphs", got {compile!r}. Use one of them.')
    if device.type != "cuda":
        raise ConfigError(
            f'Expected a CUDA device for compile="graphs", got {device}. Use compile=True, which works everywhere.'
        )
    return True, True


def compile_parts(model: Sam, *, graphs: bool = False, backend: str | Callable[..., Any] = "inductor") -> Sam:
    """The same model, which from now on compiles these parts when they first run.

    The encoder is compiled for each number of pictures, the transformer once for any number of prompts. The results
    differ only by rounding. PyTorch keeps compiled code on disk (TORCHINDUCTOR_CACHE_DIR), so that a later process
    compiles faster. On a CPU the "inductor" backend needs a C++ compiler. `graphs` needs a CUDA device.
    """
    encoder, transformer = model.image_encoder, model.mask_decoder.transformer
    encoder.compile(backend=backend, dynamic=False)
    transformer.compile(backend=backend, dynamic=True)
    if graphs:
        encoder._compiled_call_impl = Replayed(encoder, backend, dynamic=False)
        transformer._compiled_call_impl = Replayed(transformer, backend, dynamic=True, most_rows=_FEW_PROMPTS)
    return model


class Replayed:
    """The calls of a compiled module: replays of CUDA graphs where that is safe, else calls of the compiled code.

    It is safe without gradients, whose backward pass would read overwritten memory, and in one thread, because PyTorch
    keeps graphs by thread. There are at most `_MOST_GRAPHS` shapes of inputs with a graph, the first ones.
    """

    def __init__(
        self, module: nn.Module, backend: str | Callable[..., Any], *, dynamic: bool, most_rows: int | None = None
    ) -> None:
        self.compiled = module._compiled_call_impl
        self.replay = torch.compile(module._call_impl, backend=backend, dynamic=dynamic, mode="reduce-overhead")
        self.most_rows = most_rows
        self.shapes: set[tuple[Any, ...]] = set()
        self.thread: int | None = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The module's output, in memory of its own."""
        if not self.replays(args, kwargs):
            assert self.compiled is not None
            return self.compiled(*args, **kwargs)
        torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
        return copied(self.replay(*args, **kwargs))

    def replays(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """Whether this call is a graph's; its shapes then have one."""
        if torch.is_grad_enabled() or threading.get_ident() != (self.thread or threading.get_ident()):
            return False
        if self.most_rows is not None and args[0].shape[0] > self.most_rows:
            return False
        shapes = tuple(_shapes((*args, *kwargs.values())))
        if shapes not in self.shapes and len(self.shapes) >= _MOST_GRAPHS:
            return False
        self.shapes.add(shapes)
        self.thread = threading.get_ident()
        return True


def _shapes(values: Any) -> Iterator[Any]:
    """The key of a graph: sizes and types of tensors, and plain values."""
    for value in values:
        if isinstance(value, Tensor):
            yield tuple(value.shape), value.dtype
        elif hasattr(value, "__dataclass_fields__"):
            yield from _shapes(vars(value).values())
        else:
            yield value if value is None or isinstance(value, (int, float, str)) else type(value)


def copied(value: Any) -> Any:
    """Tensors, alone or in tuples and lists, in memory of their own."""
    if isinstance(value, Tensor):
        return value.clone()
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(copied, value))
    return type(value)(map(copied, value)) if isinstance(value, (tuple, list)) else value
