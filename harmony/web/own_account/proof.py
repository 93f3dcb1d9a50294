"""Checks the password of the signed-in person once more, throttled as a sign-in is."""

from __future__ import annotations

import math
from dataclasses import dataclass

from flask import g, request

from harmony.clock import now
from harmony.security import rate_limit, users
from harmony.security.passwords import TooManyAtOnce

_WRONG = "This is not your password."
_BUSY = "Too many people are signing in at this moment. Wait a few seconds, then try again."


@dataclass(frozen=True, slots=True)
class ProofProblem:
    """The sentence that says why a password does not count, and the status of the answer."""

    sentence: str
    status: int


def check_own_password(password: str) -> ProofProblem | None:
    """Return why this does not prove who is signed in; None when it does."""
    name = g.user.name
    if wait := rate_limit.sign_in_wait(request.remote_addr, name, now()):
        return ProofProblem(f"This was tried too often. Wait {math.ceil(wait)} seconds, then try again.", 429)
    try:
        user = users.authenticate(name, password)
    except TooManyAtOnce:
        rate_limit.sign_in_not_tried(request.remote_addr, name, now())
        return ProofProblem(_BUSY, 429)
    if user is None:
        return ProofProblem(_WRONG, 422)
    rate_limit.sign_in_succeeded(request.remote_addr, name, now())
    return None
