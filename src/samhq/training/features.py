"""A frozen encoder's features of a few fixed views of each picture, kept on disk: later epochs run only the decoder.

One safetensors file for each view, with its features and the cover of its objects. The name depends on the content of
picture and masks, the encoder's weights, the augmentation and the number of the view. Files are written atomically, so
several runs may share a folder, also at the same time. An unchanged picture whose views all exist is not read again.
Knows nothing about prompts or losses.
"""

from __future__ import annotations

import dataclasses
import json
import math
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from samhq.checkpoint import files
from samhq.datasets.sample import Pictures, Sample, stamp_of
from samhq.errors import CheckpointError, SamHQError
from samhq.model.sam import Sam
from samhq.plural import plural
from samhq.storage import digest
from samhq.storage.documents import parse_json
from samhq.storage.schema import COUNT, Fields, Items
from samhq.training.augment import Augmentation, AugmentedView
from samhq.training.contents import KnownContents
from samhq.training.data import Features, normalised
from samhq.training.labelled import view_of
from samhq.training.start import AFTER_ENCODER

VERSION = 1  #: Version of the files; files of another version are computed again.
_HEADER = "samhq_view"  #: The key of our record in the safetensors metadata.
_VIEW = Fields({"cover": Items(COUNT, 3)})
_SPEAK = 10.0  #: Seconds between messages about the progress.


@dataclass(frozen=True)
class KeptViews:
    """The stored views of a data set: a call with (picture, copy) gives cover and features, or None without objects."""

    paths: Mapping[tuple[int, int], Path]

    def __call__(self, picture: int, copy: int) -> tuple[np.ndarray, Features] | None:
        """The view's cover uint8 [K,S,S] and its features, in the dtype they are stored in.

        Raises:
            CheckpointError: the file was removed or damaged since the run began.
        """
        path = self.paths[picture, copy]
        try:
            with safe_open(str(path), framework="pt") as stream:
                shape = parse_json((stream.metadata() or {}).get(_HEADER, ""), "a header", _VIEW)["cover"]
                if not shape[0]:
                    return None
                tensors: dict[str, Tensor] = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118
            cover = np.frombuffer(zlib.decompress(tensors["cover"].numpy().tobytes()), np.uint8).reshape(shape)
        except (OSError, ValueError, LookupError, SamHQError, SafetensorError, zlib.error) as error:
            raise CheckpointError(
                f"Expected the stored view {path}, which was whole when this run began, got {error}. Start again."
            ) from error
        levels = tuple(tensors[name] for name in sorted(tensors) if name.startswith("level"))
        return cover, Features(tensors["features"], tensors.get("early"), levels)


