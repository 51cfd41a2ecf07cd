"""The page's files, errors of one form, and a journey from a picture to files."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.serve.served import API, CLICK, Client, folder_of, opened

from samhq.serve.app import static_files
from samhq.serve.guard import TOKEN_HEADER


@pytest.fixture
def page(tmp_path: Path) -> Path:
    folder = tmp_path / "static"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>page</title>")
    (folder / "assets" / "a-1.js").write_text("1")
    (folder / "notes.py").write_text("secret")
    return folder


def test_the_page_and_its_files(tmp_path: Path, page: Path) -> None:
    with Client(opened(folder_of(tmp_path / "photos")), page) as client:
        answer = client.get("/", headers={TOKEN_HEADER: ""})
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert answer.headers["cache-control"] == "no-cache"
        script = client.get("/assets/a-1.js")
        assert script.headers["content-type"].startswith("text/javascript")
        assert "immutable" in script.headers["cache-control"]
        for path in ("/notes.py", "/assets", "/assets/", "/index"):
            assert client.get(path).status_code == 404, path


def test_only_files_of_known_types_are_files_of_the_page(page: Path) -> None:
    assert sorted(static_files(page)) == ["/", "/assets/a-1.js", "/index.html"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/nothing", None, 404, "not_found"),
        ("DELETE", "/info", None, 405, "bad_method"),
        ("GET", "/images/9/state", None, 404, "not_found"),
        ("GET", "/images/a/state", None, 422, "bad_request"),
        ("GET", "/images/..%2fb/state", None, 404, "not_found"),
        ("POST", "/images/9/decode", CLICK, 404, "not_found"),
        ("POST", "/images/1/decode", {}, 422, "bad_request"),
        ("POST", "/images/1/decode", {"points": "x"}, 422, "bad_request"),
        ("POST", "/images/1/decode", {"box": [5, 5, 1, 1]}, 422, "bad_request"),
        ("POST", "/images/1/commands", {"command": {"type": "no"}}, 422, "bad_request"),
        ("POST", "/images/1/undo", None, 409, "conflict"),
        ("GET", "/jobs/no", None, 404, "not_found"),
        ("GET", "/export/no", None, 404, "not_found"),
        ("POST", "/training", {}, 409, "conflict"),
    ],
)
def test_errors_have_one_form(client: Client, method: str, path: str, body: object, status: int, code: str) -> None:
    assert client.fault(method, path, body)[:2] == (status, code)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"box": [1, 2, 3]}, "Expected a box of 4 numbers x0, y0, x1, y1, got 3 numbers."),
        ({"box": "1,2,3,4"}, "Expected boxes as numbers"),
        (
            {"points": [[1, 2, 3]], "labels": [1]},
            "Expected at least one point of 2 numbers x, y, got 1 row of 3 numbers.",
        ),
        ({"points": [[True, True]], "labels": [1]}, "true or false"),
        ({"point": [[1, 2]]}, "got the unknown field 'body.point'. See docs/serve-api.md."),
        ({"points": [[1, 2]], "labels": "on"}, "got 'body.labels' of another form (Input should be"),
        ({"box": [100, 5, 200, 9]}, "Expected boxes that share some of the picture, 60 wide and 40 high"),
    ],
)
def test_prompts_of_another_form_are_told_in_their_own_words(client: Client, body: object, said: str) -> None:
    status, _, message = client.fault("POST", "/images/1/decode", body)
    assert status == 422
    assert said in message


def test_json_that_is_none(client: Client) -> None:
    answer = client.post(f"{API}/classes", content=b"{", headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "bad_request")
    assert "Expected a body of JSON, got one that is damaged at character 1" in answer.json()["error"]["message"]
