"""One picture gives one output, a list a list; data sets and iterators give outputs one by one, when they are taken."""

from __future__ import annotations

from typing import Any

import pytest
from torch.utils.data import Dataset

from samhq.compat.transformers.picture_inputs import fetched_if_address, outputs_for
from samhq.errors import ImageError


class Five(Dataset):
    """A data set with an index and a length, whose index has no end."""

    def __len__(self) -> int:
        return 5

    def __getitem__(self, index: int) -> int:
        return index


def test_the_form_of_the_input_is_that_of_the_output() -> None:
    taken: list[Any] = []

    def output_of(picture: Any) -> Any:
        taken.append(picture)
        return picture * 2

    assert outputs_for(3, output_of) == 6
    assert outputs_for("ab", output_of) == "abab"
    assert outputs_for([1, 2], output_of) == [2, 4]
    assert outputs_for((), output_of) == []
    taken.clear()
    later = outputs_for(Five(), output_of)
    assert (len(later), taken) == (5, [])
    assert list(later) == list(later) == [0, 2, 4, 6, 8]
    stream = outputs_for(iter([1, 2]), output_of)
    taken.clear()
    assert (next(stream), taken) == (2, [1])


def test_an_error_names_the_picture() -> None:
    def output_of(picture: int) -> int:
        if picture == 3:
            raise ImageError("Expected a picture.")
        return picture

    with pytest.raises(ImageError, match="3"):
        list(outputs_for(Five(), output_of))


def test_only_addresses_are_fetched() -> None:
    for image in ("photo.jpg", b"bytes", 3):
        assert fetched_if_address(image, None) is image
    with pytest.raises(ImageError, match=r"127\.0\.0\.1:1/a\.png"):
        fetched_if_address("http://127.0.0.1:1/a.png", 5)
