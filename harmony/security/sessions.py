"""Sign-in sessions kept on the server, the cookie that names one, and the cookie of flashed messages."""

from __future__ import annotations

import hashlib
import logging
import secrets
from datetime import datetime, timedelta

from flask import Flask, current_app, has_request_context, request
from flask.sessions import SecureCookieSessionInterface
from sqlalchemy import bindparam, delete, or_, select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from harmony.clock import within
from harmony.db import db, write
from harmony.models import ProviderSession, SignInSession, User
from harmony.security.browsers import browser_of
from harmony.security.vault import VaultLocked, vault

log = logging.getLogger(__name__)

IDLE = timedelta(minutes=30)
_LONGEST = timedelta(hours=12)
_LIMITS = "harmony.session_limits"
# So long an ended session still tells whose it was: a form may stay open over a weekend.
REMEMBERED = timedelta(days=3)
REAUTHENTICATED = timedelta(minutes=15)
_SEEN_EVERY = timedelta(minutes=1)
# Until then a page waits no longer than this for other writers: the next one notes the use as well.
_SEEN_AT_LATEST = timedelta(minutes=10)
_NOTE_WITHIN_SECONDS = 0.05
# The cookies of a session, and of a sign-in that waits for its second factor.
SESSION, PENDING = "harmony", "harmony-pending"
# Built once, which takes longer than to run it.
_SELECT_SESSION = select(SignInSession).where(SignInSession.token_hash == bindparam("token_hash"))
# A fixed beginning lets secret scanners recognise a token that strayed into a file.
_TOKEN_PREFIX = "hrmns_"  # noqa: S105


class FlashCookie(SecureCookieSessionInterface):
    """Flask's signed cookie, for the messages of `flash()` alone; its attributes are those of ours."""

    def get_cookie_name(self, app: Flask) -> str:
        return named_cookie("harmony-notes")

    def get_cookie_path(self, app: Flask) -> str:
        return cookie_path()

    def get_cookie_secure(self, app: Flask) -> bool:
        return request.is_secure

    def get_cookie_samesite(self, app: Flask) -> str:
        return "Lax"


def init_app(app: Flask, idle: timedelta = IDLE, longest: timedelta = _LONGEST) -> None:
    """Set how long a session lasts; replace Flask's session cookie, which has no SameSite and no Secure."""
    app.extensions[_LIMITS] = idle, longest
    app.session_interface = FlashCookie()


def limits() -> tuple[timedelta, timedelta]:
    """Return how long a session may be idle, and how long it may last at all."""
    found: tuple[timedelta, timedelta] = current_app.extensions.get(_LIMITS, (IDLE, _LONGEST))
    return found


def open_session(user: User, now: datetime, method: str = "", *, is_proof: bool = True) -> str:
    """Sign `user` in. Return a new token for the cookie, so that none can be planted beforehand.

    `is_proof`: the person has just proved who they are; a provider may sign somebody in without a question.
    """
    token, user_id = _TOKEN_PREFIX + secrets.token_urlsafe(32), user.id
    browser = browser_of(request.user_agent.string) if has_request_context() else ""
    with write() as session:
        session.add(
            SignInSession(
                token_hash=token_hash(token),
                user_id=user_id,
                created_at=now,
                seen_at=now,
                reauthenticated_at=now if is_proof else None,
                browser=browser,
                method=method,
            )
        )
    return token


def session_for(token: str | None, now: datetime) -> SignInSession | None:
    """Return the living session of a token, its user loaded; None when unknown, idle too long or too old.

    None as well for one of a user that was disabled.

    Times in the future are those of a clock that was ahead: they count as far as times in the past do.
    """
    found = _session_of(token)
    if found is None or not is_living(found, now) or found.user.disabled_at is not None:
        return None
    if not within(found.seen_at, _SEEN_EVERY, now):
        is_urgent = not within(found.seen_at, min(_SEEN_AT_LATEST, limits()[0] / 2), now)
        _touch(found.token_hash, now, None if is_urgent else _NOTE_WITHIN_SECONDS)
    return found


def _session_of(token: str | None) -> SignInSession | None:
    return db.session.scalar(_SELECT_SESSION, {"token_hash": token_hash(token)}) if token else None


def former_user(token: str | None, now: datetime) -> int | None:
    """Return the id of the user whose session expired under that token; None for a living or unknown one."""
    found = _session_of(token)
    if found is None or not within(found.seen_at, REMEMBERED, now):
        return None
    return None if is_living(found, now) else found.user_id


def is_reauthenticated(found: SignInSession, now: datetime) -> bool:
    """Tell if the user of a session proved who they are within the last 15 minutes."""
    proved = found.reauthenticated_at
    return proved is not None and within(proved, REAUTHENTICATED, now)


