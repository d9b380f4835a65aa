"""Networks are compiled once in a process, and anew when their file changes."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from pipeline.vision import engine, faces


@pytest.mark.models
def test_a_network_is_compiled_once(
    weights_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "MobileFaceNet.tflite"
    shutil.copy(weights_dir / path.name, path)
    compiled: list[int] = []
    core = engine._core()
    load = core.read_model

    class Counting:
        compile_model = core.compile_model

        @staticmethod
        def read_model(place: Path) -> object:
            compiled.append(1)
            return load(place)

    monkeypatch.setattr(engine, "_core", Counting)
    shape = (faces.FaceEmbedder._BATCH, 112, 112, 3)
    face = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    one, other = (engine.Network(path, shape, threads=1) for _ in range(2))
    assert np.array_equal(one(face)[0], other(face)[0])
    assert len(compiled) == 1
    engine.Network(path, shape, threads=2)
    assert len(compiled) == 2
    os.utime(path, (1, 1))
    engine.Network(path, shape, threads=1)
    assert len(compiled) == 3
