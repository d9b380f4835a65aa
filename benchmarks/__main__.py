"""Command line: python -m benchmarks search|contacts|ingest|growth --json OUT."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import contacts, growth, ingest, machine, search

#: name -> (measurement, what --rows counts, rows that finish within two minutes)
BENCHMARKS: dict[str, tuple[Callable[..., dict[str, Any]], str, int]] = {
    "search": (search.measure, "tracklets searched", 1_000_000),
    "contacts": (contacts.measure, "ground points joined", 5_000_000),
    "ingest": (ingest.measure, "tracklets written", 300_000),
    "growth": (growth.measure, "tracklets of the smallest size", 200_000),
}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    which = parser.add_subparsers(dest="name", required=True)
    for name, (measurement, what, rows) in BENCHMARKS.items():
        one = which.add_parser(name, help=(measurement.__doc__ or "").splitlines()[0])
        one.add_argument("--json", type=Path, help="write the result here too")
        one.add_argument("--rows", type=int, default=rows, help=f"{what} [{rows:,}]")
        one.add_argument("--threads", type=int, default=2)
        one.add_argument("--seed", type=int, default=1)
        one.add_argument(
            "--folder", type=Path, help="where to put the files; default: temporary"
        )
    args = parser.parse_args(argv)
    if args.rows < 1000 or args.threads < 1:
        parser.error("--rows must be at least 1000 and --threads at least 1")
    measurement = BENCHMARKS[args.name][0]
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        found = measurement(
            Path(folder), rows=args.rows, threads=args.threads, seed=args.seed
        )
    result = {
        "benchmark": args.name,
        "rows": args.rows,
        "threads": args.threads,
        "seed": args.seed,
        **found,
        "hardware": machine.hardware(),
    }
    text = json.dumps(result, indent=1)
    print(text)
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(text + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
