"""Small real ONNX networks, written byte by byte (onnx.proto, version 8)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

#: What a figure of an attribute is called by: float list, integer, integers.
INTEGERS = 7


def number(value: int) -> bytes:
    """Return a protocol buffer's variable-length integer."""
    value &= (1 << 64) - 1
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def part(field: int, content: bytes | str | int) -> bytes:
    if isinstance(content, int):
        return number(field << 3) + number(content)
    raw = content.encode() if isinstance(content, str) else content
    return number(field << 3 | 2) + number(len(raw)) + raw


def value(name: str, shape: tuple[int, ...]) -> bytes:
    sides = b"".join(part(1, part(1, side)) for side in shape)
    return part(1, name) + part(2, part(1, part(1, 1) + part(2, sides)))


def tensor(name: str, array: np.ndarray) -> bytes:
    """Return a constant: float32 or int64."""
    kind = 7 if array.dtype == np.int64 else 1
    sides = b"".join(part(1, side) for side in array.shape)
    raw = array if kind == 7 else array.astype(np.float32)
    return sides + part(2, kind) + part(8, name) + part(9, raw.tobytes())


def node(kind: str, inputs: list[str], output: str, **attributes: list[int]) -> bytes:
    raw = b"".join(part(1, name) for name in inputs) + part(2, output) + part(4, kind)
    for name, values in attributes.items():
        listed = b"".join(part(8, one) for one in values)
        raw += part(5, part(1, name) + listed + part(20, INTEGERS))
    return raw


def write(
    path: Path,
    nodes: list[bytes],
    inputs: dict[str, tuple[int, ...]],
    outputs: dict[str, tuple[int, ...]],
    constants: dict[str, np.ndarray] | None = None,
) -> Path:
    """Write a network of nodes in order."""
    graph = b"".join(part(1, one) for one in nodes) + part(2, "small")
    for name, array in (constants or {}).items():
        graph += part(5, tensor(name, array))
    graph += b"".join(part(11, value(*one)) for one in inputs.items())
    graph += b"".join(part(12, value(*one)) for one in outputs.items())
    path.write_bytes(part(1, 8) + part(7, graph) + part(8, part(2, 13)))
    return path
