"""Signs of life to systemd, which starts a watch anew that has fallen silent."""

from __future__ import annotations

import contextlib
import os
import socket


def notify(state: str) -> bool:
    """Send a state such as READY=1 or WATCHDOG=1 (sd_notify(3)).

    Returns
    -------
    Whether systemd asked for it: it names its socket in NOTIFY_SOCKET.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    if address.startswith("@"):  # of the abstract name space
        address = "\0" + address[1:]
    with (
        contextlib.suppress(OSError),
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as there,
    ):
        there.sendto(state.encode(), address)
    return True
