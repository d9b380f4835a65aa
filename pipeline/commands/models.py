"""Verbs of `dongseon` about model weights."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Annotated

import typer

#: What is shown of each model.
_SHOWN = ("name", "task", "file", "sha256", "size", "licence", "input_size")
#: And of each file of coefficients fitted here.
_FITTED = ("name", "task", "file", "sha256", "source", "licence", "command")

#: Before what is known of a model, beneath its name.
_INDENT = "  "

group = typer.Typer(
    help="Model weights: list, fetch, verify, add, use, calibrate.",
    no_args_is_help=True,
)


def attach(app: typer.Typer) -> None:
    """Add these verbs to the command."""
    app.add_typer(group, name="models")


@group.command("fetch")
def fetch(
    quiet: bool = typer.Option(False, "--quiet", help="Say nothing when all is well."),
    everything: bool = typer.Option(False, "--all", help="Also the optional models."),
) -> None:
    """Fetch and verify the weights that are missing; safe to repeat."""
    from pipeline.settings import get_settings
    from pipeline.vision import models

    folder = get_settings().weights_dir
    fetched = models.fetch(folder, everything=everything, progress=typer.echo)
    if not quiet:
        count = len(fetched)
        typer.echo(
            f"{count} fetched and verified in {folder}"
            if count
            else f"all weights are in {folder} and verified"
        )


@group.command("list")
def show(
    out: Annotated[
        Path | None,
        typer.Option("--json", help="File for everything known of each model."),
    ] = None,
) -> None:
    """List models with origin, licence, input, figures and state; the best two of a
    role by their place; and what was fitted here, with what it was fitted on.
    """
    from rich.console import Console

    from pipeline.evaluate import report
    from pipeline.settings import get_settings
    from pipeline.vision import catalogue, models, own_models, recognisers

    folder = get_settings().weights_dir
    rows = [
        {
            **{key: getattr(weight, key) for key in _SHOWN},
            "source": f"{weight.package} {weight.version} ({weight.client})",
            "optional": weight.optional,
            "role": weight.role,
            "place": weight.place,
            "notes": weight.notes,
            "measured": weight.measured,
            "state": problem or "verified",
        }
        for weight, problem in models.check(folder)
    ]
    rows += [
        {
            **{key: getattr(one, key) for key in _SHOWN},
            "source": one.source,
            "optional": True,
            "role": "",
            "place": 0,
            "notes": "added here",
            "measured": "",
            "state": own_models.problem_of(one, folder) or "verified",
        }
        for one in own_models.added(folder)
    ]
    in_use = recognisers.chosen(folder)
    fitted = [
        {
            **{key: getattr(one, key) for key in _FITTED},
            "size": len(one.content),
        }
        for one in catalogue.COEFFICIENTS
    ]
    if out is not None:
        told = {"recogniser": in_use, "models": rows, "coefficients": fitted}
        report.write(told, out)
    width = Console().width
    for row in rows:
        place = f" ({row['role']}: {row['place']})" * bool(row["place"])
        state = row["state"] if not row["optional"] else f"optional, {row['state']}"
        _told(
            f"{row['name']}: {row['task']}{place}",
            f"{row['file']} {str(row['sha256'])[:12]}, {int(row['size']) / 1e6:.1f} MB",
            f"{row['source']}; licence {row['licence']}",
            f"takes {row['input_size']}",
            f"measured: {row['measured']}" if row["measured"] else "",
            f"state: {state}",
            width=width,
        )
    typer.echo("fitted here, shipped")
    for one in catalogue.COEFFICIENTS:
        _told(
            f"{one.name}: {one.task}",
            f"{one.file} {one.sha256[:12]}, {len(one.content) / 1e6:.2f} MB",
            f"fitted on {one.source}; licence {one.licence}",
            f"anew by {one.command}" if one.command else "",
            width=width,
        )
    typer.echo(f"face recogniser in use: {in_use}")
    for task in own_models.TASKS:
        own = own_models.used(task, folder)
        if own is not None:
            typer.echo(f"{task}: {own.name}")
    choice = ", ".join(recognisers.names(folder))
    _told(f"to choose from: {choice}", width=width)


def _told(heading: str, *details: str, width: int) -> None:
    """Write a heading and what is known of it, wrapped between words."""
    for indent, line in (("", heading), *((_INDENT, one) for one in details if one)):
        lines = textwrap.wrap(
            line,
            width,
            initial_indent=indent,
            subsequent_indent=indent + _INDENT,
            break_long_words=False,
            break_on_hyphens=False,
        )
        typer.echo("\n".join(lines))


@group.command("verify")
def verify() -> None:
    """Check every weight file against its sha256; exit code 2 when one is wrong."""
    from pipeline.errors import ModelError
    from pipeline.settings import get_settings
    from pipeline.vision import models, own_models

    folder = get_settings().weights_dir
    wrong = []
    for one in own_models.added(folder):
        problem = own_models.problem_of(one, folder)
        if problem:
            wrong.append(f"{one.file} {problem}")
        typer.echo(f"{one.sha256[:12]}  {one.file}: {problem or 'verified'}")
    for weight, problem in models.check(folder):
        absent = problem == "is not there"
        if problem and not (weight.optional and absent):
            wrong.append(f"{weight.file} {problem}")
        typer.echo(f"{weight.sha256[:12]}  {weight.file}: {problem or 'verified'}")
    if wrong:
        raise ModelError(
            f"In {folder}: {'; '.join(wrong)}; run `dongseon models fetch`."
        )


@group.command("add")
def add(
    file: Annotated[Path, typer.Argument(help="Weights: .onnx, .tflite or .pb.")],
    name: Annotated[str, typer.Option(help="New name, stored with what it makes.")],
    licence: Annotated[str, typer.Option(help="Under which the weights may be used.")],
    source: Annotated[str, typer.Option(help="Where the weights come from.")],
    task: Annotated[
        str,
        typer.Option(
            help="face embedding, face detection (YuNet), person detection (YOLOX) "
            "or appearance embedding (OSNet)."
        ),
    ] = "face embedding",
    sha256: Annotated[
        str | None, typer.Option(help="Hash the file must have; refused otherwise.")
    ] = None,
    colour: Annotated[
        str, typer.Option(help="Order of the channels: rgb (ArcFace) or bgr.")
    ] = "rgb",
    middle: Annotated[
        float, typer.Option(help="A pixel p enters as (p - middle) / span.")
    ] = 127.5,
    span: Annotated[float, typer.Option(help="See --middle; SFace: 0 and 1.")] = 127.5,
) -> None:
    """Add weights of your own: run once, copied, hashed; choose them with `use`."""
    from pipeline.settings import get_settings
    from pipeline.vision import models, own_models, recognisers

    taken = (*(weight.name for weight in models.WEIGHTS), *recognisers.PARTS)
    one = own_models.add(
        file,
        get_settings().weights_dir,
        name=name,
        task=task,
        licence=licence,
        source=source,
        sha256=sha256,
        colour=colour,
        middle=middle,
        span=span,
        taken=taken,
    )
    typer.echo(f"added: {one.name} ({one.sha256[:12]}, takes {one.input_size})")
    if one.task != own_models.EMBEDDING:
        typer.echo(f"next: `dongseon models use {one.name}`")
    else:
        typer.echo(f"next: `dongseon models calibrate {one.name} --faces DIR`")


@group.command("use")
def use(
    name: Annotated[
        str,
        typer.Argument(help="A face recogniser, a model added here, or `default`."),
    ],
    task: Annotated[
        str, typer.Option(help="With `default`: the task, as of `models add`.")
    ] = "face embedding",
) -> None:
    """Choose the model of new footage and photos.

    What was stored by another stays, and is never compared with the new.
    """
    from pipeline.errors import ModelError
    from pipeline.settings import get_settings
    from pipeline.trace import calibration
    from pipeline.vision import own_models, recognisers

    folder = get_settings().weights_dir
    own = next((one for one in own_models.added(folder) if one.name == name), None)
    task = own.task if own is not None else task
    if task not in own_models.TASKS:
        raise ModelError(
            f"{task!r} is no task; choose one of: {', '.join(own_models.TASKS)}."
        )
    if task != own_models.EMBEDDING:
        own_models.put_to_use(task, None if name == "default" else name, folder)
        typer.echo(f"{task}: {'as shipped' if own is None else name}")
        return
    chosen = recognisers.DEFAULT if name == "default" else name
    digest = recognisers.use(chosen, folder)
    typer.echo(f"face recogniser in use: {chosen} ({digest[:12]})")
    if not calibration.is_calibrated(chosen):
        typer.echo(
            f"{chosen} is not calibrated: a trace will not compare its faces until "
            f"`dongseon models calibrate {chosen} --faces DIR`.",
            err=True,
        )


@group.command("calibrate")
def calibrate(
    name: Annotated[str, typer.Argument(help="A face recogniser.")],
    faces: Annotated[
        Path,
        typer.Option(help="One sub-folder for each person, with two photographs."),
    ],
    templates: Annotated[
        Path | None,
        typer.Option(help="Pictures of masks (PNG with transparency) to draw."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the files; default: the weights'.")
    ] = None,
) -> None:
    """Fit what a recogniser's similarities mean, on photographs of known people.

    A fused recogniser's parts are fitted by the same photographs.
    """
    from pipeline.evaluate import calibrate as fitting
    from pipeline.settings import get_settings

    settings = get_settings()
    written = fitting.calibrate(
        faces,
        settings.weights_dir,
        name,
        templates=templates,
        out=out,
        threads=settings.threads,
    )
    for model, figures in written.items():
        told = ", ".join(f"{key} {value:.3f}" for key, value in figures["cllr"].items())
        typer.echo(f"{model}: Cllr on people held out: {told}")
