"""The digest of a request to register, by which the same request is recognised when it is repeated."""

from __future__ import annotations

import hashlib

import msgspec

from harmony.device_api.schemas import Register
from harmony.device_ids import udid_key

_HALF = 32


def request_digest(request: Register) -> str:
    """Return 64 hex digits for a request: the first half stands for its id, the second for all of it."""
    whole = msgspec.json.encode(msgspec.structs.replace(request, udid=udid_key(request.udid)))
    id_digest = hashlib.sha256(request.request_id.bytes).hexdigest()[:_HALF]
    return id_digest + hashlib.sha256(whole).hexdigest()[:_HALF]


def is_same_request(digest: str, other: str) -> bool:
    """Return True if two digests are of one request_id, whatever else the requests say."""
    return bool(digest) and digest[:_HALF] == other[:_HALF]
