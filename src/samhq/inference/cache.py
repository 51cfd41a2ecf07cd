"""Embeddings on disk, so that each model encodes a picture only once.

One safetensors file for each picture. Its name depends on the content of picture, model and preprocessing. Every file
is checked when it is read, and a file that fails its checks is computed again. Files are written atomically, so
processes may share a folder. Knows nothing about prompts.
"""

from __future__ import annotations

import dataclasses
import json
import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from samhq.checkpoint import files
from samhq.checkpoint.fingerprint import tensors_hash, weights_hash
from samhq.config import ModelConfig
from samhq.errors import CheckpointError, ConfigError, SamHQError, did_you_mean
from samhq.image.frame import Frame
from samhq.image.inputs import PictureInput
from samhq.image.read import ReadPicture, file_name_of, read_image
from samhq.inference.segment import EncodedImage, Segmenter
from samhq.model.sam import Sam
from samhq.storage import digest
from samhq.storage.documents import parse_json
from samhq.storage.schema import TEXT, Fields
from samhq.types import ImageEmbedding

#: Number type of stored embeddings.
Stored = Literal["float32", "float16"]

NOT_THERE = "not there"  #: The answer of `EmbeddingCache.problem` for a picture that was never stored.

VERSION = 1  #: Version of the files; files of another version are computed again.
_HEADER = "samhq_embedding"  #: The key of our record in the safetensors metadata.
_SOURCES = "sources"  #: The folder that maps files' bytes to pictures.
_DTYPES: dict[Stored, torch.dtype] = {"float32": torch.float32, "float16": torch.float16}


