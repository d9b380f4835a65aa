"""Entry of the dashboard: one ASGI application over pages, assets and the gate.

`dongseon dashboard` runs it; so does `streamlit run dashboard/app.py`.
"""

from __future__ import annotations

from pathlib import Path

from starlette.middleware import Middleware
from streamlit.starlette import App

from dashboard import login, serving
from dashboard.gate import Gate
from pipeline import logs
from pipeline.settings import get_settings

logs.configure("dashboard", get_settings().log)

app = App(
    Path(__file__).parent / "entry" / "shell.py",
    routes=[*login.routes(), *serving.routes()],
    middleware=[Middleware(Gate)],
)
