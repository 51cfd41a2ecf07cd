"""What the server says of itself; settings and classes."""

from __future__ import annotations

import pytest
from tests.serve.served import API, CLICK, Client

from samhq.formats.write import FORMATS


def test_what_the_page_has_to_know(client: Client) -> None:
    info = client.ask("GET", "/info")
    assert [one["name"] for one in info["export_formats"]] == list(FORMATS)
    assert info["limits"]["max_pixels"] == 100_000_000
    assert (info["folder"], info["tile"]) == ("photos", 512)


def test_settings_are_replaced(client: Client) -> None:
    assert client.ask("PUT", "/settings", {"overlap": "newest"}) == {"overlap": "newest"}
    assert client.ask("GET", "/settings") == {"overlap": "newest"}


@pytest.mark.parametrize("content", [b"[1]", b"1", b'{"a": "' + b"x" * 70_000 + b'"}'])
def test_settings_that_cannot_be(client: Client, content: bytes) -> None:
    answer = client.put(f"{API}/settings", content=content, headers={"content-type": "application/json"})
    assert answer.status_code == 422


def test_classes(client: Client) -> None:
    cup = client.ask("POST", "/classes", {"name": "<b>cup</b>", "colour": "#123456", "key": "2"})
    assert client.ask("PATCH", f"/classes/{cup['id']}", {"key": None})["key"] is None
    client.do(1, "commit", draft=CLICK, class_id=cup["id"])
    status, _, message = client.fault("DELETE", f"/classes/{cup['id']}")
    assert (status, "with 1" in message) == (409, True)
    client.ask("DELETE", f"/classes/{cup['id']}?move_to=1")
    assert [(one["name"], one["n_objects"]) for one in client.ask("GET", "/classes")["classes"]] == [("object", 1)]
    for wrong in ({"name": ""}, {"name": "a", "colour": "red"}, {"name": "a" * 300}, {}):
        assert client.fault("POST", "/classes", wrong)[0] == 422
