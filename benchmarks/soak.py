"""Soak: the whole pipeline over many cameras for a while; what grows, what is lost.

The folders of the cameras fill with short real clips, each named as new footage, so
that two hours of a camera pass in some minutes. `dongseon watch` analyses them,
`dongseon worker` traces what is queued, compaction and expiry run as their timers
would. With --together, the dashboard's pages and analysts' shells read beside.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import budgets
from benchmarks.feeding import Feeder, cut, films
from benchmarks.memory import Sampler, slope
from pipeline.settings import CHECKOUT, Settings, get_settings

#: Observations are kept for a day here, and footage begins so long after that limit,
#: as a share of the run: the oldest expires while the run goes on.
RETENTION_DAYS, LEAD = 1, 1 / 6
#: Length of the clips cut from the films, seconds.
CLIP_S = 3.0
#: Upkeep and traces so often in a run, but not more often than every few seconds.
UPKEEPS, TRACES, LEAST_PAUSE_S = 12, 30, 4.0
#: Share of the run in which clips are fed; in the rest, what waits is worked off.
FED = 0.85
#: What waits when the time is over is worked off, so long at most: a share of the run,
#: but some minutes, since a busy machine takes them to start everything.
DRAIN, LEAST_DRAIN_S = 0.1, 180.0
#: Traces begin from one of so many newest tracklets: older ones may have expired
#: before it is their turn.
NEWEST = 10
#: Looks at the processes in a run, at most one a second.
LOOKS = 720
#: Growth of memory that counts as flat, MB an hour: a program of 600 MB that grows
#: like this takes a month to double. And open files more at the end than early.
FLAT_MB, MORE_FILES = 1.0, 5
#: Minutes from which on a slope is held to account.
LEAST_MINUTES = 20.0
#: Share of the clips fed that may still wait at the end.
BEHIND = 0.1
CASE = "SOAK-1"
#: Exit codes of a program that was asked to end.
_ENDED_WELL = (0, -signal.SIGTERM)


@dataclass
class Upkeep:
    """Runs of short programs and what they said that was wrong."""

    runs: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def run(self, home: Home, *arguments: str) -> None:
        """Run one verb of the command."""
        done = home.start(*arguments, log="upkeep", wait=True)
        self.runs[" ".join(arguments[:2])] += 1
        if done.returncode:
            self.faults.append(f"{' '.join(arguments)} ended with {done.returncode}")


@dataclass
class Home:
    """An installation in a folder, and the programs that run in it."""

    folder: Path
    environment: dict[str, str]

    @property
    def settings(self) -> Settings:
        """Its settings."""
        return get_settings()

    def start(self, *arguments: str, log: str, wait: bool = False) -> Any:
        """Start `dongseon ARGUMENTS`, its output in a file; wait for it if asked."""
        code = "from pipeline.cli import main; main()"
        return self.python(["-c", code, *arguments], log, wait)

    def python(self, arguments: list[str], log: str, wait: bool = False) -> Any:
        """Start Python with arguments."""
        with open(self.folder / f"{log}.log", "ab") as out:
            options: dict[str, Any] = {
                "env": self.environment,
                "cwd": CHECKOUT,
                "stdin": subprocess.DEVNULL,
                "stdout": out,
                "stderr": subprocess.STDOUT,
            }
            command = [sys.executable, *arguments]
            if wait:
                return subprocess.run(command, check=False, **options)
            return subprocess.Popen(command, **options)


def main(argv: list[str]) -> int:
    """Run it; return 0, or 1 when a budget was not met."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks soak", description=__doc__
    )
    parser.add_argument("--json", type=Path, help="write the result here too")
    parser.add_argument("--minutes", type=float, default=5.0, help="[5]")
    parser.add_argument("--cameras", type=int, default=50, help="[50]")
    parser.add_argument(
        "--hours", type=float, default=2.0, help="footage time of each camera [2]"
    )
    parser.add_argument(
        "--every", type=float, default=300.0, metavar="SECONDS",
        help="footage time between the starts of a camera's clips [300]",
    )  # fmt: skip
    parser.add_argument(
        "--jobs", type=int, default=1, help="clips analysed at once [1]"
    )
    parser.add_argument("--sample-fps", type=float, default=1.0, help="[1]")
    parser.add_argument(
        "--clips", type=Path, help="folder of films; default: the demo's"
    )
    parser.add_argument(
        "--together", action="store_true", help="with the dashboard and analysts beside"
    )
    parser.add_argument(
        "--folder", type=Path, help="where to put the files; default: temporary"
    )
    args = parser.parse_args(argv)
    if args.minutes <= 0 or args.cameras < 1 or args.hours * 3600 < args.every:
        parser.error("--minutes, --cameras and --hours must give at least one clip")
    from benchmarks import machine

    hardware = machine.hardware()
    with _home(args) as home:
        found = measure(home, args)
    checks = [budget.entry() for budget in limits(found)]
    result = {"benchmark": "soak", **found, "budgets": checks, "hardware": hardware}
    text = json.dumps(result, indent=1, default=str)
    print(text)
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(text + "\n")
    missed = budgets.failures("soak", checks, hardware["load_average_1min"])
    for sentence in missed:
        print(sentence, file=sys.stderr)
    return 1 if missed else 0


