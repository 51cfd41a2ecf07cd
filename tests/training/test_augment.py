from __future__ import annotations

import numpy as np
import pytest

from samhq.datasets.sample import Sample, labelled
from samhq.training.augment import HALF, Augmentation, augment


def _sample(height: int = 40, width: int = 60) -> Sample:
    rng = np.random.default_rng(0)
    masks = np.zeros((2, height, width), bool)
    masks[0, 5:30, 10:25], masks[1, 20:38, 30:55] = True, True
    image = np.full((height, width, 3), 10, np.uint8)
    image[masks[0]], image[masks[1]] = (250, 0, 0), (0, 250, 0)
    image += rng.integers(0, 3, image.shape).astype(np.uint8)
    return labelled("a", image, masks)


class Fixed(np.random.Generator):
    """A generator whose draws are given: mirroring, factor, across, down."""

    def __init__(self, flip: float, factor: float, across: float = 0.0, down: float = 0.0) -> None:
        super().__init__(np.random.PCG64(0))
        self.randoms, self.factor = [flip, across, down], factor

    def random(self) -> float:
        return self.randoms.pop(0)

    def uniform(self, *_: float) -> float:
        return self.factor

    def permutation(self, count: int) -> np.ndarray:
        return np.arange(count)


def test_the_picture_and_its_masks_stay_together():
    """Wherever the cut lies and whatever the factor, the red object's mask is where red is."""
    for seed in range(40):
        view = augment(_sample(), Augmentation(64, scale=(0.4, 2.0)), np.random.default_rng(seed))
        height, width = view.image.shape[:2]
        assert max(height, width) <= 64
        assert view.cover.shape[1:] == (64, 64)
        red = (view.image[..., 0] > 130) & (view.image[..., 1] < 130)
        green = (view.image[..., 1] > 130) & (view.image[..., 0] < 130)
        inside = view.cover[:, :height, :width] >= HALF
        for mask in inside:
            assert (mask & (red | green)).sum() >= 0.9 * mask.sum()
            assert not ((mask & red).sum() > 5 and (mask & green).sum() > 5)
        assert not view.cover[:, height:].any()
        assert not view.cover[:, :, width:].any()


def test_size_mirroring_and_padding_at_factor_one():
    plain = augment(_sample(), Augmentation(120), Fixed(0.9, 1.0))
    assert plain.image.shape == (80, 120, 3)
    assert plain.cover.shape == (2, 120, 120)
    same = augment(_sample(), Augmentation(60), Fixed(0.9, 1.0))
    turned = augment(_sample(), Augmentation(60), Fixed(0.1, 1.0))
    assert np.array_equal(same.image, _sample().image)
    assert np.array_equal(turned.image, _sample().image[:, ::-1])
    assert np.array_equal(turned.cover[0, :40] >= HALF, _sample().masks[0][:, ::-1])


def test_half_of_the_pictures_are_mirrored():
    image = np.zeros((8, 8, 3), np.uint8)
    image[:, :4] = 200
    sample = labelled("a", image, np.ones((1, 8, 8), bool))
    how = Augmentation(8, flip=0.5, scale=(1.0, 1.0))
    left = [augment(sample, how, np.random.default_rng(seed)).image[0, 0, 0] > 100 for seed in range(300)]
    assert 0.4 < np.mean(left) < 0.6


def test_what_leaves_the_picture_is_not_asked_for_and_crowds_never_are():
    sample = _sample()
    corner = augment(sample, Augmentation(20, scale=(4.0, 4.0)), Fixed(0.9, 4.0, across=0.0, down=0.0))
    assert len(corner.cover) == 1, "only the upper left object is left in the cut"
    crowd = Sample("a", sample.image, sample.masks, (1, 2), ("", ""), np.array([True, False]))
    assert len(augment(crowd, Augmentation(64), Fixed(0.9, 1.0)).cover) == 1
    empty = labelled("b", sample.image, np.zeros((1, 40, 60), bool))
    assert augment(empty, Augmentation(64), Fixed(0.9, 1.0)).cover.shape == (0, 64, 64)


def test_one_pixel_is_an_object_as_long_as_it_is_a_pixel():
    image, mask = np.zeros((32, 32, 3), np.uint8), np.zeros((1, 32, 32), bool)
    mask[0, 7, 9] = True
    view = augment(labelled("a", image, mask), Augmentation(32), Fixed(0.9, 1.0))
    assert np.argwhere(view.cover[0] >= HALF).tolist() == [[7, 9]]
    assert len(augment(labelled("a", image, mask), Augmentation(8), Fixed(0.9, 1.0)).cover) == 0


def test_the_published_way_does_not_antialias_truncates_and_pads_with_grey():
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[::8] = 255
    sample = labelled("a", stripes, np.ones((1, 64, 64), bool))
    fair = augment(sample, Augmentation(16), Fixed(0.9, 0.5))
    published = augment(sample, Augmentation(16, published=True), Fixed(0.9, 0.5))
    assert fair.image.shape == (8, 8, 3)
    assert published.image.shape == (16, 16, 3)
    assert (published.image[8:] == 128).all()
    assert fair.image.mean() == pytest.approx(stripes.mean(), abs=1)
    assert (published.image[:8, :8] == 0).all(), "every eighth line falls between the samples"


def test_a_hairline_of_a_picture_keeps_a_pixel():
    sample = labelled("a", np.zeros((500, 2, 3), np.uint8), np.ones((1, 500, 2), bool))
    view = augment(sample, Augmentation(16), Fixed(0.9, 1.0))
    assert view.image.shape == (16, 1, 3)
    assert view.cover[0, :, 0].all()
