"""Downloads the bytes at an http or https URL. Knows nothing about what the bytes are."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from samhq.errors import ImageError

MOST = 1 << 30  #: Largest number of bytes of a file.
_TIMEOUT = 30.0  #: Seconds without an answer.


def is_url(source: Any) -> bool:
    """Whether this is an http or https address.

    >>> is_url("https://example.org/a.jpg"), is_url("a.jpg")
    (True, False)
    """
    return isinstance(source, str) and source[:8].lower().startswith(("http://", "https://"))


def fetched(url: str, timeout: float | None = None) -> bytes:
    """The bytes at an address; `timeout` in seconds, by default 30.

    Raises:
        ImageError: it cannot be fetched, or is larger than 1 GiB.
    """
    import urllib.request  # It brings ssl and email, which other pictures do not need.
    from http.client import HTTPException

    try:
        request = urllib.request.Request(url, headers={"User-Agent": "samhq"})
        with urllib.request.urlopen(request, timeout=timeout or _TIMEOUT) as response:
            data = response.read(MOST + 1)
    except (OSError, ValueError, HTTPException) as error:
        raise ImageError(f"Expected a file at {url}, got: {error}. Check the address and the network.") from error
    if len(data) > MOST:
        raise ImageError(f"Expected a file of at most 1 GiB at {url}, got more. Download it first.")
    return bytes(data)


def name_of(url: str) -> str:
    """The name of the file at an address.

    >>> name_of("https://example.org/in/my%20cat.jpg?size=2"), name_of("https://example.org/")
    ('my cat.jpg', 'picture')
    """
    name = PurePosixPath(unquote(urlsplit(url).path)).name
    return name.replace("\0", "").lstrip(".")[:120] or "picture"
