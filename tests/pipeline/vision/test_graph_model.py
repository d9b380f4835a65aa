from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import ModelError
from pipeline.vision import graph_model
from pipeline.vision.engine import Network


def graph(folder: Path, *, bits: str | None = None, short: int = 0) -> Path:
    """Write a graph for browsers that gives x * [1.5, -2] + 3, as max-pooled."""
    stored = np.array([1.5, -2.0], bits or "float32").tobytes()
    content = stored + np.array([3], np.float32).tobytes()
    (folder / "constants.bin").write_bytes(content[: len(content) - short])
    scale: dict[str, Any] = {"name": "scale", "shape": [2], "dtype": "float32"}
    if bits:
        scale["quantization"] = {"dtype": bits, "original_dtype": "float32"}
    shift = {"name": "shift", "shape": [], "dtype": "float32"}
    kind = {"T": {"type": "DT_FLOAT"}}
    told = {
        "modelTopology": {
            "node": [
                {
                    "name": "x",
                    "op": "Placeholder",
                    "attr": {
                        "dtype": {"type": "DT_FLOAT"},
                        "shape": {"shape": {"dim": [{"size": n} for n in "1222"]}},
                    },
                },
                *(
                    {
                        "name": name,
                        "op": "Const",
                        "attr": {
                            "dtype": {"type": "DT_FLOAT"},
                            "value": {"tensor": {"dtype": "DT_FLOAT"}},
                        },
                    }
                    for name in ("scale", "shift")
                ),
                {"name": "m", "op": "Mul", "input": ["x", "scale"], "attr": kind},
                {"name": "a", "op": "AddV2", "input": ["m", "shift"], "attr": kind},
                {
                    "name": "p",
                    "op": "MaxPool",
                    "input": ["a"],
                    "attr": {
                        **kind,
                        "ksize": {"list": {"i": list("1221")}},
                        "strides": {"list": {"i": list("1221")}},
                        "padding": {"s": base64.b64encode(b"VALID").decode()},
                        "data_format": {"s": base64.b64encode(b"NHWC").decode()},
                    },
                },
            ]
        },
        "weightsManifest": [{"paths": ["constants.bin"], "weights": [scale, shift]}],
    }
    path = folder / "graph.json"
    path.write_text(json.dumps(told))
    return path


@pytest.mark.parametrize("bits", [None, "float16"])
def test_a_graph_for_browsers_computes_what_it_says(
    bits: str | None, tmp_path: Path
) -> None:
    network = Network(graph(tmp_path, bits=bits), (1, 2, 2, 2), 1)
    given = np.arange(8, dtype=np.float32).reshape(1, 2, 2, 2)
    [found] = network(given)
    assert found.ravel().tolist() == [6 * 1.5 + 3, 1 * -2 + 3]


def test_constants_cut_short_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="constants end before shift"):
        Network(graph(tmp_path, short=2), (1, 2, 2, 2), 1)


@pytest.mark.parametrize(
    ("bits", "content"),
    [("uint8", None), (None, "{}"), (None, "no JSON"), (None, "[1, 2]")],
)
def test_what_is_no_such_graph_is_refused(
    bits: str | None, content: str | None, tmp_path: Path
) -> None:
    path = graph(tmp_path)
    if bits:
        told = json.loads(path.read_text())
        told["weightsManifest"][0]["weights"][0]["quantization"] = {"dtype": bits}
        path.write_text(json.dumps(told))
    if content:
        path.write_text(content)
    with pytest.raises(ModelError, match="cannot be loaded"):
        Network(path, (1, 2, 2, 2), 1)


def test_numbers_of_any_length_are_written() -> None:
    assert graph_model._varint(300) == b"\xac\x02"
    assert graph_model._number(1, -1) == b"\x08" + b"\xff" * 9 + b"\x01"
