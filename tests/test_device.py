"""Devices and number types by name, and sentences for unknown ones."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from samhq.device import as_device, as_dtype, to_device
from samhq.errors import ConfigError


def test_devices_and_dtypes_by_name() -> None:
    assert as_device("cpu") == torch.device("cpu")
    assert as_device("meta") == torch.device("meta")
    assert as_dtype("bfloat16") is as_dtype(torch.bfloat16) is torch.bfloat16


@pytest.mark.parametrize(("cuda", "chosen"), [(True, "cuda"), (False, "cpu")])
def test_auto_is_cuda_or_the_cpu_and_never_what_is_not_tested(
    cuda: bool, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert as_device(None) == as_device("auto") == torch.device(chosen)


@pytest.mark.parametrize(
    ("instructions", "faster"),
    [
        ({"avx512_f"}, False),
        ({"avx512_f", "avx512_bf16"}, False),  # Intel without AMX
        ({"avx512_f", "avx512_bf16", "amx_tile", "amx_bf16"}, True),
        ({"avx512_f", "avx512_bf16", "sse4a"}, True),  # AMD
        ({"sse4a"}, False),
    ],
)
def test_auto_is_bfloat16_where_it_is_the_faster_type(
    instructions: set[str], faster: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: dict.fromkeys(instructions, True), raising=False)
    assert as_dtype("auto") is (torch.bfloat16 if faster else torch.float32)
    assert as_dtype("auto", torch.device("mps")) is torch.float32


def test_auto_is_float32_where_pytorch_cannot_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert as_dtype("auto") is torch.float32


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "", "cpu:x", 99, -3, 1.5, ["cpu"]])
def test_an_unknown_device_is_a_sentence(device: Any) -> None:
    with pytest.raises(ConfigError, match=r"Expected a device .*\. Try cpu\.$"):
        as_device(device)


def test_a_name_that_no_device_has_is_told_the_names_of_gpus() -> None:
    with pytest.raises(ConfigError, match=r"got 'gpu': PyTorch does not know it\. GPUs are cuda, cuda:1 or mps\. Try"):
        as_device("gpu")


@pytest.mark.parametrize("dtype", ["half", torch.int64, "float8", ""])
def test_an_unknown_dtype_is_a_sentence(dtype: Any) -> None:
    with pytest.raises(ConfigError, match="float32"):
        as_dtype(dtype)


def test_a_device_that_is_not_here_takes_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise NotImplementedError("Could not run 'aten::empty' with arguments from the 'MPS' backend. " + "x" * 1500)

    monkeypatch.setattr(torch, "empty", refuse)
    with pytest.raises(ConfigError, match="'aten::empty'") as caught:
        as_device("mps")
    assert len(str(caught.value)) < 250


def test_a_tensor_on_its_device_is_not_copied() -> None:
    tensor = torch.arange(3.0)
    assert to_device(tensor, torch.device("cpu")) is tensor
    assert to_device(tensor, torch.device("meta")).device == torch.device("meta")


def test_only_the_way_from_the_cpu_to_cuda_is_through_pinned_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []

    def pinned(tensor: torch.Tensor) -> torch.Tensor:
        calls.append("pinned")
        return tensor

    def to(tensor: torch.Tensor, device: torch.device, **how: Any) -> torch.Tensor:
        calls.append((device.type, how))
        return tensor

    monkeypatch.setattr(torch.Tensor, "pin_memory", pinned)
    monkeypatch.setattr(torch.Tensor, "to", to)
    tensor, elsewhere = torch.zeros(2), torch.zeros(2, device="meta")
    to_device(tensor, torch.device("cuda", 1))
    assert calls == ["pinned", ("cuda", {"non_blocking": True})]
    calls.clear()
    to_device(tensor, torch.device("mps"))
    to_device(elsewhere, torch.device("cuda"))
    assert calls == [("mps", {}), ("cuda", {})]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_cuda_gets_the_whole_tensor_although_the_source_is_gone() -> None:
    values = torch.randn(64, 3, 256, 256)
    sent = [to_device(part + 0, torch.device("cuda")) for part in values]
    assert torch.equal(torch.stack(sent).cpu(), values)
