"""`samhq serve`: a web page that labels the pictures of a folder.

Imports the server only inside functions, so that help is fast.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from samhq.cli.flags import Dtype
from samhq.cli.picture_flags import ALL_AS_IT_IS, BandFlags
from samhq.errors import ConfigError
from samhq.extras import from_extra
from samhq.garbage import collect_as_usual

if TYPE_CHECKING:
    from samhq.image.channels import Channels
    from samhq.inference.segment import Segmenter
    from samhq.serve.guard import Rules
    from samhq.serve.session import Session
    from samhq.serve.start import Address

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
    label_studio: str | None = None,
    fetch_from: Annotated[list[str] | None, Parameter(negative="")] = None,
    prelabel: Literal["nothing", "everything", "labels"] = "nothing",
    bands: BandFlags = ALL_AS_IT_IS,
) -> int:
    """Label pictures on a web page, by clicks, boxes, brush and text.

    For example: samhq serve photos
    Behind Label Studio: samhq serve --label-studio http://localhost:8080

    Opens a page with the pictures of the folder in a browser. Every change is
    stored at once in the project file, folder/project.samhq. To continue, run the
    same command again. The page works without network. Only this machine can reach
    the server, unless you give --host and --token.

    Exit code 0: ended by Ctrl+C. 2: wrong use, such as a folder that does not exist.

    Parameters:
        folder: Folder of pictures. Without one, pictures are dragged onto the page. [default: none]
        host: Address to listen on. An address that other machines can reach needs --token.
        port: Port to listen on. 0: any free port.
        token: Secret that every request must contain. [default: a new random one in each run]
        project: Project file. [default: project.samhq in the folder]
        model: A name from `samhq models`, a weights file, a folder or a hub id. [default: the starter in the package]
        device: cpu, cuda, cuda:1, mps, ... [default: cuda where there is one, else cpu]
        dtype: Number type of the weights. auto: bfloat16 if the device multiplies it faster than float32.
        detector: Detector that finds objects by name: its name, folder or hub id. [default: grounding-dino-tiny]
        max_pixels: Largest number of pixels of a picture. Larger pictures are refused.
        max_bytes: Largest number of bytes of an upload. Larger uploads are refused.
        open: Open the page in a browser.
        isolation: Send the headers that isolate the page from other pages. Threads in the browser need them.
        label_studio: Address of a Label Studio. The server is then its machine learning backend and has no page; the
            token is the password of the connection. [default: none]
        fetch_from: Address of another server from which the server may fetch pictures of tasks. Repeat for more.
            [default: none]
        prelabel: Answer to Label Studio for tasks without marks: nothing, masks of everything, or masks of the objects
            that the labels name.
    """
    with from_extra("serve", "the labelling page"):
        import samhq.serve.app
        import samhq.serve.start
    from samhq.inference.segment import load
    from samhq.serve.session import PROJECT_FILE, Session

    address = samhq.serve.start.Address(host, port)
    address.check(token)
    _check_positive(max_pixels, max_bytes)
    if bands.channels.chosen:
        with from_extra("geo", "--bands and --stretch"):
            import rasterio  # noqa: F401  Its absence is said now, not on the page.
    _check_label_studio(label_studio, folder or project, bool(fetch_from) or prelabel != "nothing")
    if label_studio is not None:
        return _serve_label_studio(
            address,
            label_studio,
            fetch_from or [],
            _rules(address.host, token, max_bytes, isolation),
            most_pixels=max_pixels,
            load=lambda: load(model, device=device, dtype=dtype),
            model_name=model,
            prelabel=prelabel,
            detector=detector,
            channels=bands.channels,
        )
    secret = token or secrets.token_urlsafe(24)
    place = project or (Path.cwd() if folder is None else folder) / PROJECT_FILE
    session = Session.open(
        folder,
        place,
        lambda: load(model, device=device, dtype=dtype),
        _rules(address.host, secret, max_bytes, isolation),
        most_pixels=max_pixels,
        model_name=model,
        load_file=lambda path: load(path, device=device, dtype=dtype),
        detector=detector,
        channels=bands.channels,
    )
    return _serve_page(session, address, secret, open_browser=open)


def _serve_page(session: Session, address: Address, secret: str, *, open_browser: bool) -> int:
    """Answers the page until it is interrupted, and closes the session."""
    from samhq.serve.app import create_app
    from samhq.serve.start import run_server, url_for_others, url_of

    with contextlib.closing(session):
        listener = address.listen()
        url = url_of(listener, secret)
        print(f"samhq serve: {url}", flush=True)
        if (others := url_for_others(listener, secret)) is not None:
            print(f"for other machines: {others}", flush=True)
        collect_as_usual()
        run_server(
            create_app(session),
            listener,
            open_browser=url if open_browser else None,
            failed=lambda: session.inference.failed,
        )
    return 0


def _serve_label_studio(
    address: Address,
    label_studio: str,
    others: list[str],
    rules: Rules,
    *,
    most_pixels: int,
    load: Callable[[], Segmenter],
    channels: Channels,
    **options: Any,
) -> int:
    """Answers a Label Studio until it is interrupted."""
    from samhq.serve.guard import CONTAINER_HOSTS
    from samhq.serve.inference import Inference
    from samhq.serve.label_studio.app import OPEN_PATHS, create_backend_app
    from samhq.serve.label_studio.backend import Backend
    from samhq.serve.label_studio.pictures import FetchedPictures
    from samhq.serve.start import run_server, url_of

    key = os.environ.get("LABEL_STUDIO_API_KEY")
    limits = {"most_bytes": rules.most_bytes, "most_pixels": most_pixels}
    pictures = FetchedPictures(label_studio, others, key=key, channels=channels, **limits)
    backend = Backend(Inference(load, pictures), pictures, **options)
    rules = replace(rules, basic=True, open_paths=OPEN_PATHS, hosts=(*rules.hosts, *CONTAINER_HOSTS))
    listener = address.listen()
    print(f"samhq serve for Label Studio: {url_of(listener)}", flush=True)
    collect_as_usual()
    run_server(create_backend_app(backend, rules), listener, failed=lambda: backend.inference.failed)
    return 0


def _rules(host: str, secret: str | None, most_bytes: int, isolation: bool) -> Rules:
    """Who may send requests: this machine under its loopback names, or on another address under its own names."""
    from samhq.serve.guard import LOOPBACK, Rules, is_loopback, own_names

    inside = is_loopback(host)
    hosts = (*LOOPBACK, host) if inside else own_names()
    return Rules(secret, hosts, not inside, most_bytes, isolation)


def _check_label_studio(label_studio: str | None, place: Path | None, options: bool) -> None:
    if label_studio is not None and place is not None:
        raise ConfigError(
            f"Expected --label-studio without a folder or project, got {place}. Label Studio has the pictures and "
            "keeps the labels; leave one of them out."
        )
    if label_studio is None and options:
        raise ConfigError("Expected --fetch-from and --prelabel with --label-studio, got them alone. Add its address.")


def _check_positive(max_pixels: int, max_bytes: int) -> None:
    if min(max_pixels, max_bytes) < 1:
        raise ConfigError(
            f"Expected --max-pixels and --max-bytes of at least 1, got {max_pixels} and {max_bytes}. Leave them out "
            "for the usual limits."
        )
