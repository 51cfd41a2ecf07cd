"""Label Studio's labelling page, read from its XML: which picture is labelled, and with which control.

Source: labelstud.io, "Tags": BrushLabels, PolygonLabels, RectangleLabels, Image.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal
from xml.etree import ElementTree

from samhq.results.annotation import LABEL
from samhq.serve.faults import Fault

_MOST_TEXT = 1 << 20  #: characters of a page
#: Controls that masks can be written for, best first, and the shapes that they take.
_CONTROLS: dict[str, Literal["mask", "polygon", "box"]] = {
    "BrushLabels": "mask",
    "PolygonLabels": "polygon",
    "RectangleLabels": "box",
}


@dataclass(frozen=True)
class LabellingPage:
    """The control that takes the answers and its labels, and where a task's data names the picture."""

    from_name: str
    to_name: str
    shapes: Literal["mask", "polygon", "box"]
    labels: tuple[str, ...]
    data_key: str

    @classmethod
    def of(cls, xml: str) -> LabellingPage:
        """The page of a labelling configuration: its first brush, else its first polygon, else its first rectangle.

        Raises:
            Fault: it is no XML, or has no such control for an Image.
        """
        root = _parsed(xml)
        images = {tag.get("name"): tag.get("value", "") for tag in root.iter("Image")}
        for kind, shapes in _CONTROLS.items():
            for tag in root.iter(kind):
                to_name = tag.get("toName")
                if tag.get("name") and images.get(to_name, "").startswith("$"):
                    return cls(tag.get("name", ""), to_name or "", shapes, tuple(_labels(tag)), images[to_name][1:])
        raise Fault(
            422,
            f"Expected {', '.join(_CONTROLS)} whose toName is an Image with a value such as $image, got a labelling "
            "page without one. Add <BrushLabels> to the labelling configuration.",
        )

    def picture_of(self, data: dict[str, object]) -> str:
        """The address of a task's picture.

        Raises:
            Fault: the task names none.
        """
        address = data.get(self.data_key)
        if not isinstance(address, str) or not address:
            raise Fault(422, f"Expected the address of a picture in {self.data_key!r}, got {address!r:.80}. Check it.")
        return address

    def label_of(self, label: str | None) -> str:
        """The control's own label for a label of another control; the first one where it has no such label."""
        wanted = label or ""
        if wanted in self.labels:
            return wanted
        same = [own for own in self.labels if own.casefold() == wanted.casefold()]
        return next(iter([*same, *self.labels]), wanted or LABEL)


def _parsed(xml: str) -> ElementTree.Element:
    # Entities can blow up, and no labelling page declares any.
    if len(xml) > _MOST_TEXT or "<!" in xml.replace("<!--", ""):
        raise Fault(422, "Expected a labelling configuration without declarations, got others. Remove them.")
    try:
        return ElementTree.fromstring(xml)
    except ElementTree.ParseError as error:
        raise Fault(422, f"Expected a labelling configuration in XML, got {error}. Check it.") from error


def _labels(control: ElementTree.Element) -> Iterator[str]:
    for tag in control.iter("Label"):
        name = tag.get("alias") or tag.get("value")
        if name:
            yield name
