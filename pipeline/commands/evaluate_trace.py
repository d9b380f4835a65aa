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
    "visit_median_time_error_s",
    "contact_f1_1min",
    "contact_f1_15min",
    "contact_f1_1min_shown",
    "contact_f1_15min_shown",
    "contact_seconds_share",
    "posterior_ece",
)


def attach(evaluate_app: typer.Typer) -> None:
    """Add the verb to the group `evaluate`."""
    evaluate_app.command("trace")(trace)
    evaluate_app.command("posteriors")(posteriors)


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
    columns: dict[str, dict[str, Any]] = {
        "trace": report,
        **report["baselines"],
        "known_path": report["known_path"],
    }
    typer.echo(f"{'':<26}" + "".join(f"{name:>30}" for name in columns))
    for figure in _SHOWN:
        values = "".join(f"{column[figure]:>30.3f}" for column in columns.values())
        typer.echo(f"{figure:<26}{values}")
    typer.echo(
        f"{len(report['patients'])} patients, "
        f"{report['seconds_per_trace']:.2f} s a trace; contacts of a minute: "
        f"{report['contacts_1min_true']:.0f}, of 15: "
        f"{report['contacts_15min_true']:.0f}"
    )


def posteriors(
    truth: Annotated[
        list[Path],
        typer.Option("--truth", help="City made by `dongseon simulate`; give several."),
    ],
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="Map to write (JSON).")
    ],
    patients: Annotated[
        int, typer.Option("--patients", min=1, help="Residents of each to hunt.")
    ] = 12,
    seed: Annotated[int, typer.Option("--seed", help="Chooses the patients.")] = 1,
) -> None:
    """Fit the map that turns what the path's chain says into shares that come true.

    Judge it on other cities: `dongseon evaluate trace`.
    """
    from rich.progress import Progress

    from pipeline.evaluate import posteriors as fitting
    from pipeline.settings import get_settings

    with Progress(transient=True) as bar:
        task = bar.add_task("hunting", total=patients * len(truth) * 2)
        told = fitting.collect(
            truth,
            patients,
            settings=get_settings(),
            seed=seed,
            progress=lambda city, done: bar.update(
                task, description=city, completed=done
            ),
        )
    cities = " ".join(f"--truth {one.name}" for one in truth)
    command = (
        f"dongseon evaluate posteriors {cities} --patients {patients} --seed {seed}"
    )
    law = fitting.fit(told, command)
    fitting.save(law, out)
    others = law["provenance"]["ece_of_each_city_by_a_map_of_the_others"]
    for (city, alone), error in fitting.errors(told).items():
        way = "photographs alone" if alone else "a pass pointed at"
        other = others.get(fitting.name(city, alone))
        told_by = "" if other is None else f", {other:.3f} by a map of the other cities"
        typer.echo(
            f"{city:<12} from {way:<17}  ECE {error:.3f} by the map in use{told_by}"
        )
    typer.echo(f"{len(told)} hunts; the map is in {out}.")
