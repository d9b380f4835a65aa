"""The verb `dongseon demo`: real clips, one traced person, the dashboard."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.store.schema import MASK_STATES

if TYPE_CHECKING:
    from rich.console import Console

    from pipeline.demo import Binding
    from pipeline.footage.summary import ClipSummary
    from pipeline.settings import Settings


def attach(app: typer.Typer) -> None:
    """Add `demo` to the command."""
    app.command("demo")(demo)


def demo(
    serve: Annotated[
        bool, typer.Option("--serve/--no-serve", help="Serve the dashboard after.")
    ] = True,
    footage: Annotated[
        Path | None,
        typer.Option(help="Folder with your own clips, named as the registry binds."),
    ] = None,
    port: Annotated[int, typer.Option(help="Port of the dashboard.")] = 8501,
) -> None:
    """Analyse the demo's clips, trace one person, and serve the dashboard."""
    from rich.console import Console

    from pipeline import demo as story
    from pipeline.cameras import registry as registries
    from pipeline.casebook import reviews
    from pipeline.commands import store as store_commands
    from pipeline.commands import trace as trace_commands
    from pipeline.settings import get_settings
    from pipeline.trace import run

    console = Console()
    settings = get_settings()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    registry = registries.load(settings.registry)
    story.bring_street_clip(settings, console.print)
    bound = story.bindings(registry, story.footage_folders(settings, footage))
    analyse(bound, settings, console)
    store_commands.prepare(settings)
    tracklet = story.suspect(settings, bound)
    authorisation = story.order_for_demo(settings, bound)
    console.rule("One person's path and contacts")
    console.print(
        f"Case {authorisation.case}, order {authorisation.order_id}: requested by "
        f"{authorisation.user}, approved by {story.APPROVER}; the person pointed at "
        f"is tracklet {tracklet}, who walked farthest past the first camera."
    )
    found = run.trace(authorisation, settings=settings, tracklet=tracklet)
    known = reviews.verdicts(authorisation, settings=settings)
    same = story.same_pass(settings, bound, tracklet)
    if not known.keys() >= set(same):
        alone = sum(found.sightings["on_path"].to_pylist())
        console.print(
            f"By clothing alone {alone} of {len(same) + 1} passes are told for that "
            "person's. The clip stands for several cameras, so that the same seconds "
            "are before each of them: the demo accepts these passes, as a reviewer "
            "would who knows the person, and traces again."
        )
        for number in same:
            reviews.review(authorisation, number, "accept", settings=settings)
        found = run.trace(authorisation, settings=settings)
    trace_commands.print_result(found, settings)
    if serve:
        from pipeline.commands import dashboard

        dashboard.serve(port=port, worker=True)


def analyse(bound: list[Binding], settings: Settings, console: Console) -> None:
    """Ingest every bound clip and print its figures."""
    from pipeline.commands.footage import Shown
    from pipeline.footage.ingest import ingest

    shared: dict[str, int] = {}
    for binding in bound:
        shared[binding.clip.name] = shared.get(binding.clip.name, 0) + 1
    console.rule("Footage to observations")
    for name, cameras in shared.items():
        if cameras > 1:
            console.print(
                f"Note: the clip {name} stands for {cameras} cameras in this demo."
            )
    clips = []
    for binding in bound:
        with Shown() as shown:
            summary = ingest(
                binding.clip,
                binding.camera.id,
                settings=settings,
                progress=shown.update,
            )
        clips.append(summary.clips[0])
        console.print(_figures(clips[-1]), soft_wrap=True, highlight=False)
    console.print(_sum(clips), soft_wrap=True, highlight=False)


def _figures(clip: ClipSummary) -> str:
    """Return three short lines on one clip."""
    masks = ", ".join(f"{clip.masks[state]} {state}" for state in reversed(MASK_STATES))
    stored = "  (found stored)" if clip.parts_done_before == clip.parts else ""
    return (
        f"{clip.camera_id}  {clip.path.name}{stored}\n"
        f"    {clip.frames_read} frames read, {clip.frames_analysed} analysed; "
        f"{clip.persons} persons in {clip.tracklets} tracklets, {clip.faces} faces\n"
        f"    masks: {masks}; {clip.seconds:.1f} s, "
        f"{clip.times_real_time:.1f} times real time"
    )


def _sum(clips: list[ClipSummary]) -> str:
    footage = sum(clip.footage_seconds for clip in clips)
    seconds = sum(clip.seconds for clip in clips)
    return (
        f"In all: {len(clips)} clips, {footage / 60:.1f} min of footage, "
        f"{sum(clip.tracklets for clip in clips)} tracklets; {seconds:.0f} s of "
        f"analysis, {footage / max(seconds, 0.1):.1f} times real time."
    )
