"""The work of `samhq embed`: encodes a picture and stores the result.

Imports torch only inside functions, so that help is fast.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from samhq.batch.job import Item, Outcome
from samhq.batch.reading import EachReadAhead, PictureReader
from samhq.batch.settings import AS_IT_IS, STARTER_MODEL, BandSettings, ModelSettings
from samhq.garbage import collect_as_usual

if TYPE_CHECKING:
    from samhq.inference.cache import EmbeddingCache
    from samhq.inference.segment import Segmenter


@dataclass(frozen=True)
class EmbedWork:
    """Encodes pictures; a call loads the model and gives the function for one picture. Picklable."""

    output: Path
    stored: Literal["float32", "float16"] = "float32"
    model: ModelSettings = STARTER_MODEL
    bands: BandSettings = AS_IT_IS

    def __call__(self) -> EachReadAhead:
        """The function that stores one picture's embedding."""
        from samhq.image.network_inputs import with_inputs
        from samhq.inference.cache import EmbeddingCache
        from samhq.inference.segment import load

        segmenter = load(self.model.model, device=self.model.device, dtype=self.model.dtype)
        collect_as_usual()
        cache = EmbeddingCache(self.output, self.stored)
        pictures = PictureReader(self.bands, lambda path: not cache.knows(path))
        pictures.prepare = partial(with_inputs, form=segmenter.form)
        return EachReadAhead(partial(encode_once, cache, segmenter, pictures), pictures)


def encode_once(cache: EmbeddingCache, segmenter: Segmenter, pictures: PictureReader, item: Item) -> Outcome:
    """Encodes a picture, unless there is a valid file for it.

    Raises:
        ImageError, MissingExtraError: it cannot be read.
        ConfigError, CheckpointError: it cannot be stored.
    """
    from samhq.inference.cache import NOT_THERE

    problem = cache.keep(segmenter, pictures(item.path))
    if problem is None:
        return Outcome(summary="there already")
    return Outcome(summary="encoded" if problem == NOT_THERE else "encoded again, since its file was not whole")
