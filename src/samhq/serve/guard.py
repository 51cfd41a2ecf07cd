"""The checks of every request (host, origin, token, size), and the security headers of every answer.

An ASGI layer around the application, so no route can miss the checks.
"""

from __future__ import annotations

import base64
import ipaddress
import secrets
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse

from samhq.serve.faults import Fault, fault_body, headers_of

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

LOOPBACK = ("127.0.0.1", "localhost", "::1")
CONTAINER_HOSTS = (
    "host.docker.internal",
    "host.containers.internal",
)  #: This machine's names in containers.
SAFE = ("GET", "HEAD", "OPTIONS")
TOKEN_HEADER = "x-samhq-token"
API = "/api/"
OPEN_TO_ALL = ("/api/v1/health",)  #: Paths of the interface that need no token.
BODIES = ("application/json", "application/octet-stream")

_POLICY = (
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:; img-src 'self' blob: data:; "
    "style-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
ISOLATION = {"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp"}


@dataclass(frozen=True)
class Rules:
    """Who may send requests, and how large they may be.

    `hosts` are the names under which the server is reached. `any_address` also allows every IP address: unlike a name,
    an address cannot be redirected by somebody else. `basic` takes the token as a password of HTTP's basic
    authentication, as other programs send it, and asks for it everywhere but on `open_paths`.
    """

    token: str | None
    hosts: tuple[str, ...] = LOOPBACK
    any_address: bool = False
    most_bytes: int = 64 << 20
    isolation: bool = True
    basic: bool = False
    open_paths: tuple[str, ...] = OPEN_TO_ALL


def own_names() -> tuple[str, ...]:
    """The names of this machine, beside those of the loopback."""
    return (*LOOPBACK, socket.gethostname().lower(), socket.getfqdn().lower())


class Guard:
    """The application behind the rules: it sees only requests that follow them."""

    def __init__(self, app: Any, rules: Rules) -> None:
        self.app, self.rules = app, rules
        self._headers = HEADERS | (ISOLATION if rules.isolation else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, or answers with an error that says what is wrong."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":  # The server has no WebSocket routes.
            await send({"type": "websocket.close", "code": 1008})
            return
        try:
            self._check(scope)
        except Fault as fault:
            answer = JSONResponse(fault_body(fault), fault.status_code, dict(headers_of(fault)))
            await answer(scope, receive, self._with_headers(send))
            return
        await self.app(scope, self._bounded(receive), self._with_headers(send))

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        self._check_host(headers)
        if scope["method"] not in SAFE:
            self._check_origin(scope, headers)
        self._check_token(scope["path"], headers)
        if scope["method"] not in SAFE:
            self._check_body(headers)

    def _check_host(self, headers: Headers) -> None:
        hosts = headers.getlist("host")
        name = host_name(hosts[0]) if len(hosts) == 1 else ""
        if name not in self.rules.hosts and not (self.rules.any_address and _is_address(name)):
            raise Fault(
                400, f"Expected this server's own address as Host, got {name!r:.120}. Open the printed address."
            )

    def _check_origin(self, scope: Scope, headers: Headers) -> None:
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        own_origin = f"{scope.get('scheme', 'http')}://{headers['host']}"
        if (origin is not None and origin != own_origin) or site not in (None, "same-origin", "none"):
            raise Fault(
                403,
                f"Expected a request of this server's own page, got one of {origin or site!r:.120}. "
                "Use the page at the printed address.",
            )

    def _check_token(self, path: str, headers: Headers) -> None:
        rules = self.rules
        if rules.token is None or path in rules.open_paths or not (rules.basic or path.startswith(API)):
            return
        given = _password(headers) if rules.basic else headers.get(TOKEN_HEADER, "")
        if not secrets.compare_digest(given.encode(), rules.token.encode()):
            fault = Fault(
                401, "Expected the token of this run, got none or another. Open the address that was printed."
            )
            fault.headers = {"WWW-Authenticate": "Basic"} if rules.basic else None
            raise fault

    def _check_body(self, headers: Headers) -> None:
        length, kind = headers.get("content-length"), headers.get("content-type", "").split(";")[0].strip().lower()
        has_body = "transfer-encoding" in headers or length not in (None, "0")
        if has_body and kind not in BODIES:
            raise Fault(415, f"Expected a body of {' or '.join(BODIES)}, got {kind!r:.80}. Set Content-Type.")
        if length is not None and length.isdecimal() and int(length) > self.rules.most_bytes:
            raise self._too_large()

    def _bounded(self, receive: Receive) -> Receive:
        """The body; reading it raises an error after too many bytes, whatever its headers say."""
        taken = 0

        async def next_part() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self.rules.most_bytes:
                raise self._too_large()
            return message

        return next_part

    def _too_large(self) -> Fault:
        return Fault(413, f"Expected a body of at most {self.rules.most_bytes:,} bytes, got more. Send less at once.")

    def _with_headers(self, send: Send) -> Send:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers[name] = value
                if "cache-control" not in headers:
                    headers["Cache-Control"] = "no-store"
            await send(message)

        return send_with_headers


def host_name(host: str) -> str:
    """The name in a Host header, without its port, in lower case.

    >>> host_name("LocalHost:8000"), host_name("[::1]:80"), host_name("::1")
    ('localhost', '::1', '')
    """
    if host.startswith("["):
        name, bracket, rest = host[1:].partition("]")
        well_formed = bracket and (not rest or (rest[0] == ":" and rest[1:].isdecimal()))
        return name.lower() if well_formed else ""
    name, _, port = host.partition(":")
    return name.lower() if not port or port.isdecimal() else ""


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server bound to this address.

    >>> is_loopback("127.0.0.1"), is_loopback("0.0.0.0")
    (True, False)
    """
    if host.lower() == "localhost":
        return True
    return _is_address(host) and ipaddress.ip_address(host).is_loopback


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _password(headers: Headers) -> str:
    """The password of basic authentication; "" without one."""
    kind, _, code = headers.get("authorization", "").partition(" ")
    try:
        return base64.b64decode(code, validate=True).decode().partition(":")[2] if kind.lower() == "basic" else ""
    except ValueError:
        return ""
