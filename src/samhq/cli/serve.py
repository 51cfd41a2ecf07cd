"""`samhq serve`: a web page that labels the pictures of a folder.

Light until it runs: the server's side is imported inside functions.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from samhq.cli.flags import Dtype
from samhq.errors import ConfigError
from samhq.extras import from_extra

if TYPE_CHECKING:
    from samhq.serve.guard import Rules

_MOST_BYTES = 64 << 20
_MOST_PIXELS = 100_000_000


def serve(
    folder: Path | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 8170,
    token: str | None = None,
    project: Path | None = None,
    model: Annotated[str | None, Parameter(alias="-m")] = None,
    device: str | None = None,
    dtype: Dtype = "float32",
    detector: str | None = None,
    max_pixels: int = _MOST_PIXELS,
    max_bytes: int = _MOST_BYTES,
    open: bool = True,
    isolation: bool = True,
) -> int:
    """Label pictures on a web page, by clicks, boxes, brush and text.

    For example: samhq serve photos

    Opens the page of that folder in a browser. Everything that you do is stored
    at once in the project file, folder/project.samhq; start the same command
    again to go on. The page works without network. The server answers this
    machine alone, unless you give --host and --token.

    Exit code 0: ended by Ctrl+C. 2: wrong use, such as a folder that does not exist.

    Parameters:
        folder: Folder of pictures. Without one, pictures are dragged onto the page. [default: none]
        host: Address to listen on. Any other than this machine's own needs --token.
        port: Port to listen on; 0 takes any free one.
        token: The secret that every request has to carry. [default: a new random one in each run]
        project: Project file. [default: project.samhq in the folder]
        model: A name that `samhq models` lists, a weights file, a folder or a hub id. [default: the starter in the
            package]
        device: cpu, cuda, cuda:1, mps, ... [default: cuda where there is one, else cpu]
        dtype: Of the weights; auto is bfloat16 where the device multiplies it in hardware.
        detector: What finds objects by name: a detector's name, folder or hub id. [default: grounding-dino-tiny]
        max_pixels: Larger pictures are refused.
        max_bytes: Larger uploads are refused.
        open: Open the page in a browser.
        isolation: Send headers that isolate the page from others, as threads in the browser need it.
    """
    with from_extra("serve", "the labelling page"):
        import samhq.serve.app
        import samhq.serve.start
    from samhq.inference.segment import load
    from samhq.serve.session import PROJECT_FILE, Session

    address = samhq.serve.start.Address(host, port)
    address.check(token)
    _check_positive(max_pixels, max_bytes)
    secret = token or secrets.token_urlsafe(24)
    place = project or (Path.cwd() if folder is None else folder) / PROJECT_FILE
    session = Session.open(
        folder,
        place,
        lambda: load(model, device=device, dtype=dtype),
        _rules(address.host, secret, max_bytes, isolation),
        most_pixels=max_pixels,
        model_name=model,
        detector=detector,
    )
    listener = address.listen()
    url = samhq.serve.start.url_of(listener, f"#t={secret}")
    print(f"samhq serve: {url}", flush=True)
    samhq.serve.start.run(
        samhq.serve.app.create_app(session),
        listener,
        open_browser=url if open else None,
        failed=lambda: session.inference.failed,
    )
    return 0


def _rules(host: str, secret: str, most_bytes: int, isolation: bool) -> Rules:
    """Who may ask: this machine under its loopback names, or on another address under its own names."""
    from samhq.serve.guard import LOOPBACK, Rules, is_loopback, own_names

    inside = is_loopback(host)
    hosts = (*LOOPBACK, host) if inside else own_names()
    return Rules(secret, hosts, not inside, most_bytes, isolation)


def _check_positive(max_pixels: int, max_bytes: int) -> None:
    if min(max_pixels, max_bytes) < 1:
        raise ConfigError(
            f"Expected --max-pixels and --max-bytes of at least 1, got {max_pixels} and {max_bytes}. Leave them out "
            "for the usual limits."
        )
