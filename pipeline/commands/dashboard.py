"""The verb `dongseon dashboard`: serve the pages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.errors import DongseonError


def attach(app: typer.Typer) -> None:
    """Add these verbs to the command."""

    @app.command("dashboard")
    def dashboard_(
        port: Annotated[int, typer.Option(help="Port to listen on.")] = 8501,
        address: Annotated[
            str,
            typer.Option(
                help="Address to listen on; other than this machine's own only with "
                "--certificate, or behind a proxy (trusted_proxies)."
            ),
        ] = "127.0.0.1",
        single: Annotated[
            bool,
            typer.Option(
                "--single", help="No log-in, this machine only; not with accounts."
            ),
        ] = False,
        certificate: Annotated[
            Path | None, typer.Option(help="TLS certificate, PEM.")
        ] = None,
        key: Annotated[Path | None, typer.Option(help="Its key, PEM.")] = None,
        worker: Annotated[
            bool,
            typer.Option(
                "--worker", help="Do queued traces too, without the daily purge."
            ),
        ] = False,
    ) -> None:
        """Serve the dashboard; people log in, unless this machine is one person's."""
        serve(
            port=port,
            address=address,
            single=single,
            certificate=certificate,
            key=key,
            worker=worker,
        )


def serve(
    *,
    port: int = 8501,
    address: str = "127.0.0.1",
    single: bool = False,
    certificate: Path | None = None,
    key: Path | None = None,
    worker: bool = False,
) -> None:
    """Serve the dashboard in place of this process, until Ctrl-C.

    On a casebook without accounts that the demonstration did not make, the first
    administrator is added; its one-time password is put into a file beside the key.

    Parameters
    ----------
    single : ask for no log-in; for one person's own machine.
    certificate, key : TLS, PEM files.
    worker : start a worker for queued traces beside it, which ends with it.

    Raises
    ------
    DongseonError
        If the address or the port cannot be served, or `single` is asked for where
        there are accounts.
    """
    import os
    import sys
    from functools import partial

    from dashboard.gate import is_loopback
    from pipeline import logs
    from pipeline.casebook import accounts, first_password, identity
    from pipeline.settings import CHECKOUT, get_settings

    settings = get_settings()
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    # Each page runs in a thread of its own, and glibc would keep what was freed in up
    # to eight arenas a core (mallopt(3), M_ARENA_MAX).
    environment.setdefault("MALLOC_ARENA_MAX", "2")
    if single:
        settings = settings.model_copy(update={"login": "single"})
        environment["DONGSEON_LOGIN"] = "single"
    mode = identity.login_mode(settings)
    if single and mode != "single":
        raise DongseonError(
            "This casebook has accounts, so that --single is not possible: log in."
        )
    if (certificate is None) != (key is None):
        raise DongseonError("Give both --certificate and --key, or neither.")
    sheltered = certificate is not None or bool(settings.trusted_proxies)
    if not is_loopback(address) and (mode == "single" or not sheltered):
        raise DongseonError(
            f"The dashboard is not served on {address} without accounts and TLS: add "
            "accounts and give --certificate and --key or set trusted_proxies, or keep "
            f"127.0.0.1 and reach it by `ssh -L {port}:127.0.0.1:{port} HOST`."
        )
    _demand_free(address, port)
    if mode != "single":
        keep = partial(first_password.write, settings)
        if accounts.first_administrator(settings, keep) is not None:
            file = first_password.file_of(settings)
            typer.echo(
                f"First account: {accounts.FIRST}; its one-time password is in {file}, "
                "which only this program's user can read, until it is changed.\n"
                "It adds the others (dongseon user add) and sees no case. "
                "To try Dongseon alone on one machine: dongseon demo.",
                err=True,
            )
    scheme = "https" if certificate else "http"
    how = "no log-in, this machine only" if mode == "single" else f"log-in: {mode}"
    if settings.log == "json":
        place = f"{scheme}://{address}:{port}"
        logs.configure("dashboard", "json")("serving", address=place, how=mode)
        # Streamlit greets there; the log is on stderr.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    else:
        typer.echo(
            f"Dashboard: {scheme}://{address}:{port}  ({how}; Ctrl-C ends it)", err=True
        )
    entry = CHECKOUT / "dashboard" / "app.py"
    options = [f"--server.port={port}", f"--server.address={address}"]
    if certificate is not None and key is not None:
        options += [
            f"--server.sslCertFile={certificate.resolve()}",
            f"--server.sslKeyFile={key.resolve()}",
        ]
    if worker:
        _start_worker(environment)
    os.chdir(CHECKOUT)  # Streamlit reads .streamlit/config.toml from here
    arguments = [sys.executable, "-m", "streamlit", "run", str(entry), *options]
    sys.stdout.flush()
    os.execve(sys.executable, arguments, environment)


def _start_worker(environment: dict[str, str]) -> None:
    """Start a worker that the system ends when this process does."""
    import ctypes
    import signal
    import subprocess
    import sys

    system = ctypes.CDLL(None)

    def end_with_parent() -> None:
        if hasattr(system, "prctl"):  # Linux; elsewhere Ctrl-C reaches both
            system.prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG

    code = "from pipeline.cli import main; main()"
    subprocess.Popen(
        [sys.executable, "-c", code, "worker", "--no-purge"],
        env=environment,
        stdin=subprocess.DEVNULL,
        preexec_fn=end_with_parent,
    )


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
