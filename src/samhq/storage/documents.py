"""JSON documents and NumPy arrays read from files that anybody may have written: the one place where they are parsed.

The result fits its schema, or one error of the caller's class names the fault and its place. This includes deep
nesting, huge numbers, text that is not UTF-8 and broken headers. Knows nothing about what the
documents mean.
"""

from __future__ import annotations

import json
import os
import re
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from samhq.errors import SamHQError
from samhq.storage.schema import ANY, Mismatch, Schema

_DEEPEST = 100  #: Levels of a document; Python's own reader and writer fail at about a thousand.
_CHUNK = 1 << 20
_OPENING, _CLOSING = list(b"[{"), list(b"]}")
_TEXT = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)  #: A string of JSON.
#: Errors of NumPy for files that are not arrays, or are damaged.
_BROKEN = (OSError, ValueError, EOFError, SyntaxError, TypeError, KeyError, OverflowError, MemoryError, RecursionError)


def read_json(
    path: str | os.PathLike[str],
    kind: str,
    schema: Schema = ANY,
    error: type[SamHQError] = SamHQError,
    advice: str = "Check the file.",
) -> Any:
    """The document in a JSON file, which fits the schema.

    In a message, `kind` names the expected file, such as "a COCO file", and `advice` says what to do about another.

    Raises:
        error: the file cannot be read, is no JSON in UTF-8, is nested deeper than 100 levels, or does not fit.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as cause:
        reason = getattr(cause, "strerror", None) or cause
        raise error(f"Expected {kind} at {path}, which cannot be read: {reason}. Check the path.") from cause
    return parse_json(data, f"{kind} in {path}", schema, error, advice)


def parse_json(
    data: bytes | str,
    name: str,
    schema: Schema = ANY,
    error: type[SamHQError] = SamHQError,
    advice: str = "Check the file.",
) -> Any:
    """The document in text or UTF-8 bytes, which fits the schema; `name` stands for it in a message.

    Raises:
        error: as `read_json`.
    """
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    try:
        document = json.loads(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as cause:
        raise error(f"Expected {name} as JSON in UTF-8, got other bytes ({cause.reason}). {advice}") from cause
    except ValueError as cause:
        raise error(f"Expected {name} as JSON, got text that is not: {str(cause)[:80]}. {advice}") from cause
    except RecursionError as cause:
        raise error(f"Expected {name} nested at most {_DEEPEST} levels deep, got more. {advice}") from cause
    if _depth(raw) > _DEEPEST:
        raise error(f"Expected {name} nested at most {_DEEPEST} levels deep, got more. {advice}")
    check_document(document, name, schema, error, advice)
    return document


def read_text(path: str | os.PathLike[str], kind: str, error: type[SamHQError] = SamHQError) -> str:
    """The text in a UTF-8 file, with or without a byte order mark.

    Raises:
        error: the file cannot be read, or holds other bytes.
    """
    path = Path(path)
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as cause:
        raise error(f"Expected {kind} in UTF-8 at {path}, got other bytes ({cause.reason}). Check the file.") from cause
    except (OSError, ValueError) as cause:
        reason = getattr(cause, "strerror", None) or cause
        raise error(f"Expected {kind} at {path}, which cannot be read: {reason}. Check the path.") from cause


def check_document(
    document: Any,
    name: str,
    schema: Schema,
    error: type[SamHQError] = SamHQError,
    advice: str = "Check the file.",
) -> None:
    """Checks that a parsed document fits the schema.

    Raises:
        error: it does not.
    """
    try:
        schema.check(document)
    except Mismatch as mismatch:
        raise error(f"Expected {name} with {mismatch}. {advice}") from mismatch


def read_array(path: str | os.PathLike[str], kind: str, error: type[SamHQError] = SamHQError) -> np.ndarray:
    """The array in a `.npy` file, mapped from the disk until it is used, so that its header alone costs no memory.

    Raises:
        error: the file cannot be read, is no `.npy` file, is cut short, or holds Python objects.
    """
    try:
        value = np.load(path, mmap_mode="r", allow_pickle=False)
    except (*_BROKEN, tokenize.TokenError, zipfile.BadZipFile, zlib.error) as cause:
        reason = str(getattr(cause, "strerror", None) or cause)[:120]
        raise error(f"Expected {kind} in {os.fspath(path)}, got: {reason}. Save it with numpy.save.") from cause
    if not isinstance(value, np.ndarray):  # An archive of several arrays.
        value.close()
        raise error(f"Expected {kind} in {os.fspath(path)}, got an archive (.npz). Save it with numpy.save.")
    return value


def _depth(raw: bytes) -> int:
    """The number of levels of nested lists and objects in JSON text."""
    if raw.count(b"[") + raw.count(b"{") <= _DEEPEST:
        return 0
    brackets = np.frombuffer(_TEXT.sub(b"", raw), np.uint8)
    depth, level = 0, 0
    for start in range(0, len(brackets), _CHUNK):
        part = brackets[start : start + _CHUNK]
        steps = np.isin(part, _OPENING).astype(np.int8) - np.isin(part, _CLOSING)
        levels = level + np.cumsum(steps, dtype=np.int64)
        depth, level = max(depth, int(levels.max())), int(levels[-1])
    return depth
