"""Where the duties of an integration stand, in words for its page and for their own pages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from flask import url_for
from sqlalchemy import select

from harmony.apps import targets
from harmony.apps.quota import Share
from harmony.clock import now
from harmony.config import current_settings
from harmony.db import db
from harmony.jobs import server_waits
from harmony.jobs.lease import FIRST_SYNC
from harmony.models import Duty, DutyName, DutyRun, Integration, IntegrationState, SyncRunState
from harmony.web.shared.layout import Banner


@dataclass(frozen=True, slots=True)
class Words:
    """How a duty is called, what starts it, and what the numbers of its runs mean.

    `done` are the counts that make up its progress, in `unit`.
    """

    title: str
    ask: str
    about: str
    counts: dict[str, str]
    done: tuple[str, ...]
    unit: str


WORDS = {
    DutyName.APPS: Words(
        "App sync",
        "Sync apps now",
        "Reads the apps of iOS devices that were in contact since theirs were last read. "
        "Android devices send theirs with the check-in.",
        {
            "read": "Read",
            "changed": "Changed",
            "skipped": "Skipped",
            "incomplete": "Incomplete",
            "waiting": "Waiting",
        },
        ("read", "skipped"),
        "devices",
    ),
    DutyName.TAGGING: Words(
        "Tagging",
        "Push tags now",
        "Writes status, risk and threat factors of devices into the UEM as tags.",
        {
            "added": "Put on",
            "removed": "Taken off",
            "waiting": "Waiting",
            "failed": "Declined",
            "dropped": "Unknown to the UEM",
            "repaired": "Repaired",
            "made": "Tags made",
        },
        ("added", "removed"),
        "tags",
    ),
}


@dataclass(frozen=True, slots=True)
class Standing:
    """A duty with its run under way and its last one; `waiting`: somebody asked, no worker has begun yet.

    `first_sync`: it waits for a complete device sync with new Server Details. `server_wait` says until when
    the UEM asked that nothing is started.
    """

    name: DutyName
    words: Words
    duty: Duty | None
    running: DutyRun | None
    last: DutyRun | None
    waiting: bool
    first_sync: bool
    server_wait: str | None

    @property
    def parked_why(self) -> str | None:
        """Why it does not start by itself; with `first_sync` a device sync starts it, else a person."""
        if self.first_sync:
            return FIRST_SYNC
        return self.duty.parked_why if self.duty else None


def standing(integration: Integration, name: DutyName) -> Standing:
    """Where a duty of the integration stands."""
    duty = db.session.get(Duty, (integration.id, name))
    running, last = _newest_run(integration.id, name, running=True), _newest_run(integration.id, name)
    active = integration.state == IntegrationState.ACTIVE
    asked = active and duty is not None and duty.requested_at is not None
    waiting = asked and running is None
    wait = server_waits.why_waiting(integration, now())
    return Standing(name, WORDS[name], duty, running, last, waiting, integration.awaits_sync, wait)


def _newest_run(integration_id: int, name: DutyName, *, running: bool = False) -> DutyRun | None:
    """The run under way, or the last that came to an end."""
    mine = (DutyRun.integration_id == integration_id, DutyRun.duty == name)
    under_way = DutyRun.state == SyncRunState.RUNNING
    rows = select(DutyRun).where(*mine, under_way if running else ~under_way)
    return db.session.scalar(rows.order_by(DutyRun.id.desc()).limit(1))


def share(integration: Integration, now: datetime) -> Share:
    """What reading apps has used of its share of the UEM's daily calls."""
    return targets.share_of(integration.id, current_settings().apps_quota_percent, now)


def parked(integration: Integration) -> Iterator[Banner]:
    """One banner for each duty that waits for a person; that of tagging has a button (tags/_trouble.html)."""
    if integration.awaits_sync:
        words, href = (
            WORDS[DutyName.APPS],
            url_for("duties.index", integration_id=integration.id, name="apps"),
        )
        yield Banner("info", f"{words.title}: {FIRST_SYNC}", href, words.title)
        return
    other = Duty.name != DutyName.TAGGING
    mine = (Duty.integration_id == integration.id, Duty.parked_why.is_not(None), other)
    for duty in db.session.scalars(select(Duty).where(*mine).order_by(Duty.name)):
        words = WORDS[DutyName(duty.name)]
        href = url_for("duties.index", integration_id=integration.id, name=duty.name)
        text = f"{words.title} waits for you: {duty.parked_why} Then choose {words.ask}."
        yield Banner("warning", text, href, words.title)


def why_not(integration: Integration, name: DutyName) -> str:
    """Why it could not be started, and what to do."""
    if integration.awaits_sync:
        return f"{WORDS[name].title} was not started. {FIRST_SYNC}"
    start = f"{WORDS[name].title} was not started:"
    if integration.state == IntegrationState.PAUSED:
        return f"{start} the integration is paused. Resume it first."
    return f"{start} {integration.stopped_reason} Edit Server Details and save them."
