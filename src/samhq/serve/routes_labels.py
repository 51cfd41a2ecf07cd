"""Routes of a picture's objects: state, commands, undo and redo, and jobs that suggest objects."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Response

from samhq.serve import history
from samhq.serve.commands import MadeMask, run_command
from samhq.serve.events import follow
from samhq.serve.faults import Fault
from samhq.serve.messages import (
    CommandRequest,
    Commit,
    CommitMany,
    Delta,
    JobRequest,
    MaskRequest,
    NewObject,
    PictureState,
    SetDraft,
)
from samhq.serve.routes_project import MOST_DRAFT_BYTES, Held
from samhq.serve.session import Session

router = APIRouter()


def _as_json(message: Delta | PictureState) -> Response:
    """The server's own message as JSON; FastAPI would check it again, which is slow for many objects."""
    return Response(message.model_dump_json(), media_type="application/json")


@router.get("/images/{image_id}/state")
def state(session: Held, image_id: int) -> Response:
    """The objects of a picture with its draft, revision, undo and redo."""
    session.pictures.size_hw(image_id)
    return _as_json(history.state(session.project, image_id))


@router.post("/images/{image_id}/commands")
async def command(session: Held, image_id: int, request: CommandRequest) -> Response:
    """Runs a command."""
    session.pictures.size_hw(image_id)
    wanted = request.command
    made: MadeMask | None = None
    suggestions: list[NewObject] = []
    if isinstance(wanted, SetDraft | Commit) and wanted.draft is not None:
        _check_draft(len(wanted.draft.model_dump_json()))
    if isinstance(wanted, Commit) and wanted.draft.edited is None:
        made = await _made(session, image_id, wanted)
    elif isinstance(wanted, Commit):
        made = None
    elif isinstance(wanted, CommitMany) and wanted.job_id is not None:
        suggestions = _suggestions(session, image_id, wanted)
    delta = await asyncio.to_thread(
        run_command, session.project, image_id, wanted, after=request.after, made=made, suggestions=suggestions
    )
    return _as_json(delta)


@router.post("/images/{image_id}/undo")
def undo(session: Held, image_id: int, after: int | None = None) -> Response:
    """Undoes the last command."""
    return _as_json(history.undo(session.project, image_id, after))


@router.post("/images/{image_id}/redo")
def redo(session: Held, image_id: int, after: int | None = None) -> Response:
    """Redoes the command that was undone last."""
    return _as_json(history.redo(session.project, image_id, after))


@router.post("/jobs", status_code=202)
def start_job(session: Held, request: JobRequest) -> dict[str, Any]:
    """Starts a job."""
    return session.jobs.start(request).about()


@router.get("/jobs/{job_id}")
def job(session: Held, job_id: str) -> dict[str, Any]:
    """The progress of a job."""
    return session.jobs[job_id].about()


@router.get("/jobs/{job_id}/result")
def job_result(session: Held, job_id: str) -> dict[str, Any]:
    """The result of a job."""
    return session.jobs[job_id].result()


@router.get("/jobs/{job_id}/events")
async def job_events(session: Held, job_id: str) -> Response:
    """A job's progress as events, then its result."""
    job = session.jobs[job_id]
    assert job.future is not None
    return follow(
        job.future,
        lambda: {"state": job.state, "done": job.done, "total": job.total},
        lambda: ("result", job.result()),
    )


@router.delete("/jobs/{job_id}", status_code=204, response_model=None)
def cancel_job(session: Held, job_id: str) -> Response:
    """Cancels a job."""
    session.jobs.cancel(job_id)
    return Response(status_code=204)


def _check_draft(size: int) -> None:
    if size > MOST_DRAFT_BYTES:
        raise Fault(413, f"Expected a draft of at most {MOST_DRAFT_BYTES:,} bytes, got {size:,}. Commit the object.")


async def _made(session: Session, image_id: int, commit: Commit) -> MadeMask:
    """The mask of a draft's prompt."""
    draft = commit.draft
    known = {name: getattr(draft, name) for name in MaskRequest.model_fields}
    code, iou = await asyncio.wrap_future(session.inference.mask(image_id, MaskRequest.model_construct(**known)))
    return MadeMask(code, iou, await asyncio.to_thread(session.run_id))


def _suggestions(session: Session, image_id: int, command: CommitMany) -> list[NewObject]:
    """The objects of a job that a command chooses."""
    assert command.job_id is not None
    job = session.jobs[command.job_id]
    if job.image_id != image_id:
        raise Fault(409, f"Expected a job of picture {image_id}, got one of {job.image_id}. Start one for it.")
    return list(job.suggestions(command.indices))
