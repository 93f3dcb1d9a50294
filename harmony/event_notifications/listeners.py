"""The listener of an integration as an administrator keeps it: made, given a new password, on and off."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from harmony.audit import audit
from harmony.db import db, write
from harmony.models import EventListener, Integration, UemEvent

# So long the former user and password are accepted after a rotation.
OVERLAP = timedelta(hours=24)
_NOBODY = "0" * 64


@dataclass(frozen=True, slots=True)
class ListenerSecret:
    """A user and password, in clear text only here: they are shown once and stored as a hash."""

    user_name: str
    password: str

    def __repr__(self) -> str:
        """Name neither."""
        return "ListenerSecret()"


def create(integration_id: int, by: str, now: datetime) -> ListenerSecret | None:
    """Give the integration an address and a sign-in. Return the latter; None if it has them already."""
    secret = _new_secret()
    with write() as session:
        if session.get(EventListener, integration_id) is not None:
            return None
        session.add(
            EventListener(
                integration_id=integration_id,
                address=secrets.token_urlsafe(24),
                user_name=secret.user_name,
                secret_hash=_hash(secret.user_name, secret.password),
                since=now,
                rotated_at=now,
            )
        )
        _audit(session, integration_id, by, "Turned event notifications on", now)
    return secret


def rotate(integration_id: int, by: str, now: datetime) -> ListenerSecret | None:
    """Make another user and password and return them; the former ones work for OVERLAP. None: no listener."""
    secret = _new_secret()
    with write() as session:
        listener = session.get(EventListener, integration_id)
        if listener is None:
            return None
        listener.former_hash, listener.former_until = listener.secret_hash, now + OVERLAP
        listener.user_name, listener.rotated_at = secret.user_name, now
        listener.secret_hash = _hash(secret.user_name, secret.password)
        _audit(session, integration_id, by, "Rotated the event password", now)
    return secret


def switch(integration_id: int, on: bool, by: str, now: datetime) -> bool:
    """Turn the listener on or off; return False if it was so. Off, it takes nothing and reads nothing."""
    with write() as session:
        listener = session.get(EventListener, integration_id)
        if listener is None or listener.is_on == on:
            return False
        listener.is_on, listener.since, listener.missed, listener.missed_at = on, now, 0, None
        if not on:
            waiting = (UemEvent.integration_id == integration_id, UemEvent.due_at.is_not(None))
            session.execute(update(UemEvent).where(*waiting).values(due_at=None))
        what = "Turned event notifications on" if on else "Turned event notifications off"
        _audit(session, integration_id, by, what, now)
        return True


def has_received_events(integration_id: int) -> bool:
    """Tell whether the integration listens to events, and one has arrived."""
    listener = db.session.get(EventListener, integration_id)
    return listener is not None and listener.is_on and listener.received_at is not None


def of_address(address: str) -> EventListener | None:
    """Return the listener with this address, if it is on."""
    found = select(EventListener).where(EventListener.address == address, EventListener.is_on)
    return db.session.scalar(found)


def is_signed(listener: EventListener | None, user_name: str, password: str, now: datetime) -> bool:
    """Tell whether user and password are the listener's; as long for no listener as for a wrong password."""
    given = _hash(user_name, password)
    current = hmac.compare_digest(given, listener.secret_hash if listener else _NOBODY)
    former = hmac.compare_digest(given, (listener.former_hash if listener else None) or _NOBODY)
    until = listener.former_until if listener else None
    return listener is not None and (current or (former and until is not None and now < until))


def _new_secret() -> ListenerSecret:
    return ListenerSecret(f"harmony-{secrets.token_hex(4)}", secrets.token_urlsafe(24))


def _hash(user_name: str, password: str) -> str:
    """Return what is stored: its own randomness makes a slow hash needless."""
    return hashlib.sha256(f"{user_name}\0{password}".encode()).hexdigest()


def _audit(session: Session, integration_id: int, by: str, what: str, now: datetime) -> None:
    audit(session, by, what, now, session.get_one(Integration, integration_id))
