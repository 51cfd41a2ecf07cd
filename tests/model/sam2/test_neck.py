"""Three maps of the decoder's width; only the middle one takes something from the coarsest stage."""

from __future__ import annotations

import torch

from samhq.model.sam2.neck import FpnNeck

WIDTHS = (2, 3, 4, 5)


def stages(seed: int = 0) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(2, width, 16 >> i, 16 >> i, generator=generator) for i, width in enumerate(WIDTHS)]


def test_maps_have_the_strides_of_the_three_finest_stages() -> None:
    maps = FpnNeck(WIDTHS, 6)(stages())
    assert [tuple(m.shape) for m in maps] == [(2, 6, 16, 16), (2, 6, 8, 8), (2, 6, 4, 4)]


def test_only_the_coarsest_map_depends_on_the_coarsest_stage() -> None:
    neck, given = FpnNeck(WIDTHS, 6), stages()
    before = neck(given)
    after = neck([*given[:3], stages(1)[3]])
    assert torch.equal(before[0], after[0])
    assert torch.equal(before[1], after[1])
    change = after[2] - before[2]
    assert change.abs().max() > 0
    torch.testing.assert_close(change[..., ::2, ::2], change[..., 1::2, 1::2])  # each coarse cell covers two by two


def test_convolutions_are_numbered_from_the_coarsest_stage() -> None:
    assert [conv.conv.in_channels for conv in FpnNeck(WIDTHS, 6).convs] == [5, 4, 3, 2]
