"""Routes of files: export, import, and data for training."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse
from starlette.background import BackgroundTask

from samhq.formats.options import WriteOptions
from samhq.serve.exports import export_pictures
from samhq.serve.faults import Fault
from samhq.serve.imports import ImportFormat, import_labels
from samhq.serve.messages import TrainingRequest
from samhq.serve.routes_project import Held
from samhq.serve.training import prepare_training, start_training

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
        raise Fault(422, "Expected image_id with scope=image, got none. Say which picture.")
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


@router.post("/training")
def training(session: Held, request: TrainingRequest) -> dict[str, Any]:
    """Writes training data; answers with the command that trains on it."""
    folder = session.files / "training"
    return prepare_training(session.project, session.pictures, folder, session.model_name, request)


@router.post("/training/run", status_code=202)
def begin_training(session: Held, request: TrainingRequest) -> dict[str, Any]:
    """Writes training data, and starts a run that trains on it."""
    return start_training(session, request)


@router.get("/training/run")
def training_run(session: Held) -> dict[str, Any]:
    """The progress of the newest run."""
    return session.learning.about()


@router.delete("/training/run", status_code=204)
def end_training(session: Held) -> Response:
    """Ends the run, which saves its state first."""
    session.learning.cancel()
    return Response(status_code=204)
