"""Pictures of Label Studio's tasks, fetched within limits and kept in memory.

Only addresses of Label Studio itself, and of servers that were allowed by name, are fetched: a task's data is written
by people, and must not make this server read from others.
"""

from __future__ import annotations

import base64
import binascii
import itertools
import json
import threading
import time
import urllib.error
import urllib.request
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPException, HTTPMessage
from typing import IO, Any
from urllib.parse import urljoin, urlsplit

import numpy as np

from samhq.errors import ConfigError
from samhq.image.channels import AS_SHOWN, Channels
from samhq.image.fetch import name_of
from samhq.serve.faults import Fault
from samhq.serve.pictures import decoded_picture
from samhq.shapes import UInt8

_TIMEOUT = 30.0  #: seconds without an answer
_FRESH = 60.0  #: seconds in which a picture is not asked for again
_HELD_BYTES = 1 << 28  #: of picture files
_PORTS = {"http": 80, "https": 443}


@dataclass
class FetchedPicture:
    """A picture file and what its server said about it."""

    id: int
    name: str
    content: bytes
    etag: str | None
    modified: str | None
    checked: float


class FetchedPictures:
    """Pictures by address, from `label_studio` and the servers `others`; an address without a server is Label Studio's.

    `key` is a user's access token of Label Studio, sent there only. `inference` encodes a picture by its number; a
    picture that changed at its address has another one.

    Raises:
        ConfigError: an address of a server that is none.
    """

    def __init__(
        self,
        label_studio: str,
        others: Sequence[str] = (),
        *,
        key: str | None = None,
        most_bytes: int = 64 << 20,
        most_pixels: int = 100_000_000,
        channels: Channels = AS_SHOWN,
    ) -> None:
        self.base = label_studio if label_studio.endswith("/") else f"{label_studio}/"
        self.key, self.most_bytes, self.most_pixels = key, most_bytes, most_pixels
        self.channels = channels
        self._own = origin_of(label_studio)
        self._allowed = {self._own, *map(origin_of, others)}
        self._opener = urllib.request.build_opener(_Redirects(self._check))
        self._numbers = itertools.count(1)
        self._held: OrderedDict[str, FetchedPicture] = OrderedDict()
        self._lock = threading.Lock()
        self._access: tuple[str, float] = ("", 0.0)

    def fetch(self, address: str) -> FetchedPicture:
        """The picture at an address, or in a `data:` address.

        Raises:
            Fault: another server's, too large, or it cannot be fetched.
        """
        try:
            url = address if address.startswith("data:") else urljoin(self.base, address)
        except ValueError:
            url = address  # Refused below.
        with self._lock:
            held = self._held.get(url)
        if held is not None and time.monotonic() - held.checked < _FRESH:
            return held
        picture = self._embedded(url) if url.startswith("data:") else self._fetched(url, held)
        with self._lock:
            self._held[url] = picture
            self._held.move_to_end(url)
            while len(self._held) > 1 and sum(len(file.content) for file in self._held.values()) > _HELD_BYTES:
                self._held.popitem(last=False)
        return picture

    def pixels(self, image_id: int) -> UInt8[np.ndarray, "H W 3"]:
        """A fetched picture, upright, RGB.

        Raises:
            Fault: it is no longer held, is no picture, or has too many pixels.
        """
        with self._lock:
            held = [picture for picture in self._held.values() if picture.id == image_id]
        if not held:
            raise Fault(503, "Expected a picture in memory, got newer ones in its place. Send the request again.")
        return decoded_picture(held[0].content, held[0].name, self.most_pixels, self.channels)

    def _embedded(self, url: str) -> FetchedPicture:
        head, _, code = url.partition(",")
        if not head.endswith(";base64") or len(code) > self.most_bytes * 4 // 3 + 4:
            raise Fault(422, f"Expected a picture as base64 in {head:.60}, got another form or too much. Upload it.")
        try:
            content = base64.b64decode(code, validate=True)
        except binascii.Error as error:
            raise Fault(422, f"Expected a picture as base64 in {head:.60}, got: {error}. Upload it.") from error
        return FetchedPicture(next(self._numbers), "picture", content, None, None, time.monotonic())

    def _fetched(self, url: str, held: FetchedPicture | None) -> FetchedPicture:
        self._check(url)
        headers = self._headers(url)
        if held is not None and held.etag:
            headers["If-None-Match"] = held.etag
        elif held is not None and held.modified:
            headers["If-Modified-Since"] = held.modified
        try:
            content, about = self._read(url, headers)
        except urllib.error.HTTPError as error:
            if error.code == 304 and held is not None:
                held.checked = time.monotonic()
                return held
            hint = "Set LABEL_STUDIO_API_KEY to an access token of Label Studio." if error.code in (401, 403) else ""
            raise Fault(422, f"Expected a picture at {_shown(url)}, got status {error.code}. {hint}".strip()) from error
        except (OSError, ValueError, HTTPException) as error:
            raise Fault(422, f"Expected a picture at {_shown(url)}, got: {error}. Check the address.") from error
        same = held is not None and held.content == content
        number = held.id if held is not None and same else next(self._numbers)
        etag, modified = about.get("ETag"), about.get("Last-Modified")
        return FetchedPicture(number, name_of(url), content, etag, modified, time.monotonic())

    def _read(self, url: str, headers: dict[str, str]) -> tuple[bytes, Any]:
        with self._opener.open(urllib.request.Request(url, headers=headers), timeout=_TIMEOUT) as answer:
            content = answer.read(self.most_bytes + 1)
            if len(content) > self.most_bytes:
                raise Fault(
                    413,
                    f"Expected a picture of at most {self.most_bytes:,} bytes at {_shown(url)}, got more. "
                    "Make it smaller.",
                )
            return content, answer.headers

    def _check(self, url: str) -> None:
        try:
            allowed = origin_of(url) in self._allowed
        except ConfigError:
            allowed = False
        if not allowed:
            raise Fault(
                422,
                f"Expected a picture of {self.base} or of a server that --fetch-from names, got {_shown(url)}. Start "
                "samhq serve with --fetch-from and that server's address if you trust it.",
            )

    def _headers(self, url: str) -> dict[str, str]:
        agent = {"User-Agent": "samhq"}
        if not self.key or origin_of(url) != self._own:
            return agent
        # Personal access tokens of newer versions are JSON web tokens that are exchanged; older tokens are sent as is.
        authorization = f"Bearer {self._exchanged()}" if self.key.count(".") == 2 else f"Token {self.key}"
        return agent | {"Authorization": authorization}

    def _exchanged(self) -> str:
        """An access token that is valid for some minutes, for the personal access token that was given."""
        token, until = self._access
        if time.monotonic() < until:
            return token
        url, body = urljoin(self.base, "api/token/refresh"), json.dumps({"refresh": self.key}).encode()
        request = urllib.request.Request(url, body, {"Content-Type": "application/json", "User-Agent": "samhq"})
        try:
            with self._opener.open(request, timeout=_TIMEOUT) as answer:
                token = str(json.loads(answer.read(1 << 16))["access"])
        except (OSError, ValueError, KeyError, TypeError, HTTPException) as error:
            raise Fault(
                422, f"Expected an access token of Label Studio, got: {error}. Check LABEL_STUDIO_API_KEY."
            ) from error
        self._access = token, time.monotonic() + _FRESH
        return token


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to allowed servers only, and takes the access token to none."""

    def __init__(self, check: Any) -> None:
        self._check = check

    def redirect_request(self, req: Any, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str) -> Any:
        """The request for the new address."""
        self._check(newurl)
        following = super().redirect_request(req, fp, code, msg, headers, newurl)
        if following is not None and origin_of(newurl) != origin_of(req.full_url):
            following.remove_header("Authorization")
        return following


def origin_of(url: str) -> tuple[str, str, int]:
    """Scheme, host and port of an address.

    >>> origin_of("https://Labels.example.org/projects/1")
    ('https', 'labels.example.org', 443)

    Raises:
        ConfigError: it has none.
    """
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme.lower(), parts.hostname, parts.port
    except ValueError:
        scheme, host, port = "", None, None
    if scheme not in _PORTS or not host:
        raise ConfigError(
            f"Expected an address such as http://localhost:8080, got {url!r:.120}. Give the whole address."
        )
    return scheme, host, port or _PORTS[scheme]


def _shown(url: str) -> str:
    """An address for a message, without what may be secret in it."""
    return url.partition("?")[0][:200]
