"""Loads what the explanation of a device is made of, and puts its links together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import select

from harmony.config import current_settings
from harmony.db import db
from harmony.models import (
    Action,
    AppDecision,
    AppException,
    Device,
    DeviceStatus,
    Event,
    Finding,
    Integration,
    Policy,
    Protection,
    Registration,
    Verb,
)
from harmony.protection import policy
from harmony.protection.change import OpenFinding
from harmony.protection.evaluate import ProtectionFacts, system_of
from harmony.protection.expiry import counts
from harmony.protection.reevaluate import load_facts, load_rules
from harmony.web.devices.assessment import assessed_risk
from harmony.web.why import finding_chain, protection_chain
from harmony.web.why.absence import absence_link
from harmony.web.why.absence_queries import absence_given
from harmony.web.why.given import AppRuling, ProtectionGiven, SavedVersion
from harmony.web.why.records import ExplainedApp, Explanation
from harmony.web.why.tag_chain import tag_link
from harmony.web.why.tag_queries import tags_given

# The event that says that a status became what it is.
_BECAME = {
    DeviceStatus.ACTIVE: Verb.ACTIVE,
    DeviceStatus.INACTIVE: Verb.INACTIVE,
    DeviceStatus.PROVISIONED: Verb.UNREGISTERED,
}


def explanation(device: Device, integration: Integration, now: datetime) -> Explanation:
    """Explain why the device is as it is at `now`."""
    given = _protection_given(device, now)
    return Explanation(
        device_id=device.id,
        name=device.name,
        integration_id=integration.id,
        integration=integration.name,
        at=now,
        check_ins=protection_chain.check_in_link(given),
        findings=finding_chain.finding_link(given),
        policy=protection_chain.policy_link(given),
        risk=protection_chain.risk_link(given),
        status=protection_chain.status_link(given),
        tags=tag_link(tags_given(device, integration, given.findings)),
        absence=absence_link(absence_given(device, integration, now)),
    )


def _protection_given(device: Device, now: datetime) -> ProtectionGiven:
    session = db.session()
    _version, record = policy.in_force(session)
    loaded = next(load_facts(session, [device.id], record, now), None)
    facts, findings = (loaded[3], loaded[2]) if loaded else (None, ())
    protection = session.get(Protection, device.id)
    newest = session.scalar(select(Policy).order_by(Policy.version.desc()).limit(1))
    return ProtectionGiven(
        apps=_apps(device.id),
        facts=facts,
        findings=findings,
        opened_at=_opened_at(findings),
        rules=load_rules(session, record, {f.subject for f in findings if f.subject}, now=now),
        rulings=_rulings(facts, findings, now),
        versions=_versions(),
        reached=newest is None or newest.rated_at is not None or device.id <= newest.rated_up_to,
        risk=assessed_risk(protection),
        since=_since(device, protection),
        last_contact_at=protection.last_contact_at if protection else None,
        events_kept_days=current_settings().events_kept_days,
    )


def _apps(device_id: int) -> tuple[ExplainedApp, ...]:
    live = (Registration.device_id == device_id, Registration.ended_at.is_(None))
    rows = db.session.scalars(select(Registration).where(*live).order_by(Registration.profile))
    return tuple(
        ExplainedApp(
            profile=row.profile,
            registered_at=row.registered_at,
            last_check_in_at=row.last_contact_at,
            client_version=row.client_version,
            os_version=row.os_version,
            unread=row.unread,
        )
        for row in rows
    )


def _opened_at(findings: Sequence[OpenFinding]) -> Mapping[int, datetime]:
    ids = [finding.id for finding in findings]
    rows = db.session.execute(select(Finding.id, Finding.opened_at).where(Finding.id.in_(ids)))
    return {id_: at for id_, at in rows}


def _rulings(
    facts: ProtectionFacts | None, findings: Sequence[OpenFinding], now: datetime
) -> dict[str, AppRuling]:
    """Load the exceptions in force for the apps that findings are about."""
    apps = {finding.subject for finding in findings if finding.subject}
    if facts is None or not apps:
        return {}
    system = system_of(facts)
    about = (AppException.platform == system, AppException.identifier.in_(apps))
    decided = (AppDecision.platform == system, AppDecision.identifier.in_(apps))
    under_way = set(
        db.session.scalars(select(AppDecision.identifier).where(*decided, AppDecision.done_at.is_(None)))
    )
    return {
        row.identifier: AppRuling(
            Action(row.action), row.by, row.at, row.reason, row.ends_on, row.identifier not in under_way
        )
        for row in db.session.scalars(select(AppException).where(*about))
        if counts(row.ends_on, now)
    }


def _versions() -> tuple[SavedVersion, ...]:
    rows = select(Policy.version, Policy.at, Policy.by).order_by(Policy.version.desc())
    return tuple(SavedVersion(*row) for row in db.session.execute(rows))


def _since(device: Device, protection: Protection | None) -> datetime | None:
    """Return when the newest event of this kind says that the status became what it is."""
    if protection is None or (protection.registered_at is None and not protection.last_contact_at):
        return device.created_at
    became = select(Event.verb, Event.at).where(
        Event.device_id == device.id, Event.verb.in_([verb.value for verb in _BECAME.values()])
    )
    newest = db.session.execute(became.order_by(Event.id.desc()).limit(1)).first()
    wanted = _BECAME[DeviceStatus(protection.status)]
    return newest.at if newest is not None and newest.verb == wanted else None
