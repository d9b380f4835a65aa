"""Is this installation fit to work? Each fault with the way to mend it."""

from __future__ import annotations

import os
import socket
import sqlite3
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from pipeline.errors import DongseonError
from pipeline.settings import CHECKOUT, Settings

#: Ports of the dashboard and of `/metrics`.
PORTS = {"dashboard": 8501, "watch, /metrics": 9464}
#: Below so many times the reserve, the disk is nearly full.
_NEARLY = 5
#: A camera counts as behind after so many seconds.
_BEHIND_S = 2 * 3600.0
#: A clock stepped by more than this during the look is unsteady, seconds.
_STEP_S = 0.5
#: What helps where a part cannot even be looked at.
_MENDS = {
    "registry": "see the place it names and correct it there",
    "store": "the sentence says; after a new version: dongseon store upgrade",
    "casebook": "update the program, or dongseon store restore",
    "sources": "correct that entry of sources.toml",
}
#: Nothing was built before: a clock that says so is wrong.
_BUILT = datetime(2026, 11, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Report:
    """One thing looked at."""

    subject: str
    state: str  #: ok, note or wrong
    text: str  #: what was found
    mend: str = ""  #: what to do; empty when ok


def examine(
    settings: Settings, *, thorough: bool = False, ports: dict[str, int] | None = None
) -> Iterator[Report]:
    """Yield what was found, one report after the other; nothing is changed.

    Parameters
    ----------
    thorough : look at every byte of every segment, not at their footers only.
    ports : name -> port that should be free or ours; default `PORTS`.
    """
    checks: list[tuple[str, Callable[[], Iterator[Report]]]] = [
        ("registry", lambda: _registry(settings)),
        ("models", lambda: _models(settings)),
        ("store", lambda: _store(settings, thorough)),
        ("views", lambda: _views(settings)),
        ("casebook", lambda: _casebook(settings)),
        ("key", lambda: _key(settings)),
        ("disk", lambda: _disk(settings)),
        ("permissions", lambda: _permissions(settings)),
        ("clock", lambda: _clock(settings)),
        ("ports", lambda: _ports(PORTS if ports is None else ports)),
        ("sources", lambda: _sources(settings)),
        ("cameras", lambda: _cameras(settings)),
    ]
    for subject, look in checks:
        try:
            yield from look()
        except DongseonError as error:
            mend = _MENDS.get(subject, "do what the sentence says")
            yield Report(subject, "wrong", str(error), mend)
        except (OSError, sqlite3.Error) as error:
            yield Report(
                subject,
                "wrong",
                str(error),
                "allow this user to read it, or restore it",
            )


def _registry(settings: Settings) -> Iterator[Report]:
    from pipeline.cameras import registry

    if not settings.registry.exists():
        yield Report(
            "registry",
            "wrong",
            f"there is no {settings.registry}",
            "run `dongseon cameras` to make or import one, or set DONGSEON_REGISTRY",
        )
        return
    found = registry.load(settings.registry)
    cameras = list(found.cameras)
    calibrated = sum(c.calibration is not None for c in cameras)
    text = f"{len(cameras):,} cameras, {calibrated:,} calibrated"
    yield Report("registry", "ok", text)


def _models(settings: Settings) -> Iterator[Report]:
    from pipeline.vision import models

    listed = models.check(settings.weights_dir)
    faults = [(w, p) for w, p in listed if p and not w.optional]
    for weight, problem in faults:
        yield Report(
            "models", "wrong", f"{weight.name}: {problem}", "dongseon models fetch"
        )
    if not faults:
        count = sum(not problem for _, problem in listed)
        yield Report("models", "ok", f"{count} verified in {settings.weights_dir}")


def _store(settings: Settings, thorough: bool) -> Iterator[Report]:
    from pipeline.store import check, place, quarantine

    root = place.root_of(settings)
    if not root.exists():
        text = f"nothing is stored yet in {root}"
        yield Report("store", "note", text, "dongseon ingest, or dongseon watch")
        return
    found = check.check(settings, quick=not thorough)
    grave = [finding for finding in found.findings if finding.grave]
    for finding in grave[:5]:
        yield Report("store", "wrong", finding.sentence, "dongseon store repair")
    if len(grave) > 5:
        text = f"and {len(grave) - 5} more damaged segments"
        yield Report("store", "wrong", text, "dongseon store check")
    rest = len(found.findings) - len(grave)
    if rest:
        text = f"{rest} left-over files or overlaps"
        yield Report("store", "note", text, "dongseon store check; then compact")
    if not grave:
        how = "every byte" if thorough else "footers"
        text = f"{found.segments:,} segments of {found.hours:,} hours ({how})"
        yield Report("store", "ok", text)
    kept = quarantine.kept(root)
    if kept.files:
        yield Report(
            "store",
            "note",
            f"{kept.files} files in {quarantine.folder(root)}",
            "look at reasons.jsonl there; they expire with the observations",
        )


def _views(settings: Settings) -> Iterator[Report]:
    import duckdb

    from pipeline.store import place

    if not settings.database.exists():
        text = f"there is no {settings.database.name}"
        yield Report("views", "note", text, "dongseon store prepare")
        return
    try:
        with duckdb.connect(str(settings.database), read_only=True) as connection:
            place.register(connection, place.root_of(settings))
            connection.execute("SELECT count(*) FROM footage").fetchall()
    except duckdb.Error as error:
        text = str(error).splitlines()[0]
        mend = "close programs that write it; dongseon store check; store prepare"
        yield Report("views", "wrong", text, mend)
        return
    yield Report("views", "ok", str(settings.database))


def _casebook(settings: Settings) -> Iterator[Report]:
    from pipeline.casebook import audit

    prefix = "sqlite:///"
    url = settings.casebook_database_url
    if url.startswith(prefix):
        path = Path(url.removeprefix(prefix))
        if not path.exists():
            text = "there is no casebook yet"
            yield Report("casebook", "note", text, "it is made by the first case")
            return
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
            state = connection.execute("PRAGMA quick_check").fetchone()[0]
        connection.close()
        if state != "ok":
            mend = "stop all programs and restore it: dongseon store restore"
            yield Report("casebook", "wrong", f"{path} is damaged: {state}", mend)
            return
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            text = f"{path} can be read by other users"
            yield Report("casebook", "wrong", text, f"chmod 600 {path}")
    verdict = audit.verify(settings)
    if verdict.sound:
        text = f"audit log sound, {verdict.entries:,} entries"
        yield Report("casebook", "ok", text)
    else:
        mend = "dongseon audit verify; keep the file and ask who could change it"
        yield Report("casebook", "wrong", "the audit log was changed", mend)


def _key(settings: Settings) -> Iterator[Report]:
    path = settings.key_file
    if not path.exists():
        text = f"there is no key {path}"
        made = (
            settings.casebook_database_url.startswith("sqlite:///")
            and not Path(
                settings.casebook_database_url.removeprefix("sqlite:///")
            ).exists()
        )
        state = "note" if made else "wrong"
        mend = "the first case makes it" if made else "put the casebook's key back"
        yield Report("key", state, text, mend)
        return
    if path.resolve().is_relative_to(settings.data_dir.resolve()):
        text = f"{path} lies in the data folder, beside what it protects"
        yield Report("key", "wrong", text, "move it and set DONGSEON_KEY_FILE")
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        text = f"{path} can be read by other users"
        yield Report("key", "wrong", text, f"chmod 600 {path}")
    else:
        yield Report("key", "ok", str(path))


def _disk(settings: Settings) -> Iterator[Report]:
    from pipeline.store import disk

    free = disk.free_bytes(settings.observations_dir)
    reserve = disk.reserve_bytes(settings)
    text = f"{free / 1e9:,.1f} GB free, reserve {reserve / 1e9:,.1f} GB"
    mend = "dongseon store stats; then expire and compact, or a larger disk"
    if free < reserve:
        yield Report("disk", "wrong", f"{text}: new work is refused", mend)
    elif free < _NEARLY * reserve:
        yield Report("disk", "note", text, mend)
    else:
        yield Report("disk", "ok", text)


def _permissions(settings: Settings) -> Iterator[Report]:
    wrong = False
    for place in (settings.data_dir, settings.observations_dir, settings.results_dir):
        if place.exists() and not os.access(place, os.W_OK | os.X_OK):
            wrong = True
            owner = place.stat().st_uid
            text = f"{place} may not be written by user {os.geteuid()}"
            mend = f"run as user {owner}, or chown -R {os.geteuid()} {place}"
            yield Report("permissions", "wrong", text, mend)
    if settings.data_dir.exists() and settings.data_dir != CHECKOUT / "data":
        mode = stat.S_IMODE(settings.data_dir.stat().st_mode)
        if mode & 0o002:
            wrong = True
            text = f"{settings.data_dir} can be written by everybody"
            mend = f"chmod o-w {settings.data_dir}"
            yield Report("permissions", "wrong", text, mend)
    if not wrong:
        yield Report("permissions", "ok", f"user {os.geteuid()} may write the data")


def _clock(settings: Settings) -> Iterator[Report]:
    from pipeline.store import steady

    wall, since = time.time(), time.monotonic()
    now = datetime.now(UTC)
    time.sleep(0.2)
    step = abs((time.time() - wall) - (time.monotonic() - since))
    mend = "set it and keep it by NTP (chrony or systemd-timesyncd)"
    local = now.astimezone(ZoneInfo(settings.time_zone))
    if now < _BUILT:
        yield Report("clock", "wrong", f"it says {local:%Y-%m-%d %H:%M %Z}", mend)
    elif step > _STEP_S:
        yield Report("clock", "wrong", f"it jumped by {step:.1f} s just now", mend)
    elif (
        Path("/run/systemd/timesync").exists()
        and not Path("/run/systemd/timesync/synchronized").exists()
    ):
        yield Report("clock", "note", "it is not synchronised", mend)
    else:
        yield Report("clock", "ok", f"{local:%Y-%m-%d %H:%M:%S %Z}")
    leapt = steady.gained(settings)
    if leapt > steady.MOST_S:
        text = f"it gained {leapt / 3600:,.1f} hours since it was looked at"
        mend = "put it right, or if it is: dongseon store expire --clock-is-right"
        yield Report("clock", "wrong", text, mend)
    newest = _newest_segment(settings)
    if newest is not None and newest > time.time() + 60:
        text = "segments were written in the clock's future: it was set back"
        yield Report("clock", "wrong", text, mend)


def _newest_segment(settings: Settings) -> float | None:
    from pipeline.store import compact, layout, place

    root = place.root_of(settings)
    hours = compact.all_hours(root)
    if not hours:
        return None
    paths = layout.segments(root, "footage", hours[-1])
    return max((path.stat().st_mtime for path in paths), default=None)


def _ports(ports: dict[str, int]) -> Iterator[Report]:
    for name, port in ports.items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except PermissionError:
                text = f"port {port} ({name}) may not be used by this user"
                yield Report("ports", "wrong", text, "choose one above 1023")
                continue
            except OSError:
                text = f"port {port} ({name}) is in use"
                mend = "fine if that is Dongseon; otherwise choose another port"
                yield Report("ports", "note", text, mend)
                continue
        yield Report("ports", "ok", f"{port} ({name}) is free")


def _sources(settings: Settings) -> Iterator[Report]:
    from pipeline.cameras import registry
    from pipeline.fleet import sources

    place = settings.data_dir / "sources.toml"
    if not place.exists():
        return  # named to the watch, or none yet
    known = registry.load(settings.registry)
    found = sources.load(place, known, settings.data_dir / "recordings")
    wrong = False
    for source in found:
        if source.rtsp is None and not source.folder.is_dir():
            wrong = True
            text = f"there is no folder {source.folder}"
            yield Report("sources", "wrong", text, f"mount it, or correct {place}")
        elif source.rtsp is None and not os.access(source.folder, os.R_OK | os.X_OK):
            wrong = True
            text = f"{source.folder} may not be read by user {os.geteuid()}"
            yield Report("sources", "wrong", text, f"chmod o+rx {source.folder}")
        elif source.password_env and not os.environ.get(source.password_env):
            text = f"{source.password_env} of {source.name} is not set here"
            mend = "set it where the watch runs (cameras.secret)"
            yield Report("sources", "note", text, mend)
    if not wrong:
        yield Report("sources", "ok", f"{len(found)} in {place}")


def _cameras(settings: Settings) -> Iterator[Report]:
    from pipeline.fleet import state

    watched = state.cameras(settings)
    if not watched:
        return
    now = time.time()
    faulty = [camera for camera in watched if camera.fault]
    behind = [c for c in watched if c.waiting and (c.lag_s(now) or 0) > _BEHIND_S]
    for camera in faulty[:5]:
        text = f"{camera.camera}: {camera.fault}"
        yield Report("cameras", "note", text, "dongseon watch --status")
    if behind:
        text = f"{len(behind)} of {len(watched)} watched cameras are behind"
        mend = "more --jobs, fewer frames (sample_fps), or another machine"
        yield Report("cameras", "note", text, mend)
    if not faulty and not behind:
        yield Report("cameras", "ok", f"{len(watched)} watched, none behind")
