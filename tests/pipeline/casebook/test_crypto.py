from __future__ import annotations

import base64
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.casebook import crypto
from pipeline.errors import DongseonError
from pipeline.settings import Settings


def test_key_file_is_made_for_its_owner_only(book):
    crypto.keys(book)
    assert stat.S_IMODE(book.key_file.stat().st_mode) == 0o600
    assert crypto.keys(book) == crypto.keys(book)


def test_key_in_the_data_folder_is_refused(book):
    inside = book.model_copy(update={"key_file": book.data_dir / "key"})
    with pytest.raises(DongseonError, match="inside the data folder"):
        crypto.keys(inside)


def test_readable_key_file_is_refused(book):
    crypto.keys(book)
    book.key_file.chmod(0o644)
    with pytest.raises(DongseonError, match="chmod 600"):
        crypto.keys(book)


def test_changed_or_moved_value_is_refused(book):
    sealed = crypto.seal(book, b"secret", "mine")
    with pytest.raises(DongseonError, match="changed"):
        crypto.unseal(book, sealed, "yours")
    with pytest.raises(DongseonError, match="changed"):
        crypto.unseal(book, sealed[:-1] + bytes([sealed[-1] ^ 1]), "mine")


def test_lost_key_is_told(book):
    sealed = crypto.seal(book, b"secret", "mine")
    book.key_file.unlink()
    with pytest.raises(DongseonError, match="put the key back"):
        crypto.unseal(book, sealed, "mine")


def test_old_key_opens_until_dropped(book):
    sealed = crypto.seal(book, b"secret", "mine")
    crypto.add_key(book)
    assert crypto.unseal(book, sealed, "mine") == b"secret"
    assert crypto.key_id_of(sealed) != crypto.current_key_id(book)
    crypto.drop_old_keys(book)
    with pytest.raises(DongseonError):
        crypto.unseal(book, sealed, "mine")


@pytest.mark.parametrize("bad", ["", "short", "!!!!", "QUJD"])
def test_unusable_key(book, monkeypatch, bad):
    book.key_file.parent.mkdir(parents=True)
    book.key_file.write_text(bad)
    book.key_file.chmod(0o600)
    with pytest.raises(DongseonError):
        crypto.keys(book)


@given(st.binary(max_size=200), st.text(max_size=20))
def test_round_trip_under_a_key_of_the_environment(plain, context):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DONGSEON_KEY", base64.b64encode(b"k" * 32).decode())
        sealed = crypto.seal(Settings(), plain, context)
        assert plain not in sealed or len(plain) < 4
        assert crypto.unseal(Settings(), sealed, context) == plain
