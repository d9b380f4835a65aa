"""The network to the object store is cut, stalls, or the store is killed."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest

from pipeline.settings import Settings
from pipeline.store import check, compact, log, place, reader
from pipeline.store.objects import UnreachableError
from tests.faults import programs
from tests.faults.conftest import account
from tests.faults.table import Row
from tests.tools.object_store import ObjectServer, Proxy

NOW = -timedelta(seconds=2)  # the object store tells whole seconds


@pytest.fixture
def proxy(object_server: ObjectServer) -> Iterator[Proxy]:
    made = Proxy(object_server.port)
    yield made
    made.close()


@pytest.fixture
def far(objects: Settings, proxy: Proxy) -> Settings:
    """The same store, seen through the network that breaks."""
    endpoint = f"http://127.0.0.1:{proxy.port}"
    changes = {"observations_endpoint": endpoint, "observations_patience_s": 1.0}
    return objects.model_copy(update=changes)


def well_told(error: object) -> None:
    assert "could not be reached" in str(error)
    assert "\n" not in str(error)


def mend_soon(proxy: Proxy, seconds: float) -> threading.Timer:
    timer = threading.Timer(seconds, proxy.mend)
    timer.start()
    return timer


def test_network_cut_in_mid_publish(
    objects: Settings, far: Settings, proxy: Proxy, row: Row
) -> None:
    """What was acknowledged is there once; what was not is told in one sentence."""
    chance, names, refused = random.Random(21), set(), 0
    root = place.root_of(far)
    programs.publish(root, "whole")
    names.add("whole")
    for number in range(10):
        proxy.cut_after(chance.randrange(40_000))
        timer = mend_soon(proxy, 0.3) if number % 2 else None
        try:
            programs.publish(root, f"n{number}", camera_no=number)
            names.add(f"n{number}")
        except UnreachableError as error:
            refused += 1
            well_told(error)
        if timer is not None:
            timer.join()
        proxy.mend()
        row.tries += 1
    assert refused
    assert len(names) > 4
    account(objects, row, names)
    # What was told to have failed is published again: each part counts once.
    for number in range(10):
        programs.publish(root, f"n{number}", camera_no=number)
        names.add(f"n{number}")
    assert account(objects, row, names) == names
    assert check.check(objects, grace=NOW).sound


def test_network_cut_in_mid_read(
    objects: Settings, far: Settings, proxy: Proxy, row: Row
) -> None:
    """A reader gets all rows, or one sentence; never some of them."""
    chance, told = random.Random(22), 0
    for number in range(4):
        programs.publish(place.root_of(objects), f"r{number}", camera_no=number)
    whole = reader.detections(objects).num_rows
    assert whole == 4 * programs.TRACKLETS * programs.POINTS
    place.root_of(far)
    for number in range(8):
        log._CACHE.clear()
        proxy.cut_after(chance.randrange(60_000))
        timer = mend_soon(proxy, 0.2) if number % 2 else None
        row.reads += 1
        try:
            row.torn += reader.detections(far).num_rows != whole
            row.torn += reader.tracklets(far).num_rows * programs.POINTS != whole
        except UnreachableError as error:
            told += 1
            row.errors += timer is not None  # mended within the patience
            well_told(error)
        if timer is not None:
            timer.join()
        proxy.mend()
        row.tries += 1
    assert told


def test_network_cut_in_mid_compaction(
    objects: Settings, far: Settings, proxy: Proxy, row: Row
) -> None:
    chance, names = random.Random(23), set()
    for turn in range(4):
        for number in range(3):
            name = f"c{turn}-{number}"
            programs.publish(place.root_of(objects), name, camera_no=number)
            names.add(name)
        proxy.cut_after(chance.randrange(120_000))
        try:
            for problem in compact.compact(far, grace=NOW).problems:
                well_told(problem)
        except UnreachableError as error:
            well_told(error)
        proxy.mend()
        row.tries += 1
        account(objects, row, names)
    compact.compact(objects, grace=NOW)
    assert account(objects, row, names) == names
    found = check.check(objects, grace=NOW).findings
    assert {finding.kind for finding in found} <= {"overlap"}


def test_network_stalls(
    objects: Settings, far: Settings, proxy: Proxy, row: Row
) -> None:
    """Nothing waits for ever; work goes on when the network does."""
    root = place.root_of(far)
    proxy.stalled = True
    timer = mend_soon(proxy, 1.0)
    programs.publish(root, "slow")
    timer.join()
    proxy.stalled = True
    begun = time.monotonic()
    with pytest.raises(UnreachableError, match="could not be reached"):
        programs.publish(root, "never", camera_no=9)
    assert time.monotonic() - begun < 60
    proxy.mend()
    row.tries += 2
    account(objects, row, {"slow"})


def test_object_store_killed_and_started_again(
    objects: Settings, object_server: ObjectServer, row: Row
) -> None:
    """A publisher waits for it; what it had acknowledged is still there."""
    patient = objects.model_copy(update={"observations_patience_s": 120.0})
    root, names, stop = place.root_of(patient), set(), threading.Event()

    def publish() -> None:
        number = 0
        while not stop.is_set():
            programs.publish(root, f"k{number}", camera_no=number % 50)
            names.add(f"k{number}")
            number += 1

    thread = threading.Thread(target=publish)
    thread.start()
    while len(names) < 4 and thread.is_alive():
        time.sleep(0.01)
    object_server.kill()
    object_server.start()
    row.tries += 1
    after = len(names)
    while len(names) < after + 3 and thread.is_alive():
        time.sleep(0.01)
    stop.set()
    thread.join(60)
    assert len(names) >= after + 3
    account(objects, row, names)
    assert check.check(objects, grace=NOW).sound
