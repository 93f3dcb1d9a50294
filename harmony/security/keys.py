"""The generated keys: read from the settings or from the data folder, created there once."""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Callable
from pathlib import Path

from harmony import atomic_file
from harmony.config import Settings, SettingsError

SECRET_KEY_FILE = "secret.key"  # noqa: S105 - a file name
VAULT_KEYS_FILE = "vault.keys"
_VAULT_KEY_BYTES = 32
_SECRET_KEY_CHARACTERS = 32


def secret_key(settings: Settings) -> str:
    """Return the key that signs the queue's messages. Raises SettingsError when its file is unusable."""
    if settings.secret_key:
        return settings.secret_key
    path = settings.data_dir / SECRET_KEY_FILE
    key = _read_or_create(path, lambda: secrets.token_urlsafe(48))
    if len(key) < _SECRET_KEY_CHARACTERS:
        raise SettingsError(f"{path} is too short to be a key; delete it, and a new one is made.")
    return key


def vault_keys(settings: Settings) -> tuple[str, ...]:
    """Return the keys of the vault, newest first, at least one. Raises SettingsError on a malformed one."""
    if settings.vault_keys:
        return _checked(settings.vault_keys, "HARMONY_VAULT_KEYS")
    path = settings.data_dir / VAULT_KEYS_FILE
    text = _read_or_create(path, new_vault_key)
    return _checked(tuple(text.replace(",", " ").split()), str(path))


def new_vault_key() -> str:
    """Return a fresh key as it is written into the file."""
    return base64.urlsafe_b64encode(secrets.token_bytes(_VAULT_KEY_BYTES)).decode()


def decode_vault_key(text: str) -> bytes:
    """Decode the 32 bytes of one key. Raises ValueError. `openssl rand -base64 32` is understood as well."""
    canonical = text.strip().rstrip("=").replace("+", "-").replace("/", "_")
    try:
        key = base64.b64decode(canonical + "=" * (-len(canonical) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != _VAULT_KEY_BYTES:
        raise ValueError("not the base64 of 32 bytes")
    return key


def _checked(keys: tuple[str, ...], where: str) -> tuple[str, ...]:
    if not keys:
        # A new key would silently orphan whatever the lost one has sealed.
        raise SettingsError(f"{where} is empty; restore it from your backup of the keys.")
    for number, key in enumerate(keys, start=1):
        try:
            decode_vault_key(key)
        except ValueError:
            raise SettingsError(f"Key {number} of {where} is not the base64 of 32 bytes.") from None
    return keys


def _read_or_create(path: Path, make: Callable[[], str]) -> str:
    try:
        if not path.exists():
            # A sealed secret without its key is lost: the file must survive a power cut.
            atomic_file.create(path, make() + "\n")
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise SettingsError(f"{path} cannot be read or created.") from None
