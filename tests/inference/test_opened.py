"""Pictures are encoded when somebody needs that, and only then."""

from __future__ import annotations

import numpy as np

from samhq.image.frame import Frame
from samhq.inference.opened import Opened
from samhq.inference.segment import Segmenter
from samhq.model.sam import Sam


def test_opening_a_picture_does_not_encode_it(any_sam: Sam) -> None:
    segmenter, calls = Segmenter(any_sam), []
    handle = any_sam.image_encoder.register_forward_hook(lambda *_: calls.append(1))
    image = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    opened = segmenter._opened(image)
    assert (calls, opened.frame.original_hw, opened.file_name) == ([], (40, 60), None)
    encoded = segmenter.encode(image)
    given = segmenter._opened(encoded)
    assert given.embedding() is encoded.embedding
    assert calls == [1]
    handle.remove()


def test_an_embedding_may_be_anything() -> None:
    opened = Opened(np.zeros((2, 3, 3), np.uint8), Frame.fit((2, 3), 16), lambda: "features")
    assert (opened.embedding(), opened.crops) == ("features", {})
