from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from pipeline.errors import ModelError
from pipeline.vision import models, own_models, recognisers
from tests.tools import onnx_files as onnx

FACES = np.random.default_rng(5).integers(0, 256, (3, 112, 112, 3), dtype=np.uint8)


def small_network(path: Path, *, flat: bool = True) -> Path:
    """Write a real ONNX network: brightest of each 28 x 28 pixels, as 48 numbers."""
    pool = onnx.node("MaxPool", ["x"], "y", kernel_shape=[28, 28], strides=[28, 28])
    flatten = onnx.node("Flatten", ["y"], "z")
    outputs = {"z": (1, 48)} if flat else {"y": (1, 3, 4, 4)}
    nodes = [pool, flatten] if flat else [pool]
    return onnx.write(path, nodes, {"x": (1, 3, 112, 112)}, outputs)


def added(file: Path, weights: Path, **changes: object) -> own_models.Own:
    entry: dict = {
        "name": "city-face",
        "task": own_models.EMBEDDING,
        "licence": "Apache-2.0",
        "source": "the city",
        "colour": "bgr",
    }
    return own_models.add(file, weights, **entry | changes)


def test_own_weights_are_run_kept_and_put_to_use(tmp_path: Path) -> None:
    weights = tmp_path / "weights"
    one = added(small_network(tmp_path / "my.onnx"), weights)
    assert one.input_size == "BGR float32 112x112, gives 48 numbers"
    assert recognisers.chosen(weights) == "mobilefacenet"
    assert recognisers.use("city-face", weights) == one.sha256
    assert recognisers.chosen(weights) == "city-face"
    embed = recognisers.load("city-face", weights, 1)
    together = embed(FACES)
    assert together.shape == (3, 48)
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    alone = np.concatenate([embed(face[None]) for face in FACES])
    assert np.array_equal(together, alone)
    assert np.allclose(together, embed(FACES[:, :, ::-1]), atol=1e-6)  # mirrored
    red = FACES.copy()
    red[..., 2] = 255
    assert not np.allclose(embed(red), together)


def test_what_is_not_right_is_refused_and_nothing_changes(tmp_path: Path) -> None:
    weights = tmp_path / "weights"
    good = small_network(tmp_path / "my.onnx")
    flat = small_network(tmp_path / "map.onnx", flat=False)
    noise = tmp_path / "noise.onnx"
    noise.write_bytes(b"no network")
    wrong = [
        (good, {"sha256": "0" * 64}, "refused: its sha256"),
        (good, {"name": "City Face"}, "no name for a model"),
        (good, {"name": "taken", "taken": ("taken",)}, "already"),
        (good, {"task": "cooking"}, "no task"),
        (good, {"colour": "grey"}, "rgb or bgr"),
        (flat, {}, "one vector"),
        (noise, {}, "one vector"),
        (noise, {"task": "person detection"}, "cannot be read as a network"),
        (noise, {"task": "face detection"}, "no YuNet"),
        (tmp_path / "absent.onnx", {}, "no weight file"),
    ]
    for file, changes, told in wrong:
        with pytest.raises(ModelError, match=told) as refused:
            added(file, weights, **changes)
        assert "\n" not in str(refused.value)
    assert own_models.added(weights) == []
    assert not weights.exists() or not list(weights.iterdir())


def test_changed_weights_are_refused(tmp_path: Path) -> None:
    one = added(small_network(tmp_path / "my.onnx"), tmp_path / "weights")
    path = tmp_path / "weights" / one.file
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(ModelError, match="another sha256"):
        recognisers.use("city-face", tmp_path / "weights")
    assert recognisers.chosen(tmp_path / "weights") == "mobilefacenet"


def test_a_name_nobody_knows(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="choose one of: mobilefacenet"):
        recognisers.load("facenet", tmp_path)


def test_the_cosine_of_fused_vectors_is_the_mean_of_the_parts(tmp_path: Path) -> None:
    added(small_network(tmp_path / "my.onnx"), tmp_path)
    added(small_network(tmp_path / "my.onnx"), tmp_path, name="red", colour="rgb")
    parts = [recognisers.load(name, tmp_path, 1) for name in ("city-face", "red")]
    fused = recognisers.Fused(parts)
    assert fused.dimensions == 96
    one, other = fused(FACES[:2])
    cosines = [float(np.dot(*embed(FACES[:2]))) for embed in parts]
    assert float(one @ other) == pytest.approx(np.mean(cosines), abs=1e-5)


def test_a_fused_pair_has_a_name_and_hash_of_its_own(tmp_path: Path) -> None:
    hashes = {name: recognisers.sha256(name, tmp_path) for name in recognisers.PARTS}
    assert len(set(hashes.values())) == len(hashes)
    assert hashes["mobilefacenet"] == models.find("mobilefacenet").sha256


def test_commands(tmp_path: Path, settings, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.cli import app, register
    from pipeline.settings import get_settings

    monkeypatch.setenv("DONGSEON_MODELS_DIR", str(tmp_path / "weights"))
    get_settings.cache_clear()
    register()
    run = CliRunner()
    file = small_network(tmp_path / "my.onnx")
    options = ["--name", "city-face", "--licence", "MIT", "--source", "us"]
    assert (
        "added: city-face"
        in run.invoke(app, ["models", "add", str(file), *options]).output
    )
    used = run.invoke(app, ["models", "use", "city-face"])
    assert used.exit_code == 0
    assert "not calibrated" in used.output
    listed = run.invoke(app, ["models", "list", "--json", str(tmp_path / "m.json")])
    assert "face recogniser in use: city-face" in listed.output
    assert '"sha256"' in (tmp_path / "m.json").read_text()
    assert (
        "own-city-face.onnx: verified" in run.invoke(app, ["models", "verify"]).output
    )
    assert run.invoke(app, ["models", "use", "default"]).exit_code != 0  # not fetched
