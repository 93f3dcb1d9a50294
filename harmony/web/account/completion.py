"""The end of every sign-in, whatever proved who it is: audit, a new session, its cookie."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from enum import StrEnum

from flask import flash, make_response, redirect, request
from werkzeug.wrappers import Response

from harmony.audit import audit
from harmony.clock import now, steady
from harmony.db import db, write
from harmony.models import User
from harmony.oidc.accounts import has_identity
from harmony.security import known_addresses, rate_limit, sessions
from harmony.security.addresses import below_prefix, local_address
from harmony.security.auth import SIGN_IN

log = logging.getLogger(__name__)

# The actor of a refused sign-in whose name belongs to no user.
NOBODY = "unknown"
_OF_PROVIDER = "This account signs in through the provider only."
_DISABLED = "This account is disabled. Ask an administrator."


class SignInMethod(StrEnum):
    """The proof that a sign-in rests on, as the audit names it."""

    PASSWORD = "password"  # noqa: S105 - a word, no secret
    PASSWORD_AND_CODE = "password and one-time code"  # noqa: S105
    PASSWORD_AND_RECOVERY_CODE = "password and recovery code"  # noqa: S105
    PASSWORD_AND_PASSKEY = "password and passkey"  # noqa: S105
    PASSKEY = "passkey"
    OPENID_CONNECT = "OpenID Connect"


def complete_sign_in(
    user: User, method: SignInMethod, target: str | None = None,
    *, on_open: Callable[[str], None] | None = None, is_proof: bool = True,
) -> Response:  # fmt: skip
    """Open a session for `user`, who has proved to be that by `method`, and lead to `target`.

    An address of another site counts as none, and leads to the start page. `on_open` is called with the token
    of the new session, before any browser knows it. `is_proof`: whether the person was asked just now; if
    not, what is delicate asks again.
    """
    if refusal := _refusal(user, method):
        reason, sentence = refusal
        refuse_sign_in(user.name, reason)
        flash(sentence, "warning")
        return redirect(below_prefix(SIGN_IN), 303)
    _record_sign_in(user, method)
    response = redirect(local_address(target), 303)
    # Signing in again ends the former session of this browser instead of leaving it behind.
    sessions.close_session(sessions.read_cookie())
    token = sessions.open_session(user, steady(), method, is_proof=is_proof)
    if on_open is not None:
        on_open(token)
    sessions.set_cookie(response, token)
    return response


def _refusal(user: User, method: SignInMethod) -> tuple[str, str] | None:
    """Return why this user may not sign in, for the audit and for the page; None if nothing is against it."""
    if user.disabled_at:
        return "account disabled", _DISABLED
    if method is not SignInMethod.OPENID_CONNECT and _belongs_to_provider(user):
        return "account of the provider", _OF_PROVIDER
    return None


def _record_sign_in(user: User, method: SignInMethod) -> None:
    log.info("User %d signed in from %s by %s.", user.id, request.remote_addr, method)
    with write() as session:
        audit(session, user.name, "Signed in", now(), detail=method)
    known_addresses.remember(rate_limit.counted_address(request.remote_addr), user.name, now())


def _belongs_to_provider(user: User) -> bool:
    """Tell if only the provider's rules may let this user in: a passkey would go around them."""
    return not user.password_hash and has_identity(db.session(), user.id)


def refuse_sign_in(name: str, reason: str) -> None:
    """Write a refused sign-in down. `name` is a user's, or NOBODY: what was typed may be a password."""
    log.warning("A sign-in from %s was refused: %s.", request.remote_addr, reason)
    with write() as session:
        audit(session, name, "Sign-in refused", now(), detail=f"{reason}, from {request.remote_addr}")


def too_often(page: str, wait: float) -> Response:
    """Return a page with 429, and when to try again."""
    response = make_response(page, 429)
    response.headers["Retry-After"] = str(math.ceil(wait))
    return response


def wait_sentence(wait: float) -> str:
    """Return the sentence that says how long to wait."""
    return f"This was tried too often. Wait {math.ceil(wait)} seconds, then try again."
