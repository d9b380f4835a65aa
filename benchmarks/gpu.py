"""GPU: what one graphics processor does with our networks, our search and decoding.

For planning only (`docs/scale.md`): the product itself runs on processors. Needs
PyTorch and onnx2torch, and PyNvVideoCodec for decoding; none of them is installed
with the product. The networks are given as ONNX files with their input's shape:

    python -m benchmarks gpu --network persons=ssdlite.onnx:300,300,3 --clip F

A frozen TensorFlow graph and a TFLite file become ONNX with tf2onnx. With
`--device cpu` the same program measures a processor beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

#: Inputs given at once.
BATCHES = (1, 8, 32, 64, 256)
#: Seconds that each figure is taken over, and runs before it.
SECONDS, WARM = 1.5, 3
#: Numbers in a batch at most: 64 pictures of 480 lines.
MOST = 64 * 3 * 640 * 480
#: What a search is over: faces, numbers a face, embeddings asked for, hits kept.
FACES, NUMBERS, ASKED, KEPT = 10_000_000, 192, 50, 2000
#: Outputs on the GPU may differ so much from those of the processor, as a share of
#: the largest: float32 is multiplied as TF32 there, which like float16 has 10 bits.
SAME = 2e-2
#: Streams decoded at once, and times that each runs through the clip.
STREAMS, PASSES = (1, 4, 8, 16), 4


def main(argv: list[str]) -> int:
    """Measure; return 0, or 1 when outputs differ from the processor's."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks gpu",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", type=Path, help="write the result here too")
    parser.add_argument("--device", default="cuda", help="as PyTorch names it [cuda]")
    parser.add_argument(
        "--network", action="append", default=[], metavar="NAME=FILE:SHAPE",
        help="an ONNX file and the shape of one input, as 300,300,3",
    )  # fmt: skip
    parser.add_argument("--clip", type=Path, action="append", default=[])
    parser.add_argument("--faces", type=int, default=FACES, help=f"[{FACES:,}]")
    args = parser.parse_args(argv)
    try:
        import torch
    except ImportError:
        parser.error("PyTorch is not installed here; `pip install torch onnx2torch`")
    found: dict[str, Any] = {"benchmark": "gpu", "hardware": _hardware(args.device)}
    torch.backends.cuda.matmul.allow_tf32 = True
    found["networks"] = {}
    for text in args.network:
        name, _, rest = text.partition("=")
        file, _, shape = rest.rpartition(":")
        numbers = tuple(int(number) for number in shape.split(","))
        found["networks"][name] = networks(Path(file), numbers, args.device)
    if args.faces:
        found["search"] = search(args.faces, args.device)
    found["decoding"] = {clip.name: decoding(clip) for clip in args.clip}
    text = json.dumps(found, indent=1)
    print(text)
    if args.json:
        args.json.write_text(text + "\n")
    wrong = [
        f"gpu: outputs of {name} in {kind} differ by {told['differs']:.2g} of the most"
        for name, kinds in found["networks"].items()
        for kind, told in kinds.items()
        if not told["differs"] <= SAME
    ]
    if found.get("search", {}).get("recall", 1.0) < 1.0:
        wrong.append("gpu: the search missed hits that numpy finds")
    print("\n".join(wrong), file=sys.stderr)
    return 1 if wrong else 0


