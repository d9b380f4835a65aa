"""A real S3-compatible server on this machine, and a network in front of it to break.

The server is SeaweedFS. It keeps its objects on the disk, so that it can be killed and
started again.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pyarrow.fs as pafs

KEY, SECRET = "dongseon", "only-for-tests"
BUCKET = "city"


class ObjectServer:
    """SeaweedFS with one bucket, on free ports of the loopback address."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = [_free_port() for _ in range(8)]
        self.process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True)
        identity = {
            "name": "tests",
            "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
            "actions": ["Admin", "Read", "Write", "List"],
        }
        (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))

    @property
    def port(self) -> int:
        return self.ports[6]

    def start(self) -> None:
        """Start it and wait until an object can be written."""
        names = ("master", "volume", "filer", "s3")
        flags = []
        for number, name in enumerate(names):
            flags.append(f"-{name}.port={self.ports[2 * number]}")
            flags.append(f"-{name}.port.grpc={self.ports[2 * number + 1]}")
        for name in ("filer", "s3"):
            flags.append(f"-{name}.localSocket={self.folder / name}.sock")
        command = [
            str(program()),
            "-logtostderr",
            "server",
            f"-dir={self.folder}",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            "-master.telemetry=false",
            "-master.volumeSizeLimitMB=64",
            "-volume.max=20",
            "-filer",
            "-s3",
            f"-s3.config={self.folder / 's3.json'}",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            *flags,
        ]
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, cwd=self.folder
            )
        limit = time.monotonic() + 60
        while True:
            try:
                client = self.client()
                client.create_dir(BUCKET)
                with client.open_output_stream(f"{BUCKET}/ready") as stream:
                    stream.write(b"1")
                client.delete_file(f"{BUCKET}/ready")
                return
            except OSError as error:
                if self.process.poll() is not None or time.monotonic() > limit:
                    text = (self.folder / "log").read_text()[-2000:]
                    raise AssertionError(f"no object store: {error}\n{text}") from error
                time.sleep(0.1)

    def kill(self) -> None:
        """End it at once, as a loss of power of its machine would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        for port in self.ports:  # its other sockets lie where it pleases
            for path in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
                path.unlink(missing_ok=True)

    def client(self) -> pafs.S3FileSystem:
        return pafs.S3FileSystem(
            access_key=KEY,
            secret_key=SECRET,
            endpoint_override=f"127.0.0.1:{self.port}",
            scheme="http",
            region="us-east-1",
            allow_bucket_creation=True,
            retry_strategy=pafs.AwsStandardS3RetryStrategy(max_attempts=1),
        )


class Proxy:
    """A way to the server that can be cut, stalled and opened again."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.down = False  #: connections are cut and refused
        self.stalled = False  #: nothing passes, nothing ends
        self.left: int | None = None  #: bytes that still pass, then it is down
        self._pairs: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Cut every connection and refuse new ones."""
        self.down = True
        with self._lock:
            for end in self._pairs:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def cut_after(self, count: int) -> None:
        """Cut once so many more bytes have passed, in whichever direction."""
        self.left = count

    def mend(self) -> None:
        self.left, self.down, self.stalled = None, False, False

    def close(self) -> None:
        self.cut()
        self._listener.close()

    def _count(self, data: bytes) -> bytes:
        """Return what of the data may still pass."""
        with self._lock:
            if self.down:
                return b""
            if self.left is None:
                return data
            passing = data[: self.left]
            self.left -= len(passing)
            if self.left == 0:
                self.left, self.down = None, True
            return passing

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if self.down:
                near.close()
                continue
            try:
                far = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                near.close()
                continue
            with self._lock:
                self._pairs |= {near, far}
            for source, sink in ((near, far), (far, near)):
                threading.Thread(
                    target=self._pass, args=(source, sink), daemon=True
                ).start()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(16_384):
                while self.stalled:
                    time.sleep(0.01)
                passing = self._count(data)
                sink.sendall(passing)
                if len(passing) < len(data) or self.down:
                    self.cut()
                    break
        with self._lock:
            self._pairs -= {source, sink}
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


def program() -> Path | None:
    """Where SeaweedFS is; None where it was not installed."""
    beside = Path(sys.executable).with_name("weed")
    found = shutil.which("weed")
    return beside if beside.exists() else Path(found) if found else None


def keys_into_environment() -> None:
    """Set the keys where Amazon's clients look for them; no other machine is asked."""
    os.environ.update(
        AWS_ACCESS_KEY_ID=KEY,
        AWS_SECRET_ACCESS_KEY=SECRET,
        AWS_EC2_METADATA_DISABLED="true",
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
