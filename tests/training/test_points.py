from __future__ import annotations

import numpy as np
import pytest
import torch

from samhq.training.losses import mask_loss
from samhq.training.points import at_points, sampled, unsure_points
from samhq.training.recipes import LossWeights


def by_hand(image: np.ndarray, x: float, y: float) -> float:
    """Bilinear interpolation between pixel centres, beyond the last as there: the definition, one point at a time."""
    height, width = image.shape
    column, row = np.clip(x * width - 0.5, 0, width - 1), np.clip(y * height - 0.5, 0, height - 1)
    near = [(i, j) for i in range(height) for j in range(width) if abs(row - i) < 1 and abs(column - j) < 1]
    return sum(image[i, j] * (1 - abs(row - i)) * (1 - abs(column - j)) for i, j in near)


def test_values_between_pixels_are_the_bilinear_ones():
    torch.manual_seed(0)
    maps, places = torch.randn(2, 5, 7), torch.rand(2, 40, 2)
    found = sampled(maps, places)
    for m in range(2):
        for n, (x, y) in enumerate(places[m].tolist()):
            assert found[m, n].item() == pytest.approx(by_hand(maps[m].numpy(), x, y), abs=1e-5)


def test_three_quarters_of_the_points_are_where_the_mask_is_unsure():
    torch.manual_seed(0)
    logits = torch.linspace(-8, 8, 32).expand(1, 32, 32)
    doubt = sampled(logits, unsure_points(logits, 400)).abs()[0]
    # Of three times as many points the unsure quarter and a half of all; the rest anywhere, sure or not.
    assert doubt[:300].max() < 0.3 * 8
    assert doubt[300:].max() > 0.8 * 8
    assert doubt.shape == (400,)


def test_the_loss_on_points_is_the_published_formula():
    """Means of cross-entropy over points, one minus soft dice with one above and below: computed by NumPy."""
    torch.manual_seed(3)
    logits, target = torch.randn(2, 1, 8, 8) * 3, (torch.rand(2, 32, 32) > 0.5).float()
    weights = LossWeights(points=300)
    torch.manual_seed(5)
    loss = mask_loss(logits, target, weights)
    torch.manual_seed(5)
    places = unsure_points(logits.flatten(0, 1), 300).numpy()
    for p in range(2):
        z = np.array([by_hand(logits[p, 0].numpy(), x, y) for x, y in places[p]])
        t = np.array([by_hand(target[p].numpy(), x, y) for x, y in places[p]])
        s = 1 / (1 + np.exp(-z))
        cross_entropy = -(t * np.log(s) + (1 - t) * np.log(1 - s)).mean()
        dice = 1 - (2 * (s * t).sum() + 1) / (s.sum() + t.sum() + 1)
        assert loss[p, 0].item() == pytest.approx(cross_entropy + dice, abs=1e-4)


def test_each_mask_of_a_prompt_has_points_of_its_own_and_the_same_truth():
    torch.manual_seed(0)
    logits, target = torch.randn(2, 3, 8, 8), torch.rand(2, 16, 16)
    said, true = at_points(logits, target, 50)
    assert said.shape == true.shape == (2, 3, 1, 50)
    assert not torch.equal(true[0, 0], true[0, 1])


@pytest.mark.parametrize("pixels", [0, 1])
def test_an_empty_and_a_one_pixel_mask_have_a_finite_loss_and_gradient(pixels):
    target = torch.zeros(1, 16, 16)
    target.view(-1)[:pixels] = 1
    logits = torch.full((1, 1, 4, 4), -20.0, requires_grad=True)
    loss = mask_loss(logits, target, LossWeights(points=64))
    loss.sum().backward()
    assert loss.isfinite().all()
    assert logits.grad.isfinite().all()
    if not pixels:
        assert loss.item() < 1e-3, "nothing said about nothing costs nothing"


def test_the_truth_decides_at_its_own_resolution():
    """A line thinner than a low-resolution pixel is seen by points, and not by the mask's own pixels."""
    torch.manual_seed(0)
    target = torch.zeros(1, 64, 64)
    target[:, :, 31] = 1
    none = torch.full((1, 1, 16, 16), -6.0)
    line = none.clone()
    line[..., 7] = 2
    weights = LossWeights(points=4000)
    assert mask_loss(line, target, weights) < mask_loss(none, target, weights)
