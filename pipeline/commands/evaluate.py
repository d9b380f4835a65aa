"""Verbs of `dongseon` about evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

group = typer.Typer(
    help="Measure how well faces, masks and tracks are seen.", no_args_is_help=True
)

Out = Annotated[Path | None, typer.Option("--json", help="File for the figures.")]
Root = Annotated[
    Path | None,
    typer.Option(help="Folder the paths are relative to; by default the list's."),
]
Templates = Annotated[
    Path | None,
    typer.Option(help="Pictures of masks (PNG with transparency) to draw."),
]


def attach(app: typer.Typer) -> None:
    """Add these verbs to the command."""
    from pipeline.commands import evaluate_trace

    evaluate_trace.attach(group)
    app.add_typer(group, name="evaluate")


@group.callback()
def evaluate() -> None:
    """Measure how well faces, masks and tracks are seen, on labelled data."""


@group.command("faces")
def evaluate_faces(
    pairs: Annotated[
        Path, typer.Option(help="CSV: image_a, image_b, same_person (1 or 0).")
    ],
    root: Root = None,
    masked: Annotated[
        bool,
        typer.Option("--masked", help="Draw a mask on the second face of a pair."),
    ] = False,
    templates: Templates = None,
    recogniser: Annotated[
        str | None, typer.Option(help="Recogniser to measure; default: that in use.")
    ] = None,
    folds: Annotated[
        int,
        typer.Option(
            min=0,
            help="Fit the template for masked faces anew so many times, each time "
            "without the people judged; 0 takes enrolment's own.",
        ),
    ] = 0,
    width: Annotated[
        list[int] | None,
        typer.Option(
            min=10,
            help="Face width to measure beside the full size, pixels (repeatable); "
            "default: 112, 60, 40, 30 and 20.",
        ),
    ] = None,
    out: Out = None,
) -> None:
    """Measure face detection and verification on pairs of pictures.

    By face width and, with --masked, with one or both faces under a drawn mask: the
    first picture of a pair is enrolled as a photo is, with its template for masked
    faces; the second wears the mask. Beside the figures, under the same name with
    .svg, lies the reliability diagram.
    """
    from pipeline.evaluate import diagram, faces, tables
    from pipeline.settings import get_settings

    settings = get_settings()
    figures = faces.evaluate(
        tables.read_pairs(pairs, root),
        settings.weights_dir,
        masked=masked,
        templates=templates,
        recogniser=recogniser,
        folds=folds,
        widths=width,
        threads=settings.threads,
    )
    _finish(figures, out)
    if out is not None:
        drawn = diagram.draw(figures["by_condition"], out.with_suffix(".svg"))
        typer.echo(f"reliability diagram: {drawn}" if drawn else "no evidence to draw")
    typer.echo(
        f"{figures['recogniser'][:31]:32}{'found':>8}{'accuracy':>10}{'TAR@1e-2':>10}{'TAR@1e-3':>10}"
        f"{'EER':>8}{'Cllr':>8}"
    )
    for name, one in figures["by_condition"].items():
        typer.echo(
            f"{name:32}{one['detection_rate']:8.2%}{one['accuracy']:10.2%}"
            f"{one['tar_at_far_1e-2']:10.2%}{one['tar_at_far_1e-3']:10.2%}"
            f"{one['eer']:8.2%}{one['cllr']:8.3f}"
        )
    _told_of_damage(figures)


@group.command("masks")
def evaluate_masks(
    folder: Annotated[
        Path,
        typer.Argument(help="Has with_mask, without_mask and, if you like, incorrect."),
    ],
    model: Annotated[
        Path | None, typer.Option(help="Classifier to measure; default: that in use.")
    ] = None,
    folds: Annotated[
        int,
        typer.Option(
            help="Train anew so many times, each time judging the photographs left "
            "out; 0 measures the classifier as it is."
        ),
    ] = 0,
    templates: Templates = None,
    faces: Annotated[
        Path | None,
        typer.Option(
            help="With --folds: further people without a mask to train on, as of "
            "`masks train`."
        ),
    ] = None,
    out: Out = None,
) -> None:
    """Measure the mask classifier on photographs.

    The shipped classifier is honest only on photographs it was not trained on.
    """
    from pipeline.evaluate import masks
    from pipeline.settings import get_settings
    from pipeline.vision.masks import MaskClassifier

    settings = get_settings()
    if folds:
        figures = masks.cross_validate(
            folder,
            settings.weights_dir,
            folds=folds,
            templates=templates,
            further=faces,
            threads=settings.threads,
        )
    else:
        figures = masks.evaluate(
            folder,
            settings.weights_dir,
            classifier=MaskClassifier.load(model, settings.weights_dir),
            threads=settings.threads,
        )
    _finish(figures, out)
    typer.echo(
        f"{figures['images']} photographs, {figures['no_face']} without a face found"
    )
    conditions = dict(figures["by_condition"])
    if folds:
        conditions["copies"] = figures["degraded"]
    for name, one in conditions.items():
        typer.echo(
            f"{name:6} balanced accuracy {one['balanced_accuracy']:7.2%}, unknown "
            f"{one['unknown_share']:6.2%}, ECE {one['ece']:.3f}"
        )
    _told_of_damage(figures)


@group.command("tracking")
def evaluate_tracking(
    clip: Annotated[Path, typer.Argument(help="Video file.")],
    truth: Annotated[
        Path, typer.Option(help="Labelled boxes: frame,id,x,y,w,h (MOTChallenge).")
    ],
    fps: Annotated[
        float | None,
        typer.Option(min=0.1, help="Analysed frames a second; default: all."),
    ] = None,
    out: Out = None,
) -> None:
    """Measure how people are followed through a clip."""
    from pipeline.evaluate import tracking
    from pipeline.settings import get_settings

    settings = get_settings()
    figures = tracking.evaluate(
        clip,
        tracking.read_truth(truth),
        settings.weights_dir,
        fps=fps,
        threads=settings.threads,
    )
    _finish(figures, out)
    typer.echo(
        f"IDF1 {figures['idf1']:.3f}, HOTA {figures['hota']:.3f}, MOTA "
        f"{figures['mota']:.3f} over {figures['boxes']} boxes of {figures['people']} "
        f"people in {figures['frames_compared']} frames"
    )
    for name, one in figures["baselines"].items():
        typer.echo(
            f"  {name} of the library, as it comes: IDF1 {one['idf1']:.3f}, "
            f"HOTA {one['hota']:.3f}, MOTA {one['mota']:.3f}"
        )


@group.command("fairness")
def evaluate_fairness(
    groups: Annotated[Path, typer.Option(help="CSV: image, person, group.")],
    root: Root = None,
    far: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="False-match rate that sets the threshold of all groups."
        ),
    ] = 1e-3,
    threshold: Annotated[
        float | None, typer.Option(help="Cosine above which faces match, instead.")
    ] = None,
    out: Out = None,
) -> None:
    """Measure misses and false matches by group of people, at one threshold."""
    from pipeline.evaluate import fairness, tables
    from pipeline.settings import get_settings

    settings = get_settings()
    figures = fairness.evaluate(
        tables.read_groups(groups, root),
        settings.weights_dir,
        far=far,
        threshold=threshold,
        threads=settings.threads,
    )
    _finish(figures, out)
    typer.echo(f"threshold {figures['threshold']:.3f}")
    for name, one in figures["groups"].items():
        typer.echo(
            f"{name}: {one['persons']} people, {one['images']} pictures; "
            f"missed {_rate(one, 'miss_rate')}; "
            f"falsely matched {_rate(one, 'false_match_rate')}"
        )
    _told_of_damage(figures)


def _finish(figures: dict[str, Any], out: Path | None) -> None:
    from pipeline.evaluate import report

    if out is not None:
        report.write(figures, out)


def _rate(figures: dict[str, Any], name: str) -> str:
    low, high = figures[f"{name}_wilson"]
    return f"{figures[name]:.3%} ({low:.3%} to {high:.3%})"


def _told_of_damage(figures: dict[str, Any]) -> None:
    if figures["undecodable"]:
        typer.echo(
            f"{figures['undecodable']} pictures could not be read and were left out.",
            err=True,
        )
