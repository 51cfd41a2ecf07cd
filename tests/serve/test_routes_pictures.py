"""The list of pictures, uploads, encoding and decoding, over HTTP."""

from __future__ import annotations

import json
import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from tests import tiny
from tests.serve.served import API, CLICK, Client, photograph

from samhq.inference.segment import Segmenter
from samhq.masks import rle
from samhq.serve.queue import Priority


def test_the_list_follows_the_folder(client: Client) -> None:
    first, second = client.ask("GET", "/images")["images"]
    assert (first["name"], first["width"], first["height"], first["status"]) == ("a.png", 60, 40, "todo")
    assert second["name"] == "b.png"


def test_the_first_command_begins_a_picture_and_people_end_it(client: Client) -> None:
    client.do(1, "set_draft", draft=CLICK)
    assert client.ask("GET", "/images")["images"][0]["status"] == "doing"
    assert client.ask("PATCH", "/images/1", {"status": "done"})["status"] == "done"
    client.do(1, "set_draft", draft=None)
    assert client.ask("GET", "/images")["images"][0]["status"] == "done"
    assert client.fault("PATCH", "/images/1", {"status": "other"})[0] == 422


def test_pictures_below_the_folder_are_opened(client: Client, tmp_path: Path) -> None:
    photograph(tmp_path / "photos" / "sub" / "c.png")
    photograph(tmp_path / "photos" / "sub" / "d.png")
    assert [one["name"] for one in client.ask("POST", "/images/open", {"path": "sub/d.png"})["added"]] == ["sub/d.png"]
    assert [one["name"] for one in client.ask("POST", "/images/open", {"path": "sub"})["added"]] == ["sub/c.png"]


def test_uploads(client: Client, tmp_path: Path) -> None:
    content = photograph(tmp_path / "new.png", seed=9).read_bytes()
    assert client.deliver("/images?name=new.png", content).json()["id"] == 3
    assert client.deliver("/images?name=x.png", b"").status_code == 422
    assert client.deliver("/images", content).status_code == 422


def test_encoding_says_how_far_it_is(client: Client) -> None:
    events = client.events("POST", "/images/1/encode")
    assert events[-1][0] == "done"
    assert events[-1][1]["encode_ms"] > 0
    assert {name for name, _ in events[:-1]} == {"progress"}
    assert client.ask("GET", "/images")["images"][0]["encoded"]
    assert client.events("POST", "/images/2/encode?background=1")[-1][0] == "done"


def test_decoding(client: Client) -> None:
    answer = client.post(f"{API}/images/1/decode", json=CLICK | {"seq": 4})
    (length,) = struct.unpack("<I", answer.content[:4])
    header = json.loads(answer.content[4 : 4 + length])
    assert header["seq"] == 4
    assert [one["name"] for one in header["candidates"]] == ["HQ", "1", "2", "3"]
    assert len(answer.content) == 4 + length + 2 * int(np.prod(header["shape"]))
    hover = client.post(f"{API}/images/1/decode", json=CLICK | {"kind": "hover"})
    assert hover.content[-512:] == answer.content[4 + length :][:512]


def test_masks_are_those_of_the_library(client: Client, tmp_path: Path) -> None:
    made = client.ask("POST", "/images/1/mask", CLICK)
    expected = Segmenter(tiny.shared(tiny.HQ)).segment(tmp_path / "photos" / "a.png", points=[[30, 20]]).masks[0]
    assert np.array_equal(rle.decode(made["mask"]), expected)
    assert made["area"] == expected.sum()


def test_of_many_hovers_few_are_decoded(client: Client) -> None:
    client.events("POST", "/images/1/encode")
    queue, held = client.session.inference.queue, []
    blocked = queue.submit(Priority.PROMPT, lambda: [held.append(1), __import__("time").sleep(0.5)])

    def hover(seq: int) -> int:
        body = CLICK | {"kind": "hover", "client": "a", "seq": seq}
        return client.post(f"{API}/images/1/decode", json=body).status_code

    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(hover, range(24)))
    blocked.result(10)
    assert set(codes) <= {200, 409}
    assert codes.count(409) >= 7
    assert codes[-1] == 200
