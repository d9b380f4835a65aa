from __future__ import annotations

import json
import os
from datetime import timedelta

import pytest

from pipeline.casebook import (
    audit,
    cases,
    crypto,
    galleries,
    orders,
    purge,
    rotation,
    signing,
)
from pipeline.errors import DongseonError, NotAuthorisedError
from tests.pipeline.casebook.conftest import open_case, request

DAY = timedelta(days=1)


def lay(book, path, content=b"personal bytes"):
    place = book.data_dir / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)
    return place


def counts(items):
    return {item.kind: item.count for item in items if item.count}


def test_nothing_over_its_limit_stays_untouched(book, authorisation):
    kept = lay(book, "results/case=P-TEST/run=1/run.parquet")
    still = lay(book, "stills/case=P-TEST/1.png")
    items, path = purge.purge(book, "dora")
    assert counts(items) == {}
    assert kept.exists()
    assert still.exists()
    assert signing.check(path, settings=book)["what"] == "purge"
    assert orders.still_valid(authorisation, book)


def test_closing_takes_stills_at_once_and_results_by_their_limit(
    book, authorisation, later
):
    result = lay(book, "results/case=P-TEST/run=1/run.parquet")
    still = lay(book, "stills/case=P-TEST/1.png")
    export = lay(book, "exports/case=P-TEST/contacts.csv")
    cases.close_case("P-TEST", "ana", settings=book)
    assert not still.exists()
    assert not export.exists()
    assert counts(purge.purge(book, "dora")[0]) == {}
    later((purge.RESULT_DAYS + 1) * DAY)
    dry, nothing = purge.purge(book, "dora", dry_run=True)
    assert counts(dry) == {"results": 1}
    assert nothing is None
    assert result.exists()
    done, path = purge.purge(book, "dora")
    assert not result.exists()
    assert [item.digest for item in done] == [item.digest for item in dry]
    assert signing.check(path)["items"][1]["count"] == 1
    later((purge.CASE_DAYS + 1) * DAY)
    assert counts(purge.purge(book, "dora")[0]) == {"cases": 1}
    assert cases.list_cases("ana", settings=book) == []
    assert audit.verify(book).sound


def test_files_of_no_known_case_and_old_exports_go(book, case):
    stray = lay(book, "stills/case=P-GONE/1.png")
    old = lay(book, "exports/case=P-TEST/old.csv")
    os.utime(old, (0, 0))
    assert counts(purge.purge(book, "dora")[0]) == {"stills": 1, "exports": 1}
    assert not stray.exists()
    assert not old.exists()


def test_an_ended_place_list_goes_before_other_exports(book, authorisation):
    from sqlalchemy import insert

    from pipeline.casebook import clock, database, tables

    with database.writing(book) as connection:
        for ends in (-DAY, DAY):
            connection.execute(
                insert(tables.disclosures).values(
                    case_id=1,
                    made_by="ana",
                    made_at=clock.now() - 2 * DAY,
                    expires_at=clock.now() + ends,
                    places="[]",
                )
            )
    ended = lay(book, "exports/case=P-TEST/places-1-ko.html")
    current = lay(book, "exports/case=P-TEST/places-2-ko.html")
    other = lay(book, "exports/case=P-TEST/contacts.csv")
    assert counts(purge.purge(book, "dora")[0]) == {"exports": 1}
    assert (ended.exists(), current.exists(), other.exists()) == (False, True, True)


def test_deleted_bytes_are_in_no_file(book, authorisation):
    galleries.enrol_tracklet(authorisation, 123456789, settings=book)
    marker = b"ana-the-very-personal-requester"
    orders.request_order(
        "P-TEST",
        marker.decode(),
        legal_basis="IDCPA",
        purpose="x",
        area=authorisation.area,
        settings=book,
    )
    before = b"".join(p.read_bytes() for p in book.data_dir.glob("casebook.sqlite*"))
    # In the order's row and in the audit log (which names staff and stays).
    rows = before.count(marker)
    cases.close_case("P-TEST", "ana", settings=book)
    purge.purge_everything(book, "dora")
    after = b"".join(p.read_bytes() for p in book.data_dir.glob("casebook.sqlite*"))
    assert after.count(marker) == 1 < rows


def test_programme_exit_proves_that_nothing_personal_is_left(book, authorisation):
    galleries.enrol_tracklet(authorisation, 7, settings=book)
    lay(book, "results/case=P-TEST/run=1/run.parquet")
    lay(book, "observations/footage/date=2025-11-03/hour=01/a.parquet")
    lay(book, "exports/case=P-TEST/contacts.csv")
    lay(book, "footage/street.avi")
    lay(book, "observations/.quarantine/tracklet/x.parquet")
    kept = lay(book, "models/face.onnx")
    items, path = purge.purge_everything(book, "dora")
    assert kept.exists()
    gone = {"observations", "results", "exports", "cases", "key", "other files"}
    assert gone <= set(counts(items))
    assert not book.key_file.exists()
    certificate = signing.check(path, settings=book)
    assert certificate["programme_exit"]
    assert {name.split("-")[0] for name in certificate["remaining"]} == {
        "casebook.sqlite"
    }
    assert not orders.still_valid(authorisation, book)


def test_certificate_shows_change(book, case, tmp_path):
    _, path = purge.purge(book, "dora")
    content = json.loads(path.read_text())
    content["items"][0]["count"] = 0
    content["by"] = "eve"
    path.write_text(json.dumps(content))
    with pytest.raises(DongseonError, match="changed"):
        signing.check(path)
    path.write_text("{}")
    with pytest.raises(DongseonError, match="no certificate"):
        signing.check(path)
    signing.write(path, signing.signed(book, {"at": "now"}))
    elsewhere = book.model_copy(update={"key_file": tmp_path / "other" / "key"})
    with pytest.raises(DongseonError, match="another installation"):
        signing.check(path, settings=elsewhere)


def test_rotation_seals_anew_and_forgets_the_old_key(book, authorisation):
    galleries.enrol_tracklet(authorisation, 7, settings=book)
    old = crypto.current_key_id(book)
    assert rotation.rotate(book, "dora") == 2
    assert crypto.current_key_id(book) != old
    assert len(crypto.keys(book)) == 1
    assert galleries.templates(authorisation, settings=book)[0].tracklet_id == 7
    assert cases.test_of("P-TEST", "ana", settings=book) == "RT-PCR, report 17"


def test_cut_off_rotation_loses_nothing(book, authorisation):
    galleries.enrol_tracklet(authorisation, 7, settings=book)
    crypto.add_key(book)
    assert galleries.templates(authorisation, settings=book)[0].tracklet_id == 7
    rotation.rotate(book, "dora")
    assert galleries.templates(authorisation, settings=book)[0].tracklet_id == 7


def test_purge_is_the_administrators(book):
    from pipeline.casebook import accounts

    name, _ = accounts.first_administrator(book)
    accounts.add("ana", "investigator", name, local=False, settings=book)
    with pytest.raises(NotAuthorisedError):
        purge.purge(book, "ana")
    with pytest.raises(NotAuthorisedError):
        purge.purge_everything(book, "ana")
    purge.purge(book, name)
    case = open_case(book, "P-KEPT")
    assert request(book, case).state == "requested"
