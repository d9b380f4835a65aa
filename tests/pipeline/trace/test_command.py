"""The command `dongseon trace`."""

from __future__ import annotations

import pytest
import typer
from typer.testing import CliRunner

from pipeline.cameras import registry as registries
from pipeline.commands import trace as commands
from pipeline.errors import DongseonError, NotAuthorisedError
from pipeline.settings import get_settings


@pytest.fixture
def app(world, authorise, monkeypatch, tmp_path):
    number = world.camera(0, 0)
    patient = world.person()
    world.seed = world.stand(patient, number, 10, 30)
    world.stand(world.person(), number, 12, 20, offset=(1, 0))
    world.film(number, 0, 100)
    registry = world.publish()
    path = tmp_path / "camera_registry.geojson"
    registries.save(registry.cameras, path)
    monkeypatch.setenv("DONGSEON_REGISTRY", str(path))
    get_settings.cache_clear()
    authorise()
    app = typer.Typer()
    commands.attach(app)
    app.command("other")(lambda: None)
    return app


def run(app, *arguments):
    result = CliRunner().invoke(app, ["trace", *arguments])
    if isinstance(result.exception, DongseonError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_list_then_trace(app, world):
    listed = run(app, "P-001", "--user", "kim", "--list")
    assert "2 tracklets in the order's window and area" in listed
    assert str(world.seed) in listed
    assert "2025-11-03 14:00:10" in listed  # 05:00:10 UTC
    traced = run(app, "P-001", "--user", "kim", "--tracklet", str(world.seed))
    assert "Searched 2 tracklets of 1 cameras" in traced
    assert "seed" in traced
    assert "K-001  casual" in traced
    assert "21 s in 1 episode, 1.0 m" in traced
    assert "Stored in" in traced
    assert "Traced in" in traced
    again = run(app, "P-001", "--user", "kim")  # from the gallery
    assert "K-001  casual" in again


def test_refusals_are_one_sentence(app):
    with pytest.raises(NotAuthorisedError, match="P-404"):
        run(app, "P-404", "--user", "kim", "--tracklet", "1")
    with pytest.raises(NotAuthorisedError, match="not among the observations"):
        run(app, "P-001", "--user", "kim", "--tracklet", "12345")
    with pytest.raises(DongseonError, match="is empty"):
        run(app, "P-001", "--user", "kim")
