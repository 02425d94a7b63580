"""Uploads on their way into memory, each and all together bounded before anything is decoded."""

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.exceptions import HTTPException
from starlette.requests import Request

BODY_BYTES = 64 * 2**20
UPLOADS_BYTES = 4 * BODY_BYTES  # of all that are being received, wait for the decoder, or are decoded


class Intake:
    """The bodies of requests. To be used by one event loop."""

    def __init__(self) -> None:
        self._held_bytes = 0

    @asynccontextmanager
    async def body(self, request: Request) -> AsyncIterator[io.BytesIO]:
        """Hold the body of a request; one that is refused is read to its end, so that its sender hears why.

        Raises
        ------
        HTTPException
            413 if it is longer than `BODY_BYTES`, as declared or as received; 503 if all uploads together are longer
            than `UPLOADS_BYTES`.
        """
        body, length, held, refusal = io.BytesIO(), 0, 0, None
        if int(request.headers.get("content-length", 0)) > BODY_BYTES:
            refusal = _too_long()
        try:
            async for chunk in request.stream():
                length += len(chunk)
                if length > BODY_BYTES:
                    refusal = _too_long()
                elif self._held_bytes + len(chunk) > UPLOADS_BYTES:
                    refusal = HTTPException(503, "too many images are being uploaded at once; try again in a moment")
                if refusal is None:
                    held += body.write(chunk)
                    self._held_bytes += len(chunk)
                elif held:
                    body = io.BytesIO()
                    self._held_bytes, held = self._held_bytes - held, 0
            if refusal is not None:
                raise refusal
            yield body
        finally:
            self._held_bytes -= held


def _too_long() -> HTTPException:
    return HTTPException(413, f"the file has more than {BODY_BYTES // 2**20} MB; scale the photograph down first")