@contextlib.contextmanager
def _home(args: argparse.Namespace) -> Iterator[Home]:
    """Give an installation of its own; it is deleted at the end."""
    import tempfile

    weights, registry = get_settings().weights_dir, get_settings().registry
    with tempfile.TemporaryDirectory(dir=args.folder, prefix="soak-") as name:
        folder = Path(name)
        own = {
            "DONGSEON_DATA_DIR": str(folder / "data"),
            "DONGSEON_KEY_FILE": str(folder / "keys" / "casebook.key"),
            "DONGSEON_MODELS_DIR": str(weights),
            "DONGSEON_REGISTRY": str(registry),
            "DONGSEON_RETENTION_DAYS": str(RETENTION_DAYS),
            "DONGSEON_SAMPLE_FPS": str(args.sample_fps),
            "DONGSEON_LOGIN": "single",
        }
        before = dict(os.environ)
        os.environ.update(own)
        get_settings.cache_clear()
        try:
            yield Home(folder, {**os.environ, "NO_PROXY": "*", "PYTHONPATH": "."})
        finally:
            os.environ.clear()
            os.environ.update(before)
            get_settings.cache_clear()


def measure(home: Home, args: argparse.Namespace) -> dict[str, Any]:
    """Run everything for the minutes asked for, stop it, and account for it."""
    from benchmarks.account import account

    settings, seconds = home.settings, args.minutes * 60
    feeder, authorisation = _prepare(home, args)
    metrics = _free_port()
    programs = {
        "watch": home.start(
            "watch", str(home.folder / "sources.toml"), "--json",
            "--jobs", str(args.jobs), "--metrics-port", str(metrics), log="watch",
        ),
        "worker": home.start("worker", log="worker"),
    }  # fmt: skip
    readers: dict[str, subprocess.Popen] = {}
    if args.together:
        programs["dashboard"], readers = _beside(home)
    sampler = Sampler(
        {name: process.pid for name, process in programs.items()},
        max(1.0, seconds / LOOKS),
        lambda: _moment(settings, metrics),
    )
    upkeep, begin = Upkeep(), time.monotonic()
    queued: list[int] = []
    feeder.start()
    sampler.start()
    try:
        fallen = _work(home, programs, feeder, upkeep, authorisation, queued, seconds)
    finally:
        feeder.stop()
        sampler.stop()
        endings = {
            name: _end(process) for name, process in {**readers, **programs}.items()
        }
    wall = time.monotonic() - begin
    told = account(home, feeder, upkeep, authorisation, queued)
    return {
        "seconds": wall,
        "cameras": args.cameras,
        "clip_files": len(feeder.clips),
        "footage_hours_a_camera": len(feeder.fed) / args.cameras * args.every / 3600,
        "sample_fps": args.sample_fps,
        "minutes": args.minutes,
        "together": args.together,
        **told,
        "ended_too_early": fallen,
        "exit_codes": endings,
        "last_words": {
            name: _last_words(home, name)
            for name in programs
            if name in fallen or endings[name] not in _ENDED_WELL
        },
        "upkeep": dict(upkeep.runs),
        "upkeep_faults": upkeep.faults,
        "readers": {name: _read_by(home, name) for name in readers},
        "processes": {label: _growth(sampler, label) for label in sampler.labels()},
        "most_waiting": max((r.get("waiting", 0) for r in sampler.rows), default=0),
        "samples": _thin(sampler.rows),
    }


