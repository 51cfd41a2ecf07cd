"""Pages that have pictures open."""

from __future__ import annotations

import pytest
from tests.serve.served import Client

from samhq.serve import presence
from samhq.serve.presence import PATIENCE_S, Presence


def test_pictures_are_open_elsewhere_until_their_page_says_otherwise_or_nothing() -> None:
    now = [0.0]
    pages = Presence(lambda: now[0])
    pages.say("a", 1)
    pages.say("b", 2)
    assert (pages.elsewhere("a"), pages.elsewhere("b"), pages.elsewhere("c")) == ({2}, {1}, {1, 2})
    pages.say("b", None)
    assert pages.elsewhere("c") == {1}
    now[0] = PATIENCE_S + 1
    assert pages.elsewhere("c") == set()


def test_each_page_takes_another_picture() -> None:
    pages = Presence()
    assert [pages.take(page, [1, 2]) for page in "abc"] == [1, 2, None]
    assert pages.take("a", [1]) == 1


def test_of_too_many_pages_those_that_said_nothing_for_longest_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "_MOST_PAGES", 2)
    pages = Presence()
    pages.say("a", 1)
    pages.say("b", 2)
    assert pages.take("a", [3]) == 3
    assert pages.take("c", [3, 4]) == 4
    assert pages.elsewhere("d") == {3, 4}, "page a spoke after page b"


def test_pages_share_the_pictures_that_are_to_do(client: Client) -> None:
    def following(page: str, image_id: int | None = None) -> int | None:
        row = client.ask("POST", "/presence/next", {"client": page, "image_id": image_id})["image"]
        return None if row is None else row["id"]

    assert [following(page) for page in "abc"] == [1, 2, None]
    client.ask("PATCH", "/images/2", {"status": "done"})
    assert following("b", 2) is None
    said = client.ask("POST", "/presence", {"client": "b", "image_id": 2})
    assert said == {"elsewhere": [1], "revision": 0}
    client.ask("POST", "/presence", {"client": "a", "image_id": None})
    assert following("b", 2) == 1
    client.do(1, "set_draft", draft={"points": [[1, 1]], "labels": [1]})
    assert client.ask("POST", "/presence", {"client": "b", "image_id": 1}) == {"elsewhere": [], "revision": 1}
    assert client.fault("POST", "/presence", {"client": "b", "image_id": 99})[:2] == (404, "not_found")