def networks(file: Path, shape: tuple[int, ...], device: str) -> dict[str, Any]:
    """Measure a network at each batch and precision.

    Parameters
    ----------
    file
        ONNX file.
    shape
        Shape of one input, without the batch.
    device
        Device, as PyTorch names it.

    Returns
    -------
    dict
        By precision: `differs` (largest difference from the processor's float32
        outputs, share of the largest output), `a_second` (inputs a second by batch,
        inputs on the device already) and `a_second_sent` (inputs sent there first
        as bytes, outputs fetched).
    """
    import torch

    random = np.random.default_rng(1)
    one = torch.from_numpy(random.integers(0, 256, (4, *shape), np.uint8))
    kinds = ["float32"] + (["float16"] if device != "cpu" else [])
    plain = _network(file)
    with torch.inference_mode():
        truth = _flat(plain(one.float()))
    told = {}
    for kind in kinds:
        dtype = getattr(torch, kind)
        network = _network(file).to(device=device, dtype=dtype)
        with torch.inference_mode():
            ours = _flat(network(one.to(device).to(dtype))).cpu()
        a_second, sent = {}, {}
        for batch in BATCHES if device != "cpu" else BATCHES[:3]:
            if batch * one[0].numel() > MOST:
                break
            if device != "cpu":
                torch.cuda.empty_cache()
            raw = torch.from_numpy(random.integers(0, 256, (batch, *shape), np.uint8))
            raw = raw.pin_memory() if device != "cpu" else raw
            there = raw.to(device).to(dtype)
            a_second[batch] = batch * _rate(_replayed(network, there), device)
            sent[batch] = batch * _rate(_fetched(network, raw, there), device)
        told[kind] = {
            "differs": float((ours.float() - truth).abs().max() / truth.abs().max()),
            "a_second": a_second,
            "a_second_sent": sent,
        }
    return told


def search(faces: int, device: str) -> dict[str, Any]:
    """Measure an exact search of half-precision embeddings that lie on the device.

    Returns
    -------
    dict
        Seconds of one search, of putting the faces there, and the share of the true
        best of each embedding that were found, over the first million.
    """
    import torch

    make = torch.Generator(device=device).manual_seed(1)
    options: dict[str, Any] = {"generator": make, "device": device}
    there = torch.empty(faces, NUMBERS, dtype=torch.float16, device=device)
    step = 1_000_000
    for begin in range(0, faces, step):
        part = torch.randn(min(step, faces - begin), NUMBERS, **options)
        there[begin : begin + step] = part / part.norm(dim=1, keepdim=True)
    asked = torch.randn(ASKED, NUMBERS, **options)
    asked = (asked / asked.norm(dim=1, keepdim=True)).half()

    def look() -> Any:
        best = [
            torch.topk(
                asked @ there[begin : begin + step].T, min(KEPT, step, faces), dim=1
            )
            for begin in range(0, faces, step)
        ]
        return torch.cat([values for values, _ in best], 1).topk(KEPT, dim=1).values

    seconds = 1 / _rate(look, device)
    host = there[:step].cpu().float().numpy()
    cosines = asked.cpu().float().numpy() @ host.T
    exact = np.argsort(-cosines, axis=1)[:, :10]
    near = (asked @ there[:step].T).topk(100, dim=1).indices.cpu().numpy()
    kept = np.mean([np.isin(e, n).mean() for e, n in zip(exact, near, strict=True)])
    begin_s = time.perf_counter()
    torch.from_numpy(host).to(device)
    sending = time.perf_counter() - begin_s
    return {
        "faces": faces,
        "embeddings": ASKED,
        "seconds": seconds,
        "memory_bytes": there.numel() * 2,
        "recall": float(kept),
        "gigabytes_a_second_sent": host.nbytes / sending / 1e9,
    }


def decoding(clip: Path) -> dict[str, Any]:
    """Count frames a second of a clip: by the GPU's decoders, and by processors.

    Returns
    -------
    dict
        `gpu_frames_a_second` by the number of streams decoded at once, or
        `gpu_not_measured` with the reason; `processors_frames_a_second`, of one
        stream over all threads.
    """
    told: dict[str, Any] = {}
    try:
        told["gpu_frames_a_second"] = {n: _gpu_frames(clip, n) for n in STREAMS}
    except Exception as error:  # whatever a driver lacks is a finding here
        told["gpu_not_measured"] = f"{type(error).__name__}: {error}"[:300]
    told["processors_frames_a_second"] = _processor_frames(clip)
    told["processors"] = os.cpu_count()
    return told


