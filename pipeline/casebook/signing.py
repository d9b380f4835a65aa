"""Signed certificates: Ed25519, the private key kept beside the casebook's key."""

from __future__ import annotations

import base64
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from pipeline.errors import DongseonError
from pipeline.settings import Settings


def signed(settings: Settings, content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content with the public key and the signature over it."""
    key = _key(settings.key_file.parent / "signing.key")
    public = base64.b64encode(key.public_key().public_bytes_raw()).decode()
    whole = {**content, "public_key": public}
    signature = base64.b64encode(key.sign(_canonical(whole))).decode()
    return {**whole, "signature": signature}


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Store a certificate: whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.part")
    with draft.open("w", encoding="utf-8") as file:
        json.dump(content, file, ensure_ascii=False, indent=2)
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, path)


def holds(content: Mapping[str, Any], settings: Settings) -> bool:
    """Tell whether this installation signed the content as it stands."""
    plain = {name: value for name, value in content.items() if name != "signature"}
    try:
        signature = base64.b64decode(content["signature"])
        public = base64.b64decode(content["public_key"])
        Ed25519PublicKey.from_public_bytes(public).verify(signature, _canonical(plain))
    except (ValueError, KeyError, TypeError, InvalidSignature):
        return False
    own = _key(settings.key_file.parent / "signing.key").public_key()
    return bool(own.public_bytes_raw() == public)


def check(path: Path, *, settings: Settings | None = None) -> dict[str, Any]:
    """Return a certificate's content if its signature holds.

    With `settings`, it must also be signed by this installation's key.

    Raises
    ------
    DongseonError
        If the file is no certificate, was changed or comes from elsewhere.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        signature = base64.b64decode(content.pop("signature"))
        public = base64.b64decode(content["public_key"])
        Ed25519PublicKey.from_public_bytes(public).verify(
            signature, _canonical(content)
        )
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise DongseonError(f"The file {path} is no certificate ({error}).") from error
    except InvalidSignature:
        raise DongseonError(
            f"The certificate {path} was changed after it was signed."
        ) from None
    if settings is not None:
        own = _key(settings.key_file.parent / "signing.key").public_key()
        if own.public_bytes_raw() != public:
            raise DongseonError(
                f"The certificate {path} was signed by another installation."
            )
    return dict(content)


def _canonical(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False, sort_keys=True).encode()


def _key(path: Path) -> Ed25519PrivateKey:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(Ed25519PrivateKey.generate().private_bytes_raw())
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return Ed25519PrivateKey.from_private_bytes(path.read_bytes())
