"""Tasks with predictions for Label Studio: exact brush strokes, or polygons; its labelling page; and its exports, read.

Source: labelstud.io, "Import pre-annotated data"; the brush's code is thi.ng's rle-pack (github.com/thi-ng/umbrella,
packages/rle-pack), as label-studio-converter's `brush.py` reads it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

import numpy as np

from samhq.errors import ImageError
from samhq.formats.bridge import bridged
from samhq.formats.options import Shapes
from samhq.formats.pictures import checked_size_of
from samhq.image.fetch import name_of
from samhq.masks import rle, runs
from samhq.masks.regions import Piece
from samhq.masks.rings import filled_ring
from samhq.results.annotation import LABEL, Annotation
from samhq.results.picture import Picture
from samhq.shapes import UInt8
from samhq.storage.atomic import whole_file
from samhq.storage.documents import check_document, read_json
from samhq.storage.names import xml_text
from samhq.storage.schema import NUMBER, PIXELS, POINT, WORDS, Fields, Items, Number

#: Bit widths of a run's length; a run uses the first that is wide enough.
_LENGTH_BITS = np.array([3, 4, 8, 16])
_LONGEST = 1 << 16
_REGION = Fields(
    {}, {"type": WORDS, "original_width": PIXELS, "original_height": PIXELS, "value": Fields(), "score": NUMBER}
)
_RESULT = Fields({}, {"result": Items(_REGION)})
_TASK = Fields({"data": Fields()}, {"annotations": Items(_RESULT), "predictions": Items(_RESULT)})
_BYTES = Items(Number(0, 255, whole=True), least=1)
_DIGITS = bytes.maketrans(b"\x00\x01", b"01")
_TAGS = {"mask": "BrushLabels", "polygon": "PolygonLabels"}


@contextmanager
def open_labelstudio(
    path: Path,
    *,
    shapes: Shapes = "mask",
    tolerance: float = 0.0,
    labels: Sequence[str] = (),
    image_url: str = "/data/local-files/?d=",
) -> Iterator[Callable[[Picture], list[Path]]]:
    """A function that adds a picture as a task; tasks and an `.xml` page beside them are written when the block ends.

    Label Studio fetches the picture from `image_url` followed by its file name; the default is its local storage.
    """
    label_names = dict.fromkeys(labels)
    with whole_file(path) as part, part.open("w", encoding="utf-8") as stream:
        separator = "[\n"

        def add(picture: Picture) -> list[Path]:
            nonlocal separator
            label_names.update(dict.fromkeys(item.label for _, item in picture.objects))
            stream.write(separator + json.dumps(labelstudio_task(picture, shapes, tolerance, image_url)))
            separator = ",\n"
            return []

        yield add
        stream.write("[]" if separator == "[\n" else "\n]")
    with whole_file(path.with_suffix(".xml")) as part:
        part.write_text(labelling_page(list(label_names) or [LABEL], shapes), encoding="utf-8")


def labelstudio_task(
    picture: Picture,
    shapes: Shapes = "mask",
    tolerance: float = 0.0,
    image_url: str = "/data/local-files/?d=",
) -> dict[str, Any]:
    """A task with one prediction: a brush region for each object, or a polygon for each area; with the mean score."""
    regions: list[dict[str, Any]] = []
    for number, item in picture.objects:
        values = region_values(item, shapes, tolerance)
        regions += [region(item, f"{picture.stem}-{number}-{part}", value) for part, value in enumerate(values)]
    scores = [item.confidence for _, item in picture.objects if item.confidence is not None]
    prediction: dict[str, Any] = {"model_version": picture.model or "samhq", "result": regions}
    if scores:
        prediction["score"] = float(np.mean(scores))
    return {"data": {"image": image_url + picture.file_name}, "predictions": [prediction]}


def region_values(
    annotation: Annotation, shapes: Shapes | Literal["box"] = "mask", tolerance: float = 0.0
) -> list[dict[str, Any]]:
    """The values of an object's regions: one brush, a polygon for each area, or one rectangle; an empty mask has none.

    Places are in percent of width and height. Holes of polygons are joined by corridors without width.
    """
    if not annotation.area:
        return []
    if shapes == "mask":
        return [{"format": "rle", "rle": brush_code(annotation).tolist(), "brushlabels": [annotation.label]}]
    return _polygons(annotation, tolerance) if shapes == "polygon" else [_rectangle(annotation)]


def region(
    annotation: Annotation, name: str, value: dict[str, Any], *, from_name: str = "tag", to_name: str = "image"
) -> dict[str, Any]:
    """A region with one of the `region_values` of an object; `from_name` and `to_name` are tags of the labelling page.

    `name` tells the region from others. The score is the object's, where it has one.
    """
    height, width = annotation.size_hw
    content = {
        "id": name,
        "type": next(key for key in value if key.endswith("labels")),
        "from_name": from_name,
        "to_name": to_name,
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
        "value": value,
    }
    return content if annotation.confidence is None else content | {"score": annotation.confidence}


def labelling_page(labels: Sequence[str], shapes: Shapes = "mask") -> str:
    """The labelling configuration with the names that the regions use."""
    view = ElementTree.Element("View")
    ElementTree.SubElement(view, "Image", name="image", value="$image", zoom="true")
    tag = ElementTree.SubElement(view, _TAGS[shapes], name="tag", toName="image")
    for label in labels:
        ElementTree.SubElement(tag, "Label", value=xml_text(label))
    return ElementTree.tostring(view, encoding="unicode")


def brush_code(annotation: Annotation) -> UInt8[np.ndarray, " n"]:
    """A mask as the bytes of a brush: row by row, each pixel as RGBA, four times 255 on the object and 0 off it.

    32 bits give the number of values, 5 bits their width, and four times 4 bits the widths of lengths; widths are
    stored less one. A run is a bit 1, two bits for the width of its length, the length less one, and the value.

    >>> brush_code(Annotation({"size": [1, 1], "counts": "01"})).tolist()
    [0, 0, 0, 4, 57, 27, 252, 127, 224]
    """
    lengths = 4 * _rows(annotation)
    pieces = -(-lengths // _LONGEST)
    values = np.repeat(np.arange(len(lengths)) % 2 * 255, pieces)
    runs = np.full(len(values), _LONGEST, np.int64)
    runs[np.cumsum(pieces)[pieces > 0] - 1] = (lengths - (pieces - 1) * _LONGEST)[pieces > 0]
    size = np.searchsorted(1 << _LENGTH_BITS, runs)
    bits = _LENGTH_BITS[size]
    codes = ((((4 | size) << bits) | (runs - 1)) << 8) | values
    header = [(int(lengths.sum()), 32), (8 - 1, 5), *((int(width) - 1, 4) for width in _LENGTH_BITS)]
    return _packed(
        np.concatenate([np.array([code for code, _ in header], np.int64), codes]),
        np.concatenate([np.array([width for _, width in header], np.int64), bits + 11]),
    )


def _rows(annotation: Annotation) -> np.ndarray:
    """Lengths of runs row by row, beginning with zeros: those of the transposed mask column by column."""
    x, y, _, _ = annotation.bbox_xywh
    return rle.run_lengths(Piece.of(np.asarray(annotation.cropped.T), y, x).rle(annotation.size_hw[::-1]))


def _packed(codes: np.ndarray, widths: np.ndarray) -> np.ndarray:
    """The lowest bits of each code, as many as its width, highest bit first, one after the other; padded with 0."""
    place = np.repeat(np.cumsum(widths), widths) - np.arange(widths.sum()) - 1
    return np.packbits(((np.repeat(codes, widths) >> place) & 1).astype(np.uint8))


def _polygons(annotation: Annotation, tolerance: float) -> list[dict[str, Any]]:
    height, width = annotation.size_hw
    return [
        {
            "points": (bridged([polygon]) * 100 / np.array([width, height])).tolist(),
            "closed": True,
            "polygonlabels": [annotation.label],
        }
        for polygon in annotation.polygons(tolerance)
    ]


def _rectangle(annotation: Annotation) -> dict[str, Any]:
    height, width = annotation.size_hw
    x, y, w, h = annotation.bbox_xywh
    place = {"x": x * 100 / width, "y": y * 100 / height, "width": w * 100 / width, "height": h * 100 / height}
    return place | {"rotation": 0, "rectanglelabels": [annotation.label]}


def read_labelstudio(path: Path) -> Iterator[tuple[Picture, list[str]]]:
    """The labelled pictures of an export in JSON, one after the other, and a sentence for each region without a mask.

    A task's objects are those of its first annotation that was not cancelled; without one, of its first prediction.
    Each brush or polygon is an object. Tasks without regions are left out.

    Raises:
        ImageError: the file cannot be read, is not of this form, or a brush is damaged.
    """
    for number, task in enumerate(read_json(path, "Label Studio's export", Items(_TASK), ImageError)):
        chosen = [annotation for annotation in task.get("annotations") or () if not annotation.get("was_cancelled")]
        chosen = chosen or list(task.get("predictions") or ())
        results = (chosen[0].get("result") if chosen else None) or ()
        regions = [region for region in results if not {"original_width", "original_height"}.isdisjoint(region)]
        if not regions:
            continue
        name = _picture_name(task["data"], f"task {number} of {path}")
        size_hw = _size_hw(regions[0], name)
        skipped: list[str] = []
        found: list[Annotation] = []
        for region in regions:
            value, kind = region.get("value") or {}, region.get("type") or ""
            if "rle" in value:
                changes = _brush_changes(value["rle"], size_hw, name)
            elif "points" in value and kind.startswith("polygon"):
                check_document(value["points"], f"a polygon of {name}", Items(POINT), ImageError)
                percent = np.array(value["points"], np.float64).reshape(-1, 2)
                changes = filled_ring(percent * np.array(size_hw[::-1]) / 100, size_hw)
            else:
                skipped.append(f"{name}: a {kind or 'region'!s:.40} has no mask.")
                continue
            found.append(Annotation(runs.as_counts(changes, size_hw), _label(value), region.get("score")))
        yield Picture(name, size_hw, tuple(found)), skipped


def _size_hw(region: dict[str, Any], place: str) -> tuple[int, int]:
    """The height and width of a region's picture.

    Raises:
        ImageError: one of them is missing, or the picture is too large.
    """
    height, width = region.get("original_height"), region.get("original_width")
    if height is None or width is None:
        raise ImageError(
            f"Expected original_height and original_width in the regions of {place}, got {height} and {width}. "
            "Export it again."
        )
    return checked_size_of(height, width, place)


def _label(value: dict[str, Any]) -> str:
    """The first label of a region."""
    for key, names in value.items():
        if key.endswith("labels") and isinstance(names, list) and names and isinstance(names[0], str) and names[0]:
            return names[0]
    return LABEL


def _picture_name(data: dict[str, Any], place: str) -> str:
    """The name of a task's picture: the path in a folder, or the file's own name before it was uploaded."""
    address = data.get("image") or next((value for value in data.values() if isinstance(value, str) and value), None)
    if not isinstance(address, str):
        raise ImageError(f"Expected the address of a picture in {place}, got {str(data)[:80]}. Export it as JSON.")
    parts = urlsplit(address)
    local = parse_qs(parts.query).get("d") if parts.path.endswith("/local-files/") else None
    if local:
        return local[0]
    uploaded = "/upload/" in parts.path
    return re.sub("^[0-9a-f]{8}-", "", name_of(address)) if uploaded else name_of(address)


def _brush_changes(code: Any, size_hw: tuple[int, int], place: str) -> np.ndarray:
    """The changes of the mask in a brush: on where the fourth value of a pixel, its alpha, is not 0.

    Raises:
        ImageError: it is not the code of a brush of this size.
    """
    check_document(code, f"a brush of {place}", _BYTES, ImageError, "Export it again.")
    values = np.array(code, np.uint8)
    alpha = _unpacked(np.unpackbits(values), size_hw[0] * size_hw[1] * 4, place)[3::4] > 0
    return runs.changes_of_columns(np.ascontiguousarray(alpha.reshape(size_hw).T))


def _unpacked(bits: np.ndarray, total: int, place: str) -> np.ndarray:
    """All values of a brush, read as `brush_code` describes; runs may also hold single values, after a bit 0."""
    text = bits.tobytes().translate(_DIGITS).decode("ascii")
    values = np.zeros(total, np.uint8)
    position = at = 0

    def take(count: int) -> int:
        nonlocal position
        position += count
        return int(text[position - count : position], 2)

    try:
        count, word = take(32), take(5) + 1
        widths = [take(4) + 1 for _ in range(4)]
        if (count, word) != (total, 8):
            raise ValueError(f"{count} values of {word} bits, not {total} of 8")
        while at < total:
            repeated, length = take(1), take(widths[take(2)]) + 1
            end = at + length
            if end > total:
                raise ValueError(f"{end} values of {total}")
            if repeated:
                values[at:end] = take(8)
            else:
                stop = position + 8 * length
                values[at:end] = np.packbits(bits[position:stop])
                position = stop
            at = end
    except ValueError as error:
        raise ImageError(
            f"Expected a brush of the picture's size in {place}, got: {error}. Export it again."
        ) from error
    return values
