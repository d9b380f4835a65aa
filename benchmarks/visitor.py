"""Somebody at the dashboard without a browser: Streamlit's own web socket, measured.

Browsers would take the processor that the server is to be measured with. A visitor
opens the web socket that the page opens, asks for a page as the page does, and
takes the answer to the last message (`script_finished`).
"""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import ClientConnection, connect

#: A server that has not answered by then will not, seconds.
PATIENCE_S = 120.0


@dataclass
class Answer:
    """What the server sent for one wish."""

    seconds: float
    messages: list[ForwardMsg]

    @property
    def text(self) -> str:
        """All that was sent, as text."""
        return "\n".join(str(one) for one in self.messages)


class Visitor:
    """One session on the server.

    Parameters
    ----------
    url : the dashboard's address.
    page : the page that is open, as in its address.
    cookie : the log-in's, as "name=value"; "" where none is asked for.
    """

    def __init__(self, url: str, page: str, cookie: str = "") -> None:
        self.page = page
        self._script = ""
        self._known: dict[str, ForwardMsg] = {}
        self._parts: dict[str, tuple[str, str]] = {}  # key -> (id, fragment)
        headers = {"Cookie": cookie} if cookie else {}
        self._door = ExitStack()
        self._socket: ClientConnection = self._door.enter_context(
            connect(
                url.replace("http", "ws", 1) + "/_stcore/stream",
                subprotocols=["streamlit"],  # type: ignore[list-item]
                additional_headers={**headers, "Origin": url},
                max_size=None,
                proxy=None,
            )
        )

    def open(self) -> Answer:
        """Ask for the page anew, as a reload does."""
        return self._ask({}, "")

    def change(self, key: str, value: dict[str, Any]) -> Answer:
        """Change the state of a component by its key; its fragment runs again."""
        widget, fragment = self._parts[key]
        return self._ask({widget: json.dumps(value)}, fragment)

    def parts(self) -> list[str]:
        """Return the keys of the components on the page."""
        return list(self._parts)

    def close(self) -> None:
        """Leave."""
        self._door.close()

    def _ask(self, states: dict[str, str], fragment: str) -> Answer:
        wish = BackMsg()
        wish.rerun_script.page_name = "" if self._script else self.page
        wish.rerun_script.page_script_hash = self._script
        wish.rerun_script.fragment_id = fragment
        for widget, value in states.items():
            state = wish.rerun_script.widget_states.widgets.add()
            state.id, state.json_value = widget, value
        wish.rerun_script.cached_message_hashes.extend(self._known)
        begun = time.perf_counter()
        self._socket.send(wish.SerializeToString())
        messages = []
        while True:
            raw = self._socket.recv(timeout=PATIENCE_S)
            assert isinstance(raw, bytes)
            message = ForwardMsg.FromString(raw)
            messages.append(self._take(message))
            if message.WhichOneof("type") == "script_finished":
                if message.script_finished == ForwardMsg.FINISHED_EARLY_FOR_RERUN:
                    continue  # the page sent itself elsewhere and runs on
                return Answer(time.perf_counter() - begun, messages)

    def _take(self, message: ForwardMsg) -> ForwardMsg:
        kind = message.WhichOneof("type")
        if kind == "ref_hash":
            return self._known[message.ref_hash]
        if message.hash and message.metadata.cacheable:
            self._known[message.hash] = message
        if kind == "new_session":
            self._script = message.new_session.page_script_hash
        if kind == "delta" and message.delta.HasField("new_element"):
            element = message.delta.new_element
            if element.WhichOneof("type") == "bidi_component":
                widget = element.bidi_component.id
                key = widget.split("-", 2)[-1]  # after a mark and a digest
                self._parts[key] = (widget, message.delta.fragment_id)
        return message
