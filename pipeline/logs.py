"""The log of the programs that run for months: events and fields, nobody's data.

An entry is an event of fixed words and fields of `FIELDS`. A field that is not listed
there does not get out, whatever a caller passes. Of an exception only its class and
where it arose are told, never its text; of what a library says, only the sentence
without what it fills in. Why a trace failed stands in the casebook, which asks who
reads it.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, TextIO, cast

import structlog

Format = Literal["text", "json"]
Say = Callable[..., object]

#: What may stand in an entry besides event, level, timestamp and program.
FIELDS = {
    "address": "where the program listens",
    "attempt": "how often a job was begun",
    "bytes": "bytes copied, freed or looked at",
    "camera": "id of the camera",
    "clip": "file name of a clip",
    "clips": "number of clips",
    "damaged": "segments with rows that are lost or wrong",
    "error": "class of an exception",
    "file": "table, hour and name of a segment",
    "files": "number of files removed",
    "footage_s": "seconds of footage analysed",
    "hours": "number of hours of the store",
    "how": "way of log-in",
    "job": "number of a job in the casebook's queue",
    "jobs": "clips analysed at once",
    "kind": "kind of a finding of `dongseon store check`",
    "logger": "library that spoke",
    "parts": "number of parts of footage",
    "reason": "why, one sentence on a clip, stream, disk or segment",
    "run": "name of a trace's results",
    "seconds": "duration",
    "segments": "number of segments",
    "source": "folder or address of a source, without a password",
    "sources": "number of sources",
    "table": "table of the store",
    "text": "sentence of a library, without what it fills in",
    "where": "file, line and function in which an exception arose",
    "work_s": "seconds of work on footage",
    "worker": "name of a worker",
}
#: Events that somebody should look at.
WARNINGS = {
    "clip broke off",
    "clip refused",
    "finding",
    "job broke off",
    "job failed",
    "library",
    "no room",
    "not done",
    "purge failed",
    "source away",
    "store damaged",
    "stream waiting",
}
_ERRORS = {"broke"}
#: Folders of our own code, where an exception is told rather than in a library.
_OURS = {"pipeline", "dashboard"}


def configure(program: str, form: Format, stream: TextIO | None = None) -> Say:
    """Let this process write its log, and what libraries say, to stderr.

    Parameters
    ----------
    program : watch, worker, dashboard or store; in every entry.
    form : text for people, json for machines: one object a line.

    Returns
    -------
    Function to log with: an event and its fields.
    """
    last = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if form == "json"
        else structlog.dev.ConsoleRenderer(
            colors=(stream or sys.stderr).isatty(), pad_event_to=0
        )
    )
    structlog.configure(
        processors=[
            _only_known,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            last,
        ],
        logger_factory=structlog.PrintLoggerFactory(stream or cast(TextIO, _Stderr())),
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.clear_contextvars()
    log = structlog.get_logger().bind(program=program)

    def say(event: str, **fields: object) -> None:
        level = "warning" if event in WARNINGS else "info"
        getattr(log, "error" if event in _ERRORS else level)(event, **fields)

    _take_over(say)
    return say


def cause(error: BaseException) -> dict[str, str]:
    """Return class and place of an exception; its text may be of a person."""
    found = {"error": type(error).__name__}
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if _OURS.intersection(Path(frame.filename).parts)]
    if frames:
        last = (ours or frames)[-1]
        found["where"] = _place(last.filename, last.lineno, last.name)
    return found


def _place(file: str, line: int | None, function: str) -> str:
    path = Path(file)
    return f"{path.parent.name}/{path.name}:{line} {function}"


class _Stderr:
    """Standard error, whichever it is when something is said."""

    def write(self, text: str) -> None:
        sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


class Libraries(logging.Handler):
    """Takes what libraries log into the program's log."""

    def __init__(self, say: Say) -> None:
        super().__init__(logging.WARNING)
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        """Log a record: its sentence unfilled, its exception as class and place."""
        fields: dict[str, str] = {
            "where": _place(record.pathname, record.lineno, record.funcName or "")
        }
        if isinstance(record.msg, str) and record.args:
            # Without arguments it may have been filled in before.
            fields["text"] = record.msg
        if record.exc_info and record.exc_info[1] is not None:
            fields.update(cause(record.exc_info[1]))
        self._say("library", logger=record.name, **fields)


def _only_known(_logger: Any, _method: str, entry: Any) -> Any:
    return {
        name: value
        for name, value in entry.items()
        if name in FIELDS or name in ("event", "program")
    }


def _take_over(say: Say) -> None:
    """Send the libraries' log and uncaught exceptions into ours."""
    handler = Libraries(say)
    logging.captureWarnings(True)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    for name in list(logging.root.manager.loggerDict):
        _adopt(logging.getLogger(name))
    if "streamlit.logger" in sys.modules:  # it gives each logger a handler of its own
        sys.modules["streamlit.logger"].setup_formatter = _adopt  # type: ignore[attr-defined]

    def uncaught(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
            return
        say("broke", **cause(error.with_traceback(trace)))

    sys.excepthook = uncaught


def _adopt(logger: logging.Logger) -> None:
    """Let a logger speak through the root's handler only."""
    logger.handlers = []
    logger.propagate = True
