from __future__ import annotations

import pytest

from samhq.cli.prompts import box_from_text, point_from_text
from samhq.errors import PromptError


@pytest.mark.parametrize("text", ["", ",", "1,", "1;2", "1,2,", "1,2,0.5", "1,2,1,1", "inf,2", "0x1,2"])
def test_texts_that_are_no_point(text: str) -> None:
    with pytest.raises(PromptError, match="x,y"):
        point_from_text(text)


@pytest.mark.parametrize("text", ["", "1,2,3", "1,2,3,4,5", "3,2,1,4", "1,2,1,4", "1,2,3,nan"])
def test_texts_that_are_no_box(text: str) -> None:
    with pytest.raises(PromptError, match="x0,y0,x1,y1"):
        box_from_text(text)
