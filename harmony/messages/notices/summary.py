"""The weekly summary: the numbers of the installation, so that silence is not mistaken for health."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from harmony.messages.notices.kinds import NoticeKind
from harmony.messages.notices.subscriptions import Notice
from harmony.models import (
    Device,
    DeviceStatus,
    Event,
    Integration,
    IntegrationState,
    NoticeState,
    Protection,
    Risk,
    Severity,
)


def weekly(session: Session, now: datetime) -> Notice:
    """Return the summary of the last seven days."""
    troubles = _open_troubles(session)
    title = f"Weekly summary: {_verdict(len(troubles))}"
    lines = [*troubles, *_devices(session), *_events(session, now), *_integrations(session)]
    return Notice(NoticeKind.SUMMARY, f"summary:{now:%G-%V}", title, "\n".join(lines), "/")


def _verdict(troubles: int) -> str:
    if not troubles:
        return "all is well"
    return "one trouble is open" if troubles == 1 else f"{troubles} troubles are open"


def _open_troubles(session: Session) -> list[str]:
    titles = select(NoticeState.title).where(NoticeState.title != "", NoticeState.gone_at.is_(None))
    return [f"Open: {title}." for title in session.scalars(titles.order_by(NoticeState.since))]


def _devices(session: Session) -> list[str]:
    live = session.scalar(select(func.count()).select_from(Device).where(Device.deleted_at.is_(None))) or 0
    rows = select(Protection.status, func.count()).group_by(Protection.status)
    counts = {status: count for status, count in session.execute(rows)}
    risky = select(func.count()).select_from(Protection).where(Protection.risk == Risk.HIGH)
    high = session.scalar(risky) or 0
    active, inactive = counts.get(DeviceStatus.ACTIVE, 0), counts.get(DeviceStatus.INACTIVE, 0)
    return [f"Devices: {live:,}; active {active:,}, inactive {inactive:,}; at High risk {high:,}."]


def _events(session: Session, now: datetime) -> list[str]:
    lately = (Event.severity == Severity.CRITICAL, Event.at > now - timedelta(days=7))
    critical = session.scalar(select(func.count()).select_from(Event).where(*lately)) or 0
    return [f"Critical events of the last 7 days: {critical:,}."]


def _integrations(session: Session) -> list[str]:
    states = (IntegrationState.ACTIVE, IntegrationState.PAUSED)
    connected = select(Integration).where(Integration.state.in_(states))
    rows = session.scalars(connected.order_by(Integration.name))
    return [f"{row.name}: {row.state}, {_fresh(row.fresh_as_of)}." for row in rows]


def _fresh(fresh: datetime | None) -> str:
    return f"last read {fresh:%d %b %Y, %H:%M} UTC" if fresh else "never read"
