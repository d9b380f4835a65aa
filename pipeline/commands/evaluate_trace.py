"""The verb `dongseon evaluate trace`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

_SHOWN = (
    "path_idf1",
    "path_hota",
    "sighting_precision",
    "sighting_recall",
    "visit_f1",
    "contact_f1_1min",
    "contact_f1_15min",
    "posterior_ece",
)


def attach(evaluate_app: typer.Typer) -> None:
    """Add the verb to the group `evaluate`."""
    evaluate_app.command("trace")(trace)


def trace(
    truth: Annotated[
        list[Path],
        typer.Option(
            "--truth", help="City made by `dongseon simulate`; several are pooled."
        ),
    ],
    patients: Annotated[
        int, typer.Option("--patients", min=1, help="Residents of each to trace.")
    ] = 10,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="OUT", help="Report to write.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Chooses the patients.")] = 1,
    photos_only: Annotated[
        bool,
        typer.Option(
            "--photos-only",
            help="Begin with three photos alone; else also one pass pointed at, as "
            "where the patient was filmed at a clinic.",
        ),
    ] = False,
) -> None:
    """Retrace residents of a simulated city and hold the traces against the truth.

    A temporary casebook is used; the city's folder is not changed.
    """
    from rich.progress import Progress

    from pipeline.evaluate import trace as evaluation
    from pipeline.settings import get_settings

    with Progress(transient=True) as bar:
        task = bar.add_task("tracing", total=patients * len(truth))
        report = evaluation.evaluate(
            truth,
            patients,
            settings=get_settings(),
            seed=seed,
            pointed=not photos_only,
            progress=lambda case, done: bar.update(
                task, description=case, completed=done
            ),
        )
    if json_file is not None:
        evaluation.save(report, json_file)
    columns: dict[str, dict[str, Any]] = {"trace": report, **report["baselines"]}
    typer.echo(f"{'':<20}" + "".join(f"{name:>30}" for name in columns))
    for figure in _SHOWN:
        values = "".join(f"{column[figure]:>30.3f}" for column in columns.values())
        typer.echo(f"{figure:<20}{values}")
    typer.echo(
        f"{len(report['patients'])} patients, "
        f"{report['seconds_per_trace']:.2f} s a trace; contacts of a minute: "
        f"{report['contacts_1min_true']:.0f}, of 15: "
        f"{report['contacts_15min_true']:.0f}"
    )
