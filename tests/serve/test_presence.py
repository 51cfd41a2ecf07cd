"""Pages that have pictures open."""

from __future__ import annotations

from tests.serve.served import Client

from samhq.serve.presence import PATIENCE_S, Presence


def test_pictures_are_open_elsewhere_until_their_page_says_otherwise_or_nothing() -> None:
    now = [0.0]
    presence = Presence(lambda: now[0])
    presence.say("a", 1)
    presence.say("b", 2)
    assert (presence.elsewhere("a"), presence.elsewhere("b"), presence.elsewhere("c")) == ({2}, {1}, {1, 2})
    presence.say("b", None)
    assert presence.elsewhere("c") == {1}
    now[0] = PATIENCE_S + 1
    assert presence.elsewhere("c") == set()


def test_each_page_takes_another_picture() -> None:
    presence = Presence()
    assert [presence.take(page, [1, 2]) for page in "abc"] == [1, 2, None]
    assert presence.take("a", [1]) == 1


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