@dataclass(frozen=True)
class FeatureCache:
    """A folder of views; `dtype` is the type of the stored numbers, `precision` the type of the arithmetic."""

    folder: Path
    augmentation: Augmentation
    copies: int
    dtype: Literal["float32", "float16"] = "float16"
    precision: str = "float32"

    def fill(
        self,
        pictures: Pictures,
        sam: Sam,
        *,
        source: Sequence[str] = (),
        share: tuple[int, int] = (0, 1),
        at_once: int = 4,
        say: Callable[[str], None] = print,
    ) -> KeptViews:
        """Encodes every copy of every picture for which there is no valid file.

        `source` identifies, together with the pictures' own name, the source of pictures, for instance by its path. If
        several processes share the work, each is (rank, count), encodes its part, and must wait for the others before
        it reads.

        Raises:
            ImageError: a picture cannot be read.
            CheckpointError: a file cannot be written, or float16 cannot hold a feature.
        """
        paths: dict[tuple[int, int], Path] = {}
        encoder, spoken, read, made = encoder_hash(sam), time.monotonic(), 0, 0
        contents = KnownContents.open(self.folder, [pictures.name, *source])
        for number, name in enumerate(pictures.names()):
            stamp = stamp_of(pictures, number)
            views = self._known_views(contents.get(name, stamp), encoder, sam)
            if views is None:
                sample, read = pictures[number], read + 1
                content = content_hash(sample)
                contents.note(name, stamp, content)
                views = self._views(content, encoder, sam)
                if number % share[1] == share[0]:
                    made += self._store_missing(sample, sam, views, at_once)
            paths |= {(number, copy): path for copy, path in enumerate(views)}
            if time.monotonic() - spoken > _SPEAK:
                spoken = time.monotonic()
                say(f"features of {number + 1} of {plural(len(pictures), 'picture')}")
                _save(contents, share, say)
        _save(contents, share, say)
        say(
            f"features of {plural(len(pictures), 'picture')} in {self.folder}: "
            f"{plural(read, 'picture')} read, {made} of {plural(len(paths), 'view')} encoded now"
        )
        return KeptViews(paths)

    def _known_views(self, content: str | None, encoder: str, sam: Sam) -> list[Path] | None:
        """The views for that content if all exist; None if the picture must be read."""
        views = None if content is None else self._views(content, encoder, sam)
        return views if views is not None and all(map(is_whole_view, views)) else None

    def _views(self, content: str, encoder: str, sam: Sam) -> list[Path]:
        return [self._path(content, encoder, sam, copy) for copy in range(self.copies)]

    def _store_missing(self, sample: Sample, sam: Sam, views: Sequence[Path], at_once: int) -> int:
        """Stores a picture's missing views and returns their number."""
        missing = [copy for copy, path in enumerate(views) if not is_whole_view(path)]
        for start in range(0, len(missing), at_once):
            self._store(sample, sam, {copy: views[copy] for copy in missing[start : start + at_once]})
        return len(missing)

    def _path(self, content: str, encoder: str, sam: Sam, copy: int) -> Path:
        identity = {
            "version": VERSION,
            "content": content,
            "copy": copy,
            "encoder": encoder,
            "hq": sam.config.hq,
            "how": dataclasses.asdict(self.augmentation),
            "dtype": self.dtype,
            "precision": self.precision,
        }
        name = digest.of_json(json.loads(json.dumps(identity)))
        return self.folder / name[:2] / f"{name[2:40]}.safetensors"

    def _store(self, sample: Sample, sam: Sam, copies: Mapping[int, Path]) -> None:
        views = [view_of(sample, copy, self.augmentation) for copy in copies]
        for view, path, features in zip(views, copies.values(), self._encode(views, sam), strict=True):
            tensors = {} if features is None else self._as_stored(features, path)
            packed = zlib.compress(view.cover.tobytes(), 1)
            tensors["cover"] = torch.frombuffer(bytearray(packed), dtype=torch.uint8)
            record = {"cover": list(view.cover.shape), "name": sample.name}
            files.write_tensors(path, tensors, {_HEADER: json.dumps(record)})

    def _encode(self, views: Sequence[AugmentedView], sam: Sam) -> list[Features | None]:
        """Features of each view; None for a view without objects, which is never used."""
        places = [place for place, view in enumerate(views) if len(view.cover)]
        features: list[Features | None] = [None] * len(views)
        if places:
            norm = sam.config.encoder.normalisation
            pixels = torch.cat([normalised(views[place].image[None], self.augmentation.side, norm) for place in places])
            dtype = getattr(torch, self.precision)
            with torch.no_grad(), torch.autocast(sam.device.type, dtype, enabled=dtype != torch.float32):
                embedding = sam.encode(pixels.to(sam.device), keep_early=True)
            for row, place in enumerate(places):
                early = embedding.early[row, None] if sam.config.hq and embedding.early is not None else None
                levels = tuple(level[row, None] for level in embedding.levels)
                features[place] = Features(embedding.features[row, None], early, levels)
        return features

    def _as_stored(self, features: Features, path: Path) -> dict[str, Tensor]:
        dtype = getattr(torch, self.dtype)
        named = {"features": features.features, "early": features.early}
        named |= {f"level{i}": level for i, level in enumerate(features.levels)}
        tensors = {name: value.to("cpu", dtype).contiguous() for name, value in named.items() if value is not None}
        if not all(bool(tensor.isfinite().all()) for tensor in tensors.values()):
            raise CheckpointError(
                f"Expected features that {self.dtype} can hold, got larger ones for {path}. Say --cache-dtype float32."
            )
        return tensors


def _save(contents: KnownContents, share: tuple[int, int], say: Callable[[str], None]) -> None:
    """Saves the contents; every process knows all of them, so only one writes."""
    if share[0] == 0:
        contents.save(say)


def encoder_hash(sam: Sam) -> str:
    """The SHA-256 of the encoder's weights and side; HQ heads and decoder do not change its output.

    The layers of SAM 2 between the encoder and the decoder count as part of the encoder.
    """
    state: dict[str, Any] = sam.image_encoder.state_dict()
    state |= {name: value for name, value in sam.state_dict().items() if name.startswith(AFTER_ENCODER)}

    def parts() -> Iterator[bytes | memoryview]:
        yield digest.canonical(sam.config.side)
        for name in sorted(state):
            value = state[name].detach().cpu().contiguous()
            yield digest.canonical([name, str(value.dtype), list(value.shape)])
            yield value.reshape(-1).view(torch.uint8).numpy().data

    return digest.of_parts(parts())


def content_hash(sample: Sample) -> str:
    """The SHA-256 of a picture, its masks and its crowd flags."""
    masks = np.packbits(sample.masks)
    shape = digest.canonical([list(sample.image.shape), list(sample.masks.shape), sample.crowd.tolist()])
    return digest.of_bytes(shape, np.ascontiguousarray(sample.image).data, masks.data)


def is_whole_view(path: Path) -> bool:
    """Whether a view is stored there and its file is complete."""
    try:
        with safe_open(str(path), framework="pt") as stream:
            return _HEADER in (stream.metadata() or {})
    except (OSError, SafetensorError):
        return False


def size_in_bytes(sam: Sam, views: int, dtype: str) -> int:
    """The approximate disk space of this many views.

    Most of it are the early features: 12 of 16 MB for a ViT-B in float32.
    """
    config = sam.config
    beside = math.prod(config.encoder.level_hwc(config.side)) if config.has_hq_map else 0
    if config.second:
        beside = config.grid**2 * (16 * config.decoder.mask_dim + 4 * config.decoder.middle_dim)
    floats = config.grid**2 * config.decoder.dim + beside
    return views * floats * (2 if dtype == "float16" else 4)
