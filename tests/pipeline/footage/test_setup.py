"""What a new installation is told to do next."""

from __future__ import annotations

from pipeline.casebook import cases
from pipeline.footage import setup
from pipeline.settings import Settings, get_settings
from pipeline.store import writer
from tests.dashboard import installation
from tests.pipeline.store import store_samples


def test_steps_are_ticked_off(settings: Settings, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("DONGSEON_REGISTRY", str(tmp_path / "none.geojson"))
    get_settings.cache_clear()
    book = get_settings()
    book.data_dir.mkdir(parents=True)

    def done() -> list[str]:
        found = setup.steps(settings=book)  # weights may lie beside the checkout
        return [one.name for one in found if one.done and one.name != "weights"]

    assert setup.is_fresh(settings=book)
    assert done() == []
    installation.write_registry(book)
    assert (done(), setup.is_fresh(settings=book)) == (["registry"], True)
    cases.open_case(
        "asker", test="PCR, 1", confirmed_at=installation.START, settings=book
    )
    assert (done(), setup.is_fresh(settings=book)) == (["registry", "case"], False)


def test_footage_ends_the_fresh_state(settings: Settings) -> None:
    settings.data_dir.mkdir(parents=True)
    assert setup.is_fresh(settings=settings)
    writer.publish(settings, *store_samples.unit())
    assert not setup.is_fresh(settings=settings)
    step = next(s for s in setup.steps(settings=settings) if s.name == "footage")
    assert (step.done, step.number) == (True, 1)
