"""A drawing on a page: SVG with its tips, which plain HTML of Streamlit leaves out."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import streamlit as st

_CSS = Path(__file__).parent / "assets" / "picture.css"
_JS = """
export default function ({ parentElement, data }) {
  const place = parentElement.querySelector(".picture");
  if (place.drawn !== data.svg) {
    place.innerHTML = data.svg;
    place.drawn = data.svg;
  }
}
"""


def show(svg: str, *, key: str) -> None:
    """Show a drawing; whatever text it holds must have been escaped."""
    _component()(key=key, data={"svg": svg})


@lru_cache(maxsize=1)
def _component() -> Callable[..., Any]:
    return st.components.v2.component(
        "dongseon_picture",
        html="<div class='picture' tabindex='0'></div>",
        css=_CSS.read_text(encoding="utf-8"),
        js=_JS,
    )
