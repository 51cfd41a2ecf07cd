"""Bytes to named tensors and back: `.pth`, safetensors, folders as transformers writes them, also in memory.

The format is detected from the first bytes, never from the suffix. Pickles are read with `weights_only`, so no file
runs code. Tensors stay mapped to the file until they are used. Files are written atomically. Knows nothing about models
or names.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import pickle
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, Protocol, TypeGuard, runtime_checkable

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor

from samhq.errors import CheckpointError, ConfigError
from samhq.storage import documents
from samhq.storage.atomic import whole_file
from samhq.storage.locks import open_files_move
from samhq.storage.schema import WORDS, Fields, Named

#: The weights of a folder are in the first of these that exists.
WEIGHT_NAMES = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin")
PICKLE_SUFFIXES = (".pth", ".pt", ".bin")
SUFFIXES = (*PICKLE_SUFFIXES, ".safetensors")

#: Errors of torch's unpickler and zip reader for damaged or foreign bytes.
_UNREADABLE = (
    RuntimeError, ValueError, LookupError, TypeError, AttributeError, EOFError, OSError, AssertionError,
    ImportError, ArithmeticError, MemoryError, struct.error, pickle.UnpicklingError,
)  # fmt: skip

_HEADER = Fields({}, {"__metadata__": Named(WORDS)})  #: of safetensors
_STRANGERS = (
    (b"version https://git-lfs", "a git-lfs pointer, not the weights: run `git lfs pull`, or download the file itself"),
    (b"<", "a web page: the download answered with HTML. Open the link in a browser, or download it again"),
    (b"\x1f\x8b", "gzip-compressed: unpack it first"),
    (b"\x89HDF", "an HDF5 file, which is no SAM checkpoint"),
    (b"GGUF", "a GGUF file, which is no SAM checkpoint"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"{", "JSON text; for a folder written by transformers, give the folder"),
)


_PLAIN = (
    "Ask for a file of plain weights (a state dict or .safetensors). If you trust whoever made it, make it plain where "
    "its classes are installed: `whole = torch.load(path, map_location='cpu', weights_only=False)`, then "
    "`torch.save(whole['model'], 'plain.pth')`, or `whole.state_dict()` where it is a module."
)

_YOLO = (
    "It is a YOLO or FastSAM of Ultralytics, which is no SAM. Use it as a detector: a SAM makes masks of its boxes; "
    "see docs/text.md. For masks load a SAM, such as sam_vit_b or sam_hq_vit_b."
)


@runtime_checkable
class Readable(Protocol):
    """A file opened in binary mode, or an object like one."""

    def read(self, size: int = -1, /) -> Any:
        """The next bytes; by default all that are left."""


#: A file's content, an open file, or the value read from one.
InMemory = bytes | bytearray | Readable | Mapping[str, Any]


@dataclass(frozen=True)
class Contents:
    """The content of a file: `value`, usually a mapping of tensors, and the data stored beside the tensors.

    `metadata` is the text in the safetensors header; `config` is the `config.json` of a folder.
    """

    value: object
    metadata: Mapping[str, str] = field(default_factory=dict)
    config: Mapping[str, object] | None = None


def is_in_memory(source: object) -> TypeGuard[InMemory]:
    """Whether `read` takes this without a file name: bytes, an open binary file, or a mapping."""
    return isinstance(source, (bytes, bytearray, Mapping, Readable))


def source_name(source: object) -> str:
    """The name of a source for messages.

    >>> source_name(Path("sam.pth")), source_name(b"1234"), source_name({"model": {}})
    ('sam.pth', 'a file of 4 bytes', 'a dict')
    """
    if isinstance(source, (bytes, bytearray)):
        return f"a file of {len(source):,} bytes"
    if isinstance(source, Readable):
        return f"the file {getattr(source, 'name', type(source).__name__)!r}"
    return f"a {type(source).__name__}" if isinstance(source, Mapping) else str(source)


def read(source: str | os.PathLike[str] | InMemory) -> Contents:
    """The tensors in a file or folder, on the CPU and, if the format allows, still on disk; on Windows in memory.

    Copy a tensor if the file may change. Also takes the sources of `is_in_memory`: an open file is read from its
    beginning if it can seek; a mapping counts as the content of a file.

    Raises:
        CheckpointError: it does not exist; it is empty, truncated, damaged or not a checkpoint; or it is a pickle that
            needs more than tensors and plain containers.
    """
    if isinstance(source, Mapping):
        return Contents(source)
    if isinstance(source, (bytes, bytearray, Readable)):
        return _read_content(_content(source), source_name(source))
    path = Path(source)
    if os.path.isdir(path):  # Unlike Path.is_dir, no error for impossible names.
        return _read_folder(path)
    head = _head(path)
    if head[:4] == b"PK\x03\x04":
        return Contents(_read_pickle(path, mmap=open_files_move()))
    if _is_pickle(head):
        return Contents(_read_pickle(path, mmap=False))
    if _is_safetensors(head):
        return Contents(*_read_safetensors(path))
    raise _no_checkpoint(head, path)


def write_tensors(
    path: str | os.PathLike[str], tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None
) -> None:
    """Writes one file of tensors atomically: safetensors or a plain pickled dict, by the suffix.

    The same tensors and metadata give the same bytes.

    Raises:
        ConfigError: another suffix.
        CheckpointError: the file cannot be written.
    """
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise ConfigError(
            f"Expected a file name ending in {', '.join(SUFFIXES)} or a folder without suffix, got {str(path)!r}. "
            "Change the name."
        )
    # Copies, because pickling a view would write its whole storage.
    copies = {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()}
    with _whole(path) as temporary:
        if path.suffix == ".safetensors":
            safetensors.torch.save_file(copies, temporary, {"format": "pt", **(metadata or {})})
            _sort_metadata(temporary)
        else:
            with open(temporary, "wb") as stream:
                torch.save(copies, stream)


def _sort_metadata(path: Path) -> None:
    """Sorts the metadata in a safetensors file's header, which the package writes in a random order."""
    with open(path, "r+b") as stream:
        length = int.from_bytes(stream.read(8), "little")
        header = json.loads(stream.read(length))
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
        if len(text) <= length:  # Always, as far as is known: only the order differs.
            stream.seek(8)
            stream.write(text.ljust(length))


