"""Actions that are sent twice: with an `Idempotency-Key` the first answer is stored and given again."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, update

from harmony.api.problems import ApiProblem, Complaint
from harmony.clock import within
from harmony.db import write
from harmony.models import ApiAnswer
from harmony.models.api_key import ANSWERS_KEPT

# Printable ASCII, as a header has it.
_KEY = re.compile(r"[!-~]{1,128}", re.ASCII)
# An action takes less than a second: what is under way for longer has died, and is done again.
_UNDER_WAY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class SentAction:
    """An action as it was sent: by which API key, under which `Idempotency-Key`, and what was asked."""

    api_key_id: int
    key: str
    digest: str


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """An answer; `is_replayed` when it is that of an earlier request."""

    status: int
    body: bytes
    is_replayed: bool = False


def sent(api_key_id: int, key: str | None, *parts: bytes) -> SentAction | None:
    """Return what stands for a request; None without an `Idempotency-Key`. Raises ApiProblem."""
    if key is None:
        return None
    if not _KEY.fullmatch(key):
        said = Complaint("Idempotency-Key", "1 to 128 characters of ASCII that can be seen.")
        raise ApiProblem("parameter", complaints=[said])
    digest = hashlib.sha256(b"\n".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()
    return SentAction(api_key_id, key, digest)


def answer(action: SentAction | None, act: Callable[[], StoredAnswer], now: datetime) -> StoredAnswer:
    """Return the stored answer to an action, or carry it out and store its answer. Raises ApiProblem.

    What fails by an error of ours is not stored: it may be sent again.
    """
    if action is None:
        return act()
    if stored := _begin(action, now):
        return stored
    try:
        answered = act()
    except Exception:
        _forget(action)
        raise
    _store(action, answered)
    return answered


def _begin(action: SentAction, now: datetime) -> StoredAnswer | None:
    """Return the answer that is there, or note that the action is under way."""
    with write() as session:
        found = session.get(ApiAnswer, (action.api_key_id, action.key))
        if found is not None and within(found.at, ANSWERS_KEPT, now):
            if found.request_digest != action.digest:
                raise ApiProblem("key_reused")
            if found.status is not None:
                return StoredAnswer(found.status, found.body, is_replayed=True)
            if within(found.at, _UNDER_WAY, now):
                raise ApiProblem("in_progress", retry_after=1)
        if found is not None:
            session.delete(found)
            session.flush()
        session.add(
            ApiAnswer(
                api_key_id=action.api_key_id, idempotency_key=action.key, request_digest=action.digest, at=now
            )
        )
    return None


def _store(action: SentAction, answered: StoredAnswer) -> None:
    values = {"status": answered.status, "body": answered.body}
    with write() as session:
        session.execute(update(ApiAnswer).where(*_its_row(action)).values(values))


def _forget(action: SentAction) -> None:
    with write() as session:
        session.execute(delete(ApiAnswer).where(*_its_row(action)))


def _its_row(action: SentAction) -> tuple[ColumnElement[bool], ...]:
    return ApiAnswer.api_key_id == action.api_key_id, ApiAnswer.idempotency_key == action.key