def _work(
    home: Home,
    programs: dict[str, subprocess.Popen],
    feeder: Feeder,
    upkeep: Upkeep,
    authorisation: Any,
    queued: list[int],
    seconds: float,
) -> list[str]:
    """Queue traces and do the upkeep until the time is over; return who fell."""
    begin = time.monotonic()
    trace_s, upkeep_s = (
        max(LEAST_PAUSE_S, seconds / times) for times in (TRACES, UPKEEPS)
    )
    next_trace, next_upkeep = begin + trace_s, begin + upkeep_s
    chance = random.Random(1)
    end = begin + seconds
    while time.monotonic() < end or (
        time.monotonic() < end + max(LEAST_DRAIN_S, seconds * DRAIN)
        and _behind(home.settings, feeder)
    ):
        fallen = [n for n, process in programs.items() if process.poll() is not None]
        if fallen:
            return fallen
        now = time.monotonic()
        if now >= next_trace:
            queued += _queue(home.settings, authorisation, chance)
            next_trace = now + trace_s
        if now >= next_upkeep:
            upkeep.run(home, "store", "compact")
            upkeep.run(home, "store", "expire")
            _forget(home.settings, feeder)
            next_upkeep = time.monotonic() + upkeep_s
        time.sleep(0.2)
    return []


def limits(found: dict[str, Any]) -> list[budgets.Budget]:
    """Budgets of a result of `measure`."""
    long = found["minutes"] >= LEAST_MINUTES
    made = [
        budgets.Budget(what, found[key], 0)
        for what, key in (
            ("parts of footage lost", "lost"),
            ("parts of footage stored twice", "doubled"),
            ("parts stored that nobody fed", "unknown"),
            ("clips refused", "refused"),
            ("faults of cameras", "faults"),
            ("traces failed", "traces_failed"),
            ("damaged segments", "damaged"),
        )
    ]
    made += [
        budgets.Budget("programs that fell", len(found["ended_too_early"]), 0),
        budgets.Budget(
            "programs that did not end well",
            sum(code not in _ENDED_WELL for code in found["exit_codes"].values()),
            0,
        ),
        budgets.Budget("upkeep that failed", len(found["upkeep_faults"]), 0),
        budgets.Budget("clips analysed", found["done"], 1, least=True),
        budgets.Budget(
            "share of the clips still waiting", found["waiting"] / found["fed"], BEHIND
        ),
    ]
    for name, told in found["readers"].items():
        made.append(budgets.Budget(f"reads of the {name}", told["reads"], 1, True))
        made.append(
            budgets.Budget(f"errors of the {name}", sum(told["errors"].values()), 0)
        )
    for label, told in found["processes"].items():
        if label == "worker children":
            continue  # each lives for one trace
        grown = told["own_mb_slope"]
        least = grown["low"] if grown and long else None
        made.append(
            budgets.Budget(f"memory of {label}, MB an hour at least", least, FLAT_MB)
        )
        made.append(
            budgets.Budget(
                f"open files of {label}, more at the end",
                told["files_last"] - told["files_early"] if long else None,
                MORE_FILES,
            )
        )
    return made


def _prepare(home: Home, args: argparse.Namespace) -> tuple[Feeder, Any]:
    """Cut the clips, name the cameras and their folders, and have an order approved."""
    from pipeline import demo
    from pipeline.cameras import registry
    from pipeline.casebook import database, demo_order
    from pipeline.commands.store import prepare

    settings = home.settings
    place = args.clips or CHECKOUT.parent / "shared" / "media" / "video"
    if not place.is_dir():
        place = demo.bring_street_clip(settings, lambda line: None).parent
    clips = cut(films(place), home.folder / "clips", CLIP_S)
    known = registry.load(settings.registry)
    chosen = sorted(known.cameras, key=lambda c: c.number)[: args.cameras]
    rounds = int(args.hours * 3600 / args.every)
    begin = datetime.now(UTC) - timedelta(days=RETENTION_DAYS)
    begin = begin.replace(microsecond=0) + timedelta(minutes=args.minutes * LEAD)
    feeder = Feeder(
        clips,
        [camera.id for camera in chosen],
        home.folder / "footage",
        begin=begin,
        step=timedelta(seconds=args.every),
        rounds=rounds,
        pace_s=args.minutes * 60 * FED / (rounds * len(chosen)),
    )
    (home.folder / "sources.toml").write_text(
        "".join(
            f'[[source]]\ncamera = "{c}"\nfolder = "{feeder.folder_of(c)}"\n'
            "settle_s = 1\n"
            for c in feeder.cameras
        )
    )
    prepare(settings)
    end = begin + timedelta(hours=args.hours, minutes=10)
    window = (begin - timedelta(hours=1), min(end, datetime.now(UTC)))
    permit = demo_order(settings, CASE, window, settings.user, "approver")
    database.dispose(settings)
    return feeder, permit


