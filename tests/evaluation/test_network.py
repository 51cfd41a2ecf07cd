"""A network is measured in evaluation mode and afterwards is as it was, also after an error."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch
from tests import tiny

from samhq.evaluation.network import measuring
from samhq.inference.segment import Segmenter


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("fails", [True, False])
def test_the_mode_comes_back(training: bool, fails: bool) -> None:
    sam = tiny.model(tiny.PLAIN).train(training)
    with pytest.raises(ZeroDivisionError) if fails else nullcontext(), measuring(sam) as network:
        assert network is sam
        assert not network.training
        assert not torch.is_grad_enabled()
        if fails:
            raise ZeroDivisionError
    assert sam.training is training
    assert torch.is_grad_enabled()


def test_the_network_inside_a_segmenter_is_measured() -> None:
    sam = tiny.shared(tiny.PLAIN)
    with measuring(Segmenter(sam)) as network:
        assert network is sam
