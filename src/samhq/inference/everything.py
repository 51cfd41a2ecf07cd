"""`segment_everything`: masks for everything in a picture. Knows nothing about commands."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

from samhq.errors import ConfigError
from samhq.image.inputs import PictureInput
from samhq.image.read import file_name_of, read_image
from samhq.inference.automatic import propose
from samhq.inference.segment import EncodedImage, Segmenter, load
from samhq.model.sam import Sam, network_of
from samhq.progress import Watch, progress_bar
from samhq.results.automatic_config import AutomaticConfig, as_config
from samhq.results.everything import Everything
from samhq.types import ImageEmbedding


def segment_everything(
    image: PictureInput | EncodedImage,
    model: Segmenter | nn.Module | str | None = None,
    *,
    config: AutomaticConfig | None = None,
    keep_all: bool = False,
    progress: bool | Watch = False,
    **options: Any,
) -> Everything:
    """Masks for everything in a picture, by segment-anything's automatic mask generation.

    `image` is a picture, as for `Segmenter.encode`, or an `EncodedImage`. `model` is a value that `samhq.load` returns
    or takes; None means the starter. `options` are fields of `AutomaticConfig`, such as `points_per_side=16`. They
    change `config`, or without `config` the model's defaults. With `keep_all` every decoded mask is kept, so that
    `Everything.filter` can also use lower thresholds. `progress=True` shows a bar; a function is called with the number
    of points done and of all points.

    Raises:
        ImageError: the picture cannot be read.
        ConfigError: an unknown option, a value that cannot be used, a picture that another model encoded, or a model
            in place of the picture.
        CheckpointError: the model cannot be loaded.
    """
    if isinstance(image, (Segmenter, nn.Module)):
        raise ConfigError(
            f"Expected a picture, then a model, got a {type(image).__name__} as the picture. "
            "Write segment_everything(image, model)."
        )
    sam = as_sam(model)
    chosen = as_config(config, options, sam.config.defaults)
    if isinstance(image, EncodedImage):
        picture, embedding, file_name = image.image, _embedding_for(sam, image), image.file_name
    else:
        picture, embedding, file_name = read_image(image), None, file_name_of(image)
    with _watching(progress) as watch:
        proposals = propose(sam, picture, chosen, embedding=embedding, keep_all=keep_all, watch=watch)
    free = {"pred_iou_thresh": 0.0, "stability_score_thresh": 0.0, "draft_first": False}
    ran = chosen.replace(**free) if keep_all else chosen
    return Everything(picture, proposals, chosen, ran, sam.config.name, file_name)


def _embedding_for(sam: Sam, encoded: EncodedImage) -> ImageEmbedding:
    """The embedding on the model's device and in its dtype.

    Raises:
        ConfigError: another model encoded it, whose features would give wrong masks.
    """
    expected = sam.config.name, sam.config.side, sam.config.has_hq_map
    if (encoded.model, encoded.frame.side, encoded.embedding.hq is not None) != expected:
        raise ConfigError(
            f"Expected a picture encoded by {sam.config.name} for a square of {sam.config.side} pixels, got one "
            f"encoded by {encoded.model} for {encoded.frame.side}. Encode it with the model that segments it."
        )
    return encoded.embedding.to(sam.device).to(sam.dtype)


def as_sam(model: Segmenter | nn.Module | str | None) -> Sam:
    """The network of a segmenter, or of a model name, file or hub id, in evaluation mode."""
    if isinstance(model, nn.Module):
        return network_of(model).eval()
    return (model if isinstance(model, Segmenter) else load(model)).model


@contextmanager
def _watching(progress: bool | Watch) -> Iterator[Watch | None]:
    """The function to call after each batch: None, the given function, or one that moves a bar on stderr."""
    if progress is True:
        with progress_bar("point") as show:
            yield show
    else:
        yield progress or None
