"""Reads pictures and masks from a file, bytes, a PIL image, an array or a tensor.

The result is what a viewer would show: eight bits per channel, RGB, upright, on white. Knows nothing of models, prompts
or torch: tensors are recognised by their methods.
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from samhq.errors import ConfigError, ImageError
from samhq.image.fetch import fetched, is_url
from samhq.image.files import WIDE, decoded
from samhq.image.inputs import PictureInput
from samhq.image.levels import Rows, check_visible, rgb_levels, row_reader, strips
from samhq.options import real_number
from samhq.shapes import Bool, UInt8

_LONGEST_NAME = 400  #: Longer texts, such as pictures in base64, are shortened in messages.
#: What to do about a picture that is None.
NO_PICTURE = "Check the path: cv2.imread returns None for a file that it cannot read."


@dataclass(frozen=True, eq=False)
class ReadPicture(os.PathLike[str]):
    """A picture file whose pixels, uint8 [H,W,3], were read before. It can be used wherever a path is expected."""

    path: str | os.PathLike[str]
    pixels: np.ndarray

    def __fspath__(self) -> str:
        return os.fsdecode(self.path)


def read_image(source: PictureInput, channel_order: str = "RGB") -> UInt8[np.ndarray, "H W 3"]:
    """The picture as uint8 RGB [H,W,3], as a viewer would show it.

    `source` is a path, an http or https address, bytes, a file opened in binary mode (read from its beginning if it can
    seek), a PIL image, a numpy array or a torch tensor (on any device). `channel_order` ("RGB", or "BGR" as in OpenCV)
    applies to arrays and tensors; files and PIL images know their own.

    Files and bytes: EXIF rotation is applied, and the first frame of an animation is used. A PIL image is not rotated,
    because coordinates measured on it belong to its own `size`; use `ImageOps.exif_transpose` to rotate it. Transparent
    pixels are blended with white. Palettes, CMYK, grey and one-bit pictures become RGB. Colour profiles are not
    applied.

    Arrays: [H,W], or [H,W,C] or [C,H,W] with C one of 1 (grey), 3, or 4 (with alpha, blended with white). If both
    readings fit, an array is [H,W,C] and a tensor [C,H,W]. Values by dtype:

    * uint8 as they are; bool black and white;
    * uint16, also in files, divided by 257, as viewers do; values that are all below 4096 (12 bits) are refused;
    * other integers: up to 255 as they are, up to 65535 divided by 257;
    * floats: all in 0..1 times 255; all in 0..255 as they are, if one is above 8; rounded.

    Anything else is refused, not guessed; `samhq.as_rgb` converts such data (12-bit scans, depth, radiance). The
    result may share memory with `source`: do not write into it.

    >>> read_image(np.array([[0.0, 1.0]]))[0].tolist()
    [[0, 0, 0], [255, 255, 255]]

    Raises:
        ImageError: not found, not a picture, cut off, too large for Pillow's limit, an unusable shape, type or
            range of values, NaN, or no pixels at all.
        ConfigError: another channel order.
    """
    if channel_order not in ("RGB", "BGR"):
        raise ConfigError(f"Expected channel_order 'RGB' or 'BGR', got {channel_order!r}. OpenCV's arrays are BGR.")
    if isinstance(source, ReadPicture):
        return source.pixels
    picture = _opened(source)
    if picture is not None:
        return _rgb_of_picture(picture, describe(source))
    rgb = _rgb_of_array(as_array(source), describe(source), channels_first=_is_tensor(source))
    return np.ascontiguousarray(rgb[..., ::-1] if channel_order == "BGR" else rgb)


def read_copy(source: PictureInput) -> UInt8[np.ndarray, "H W 3"]:
    """As `read_image`, but never in the memory of a given array: a reused video buffer would change the result.

    Raises:
        ImageError: as `read_image`.
    """
    picture = read_image(source)
    return picture.copy() if isinstance(source, np.ndarray) and np.shares_memory(picture, source) else picture


def read_mask(source: PictureInput) -> Bool[np.ndarray, "H W"]:
    """The mask as bool [H,W], true on the object, from the same sources as `read_image`.

    Bool stays as it is. Numbers that are all 0 or 1 mean false and true. In other masks, values above the middle of the
    range are true: above 127 of 255, above 32767 of 65535, above 0.5 for floats in 0..1. In a file with transparency,
    the alpha channel is the mask. In a file with a colour palette, every entry but 0 is true. Other values, such as
    other label maps or logits, are refused.

    >>> read_mask(np.array([[0, 200], [255, 90]], np.uint8)).tolist()
    [[False, True], [True, False]]

    Raises:
        ImageError: as for `read_image`, or values that are not clearly true or false.
    """
    name = describe(source)
    picture = _opened(source)
    values = as_array(source) if picture is None else _mask_values(picture, name)
    if values.ndim == 3 and 1 in (values.shape[0], values.shape[2]):
        channels_first = values.shape[0] == 1 and (_is_tensor(source) or values.shape[2] != 1)
        values = values[0] if channels_first else values[..., 0]
    if values.ndim != 2 or not values.size:
        raise ImageError(f"Expected a mask of shape [height, width], got {name}. Give one mask of one picture.")
    return _yes_or_no(values, name)


def stretch(values: Any, low: float = 2.0, high: float = 98.0) -> UInt8[np.ndarray, "*shape"]:
    """Any numbers as uint8 of the same shape: the `low` percentile becomes 0, the `high` one 255, clipped.

    For data without a natural range, before `read_image`. NaN and infinite values become 0. Constant data gives 0.

    >>> stretch([[100.0, 300.0, 500.0]], 0, 100).tolist()
    [[0, 127, 255]]

    Raises:
        ImageError: no finite value, or not numbers.
        ConfigError: percentiles outside 0..100, or not rising.
    """
    array, low = as_array(values), real_number("low", low, 0, 100)
    high = real_number("high", high, low, 100, above=True)
    if array.dtype.kind not in "buif" or not np.isfinite(array).any():
        raise ImageError(f"Expected numbers to stretch, got {describe(values)} without a finite value. Check the data.")
    numbers = array.astype(np.float32)
    finite = np.isfinite(numbers)
    bottom, top = np.percentile(numbers[finite], (low, high))
    scaled = (np.where(finite, numbers, bottom) - bottom) * (255.0 / max(float(top - bottom), 1e-12))
    return np.clip(scaled + 0.5, 0, 255).astype(np.uint8)


def as_array(values: Any) -> np.ndarray:
    """The numpy array of an array, a nested list, or a tensor of any device and dtype; no copy where possible.

    >>> as_array([[1, 2]]).shape
    (1, 2)

    Raises:
        ImageError: nothing that numpy makes an array of numbers from.
    """
    if _is_tensor(values):
        tensor = values.detach().cpu()
        # numpy has no bfloat16
        return np.asarray(tensor.float().numpy() if "bfloat16" in str(tensor.dtype) else tensor.numpy())
    try:
        array = np.asarray(_without_tensors(values))
    except (ValueError, TypeError) as error:
        raise ImageError(
            f"Expected an array of numbers, got {describe(values)} ({error}). Make its rows equal."
        ) from error
    if array.dtype.kind not in "buif":
        advice = NO_PICTURE if values is None else "Convert it to one of these."
        if hasattr(values, "embedding"):
            advice = "It is encoded already: pass it to segment."
        raise ImageError(
            "Expected a path, bytes, a file, a PIL image, an array or a tensor of real numbers, got "
            f"{describe(values)}. {advice}"
        )
    return array


def _without_tensors(values: Any) -> Any:
    """A list whose items are tensors, with arrays in their place; NumPy 1 takes no such list, nor tensors on a GPU."""
    if isinstance(values, (list, tuple)) and any(map(_is_tensor, values)):
        return [as_array(item) if _is_tensor(item) else item for item in values]
    return values


def file_name_of(source: Any) -> str | None:
    """The path, if a picture is given as a path; None otherwise.

    >>> file_name_of("in/cat.jpg"), file_name_of(b"...")
    ('in/cat.jpg', None)
    """
    return os.fsdecode(source) if isinstance(source, (str, os.PathLike)) else None


def describe(source: Any) -> str:
    """A short description of a source for a message.

    >>> describe(np.zeros((2, 3), np.uint8))
    'an array uint8 [2, 3]'
    """
    if isinstance(source, (str, os.PathLike)):
        name = repr(os.fspath(source))
        return name if len(name) <= _LONGEST_NAME else f"{name[:100]}...{name[-40:]}"
    if isinstance(source, (bytes, bytearray, memoryview)):
        return f"{len(source)} bytes"
    if isinstance(source, Image.Image):
        return f"a PIL image {source.mode} {source.width} x {source.height}"
    if hasattr(source, "shape") and hasattr(source, "dtype"):
        return f"{'a tensor' if _is_tensor(source) else 'an array'} {source.dtype} {list(source.shape)}"
    if hasattr(source, "read"):
        return f"the file {getattr(source, 'name', type(source).__name__)!r}"
    return "None" if source is None else f"a value of type {type(source).__name__}"


def _is_tensor(source: Any) -> bool:
    return all(hasattr(source, name) for name in ("detach", "cpu", "numpy"))


def _opened(source: Any) -> Image.Image | None:
    """The decoded, upright first frame of a file or bytes, a PIL image as it is, None for arrays."""
    if isinstance(source, Image.Image):
        return source
    if is_url(source):
        return decoded(io.BytesIO(fetched(source)), describe(source))
    if isinstance(source, (str, os.PathLike)):
        return decoded(os.path.expanduser(source), describe(source))
    if isinstance(source, (list, tuple)) and source and all(map(_is_picture, source)):
        raise ImageError(
            f"Expected one picture, got a {type(source).__name__} of {len(source)}. Give them one at a time, or "
            "segment_batch(pictures, prompts) with a list of prompts for each."
        )
    if hasattr(source, "read"):
        return decoded(io.BytesIO(_content(source)), describe(source))
    if isinstance(source, (bytes, bytearray, memoryview)):
        return decoded(io.BytesIO(source), describe(source))
    return None


def _is_picture(item: Any) -> bool:
    """Whether this item would be a picture of its own, not a row of numbers."""
    return isinstance(item, (str, bytes, os.PathLike, Image.Image)) or getattr(item, "ndim", 0) >= 2


def _content(file: Any) -> bytes:
    """The whole content of a file object, read from its beginning if it can seek, so that it may be used twice.

    Raises:
        ImageError: it is closed, not open for reading, or gives text.
    """
    try:
        if file.seekable() if hasattr(file, "seekable") else hasattr(file, "seek"):
            file.seek(0)
        content = file.read()
    except (OSError, ValueError) as error:
        raise ImageError(f"Expected a file open for reading, got {describe(file)}: {error}. Open it again.") from error
    if not isinstance(content, bytes):
        raise ImageError(f"Expected bytes in {describe(file)}, got {type(content).__name__}. Open it with mode 'rb'.")
    return content


def _rgb_of_picture(picture: Image.Image, name: str) -> np.ndarray:
    if min(picture.size) < 1:
        raise ImageError(f"Expected a picture with pixels, got {name}. Check how it was cut.")
    size_hw = picture.height, picture.width
    if picture.mode[0] in "IF":
        rows = row_reader(picture)
        return rgb_levels(lambda part: rows(part)[..., None], size_hw, name)
    try:
        rgb = rgb_levels(row_reader(picture, "RGBA" if picture.has_transparency_data else "RGB"), size_hw, name)
        if picture.info.get(WIDE):
            check_visible(256 * int(rgb.max()), name)
        return rgb
    except ImageError:
        raise
    except Exception as error:
        raise ImageError(
            f"Expected a picture that has an RGB form, got {name} of mode {picture.mode} ({error}). Convert it to PNG "
            "with another program."
        ) from error


def _rgb_of_array(array: np.ndarray, name: str, channels_first: bool) -> np.ndarray:
    """Uint8 [H,W,3], in the array's own channel order."""
    hwc = _channels_last(array, name, channels_first)
    if not hwc.size:
        raise ImageError(f"Expected a picture with pixels, got {name}. Check how it was cut.")
    if hwc.dtype == np.uint8 and hwc.shape[2] == 3:
        return hwc
    return rgb_levels(hwc.__getitem__, (hwc.shape[0], hwc.shape[1]), name)


