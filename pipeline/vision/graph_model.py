"""Graphs for browsers (TensorFlow.js): written as a TensorFlow graph, which is read.

A graph for browsers is TensorFlow's own graph as JSON, with the constants in a file
beside it. Written in TensorFlow's binary form it is what the inference engine reads.
"""

from __future__ import annotations

import base64
import json
import math
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

#: Numbers of TensorFlow's types (tensorflow/core/framework/types.proto).
TYPES = {"DT_FLOAT": 1, "DT_INT32": 3, "DT_STRING": 7, "DT_INT64": 9, "DT_BOOL": 10}
#: The same by the constants' names, and how constants are stored.
CONSTANTS = {"float32": 1, "int32": 3}
STORED = {name: np.dtype(name) for name in ("float16", "float32", "int32")}
#: Kinds of a field (protobuf): a number, bytes with their length, four bytes.
_VARINT, _BYTES, _FIXED = 0, 2, 5


def graph_bytes(path: Path) -> bytes:
    """Return the graph of a JSON file as TensorFlow stores it (GraphDef).

    Parameters
    ----------
    path
        The JSON file; the files of its constants lie in the same folder.

    Raises
    ------
    ValueError, KeyError, TypeError, OSError
        It is no such graph, or holds what is not understood here.
    """
    told = json.loads(path.read_bytes())
    constants: dict[str, bytes] = {}
    for group in told["weightsManifest"]:
        stored = b"".join((path.parent / name).read_bytes() for name in group["paths"])
        offset = 0
        for one in group["weights"]:
            shape, kind = one["shape"], one["dtype"]
            held = one.get("quantization", {}).get("dtype", kind)
            size = STORED[held].itemsize * math.prod(shape)
            if len(stored) < offset + size:
                raise ValueError(f"the constants end before {one['name']}")
            content = np.frombuffer(stored[offset : offset + size], STORED[held])
            whole = content.astype(STORED[kind]).tobytes()
            constants[one["name"]] = _tensor(CONSTANTS[kind], shape, whole)
            offset += size
    return b"".join(
        _message(1, _node(node, constants)) for node in told["modelTopology"]["node"]
    )


def _node(node: Mapping[str, Any], constants: Mapping[str, bytes]) -> bytes:
    parts = [_text(1, node["name"]), _text(2, node["op"])]
    parts += [_text(3, one) for one in node.get("input", ())]
    for name, value in node.get("attr", {}).items():
        if node["op"] == "Const" and name == "value":
            stored = _message(8, constants[node["name"]])
        else:
            stored = _attribute(value)
        parts.append(_message(5, _text(1, name) + _message(2, stored)))
    return b"".join(parts)


def _attribute(value: Mapping[str, Any]) -> bytes:
    [(kind, told)] = value.items()
    if kind == "list":
        return _message(1, _list(told))
    if kind == "s":
        return _message(2, base64.b64decode(told))
    if kind == "i":
        return _number(3, int(told))
    if kind == "f":
        return _key(4, _FIXED) + struct.pack("<f", told)
    if kind == "b":
        return _number(5, int(told))
    if kind == "type":
        return _number(6, TYPES[told])
    if kind == "shape":
        return _message(7, _shape(_sides(told)))
    raise ValueError(f"an attribute of kind {kind} is not understood")


def _list(told: Mapping[str, Any]) -> bytes:
    if told.keys() - {"i"}:
        raise ValueError(f"a list of {', '.join(sorted(told))} is not understood")
    return b"".join(_number(3, int(one)) for one in told.get("i", ()))


def _sides(shape: Mapping[str, Any]) -> list[int]:
    return [int(one["size"]) for one in shape.get("dim", ())]


def _shape(sides: Iterable[int]) -> bytes:
    return b"".join(_message(2, _number(1, side)) for side in sides)


def _tensor(kind: int, sides: Iterable[int], content: bytes) -> bytes:
    return _number(1, kind) + _message(2, _shape(sides)) + _message(4, content)


def _key(field: int, kind: int) -> bytes:
    return _varint(field << 3 | kind)


def _number(field: int, value: int) -> bytes:
    return _key(field, _VARINT) + _varint(value % 2**64)


def _message(field: int, content: bytes) -> bytes:
    return _key(field, _BYTES) + _varint(len(content)) + content


def _text(field: int, text: str) -> bytes:
    return _message(field, text.encode())


def _varint(value: int) -> bytes:
    result = bytearray()
    while value > 127:
        result.append(value & 127 | 128)
        value >>= 7
    result.append(value)
    return bytes(result)
