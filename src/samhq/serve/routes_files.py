"""Routes of files: export and import."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse
from starlette.background import BackgroundTask

from samhq.formats.options import WriteOptions
from samhq.serve.exports import export_pictures
from samhq.serve.faults import Fault
from samhq.serve.imports import ImportFormat, import_labels
from samhq.serve.routes_project import Held

router = APIRouter()


@router.get("/export/{format}")
def export_format(
    session: Held,
    format: str,
    scope: Literal["project", "image"] = "project",
    image_id: int | None = None,
    shapes: Literal["mask", "polygon"] = "mask",
    tolerance: Annotated[float, Query(ge=0, le=1000)] = 0.0,
) -> FileResponse:
    """The labels as a download in the given format."""
    if scope == "image" and image_id is None:
        raise Fault(422, "Expected image_id with scope=image, got none. Name the picture.")
    rows = session.project.images()
    ids = [row["id"] for row in rows if row["status"] != "skip"] if scope == "project" else [image_id or 0]
    classes = tuple(known["name"] for known in session.project.classes())
    options = WriteOptions(shapes=shapes, tolerance=tolerance, labels=classes)
    exported = export_pictures(session.project, session.pictures, format, ids, options)
    # Never shown by the browser: an SVG may hold names that somebody chose.
    return FileResponse(
        exported.path,
        filename=exported.path.name,
        media_type="application/octet-stream",
        content_disposition_type="attachment",
        background=BackgroundTask(shutil.rmtree, exported.folder, ignore_errors=True),
    )


@router.post("/import")
async def import_file(
    session: Held, request: Request, format: ImportFormat | None = None, image_id: int | None = None
) -> dict[str, Any]:
    """Adds the labels of an uploaded file."""
    content = await request.body()
    return asdict(await asyncio.to_thread(import_labels, session.project, content, format, image_id))
