"""The verb `dongseon dashboard`: serve the pages on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.errors import DongseonError


def attach(app: typer.Typer) -> None:
    """Add these verbs to the command."""

    @app.command("dashboard")
    def dashboard_(
        port: Annotated[int, typer.Option(help="Port to listen on.")] = 8501,
        address: Annotated[
            str, typer.Option(help="Loopback address to listen on.")
        ] = "127.0.0.1",
    ) -> None:
        """Serve the dashboard on this machine."""
        serve(port=port, address=address)


def serve(*, port: int = 8501, address: str = "127.0.0.1") -> None:
    """Serve the dashboard in place of this process, until Ctrl-C.

    Raises
    ------
    DongseonError
        If the address is not this machine's loopback, or the port is taken.
    """
    import os
    import sys

    from dashboard.access import is_loopback
    from pipeline.settings import CHECKOUT

    if not is_loopback(address):
        raise DongseonError(
            f"The dashboard has no accounts on a single machine and is not served on "
            f"{address}: keep 127.0.0.1 and reach it from elsewhere by "
            f"`ssh -L {port}:127.0.0.1:{port} HOST`."
        )
    _demand_free(address, port)
    typer.echo(f"Dashboard: http://{address}:{port}  (Ctrl-C ends it)", err=True)
    entry = CHECKOUT / "dashboard" / "app.py"
    options = [f"--server.port={port}", f"--server.address={address}"]
    os.chdir(CHECKOUT)  # Streamlit reads .streamlit/config.toml from here
    arguments = [sys.executable, "-m", "streamlit", "run", str(entry), *options]
    sys.stdout.flush()
    os.execve(sys.executable, arguments, {**os.environ, "PYTHONPATH": str(CHECKOUT)})


def _demand_free(address: str, port: int) -> None:
    import socket

    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            raise DongseonError(
                f"Port {port} of {address} cannot be used ({error.strerror}); "
                "choose another with --port."
            ) from None
