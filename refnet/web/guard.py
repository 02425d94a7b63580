"""Who is answered: the page itself, on this machine, and nobody else.

A page of another origin can make a browser send requests here. It cannot read the answers, because nothing allows it to
(no CORS headers); what it asks is refused as well, by the headers that browsers add and pages cannot forge
(Sec-Fetch-Site and Origin). A name of another host that is made to mean this machine (DNS rebinding) is refused by the
Host header.
"""

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOSTS = frozenset({"127.0.0.1", "localhost"})
POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def refusal(method: str, path: str, headers: Headers) -> str | None:
    """Why a request is not answered; None if it is.

    Parameters
    ----------
    method, path : of the request; only the page itself may be asked for by a link from elsewhere
    headers : as the browser sent them
    """
    host = headers.get("host", "")
    if _hostname(host) not in HOSTS:
        return f"requests for the host {host!r} are refused; open the page at 127.0.0.1 or localhost"
    site = headers.get("sec-fetch-site", "none")
    if site not in ("same-origin", "none") and not (method == "GET" and path == "/"):
        return "requests from other pages are refused"
    origin = headers.get("origin")
    if origin is not None and origin != f"http://{host}":
        return f"requests from the origin {origin!r} are refused"
    return None


def _hostname(host: str) -> str | None:
    """The name in a Host header, which may have a port."""
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port  # raises for what is no port
    except ValueError:
        return None
    return parts.hostname if parts.netloc == host and "@" not in host and not parts.path else None


class Guard:
    """Refuses what must not be answered, and sends every answer with the headers that keep it here."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer or refuse one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        reason = refusal(scope["method"], scope["path"], Headers(scope=scope))
        app = self._app if reason is None else PlainTextResponse(reason, status_code=403)
        await app(scope, receive, guarded)
