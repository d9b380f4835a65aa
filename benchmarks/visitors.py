"""Those who read while the pipeline writes: pages of the dashboard, analysts' SQL.

Each is a process of its own: `python -m benchmarks.visitors shell DATABASE OUT`,
`... sql DATABASE OUT` and `... reader ADDRESS OUT`. SIGTERM ends it; then OUT tells
what it read and what failed.
"""

from __future__ import annotations

import collections
import json
import signal
import sys
import threading
import time
import urllib.request
from pathlib import Path

#: Pages that a reader opens in turn, and what it fetches beside.
PAGES = ("trace", "contacts", "network", "briefing", "cases", "sql", "audit")
FILES = ("/_stcore/health", "/")
#: Seconds a page may take to be drawn.
PATIENCE_S = 180.0
_QUERIES = (
    "SELECT count(*) FROM tracklets",
    "SELECT camera_id, count(*), max(end_at) FROM footage GROUP BY 1 ORDER BY 2 DESC",
    "SELECT count(*) FROM detections WHERE score > 0.5",
    "SELECT mask_state, count(*) FROM mask_predictions GROUP BY 1",
    "SELECT c.dong, count(*) FROM tracklets t JOIN cameras c USING (camera_id) "
    "GROUP BY 1",
)


class Account:
    """Reads and errors, written down at the end."""

    def __init__(self, out: Path) -> None:
        self.reads = 0
        self.rows = 0
        self.again = 0  #: asked again because a segment was just deleted
        self.errors: collections.Counter[str] = collections.Counter()
        self.ending = threading.Event()
        self._out = out
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.ending.set())

    def close(self) -> None:
        """Write the account."""
        told = {
            "reads": self.reads,
            "rows": self.rows,
            "again": self.again,
            "errors": dict(self.errors),
        }
        self._out.write_text(json.dumps(told))


def sql(_database: str, out: Path) -> None:
    """Ask as `dongseon sql` and the page do, over and over; no error is forgiven."""
    from pipeline.errors import DongseonError
    from pipeline.settings import get_settings
    from pipeline.store import query

    account = Account(out)
    while not account.ending.is_set():
        for one in _QUERIES:
            try:
                account.rows += len(query.run(get_settings(), one).rows)
                account.reads += 1
            except DongseonError as error:
                account.errors[_first_line(error)] += 1
        account.ending.wait(0.5)
    account.close()


def shell(database: str, out: Path) -> None:
    """Open the views read-only, ask, and close, over and over; and hold one open.

    A query that meets a segment in the moment of its expiry is asked again, as
    docs/operations.md tells analysts; that is counted apart.
    """
    import duckdb

    account = Account(out)
    held = None
    while not account.ending.is_set():
        try:
            if held is None:
                held = duckdb.connect(database, read_only=True)
            with duckdb.connect(database, read_only=True) as fresh:
                for number, query in enumerate(_QUERIES):
                    asked = held.cursor() if number % 2 else fresh
                    account.rows += len(asked.execute(query).fetchall())
                    account.reads += 1
        except duckdb.Error as error:
            if "No such file" in str(error):
                account.again += 1
            else:
                account.errors[f"{type(error).__name__}: {_first_line(error)}"] += 1
        account.ending.wait(0.5)
    account.close()


def reader(address: str, out: Path) -> None:
    """Open the pages as a browser does: over the web socket, until each is drawn."""
    account = Account(out)
    number = 0
    while not account.ending.is_set():
        page = PAGES[number % len(PAGES)]
        number += 1
        try:
            for path in FILES:
                with urllib.request.urlopen(address + path, timeout=PATIENCE_S) as got:
                    account.rows += len(got.read())
                    account.reads += 1
            faults = open_page(address, page)
            account.reads += 1
            for fault in faults:
                account.errors[f"{page}: {fault}"] += 1
        except Exception as error:
            account.errors[f"{page}: {type(error).__name__}: {_first_line(error)}"] += 1
        account.ending.wait(0.5)
    account.close()


def open_page(address: str, page: str) -> list[str]:
    """Draw one page in a session of its own; return the exceptions it shows.

    Raises
    ------
    TimeoutError
        If it is not drawn in time.
    """
    from streamlit.proto.BackMsg_pb2 import BackMsg
    from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
    from websockets.sync.client import connect

    ask = BackMsg()
    ask.rerun_script.page_name = page
    url = address.replace("http", "ws", 1) + "/_stcore/stream"
    found: list[str] = []
    limit = time.monotonic() + PATIENCE_S
    with connect(
        url,
        subprotocols=["streamlit"],
        origin=address,
        max_size=None,  # type: ignore[arg-type]
    ) as socket:
        socket.send(ask.SerializeToString())
        while True:
            told = ForwardMsg()
            told.ParseFromString(socket.recv(timeout=limit - time.monotonic()))
            element = told.delta.new_element
            if element.WhichOneof("type") == "exception":
                found.append(_first_line(element.exception.message))
            if told.WhichOneof("type") == "script_finished" and (
                told.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY
            ):
                return found


def _first_line(error: object) -> str:
    lines = str(error).splitlines()
    return lines[0][:200] if lines else ""


if __name__ == "__main__":
    who = {"shell": shell, "sql": sql, "reader": reader}[sys.argv[1]]
    who(sys.argv[2], Path(sys.argv[3]))
