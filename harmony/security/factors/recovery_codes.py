"""Recovery codes: ten that each stand in for a second factor once, shown when they are made."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from harmony.db import changed, db
from harmony.models import RecoveryCode
from harmony.security.code_letters import ALPHABET, letters_meant

_COUNT = 10
# 24 letters are 120 bits, so that a plain hash is enough (ASVS 6.5.2).
_GROUPS, _GROUP_SIZE = 4, 6


def renew(session: Session, user_id: int) -> list[str]:
    """Replace the codes of a user. Return the new ones, which are stored as hashes. Inside `write()` only."""
    codes = [_new_code() for _ in range(_COUNT)]
    session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
    session.add_all(RecoveryCode(code_hash=_hash(code), user_id=user_id) for code in codes)
    return codes


def accept(session: Session, user_id: int, code: str, now: datetime) -> bool:
    """Use up a code of the user. Inside `write()` only."""
    is_unused = (
        RecoveryCode.code_hash == _hash(code),
        RecoveryCode.user_id == user_id,
        RecoveryCode.used_at.is_(None),
    )
    return changed(session, update(RecoveryCode).where(*is_unused).values(used_at=now)) == 1


def left(user_id: int) -> int:
    """Count the codes that the user has not used."""
    unused = select(func.count()).where(RecoveryCode.user_id == user_id, RecoveryCode.used_at.is_(None))
    return db.session.scalar(unused) or 0


def remove(session: Session, user_id: int) -> None:
    """Forget the codes of a user. Inside `write()` only."""
    session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))


def _new_code() -> str:
    groups = ("".join(secrets.choice(ALPHABET) for _ in range(_GROUP_SIZE)) for _ in range(_GROUPS))
    return "-".join(groups)


def _hash(code: str) -> str:
    return hashlib.sha256(letters_meant(code).encode()).hexdigest()
