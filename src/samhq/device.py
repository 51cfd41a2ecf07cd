"""Devices and number types by name: what "auto" means on this machine, and which devices multiply bfloat16 faster.

Knows nothing about models.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from samhq.errors import ConfigError


def as_device(device: str | int | torch.device | None) -> torch.device:
    """The device from a name, a GPU number or a device; "auto" and None mean CUDA if there is one, else the CPU.

    Raises:
        ConfigError: PyTorch does not know the device or does not have it.
    """
    if device in (None, "auto"):
        # Not MPS: nothing here has been run on it, so it is used only when it is named.
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError, TypeError, ValueError) as error:
        reason = str(error).partition("\n")[0].partition(". ")[0].rstrip(".")[:120]
        if reason.startswith("Expected one of"):  # PyTorch's list of all devices of the world
            reason = "PyTorch does not know it. GPUs are cuda, cuda:1 or mps"
        raise ConfigError(
            f"Expected a device of PyTorch on this machine, got {device!r}: {reason}. Try cpu."
        ) from error


def as_dtype(dtype: str | torch.dtype, device: torch.device | None = None) -> torch.dtype:
    """The dtype from a name or a dtype; "auto" means the one that the device multiplies fastest.

    Raises:
        ConfigError: not one of float32, bfloat16, float16, auto.
    """
    known = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
    if dtype in known.values():
        return dtype  # type: ignore[return-value]
    if dtype == "auto":
        return torch.bfloat16 if multiplies_bfloat16_faster(device or torch.device("cpu")) else torch.float32
    if dtype not in known:
        raise ConfigError(f"Expected a dtype of {', '.join(known)} or auto, got {dtype!r}. Use one of these.")
    return known[dtype]


def multiplies_bfloat16_faster(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 faster than float32: AMX, AMD's AVX512-BF16, or a GPU since Ampere.

    Intel's AVX512-BF16 without AMX, as in virtual machines that hide AMX, was measured at 0.55 of the rate of float32.
    """
    if device.type == "cpu":
        can: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()  # Old versions of PyTorch cannot say.
        amd = can.get("sse4a", False)  # Only AMD's processors have these instructions.
        return bool(can.get("amx_bf16", False) or (can.get("avx512_bf16", False) and amd))
    return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)


def to_device(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """The tensor on the device. From the CPU to CUDA it goes through pinned memory, without waiting for the copy.

    Work that is given to the device afterwards sees the whole tensor. Other devices get it as `Tensor.to` gives it.
    """
    if tensor.device == device:
        return tensor
    if tensor.device.type == "cpu" and device.type == "cuda" and tensor.numel():
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def autocasts(device: torch.device) -> bool:
    """Whether `torch.autocast` is on for this device's type."""
    return torch.amp.is_autocast_available(device.type) and torch.is_autocast_enabled(device.type)


def exactly(device: torch.device) -> AbstractContextManager[Any]:
    """A context without `torch.autocast`, for sums that decide about pixels."""
    return torch.autocast(device.type, enabled=False) if autocasts(device) else nullcontext()
