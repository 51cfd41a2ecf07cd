"""Starts a server and keeps it running until it is interrupted."""

from __future__ import annotations

import contextlib
import socket
import threading
import webbrowser
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import uvicorn

from samhq.errors import ConfigError
from samhq.options import whole_number
from samhq.serve.guard import is_loopback

_BACKLOG = 128
_MOST_CONNECTIONS = 256  #: Most requests at the same time; others get status 503.


@dataclass(frozen=True)
class Address:
    """The address of a server; port 0 means any free port."""

    host: str = "127.0.0.1"
    port: int = 0

    def check(self, token: str | None) -> None:
        """Checks that only this machine can reach the address, or that a token was given.

        Raises:
            ConfigError: other machines could reach the server, and no token was given; a token that a request cannot
                carry; or there is no such port.
        """
        whole_number("--port", self.port, 0, 65535)
        if token and not (token.isascii() and token.isprintable() and " " not in token):
            raise ConfigError(
                "Expected --token of ASCII letters, digits and signs without spaces, which HTTP can carry, got others. "
                "Choose another."
            )
        if not is_loopback(self.host) and not token:
            raise ConfigError(
                f"Expected --token with --host {self.host}, which other machines reach, got none. Choose a long random "
                "token, or leave --host out to serve this machine alone."
            )

    def listen(self) -> socket.socket:
        """A socket that listens there.

        Raises:
            ConfigError: the address is taken, or not this machine's.
        """
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        # With the protocol named, asyncio turns Nagle's algorithm off.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((self.host, self.port))
            listener.listen(_BACKLOG)
        except (OSError, OverflowError) as error:
            listener.close()
            reason = getattr(error, "strerror", None) or str(error)
            raise ConfigError(
                f"Expected a free address, got {self.host}:{self.port}: {reason}. Choose another --port, or 0 for any."
            ) from error
        return listener


def url_of(listener: socket.socket, token: str | None = None) -> str:
    """The address of a server for a browser on this machine, with the token behind it."""
    host = listener.getsockname()[0]
    return _url(listener, {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), token)


def url_for_others(listener: socket.socket, token: str) -> str | None:
    """The address of a server for browsers on other machines; None if only this machine can reach it."""
    host = listener.getsockname()[0]
    if is_loopback(host):
        return None
    return _url(listener, _own_address() if host in ("0.0.0.0", "::") else host, token)


def _url(listener: socket.socket, host: str, token: str | None) -> str:
    fragment = "" if token is None else f"#t={quote(token, safe='')}"
    return f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}/{fragment}"


def _own_address() -> str:
    """The address under which this machine's network knows it, else its name. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # An address for documentation: it only chooses the network card.
        except OSError:
            return socket.gethostname()
        address = probe.getsockname()[0]
    return socket.gethostname() if is_loopback(address) else address


def run_server(
    app: Any, listener: socket.socket, *, open_browser: str | None = None, failed: Callable[[], BaseException | None]
) -> None:
    """Answers requests until it is interrupted. Opens the address `open_browser` as soon as the server answers.

    `failed` returns an error of the background, if there is one; the server then ends.

    Raises:
        BaseException: what `failed` gave.
    """
    config = uvicorn.Config(
        app, log_level="warning", limit_concurrency=_MOST_CONNECTIONS, server_header=False, timeout_graceful_shutdown=3
    )
    server = uvicorn.Server(config)
    watcher = threading.Thread(target=_watch, args=(server, failed, open_browser), daemon=True)
    watcher.start()
    with contextlib.suppress(KeyboardInterrupt):  # This ends the server.
        server.run(sockets=[listener])
    if (error := failed()) is not None:
        raise error


def _watch(server: uvicorn.Server, failed: Callable[[], BaseException | None], open_browser: str | None) -> None:
    """Opens the browser once the server answers, and ends the server when something failed."""
    pause = threading.Event()
    while not server.should_exit:
        if server.started and open_browser is not None:
            webbrowser.open(open_browser)
            open_browser = None
        if failed() is not None:
            server.should_exit = True
        pause.wait(0.1)
