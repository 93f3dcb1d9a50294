"""The end of every sign-in, whatever proved who it is: audit, a new session, its cookie."""

from __future__ import annotations

import logging
from collections.abc import Callable
from enum import StrEnum

from flask import redirect, request
from werkzeug.wrappers import Response

from harmony.audit import audit
from harmony.clock import now, steady
from harmony.db import write
from harmony.models import User
from harmony.security import sessions
from harmony.security.addresses import local_address

log = logging.getLogger(__name__)


class SignInMethod(StrEnum):
    """The proof that a sign-in rests on, as the audit names it."""

    PASSWORD = "password"  # noqa: S105 - a word, no secret
    PASSWORD_AND_CODE = "password and one-time code"  # noqa: S105
    PASSWORD_AND_RECOVERY_CODE = "password and recovery code"  # noqa: S105
    PASSWORD_AND_PASSKEY = "password and passkey"  # noqa: S105
    PASSKEY = "passkey"
    OPENID_CONNECT = "OpenID Connect"


def complete_sign_in(
    user: User,
    method: SignInMethod,
    target: str | None = None,
    *,
    on_open: Callable[[str], None] | None = None,
) -> Response:
    """Open a session for `user` after the last factor, and lead to `target` or else the start page.

    Args:
        user: Whoever has proved to be that user; nothing is asked any more.
        method: The proof; the audit and the log name it.
        target: Where the person wanted to go; an address of another site counts as none.
        on_open: Called with the token of the new session, before any browser knows it.
    """
    log.info("User %d signed in from %s by %s.", user.id, request.remote_addr, method)
    with write() as session:
        audit(session, user.name, "Signed in", now(), detail=method)
    response = redirect(local_address(target), 303)
    # Signing in again ends the former session of this browser instead of leaving it behind.
    sessions.close_session(sessions.read_cookie())
    token = sessions.open_session(user, steady())
    if on_open is not None:
        on_open(token)
    sessions.set_cookie(response, token)
    return response
