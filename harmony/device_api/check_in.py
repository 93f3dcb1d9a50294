"""Take the reports of Protect apps, those that arrive together in one write.

A report that says what the last one said only moves the time of the last contact; statements go straight to
the driver, because thousands of devices do this every few minutes (docs/performance.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from harmony.apps.inventory import SeenApp, take_inventory
from harmony.db import bulk, db, release, write
from harmony.device_api.errors import ApiError
from harmony.device_api.partial import APPS, FINDINGS, in_words
from harmony.device_api.report import CheckInReport, compare
from harmony.models import DeviceStatus, Registration, Risk, Severity, Verb
from harmony.protection.catalogue import ANDROID, is_about_app
from harmony.protection.change import Change, DeviceState, EventLine, NewFinding, ProtectionStatus
from harmony.protection.evaluate import DEVICE_SILENT, Rules
from harmony.protection.policy import in_force
from harmony.protection.record import (
    LONGEST_DETAIL,
    load_states,
    record_changes,
    record_contacts,
    record_events,
)
from harmony.protection.reevaluate import load_rules, reevaluate

_SELECT_REGISTRATIONS = """
SELECT r.key_hash, r.id, r.device_id, d.integration_id, r.profile, r.platform, r.report_digest, r.clock_skew,
  r.os_version, r.client_version, r.unread, d.deleted_at IS NOT NULL, p.status, p.risk, EXISTS (
    SELECT 1 FROM finding f WHERE f.device_id = r.device_id AND f.profile = '' AND f.code = 'DEVICE_SILENT'
    AND f.closed_at IS NULL)
