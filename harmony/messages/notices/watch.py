"""Looks for what to tell, and tells it: load, decide, write. Any process may look; one of them tells."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.orm import Session

from harmony.db import db, release, write
from harmony.messages.notices import summary
from harmony.messages.notices.kinds import NoticeKind
from harmony.messages.notices.rules import (
    Announced,
    NoticeDecision,
    Trouble,
    TroubleKey,
    decide,
    is_summary_due,
)
from harmony.messages.notices.subscriptions import Notice, announce
from harmony.messages.notices.troubles import troubles
from harmony.models import Event, NoticeState, Severity

_CRITICAL_EVERY = timedelta(minutes=15)


def queue_due_notices(now: datetime) -> None:
    """Queue the notices that are due at `now`; nothing is written while nothing changes."""
    session: Session = db.session()
    present = list(troubles(session, now))
    quiet = decide(present, _announced(session), now) == NoticeDecision()
    quiet = quiet and not _critical_due(session, now) and not _summary_due(session, now)
    release()
    if quiet:
        return
    with write() as session:
        # Another process may have announced it since.
        _write(session, decide(present, _announced(session), now), now)
        _announce_critical(session, now)
        _send_summary(session, now)


def open_troubles(session: Session) -> bool:
    """Tell whether a trouble was announced and is not over."""
    is_open = (NoticeState.title != "", NoticeState.gone_at.is_(None))
    return session.scalar(select(NoticeState.name).where(*is_open).limit(1)) is not None


def _announced(session: Session) -> Mapping[TroubleKey, Announced]:
    rows = session.scalars(select(NoticeState)).all()
    return {
        TroubleKey(NoticeKind(row.name), row.subject): Announced(
            row.reason, row.title, row.since, row.gone_at
        )
        for row in rows
        if row.name not in {NoticeKind.CRITICAL, NoticeKind.SUMMARY}
    }


def _write(session: Session, decision: NoticeDecision, now: datetime) -> None:
    for trouble in decision.new:
        _put(session, trouble, now)
        announce(session, _notice(trouble, now), now)
    for key in decision.over:
        state = session.get_one(NoticeState, tuple(key))
        text = f"It was first reported on {state.since:%d %b %Y, %H:%M} UTC and is over."
        announce(session, Notice(key.kind, _name(key, now), f"Over: {state.title}", text), now)
        session.delete(state)
    for keys, gone_at in ((decision.gone, now), (decision.back, None)):
        for key in keys:
            session.execute(update(NoticeState).where(*_is(key)).values(gone_at=gone_at))


def _put(session: Session, trouble: Trouble, now: datetime) -> None:
    """Note what is announced; a trouble whose reason changed began when it was first announced."""
    kind, subject = trouble.key
    state = session.get(NoticeState, (kind, subject))
    if state is None:
        state = NoticeState(name=kind, subject=subject, since=now)
        session.add(state)
    state.reason, state.title, state.gone_at = trouble.reason, trouble.title, None
    session.flush()


def _notice(trouble: Trouble, now: datetime) -> Notice:
    return Notice(trouble.key.kind, _name(trouble.key, now), trouble.title, trouble.text, trouble.href)


def _name(key: TroubleKey, now: datetime) -> str:
    return f"{key.kind}:{key.subject}:{now.isoformat(timespec='seconds')}"


def _is(key: TroubleKey) -> tuple[ColumnElement[bool], ...]:
    return NoticeState.name == key.kind, NoticeState.subject == key.subject


def _critical_due(session: Session, now: datetime) -> bool:
    """Tell whether critical events stand in the table that nobody was told of; the first look tells none."""
    row = session.get(NoticeState, (NoticeKind.CRITICAL, ""))
    if row is None:
        return True
    if row.since <= now < row.since + _CRITICAL_EVERY:
        return False
    newer = select(Event.id).where(Event.severity == Severity.CRITICAL, Event.id > int(row.reason)).limit(1)
    return session.scalar(newer) is not None


def _announce_critical(session: Session, now: datetime) -> None:
    if not _critical_due(session, now):
        return
    row = session.get(NoticeState, (NoticeKind.CRITICAL, ""))
    newest = session.scalar(select(func.max(Event.id))) or 0
    if row is None:
        session.add(NoticeState(name=NoticeKind.CRITICAL, subject="", reason=str(newest), since=now))
        return
    text = _count_critical(session, int(row.reason), newest)
    row.reason, row.since = str(newest), now
    name, href = _name(TroubleKey(NoticeKind.CRITICAL, ""), now), "/events?severity=critical"
    announce(session, Notice(NoticeKind.CRITICAL, name, "Threats at High risk", text, href), now)


def _count_critical(session: Session, after: int, newest: int) -> str:
    critical = (Event.severity == Severity.CRITICAL, Event.id > after, Event.id <= newest)
    counted = select(func.count(Event.id), func.count(Event.device_id.distinct())).where(*critical)
    events, devices = session.execute(counted).one()
    return f"Critical events: {events:,}; devices: {devices:,}."


def _summary_due(session: Session, now: datetime) -> bool:
    row = session.get(NoticeState, (NoticeKind.SUMMARY, ""))
    return is_summary_due(row.since if row else None, now)


def _send_summary(session: Session, now: datetime) -> None:
    if not _summary_due(session, now):
        return
    row = session.get(NoticeState, (NoticeKind.SUMMARY, ""))
    if row is None:  # the first week has only begun
        session.add(NoticeState(name=NoticeKind.SUMMARY, subject="", reason="", title="", since=now))
        return
    row.since = now
    announce(session, summary.weekly(session, now), now)
