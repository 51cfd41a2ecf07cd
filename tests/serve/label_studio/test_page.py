"""Labelling pages: which control takes the answers, and what is refused."""

from __future__ import annotations

import pytest

from samhq.serve.faults import Fault
from samhq.serve.label_studio.page import LabellingPage

IMAGE = '<Image name="img" value="$photo"/>'
BRUSH = '<BrushLabels name="brush" toName="img"><Label value="cup"/><Label value="Big cat" alias="cat"/></BrushLabels>'
POLYGON = '<PolygonLabels name="poly" toName="img"><Label value="cup"/></PolygonLabels>'
RECTANGLE = '<RectangleLabels name="rect" toName="img" smart="true"><Label value="cup"/></RectangleLabels>'


def page(*tags: str) -> LabellingPage:
    return LabellingPage.of(f"<View>{''.join(tags)}</View>")


@pytest.mark.parametrize(
    ("tags", "from_name", "shapes"),
    [
        ((IMAGE, RECTANGLE, POLYGON, BRUSH), "brush", "mask"),
        ((RECTANGLE, POLYGON, IMAGE), "poly", "polygon"),
        ((IMAGE, RECTANGLE), "rect", "box"),
        ((IMAGE, BRUSH.replace("img", "other"), RECTANGLE), "rect", "box"),
    ],
)
def test_the_first_control_that_keeps_most(tags: tuple[str, ...], from_name: str, shapes: str) -> None:
    found = page(*tags)
    assert (found.from_name, found.to_name, found.shapes, found.data_key) == (from_name, "img", shapes, "photo")


def test_labels_are_those_that_results_hold() -> None:
    found = page(IMAGE, BRUSH)
    assert found.labels == ("cup", "cat")
    assert [found.label_of(label) for label in ("cat", "CUP", "dog", None)] == ["cat", "cup", "cup", "cup"]
    assert page(IMAGE, '<BrushLabels name="b" toName="img"/>').label_of("dog") == "dog"
    assert page(IMAGE, '<BrushLabels name="b" toName="img"/>').label_of(None) == "object"


@pytest.mark.parametrize(
    "xml",
    [
        "",
        "<View>",
        f"<View>{IMAGE}</View>",
        f"<View>{BRUSH}</View>",
        f"<View><Image name='img' value='https://example.org/a.jpg'/>{BRUSH}</View>",
        f"<!DOCTYPE a [<!ENTITY b 'c'>]><View>{IMAGE}{BRUSH}</View>",
        f"<View>{IMAGE}{BRUSH}{' ' * (1 << 20)}</View>",
    ],
)
def test_other_pages_are_refused(xml: str) -> None:
    with pytest.raises(Fault) as refused:
        LabellingPage.of(xml)
    assert refused.value.status_code == 422
    assert str(refused.value.detail).startswith("Expected")


def test_comments_are_no_declarations() -> None:
    assert page("<!-- our page -->", IMAGE, BRUSH).from_name == "brush"


@pytest.mark.parametrize("data", [{}, {"photo": ""}, {"photo": 3}, {"image": "a.jpg"}])
def test_a_task_without_the_picture(data: dict[str, object]) -> None:
    assert page(IMAGE, BRUSH).picture_of({"photo": "a.jpg"}) == "a.jpg"
    with pytest.raises(Fault, match="photo"):
        page(IMAGE, BRUSH).picture_of(data)
