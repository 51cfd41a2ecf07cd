"""A run's state is read back as it was written, or not at all."""

from __future__ import annotations

import resource
from pathlib import Path

import numpy as np
import pytest
import torch

from samhq.errors import CheckpointError
from samhq.training.checkpoint import STATE, load_run, save_run


def state() -> dict:
    torch.manual_seed(0)
    return {
        "model": {"a": torch.randn(40, 9), "b": torch.arange(5)},
        "place": [3, 6, 0.5],
        "scores": [{}, {"iou": 0.25}],
    }


def same(one: dict, other: dict) -> bool:
    tensors = zip(one["model"].values(), other["model"].values(), strict=True)
    rest = (dict(one, model=list(one["model"])), dict(other, model=list(other["model"])))
    return rest[0] == rest[1] and all(torch.equal(a, b) for a, b in tensors)


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    save_run(tmp_path, state(), "{}")
    assert same(load_run(tmp_path), state())


def test_any_flipped_bit_is_found_or_does_no_harm(tmp_path: Path) -> None:
    content = save_run(tmp_path, state(), "{}").read_bytes()
    generator = np.random.default_rng(0)
    found = 0
    for place in generator.choice(len(content), 400, replace=False).tolist():
        damaged = bytearray(content)
        damaged[place] ^= 1 << int(generator.integers(8))
        (tmp_path / STATE).write_bytes(damaged)
        try:
            assert same(load_run(tmp_path), state()), place
        except CheckpointError:
            found += 1
    assert found > 100


@pytest.mark.parametrize("size", [0, 1, 100, -100, -1])
def test_a_state_that_is_cut_off_is_damaged(size: int, tmp_path: Path) -> None:
    path = save_run(tmp_path, state(), "{}")
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(CheckpointError, match="damaged"):
        load_run(tmp_path)


def test_no_state_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="got none"):
        load_run(tmp_path)


def test_a_full_disk_is_an_os_error_and_keeps_the_state_before(tmp_path: Path) -> None:
    save_run(tmp_path, {"step": 1}, "{}")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    try:
        with pytest.raises(OSError, match=r"state\.pt|too large"):
            save_run(tmp_path, {"step": 2, "weights": torch.zeros(100_000)}, "{}")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert load_run(tmp_path)["step"] == 1
    assert {path.name for path in tmp_path.iterdir()} == {"state.pt", "config.json"}
