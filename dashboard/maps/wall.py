"""The shared screen as one component: it plays, pages and prints in the browser."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import streamlit as st

from dashboard import serving

_CSS = Path(__file__).parent.parent / "assets" / "wall.css"
_HTML = "<div class='wall' tabindex='0' data-testid='wall'></div>"
_JS = """
export default function (component) {
  let gone = false;
  let leave = null;
  import(new URL(component.data.module, window.location.origin).href)
    .then((module) => { if (!gone) leave = module.default(component); })
    .catch((error) => {
      component.parentElement.querySelector(".wall").textContent = String(error);
    });
  return () => { gone = true; leave?.(); };
}
"""


def show(data: dict[str, Any], *, key: str) -> None:
    """Show the screen.

    Parameters
    ----------
    data : what `component/wall.js` draws: texts, tiles, power, cells (outline in
        WGS84, hour or None, step of the scale), places; all numbers already words.
    """
    _component()(
        key=key,
        data={**data, "module": serving.url("wall.js"), "css": _css()},
    )


@lru_cache(maxsize=1)
def _component() -> Callable[..., Any]:
    return st.components.v2.component("dongseon_wall", html=_HTML, css=_css(), js=_JS)


@lru_cache(maxsize=1)
def _css() -> str:
    return _CSS.read_text(encoding="utf-8")
