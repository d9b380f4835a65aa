"""Networks of a city's own behind the interfaces of those that ship.

The networks here are real ones, too small to know anything: they see bright squares.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from pipeline.errors import ModelError
from pipeline.vision import appearance, own_models, own_networks
from pipeline.vision.faces import FaceDetector
from pipeline.vision.observer import Observer
from pipeline.vision.own_models import APPEARANCE, FACES, PERSONS
from pipeline.vision.persons import PersonDetector
from tests.tools import onnx_files as onnx

SIDE = 64


def heads(
    channels: dict[str, np.ndarray], stride: int, weights: np.ndarray, last: str
) -> tuple[list[bytes], dict[str, np.ndarray]]:
    """Nodes: brightness of each cell times weights [k, 3] plus weights' last column.

    Gives [1, cells, k] under the name `last`.
    """
    constants = {
        f"w{last}": weights[:, :3, None, None],
        f"b{last}": weights[:, 3],
        f"s{last}": np.array([1, -1, len(weights)], np.int64),
    }
    sides = [stride, stride]
    return [
        onnx.node(
            "AveragePool", ["input"], f"p{last}", kernel_shape=sides, strides=sides
        ),
        onnx.node("Conv", [f"p{last}", f"w{last}", f"b{last}"], f"c{last}"),
        onnx.node("Transpose", [f"c{last}"], f"t{last}", perm=[0, 2, 3, 1]),
        onnx.node("Reshape", [f"t{last}", f"s{last}"], last),
    ], channels | constants


def yunet(path: Path) -> Path:
    """A face in each bright cell: as large as the cell, its landmarks side by side."""
    nodes: list[bytes] = []
    constants: dict[str, np.ndarray] = {}
    outputs = {}
    light = np.array([[1 / 765, 1 / 765, 1 / 765, 0]], np.float32)
    for stride in (8, 16, 32):
        cells = (SIDE // stride) ** 2
        marks = np.zeros((10, 4), np.float32)
        marks[::2, 3] = np.arange(5) / 5
        for name, weights in (
            ("cls", light),
            ("obj", light),
            ("bbox", np.zeros((4, 4), np.float32)),
            ("kps", marks),
        ):
            more, constants = heads(constants, stride, weights, f"{name}_{stride}")
            nodes += more
            outputs[f"{name}_{stride}"] = (1, cells, len(weights))
    ordered = {
        f"{name}_{stride}": outputs[f"{name}_{stride}"]
        for name in ("cls", "obj", "bbox", "kps")
        for stride in (8, 16, 32)
    }
    return onnx.write(path, nodes, {"input": (1, 3, SIDE, SIDE)}, ordered, constants)


def yolox(path: Path) -> Path:
    """A person, four cells high and two wide, around each bright cell."""
    nodes: list[bytes] = []
    constants: dict[str, np.ndarray] = {}
    for stride in (8, 16, 32):
        weights = np.zeros((7, 4), np.float32)
        weights[:4, 3] = (0.5, 0.5, np.log(2), np.log(4))
        weights[4, :3] = weights[5, :3] = 1 / 765
        more, constants = heads(constants, stride, weights, f"o{stride}")
        nodes += more
    names = [f"o{stride}" for stride in (8, 16, 32)]
    joined = onnx.node("Concat", names, "output")
    axis = onnx.part(5, onnx.part(1, "axis") + onnx.part(3, 1) + onnx.part(20, 2))
    cells = sum((SIDE // stride) ** 2 for stride in (8, 16, 32))
    return onnx.write(
        path,
        [*nodes, joined + axis],
        {"input": (1, 3, SIDE, SIDE)},
        {"output": (1, cells, 7)},
        constants,
    )


def osnet(path: Path) -> Path:
    """Mean colour of each 32 x 32 pixels, as 96 numbers."""
    sides = [32, 32]
    return onnx.write(
        path,
        [
            onnx.node("AveragePool", ["input"], "y", kernel_shape=sides, strides=sides),
            onnx.node("Flatten", ["y"], "z"),
        ],
        {"input": (1, 3, 256, 128)},
        {"z": (1, 96)},
    )


def add(file: Path, weights: Path, task: str, name: str) -> own_models.Own:
    return own_models.add(
        file, weights, name=name, task=task, licence="MIT", source="the city"
    )


def test_a_yunet_finds_the_faces(tmp_path: Path) -> None:
    add(yunet(tmp_path / "y.onnx"), tmp_path / "w", FACES, "city-yunet")
    own_models.put_to_use(FACES, "city-yunet", tmp_path / "w")
    image = np.zeros((96, 128, 3), np.uint8)
    image[32:64, 64:96] = 255
    found = FaceDetector(tmp_path / "w")(image)
    large = int(np.argmax(found.boxes[:, 2]))
    # The cell's corner is the middle of the box.
    assert found.boxes[large] == pytest.approx([48, 16, 32, 32], abs=1)
    assert found.scores[large] == pytest.approx(1, abs=0.01)
    assert found.landmarks[large, :, 0] == pytest.approx(
        64 + np.arange(5) / 5 * 32, abs=1
    )
    assert not len(FaceDetector(tmp_path / "w")(np.zeros_like(image)).scores)


def test_a_yolox_finds_the_persons(tmp_path: Path) -> None:
    add(yolox(tmp_path / "y.onnx"), tmp_path / "w", PERSONS, "city-yolox")
    own_models.put_to_use(PERSONS, "city-yolox", tmp_path / "w")
    frame = np.zeros((360, 640, 3), np.uint8)
    frame[160:240, 320:400] = 255
    detector = PersonDetector(tmp_path / "w", tiles=False)
    found = detector(frame, low_score=0.8)
    assert len(found.scores) == 1
    # A cell of 8 pixels of 64 is 80 pixels of the frame.
    assert found.boxes[0] == pytest.approx([280, 40, 160, 320], abs=2)
    assert not len(detector(np.zeros_like(frame)).scores)
    assert PersonDetector(tmp_path / "w").windows == 7


def test_a_body_is_embedded_by_its_colours(tmp_path: Path) -> None:
    one = add(osnet(tmp_path / "o.onnx"), tmp_path / "w", APPEARANCE, "city-osnet")
    assert one.input_size == "RGB float32 256x128, gives 96 numbers"
    embed = own_networks.Bodies(tmp_path / "w" / one.file)
    frame = np.zeros((300, 300, 3), np.uint8)
    frame[:, :150] = (0, 0, 255)
    red = own_networks.body(frame, np.array([10, 10, 80, 200]))
    black = own_networks.body(frame, np.array([200, 10, 80, 200]))
    assert own_networks.body(frame, np.array([400, 10, 80, 200])) is None
    assert red is not None
    assert black is not None
    assert red.shape == (256, 128, 3)
    vectors = embed([red, black, red])
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.array_equal(vectors[0], vectors[2])
    # Red comes first in the network, and is the brightest there.
    assert vectors[0][:32].mean() > 0 > vectors[0][32:].mean()
    assert float(vectors[0] @ vectors[1]) < 0.9


@pytest.mark.models
def test_what_an_own_network_made_carries_its_name(
    tmp_path: Path, weights_dir: Path
) -> None:
    home = tmp_path / "w"
    home.mkdir()
    for file in weights_dir.iterdir():
        (home / file.name).symlink_to(file)
    own = {
        task: add(make(tmp_path / f"{name}.onnx"), home, task, name)
        for task, name, make in (
            (FACES, "city-yunet", yunet),
            (PERSONS, "city-yolox", yolox),
            (APPEARANCE, "city-osnet", osnet),
        )
    }
    shipped = Observer(home, frame_size=(640, 360), sample_fps=5).provenance.models
    assert shipped["appearance"]["name"] == appearance.NAME
    for task, one in own.items():
        own_models.put_to_use(task, one.name, home)
    observer = Observer(home, frame_size=(640, 360), sample_fps=5, tiles=False)
    models = observer.provenance.models
    for role, task in (("face", FACES), ("person", PERSONS)):
        assert models[role] == {"name": own[task].name, "sha256": own[task].sha256}
    assert models["appearance"]["name"] == "city-osnet"
    frame = np.zeros((360, 640, 3), np.uint8)
    frame[160:240, 320:400] = 255
    for number in range(4):
        observer.see(frame, number, number / 5)
    tracks = observer.finish()
    assert tracks
    assert all(
        len(one.appearance) == 96 for one in tracks if one.appearance is not None
    )
    own_models.put_to_use(APPEARANCE, None, home)
    assert own_models.used(APPEARANCE, home) is None


def test_networks_of_another_kind_are_refused(tmp_path: Path) -> None:
    files = {
        FACES: yolox(tmp_path / "a.onnx"),
        PERSONS: osnet(tmp_path / "b.onnx"),
        APPEARANCE: yunet(tmp_path / "c.onnx"),
    }
    for task, file in files.items():
        with pytest.raises(ModelError) as refused:
            add(file, tmp_path / "w", task, "other")
        assert "\n" not in str(refused.value)
    assert own_models.added(tmp_path / "w") == []
    add(yolox(tmp_path / "d.onnx"), tmp_path / "w", PERSONS, "city-yolox")
    with pytest.raises(ModelError, match="is for person detection"):
        own_models.put_to_use(FACES, "city-yolox", tmp_path / "w")


def test_the_command_puts_them_to_use(
    tmp_path: Path, settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.cli import app, register
    from pipeline.settings import get_settings

    monkeypatch.setenv("DONGSEON_MODELS_DIR", str(tmp_path / "w"))
    get_settings.cache_clear()
    register()
    run = CliRunner()
    options = ["--name", "city-osnet", "--licence", "MIT", "--source", "us"]
    task = ["--task", APPEARANCE]
    file = str(osnet(tmp_path / "o.onnx"))
    added = run.invoke(app, ["models", "add", file, *options, *task])
    assert "models use city-osnet" in added.output
    used = run.invoke(app, ["models", "use", "city-osnet"])
    assert "appearance embedding: city-osnet" in used.output
    assert (
        "appearance embedding: city-osnet" in run.invoke(app, ["models", "list"]).output
    )
    again = run.invoke(app, ["models", "use", "default", *task])
    assert "appearance embedding: as shipped" in again.output
    assert own_models.used(APPEARANCE, tmp_path / "w") is None
