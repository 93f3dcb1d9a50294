"""Secrets at rest: AES-256-GCM, every ciphertext bound to its row and column, and to where it may be sent.

A value that leaves this installation is sealed for an origin. The origin is part of the sealed text and
of what the cipher authenticates: nobody can open the value for another one, and it can be shown.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from typing import cast

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from flask import current_app

from harmony.security.keys import decode_vault_key

# `v1.<key id>.<body>` is for values that stay here; `v2.<key id>.<origin>.<body>` names where it may be sent.
VERSION, WITH_ORIGIN = "v1", "v2"
# Between the address and the name in the origin of what is sent through a Connector.
THROUGH = " through Connector "
_NONCE_BYTES = 12
_KEY_ID_BYTES = 8


class VaultLocked(Exception):
    """The key at hand does not open what is stored. Two sentences for the administrator, no secret."""

    sentence = "The configured key does not open the stored credentials."
    advice = (
        "Put the former key back into HARMONY_VAULT_KEYS or the file vault.keys and restart Harmony, "
        "or enter the credentials again."
    )

    def __init__(self) -> None:
        super().__init__(f"{self.sentence} {self.advice}")


class WrongOrigin(VaultLocked):
    """The secret was entered for another server or Connector. It is never sent to this one."""

    def __init__(self, label: str, origin: str) -> None:
        self.sentence = f"The saved {label} belongs to {origin} and is sent nowhere else."
        self.advice = f"Enter the {label} again on Server Details."
        super().__init__()


class Vault:
    """Seals and opens short texts. The first key seals; any key of the list opens."""

    def __init__(self, keys: Sequence[str]) -> None:
        """`keys`: base64 of 32 bytes each, newest first. Raises ValueError on none or a malformed one."""
        raw = [decode_vault_key(key) for key in keys]
        if not raw:
            raise ValueError("a vault needs a key")
        self._ciphers = {_key_id(key): AESGCM(key) for key in raw}
        self._newest = _key_id(raw[0])
        self._digest_key = hashlib.sha256(b"harmony fingerprints\0" + raw[0]).digest()

    def __repr__(self) -> str:
        return f"<Vault with {len(self._ciphers)} keys>"

    def seal(self, plaintext: str, bound_to: str, origin: str = "") -> str:
        """Seal a text, to be opened with the same `bound_to` and `origin` only.

        `origin`: where the text may be sent; "" for one that never leaves this installation.
        """
        nonce = secrets.token_bytes(_NONCE_BYTES)
        cipher = self._ciphers[self._newest]
        body = _encode(nonce + cipher.encrypt(nonce, plaintext.encode(), _associated(bound_to, origin)))
        if origin:
            return f"{WITH_ORIGIN}.{self._newest}.{_encode(origin.encode())}.{body}"
        return f"{VERSION}.{self._newest}.{body}"

    def open(self, sealed: str, bound_to: str, origin: str = "") -> str:
        """Return the text that was sealed.

        Raises VaultLocked: unknown key, changed text, another row's, or sealed for another origin.
        """
        key_id, body, sealed_for = _parts(sealed)
        try:
            if sealed_for != origin:
                raise VaultLocked
            raw, cipher = _decode(body), self._ciphers[key_id]
            associated = _associated(bound_to, origin)
            return cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], associated).decode()
        except (KeyError, ValueError, InvalidTag):
            raise VaultLocked from None

    def seal_bytes(self, data: bytes, bound_to: str) -> bytes:
        """Seal data that stays here for a while, to be opened with the same `bound_to` only."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._ciphers[self._newest].encrypt(nonce, data, bound_to.encode())
        return self._newest.encode() + nonce + sealed

    def open_bytes(self, sealed: bytes, bound_to: str) -> bytes:
        """Return the data that was sealed. Raises VaultLocked."""
        start, end = _KEY_ID_BYTES, _KEY_ID_BYTES + _NONCE_BYTES
        try:
            cipher = self._ciphers[sealed[:start].decode()]
            return cipher.decrypt(sealed[start:end], sealed[end:], bound_to.encode())
        except (KeyError, ValueError, InvalidTag):
            raise VaultLocked from None

    def reseal(self, sealed: str, bound_to: str) -> str:
        """Seal under the newest key what an older one sealed, for the same origin. Raises VaultLocked."""
        origin = origin_of(sealed)
        return self.seal(self.open(sealed, bound_to, origin), bound_to, origin)

    def has_key(self, sealed: str, bound_to: str) -> bool:
        """Tell if the keys open this value for the origin that it was sealed for."""
        try:
            self.open(sealed, bound_to, origin_of(sealed))
        except VaultLocked:
            return False
        return True

    def fingerprint(self, *parts: str) -> str:
        """Name these texts by 64 hex digits that reveal nothing of them without the newest key."""
        text = "".join(f"{len(part)}:{part}" for part in parts)
        return hmac.new(self._digest_key, text.encode(), hashlib.sha256).hexdigest()

    def is_current(self, sealed: str) -> bool:
        """Tell whether the newest key sealed it."""
        return sealed.startswith((f"{VERSION}.{self._newest}.", f"{WITH_ORIGIN}.{self._newest}."))


def vault() -> Vault:
    """Return the vault of the running application."""
    return cast(Vault, current_app.extensions["harmony.vault"])


def origin_of(sealed: str) -> str:
    """Return the origin that a value was sealed for, "" when it names none. Raises VaultLocked."""
    return _parts(sealed)[2]


def on_the_way(origin: str, connector: str) -> str:
    """Name an origin as reached through this Connector, whose agents see what they send; "" for none."""
    return f"{origin}{THROUGH}{connector}".lstrip() if connector else origin


def _parts(sealed: str) -> tuple[str, str, str]:
    """Split a sealed text into key id, body and origin. Raises VaultLocked."""
    try:
        version, key_id, *origin, body = sealed.split(".")
        if version == VERSION and not origin:
            return key_id, body, ""
        if version == WITH_ORIGIN and len(origin) == 1 and origin[0]:
            return key_id, body, _decode(origin[0]).decode()
    except ValueError:
        pass
    raise VaultLocked


def _associated(bound_to: str, origin: str) -> bytes:
    # No row, field or address has a NUL, so that no two pairs give the same bytes.
    return f"{bound_to}\0{origin}".encode() if origin else bound_to.encode()


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode()


def _decode(text: str) -> bytes:
    return base64.b64decode(text, altchars=b"-_", validate=True)


def _key_id(key: bytes) -> str:
    """Eight hexadecimal digits that name a key without telling anything useful about it."""
    return hashlib.sha256(b"harmony vault key id\0" + key).hexdigest()[:8]
