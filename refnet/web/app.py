"""The explorer over HTTP: a route for each question, the page, and errors as sentences.

Nothing is kept for a browser: a question names the faces it is about, so that any number of browsers may ask. Starlette
runs the questions in threads.
"""

from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from refnet.errors import InputError, RefnetError, UsageError
from refnet.web.explorer import Explorer, told
from refnet.web.guard import Guard
from refnet.web.intake import BODY_BYTES, Intake
from refnet.web.square import Square

PAGE = Path(__file__).parent / "page"
NAME_LETTERS = 80


def make_app(explorer: Explorer) -> Starlette:
    """The application: ``/`` is the page, ``/api`` answers what it asks."""
    intake = Intake()

    def network(_: Request) -> Response:
        return JSONResponse({**explorer.facts(), "limit_bytes": BODY_BYTES})

    def picture(request: Request) -> Response:
        return Response(explorer.picture(text(request, "face")), media_type="image/png")

    def maps(request: Request) -> Response:
        face, tensor = text(request, "face"), text(request, "tensor")
        holding = number(request, "holding") if "holding" in request.query_params else None
        first = 0 if holding is not None else number(request, "first")
        return JSONResponse(explorer.maps(face, tensor, first, square(request), holding))

    def element(request: Request) -> Response:
        face, tensor, place = text(request, "face"), text(request, "tensor"), whole_numbers(request, "place")
        return JSONResponse(explorer.element(face, tensor, place, square(request)))

    def similarity(request: Request) -> Response:
        return JSONResponse(explorer.similarity(text(request, "face"), text(request, "other"), square(request)))

    async def take(request: Request) -> Response:
        called = request.query_params.get("name", "")[:NAME_LETTERS] or "the image"
        async with intake.body(request) as body:
            face = await run_in_threadpool(explorer.album.take, body, called)
        return JSONResponse(told(face), status_code=201)

    def mirror(request: Request) -> Response:
        return JSONResponse(told(explorer.album.mirrored(text(request, "face"))), status_code=201)

    routes = [
        Route("/api/network", network),
        Route("/api/face.png", picture),
        Route("/api/maps", maps),
        Route("/api/element", element),
        Route("/api/similarity", similarity),
        Route("/api/faces", take, methods=["POST"]),
        Route("/api/mirror", mirror, methods=["POST"]),
        Mount("/", StaticFiles(directory=PAGE, html=True)),
    ]
    return Starlette(
        routes=routes,
        middleware=[Middleware(Guard)],
        exception_handlers={
            RefnetError: in_words,
            HTTPException: in_words,
            MemoryError: too_little_memory,
            ClientDisconnect: gone,
        },
    )


def in_words(_: Request, error: Exception) -> Response:
    """An error as a sentence."""
    if isinstance(error, HTTPException):
        return JSONResponse({"error": error.detail}, status_code=error.status_code, headers=error.headers)
    status = 400 if isinstance(error, UsageError) else 422 if isinstance(error, InputError) else 500
    return JSONResponse({"error": str(error)}, status_code=status)


def too_little_memory(_: Request, __: Exception) -> Response:
    """Said of an image that is too large for this machine."""
    return JSONResponse({"error": "this machine has too little memory for that"}, status_code=507)


def gone(_: Request, __: Exception) -> Response:
    """Said to nobody: the client left in the middle of its upload."""
    return Response(status_code=400)


def text(request: Request, name: str) -> str:
    """A parameter that must be there."""
    value = request.query_params.get(name)
    if value is None:
        raise UsageError(f"the parameter {name} is missing")
    return value


def number(request: Request, name: str) -> int:
    """A parameter that is a whole number."""
    (value,) = whole_numbers(request, name, 1)
    return value


def whole_numbers(request: Request, name: str, count: int | None = None) -> tuple[int, ...]:
    """A parameter of whole numbers, between commas."""
    value = text(request, name)
    parts = value.split(",")
    digits = all(part.isascii() and part.isdigit() and len(part) <= 9 for part in parts)
    if not digits or count not in (None, len(parts)):
        wanted = "whole numbers between commas" if count is None else f"{count} of them"
        raise UsageError(f"{name} is {value!r}; expected whole numbers from 0, {wanted}")
    return tuple(int(part) for part in parts)


def square(request: Request) -> Square | None:
    """The square that lies on the face, if there is one: left, top, size."""
    if "square" not in request.query_params:
        return None
    return Square(*whole_numbers(request, "square", 3))