FROM registration r JOIN device d ON d.id = r.device_id JOIN protection p ON p.device_id = r.device_id
WHERE r.ended_at IS NULL AND {}
"""
_UPDATE_CONTACT = "UPDATE registration SET last_contact_at = ?, clock_skew = ? WHERE id = ?"
_UPDATE_REPORT = (
    "UPDATE registration SET report_digest = ?, os_version = ?, client_version = ?, unread = ? WHERE id = ?"
)

Answer = ProtectionStatus | ApiError


class _RegisteredApp(NamedTuple):
    """The stored registration of a key, and its device; `silent` while that is a finding of the device."""

    id: int
    device_id: int
    integration_id: int
    profile: str
    platform: str
    digest: str
    skew: int | None
    os_version: str
    client_version: str
    unread: str
    deleted: bool
    status: str
    risk: int
    silent: bool

    @property
    def protection_status(self) -> ProtectionStatus:
        """Return status and risk of the device."""
        return ProtectionStatus(DeviceStatus(self.status), Risk(self.risk))


class _Received(NamedTuple):
    """A report, its place among those of the write, its registration as stored, and its digest."""

    place: int
    report: CheckInReport
    app: _RegisteredApp
    digest: str

    @property
    def is_news(self) -> bool:
        """Return True if it says something new, or its device was not Active."""
        return self.digest != self.app.digest or self.app.silent or self.app.status != DeviceStatus.ACTIVE

    @property
    def is_other_version(self) -> bool:
        """Return True if the OS or the client was updated."""
        report, app = self.report, self.app
        os_differs = report.os_version not in {"", app.os_version}
        return os_differs or report.client_version not in {"", app.client_version}

    def registration(self) -> _RegisteredApp:
        """Return the registration with what the report says; versions that it does not name stay."""
        return self.app._replace(
            digest=self.digest,
            os_version=self.report.os_version or self.app.os_version,
            client_version=self.report.client_version or self.app.client_version,
            unread=in_words(self.report.omissions)[:LONGEST_DETAIL],
        )


def is_known(key_hash: str) -> bool:
    """Return True for the key of a registration that has not ended."""
    live = select(Registration.id).where(Registration.key_hash == key_hash, Registration.ended_at.is_(None))
    found = db.session.scalar(live) is not None
    release()
    return found


def take(reports: Sequence[CheckInReport]) -> list[Answer]:
    """Write all of them in one transaction; return status and risk of each device, or why it was refused."""
    answers: dict[int, Answer] = {}
    waiting = dict(enumerate(reports))
    with write() as session:
        while waiting:
            answers |= _take_batch(session, waiting)
    return [answers[place] for place in range(len(reports))]


def _take_batch(session: Session, waiting: dict[int, CheckInReport]) -> dict[int, Answer]:
    """Take the first report of each device out of `waiting`; a second one builds on what the first wrote."""
    apps = _load_apps(session, [report.key_hash for report in waiting.values()])
    answers: dict[int, Answer] = {}
    batch: dict[int, _Received] = {}
    for place, report in list(waiting.items()):
        app = apps.get(report.key_hash)
        if app is None or app.deleted:
            answers[place] = ApiError("key_unknown" if app is None else "device_deleted")
        elif app.device_id not in batch:
            batch[app.device_id] = _Received(place, report, app, report.digest(app.digest))
        else:
            continue
        del waiting[place]
    statuses = _write(session, list(batch.values()))
    return answers | {received.place: statuses[device_id] for device_id, received in batch.items()}


def _load_apps(session: Session, hashes: Sequence[str]) -> dict[str, _RegisteredApp]:
    sql = _SELECT_REGISTRATIONS.format(bulk.in_list("r.key_hash"))
    rows = bulk.fetch_all(session, sql, (bulk.list_param(hashes),))
    return {key: _RegisteredApp(*registration) for key, *registration in rows}


def _write(session: Session, batch: Sequence[_Received]) -> dict[int, ProtectionStatus]:
    """Write the reports, at most one of each device; return the status of each device then."""
    statuses = {received.app.device_id: received.app.protection_status for received in batch}
    news = [received for received in batch if received.is_news]
    if news:
        _take_apps(session, news)
        statuses |= _record_findings(session, news)
        _update_registrations(session, news)
    _record_contacts(session, batch)
    # At once instead of at the next sweep, and not by a silence that ends here.
    updated = [received for received in news if received.is_other_version]
    if updated:
        device_ids = [received.app.device_id for received in updated]
        statuses |= reevaluate(session, device_ids, in_force(session)[1], _newest(updated))
    return statuses


def _take_apps(session: Session, news: Iterable[_Received]) -> None:
    for _place, report, app, _digest in news:
        if report.apps is not None and app.platform == ANDROID:
            apps = [SeenApp(*seen) for seen in report.apps]
            whole = report.is_whole(APPS)
            take_inventory(
                session, app.device_id, app.integration_id, app.platform, app.profile, apps, report.at,
                whole=whole,
            )  # fmt: skip


def _record_findings(session: Session, news: Sequence[_Received]) -> dict[int, ProtectionStatus]:
    states = load_states(session, [received.app.device_id for received in news])
    threats = [threat for received in news for threat in received.report.threats]
    apps = {threat.subject for threat in threats if threat.subject and is_about_app(threat.code)}
    rules = load_rules(session, in_force(session)[1], apps, now=_newest(news))
    changes = [_change(states[received.app.device_id], received, rules) for received in news]
    return record_changes(session, changes, _newest(news))


def _change(state: DeviceState, received: _Received, rules: Rules) -> Change:
    """Open and close what the report says, whatever the one before said; end the silence."""
    app, report = received.app, received.report
    new, ended = compare(state.findings, app.profile, report.threats, whole=report.is_whole(FINDINGS))
    ended += [finding for finding in state.findings if finding.code == DEVICE_SILENT]
    return Change(
        state,
        [NewFinding(app.profile, *threat, rules.risk(app.platform, *threat)) for threat in new],
        {finding.id: finding.subject for finding in ended},
        status=DeviceStatus.ACTIVE,
    )


def _update_registrations(session: Session, news: Sequence[_Received]) -> None:
    """Store what the reports say, and an event where something else than before could not be read."""
    registrations = [received.registration() for received in news]
    rows = [(app.digest, app.os_version, app.client_version, app.unread, app.id) for app in registrations]
    bulk.execute_many(session, _UPDATE_REPORT, rows)
    lines = [
        EventLine(
            received.report.at,
            Verb.UNREAD,
            Severity.WARNING,
            app.device_id,
            app.integration_id,
            detail=app.unread,
        )
        for received, app in zip(news, registrations, strict=True)
        if app.unread not in {"", received.app.unread}
    ]
    record_events(session, lines)


def _record_contacts(session: Session, batch: Sequence[_Received]) -> None:
    encode = bulk.time_encoder()
    rows = [(encode(report.at), report.skew(app.skew), app.id) for _place, report, app, _digest in batch]
    bulk.execute_many(session, _UPDATE_CONTACT, rows)
    record_contacts(session, [(app.device_id, report.at) for _place, report, app, _digest in batch])


def _newest(batch: Iterable[_Received]) -> datetime:
    return max(received.report.at for received in batch)
