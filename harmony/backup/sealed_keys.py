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
from harmony.config import current_settings
from harmony.security.keys import SECRET_KEY_FILE, VAULT_KEYS_FILE, secret_key, vault_keys

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


def beside(backup: Path) -> Path:
    """Return the file of the keys that belong to a backup.

    >>> beside(Path("harmony.2026-11-30")).name, beside(Path("a.b.dump")).name, beside(Path("a.db")).name
    ('harmony.2026-11-30.keys', 'a.b.keys', 'a.keys')
    """
    ours = backup.suffix in {".db", ".dump"}
    return backup.with_suffix(".keys") if ours else backup.with_name(f"{backup.name}.keys")


def write_beside(backup: Path) -> Path | None:
    """Write the keys of this installation beside a backup, mode 0600; none without a passphrase.

    Raises OSError.
    """
    settings = current_settings()
    if not settings.backup_passphrase:
        return None
    keys = {SECRET_KEY_FILE: secret_key(settings), VAULT_KEYS_FILE: "\n".join(vault_keys(settings))}
    atomic_file.replace(beside(backup), _seal(keys, settings.backup_passphrase) + "\n")
    return beside(backup)


def _key(passphrase: str, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=32, **_COST).derive(passphrase.encode())
