"""Serving the explorer: on this machine's own address, until Ctrl-C."""

import socket
from typing import TYPE_CHECKING

from refnet.errors import MissingExtraError, UsageError

if TYPE_CHECKING:
    import uvicorn
    from starlette.applications import Starlette

HOST = "127.0.0.1"
PORT = 8420


def require_extra() -> None:
    """Raise MissingExtraError unless what serves pages is installed."""
    try:
        import starlette
        import uvicorn
    except ImportError as error:
        raise MissingExtraError(
            f'the explorer needs {error.name}, which is not installed; install it: pip install "refnet[explore]"'
        ) from None
    del starlette, uvicorn


def open_port(port: int) -> socket.socket:
    """Listen on a port of the loopback address, which no other machine reaches; 0 is any that is free.

    Raises
    ------
    UsageError
        If the port is in use, or may not be opened.
    """
    if not 0 <= port <= 65535:
        raise UsageError(f"port {port} does not exist; expected 1 to 65535, or 0 for any that is free")
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        near = port + 1 if 1023 < port < 65535 else PORT
        why = (error.strerror or str(error)).lower()
        raise UsageError(
            f"port {port} cannot be opened ({why}); give another, such as --port {near}, or --port 0 for any that is free"
        ) from None
    return listener


def address(listener: socket.socket) -> str:
    """Where a browser finds it."""
    return f"http://{HOST}:{listener.getsockname()[1]}/"


def configuration(app: "Starlette") -> "uvicorn.Config":
    """How requests are answered: quietly, and by nobody who gives a name and a version."""
    import uvicorn

    return uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off", server_header=False)


def serve(app: "Starlette", listener: socket.socket) -> None:
    """Answer requests until the person stops it with Ctrl-C."""
    import uvicorn

    try:
        uvicorn.Server(configuration(app)).run(sockets=[listener])
    except KeyboardInterrupt:  # uvicorn has closed in order, and raises it again
        return
    finally:
        listener.close()
