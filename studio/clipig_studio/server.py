"""From a socket to the studio, and back to nothing within a second of Ctrl-C."""

from __future__ import annotations

import contextlib
import os
import socket
import webbrowser
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click
import uvicorn

from clipig_studio.app import Studio
from clipig_studio.guard import Guard, onward

if TYPE_CHECKING:
    from clipig_core.kit import Registry

HOST = "127.0.0.1"
CLOSING_SECONDS = 0.8


class Server(uvicorn.Server):
    """Ends the event streams before it waits for connections to end, and then the run."""

    def __init__(self, config: uvicorn.Config, studio: Studio) -> None:
        super().__init__(config)
        self.studio = studio

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        if not self.studio.session.read_only:
            self.studio.session.start()
            self.studio.session.restore()
        await super().startup(sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.studio.session.events.close()
        await self.studio.session.close(CLOSING_SECONDS)
        await super().shutdown(sockets)


def serve(
    folder: Path, port: int, opens: bool, registry: Registry, read_only: bool = False, workers: int | None = None
) -> None:
    """Serve until Ctrl-C; `workers` runs go on at once, None is one for each GPU.

    Raises:
        OSError: the port is taken, or the folder cannot be used.
    """
    os.chdir(folder)  # where relative files of a config are looked for
    with socket.create_server((HOST, port), backlog=100) as listening:
        port = listening.getsockname()[1]
        studio = Studio(folder, registry, read_only, workers)
        guard = Guard(studio.app(), frozenset({f"{HOST}:{port}", f"localhost:{port}"}), port)
        address = f"http://{HOST}:{port}/?token={guard.ticket}"
        click.echo(address)
        click.echo("This address works once. Ctrl-C ends the studio.", err=True)
        server = Server(uvicorn.Config(guard, **options()), studio)
        with contextlib.suppress(KeyboardInterrupt), TemporaryDirectory(prefix="clipig-studio-") as private:
            if opens:
                show(address, Path(private))
            server.run(sockets=[listening])


def show(address: str, private: Path) -> None:
    """Open an address in the browser, by a file that only its owner reads, as all users see how commands are called."""
    way = private / "open.html"
    way.write_text(onward(address))
    webbrowser.open(way.as_uri())


def options() -> dict[str, Any]:
    """How uvicorn is to behave: quiet, small, and soon at its end."""
    return {
        "log_level": "error",
        "lifespan": "off",
        "ws": "none",
        "http": "h11",
        "server_header": False,
        "proxy_headers": False,
        "timeout_graceful_shutdown": 1,
        "timeout_keep_alive": 5,
        "limit_concurrency": 200,
        "h11_max_incomplete_event_size": 32_000,
    }
