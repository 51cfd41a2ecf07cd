"""The web application: the page's files, and the interface that `docs/serve-api.md` describes.

Routes translate between requests and the session; they decide nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from samhq.errors import SamHQError
from samhq.serve.faults import CODES, Fault, fault_body, fault_of, headers_of
from samhq.serve.guard import Guard
from samhq.serve.routes_files import router as files_router
from samhq.serve.routes_labels import router as labels_router
from samhq.serve.routes_learning import router as learning_router
from samhq.serve.routes_pictures import router as pictures_router
from samhq.serve.routes_project import router as project_router
from samhq.serve.session import Session

PREFIX = "/api/v1"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".wasm": "application/wasm",
    ".txt": "text/plain; charset=utf-8",
    ".map": "application/json",
}


def create_app(session: Session, static: Path | None = None) -> Guard:
    """The application of a session, inside its guard. It starts the session's thread, and closes it at its end."""

    @asynccontextmanager
    async def running(_: FastAPI) -> AsyncIterator[None]:
        session.start()
        yield
        session.close()

    app = FastAPI(title="samhq serve", docs_url=None, redoc_url=None, openapi_url=None, lifespan=running)
    app.state.session = session
    for router in (project_router, pictures_router, labels_router, files_router, learning_router):
        app.include_router(router, prefix=PREFIX)
    _add_static(app, static_files(static or Path(str(files("samhq.serve") / "static"))))
    answer_errors(app)
    return Guard(app, session.rules)


def static_files(folder: Path) -> dict[str, Path]:
    """The page's files by their addresses; "/" is index.html. Only these are ever served."""
    files = {f"/{path.relative_to(folder).as_posix()}": path for path in folder.rglob("*") if path.suffix in _TYPES}
    return files | ({"/": files["/index.html"]} if "/index.html" in files else {})


def _add_static(app: FastAPI, known: dict[str, Path]) -> None:
    @app.get("/{name:path}", include_in_schema=False)
    def page(name: str) -> Response:
        path = known.get(f"/{name}")
        if path is None:
            raise Fault(404, f"Expected the page or one of its files, got /{name:.120}. Open the printed address.")
        cache = "public, max-age=31536000, immutable" if name.startswith("assets/") else "no-cache"
        return Response(path.read_bytes(), media_type=_TYPES[path.suffix], headers={"Cache-Control": cache})


def answer_errors(app: FastAPI) -> None:
    """Answers every error in one form."""
    handlers: dict[type[Exception], Callable[[Any], Fault]] = {
        HTTPException: _fault_of_http,
        RequestValidationError: _fault_of_validation,
        SamHQError: fault_of,
        Exception: fault_of,
    }

    def handler(convert: Callable[[Any], Fault]) -> Callable[[Request, Exception], Response]:
        def answer(_: Request, error: Exception) -> Response:
            fault = convert(error)
            return JSONResponse(fault_body(fault), fault.status_code, dict(headers_of(fault)))

        return answer

    for kind, convert in handlers.items():
        app.add_exception_handler(kind, handler(convert))


def _fault_of_http(error: HTTPException) -> Fault:
    if isinstance(error, Fault):
        return error
    status = error.status_code if error.status_code in CODES else 422
    return Fault(status, f"Expected a request of the interface, got one that is refused: {error.detail}.")


def _fault_of_validation(error: RequestValidationError) -> Fault:
    first = error.errors()[0]
    reason = first.get("ctx", {}).get("error")
    if isinstance(reason, SamHQError):
        return Fault(422, str(reason))
    if first["type"] == "json_invalid":
        place = first["loc"][-1]
        return Fault(
            422, f"Expected a body of JSON, got one that is damaged at character {place}: {reason}. Correct it."
        )
    place = ".".join(str(part) for part in first["loc"])
    came = {"extra_forbidden": "the unknown field", "missing": "none for the field"}.get(first["type"])
    found = f"{came} {place!r}" if came else f"{place!r} of another form ({first['msg']})"
    return Fault(422, f"Expected a request of the known form, got {found}. See docs/serve-api.md.")