def _gpu_frames(clip: Path, streams: int) -> float:
    """Decode a clip in so many streams at once with PyNvVideoCodec; frames a second."""
    import PyNvVideoCodec as codec  # noqa: N813  (its own name)

    def frames(decoder: Any, demuxer: Any) -> int:
        return sum(len(decoder.Decode(packet)) for packet in demuxer)

    demuxers = [
        [codec.CreateDemuxer(filename=str(clip)) for _ in range(1 + PASSES)]
        for _ in range(streams)
    ]
    decoders = [
        codec.CreateDecoder(gpuid=0, codec=mine[0].GetNvCodecId(), usedevicememory=True)
        for mine in demuxers
    ]
    with ThreadPoolExecutor(streams) as pool:
        list(pool.map(frames, decoders, [mine[0] for mine in demuxers]))  # warm
        begin = time.perf_counter()
        counts = pool.map(
            lambda decoder, mine: sum(frames(decoder, one) for one in mine),
            decoders,
            [mine[1:] for mine in demuxers],
        )
        return sum(counts) / (time.perf_counter() - begin)


def _processor_frames(clip: Path) -> float:
    import cv2

    video, frames = cv2.VideoCapture(str(clip)), 0
    begin = time.perf_counter()
    while video.grab():
        frames += 1
    return frames / (time.perf_counter() - begin)


def _network(file: Path) -> Any:
    """Read an ONNX file as a PyTorch module that takes any batch."""
    import onnx
    import onnx2torch

    model = onnx.load(str(file))
    weights = {one.name: one for one in model.graph.initializer}
    for one in list(model.graph.input):
        if one.name in weights:
            model.graph.input.remove(one)
    shape = model.graph.input[0].type.tensor_type.shape.dim
    batch = shape[0].dim_value
    for node in model.graph.node:
        if node.op_type == "Reshape" and node.input[1] in weights:
            asked = onnx.numpy_helper.to_array(weights[node.input[1]]).copy()
            if len(asked) > 1 and asked[0] == batch > 1:
                asked[0] = 0 if -1 in asked[1:] else -1  # whatever comes in
                weights[node.input[1]].CopyFrom(
                    onnx.numpy_helper.from_array(asked, node.input[1])
                )
    return onnx2torch.convert(model).eval()


def _replayed(network: Any, there: Any) -> Callable[[], Any]:
    """Return a call of the network on inputs that lie there, as one CUDA graph."""
    import torch

    def plain() -> Any:
        with torch.inference_mode():
            return network(there)

    if there.device.type == "cpu":
        return plain
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(WARM):
            plain()
    torch.cuda.current_stream().wait_stream(side)
    try:
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            plain()
    except RuntimeError:  # a layer that waits for the processor
        torch.cuda.synchronize()
        return plain
    return graph.replay


def _fetched(network: Any, raw: Any, there: Any) -> Callable[[], Any]:
    """Return a call that sends bytes to where `there` lies and fetches the outputs."""

    def call() -> Any:
        sent = raw.to(there.device, non_blocking=True).to(there.dtype)
        return _flat(network(sent)).cpu()

    return call


def _rate(call: Callable[[], Any], device: str) -> float:
    """Calls a second."""
    import torch

    wait = torch.cuda.synchronize if device != "cpu" else (lambda: None)
    with torch.inference_mode():
        for _ in range(WARM):
            call()
        wait()
        begin, calls = time.perf_counter(), 0
        while time.perf_counter() - begin < SECONDS:
            for _ in range(4):
                call()
            wait()
            calls += 4
        return calls / (time.perf_counter() - begin)


def _flat(outputs: Any) -> Any:
    """Lay all outputs of a batch into one array (batch, numbers)."""
    import torch

    many = outputs if isinstance(outputs, list | tuple) else [outputs]
    return torch.cat([one.reshape(one.shape[0], -1) for one in many], 1)


def _hardware(device: str) -> dict[str, Any]:
    import platform

    import torch

    named = torch.cuda.get_device_name(0) if device != "cpu" else platform.processor()
    return {
        "device": named,
        "torch": torch.__version__,
        "processors": os.cpu_count(),
        "threads": torch.get_num_threads(),
    }
