"""Logout on both sides: the address that ends the session at the provider, and its word that it ended one."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import Session

from harmony.audit import audit
from harmony.db import changed, db, write
from harmony.models import ExternalIdentity, ProviderSession, SignInSession, UsedLogoutToken, User
from harmony.oidc.errors import TokenRefused
from harmony.oidc.identity import VerifiedIdentity
from harmony.oidc.provider import Provider
from harmony.oidc.settings import ProviderSettings
from harmony.oidc.tokens import LEEWAY_SECONDS, Expectation, check_logout_token
from harmony.security.sessions import id_token_bound_to
from harmony.security.vault import VaultLocked, vault

# A token is valid for minutes; its id is remembered for longer than any may be used.
REMEMBERED = timedelta(days=1)
_LONGEST_LIFE = REMEMBERED.total_seconds() - 2 * LEEWAY_SECONDS


def link_session(token: str, identity: VerifiedIdentity) -> None:
    """Remember which session at the provider is behind the one of this cookie."""
    token_hash = _hash(token)
    with write() as session:
        session.add(
            ProviderSession(
                token_hash=token_hash,
                issuer=identity.issuer,
                subject=identity.subject,
                sid=identity.session_id,
                id_token=vault().seal(identity.id_token, id_token_bound_to(token_hash)),
            )
        )


def id_token_of(token: str | None) -> str | None:
    """Return the ID token behind the session of this cookie; None for a local one."""
    row = db.session.get(ProviderSession, _hash(token)) if token else None
    if row is None or not row.id_token:
        return None
    try:
        return vault().open(row.id_token, id_token_bound_to(row.token_hash))
    except VaultLocked:
        return None


def end_session_url(provider: Provider, id_token: str, return_to: str) -> str | None:
    """Return the address that signs out at the provider too (RP-Initiated Logout 1.0); None without one.

    Raises SignOnError.
    """
    endpoint = provider.metadata().end_session_endpoint
    if not endpoint:
        return None
    query = {
        "id_token_hint": id_token,
        "client_id": provider.client.client_id,
        "post_logout_redirect_uri": return_to,
    }
    return endpoint + ("&" if "?" in endpoint else "?") + urlencode(query)


def end_sessions(provider: Provider, settings: ProviderSettings, token: str, now: datetime) -> int:
    """End the sessions that a logout token names. Return how many. Raises SignOnError."""
    claims = provider.claims_of(token)
    check_logout_token(claims, Expectation(settings.issuer, settings.client_id), now)
    if claims["exp"] - now.timestamp() > _LONGEST_LIFE:
        raise TokenRefused("The logout token is valid for too long.")
    with write() as session:
        _require_first_use(session, settings.issuer, claims["jti"], now)
        count = _end(session, settings.issuer, claims, now)
        if count:
            audit(session, _who(session, settings.issuer, claims), "Signed out by the provider", now)
    return count


def sweep(now: datetime) -> None:
    """Forget the ids of logout tokens that have expired."""
    used = UsedLogoutToken.used_at
    with write() as session:
        session.execute(
            delete(UsedLogoutToken).where(or_(used <= now - REMEMBERED, used >= now + REMEMBERED))
        )


def end_all(session: Session, identity: VerifiedIdentity, now: datetime) -> None:
    """End every session of a person whom no rule lets in any more. Inside `write()` only."""
    whose = select(ExternalIdentity.user_id).where(
        ExternalIdentity.issuer == identity.issuer, ExternalIdentity.subject == identity.subject
    )
    living = (SignInSession.user_id.in_(whose), SignInSession.ended_at.is_(None))
    session.execute(update(SignInSession).where(*living).values(ended_at=now))


def _require_first_use(session: Session, issuer: str, jti: str, now: datetime) -> None:
    jti_hash = _hash(f"{issuer}\0{jti}")
    if session.get(UsedLogoutToken, jti_hash) is not None:
        raise TokenRefused("The logout token was used already.")
    session.add(UsedLogoutToken(jti_hash=jti_hash, used_at=now))


def _end(session: Session, issuer: str, claims: dict[str, Any], now: datetime) -> int:
    """End the living sessions of the subject, or of the one session that is named."""
    subject, sid = claims.get("sub"), claims.get("sid")
    named = select(ProviderSession.token_hash).where(ProviderSession.issuer == issuer)
    if subject is not None:
        named = named.where(ProviderSession.subject == subject)
    if sid is not None:
        # A session whose ID token named none may be any of that person's.
        named = named.where(ProviderSession.sid.in_([sid] if subject is None else [sid, ""]))
    living = SignInSession.ended_at.is_(None)
    ended = update(SignInSession).where(SignInSession.token_hash.in_(named), living)
    return changed(session, ended.values(ended_at=now))


def _who(session: Session, issuer: str, claims: dict[str, Any]) -> str:
    named = select(User.name).join(ExternalIdentity, ExternalIdentity.user_id == User.id)
    subject = ExternalIdentity.subject == claims.get("sub")
    return session.scalar(named.where(ExternalIdentity.issuer == issuer, subject)) or "provider"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
