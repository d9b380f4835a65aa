from __future__ import annotations

import stat
from datetime import UTC, datetime

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from pipeline.casebook import audit, database, tables
from pipeline.errors import DongseonError
from pipeline.settings import CHECKOUT


def test_head_is_the_newest_migration():
    scripts = ScriptDirectory(str(CHECKOUT / "pipeline" / "casebook" / "migrations"))
    assert scripts.get_current_head() == database.HEAD


def test_migrations_make_the_declared_tables(book):
    with database.reading(book) as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, tables.metadata) == []


def test_sqlite_is_set_up_to_last(book):
    with database.reading(book) as connection:

        def pragma(name):
            return connection.execute(text(f"PRAGMA {name}")).scalar()

        assert pragma("journal_mode") == "wal"
        assert pragma("foreign_keys") == 1
        assert pragma("secure_delete") == 1
        assert pragma("synchronous") == 2
        assert pragma("busy_timeout") >= 10_000
    mode = (book.data_dir / "casebook.sqlite").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600


def test_newer_casebook_is_refused(book):
    with database.writing(book) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    database.dispose(book)
    with pytest.raises(DongseonError, match="newer Dongseon"):
        audit.record(book, "ana", "read", "x")


def test_damaged_file_is_told_in_one_sentence(book):
    book.data_dir.mkdir()
    (book.data_dir / "casebook.sqlite").write_bytes(b"this is no database" * 99)
    with pytest.raises(DongseonError, match="cannot be read or written"):
        audit.record(book, "ana", "read", "x")


@pytest.mark.parametrize("url", ["nonsense", "sqlite://", "oracle+none://x/y"])
def test_unusable_url(book, url):
    with pytest.raises(DongseonError, match="no usable database URL"):
        database.engine(book.model_copy(update={"casebook_url": url}))


def test_moments_need_a_zone():
    with pytest.raises(ValueError, match="time zone"):
        tables.UtcDateTime().process_bind_param(datetime(2025, 1, 1), None)
    assert datetime.now(UTC).tzinfo


def test_an_older_casebook_is_brought_up_to_date(book):
    """Made by the first tables alone, with a job in it; nothing is lost."""
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import create_engine

    book.data_dir.mkdir()
    made = create_engine(book.casebook_database_url)
    with made.begin() as connection:
        config = Config()
        folder = CHECKOUT / "pipeline" / "casebook" / "migrations"
        config.set_main_option("script_location", str(folder))
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(
            text(
                "INSERT INTO cases (pseudonym, status, confirmed_at, opened_by, "
                "opened_at) VALUES ('P-1', 'open', '2025-11-03', 'ana', '2025-11-03')"
            )
        )
        connection.execute(
            text(
                "INSERT INTO jobs (case_id, order_id, options, state, stage, progress, "
                "queued_by, queued_at) VALUES (1, 1, '{}', 'queued', '', 0, 'ana', "
                "'2025-11-03')"
            )
        )
    made.dispose()
    with database.reading(book) as connection:
        row = connection.execute(tables.jobs.select()).mappings().one()
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, tables.metadata) == []
    assert (row["queued_by"], row["attempts"]) == ("ana", 0)
