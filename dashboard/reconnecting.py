"""What the browser does while the server is away: it takes no click that would be lost.

A server that was started again knows no part of a page until it has run the page
once. What is clicked before that reaches it, is set aside as unknown, and nobody is
told. So a page that has lost its server is closed to clicks and keys, with a word why,
until the new one has run it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import streamlit as st

from dashboard.i18n import Texts

#: The same server after a cut line says nothing: so long is waited for its word.
_QUIET_MS = 2000
_JS = """
export default function ({ data }) {
  const line = (window.dongseonLine ??= watch());
  line.label = data.label;
  line.quiet = data.quiet_ms;
  if (line.server !== data.server) line.open(); // the page has been run anew
  line.server = data.server;
}

function watch() {
  const app = document.querySelector("[data-testid=stApp]");
  const line = { closed: false, open, label: "", quiet: 0, server: null };
  const note = document.createElement("div");
  note.className = "reconnecting";
  note.setAttribute("role", "status");
  let focused = null;
  let timer = 0;

  const body = () => document.querySelector("[data-testid=stAppViewContainer]");

  function close() {
    if (line.closed) return;
    line.closed = true;
    focused = document.activeElement;
    body()?.setAttribute("inert", "");
    note.textContent = line.label;
    document.body.append(note);
  }

  function open() {
    clearTimeout(timer);
    if (!line.closed) return;
    line.closed = false;
    body()?.removeAttribute("inert");
    note.remove();
    focused?.focus?.({ preventScroll: true });
  }

  new MutationObserver(() => {
    clearTimeout(timer);
    const { testConnectionState, testScriptState } = app.dataset;
    if (testConnectionState !== "CONNECTED") close();
    else if (testScriptState !== "running") timer = setTimeout(open, line.quiet);
  }).observe(app, {
    attributeFilter: ["data-test-connection-state", "data-test-script-state"],
  });
  return line;
}
"""


def guard(texts: Texts) -> None:
    """Close the page to input whenever it loses its server, until that has run it.

    To be called at the end of a whole run.
    """
    server = st.session_state.setdefault("_server", secrets.token_hex(8))
    _component()(
        key="guard",
        data={
            "server": server,
            "label": texts("reconnecting"),
            "quiet_ms": _QUIET_MS,
        },
    )


@lru_cache(maxsize=1)
def _component() -> Callable[..., Any]:
    return st.components.v2.component("dongseon_guard", js=_JS)
