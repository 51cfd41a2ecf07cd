"""Where objects went, by features alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from samhq.image.frame import Frame
from samhq.types import ImageEmbedding
from samhq.video.matching import CELLS, Reference, matching_features, propagate, shares_of

SHARES = torch.zeros(2, 9, 12)
SHARES[0, 2:5, 3:6] = 1.0
SHARES[1, 6:8, 8:11] = 0.5


def features() -> Tensor:
    return F.normalize(torch.randn(64, 9, 12, generator=torch.Generator().manual_seed(0)), dim=0)


def test_shares_go_where_their_features_went() -> None:
    before = features()
    after = before.roll((1, -2), (1, 2))
    found = propagate(after, [Reference(before, SHARES, 3)])
    inside = (slice(None), slice(1, None), slice(None, -2))  # Cells whose features were in the picture before.
    assert torch.allclose(found[inside], SHARES.roll((1, -2), (1, 2))[inside], atol=0.05)


def test_cells_beyond_the_reach_are_not_looked_at() -> None:
    before = features()
    found = propagate(before.roll(3, 2), [Reference(before, SHARES, 2)])
    assert (found - SHARES.roll(3, 2)).abs().max() > 0.5


def test_the_best_of_several_frames_counts() -> None:
    seen, other = features(), F.normalize(torch.randn(64, 9, 12, generator=torch.Generator().manual_seed(1)), dim=0)
    nothing = Reference(other, torch.zeros_like(SHARES), 9)
    assert torch.allclose(propagate(seen, [nothing, Reference(seen, SHARES, 9), nothing]), SHARES, atol=0.05)


def test_pieces_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    references = [Reference(features(), SHARES, 4)]
    whole = propagate(features().roll(1, 1), references)
    monkeypatch.setattr("samhq.video.matching._AT_ONCE", 200)
    assert torch.allclose(propagate(features().roll(1, 1), references), whole, atol=1e-6)


@pytest.mark.parametrize("hq", [True, False])
@pytest.mark.parametrize("squash", [True, False])
def test_features_cover_the_picture_alone(squash: bool, hq: bool) -> None:
    """Values that tell where they are: each cell gets those of its place in the picture, not in the padded square."""
    frame = Frame.fit((90, 160), 128, squash=squash)
    ramp = torch.linspace(-1, 1, 33)[:-1] + 1 / 32  # From side to side of the square.
    map_ = torch.stack([ramp.expand(32, 32), ramp[:, None].expand(32, 32), torch.ones(32, 32)])[None]
    found = matching_features(ImageEmbedding(map_, hq=map_ if hq else None), frame)
    assert found.shape == ((6 if hq else 3), 36, CELLS)
    assert torch.allclose(found.norm(dim=0), torch.ones(36, CELLS), atol=1e-5)
    across, down, one = found[:3, 17, 40]
    height = 1 if squash else frame.resized_hw[0] / 128
    assert float(across / one) == pytest.approx(2 * 40.5 / 64 - 1, abs=0.03)
    assert float(down / one) == pytest.approx(2 * height * 17.5 / 36 - 1, abs=0.03)


def test_shares_are_parts_of_cells() -> None:
    mask = np.zeros((6, 8), bool)
    mask[:3, :2] = mask[0, 4] = True
    assert shares_of(mask, (2, 2)).tolist() == [[0.5, pytest.approx(1 / 12)], [0.0, 0.0]]