def mark_reauthenticated(token: str | None, now: datetime) -> str:
    """Note that the user of this session has just proved who they are. Return its new token."""
    successor = _TOKEN_PREFIX + secrets.token_urlsafe(32)
    with write() as session:
        former = session.get(SignInSession, token_hash(token or ""))
        if former is not None:
            _succeed(session, former, token_hash(successor), now)
    return successor


def id_token_bound_to(token_hash: str) -> str:
    """Name what a kept ID token is bound to."""
    return f"provider_session:{token_hash}"


def _succeed(session: Session, former: SignInSession, successor: str, now: datetime) -> None:
    """Put another session in the place of `former`, with the session at the provider that is behind it."""
    values = {column.key: getattr(former, column.key) for column in SignInSession.__table__.columns}
    session.add(SignInSession(**values | {"token_hash": successor, "reauthenticated_at": now}))
    session.flush()
    behind = session.get(ProviderSession, former.token_hash)
    if behind is not None:
        behind.id_token = _resealed(behind.id_token, former.token_hash, successor)
        behind.token_hash = successor
        session.flush()
    session.delete(former)


def _resealed(sealed: str, former: str, successor: str) -> str:
    """Return a kept ID token, sealed for another session; "" when it does not open."""
    try:
        clear = vault().open(sealed, id_token_bound_to(former)) if sealed else ""
    except VaultLocked:
        return ""
    return vault().seal(clear, id_token_bound_to(successor)) if clear else ""


def close_session(token: str | None) -> None:
    """Sign out; an unknown token is no error."""
    if token:
        with write() as session:
            session.execute(delete(SignInSession).where(SignInSession.token_hash == token_hash(token)))


def sweep(now: datetime) -> None:
    """End the sessions that have expired, and forget those whose forms nobody will send any more."""
    seen, created = SignInSession.seen_at, SignInSession.created_at
    idle, longest = limits()
    expired = or_(seen <= now - idle, created <= now - longest)
    # One of a clock that was ahead tells nothing that could be relied on.
    forgotten = or_(seen <= now - REMEMBERED, seen >= now + idle, created >= now + longest)
    with write() as session:
        ended = update(SignInSession).where(expired, SignInSession.ended_at.is_(None))
        session.execute(ended.values(ended_at=now))
        session.execute(delete(SignInSession).where(forgotten))


def read_cookie(name: str = SESSION) -> str | None:
    """Return the token of this request, as the browser sent it."""
    return request.cookies.get(named_cookie(name))


def set_cookie(response: Response, token: str, name: str = SESSION) -> None:
    """Set the cookie, until the browser is closed."""
    response.set_cookie(
        named_cookie(name),
        token,
        path=cookie_path(),
        secure=request.is_secure,
        httponly=True,
        samesite="Lax",
    )


def clear_cookie(response: Response, name: str = SESSION) -> None:
    """Delete the cookie."""
    response.delete_cookie(
        named_cookie(name), path=cookie_path(), secure=request.is_secure, httponly=True, samesite="Lax"
    )


def cookie_path() -> str:
    """Return the path of our cookies: other applications of the host do not get them, nor replace them."""
    return request.script_root or "/"


def named_cookie(name: str) -> str:
    """Return the name of a cookie: over https one that neither a sister host nor plain http can set.

    Browsers drop such a cookie on plain http to a LAN address, which would end in a silent sign-in loop,
    and teams do evaluate that way: so there the name is plain and the cookie not Secure. Only the name of
    the request's own scheme is read; a plain cookie never counts over https. `__Host-` allows no path but
    `/`, so that below a prefix the name is `__Secure-`, which plain http cannot set.
    """
    if not request.is_secure:
        return name
    return f"__Secure-{name}" if request.script_root else f"__Host-{name}"


def is_living(found: SignInSession, now: datetime) -> bool:
    """Tell if a session has not ended: neither by its user, nor by its limits."""
    idle, longest = limits()
    in_time = within(found.seen_at, idle, now) and within(found.created_at, longest, now)
    return found.ended_at is None and in_time


def _touch(hashed: str, now: datetime, within_seconds: float | None) -> None:
    """Write when the session was used last. Without this limit pages would wait for a sync's commits."""
    try:
        with write(within_seconds=within_seconds) as session:
            session.execute(
                update(SignInSession).where(SignInSession.token_hash == hashed).values(seen_at=now)
            )
    except OperationalError:
        # A full disk or a busy database must not take the reading pages away as well.
        if within_seconds is not None:
            return
        log.warning("The time of a session's last use could not be written.")


def token_hash(token: str) -> str:
    """Return the SHA-256 under which the session of a token is stored."""
    return hashlib.sha256(token.encode()).hexdigest()
