"""Command line: python -m benchmarks NAME --json OUT.

Prints a JSON object; exit code 1 when a budget is not met, with a sentence each.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import tempfile
from pathlib import Path

from benchmarks import budgets, machine

#: name -> (what --rows counts, rows that finish within two minutes, in a sentence)
BENCHMARKS: dict[str, tuple[str, int, str]] = {
    "search": (
        "tracklets searched",
        1_000_000,
        "Ten patients by five embeddings against all tracklets, files to hits.",
    ),
    "contacts": (
        "ground points joined",
        5_000_000,
        "Ten patients' paths against all ground points of a day.",
    ),
    "trace": (
        "tracklets of the simulated city",
        100_000,
        "Ten patients of a simulated city, order to stored path and contacts.",
    ),
    "dashboard": (
        "cameras of the network",
        10_820,
        "Key press to last draw of the map, beside plain pydeck; ten people at once.",
    ),
    "sessions": (
        "sessions opened and left",
        400,
        "What the dashboard keeps of pages that were opened and left.",
    ),
    "ingest": (
        "tracklets written",
        300_000,
        "Tracklets published durably, against plain bytes and a flush.",
    ),
    "simulate": (
        "residents of the city",
        50_000,
        "A city with known truth written as observations.",
    ),
    "cluster": (
        "residents of a city of twelve hours",
        20_000,
        "The same city by one process, and by Ray with one and two workers.",
    ),
    "objects": (
        "tracklets written",
        200_000,
        "The same rows in a folder and in an S3-compatible store on this machine.",
    ),
    "footage": (
        "seconds of footage of each size",
        60,
        "An hour of a camera at triage and full quality, against decoding alone.",
    ),
    "detectors": (
        "faces of each width, bare and masked",
        150,
        "What detectors of faces and persons find, and their time a picture.",
    ),
    "growth": (
        "tracklets of the smallest size",
        200_000,
        "Search, contacts and ingest at one, two and four times the size.",
    ),
}


def main(argv: list[str] | None = None) -> int:
    """Measure one thing; return 0, or 1 when a budget was not met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    which = parser.add_subparsers(dest="name", required=True)
    for name, (what, rows, sentence) in BENCHMARKS.items():
        one = which.add_parser(name, help=sentence, description=sentence)
        one.add_argument("--json", type=Path, help="write the result here too")
        one.add_argument("--rows", type=int, default=rows, help=f"{what} [{rows:,}]")
        one.add_argument("--threads", type=int, default=2)
        one.add_argument("--seed", type=int, default=1)
        one.add_argument(
            "--folder", type=Path, help="where to put the files; default: temporary"
        )
        if name == "trace":
            one.add_argument("--city", type=Path, help="a simulated city to trace in")
        if name == "search":
            one.add_argument("--days", type=int, default=1, help="days like it [1]")
        if name == "simulate":
            one.add_argument("--hours", type=int, default=2, help="hours from 7 on [2]")
        if name == "footage":
            one.add_argument("--clip", type=Path, help="your own clip, as it is")
    # They have arguments of their own.
    which.add_parser("soak", help="All programs over fifty cameras for a while.")
    which.add_parser("gpu", help="What a graphics processor would do, for planning.")
    given = sys.argv[1:] if argv is None else argv
    if given[:1] in (["soak"], ["gpu"]):
        return int(importlib.import_module(f"benchmarks.{given[0]}").main(given[1:]))
    args = parser.parse_args(given)
    least = {"footage": 4, "sessions": 10, "detectors": 1}.get(args.name, 1000)
    if args.rows < least or args.threads < 1:
        parser.error(f"--rows must be at least {least} and --threads at least 1")
    module = importlib.import_module(f"benchmarks.{args.name}")
    hardware = machine.hardware()  # with the load before the measurement adds to it
    known = ("name", "json", "folder")
    options = {k: v for k, v in vars(args).items() if k not in known}
    if args.folder is not None:
        args.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        found = module.measure(Path(folder), **options)
    checks = [budget.entry() for budget in module.limits(found, args.rows)]
    result = {
        "benchmark": args.name,
        "rows": args.rows,
        "threads": args.threads,
        "seed": args.seed,
        **found,
        "budgets": checks,
        "hardware": hardware,
    }
    text = json.dumps(result, indent=1)
    print(text)
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(text + "\n")
    missed = budgets.failures(args.name, checks, hardware["load_average_1min"])
    for sentence in missed:
        print(sentence, file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
