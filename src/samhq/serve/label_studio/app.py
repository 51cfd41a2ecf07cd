"""The application that Label Studio connects to as a machine learning backend.

Source: label-studio-ml-backend, `label_studio_ml/api.py`, and Label Studio's `ml/api_connector.py`: the routes,
their requests and their answers.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from pydantic import BaseModel, Field

from samhq.serve.app import answer_errors
from samhq.serve.faults import Fault
from samhq.serve.guard import Guard, Rules
from samhq.serve.label_studio.backend import Backend
from samhq.serve.label_studio.page import LabellingPage
from samhq.serve.label_studio.prompts import ContextRegion

OPEN_PATHS = ("/", "/health")  #: parts that need no password
_EVENTS = ("ANNOTATION_CREATED", "ANNOTATION_UPDATED", "ANNOTATION_DELETED", "START_TRAINING")
_LOG = logging.getLogger(__name__)
router = APIRouter()


class SetupRequest(BaseModel):
    """A project that is connected; `access_token` reads its pictures."""

    label_config: Annotated[str, Field(alias="schema")]
    access_token: str | None = None


class LabelTask(BaseModel):
    """A task of a project."""

    data: dict[str, Any]


class TaskContext(BaseModel):
    """The marks of a person."""

    result: list[ContextRegion] = []


class PredictParams(BaseModel):
    """The parameters of a request beside its tasks."""

    context: TaskContext | None = None


class PredictRequest(BaseModel):
    """Tasks to be labelled."""

    tasks: list[LabelTask]
    label_config: str
    params: PredictParams | None = None


def backend_of(request: Request) -> Backend:
    """The backend of the application that a request came to."""
    return request.app.state.backend


Connected = Annotated[Backend, Depends(backend_of)]


def create_backend_app(backend: Backend, rules: Rules) -> Guard:
    """The application of a backend, inside its guard. It loads the model in the background, and ends its thread."""

    @asynccontextmanager
    async def running(_: FastAPI) -> AsyncIterator[None]:
        backend.inference.start()
        yield
        backend.inference.queue.stop()

    app = FastAPI(title="samhq serve --label-studio", docs_url=None, redoc_url=None, openapi_url=None, lifespan=running)
    app.state.backend = backend
    app.include_router(router)
    answer_errors(app)
    return Guard(app, rules)


@router.get("/")
@router.get("/health")
def health() -> dict[str, str]:
    """Says that the server runs, also before the model is loaded."""
    return {"status": "UP", "model_class": "samhq"}


@router.post("/setup")
def setup(backend: Connected, request: SetupRequest) -> dict[str, str]:
    """Checks a project's labelling page."""
    LabellingPage.of(request.label_config)
    if request.access_token and not backend.pictures.key:
        backend.pictures.key = request.access_token
    return {"model_version": backend.model_version}


@router.post("/predict")
async def predict(backend: Connected, request: PredictRequest) -> dict[str, Any]:
    """A prediction for each task."""
    context = None if request.params is None else request.params.context
    marks = [] if context is None else context.result
    try:
        page = LabellingPage.of(request.label_config)
        return {"results": [await backend.predict(page, task.data, marks) for task in request.tasks]}
    except Fault as fault:
        _LOG.warning("%s", fault.detail)  # Label Studio shows people the status alone.
        raise


@router.get("/versions")
def versions(backend: Connected) -> dict[str, list[str]]:
    """The only version."""
    return {"versions": [backend.model_version]}


@router.post("/webhook")
async def webhook(request: Request, response: Response) -> dict[str, Any]:
    """Accepts an event and does nothing: the model does not learn from it."""
    content = await request.json()
    action = content.get("action") if isinstance(content, dict) else None
    response.status_code = 201 if action in _EVENTS else 200
    return {"result": {}, "status": "ok"}


@router.get("/metrics")
@router.post("/validate")
@router.post("/delete")
@router.post("/duplicate_model")
@router.post("/job_status")
@router.post("/train")
def nothing_to_say() -> dict[str, Any]:
    """An empty answer for requests of other versions of Label Studio."""
    return {}
