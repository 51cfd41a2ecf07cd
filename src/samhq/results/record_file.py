"""The JSON record of a result. It lists the result's other files, so that a later result can replace them.

Knows nothing about networks.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from samhq.image.read import as_array
from samhq.masks import rle, runs
from samhq.results.origin import ORIGIN, is_of_picture, origin_record, read_loosely
from samhq.results.prompt import Prompt, class_record
from samhq.storage import digest
from samhq.storage.atomic import write_json
from samhq.storage.names import numbered, short_name

_FILES = "files"  #: The record's list of the result's other files, with hashes of their content.


def segmentation_record(
    size_hw: tuple[int, int],
    model: str,
    prompts: Sequence[Prompt],
    annotations: Sequence[dict[str, Any]],
    mask_names: Sequence[str] | None,
    file_name: str | None,
) -> dict[str, Any]:
    """The JSON record of a prompted result: the picture, the model, the prompts and the annotations.

    Annotations get ids from 1 and, with `mask_names` in their order, the names of their mask files.
    """
    (height, width), numbers = size_hw, range(len(annotations))
    files = [{}] * len(annotations) if mask_names is None else [{"mask_file": name} for name in mask_names]
    return {
        "image": ({} if file_name is None else {"file_name": file_name}) | {"height": height, "width": width},
        "model": model,
        "prompts": [_prompt_record(prompt) for prompt in prompts],
        "annotations": [annotations[number] | {"id": number + 1} | files[number] for number in numbers],
    }


def _prompt_record(prompt: Prompt) -> dict[str, Any]:
    """A prompt's points, labels and box as lists, and its bool mask as RLE; logits become `true`."""
    record: dict[str, Any] = {
        name: as_array(value).tolist()
        for name, value in (("points", prompt.points), ("labels", prompt.labels), ("box", prompt.box))
        if value is not None
    }
    if isinstance(prompt.mask, Mapping):
        record["mask"] = runs.compressed_code(prompt.mask)
    elif prompt.mask is not None:
        mask = as_array(prompt.mask)
        record["mask"] = rle.encode(mask) if mask.dtype == np.bool_ else True
    return record | class_record(prompt)


def write_record(path: Path, content: Mapping[str, Any], written: Sequence[Path]) -> Path:
    """Writes a result's record, which lists the `written` files of the result with their hashes; returns its path.

    If the record replaces one of another result, the files that the earlier record lists are deleted, except those
    just written, those that somebody modified, and those of the other kind of result: `samhq everything` leaves the
    masks of `samhq segment`, still listed. If it replaces a record of the same result, they stay, still listed.
    """
    earlier, stem = read_loosely(path), path.stem
    files = {file.relative_to(path.parent).as_posix(): digest.of_file(file) for file in written}
    left = {name: known for name, known in listed_files(path).items() if name not in files and _is_own(name, stem)}
    if _content(earlier) == _content(json.loads(json.dumps(content))):
        files = left | files
    else:
        kept = {name: known for name, known in left.items() if not _is_kind(name, stem, "prompts" not in content)}
        for name, known in left.items():
            if name not in kept:
                _remove(path.parent / name, known)
        files = kept | files
        with contextlib.suppress(OSError):  # There is no such folder, or it holds files of others.
            (path.parent / stem).rmdir()
    return write_json(path, {**content, **_origin(content), _FILES: files})


def listed_files(path: Path) -> dict[str, Any]:
    """The files that a record lists, each with the hash of its content; empty if there is no such record."""
    files = read_loosely(path).get(_FILES)
    return files if isinstance(files, dict) else {}


def stem_for(folder: Path, file_name: str | None, whole_image: bool) -> str:
    """A stem for the names of a result's files that no other picture's files have.

    It is the stem of the picture's file, or "result" without a file. A number is added if files of another picture,
    another kind of result or an unknown picture have these names.
    """
    base = "result" if file_name is None else short_name(Path(file_name).stem)
    taken = _names(folder)
    stems = itertools.chain([base], numbered(base))
    return next(stem for stem in stems if _is_free(folder, stem, file_name, whole_image, taken))


def _names(folder: Path) -> set[str]:
    try:
        return set(os.listdir(folder))
    except OSError:
        return set()


def _is_free(folder: Path, stem: str, file_name: str | None, whole_image: bool, taken: set[str]) -> bool:
    if f"{stem}.json" in taken:
        record = read_loosely(folder / f"{stem}.json")
        kind = "error" in record or ("prompts" not in record) == whole_image
        return kind and file_name is not None and is_of_picture(record, file_name)
    folder_taken = whole_image and stem in taken
    return not folder_taken and not any(name.startswith(f"{stem}_") and _is_own(name, stem) for name in taken)


def write_failure(path: Path, file_name: str, reason: str) -> Path:
    """Writes the record of a picture that failed; files of an earlier result stay and stay listed."""
    files = listed_files(path)
    content = {"image": {"file_name": file_name}, "error": reason, **origin_record(file_name)}
    return write_json(path, content | ({_FILES: files} if files else {}))


def _origin(content: Mapping[str, Any]) -> dict[str, Any]:
    return origin_record(content.get("image", {}).get("file_name"))


def _content(record: Mapping[str, Any]) -> dict[str, Any]:
    """The result's part of a record, without the names of files."""
    kept = {key: value for key, value in record.items() if key not in (_FILES, ORIGIN)}
    annotations = kept.get("annotations")
    if isinstance(annotations, list) and all(isinstance(item, dict) for item in annotations):
        kept["annotations"] = [{k: v for k, v in item.items() if k != "mask_file"} for item in annotations]
    return kept


def _is_own(name: str, stem: str) -> bool:
    """Whether a result of this stem writes a file of this name beside its record.

    >>> _is_own("cat_mask_0.png", "cat"), _is_own("cat/3.png", "cat"), _is_own("../cat_mask_0.png", "cat")
    (True, True, False)
    """
    endings = r"_overlay\.(jpg|png)|_labels\.png|_(mask|cutout)_\d+(_\d+)?\.png|/(\d+\.png|metadata\.csv)"
    return re.fullmatch(f"{re.escape(stem)}({endings})", name) is not None


def _is_kind(name: str, stem: str, whole_image: bool) -> bool:
    """Whether results of this kind write a file of this name; both kinds write overlays."""
    other = r"_(mask|cutout)_.*" if whole_image else r"(_labels\.png|/.*)"
    return re.fullmatch(re.escape(stem) + other, name) is None


def _remove(path: Path, known: Any) -> None:
    """Deletes a file if its content has this hash."""
    with contextlib.suppress(OSError):  # Already deleted, or not a file.
        if digest.of_file(path) == known:
            path.unlink()