class EmbeddingCache:
    """A folder of embeddings: features and, for HQ models, the image-level HQ map; never early features.

    `dtype` is the number type on disk. "float32" gives exactly the result of encoding. "float16" takes half the space
    and gives nearly the same masks. None, the default, stores float32 and reads either type, float32 first.

    A file belongs to the decoded picture, to the weights as loaded (another dtype is another model), to the
    architecture, and to the size, mean and deviation of the input. A file that is stale, truncated, foreign or changed
    is computed again. Processes and machines may share the folder.

    Raises:
        ConfigError: `folder` is a file, or another `dtype`.
    """

    def __init__(self, folder: str | os.PathLike[str], dtype: Stored | None = None) -> None:
        if dtype is not None and dtype not in _DTYPES:
            known = get_args(Stored)
            raise ConfigError(f"Expected a dtype to store, got {dtype!r}. {did_you_mean(str(dtype), known)}")
        self.folder = Path(folder)
        self.dtype = dtype
        if self.folder.exists() and not self.folder.is_dir():
            raise ConfigError(f"Expected a folder for embeddings, got the file {self.folder}. Give another.")

    def get_or_encode(self, model: Segmenter, image: PictureInput) -> EncodedImage:
        """The picture as `model.encode(image)` gives it, read from the folder or computed and stored.

        `image` is whatever `Segmenter.encode` takes. The result does not depend on whether it was stored before: with
        "float16" it is rounded in both cases.

        Raises:
            ImageError: it cannot be read as a picture.
            ConfigError: values that float16 cannot hold.
            CheckpointError: the folder cannot be written.
        """
        picture = read_image(image)
        stored = self._find(model, picture, image)
        if stored is not None:
            return stored
        encoded = dataclasses.replace(model.encode(_already_read(image, picture)), file_name=file_name_of(image))
        self.put(model, encoded, source=image)
        return dataclasses.replace(encoded, embedding=_restored(_stored(encoded.embedding, self._writes), model.model))

    def get(self, model: Segmenter, image: PictureInput) -> EncodedImage | None:
        """The picture as this model encoded it, or None if there is no valid file.

        Raises:
            ImageError: it cannot be read as a picture.
        """
        return self._find(model, read_image(image), image)

    def put(self, model: Segmenter, encoded: EncodedImage, source: PictureInput | None = None) -> Path:
        """Stores the embedding of a picture and returns the file, which is written atomically.

        `source` is the origin of the picture. For a path or bytes, their hash is stored too, so that `problem` need not
        decode the picture.

        Raises:
            ConfigError: values that float16 cannot hold, or a picture that another kind of model encoded.
            CheckpointError: the folder cannot be written.
        """
        identity = _identity(model.model, digest.of_array(encoded.image), self._writes)
        tensors = _stored(encoded.embedding, self._writes)
        if problem := _mismatch(tensors, model.model.config, self._writes):
            raise ConfigError(
                f"Expected a picture that {model.name} encoded, got {problem}. Encode it with this model."
            )
        source_hash = _source_hash(source)
        record = identity | {
            "original_hw": list(encoded.frame.original_hw),
            "resized_hw": list(encoded.frame.resized_hw),
            "source": {"name": _source_name(source), "sha256": source_hash},
        }
        record["sha256"] = _checksum(record, tensors)
        path = self._path(identity)
        files.write_tensors(path, tensors, {_HEADER: json.dumps(record)})
        self._remember_source(source_hash, identity["picture"])
        return path

    def problem(self, model: Segmenter, image: PictureInput) -> str | None:
        """Why the picture has to be encoded: `NOT_THERE`, or the file's fault; None if the file is valid.

        A file or bytes that were stored before with this content are not decoded again.

        Raises:
            ImageError: it cannot be read as a picture.
        """
        known = self._known_picture(_source_hash(image))
        return self._read(model.model, known or digest.of_array(read_image(image)))[1]

    def knows(self, image: PictureInput) -> bool:
        """Whether a file or bytes with this content were stored before, by any model: `keep` may need no pixels."""
        return self._known_picture(_source_hash(image)) is not None

    def keep(self, model: Segmenter, image: PictureInput) -> str | None:
        """Encodes and stores the picture if there is a `problem`, and returns that problem.

        Raises:
            ImageError, ConfigError, CheckpointError: as `get_or_encode`.
        """
        known = self._known_picture(_source_hash(image))
        if known is not None and self._read(model.model, known)[0] is not None:
            return None
        picture = read_image(image)
        problem = self._read(model.model, digest.of_array(picture))[1]
        if problem is None:
            self._remember_source(_source_hash(image), digest.of_array(picture))
        else:
            self.put(model, model.encode(_already_read(image, picture)), source=image)
        return problem

    @property
    def _writes(self) -> Stored:
        return self.dtype or "float32"

    def _find(self, model: Segmenter, picture: np.ndarray, source: Any) -> EncodedImage | None:
        """The encoded picture of `source`, if it is stored."""
        embedding = self._read(model.model, digest.of_array(picture))[0]
        if embedding is None:
            return None
        config = model.model.config
        frame = Frame.fit(picture.shape[:2], config.side, squash=config.second)
        return EncodedImage(picture, embedding, frame, model.name, file_name_of(source))

    def _read(self, model: Sam, picture: str) -> tuple[ImageEmbedding | None, str | None]:
        """The embedding of the picture with that hash, ready for the model, or the reason why there is none."""
        problem = None
        for dtype in (self.dtype,) if self.dtype else _DTYPES:
            identity = _identity(model, picture, dtype)
            path = self._path(identity)
            try:
                return _restored(read_embedding(path, identity, model.config), model), None
            except FileNotFoundError:
                problem = problem or NOT_THERE
            except CheckpointError as error:
                problem = str(error)
        return None, problem

    def _path(self, identity: Mapping[str, Any]) -> Path:
        return self.folder / f"{digest.of_json(identity)[:40]}.safetensors"

    def _remember_source(self, source_hash: str | None, picture: str) -> None:
        if source_hash is not None and self._known_picture(source_hash) != picture:
            files.write_object(self.folder / _SOURCES / f"{source_hash[:40]}.json", {"picture": picture})

    def _known_picture(self, source_hash: str | None) -> str | None:
        """The hash of the picture in a file with these bytes, if it was decoded before."""
        if source_hash is None:
            return None
        try:
            picture = files.read_object(self.folder / _SOURCES / f"{source_hash[:40]}.json").get("picture")
        except CheckpointError:  # Missing or damaged: decode the picture.
            return None
        return picture if isinstance(picture, str) else None


def read_embedding(path: Path, identity: Mapping[str, Any], config: ModelConfig) -> dict[str, Tensor]:
    """The tensors in a file of the cache, which must match `identity` and be unchanged.

    Raises:
        FileNotFoundError: there is no file.
        CheckpointError: it is truncated, damaged, changed, or belongs to another picture, model or version.
    """
    try:
        data = path.read_bytes()  # Read once, so that a file that replaces it meanwhile does no harm.
        tensors = safetensors.torch.load(data)
        length = struct.unpack("<Q", data[:8])[0]
        header = parse_json(data[8 : 8 + length], "a header")["__metadata__"][_HEADER]
        record = parse_json(header, "a header", Fields({"sha256": TEXT}))
        claimed = record.pop("sha256")
    except FileNotFoundError:
        raise
    except (
        OSError,
        ValueError,
        LookupError,
        TypeError,
        struct.error,
        SamHQError,
        safetensors.SafetensorError,
    ) as error:
        raise _unusable(path, f"one that is cut short, damaged or foreign ({type(error).__name__})") from error
    other = [name for name, value in identity.items() if record.get(name) != value]
    if other:
        raise _unusable(path, f"one of another {other[0]}")
    if problem := _mismatch(tensors, config, identity["dtype"]):
        raise _unusable(path, problem)
    if claimed != _checksum(record, tensors):
        raise _unusable(path, "one that was changed after it was written")
    return tensors


