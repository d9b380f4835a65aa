"""Inference: networks of any shipped format, numpy in and numpy out."""

from __future__ import annotations

import tempfile
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache, wraps
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import ModelError
from pipeline.vision import graph_model

#: Makes a network of the one that was read and the shape of its input.
Change = Callable[[Any, Sequence[int]], Any]
#: Compiled networks kept in a process: those of two sizes of picture.
_MOST_KEPT = 12


class Network:
    """A compiled network; not to be shared between threads.

    Parameters
    ----------
    path
        Weight file (.onnx, .tflite, a frozen TensorFlow graph .pb, or a graph for
        browsers .json).
    shape
        Shape of the one input; -1 for a free dimension.
    threads
        How many networks of this file may work side by side, one on each thread of
        the processor.
    inner
        Shape of an inner layer: the network ends at its last addition of that shape,
        and this is its only output.

    Raises
    ------
    ModelError
        The file cannot be read as a network.
    """

    def __init__(
        self,
        path: Path,
        shape: Sequence[int],
        threads: int = 2,
        inner: Sequence[int] | None = None,
    ) -> None:
        compiled = _compiled(path, shape, threads, inner)
        self.dtype = compiled.inputs[0].element_type.to_dtype()
        self.names = [set(output.names) for output in compiled.outputs]
        self._request = compiled.create_infer_request()

    def __call__(self, array: np.ndarray) -> list[np.ndarray]:
        """Run the network; returns copies of its outputs, in its own order."""
        array = np.ascontiguousarray(array, dtype=self.dtype)
        results = self._request.infer([array], share_inputs=True)
        return [np.array(value) for value in results.values()]

    def output(self, name: str) -> int:
        """Return the position of the output of that name."""
        return _position(self.names, name)


class Streams:
    """A network that works on several inputs at once, one on each thread.

    One input a thread costs about half the processor time of a batch that all
    threads share (measured: 7.0 ms a window against 13.5 ms on two threads), and
    any number of inputs may come. What comes out does not depend on what else is
    in work. Parameters as of `Network`, but:

    Parameters
    ----------
    between
        Names of the layer after which the network begins and of those with which
        it ends: what lies before and behind is done by the caller.
    change
        Makes the network that is compiled of the one that was read and of `shape`.
    """

    def __init__(
        self,
        path: Path,
        shape: Sequence[int],
        threads: int = 2,
        between: tuple[str, Sequence[str]] | None = None,
        change: Change | None = None,
    ) -> None:
        compiled = _compiled(path, shape, threads, between=between, change=change)
        self.dtype = compiled.inputs[0].element_type.to_dtype()
        self.names = [set(output.names) for output in compiled.outputs]
        # Waited for in turn, without callbacks: two queues with callbacks, on two
        # threads, can each wait for the other's interpreter lock.
        self._requests = [compiled.create_infer_request() for _ in range(threads)]

    def __call__(self, arrays: Iterable[np.ndarray]) -> list[list[np.ndarray]]:
        """Run the network on each array; returns the outputs of each, in order.

        An array is made while those before it are in work, if they come from a
        generator.
        """
        found: list[list[np.ndarray]] = []
        free, busy = deque(self._requests), deque[Any]()
        try:
            for array in arrays:
                if not free:
                    found.append(self._ended(busy[0]))
                    free.append(busy.popleft())
                request = free.popleft()
                busy.append(request)
                request.start_async([np.ascontiguousarray(array, dtype=self.dtype)])
            found += [self._ended(request) for request in busy]
        finally:
            for request in busy:
                request.wait()
        return found

    def _ended(self, request: Any) -> list[np.ndarray]:
        request.wait()
        return [
            np.array(request.get_output_tensor(place).data)
            for place in range(len(self.names))
        ]

    def output(self, name: str) -> int:
        """Return the position of the output of that name."""
        return _position(self.names, name)


def _kept(compile_: Callable[..., Any]) -> Callable[..., Any]:
    """Keep the last networks: a process that analyses clip after clip would compile
    them anew for each, three seconds of the processor, as much as ten of footage.
    """
    kept: OrderedDict[tuple, Any] = OrderedDict()
    lock = threading.Lock()

    @wraps(compile_)
    def found(path: Path, *arguments: Any, **more: Any) -> Any:
        changed = path.stat().st_mtime_ns if path.exists() else 0
        key = (path, changed, repr(arguments), repr(more))
        with lock:
            if key not in kept:
                kept[key] = compile_(path, *arguments, **more)
            kept.move_to_end(key)
            while len(kept) > _MOST_KEPT:
                kept.popitem(last=False)
            return kept[key]

    return found


@_kept
def _compiled(
    path: Path,
    shape: Sequence[int],
    threads: int,
    inner: Sequence[int] | None = None,
    between: tuple[str, Sequence[str]] | None = None,
    change: Change | None = None,
) -> Any:
    import openvino

    # One thread for each input: two that share one cost twice the processor time.
    options = {
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": threads,
        "PERFORMANCE_HINT": "THROUGHPUT",
    }
    try:
        model = _read(path)
        if change is None:
            entry = model.inputs[0].any_name
            model.reshape({entry: openvino.PartialShape(list(shape))})
        else:
            model = change(model, shape)
        if inner is not None:
            model = _until(model, inner)
        if between is not None:
            model = _between(model, shape, *between)
        return _core().compile_model(model, "CPU", options)
    except (RuntimeError, ValueError, KeyError, TypeError, OSError) as error:
        reason = str(error).strip().splitlines()[-1][:160]
        raise ModelError(
            f"The weights {path} cannot be loaded ({reason}); "
            "run `dongseon models verify`."
        ) from error


def _read(path: Path) -> Any:
    """Read a network; a graph for browsers by way of TensorFlow's own form."""
    if path.suffix != ".json":
        return _core().read_model(path)
    with tempfile.TemporaryDirectory(prefix="dongseon-graph-") as folder:
        graph = Path(folder) / "graph.pb"
        graph.write_bytes(graph_model.graph_bytes(path))
        return _core().read_model(graph)


def _until(model: Any, shape: Sequence[int]) -> Any:
    """Return the network up to its last addition of that shape."""
    import openvino

    layers = [
        node
        for node in model.get_ordered_ops()
        if node.get_type_name() == "Add"
        and node.get_output_partial_shape(0) == openvino.PartialShape(list(shape))
    ]
    if not layers:
        raise RuntimeError(f"it has no layer of {'x'.join(map(str, shape))}")
    return openvino.Model([layers[-1].output(0)], model.get_parameters())


def _between(model: Any, shape: Sequence[int], begin: str, ends: Sequence[str]) -> Any:
    """Return the network from after one layer up to others, fed with uint8."""
    import openvino
    from openvino import opset13

    layers = {node.get_friendly_name(): node for node in model.get_ordered_ops()}
    if missing := {begin, *ends} - layers.keys():
        raise RuntimeError(f"it has no layer {min(missing)!r}")
    image = opset13.parameter(list(shape), openvino.Type.u8, name="image")
    numbers = opset13.convert(image, "f32")
    for place in list(layers[begin].output(0).get_target_inputs()):
        place.replace_source_output(numbers.output(0))
    return openvino.Model([layers[end].output(0) for end in ends], [image])


def _position(names: list[set[str]], name: str) -> int:
    for position, some in enumerate(names):
        if name in some:
            return position
    raise ModelError(f"The network has no output {name!r}.")


@lru_cache(maxsize=1)
def _core():  # type: ignore[no-untyped-def]
    import openvino

    return openvino.Core()
