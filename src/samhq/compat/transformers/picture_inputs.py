"""The inputs of transformers' pipelines: a picture, a list, a data set or an iterator; by path, address or content.

Knows nothing about the use of pictures.
"""

from __future__ import annotations

import urllib.request
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from torch.utils.data import Dataset, IterableDataset

from samhq.errors import ImageError, naming

_ONE_PICTURE = (str, bytes, bytearray, memoryview)  #: Sequences that are a picture's name or content.


def outputs_for(image: Any, output_of: Callable[[Any], Any]) -> Any:
    """The output for a picture, a list for a list of pictures, or outputs one by one for a data set or an iterator."""
    if isinstance(image, (list, tuple)):
        return list(Outputs(image, output_of))
    if isinstance(image, Iterator):
        return iter(Outputs(image, output_of))
    if isinstance(image, Dataset) or (isinstance(image, Sequence) and not isinstance(image, _ONE_PICTURE)):
        return Outputs(image, output_of)
    return output_of(image)


class Outputs:
    """A pipeline's results for several pictures, each computed when it is taken, and again in each iteration."""

    def __init__(self, pictures: Any, output_of: Callable[[Any], Any]) -> None:
        self._pictures, self._output_of = pictures, output_of

    def __len__(self) -> int:
        return len(self._pictures)

    def __iter__(self) -> Iterator[Any]:
        """Raises as the pipeline itself, and names the picture."""
        pictures, counted = self._pictures, hasattr(self._pictures, "__len__")
        # A data set with an index need not have an end; then its length gives it.
        numbered = counted and not isinstance(pictures, IterableDataset)
        walked = (pictures[number] for number in range(len(pictures))) if numbered else pictures
        for number, picture in enumerate(walked):
            with naming("image", number, len(pictures) if counted else None):
                output = self._output_of(picture)
            yield output


def fetched_if_address(image: Any, timeout: float | None) -> Any:
    """The bytes behind an http(s) address; anything else unchanged."""
    if not isinstance(image, str) or not image.startswith(("http://", "https://")):
        return image
    try:
        with urllib.request.urlopen(image, timeout=timeout) as response:
            return response.read()
    except (OSError, ValueError) as error:
        raise ImageError(f"Expected a picture at {image}, got {error}. Check the address and the network.") from error
