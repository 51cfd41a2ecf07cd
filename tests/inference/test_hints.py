"""Calls that other libraries know: the message says how it is written here."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from tests.inference.test_segment import picture

from samhq.errors import SamHQError
from samhq.inference.segment import Segmenter
from samhq.model.sam import Sam


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"bbox": [1, 2, 3, 4]}, r"bbox=\. Write box=\[x0, y0, x1, y1\]"),
        ({"point": [1, 2]}, r"Write points=\[\[x, y\]\]"),
        ({"point_coords": [[1, 2]]}, "Write points="),
        ({"boxs": [[1, 2, 3, 4]]}, "Did you mean 'boxes'"),
        ({"multimask_output": True}, "Write multimask=True"),
        ({"masks": [], "box": [1, 2, 3, 4]}, r"prompts=\[samhq\.Prompt\(mask=\.\.\.\)"),
        ({"box": [1, 2, 3, 4], "conf": 0.5}, r"result\.scores"),
        ({"box": [1, 2, 3, 4], "imgsz": 1024}, "no meaning here"),
    ],
)
def test_arguments_of_other_libraries_are_translated(hq: Sam, arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(TypeError, match=said) as caught:
        Segmenter(hq).segment(picture(), **arguments)
    assert isinstance(caught.value, SamHQError)


def test_a_segmenter_says_what_to_call(hq: Sam) -> None:
    segmenter = Segmenter(hq)
    with pytest.raises(TypeError, match=r"Write model\.segment\("):
        segmenter(picture())
    with pytest.raises(AttributeError, match=r"device="):
        segmenter.to("cpu")
    with pytest.raises(AttributeError, match=r"encode\(image\)"):
        segmenter.set_image(picture())
    with pytest.raises(TypeError, match=r"segment_everything\(image, model\)"):
        segmenter(picture())
    for name, instead in (("track", r"load_video_model"), ("train", r"TrainConfig"), ("export", "samhq export")):
        with pytest.raises(AttributeError, match=instead):
            getattr(segmenter, name)
    assert not hasattr(segmenter, "anything")
    assert repr(pickle.loads(pickle.dumps(segmenter))) == repr(segmenter)
    assert repr(copy.deepcopy(segmenter)) == repr(segmenter)