def write_object(path: str | os.PathLike[str], value: Mapping[str, object]) -> None:
    """Writes indented JSON with sorted keys atomically.

    Raises:
        CheckpointError: the file cannot be written.
    """
    with _whole(Path(path)) as temporary:
        temporary.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def read_object(path: Path) -> dict[str, object]:
    """The object in a JSON file.

    Raises:
        CheckpointError: it cannot be read, is not JSON, or is not an object.
    """
    return dict(documents.read_json(path, "a JSON object", Fields(), CheckpointError, "Download it again."))


def _read_folder(folder: Path) -> Contents:
    names = [name for name in WEIGHT_NAMES if (folder / name).is_file()]
    if not names and any(folder.glob("*.onnx")):
        graphs = ", ".join(sorted(path.name for path in folder.glob("*.onnx")))
        raise CheckpointError(
            f"Expected a folder of weights, got {folder} with {graphs}: what samhq export wrote. samhq segment --model "
            "and samhq.runtime take a whole export, which has encoder.onnx and decoder.onnx; export it again if one is "
            "missing. For all else give the weights that it was made from."
        )
    if not names:
        inside = sorted(p.name for p in folder.iterdir() if p.suffix in SUFFIXES)
        hint = (
            f"Give one of its files instead: {', '.join(inside[:5])}." if inside else "Give a file, or another folder."
        )
        raise CheckpointError(f"Expected one of {', '.join(WEIGHT_NAMES)} in the folder {folder}, got none. {hint}")
    contents = _read_shards(folder / names[0]) if names[0].endswith(".json") else read(folder / names[0])
    config = read_object(folder / "config.json") if (folder / "config.json").is_file() else None
    return Contents(contents.value, contents.metadata, config)


def _content(source: bytes | bytearray | Readable) -> bytes:
    """All bytes of a source without a name."""
    if isinstance(source, (bytes, bytearray)):
        return bytes(source)
    file: Any = source
    try:
        if file.seekable() if hasattr(file, "seekable") else hasattr(file, "seek"):
            file.seek(0)
        content = file.read()
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"Expected a file open for reading, got {source_name(source)}: {error}. Open it again."
        ) from error
    if not isinstance(content, bytes):
        raise CheckpointError(f"Expected bytes in {source_name(source)}, got text. Open it with mode 'rb'.")
    return content


def _read_content(content: bytes, name: str) -> Contents:
    """As `read`, for the bytes of one file."""
    head = content[:64]
    if _is_pickle(head) or head[:4] == b"PK\x03\x04":
        return Contents(_unpickled(io.BytesIO(content), name, len(content)))
    if _is_safetensors(head):
        try:
            length = 8 + int.from_bytes(head[:8], "little")
            metadata = (
                documents.parse_json(content[8:length], name, _HEADER, CheckpointError, "Download it again.").get(
                    "__metadata__"
                )
                or {}
            )
            return Contents(safetensors.torch.load(content), metadata)
        except (safetensors.SafetensorError, *_UNREADABLE) as error:
            raise _torn(name, error) from error
    if not content:
        raise CheckpointError(f"Expected a checkpoint, got {name}, which is empty. Download it again.")
    raise _no_checkpoint(head, name)


def _is_pickle(head: bytes) -> bool:
    return head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")


def _is_safetensors(head: bytes) -> bool:
    return head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 2**32


def _no_checkpoint(head: bytes, name: Path | str) -> CheckpointError:
    return CheckpointError(
        f"Expected a checkpoint (.pth, .pt or .safetensors), got {name}, which is {_guess(head, Path(name))}. "
        "Give the file of a model's weights, or a name that samhq models lists."
    )


