"""Encryption of personal fields: AES-256-GCM under keys kept outside the data.

The key file holds one key a line, base64, the current one first; older ones
below it still open what they sealed until `rotate` has sealed everything anew.
The environment variable DONGSEON_KEY (keys parted by commas) goes before it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pipeline.errors import DongseonError
from pipeline.settings import Settings

KEY_VARIABLE = "DONGSEON_KEY"
#: A sealed value: version, first bytes of the key's digest, nonce, ciphertext + tag.
_VERSION, _ID_BYTES, _NONCE_BYTES, _KEY_BYTES = b"\x01", 4, 12, 32


def seal(settings: Settings, plain: bytes, context: str) -> bytes:
    """Encrypt; only the same `context` (what and whose it is) opens it again."""
    key = keys(settings)[0]
    nonce = secrets.token_bytes(_NONCE_BYTES)
    cipher = AESGCM(key).encrypt(nonce, plain, context.encode())
    return _VERSION + _id_of(key) + nonce + cipher


def unseal(settings: Settings, sealed: bytes, context: str) -> bytes:
    """Decrypt what `seal` made.

    Raises
    ------
    DongseonError
        If its key is not here, or the value was changed or moved elsewhere.
    """
    head = len(_VERSION) + _ID_BYTES
    key_id, nonce = sealed[1:head], sealed[head : head + _NONCE_BYTES]
    for key in keys(settings):
        if _id_of(key) == key_id and sealed[:1] == _VERSION:
            try:
                return AESGCM(key).decrypt(
                    nonce, sealed[head + _NONCE_BYTES :], context.encode()
                )
            except InvalidTag:
                raise DongseonError(
                    f"An encrypted entry of the casebook ({context}) was changed "
                    "outside the program; restore the casebook from a backup.",
                    code="casebook_sealed",
                ) from None
    raise DongseonError(
        f"The key {key_id.hex()} of an encrypted entry ({context}) is not in "
        f"{settings.key_file} nor in {KEY_VARIABLE}; put the key back.",
        code="casebook_sealed",
    )


def keys(settings: Settings) -> list[bytes]:
    """Return the keys, the current one first; make the key file at first use."""
    given = os.environ.get(KEY_VARIABLE)
    if given:
        return _parsed(given.replace(",", "\n"), f"the variable {KEY_VARIABLE}")
    path = settings.key_file
    _demand_outside(settings)
    if not path.exists():
        _create(path)
    if path.stat().st_mode & 0o077:
        raise DongseonError(
            f"The key file {path} can be read by others; run: chmod 600 {path}",
            code="key_wrong",
        )
    return _parsed(path.read_text(), str(path))


def add_key(settings: Settings) -> None:
    """Put a new key before the old ones (first half of a rotation)."""
    if os.environ.get(KEY_VARIABLE):
        raise DongseonError(
            f"The key comes from {KEY_VARIABLE}: put a new one before the old one "
            "there, parted by a comma, and run this again with --keep-keys."
        )
    fresh = secrets.token_bytes(_KEY_BYTES)
    _replace(settings.key_file, [fresh, *keys(settings)])


def drop_old_keys(settings: Settings) -> None:
    """Forget every key but the current one (second half of a rotation)."""
    _replace(settings.key_file, keys(settings)[:1])


def current_key_id(settings: Settings) -> str:
    """Return the name of the current key: first bytes of its SHA-256, hex."""
    return _id_of(keys(settings)[0]).hex()


def key_id_of(sealed: bytes) -> str:
    """Return the name of the key that sealed this value."""
    return sealed[1 : 1 + _ID_BYTES].hex()


def _id_of(key: bytes) -> bytes:
    return hashlib.sha256(b"dongseon key" + key).digest()[:_ID_BYTES]


def _demand_outside(settings: Settings) -> None:
    data = settings.data_dir.resolve()
    if settings.key_file.resolve().is_relative_to(data):
        raise DongseonError(
            f"The key file {settings.key_file} lies inside the data folder {data}; "
            "move it elsewhere and set DONGSEON_KEY_FILE."
        )


def _create(path: Path) -> None:
    """Make the file whole or not at all; the first of several processes wins."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = _written(path, [secrets.token_bytes(_KEY_BYTES)])
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _replace(path: Path, listed: list[bytes]) -> None:
    os.replace(_written(path, listed), path)


def _written(path: Path, listed: list[bytes]) -> Path:
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(b"".join(base64.b64encode(key) + b"\n" for key in listed))
        file.flush()
        os.fsync(file.fileno())
    return draft


def _parsed(content: str, where: str) -> list[bytes]:
    found = []
    for number, line in enumerate(content.split(), start=1):
        try:
            key = base64.b64decode(line, validate=True)
        except binascii.Error:
            key = b""
        if len(key) != _KEY_BYTES:
            raise DongseonError(
                f"Key {number} in {where} is not {_KEY_BYTES} bytes in base64; make "
                "one with: openssl rand -base64 32",
                code="key_wrong",
            )
        found.append(key)
    if not found:
        raise DongseonError(
            f"There is no key in {where}; restore it from a backup.", code="key_wrong"
        )
    return found
