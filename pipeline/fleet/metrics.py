"""`/metrics`: the watch as Prometheus reads it."""

from __future__ import annotations

import time
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from pipeline.errors import DongseonError
from pipeline.fleet import state
from pipeline.settings import Settings
from pipeline.store import disk


class Collector:
    """Reads the state when asked, so that nothing has to be kept in step."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def collect(self) -> Iterator[Metric]:
        """Yield the figures."""
        now = time.time()
        lag = GaugeMetricFamily(
            "dongseon_camera_lag_seconds",
            "Seconds since the end of the newest footage stored.",
            labels=["camera"],
        )
        waiting = GaugeMetricFamily(
            "dongseon_camera_clips_waiting",
            "Clips found and not yet analysed.",
            labels=["camera"],
        )
        refused = GaugeMetricFamily(
            "dongseon_camera_clips_refused",
            "Clips that cannot be used.",
            labels=["camera"],
        )
        connected = GaugeMetricFamily(
            "dongseon_stream_connected",
            "1 while the stream is being recorded.",
            labels=["camera"],
        )
        counters = {
            name: CounterMetricFamily(
                f"dongseon_camera_{name}", text, labels=["camera"]
            )
            for name, text in (
                ("footage_seconds", "Footage analysed."),
                ("work_seconds", "Time spent on it."),
                ("tracklets", "Tracklets stored."),
                ("faults", "Faults of the source or its clips."),
            )
        }
        for camera in state.cameras(self._settings):
            label = [camera.camera]
            seconds = camera.lag_s(now)
            if seconds is not None:
                lag.add_metric(label, seconds)
            waiting.add_metric(label, camera.waiting)
            refused.add_metric(label, camera.refused)
            if camera.link:
                connected.add_metric(label, camera.link == "connected")
            for name, value in (
                ("footage_seconds", camera.footage_s),
                ("work_seconds", camera.work_s),
                ("tracklets", camera.tracklets),
                ("faults", camera.faults),
            ):
                counters[name].add_metric(label, value)
        yield from (lag, waiting, refused, connected, *counters.values())
        yield GaugeMetricFamily(
            "dongseon_disk_free_bytes",
            "Room on the disk of the observations.",
            value=disk.free_bytes(self._settings.observations_dir),
        )
        yield GaugeMetricFamily(
            "dongseon_disk_reserve_bytes",
            "Below this much room nothing new is begun.",
            value=disk.reserve_bytes(self._settings),
        )


def serve(settings: Settings, port: int, address: str = "127.0.0.1") -> int:
    """Serve /metrics in a thread of its own; return the port.

    Raises
    ------
    DongseonError
        If the port is taken.
    """
    registry = CollectorRegistry()
    registry.register(Collector(settings))
    try:
        server, _ = start_http_server(port, address, registry)
    except OSError as error:
        raise DongseonError(
            f"/metrics cannot be served on {address}:{port} ({error.strerror}); name "
            "another --metrics-port, or 0 for none."
        ) from error
    return int(server.server_port)
