"""A rehearsal traces in a city of its own, and leaves nothing behind."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from pipeline.evaluate.rehearsal import rehearse
from pipeline.settings import get_settings
from pipeline.trace import followers, observations


def files(folder: Path) -> set[Path]:
    return set(folder.rglob("*")) if folder.is_dir() else set()


def test_it_traces_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, aside = tmp_path / "home", tmp_path / "aside"
    aside.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(aside))
    # Not even where the observations lie elsewhere.
    settings = get_settings().model_copy(
        update={
            "data_dir": home,
            "key_file": home / "casebook.key",
            "observations": str(tmp_path / "elsewhere"),
        }
    )
    assert rehearse(settings) >= 3  # two patients, one again after a verdict at least
    assert followers.followers.signatures  # compiled, or loaded
    assert not observations.held()
    assert not files(home)
    assert not files(aside)
    assert not files(tmp_path / "elsewhere")
