"""The keys of the data folder, sealed with a passphrase: scrypt and AES-256-GCM, one JSON object a file."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Mapping
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from harmony import atomic_file

_FORM = "harmony-keys-1"
# 64 MiB and a quarter of a second for each try.
_COST = {"n": 2**16, "r": 8, "p": 1}


class KeysNotOpened(Exception):
    """The file is not one of sealed keys, or the passphrase is another."""


def _seal(keys: Mapping[str, str], passphrase: str) -> str:
    """Return the text of a file that only the passphrase opens; `keys` are contents by file name."""
    salt, nonce = secrets.token_bytes(16), secrets.token_bytes(12)
    plain = json.dumps(dict(keys)).encode()
    sealed = AESGCM(_key(passphrase, salt)).encrypt(nonce, plain, _FORM.encode())
    parts = {"salt": salt, "nonce": nonce, "sealed": sealed}
    return json.dumps({"form": _FORM} | {name: base64.b64encode(raw).decode() for name, raw in parts.items()})


def open_sealed(text: str, passphrase: str) -> dict[str, str]:
    """Return the keys of a file. Raises KeysNotOpened."""
    try:
        stored = json.loads(text)
        salt, nonce, sealed = (base64.b64decode(stored[name]) for name in ("salt", "nonce", "sealed"))
        plain = AESGCM(_key(passphrase, salt)).decrypt(nonce, sealed, str(stored["form"]).encode())
        keys: dict[str, str] = json.loads(plain)
    except (ValueError, KeyError, TypeError, InvalidTag):
        raise KeysNotOpened("This passphrase does not open these keys.") from None
    return keys


def write(path: Path, keys: Mapping[str, str], passphrase: str) -> None:
    """Write the sealed keys into a file of their owner. Raises OSError."""
    atomic_file.replace(path, _seal(keys, passphrase) + "\n")


def _key(passphrase: str, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=32, **_COST).derive(passphrase.encode())
