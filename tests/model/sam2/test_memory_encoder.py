"""A memory depends on its own mask and features, cell by cell; parity with the original is in `tests/golden`."""

from __future__ import annotations

import torch

from samhq.model.sam2.memory_encoder import FuserBlock, MaskDownSampler, MemoryEncoder


def test_sixteen_pixels_become_one_cell() -> None:
    torch.manual_seed(0)
    sampler, masks = MaskDownSampler(8), torch.rand(2, 1, 64, 64)
    changed = masks.clone()
    changed[0, :, :16, :16] += 1
    with torch.no_grad():
        before, after = sampler(masks), sampler(changed)
    assert before.shape == (2, 8, 4, 4)
    differs = (before != after).any(1)
    assert differs[0, 0, 0]
    assert not differs[0, 3, 3]
    assert not differs[1].any()


def test_a_block_begins_close_to_the_identity() -> None:
    torch.manual_seed(0)
    block, x = FuserBlock(8), torch.randn(1, 8, 4, 4)
    with torch.no_grad():
        torch.testing.assert_close(block(x), x, atol=1e-4, rtol=0)
        block.gamma.fill_(1.0)
        assert (block(x) - x).abs().max() > 1e-2


def test_objects_do_not_mix() -> None:
    torch.manual_seed(0)
    encoder = MemoryEncoder(dim=8, out=4, depth=2)
    features, masks = torch.randn(3, 8, 4, 4), torch.rand(3, 1, 64, 64)
    with torch.no_grad():
        together = encoder(features, masks)
        alone = torch.cat([encoder(features[i : i + 1], masks[i : i + 1]) for i in range(3)])
        masks[1] += 1
        other = encoder(features, masks)
    assert together.shape == (3, 4, 4, 4)
    torch.testing.assert_close(together, alone)
    torch.testing.assert_close(together[[0, 2]], other[[0, 2]])
    assert (together[1] - other[1]).abs().max() > 1e-4
