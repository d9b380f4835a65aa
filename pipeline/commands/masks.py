"""Verbs of `dongseon` about masks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

group = typer.Typer(help="The mask classifier: train.", no_args_is_help=True)


def attach(app: typer.Typer) -> None:
    """Add these verbs to the command."""
    app.add_typer(group, name="masks")


@group.callback()
def masks() -> None:
    """Train the mask classifier."""


@group.command("train")
def train(
    folder: Annotated[
        Path,
        typer.Argument(help="Has with_mask, without_mask and, if you like, incorrect."),
    ],
    out: Annotated[Path, typer.Option("--out", help="File of coefficients (.npz).")],
    templates: Annotated[
        Path | None,
        typer.Option(help="Pictures of masks to draw over unmasked faces."),
    ] = None,
    faces: Annotated[
        Path | None,
        typer.Option(
            help="Further people without a mask, one sub-folder for each; with "
            "--templates they wear drawn masks as well."
        ),
    ] = None,
) -> None:
    """Train the mask classifier on photographs; the same photographs, the same file."""
    from pipeline.settings import get_settings
    from pipeline.vision import mask_training

    mask_training.train(
        folder,
        out,
        get_settings().weights_dir,
        templates,
        progress=typer.echo,
        faces=faces,
    )
    typer.echo(f"written: {out} ({out.stat().st_size} bytes)")
