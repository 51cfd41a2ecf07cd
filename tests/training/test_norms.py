"""Statistics of batch normalisation become those of the pictures, whatever they were; nothing else changes."""

from __future__ import annotations

import torch
from tests import tiny
from torch import nn

from samhq.training.norms import estimate_norms


def test_statistics_do_not_depend_on_what_they_were() -> None:
    found = []
    for offset in (0.0, 5.0):
        sam = tiny.model(tiny.LIGHT)
        norms = [module for module in sam.modules() if isinstance(module, nn.BatchNorm2d)]
        momenta = [norm.momentum for norm in norms]
        weights = {name: value.clone() for name, value in sam.named_parameters()}
        for norm in norms:
            assert norm.running_mean is not None
            norm.running_mean += offset
        estimate_norms(sam, pictures=16, seed=0)
        assert all(torch.equal(value, weights[name]) for name, value in sam.named_parameters())
        assert [norm.momentum for norm in norms] == momenta
        assert norms
        found.append([norm.running_mean for norm in norms])
    for some, other in zip(*found, strict=True):
        torch.testing.assert_close(some, other)
        assert some is not None
        assert some.abs().max() > 0


def test_a_network_without_them_stays_as_it_is() -> None:
    sam = tiny.model(tiny.HQ)
    before = {name: value.clone() for name, value in sam.state_dict().items()}
    estimate_norms(sam, pictures=16, seed=0)
    assert all(torch.equal(value, before[name]) for name, value in sam.state_dict().items())
