"""Calls a function with as many pictures at once as memory holds. Knows nothing about pictures or models."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

Input = TypeVar("Input")
Output = TypeVar("Output")

_WORDS = ("out of memory", "not enough memory", "can't allocate memory", "cannot allocate memory", "failed to allocate")


class Halving(Generic[Input, Output]):
    """A function of up to `size` inputs, called with all inputs; every input gets its result or its own error.

    If memory does not suffice, `size` is halved for good. An input that does not fit alone has that error as its
    result. If a call fails for another reason, its inputs are tried one by one. Errors for which `ends` is true are
    raised.
    """

    def __init__(
        self, call: Callable[[Sequence[Input]], Sequence[Output]], size: int, ends: Callable[[Exception], bool]
    ) -> None:
        self._call, self.size, self._ends = call, size, ends

    def __call__(self, inputs: Sequence[Input]) -> list[Output | Exception]:
        """The results, in order."""
        results: list[Output | Exception] = []
        while len(results) < len(inputs):
            part = inputs[len(results) : len(results) + self.size]
            try:
                results += self._call(part)
                continue
            except Exception as error:
                if self._ends(error):
                    raise
                failure = error
            if is_out_of_memory(failure) and len(part) > 1:
                self.size = (len(part) + 1) // 2
            elif len(part) > 1:
                results += [result for item in part for result in self([item])]
            else:
                results.append(failure.with_traceback(None))
            _free()
        return results


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that the memory of the device or of the machine did not suffice.

    >>> [is_out_of_memory(error) for error in (MemoryError(), RuntimeError("CUDA out of memory."), OSError())]
    [True, True, False]
    """
    message = str(error).lower()
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(words in message for words in _WORDS)
    )


def _free() -> None:
    """Gives memory that torch holds for later use back to the device."""
    torch: Any = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