def _channels_last(array: np.ndarray, name: str, channels_first: bool) -> np.ndarray:
    if array.ndim == 2:
        return array[..., None]
    if array.ndim == 3:
        first, last = array.shape[0] in (1, 3, 4), array.shape[2] in (1, 3, 4)
        if first and (channels_first or not last):
            return array.transpose(1, 2, 0)
        if last:
            return array
    hint = "Choose the channels to show" if array.ndim == 3 else "Give the path or the pixels of a picture"
    hint = "Give one picture at a time, such as images[0]" if array.ndim == 4 else hint
    raise ImageError(f"Expected a picture [H, W], [H, W, C] or [C, H, W] with 1, 3 or 4 channels, got {name}. {hint}.")


def _mask_values(picture: Image.Image, name: str) -> np.ndarray:
    """The channel [H,W] of a picture that holds the mask."""
    if min(picture.size) < 1:
        raise ImageError(f"Expected a mask with pixels, got {name}. Check how it was cut.")
    size_hw = picture.height, picture.width
    if picture.mode[0] in "IF1" or picture.mode == "L":
        return _gathered(row_reader(picture), size_hw)
    if picture.has_transparency_data:
        rgba = row_reader(picture, "RGBA")
        alpha = _gathered(lambda part: rgba(part)[..., 3], size_hw)
        if alpha.min() < 255:
            return alpha
    rgb = _rgb_of_picture(picture, name)
    # JPEG gives grey pixels a slight colour.
    if all(np.ptp(rgb[part], axis=2).max() <= 32 for part in strips(*size_hw)):
        return rgb[..., 0]
    if picture.mode == "P":
        return _gathered(lambda part: row_reader(picture)(part) != 0, size_hw)
    raise ImageError(f"Expected a grey mask or one with alpha, got the colours of {name}. Choose one channel or label.")


def _gathered(rows: Rows, size_hw: tuple[int, int]) -> np.ndarray:
    """One array of all rows. Pillow's own conversion would hold the picture three times."""
    first = rows(slice(0, 1))
    values = np.empty((*size_hw, *first.shape[2:]), first.dtype)
    for part in strips(*size_hw):
        values[part] = rows(part)
    return values


def _yes_or_no(values: np.ndarray, name: str) -> np.ndarray:
    if values.dtype == bool:
        return values
    low, high = values.min(), values.max()
    if not (np.isfinite(low) and np.isfinite(high)) or low < 0 or high > 65535:
        raise ImageError(
            f"Expected a mask of bool, 0/1 or 0/255, got values {low:.6g}..{high:.6g} in {name}. For logits pass "
            "`logits > 0`."
        )
    if high <= 1:
        return values > 0.5
    half = 127 if high <= 255 else 32767
    if high <= half:
        raise ImageError(
            f"Expected a mask of bool, 0/1 or 0/255, got values up to {high:.6g} in {name}, which looks like a label "
            "map. Pass `labels == number`."
        )
    return values > half
