"""The address that passkeys are bound to, seen from the present request, and answers in JSON."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from flask import Response, request

from harmony.config import current_settings
from harmony.security.factors.relying_party import PasskeysUnavailable, RelyingParty, relying_party

_JSON = "application/json"


def present_party() -> RelyingParty:
    """Return what passkeys of this dashboard are bound to. Raises PasskeysUnavailable."""
    return relying_party(current_settings().public_url, f"{request.scheme}://{request.host}")


def passkeys_problem() -> str:
    """Return the sentence that says why passkeys do not work at this address; "" where they do."""
    try:
        present_party()
    except PasskeysUnavailable as problem:
        return str(problem)
    return ""


def present_rp_id() -> str | None:
    """Return the name that passkeys need to work here; None where none does."""
    return None if passkeys_problem() else present_party().id


def options_answer(make: Callable[[RelyingParty], str]) -> Response:
    """Return options for the browser's script, or 409 with the sentence that it shows."""
    try:
        return Response(make(present_party()), mimetype=_JSON)
    except PasskeysUnavailable as problem:
        return problem_answer(str(problem), 409)


def problem_answer(sentence: str, status: int) -> Response:
    """Return a sentence for the browser's script to show."""
    return Response(msgspec.json.encode({"problem": sentence}), status, mimetype=_JSON)
