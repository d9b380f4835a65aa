"""Inference: networks of any shipped format, numpy in and numpy out."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from pipeline.errors import ModelError


class Network:
    """A compiled network; not to be shared between threads.

    Parameters
    ----------
    path
        Weight file (.onnx, .tflite or a frozen TensorFlow graph .pb).
    shape
        Shape of the one input; -1 for a free dimension.
    threads
        Threads of the processor.

    Raises
    ------
    ModelError
        The file cannot be read as a network.
    """

    def __init__(self, path: Path, shape: Sequence[int], threads: int = 2) -> None:
        import openvino

        try:
            model = _core().read_model(path)
            model.reshape(
                {model.inputs[0].any_name: openvino.PartialShape(list(shape))}
            )
            compiled = _core().compile_model(
                model,
                "CPU",
                {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"},
            )
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1][:160]
            raise ModelError(
                f"The weights {path} cannot be loaded ({reason}); "
                "run `dongseon models verify`."
            ) from error
        self.dtype = model.inputs[0].element_type.to_dtype()
        self.names = [set(output.names) for output in compiled.outputs]
        self._request = compiled.create_infer_request()

    def __call__(self, array: np.ndarray) -> list[np.ndarray]:
        """Run the network; returns copies of its outputs, in its own order."""
        array = np.ascontiguousarray(array, dtype=self.dtype)
        results = self._request.infer([array], share_inputs=True)
        return [np.array(value) for value in results.values()]

    def output(self, name: str) -> int:
        """Return the position of the output of that name."""
        for position, names in enumerate(self.names):
            if name in names:
                return position
        raise ModelError(f"The network has no output {name!r}.")


@lru_cache(maxsize=1)
def _core():  # type: ignore[no-untyped-def]
    import openvino

    return openvino.Core()
