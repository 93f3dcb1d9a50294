"""Device keys and registration codes: made here, shown once; only their SHA-256 is stored."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

import msgspec
from flask import current_app

from harmony.device_api.schemas import Register
from harmony.models.device_ids import udid_key

# A fixed beginning lets secret scanners recognise a key that strayed into a file.
KEY_PREFIX = "hmkey_"
# Crockford's base 32: no I, L, O, U, which are misread or spell words. Sixteen of them are 80 bits.
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
MISREAD = str.maketrans("OIL", "011")
GROUPS, GROUP_SIZE = 4, 4
HALF = 32


def new_code() -> str:
    """A registration code as a person reads it: `7G2K-XW4P-93BD-M0QT`."""
    groups = ("".join(secrets.choice(ALPHABET) for _ in range(GROUP_SIZE)) for _ in range(GROUPS))
    return "-".join(groups)


def code_hash(code: str) -> str:
    """The SHA-256 of what was meant, however it was typed: lower case, without hyphens, O for 0."""
    letters = "".join(character for character in code.upper() if character.isalnum())
    return key_hash(letters.translate(MISREAD))


def key_hash(key: str) -> str:
    """64 hex digits under which a device key is stored."""
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()


def request_digest(body: Register) -> str:
    """64 hex digits for a request to register: the first half stands for its id, the second for all of it."""
    whole = msgspec.json.encode(msgspec.structs.replace(body, udid=udid_key(body.udid)))
    return hashlib.sha256(body.request_id.bytes).hexdigest()[:HALF] + hashlib.sha256(whole).hexdigest()[:HALF]


def same_request(digest: str, other: str) -> bool:
    """Whether two digests are of one request_id, whatever else the requests say."""
    return bool(digest) and digest[:HALF] == other[:HALF]


def device_key(digest: str, device_id: int, registered_at: str) -> str:
    """The key that this request gets for this registration: the same one whenever it is asked again.

    It is derived with the installation's secret, so that it need not be stored to be given twice.
    """
    secret = current_app.config["SECRET_KEY"].encode()
    said = f"harmony device key\0{digest}\0{device_id}\0{registered_at}".encode()
    made = hmac.new(secret, said, hashlib.sha256).digest()
    return KEY_PREFIX + base64.urlsafe_b64encode(made).decode().rstrip("=")
