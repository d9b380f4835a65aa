from __future__ import annotations

import json
import sys

import pytest
import shapely

from pipeline import cli
from pipeline.casebook import audit
from tests.pipeline.casebook.conftest import AREA


@pytest.fixture
def dongseon(book, monkeypatch, capsys):
    """Run the command; gives exit code, output, errors."""
    import typer

    def run(*words):
        app = typer.Typer()
        from pipeline.commands import casebook

        casebook.attach(app)
        monkeypatch.setattr(cli, "app", app)
        monkeypatch.setattr(cli, "register", lambda: None)
        monkeypatch.setattr(sys, "argv", ["dongseon", *map(str, words)])
        try:
            cli.main()
            code = 0
        except SystemExit as error:
            code = error.code or 0
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


OPEN = ["case", "open", "--test", "RT-PCR 17", "--pseudonym", "P-1", "--user", "ana"]
OPEN += ["--confirmed", "2025-11-04T09:00+09:00", "--onset", "2025-11-03T09:00+09:00"]
OPEN += ["--isolated", "2025-11-05T09:00+09:00"]
REQUEST = ["order", "request", "P-1", "--legal-basis", "IDCPA Art. 76-2 (2)"]
REQUEST += ["--purpose", "contacts", "--user", "ana"]


def test_from_case_to_approved_order_and_back(dongseon, book, tmp_path):
    area = tmp_path / "area.geojson"
    area.write_text(shapely.to_geojson(AREA))
    assert dongseon(*OPEN)[0] == 0
    code, out, _ = dongseon(*REQUEST, "--area", area)
    assert code == 0
    assert "Order 1 of P-1: requested, 2025-11-01 09:00 to 2025-11-05 09:00" in out
    code, _, err = dongseon("order", "approve", 1, "--user", "ana")
    assert code == 2
    assert err.startswith("Error: ")
    assert "another person" in err
    assert "approved" in dongseon("order", "approve", 1, "--user", "bora")[1]
    assert "P-1" in dongseon("case", "list")[1]
    assert "decided by bora" in dongseon("order", "list", "--case", "P-1")[1]
    out = dongseon("order", "revoke", 1, "--reason", "done", "--user", "bora")[1]
    assert "revoked" in out
    assert "closed" in dongseon("case", "close", "P-1", "--user", "ana")[1]
    code, out, _ = dongseon("audit", "verify")
    assert code == 0
    assert "Sound" in out
    assert "order.approve" in dongseon("audit", "show")[1]
    target = tmp_path / "log.jsonl"
    assert dongseon("audit", "export", target)[0] == 0
    rows = [json.loads(line) for line in target.read_text().splitlines()]
    assert all(audit.digest_of(row) == row["digest"] for row in rows)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([*OPEN[:-2], "--isolated", "yesterday"], "no ISO 8601"),
        ([*OPEN[:-2], "--isolated", "2025-11-05T09:00"], "no time zone"),
        ([*OPEN[:-2], "--isolated", "2099-11-05T09:00+09:00"], "future"),
        ([*OPEN[:-2], "--isolated", "2025-11-02T09:00+09:00"], "before the onset"),
        ([*OPEN[:5], "김철수", *OPEN[6:]], "pseudonym"),
        ([*OPEN[:3], " ", *OPEN[4:]], "only confirmed patients"),
        (["case", "close", "P-9"], "no case P-9"),
        ([*REQUEST, "--from", "2025-11-03T09:00+09:00"], "both"),
        ([*REQUEST, "--area", "absent.geojson"], "does not exist"),
        (["order", "approve", "7"], "no order 7"),
        (["audit", "export", "log.txt"], "must end in"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(dongseon, words, said):
    code, _, err = dongseon(*words)
    assert code == 2
    assert said in err
    assert len(err.strip().splitlines()) == 1


def test_broken_log_has_exit_code_1(dongseon, book):
    dongseon(*OPEN)
    witness = audit.witness_file(book)
    witness.write_text(witness.read_text() + f"99 {'a' * 64}\n")
    code, _, err = dongseon("audit", "verify")
    assert code == 1
    assert "cut off" in err
