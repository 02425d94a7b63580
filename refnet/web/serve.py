"""Serving the explorer: on this machine's own address, until Ctrl-C."""

import logging
import signal
import socket
import threading
from types import FrameType
from typing import TYPE_CHECKING

from refnet.errors import MissingExtraError, UsageError

if TYPE_CHECKING:
    import uvicorn
    from starlette.applications import Starlette

HOST = "127.0.0.1"
PORT = 8420
GRACE_SECONDS = 1  # for answers that are on their way when it is told to end


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


def server(app: "Starlette") -> "uvicorn.Server":
    """What answers requests: quietly, and without giving a name and a version.

    Told to end, it lets go of whoever asks for nothing, and cuts off what is not answered within `GRACE_SECONDS`. That is
    no error, and nothing is said of it; nor does a second Ctrl-C change it.
    """
    import uvicorn

    class Server(uvicorn.Server):
        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            if not self.should_exit:
                super().handle_exit(sig, frame)

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL + 1)
            await super().shutdown(sockets)
            for connection in list(self.server_state.connections):
                connection.transport.abort()

    settings = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    return Server(settings)


def serve(app: "Starlette", listener: socket.socket) -> bool:
    """Answer requests until the person stops it with Ctrl-C, which is ignored from then on: the process is to end.

    Returns
    -------
    whether threads still compute what nobody waits for any longer; an ordinary exit of Python would wait for them
    """
    before = set(threading.enumerate())
    try:
        server(app).run(sockets=[listener])
    except KeyboardInterrupt:  # uvicorn has closed in order, and raises it again
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    finally:
        listener.close()
    return any(not thread.daemon for thread in set(threading.enumerate()) - before)
