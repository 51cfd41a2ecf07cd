"""Every row of the list of threats: hosts, origins, tokens, bodies, headers, paths; each on every route."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect
from tests.serve.served import API, TOKEN, Client, folder_of, opened

from samhq.serve.guard import LOOPBACK, TOKEN_HEADER, Guard, Rules, host_name, is_loopback

ROUTES = ["/", "/assets/a.js", f"{API}/health", f"{API}/info", f"{API}/images", f"{API}/images/1/state", "/nothing"]


def test_every_path_of_the_application_is_guarded(client: Client) -> None:
    for path in ROUTES:
        assert client.get(path, headers={"host": "evil.test"}).status_code == 400, path


@pytest.mark.parametrize(
    "host", ["evil.test", "testserver.evil.test", "127.0.0.1.evil.test", "testserver@evil.test", "", "testserver:evil"]
)
def test_another_host_is_refused(client: Client, host: str) -> None:
    status, code, _ = client.fault("GET", "/info", headers={"host": host})
    assert (status, code) == (400, "bad_host")


def test_addresses_are_hosts_only_where_other_machines_are_served(tmp_path: Path) -> None:
    inside = Guard(Starlette(), Rules(None, LOOPBACK))
    outside = Guard(Starlette(), Rules(None, LOOPBACK, any_address=True))
    for host, status in (("192.0.2.1:80", 400), ("localhost:80", 404), ("[::1]:80", 404)):
        assert TestClient(inside).get("/", headers={"host": host}).status_code == status
    assert TestClient(outside).get("/", headers={"host": "192.0.2.1"}).status_code == 404
    assert TestClient(outside).get("/", headers={"host": "evil.test"}).status_code == 400


def test_websockets_are_closed(client: Client) -> None:
    with pytest.raises(WebSocketDisconnect) as closed, client.websocket_connect("/api/v1/images"):
        pass
    assert closed.value.code == 1008


@pytest.mark.parametrize("headers", [{TOKEN_HEADER: "another"}, {TOKEN_HEADER: ""}, {TOKEN_HEADER: TOKEN + "x"}])
@pytest.mark.parametrize("path", ["/info", "/images", "/images/1/state", "/images/1/tile/0/0/0", "/export/coco", "/no"])
def test_the_interface_needs_the_token(client: Client, path: str, headers: dict[str, str]) -> None:
    status, code, _ = client.fault("GET", path, headers=headers)
    assert (status, code) == (401, "bad_token")


def test_health_and_the_page_need_no_token(client: Client) -> None:
    assert client.get(f"{API}/health", headers={TOKEN_HEADER: ""}).json() == {"status": "ok"}
    assert client.get("/nothing", headers={TOKEN_HEADER: ""}).status_code == 404


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.test"},
        {"origin": "null"},
        {"origin": "https://testserver"},
        {"origin": "http://testserver:81"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_other_sites_change_nothing(client: Client, method: str, headers: dict[str, str]) -> None:
    assert client.request(method, f"{API}/classes/1", headers=headers).status_code == 403


def test_the_own_page_may(client: Client) -> None:
    headers = {"origin": "http://testserver", "sec-fetch-site": "same-origin"}
    assert client.ask("POST", "/classes", {"name": "cup"}, headers=headers)["name"] == "cup"


def test_no_answer_allows_other_origins(client: Client) -> None:
    answers = [client.get(path, headers={"origin": "http://evil.test"}) for path in ROUTES]
    answers.append(client.options(f"{API}/images", headers={"access-control-request-method": "POST"}))
    for answer in answers:
        assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    "kind", ["multipart/form-data; boundary=a", "application/x-www-form-urlencoded", "text/plain", ""]
)
def test_forms_are_not_read(client: Client, kind: str) -> None:
    answer = client.post(f"{API}/classes", content=b'{"name": "cup"}', headers={"content-type": kind})
    assert (answer.status_code, answer.json()["error"]["code"]) == (415, "bad_type")


def test_every_answer_has_the_headers_that_protect_the_page(client: Client) -> None:
    for path in ROUTES:
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe-inline" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["cross-origin-embedder-policy"] == "require-corp"
        assert headers["cross-origin-resource-policy"] == "same-origin"


def test_isolation_can_be_left_out(tmp_path: Path) -> None:
    rules = Rules(TOKEN, ("testserver",), isolation=False)
    with Client(opened(folder_of(tmp_path), rules=rules)) as client:
        assert "cross-origin-opener-policy" not in client.get("/").headers


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Client]:
    with Client(opened(folder_of(tmp_path), rules=Rules(TOKEN, ("testserver",), most_bytes=2000))) as client:
        yield client


@pytest.mark.parametrize("path", ["/images?name=a.png", "/import", "/classes"])
def test_large_bodies_are_refused_by_their_promise(small: Client, path: str) -> None:
    assert small.deliver(path, b"x" * 3000).status_code == 413


@pytest.mark.parametrize("path", ["/images?name=a.png", "/import", "/settings", "/classes"])
def test_large_bodies_are_refused_by_their_bytes(small: Client, path: str) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(100):
            yield b"x" * 100

    headers = {"content-type": "application/json" if path == "/classes" else "application/octet-stream"}
    method = "PUT" if path == "/settings" else "POST"
    answer = small.request(method, API + path, content=endless(), headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")


def test_a_password_in_place_of_the_token() -> None:
    guard = Guard(Starlette(), Rules("secret", ("testserver",), basic=True, open_paths=("/health",)))
    client = TestClient(guard)
    right = base64.b64encode(b"anyone:secret").decode()
    assert client.get("/predict").status_code == 401
    assert client.get("/predict", headers={"authorization": "Basic no"}).status_code == 401
    assert client.get("/predict", headers={"authorization": f"Basic {right}"}).status_code == 404
    assert client.get("/health").status_code == 404


@pytest.mark.parametrize("host", ["a:b", "[::1", "[::1]x:1"])
def test_what_is_no_host_has_no_name(host: str) -> None:
    assert host_name(host) not in LOOPBACK


@pytest.mark.parametrize(("host", "inside"), [("127.0.0.5", True), ("::1", True), ("localhost", True), ("", False)])
def test_loopback(host: str, inside: bool) -> None:
    assert is_loopback(host) is inside