def _identity(model: Sam, picture: str, dtype: Stored) -> dict[str, Any]:
    """Everything that an embedding depends on, as JSON values."""
    config = json.loads(digest.canonical(dataclasses.asdict(model.config)))
    del config["defaults"]  # These do not change embeddings.
    mean, std = model.config.encoder.normalisation
    return {
        "version": VERSION,
        "picture": picture,
        "model": model.config.name,
        "config": config,
        "weights": weights_hash(model),
        "preprocessing": {"side": model.config.side, "mean": list(mean), "std": list(std)},
        "dtype": dtype,
    }


def _stored(embedding: ImageEmbedding, dtype: Stored) -> dict[str, Tensor]:
    """The tensors of an embedding to store, in the type on disk.

    Raises:
        ConfigError: float16 cannot hold a value.
    """
    values = {"features": embedding.features} | ({} if embedding.hq is None else {"hq": embedding.hq})
    values |= {f"level{i}": level for i, level in enumerate(embedding.levels)}
    tensors = {name: value.detach().to("cpu", _DTYPES[dtype]).contiguous() for name, value in values.items()}
    if dtype == "float16" and not all(bool(tensor.isfinite().all()) for tensor in tensors.values()):
        raise ConfigError(
            "Expected features within the range of float16, got larger ones. Store this model's embeddings as float32."
        )
    return tensors


def _restored(tensors: Mapping[str, Tensor], model: Sam) -> ImageEmbedding:
    """Stored tensors in the type and layout of the model."""
    # Encoders give channels last. Another layout would change the last bits of a mask's logits.
    laid = {name: tensor.contiguous(memory_format=torch.channels_last) for name, tensor in tensors.items()}
    levels = tuple(laid[name] for name in sorted(laid) if name.startswith("level"))
    return ImageEmbedding(laid["features"], laid.get("hq"), levels=levels).to(model.device).to(model.dtype)


def _mismatch(tensors: Mapping[str, Tensor], config: ModelConfig, dtype: Stored) -> str | None:
    """A difference in names, shapes or dtypes from the model's; None if there is none."""
    row, grid = config.decoder, config.grid
    hq = {"hq": [1, row.mask_dim, 4 * grid, 4 * grid]} if config.has_hq_map else {}
    finest, finer = [1, row.mask_dim, 4 * grid, 4 * grid], [1, row.middle_dim, 2 * grid, 2 * grid]
    levels = {"level0": finest, "level1": finer} if config.second else {}
    expected = {"features": [1, row.dim, grid, grid], **hq, **levels}
    shapes = {name: list(tensor.shape) for name, tensor in tensors.items()}
    if shapes != expected:
        return f"tensors {shapes} instead of {expected}"
    if any(tensor.dtype != _DTYPES[dtype] for tensor in tensors.values()):
        return f"tensors that are not {dtype}"
    return None


def _checksum(record: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    return digest.of_bytes(digest.canonical(record), tensors_hash(tensors).encode("ascii"))


def _already_read(image: Any, picture: np.ndarray) -> Any:
    """The picture as `Segmenter.encode` takes it, which is not read a second time."""
    return image if isinstance(image, ReadPicture) else picture


def _source_hash(source: Any) -> str | None:
    """The hash of a file's bytes; None if it is not a file, or cannot be read."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        return digest.of_bytes(bytes(source))
    if not isinstance(source, (str, os.PathLike)):
        return None
    try:
        return digest.of_file(source)
    except (OSError, ValueError):  # Reading it as a picture reports the error.
        return None


def _source_name(source: Any) -> str | None:
    return Path(source).name if isinstance(source, (str, os.PathLike)) else None


def _unusable(path: Path, got: str) -> CheckpointError:
    return CheckpointError(f"Expected a whole embedding of this picture and model in {path}, got {got}. Encode again.")
