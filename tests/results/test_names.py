"""Names of other libraries' results: the error says what to use."""

from __future__ import annotations

import copy
import pickle
import re

import numpy as np
import pytest

from samhq.image.frame import Frame
from samhq.results.names import _ELSEWHERE
from samhq.results.segmentation import Segmentation

RESULT = Segmentation.empty(np.zeros((4, 5, 3), np.uint8), Frame.fit((4, 5), 64), "tiny")


@pytest.mark.parametrize("name", _ELSEWHERE)
def test_a_name_of_another_library_says_what_to_use(name: str) -> None:
    with pytest.raises(AttributeError, match=r"has no attribute '\w+'\. Use \w") as caught:
        getattr(RESULT, name)
    mine = re.split(r"[(,. \[]", _ELSEWHERE[name])[0]
    assert mine == "nothing:" or hasattr(RESULT, mine), caught.value


def test_other_attributes_are_as_ever() -> None:
    assert not hasattr(RESULT, "anything")
    assert getattr(RESULT, "anything", 3) == 3
    assert RESULT.boxes.shape == copy.deepcopy(RESULT).boxes.shape == pickle.loads(pickle.dumps(RESULT)).boxes.shape
