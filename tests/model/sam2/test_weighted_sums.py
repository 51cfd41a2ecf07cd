from __future__ import annotations

import pytest
import torch
from torch import Tensor

from samhq.model.sam2 import weighted_sums as module
from samhq.model.sam2.weighted_sums import Block, weighted_sums, whole_blocks


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def expected(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    return (queries @ keys.mT).softmax(-1) @ values


@pytest.mark.parametrize("budget", [1, 40, 1 << 19])
def test_sums_do_not_depend_on_the_size_of_pieces(budget: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOGIT_BUDGET", budget)
    monkeypatch.setattr(module, "_KEYS", 8)
    queries, keys, values = drawn(7, 6), drawn(21, 6), drawn(21, 3)
    sums = weighted_sums(queries, whole_blocks(keys, values))
    assert sums is not None
    torch.testing.assert_close(sums, expected(queries, keys, values))


def test_a_turn_replaces_the_last_channels_of_queries() -> None:
    queries, plain, turned = drawn(7, 6), drawn(5, 6), drawn(4, 5)
    turn, values = drawn(3, 4), drawn(9, 2)
    blocks = [Block(turned, values[:4], turn), Block(plain, values[4:]), Block(turned + 1, values[:4], turn * 2)]
    found = weighted_sums(queries, blocks)
    # A key's last three channels t are those of the whole key turn^T t.
    whole = torch.cat(
        [
            torch.cat([turned[:, :2], turned[:, 2:] @ turn], 1),
            plain,
            torch.cat([turned[:, :2] + 1, (turned[:, 2:] + 1) @ turn * 2], 1),
        ]
    )
    assert found is not None
    torch.testing.assert_close(found, expected(queries, whole, torch.cat([values, values[:4]])))


@pytest.mark.parametrize("logit", [200.0, -200.0, 75.0, -75.0, float("nan")])
def test_sums_that_float32_cannot_hold_well_are_refused(logit: float) -> None:
    assert weighted_sums(torch.full((3, 1), logit), whole_blocks(torch.ones(4, 1), drawn(4, 2))) is None


@pytest.mark.parametrize("logit", [60.0, -60.0])
def test_large_sums_are_as_exact_as_others(logit: float) -> None:
    keys, values = torch.ones(4, 1), drawn(4, 2)
    sums = weighted_sums(torch.full((3, 1), logit), whole_blocks(keys, values))
    assert sums is not None
    torch.testing.assert_close(sums, values.mean(0).expand(3, -1))
