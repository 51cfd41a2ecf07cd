"""The example of docs/training.md draws COCO files that mean what it drew."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np

from samhq.datasets.open import open_dataset

EXAMPLE = Path(__file__).parents[2] / "examples" / "finetune_coco.py"


def test_the_example_writes_the_cells_that_it_draws(tmp_path):
    spec = importlib.util.spec_from_file_location("finetune_coco", EXAMPLE)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    pictures = open_dataset(example.write_coco(tmp_path / "train", range(2)))
    assert len(pictures) == 2
    for seed in range(2):
        picture, masks = example.draw_cells(np.random.default_rng(seed))
        sample = pictures[seed]
        assert np.array_equal(sample.image, picture)
        assert np.array_equal(sample.masks, masks)
        assert len(sample.objects) == len(masks) >= 3
        assert sample.masks.sum(0).max() == 1, "visible parts share no pixel"
