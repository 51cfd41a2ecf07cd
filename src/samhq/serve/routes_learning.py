"""Routes of learning: training on what was labelled, and the models to label with."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from samhq.serve.events import follow
from samhq.serve.faults import nothing
from samhq.serve.messages import ModelChoice, TrainingRequest
from samhq.serve.routes_project import Held
from samhq.serve.training import about_training, prepare_training, start_training

_SECONDS = 0.5  #: Seconds between two checks of a run.
router = APIRouter()


@router.get("/training")
def overview(session: Held, class_id: Annotated[list[int] | None, Query()] = None) -> dict[str, Any]:
    """The data to train on, and what is missing."""
    return about_training(session, class_id)


@router.post("/training")
def training(session: Held, request: TrainingRequest) -> dict[str, Any]:
    """Writes training data; answers with the command that trains on it."""
    made = prepare_training(session, request)
    return {"command": made.command, "arguments": made.arguments, "images": made.pictures, "objects": made.objects}


@router.post("/training/run", status_code=202)
def begin_training(session: Held, request: TrainingRequest) -> dict[str, Any]:
    """Writes training data, and starts a run that trains on it."""
    return start_training(session, request)


@router.get("/training/run")
def training_run(session: Held) -> dict[str, Any]:
    """The progress of the newest run."""
    return session.learning.about()


@router.get("/training/run/events")
async def training_events(session: Held) -> Response:
    """The newest run's progress as events, then how it ended."""
    run = session.learning.newest
    if run is None:
        raise nothing("training run", "none")
    return follow(run.ended, run.about, lambda: ("result", run.about()), _SECONDS)


@router.delete("/training/run", status_code=204, response_model=None)
def end_training(session: Held) -> Response:
    """Ends the run, which saves its state first."""
    session.learning.cancel()
    return Response(status_code=204)


@router.get("/models")
def list_models(session: Held) -> dict[str, Any]:
    """The models to label with: the one that the server was started with, and those that its runs made."""
    return {"models": session.models.about()}


@router.put("/model")
async def choose_model(session: Held, choice: ModelChoice) -> dict[str, Any]:
    """Loads another model to label with; answers with its facts when it is loaded."""
    await asyncio.wrap_future(session.models.choose(choice.id))
    return session.about_model()
