"""Time-based one-time codes (RFC 6238): the secret of an authenticator app, and codes that count once."""

from __future__ import annotations

import hmac
from datetime import datetime

import pyotp
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from harmony.db import db
from harmony.models import TotpSecret, UsedTotpStep
from harmony.security.vault import vault

_ISSUER = "Harmony"
_DIGITS = 6
_STEP_SECONDS = 30
# A code counts one step early and one step late: clocks of phones differ, and typing takes time.
_TOLERATED = (-1, 0, 1)
_MOST_REMEMBERED = 1000


def bound_to(user_id: int) -> str:
    """Name what the secrets of a user are bound to."""
    return f"totp of user {user_id}"


def provisioning_uri(secret: str, name: str) -> str:
    """Return what the QR code of a secret says to an authenticator app."""
    return pyotp.TOTP(secret, digits=_DIGITS, interval=_STEP_SECONDS).provisioning_uri(
        name=name, issuer_name=_ISSUER
    )


def step_of(secret: str, code: str, now: datetime) -> int | None:
    """Return the time step whose code this is: the present one or a neighbour; None for a wrong code."""
    current = int(now.timestamp()) // _STEP_SECONDS
    typed, found = "".join(code.split()), None
    for step in (current + offset for offset in _TOLERATED):
        # All of them are compared, so that the time of the answer does not tell which was near.
        if hmac.compare_digest(pyotp.TOTP(secret).generate_otp(step).encode(), typed.encode()):
            found = step
    return found


def is_set_up(user_id: int) -> bool:
    """Tell whether the user has an authenticator app."""
    row = db.session.get(TotpSecret, user_id)
    return row is not None and bool(row.sealed)


def pending_secret(user_id: int) -> str | None:
    """Return the secret that waits for its first code. Raises VaultLocked."""
    row = db.session.get(TotpSecret, user_id)
    return vault().open(row.pending, bound_to(user_id)) if row and row.pending else None


def begin(session: Session, user_id: int) -> None:
    """Make a new secret, which counts once `confirm` gets a code of it. Inside `write()` only."""
    row = session.get(TotpSecret, user_id) or TotpSecret(user_id=user_id, sealed="")
    row.pending = vault().seal(pyotp.random_base32(), bound_to(user_id))
    session.add(row)


def confirm(session: Session, user_id: int, code: str, now: datetime) -> bool:
    """Put the pending secret in force if this is a code of it. Inside `write()` only. Raises VaultLocked."""
    row = session.get(TotpSecret, user_id)
    if row is None or not _use(session, user_id, row.pending, code, now):
        return False
    row.sealed, row.pending, row.confirmed_at = row.pending, "", now
    return True


def accept(session: Session, user_id: int, code: str, now: datetime) -> bool:
    """Use a code of the user's authenticator app. Inside `write()` only. Raises VaultLocked.

    Of two that come at once with codes of one step, one is accepted: writers take turns.
    """
    row = session.get(TotpSecret, user_id)
    return row is not None and _use(session, user_id, row.sealed, code, now)


def remove(session: Session, user_id: int) -> None:
    """Forget the secrets of a user. Used steps stay used. Inside `write()` only."""
    session.execute(delete(TotpSecret).where(TotpSecret.user_id == user_id))


def _use(session: Session, user_id: int, sealed: str, code: str, now: datetime) -> bool:
    """Accept a code and remember its step.

    Steps are remembered one by one: "later than the last" would refuse every code for as long as a clock
    that was ahead had been ahead.
    """
    step = step_of(vault().open(sealed, bound_to(user_id)), code, now) if sealed else None
    if step is None or session.get(UsedTotpStep, (user_id, step)) is not None:
        return False
    session.add(UsedTotpStep(user_id=user_id, step=step))
    session.flush()
    _forget_oldest(session, user_id)
    return True


def _forget_oldest(session: Session, user_id: int) -> None:
    """Keep the newest thousand steps: they reach back far longer than any code is accepted."""
    newest = (
        select(UsedTotpStep.step).where(UsedTotpStep.user_id == user_id).order_by(UsedTotpStep.step.desc())
    )
    oldest_kept = session.scalar(newest.offset(_MOST_REMEMBERED).limit(1))
    if oldest_kept is not None:
        old = (UsedTotpStep.user_id == user_id, UsedTotpStep.step <= oldest_kept)
        session.execute(delete(UsedTotpStep).where(*old))
