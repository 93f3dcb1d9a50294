"""Secrets at rest: AES-256-GCM, every ciphertext bound to the row and the column it belongs to."""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from collections.abc import Sequence
from typing import cast

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from flask import current_app

from harmony.security.keys import decode_vault_key

VERSION = "v1"
NONCE_BYTES = 12


class VaultLocked(Exception):
    """The key at hand does not open what is stored. Two sentences for the administrator, no secret."""

    sentence = "The configured key does not open the stored credentials."
    advice = (
        "Put the former key back into HARMONY_VAULT_KEYS or the file vault.keys and restart Harmony, "
        "or enter the credentials again."
    )

    def __init__(self) -> None:
        super().__init__(f"{self.sentence} {self.advice}")


class Vault:
    """Seals and opens short texts. The first key seals; any key of the list opens."""

    def __init__(self, keys: Sequence[str]) -> None:
        """`keys`: base64 of 32 bytes each, newest first. Raises ValueError on none or a malformed one."""
        raw = [decode_vault_key(key) for key in keys]
        if not raw:
            raise ValueError("a vault needs a key")
        self._ciphers = {_key_id(key): AESGCM(key) for key in raw}
        self._newest = _key_id(raw[0])

    def __repr__(self) -> str:
        return f"<Vault with {len(self._ciphers)} keys>"

    def seal(self, plaintext: str, bound_to: str) -> str:
        """`v1.<key id>.<base64 of nonce and ciphertext>`, to be opened with the same `bound_to` only."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = self._ciphers[self._newest].encrypt(nonce, plaintext.encode(), bound_to.encode())
        return f"{VERSION}.{self._newest}.{base64.urlsafe_b64encode(nonce + sealed).decode()}"

    def open(self, sealed: str, bound_to: str) -> str:
        """The text that was sealed. Raises VaultLocked: unknown key, changed text, or another row's."""
        try:
            version, key_id, body = sealed.split(".")
            if version != VERSION:
                raise VaultLocked
            raw = base64.b64decode(body, altchars=b"-_", validate=True)
            cipher = self._ciphers[key_id]
            return cipher.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], bound_to.encode()).decode()
        except (KeyError, ValueError, binascii.Error, InvalidTag):
            raise VaultLocked from None

    def is_current(self, sealed: str) -> bool:
        """Whether the newest key sealed it."""
        return sealed.startswith(f"{VERSION}.{self._newest}.")


def vault() -> Vault:
    """The vault of the running application."""
    return cast(Vault, current_app.extensions["harmony.vault"])


def _key_id(key: bytes) -> str:
    """Eight hexadecimal digits that name a key without telling anything useful about it."""
    return hashlib.sha256(b"harmony vault key id\0" + key).hexdigest()[:8]
