"""Routes of the project as a whole: what the server can do, settings, classes."""

from __future__ import annotations

import importlib.util
from importlib.metadata import version
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from samhq.serve import exports, imports
from samhq.serve.faults import Fault
from samhq.serve.messages import ClassChange, ClassFields
from samhq.serve.pictures import TILE
from samhq.serve.session import Session

MOST_DRAFT_BYTES = 8 << 20
_MOST_SETTINGS = 64 << 10  #: bytes
router = APIRouter()


def session_of(request: Request) -> Session:
    """The session of the application that a request came to."""
    return request.app.state.session


Held = Annotated[Session, Depends(session_of)]


@router.get("/health")
def health() -> dict[str, str]:
    """Says that the server runs."""
    return {"status": "ok"}


@router.get("/info")
def info(session: Held) -> dict[str, Any]:
    """The server's version, model and abilities."""
    root = session.pictures.root
    text = importlib.util.find_spec("transformers") is not None
    why = "" if text else "Finding objects by name needs transformers. Run: pip install 'samhq[text]'"
    return {
        "version": version("samhq"),
        "model": session.about_model(),
        "limits": {
            "max_bytes": session.rules.most_bytes,
            "max_pixels": session.pictures.most_pixels,
            "max_draft_bytes": MOST_DRAFT_BYTES,
        },
        "text": {"available": text, "message": why},
        "export_formats": exports.formats(),
        "import_formats": [{"name": name, "about": about} for name, about in imports.FORMATS.items()],
        "tile": TILE,
        "folder": None if root is None else root.folder.name,
        "project": session.project.path.name,
        "created": session.project.created,
        "settings": session.project.settings,
    }


@router.get("/settings")
def settings(session: Held) -> dict[str, Any]:
    """The page's settings."""
    return session.project.settings


@router.put("/settings")
async def replace_settings(session: Held, request: Request) -> dict[str, Any]:
    """Stores the page's settings."""
    content = await request.body()
    values = await request.json() if len(content) <= _MOST_SETTINGS else None
    if not isinstance(values, dict):
        raise Fault(
            422,
            f"Expected settings as a JSON object of at most {_MOST_SETTINGS} bytes, got another body. "
            "Send fewer or smaller settings.",
        )
    session.project.settings = values
    return values


@router.get("/classes")
def classes(session: Held) -> dict[str, Any]:
    """All classes, in order."""
    return {"classes": session.project.classes()}


@router.post("/classes")
def add_class(session: Held, fields: ClassFields) -> dict[str, Any]:
    """A new class."""
    return session.project.add_class(fields.name, fields.colour, fields.key)


@router.patch("/classes/{class_id}")
def change_class(session: Held, class_id: int, change: ClassChange) -> dict[str, Any]:
    """A class with another name, colour, key or place."""
    return session.project.change_class(class_id, change.model_dump(exclude_unset=True))


@router.delete("/classes/{class_id}", status_code=204, response_model=None)
def remove_class(session: Held, class_id: int, move_to: int | None = None) -> Response:
    """Removes a class."""
    session.project.remove_class(class_id, move_to)
    return Response(status_code=204)
