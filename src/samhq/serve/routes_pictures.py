"""Routes of pictures: the list, tiles, encoding, and prompts to masks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from samhq.results.annotation import Annotation
from samhq.serve.events import follow
from samhq.serve.faults import Fault
from samhq.serve.inference import Progress
from samhq.serve.messages import DecodeRequest, MaskRequest, OpenRequest, Page, PictureChange, PictureRow
from samhq.serve.objects import Row
from samhq.serve.pictures import picture_file
from samhq.serve.routes_project import Held
from samhq.serve.session import Session

router = APIRouter()


def row_of(session: Session, row: Row) -> PictureRow:
    """A picture as JSON values."""
    n_objects = row["n_objects"] if "n_objects" in row else session.project.n_objects(row["id"])
    return PictureRow(
        id=row["id"],
        name=row["name"],
        width=row["width"],
        height=row["height"],
        status=row["status"],
        n_objects=n_objects,
        encoded=session.inference.is_encoded(row["id"]),
        error=row["problem"],
    )


@router.get("/images")
def images(session: Held) -> dict[str, Any]:
    """All pictures, in order."""
    return {"images": [row_of(session, row) for row in session.project.images()]}


@router.post("/images")
async def upload(session: Held, request: Request, name: Annotated[str, Query(max_length=255)]) -> PictureRow:
    """Adds an uploaded picture."""
    content = await request.body()
    if not content:
        raise Fault(422, "Expected a picture's bytes, got an empty body. Choose a file.")
    image_id = await asyncio.to_thread(session.pictures.add_upload, name, content)
    return row_of(session, session.project.image(image_id))


@router.post("/images/open")
def open_path(session: Held, opened: OpenRequest) -> dict[str, Any]:
    """Adds the pictures at a path inside the served folder."""
    root = session.pictures.root
    if root is None:
        raise Fault(404, "Expected a server with a folder, got one without. Start: samhq serve FOLDER")
    path = root.inside(opened.path)
    ids = session.pictures.add_folder(path) if path.is_dir() else [session.pictures.add_file(root.relative(path))]
    return {"added": [row_of(session, session.project.image(image_id)) for image_id in ids]}


@router.patch("/images/{image_id}")
def change(session: Held, image_id: int, change: PictureChange) -> PictureRow:
    """Gives a picture another status."""
    session.project.image(image_id)
    session.project.change_image(image_id, status=change.status)
    return row_of(session, session.project.image(image_id))


@router.post("/presence")
def presence(session: Held, page: Page) -> dict[str, Any]:
    """Notes which picture a page has open; the pictures that others have open, and the picture's newest revision."""
    revision = None if page.image_id is None else session.project.image(page.image_id)["version"]
    session.presence.say(page.client, page.image_id)
    return {"elsewhere": sorted(session.presence.elsewhere(page.client)), "revision": revision}


@router.post("/presence/next")
def next_to_do(session: Held, page: Page) -> dict[str, PictureRow | None]:
    """The next picture that is to do and that no other page has open. This page has it open from now on."""
    chosen = session.presence.take(page.client, session.project.to_do(page.image_id))
    return {"image": None if chosen is None else row_of(session, session.project.image(chosen))}


@router.get("/images/{image_id}/tile/{level}/{column}/{row}")
def tile(request: Request, session: Held, image_id: int, level: int, column: int, row: int) -> Response:
    """A tile of a picture."""
    return _unless_known(request, session, image_id, lambda: session.pictures.tile(image_id, level, column, row))


@router.get("/images/{image_id}/pixels")
def pixels(request: Request, session: Held, image_id: int) -> Response:
    """A picture as PNG."""
    whole = partial(picture_file, lossy=False)
    return _unless_known(request, session, image_id, lambda: (whole(session.pictures.pixels(image_id)), "image/png"))


def _unless_known(
    request: Request, session: Session, image_id: int, content: Callable[[], tuple[bytes, str]]
) -> Response:
    """A picture's content and media type, or only that the browser has it. Other projects have the same addresses."""
    tag = f'"{session.pictures.stamp(image_id)}"'
    headers = {"Cache-Control": "private, no-cache", "ETag": tag}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    made, kind = content()
    return Response(made, media_type=kind, headers=headers)


@router.post("/images/{image_id}/encode")
async def encode(session: Held, image_id: int, background: bool = False) -> Response:
    """Encodes a picture, with its progress as events."""
    session.pictures.size_hw(image_id)
    progress = Progress()
    future = session.inference.encode(image_id, progress, ahead=background)

    def end() -> tuple[str, Any]:
        done = future.result()
        return "done", {"encode_ms": done.encode_ms, "from_cache": done.from_cache}

    return follow(future, lambda: {"stage": progress.stage, "fraction": round(progress.fraction, 3)}, end)


@router.post("/images/{image_id}/decode")
async def decode(session: Held, image_id: int, request: DecodeRequest) -> Response:
    """Candidate masks of a prompt, at low resolution."""
    session.pictures.size_hw(image_id)
    content = await asyncio.wrap_future(session.inference.decode(image_id, request))
    return Response(content, media_type="application/octet-stream")


@router.post("/images/{image_id}/mask")
async def mask(session: Held, image_id: int, request: MaskRequest) -> dict[str, Any]:
    """A prompt's mask at full size."""
    session.pictures.size_hw(image_id)
    code, iou = await asyncio.wrap_future(session.inference.mask(image_id, request))
    made = Annotation(code)
    return {"mask": code, "bbox": list(made.bbox_xywh), "area": made.area, "iou": iou}
