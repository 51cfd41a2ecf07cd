"""A picture's objects as SVG: one path for each object, with holes, over the picture or a link to it.

Source: W3C, "Scalable Vector Graphics 2": paths and `fill-rule`.
"""

from __future__ import annotations

import base64
import io
import os
import urllib.parse
from pathlib import Path
from xml.etree import ElementTree

from PIL import Image

from samhq.errors import ConfigError
from samhq.image.draw import colour
from samhq.image.write import JPEG_SIDE
from samhq.masks.polygons import rings
from samhq.results.annotation import Annotation
from samhq.results.picture import Picture
from samhq.storage.atomic import write_text
from samhq.storage.names import xml_text

_NAMESPACE = "http://www.w3.org/2000/svg"


def svg(picture: Picture, tolerance: float = 0.0, href: str | None = None) -> str:
    """The drawing as text, in pixels of the picture; `href` is the address of the picture below, or None.

    Small objects are drawn over large ones. Only the mask is filled, and no line is drawn along its border. A path's
    `id` is "object-" and its number; its title has the label and score.
    """
    height, width = picture.size_hw
    root = ElementTree.Element(
        "svg", xmlns=_NAMESPACE, width=str(width), height=str(height), viewBox=f"0 0 {width} {height}"
    )
    if href is not None:
        ElementTree.SubElement(root, "image", href=href, width=str(width), height=str(height))
    for number, item in sorted(picture.objects, key=lambda o: -o[1].area):
        fill = "#{:02x}{:02x}{:02x}".format(*colour(number - 1))
        path = ElementTree.SubElement(
            root,
            "path",
            {
                "id": f"object-{number}",
                "data-label": xml_text(item.label),
                "d": path_data(item, tolerance),
                "fill": fill,
                "fill-opacity": "0.5",
                "fill-rule": "evenodd",
            },
        )
        score = "" if item.confidence is None else f" {item.confidence:.3f}"
        ElementTree.SubElement(path, "title").text = xml_text(item.label) + score
    return ElementTree.tostring(root, encoding="unicode")


def path_data(annotation: Annotation, tolerance: float = 0.0) -> str:
    """All rings of an object as a path's `d`: absolute moves and lines, every ring closed."""
    return "".join(
        "M" + "L".join(f"{x} {y}" for x, y in ring.tolist()) + "Z" for ring in rings(annotation.polygons(tolerance))
    )


def write_svg(picture: Picture, path: Path, tolerance: float = 0.0, embed: bool = False) -> Path:
    """Writes the drawing over the picture, which is embedded (`embed`) or linked by a relative path.

    Raises:
        ConfigError: `embed`, but the picture's pixels are not known.
    """
    if embed:
        return write_text(path, svg(picture, tolerance, _embedded(picture)))
    name = picture.file_name
    if picture.source is not None:
        name = Path(os.path.relpath(picture.source.resolve(), path.parent.resolve())).as_posix()
    # Escaped as an address: a name may hold any byte, and `#`, `?` and `%` have a meaning in addresses.
    try:
        href = urllib.parse.quote(name.encode("utf-8", "surrogateescape"))
    except UnicodeEncodeError:  # Not the file system's name.
        href = urllib.parse.quote(name, errors="backslashreplace")
    return write_text(path, svg(picture, tolerance, href))


def _embedded(picture: Picture) -> str:
    if picture.image is None:
        raise ConfigError(f"Expected the pixels of {picture.file_name} to embed, got none. Give image=, or link it.")
    kind = "jpeg" if max(picture.size_hw) <= JPEG_SIDE else "png"
    content = io.BytesIO()
    Image.fromarray(picture.image).save(content, kind, **({"quality": 92} if kind == "jpeg" else {}))
    return f"data:image/{kind};base64," + base64.b64encode(content.getvalue()).decode("ascii")