def _beside(home: Home) -> tuple[subprocess.Popen, dict[str, subprocess.Popen]]:
    """Start the dashboard, who opens its pages, and two analysts."""
    port = _free_port()
    address = f"http://127.0.0.1:{port}"
    served = home.start("dashboard", "--port", str(port), "--single", log="dashboard")
    limit = time.monotonic() + 60
    while time.monotonic() < limit:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"{address}/_stcore/health", timeout=5).close()
            break
        time.sleep(0.2)
    readers = {}
    for name, what in (
        ("dashboard reader", ["reader", address]),
        ("analyst in a shell", ["shell", str(home.settings.database)]),
        ("analyst by sql", ["sql", str(home.settings.database)]),
    ):
        module = ["-m", "benchmarks.visitors", *what, str(_told(home, name))]
        readers[name] = home.python(module, log="readers")
    return served, readers


def _queue(settings: Settings, authorisation: Any, chance: random.Random) -> list[int]:
    """Queue the trace of somebody seen lately; nobody yet: none."""
    from pipeline.casebook import jobs
    from pipeline.store import reader

    table = reader.tracklets(settings, columns=["tracklet_id", "start_at"])
    if not table.num_rows:
        return []
    newest = table.sort_by([("start_at", "descending")]).slice(0, NEWEST)
    tracklet = chance.choice(newest["tracklet_id"].to_pylist())
    return [jobs.queue(authorisation, {"tracklet": tracklet}, settings=settings)]


def _behind(settings: Settings, feeder: Feeder) -> bool:
    """Tell whether clips that were fed are neither analysed nor refused."""
    from pipeline.fleet.state import State

    with contextlib.closing(State(settings, read_only=True)) as state:
        ended = len(state.clips("done")) + len(state.clips("refused"))
    return ended < len(feeder.fed)


def _forget(settings: Settings, feeder: Feeder) -> None:
    """Delete clips that were analysed a while ago, but for the newest hundred."""
    from pipeline.fleet.state import State

    with contextlib.closing(State(settings)) as state:
        done = sorted(state.clips("done"), key=lambda clip: clip.done_at or 0)
    feeder.forget([clip.path for clip in done[:-100]])


def _moment(settings: Settings, port: int) -> dict[str, float]:
    """Return lag, faults and room as `/metrics` tells them, and the store's size."""
    found = {"disk_mb": _size_mb(settings.data_dir)}
    lags = []
    try:
        address = f"http://127.0.0.1:{port}/metrics"
        with urllib.request.urlopen(address, timeout=20) as page:
            lines = page.read().decode().splitlines()
    except OSError:
        return found  # not up yet, or ended
    for line in lines:
        name, _, value = line.partition(" ")
        name = name.partition("{")[0]
        if name == "dongseon_camera_lag_seconds":
            lags.append(float(value))
        elif name == "dongseon_camera_clips_waiting":
            found["waiting"] = found.get("waiting", 0.0) + float(value)
        elif name == "dongseon_camera_faults_total":
            found["faults"] = found.get("faults", 0.0) + float(value)
    found["cameras"] = len(lags)
    return found


def _size_mb(folder: Path) -> float:
    size = 0
    for path, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                size += os.stat(f"{path}/{name}").st_size
    return size / 1e6


def _growth(sampler: Sampler, label: str) -> dict[str, Any]:
    """Tell of a process's memory and files: at first, at most, last, and the slope."""
    at, own = sampler.series(label, "own_mb")
    _, rss = sampler.series(label, "rss_mb")
    _, files = sampler.series(label, "files")
    quarter = max(1, len(files) // 4)
    found = slope(at, own)
    return {
        "own_mb_most": round(float(own.max()), 1),
        "own_mb_last": round(float(own[-1]), 1),
        "rss_mb_most": round(float(rss.max()), 1),
        "own_mb_slope": found and {k: round(v, 3) for k, v in vars(found).items()},
        "files_early": float(np.median(files[quarter : 2 * quarter + 1])),
        "files_most": int(files.max()),
        "files_last": float(np.median(files[-quarter:])),
    }


def _thin(rows: list[dict], most: int = 60) -> list[dict]:
    """Return some of the rows, with figures that a person can read."""
    kept = rows[:: max(1, len(rows) // most)]
    return [json.loads(json.dumps(row), parse_float=_short) for row in kept]


def _short(text: str) -> float:
    return round(float(text), 1)


def _end(process: subprocess.Popen) -> int:
    process.send_signal(signal.SIGTERM)
    try:
        return process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return -9


def _told(home: Home, name: str) -> Path:
    return home.folder / f"{name.replace(' ', '-')}.json"


def _read_by(home: Home, name: str) -> dict[str, Any]:
    place = _told(home, name)
    if not place.exists():
        return {"reads": 0, "rows": 0, "errors": {"it wrote no account": 1}}
    return dict(json.loads(place.read_text()))


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _last_words(home: Home, name: str) -> list[str]:
    text = (home.folder / f"{name}.log").read_text(errors="replace")
    return text.splitlines()[-20:]