def _read_shards(index: Path) -> Contents:
    listed = read_object(index).get("weight_map")
    if not isinstance(listed, dict) or not all(isinstance(name, str) for name in listed.values()):
        raise CheckpointError(f"Expected a `weight_map` in {index}, got none. Download the file again.")
    tensors: dict[str, object] = {}
    for name in sorted(set(listed.values())):
        if Path(name).name != name:
            raise CheckpointError(
                f"Expected file names in {index}, got {name!r}, which leads elsewhere. Download the file again."
            )
        tensors |= _read_safetensors(index.parent / name)[0]
    return Contents(tensors)


def _read_safetensors(path: Path) -> tuple[dict[str, object], dict[str, str]]:
    try:
        with safetensors.safe_open(str(path), framework="pt") as stream:
            tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118
            if not open_files_move():  # Tensors on disk would keep the file from being replaced or deleted.
                tensors = {name: tensor.clone() for name, tensor in tensors.items()}
            return tensors, dict(stream.metadata() or {})
    except (safetensors.SafetensorError, *_UNREADABLE) as error:
        raise _torn(path, error) from error


def _torn(name: Path | str, error: Exception) -> CheckpointError:
    return CheckpointError(
        f"Expected a whole safetensors file, got {name}, which is cut short or damaged ({_line(error)}). "
        "Download it again."
    )


def _read_pickle(path: Path, *, mmap: bool) -> object:
    size = path.stat().st_size
    if path.suffix == ".safetensors":  # Without it torch.load would not take it for one.
        with path.open("rb") as stream:
            return _unpickled(stream, str(path), size)
    return _unpickled(path, str(path), size, mmap=mmap)


def _unpickled(file: Any, path: str, size: int, *, mmap: bool = False) -> object:
    """The value that torch reads from a file; `path` is its name in messages.

    Raises:
        CheckpointError: it is damaged, or needs more than tensors and plain containers.
    """
    try:
        with _harmless():
            return torch.load(file, map_location="cpu", weights_only=True, mmap=mmap)
    except pickle.UnpicklingError as error:
        if name := re.search(r"GLOBAL (\S+)", str(error)):
            raise CheckpointError(
                f"Expected only tensors in {path}, got a pickle that calls for `{name[1]}`; reading it could run "
                f"foreign code, so it was not read. {_YOLO if name[1].startswith('ultralytics.') else _PLAIN}"
            ) from error
        if "Unsupported operand" in str(error):
            raise CheckpointError(
                f"Expected a checkpoint as torch.save writes it, got {path}, a pickle of a newer protocol, which is "
                f"not read without running code. {_PLAIN}"
            ) from error
        raise _damaged(path, size, error) from error
    except _UNREADABLE as error:
        if "TorchScript" in str(error):
            raise CheckpointError(
                f"Expected a state dict, got {path}, a TorchScript program. Load the weights that it was made from."
            ) from error
        raise _damaged(path, size, error) from error


def _harmless() -> contextlib.AbstractContextManager[None]:
    """Lets weights-only loading accept values that training code keeps beside weights: NumPy numbers, arguments, paths.

    Their constructors run no code from the file. torch before 2.5 has no such list and refuses these files.
    """
    allow = getattr(torch.serialization, "safe_globals", None)
    if allow is None:
        return contextlib.nullcontext()
    kinds = [
        type(np.dtype(name)) for name in ("bool", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8")
    ]
    scalar = np.float64(0).__reduce__()[0]
    old_names = [(scalar, f"{module}.multiarray.scalar") for module in ("numpy.core", "numpy._core")]
    paths = [(PurePosixPath, "pathlib.PosixPath"), (PureWindowsPath, "pathlib.WindowsPath")]
    paths += [(kind, f"pathlib._local.{kind.__name__.removeprefix('Pure')}") for kind, _ in paths]
    pure: list[Any] = [PurePosixPath, PureWindowsPath, argparse.Namespace, np.dtype, *kinds]
    return allow([*pure, *old_names, *paths])


def _damaged(path: str, size: int, error: Exception) -> CheckpointError:
    return CheckpointError(
        f"Expected a whole PyTorch checkpoint, got {path}, which is cut short, damaged or no checkpoint "
        f"({_line(error)}). It has {size:,} bytes; compare with the source and download it again."
    )


def _line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return (text[0] if text else type(error).__name__)[:120]


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            head = stream.read(64)
    except FileNotFoundError:
        raise CheckpointError(f"Expected a checkpoint, got {path}, which does not exist. Check the path.") from None
    except (OSError, ValueError) as error:
        raise CheckpointError(f"Expected a readable file, got {path}: {error}. Check its permissions.") from error
    if not head:
        raise CheckpointError(f"Expected a checkpoint, got {path}, which is empty. Download it again.")
    return head


def _guess(head: bytes, path: Path) -> str:
    if path.suffix == ".onnx":
        return "an ONNX graph; samhq segment takes the folder of an export, all else the weights it was made from"
    words = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    return next(
        (what for start, what in _STRANGERS if words.startswith(start)), "neither a PyTorch nor a safetensors file"
    )


@contextlib.contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """A temporary file that replaces `path` on success; errors become this module's error."""
    try:
        with whole_file(path) as part:
            yield part
    except (OSError, RuntimeError, safetensors.SafetensorError) as error:
        raise CheckpointError(f"Expected a place to write to, got {path}: {_line(error)}. Give another.") from error
