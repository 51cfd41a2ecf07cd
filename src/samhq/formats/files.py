"""A result's own files: mask PNGs, overlay, cut-outs and a JSON record, each written whole or not at all.

Knows nothing about networks or prompts' meaning.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from samhq.image.read import as_array
from samhq.masks import rle
from samhq.storage import digest
from samhq.storage.atomic import whole_file

if TYPE_CHECKING:
    from samhq.inference.everything import Everything
    from samhq.inference.prompt import Prompt
    from samhq.inference.result import Segmentation

_FILES = "files"  #: where a record names the other files of its result, each with the hash of its content


def save_segmentation(
    result: Segmentation,
    directory: Path,
    stem: str,
    *,
    masks: bool,
    overlay: bool,
    cutouts: bool,
    record: bool,
    file_name: str | None = None,
) -> list[Path]:
    """Writes what is asked into `directory` and returns the paths in order; see `Segmentation.save`."""
    written: list[Path] = []
    mask_names = [f"{stem}_mask_{suffix}.png" for suffix in _suffixes(*result.candidates.shape[:2])]
    if masks:
        flat = result.candidates.reshape(-1, *result.candidates.shape[2:])
        written += [write_mask(directory / n, mask) for n, mask in zip(mask_names, flat, strict=True)]
    if overlay:
        written.append(write_overlay(result, directory, stem))
    if cutouts:
        written += [write_picture(directory / f"{stem}_cutout_{i}.png", result.cutout(i)) for i in range(len(result))]
    if record:
        content = segmentation_record(result, mask_names if masks else None, file_name)
        written.append(write_record(directory / f"{stem}.json", content, written))
    return written


def _suffixes(prompts: int, candidates: int) -> list[str]:
    """Endings of mask files, in order.

    >>> _suffixes(2, 1), _suffixes(1, 3)
    (['0', '1'], ['0_0', '0_1', '0_2'])
    """
    if candidates == 1:
        return [str(p) for p in range(prompts)]
    return [f"{p}_{k}" for p in range(prompts) for k in range(candidates)]


def segmentation_record(
    result: Segmentation, mask_names: list[str] | None = None, file_name: str | None = None
) -> dict[str, Any]:
    """What is known about a result, as JSON values: the picture, model, prompts, one annotation a candidate."""
    height, width = result.image.shape[:2]
    return result_record((height, width), result.model, result.prompts, result.annotations(), mask_names, file_name)


def result_record(
    size_hw: tuple[int, int],
    model: str,
    prompts: Sequence[Prompt],
    annotations: Sequence[dict[str, Any]],
    mask_names: Sequence[str] | None,
    file_name: str | None,
) -> dict[str, Any]:
    """A record of annotations, which are numbered from 1 and name their mask's file where there is one."""
    (height, width), numbers = size_hw, range(len(annotations))
    files = [{}] * len(annotations) if mask_names is None else [{"mask_file": name} for name in mask_names]
    return {
        "image": ({} if file_name is None else {"file_name": file_name}) | {"height": height, "width": width},
        "model": model,
        "prompts": [_prompt_record(prompt) for prompt in prompts],
        "annotations": [annotations[number] | {"id": number + 1} | files[number] for number in numbers],
    }


def _prompt_record(prompt: Prompt) -> dict[str, Any]:
    """A prompt's points, labels and box as lists, a bool mask as RLE; logits are only mentioned, as `true`."""
    record: dict[str, Any] = {
        name: as_array(value).tolist()
        for name, value in (("points", prompt.points), ("labels", prompt.labels), ("box", prompt.box))
        if value is not None
    }
    if prompt.mask is not None:
        mask = as_array(prompt.mask)
        record["mask"] = rle.encode(mask) if mask.dtype == np.bool_ else True
    return record


def write_mask(path: Path, mask: np.ndarray) -> Path:
    """A mask bool [H,W] as an 8-bit grey PNG, 255 on the object."""
    return write_picture(path, mask.astype(np.uint8) * 255)


def write_picture(path: Path, pixels: np.ndarray) -> Path:
    """Grey [H,W], RGB [H,W,3] or RGBA [H,W,4] uint8 in the format of the path's suffix."""
    with whole_file(path) as part:
        Image.fromarray(pixels).save(part, quality=92) if part.suffix == ".jpg" else Image.fromarray(pixels).save(part)
    return path


def write_overlay(result: Segmentation | Everything, directory: Path, stem: str) -> Path:
    """The picture with its masks in colour."""
    return write_picture(directory / f"{stem}_overlay.jpg", result.overlay())


def write_record(path: Path, content: Mapping[str, Any], written: Sequence[Path]) -> Path:
    """A result's record, which also names the files that were `written` for it.

    Where the record before it is of another result, that one's files go which it names, which none took the place of,
    and which still are as they were written. Files of the same result stay, and are named on.
    """
    before, stem = _record(path), path.stem
    files = {file.relative_to(path.parent).as_posix(): digest.of_file(file) for file in written}
    left = {name: known for name, known in files_named(path).items() if name not in files and _is_own(name, stem)}
    if _said(before) == _said(json.loads(json.dumps(content))):
        files = left | files
    else:
        for name, known in left.items():
            _remove(path.parent / name, known)
        with contextlib.suppress(OSError):  # not there, or others' files are in it
            (path.parent / stem).rmdir()
    return write_json(path, {**content, _FILES: files})


def files_named(path: Path) -> dict[str, Any]:
    """The files that a record names, with the hashes of their content; none where there is no such record."""
    files = _record(path).get(_FILES)
    return files if isinstance(files, dict) else {}


def write_failure(path: Path, file_name: str, reason: str) -> Path:
    """The record of a picture that failed. Files of an earlier result stay, and are named on."""
    files = files_named(path)
    return write_json(path, {"image": {"file_name": file_name}, "error": reason} | ({_FILES: files} if files else {}))


def _record(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _said(record: Mapping[str, Any]) -> dict[str, Any]:
    """What a record says about the result, without names of files."""
    kept = {key: value for key, value in record.items() if key != _FILES}
    annotations = kept.get("annotations")
    if isinstance(annotations, list) and all(isinstance(item, dict) for item in annotations):
        kept["annotations"] = [{k: v for k, v in item.items() if k != "mask_file"} for item in annotations]
    return kept


def _is_own(name: str, stem: str) -> bool:
    """Whether results of this stem have files of this name beside their record.

    >>> _is_own("cat_mask_0.png", "cat"), _is_own("cat/3.png", "cat"), _is_own("../cat_mask_0.png", "cat")
    (True, True, False)
    """
    own = r"_overlay\.jpg|_labels\.png|_(mask|cutout)_\d+(_\d+)?\.png|/(\d+\.png|metadata\.csv)"
    return re.fullmatch(f"{re.escape(stem)}({own})", name) is not None


def _remove(path: Path, known: Any) -> None:
    """Removes a file that has the content with this hash."""
    with contextlib.suppress(OSError):  # gone, or no file any more
        if digest.of_file(path) == known:
            path.unlink()


def write_json(path: Path, content: Any) -> Path:
    """JSON text, UTF-8."""
    with whole_file(path) as part:
        part.write_text(json.dumps(content), encoding="utf-8")
    return path
