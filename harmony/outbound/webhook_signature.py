"""PURE: the secrets and signatures of Standard Webhooks 1.0.0."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence

_PREFIX = "whsec_"
_SECRET_BYTES = 32


def new_secret() -> str:
    """Return a new secret, as receivers paste it."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def signed_headers(uid: str, seconds: int, body: bytes, secret_texts: Sequence[str]) -> dict[str, str]:
    """Return the headers of one try; `seconds` is its own time, each secret gives a signature.

    >>> signed_headers("evt_1", 1772349160, b"{}", ["whsec_c2VzYW1l"])["webhook-signature"]
    'v1,kixLKnHGMLB7hYLFA5EGSbB3vk28OyUPq8PNLAysoi8='
    """
    signatures = [_signature(uid, seconds, body, text) for text in secret_texts]
    return {
        "webhook-id": uid,
        "webhook-timestamp": str(seconds),
        "webhook-signature": " ".join(signatures),
    }


def _signature(uid: str, seconds: int, body: bytes, secret_text: str) -> str:
    key = base64.b64decode(secret_text.removeprefix(_PREFIX))
    digest = hmac.new(key, f"{uid}.{seconds}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"
