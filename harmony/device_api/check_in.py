"""Takes the reports of Protect apps, those that arrive together in one write.

A report that says what the last one said only moves the time of the last contact; statements go straight to
the driver, because thousands of devices do this every few minutes (docs/performance.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from harmony.apps.inventory import SeenApp, take_inventory
from harmony.db import bulk, db, release, write
from harmony.device_api.errors import Refused
from harmony.device_api.partial import APPS, FINDINGS, in_words
from harmony.device_api.report import Found, Report, Threat, differing
from harmony.models import (
    Action,
    AppException,
    DeviceStatus,
    PolicyRecord,
    Registration,
    Risk,
    Severity,
    Verb,
)
from harmony.protection import events, policy
from harmony.protection import record as protection_record
from harmony.protection.catalogue import ANDROID, Vector, factor_of
from harmony.protection.record import NewFinding, Standing
from harmony.protection.reevaluate import follow
from harmony.protection.risk import finding_risk

KNOWN = """
SELECT r.key_hash, r.id, r.device_id, d.integration_id, r.profile, r.platform, r.report_digest, r.clock_skew,
  r.os_version, r.client_version, r.unread, d.deleted_at IS NOT NULL, p.status, p.risk, EXISTS (
    SELECT 1 FROM finding f WHERE f.device_id = r.device_id AND f.profile = '' AND f.code = 'DEVICE_SILENT'
    AND f.closed_at IS NULL)
FROM registration r JOIN device d ON d.id = r.device_id JOIN protection p ON p.device_id = r.device_id
WHERE r.ended_at IS NULL AND {}
"""
_HEARD = "UPDATE registration SET last_contact_at = ?, clock_skew = ? WHERE id = ?"
_IN_CONTACT = "UPDATE protection SET last_contact_at = ? WHERE device_id = ?"
KEEP = (
    "UPDATE registration SET report_digest = ?, os_version = ?, client_version = ?, unread = ? WHERE id = ?"
)
SILENT = "DEVICE_SILENT"

Answer = Standing | Refused


class Known(NamedTuple):
    """What the database holds of a key. `silent`: the device was called so and now is heard."""

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


def is_known(key_hash: str) -> bool:
    """Return True for the key of a registration that has not ended."""
    live = select(Registration.id).where(Registration.key_hash == key_hash, Registration.ended_at.is_(None))
    found = db.session.scalar(live) is not None
    release()
    return found


def take(reports: Sequence[Report]) -> list[Answer]:
    """Write all of them in one transaction; for each how its device stands then, or why it was refused."""
    with write() as session:
        known = _known(session, reports)
        answers: list[Answer] = [_one(session, known, one) for one in reports]
        _heard(session, known, reports)
    return answers


def _known(session: Session, reports: Sequence[Report]) -> dict[str, Known]:
    hashes = bulk.list_param([one.key_hash for one in reports])
    rows = bulk.fetch_all(session, KNOWN.format(bulk.in_list("r.key_hash")), (hashes,))
    return {key: Known(*rest) for key, *rest in rows}


def _one(session: Session, known: dict[str, Known], report: Report) -> Answer:
    of = known.get(report.key_hash)
    if of is None or of.deleted:
        return Refused("key_unknown" if of is None else "device_deleted")
    digest = report.digest(of.digest)
    if digest == of.digest and of.status == DeviceStatus.ACTIVE and not of.silent:
        return Standing(DeviceStatus.ACTIVE, Risk(of.risk))
    stands = _whole(session, of, report)
    versions = (report.os_version or of.os_version, report.client_version or of.client_version)
    unread = _note_unread(session, of, report)
    bulk.execute(session, KEEP, (digest, *versions, unread, of.id))
    if versions != (of.os_version, of.client_version):
        stands = _followed(session, of, report)
    # The same device may have a second report in this write.
    known[report.key_hash] = of._replace(
        digest=digest, os_version=versions[0], client_version=versions[1], unread=unread,
        status=stands.status, risk=int(stands.risk), silent=False,
    )  # fmt: skip
    return stands


def _note_unread(session: Session, of: Known, report: Report) -> str:
    """Say in numbers what could not be read, unless the report before lacked the same; return it."""
    unread = in_words(report.omissions)[: events.LONGEST_DETAIL]
    if unread and unread != of.unread:
        events.note(
            session, report.at, Verb.UNREAD, Severity.WARNING, device_id=of.device_id,
            integration_id=of.integration_id, detail=unread,
        )  # fmt: skip
    return unread


def _followed(session: Session, of: Known, report: Report) -> Standing:
    """What the policy makes of other versions than before, at once instead of at the next sweep."""
    # Or it would be judged by the silence that ends here.
    bulk.execute(session, _IN_CONTACT, (bulk.encode_time(report.at), of.device_id))
    _version, record = policy.in_force(session)
    follow(session, [of.device_id], record, report.at)
    return protection_record.standing(session, of.device_id)


def _heard(session: Session, known: dict[str, Known], reports: Sequence[Report]) -> None:
    """Move the last contact of everything that was heard."""
    written = bulk.time_encoder()
    heard = [(one, of) for one in reports if (of := known.get(one.key_hash)) and not of.deleted]
    bulk.execute_many(session, _HEARD, [(written(one.at), one.skew(of.skew), of.id) for one, of in heard])
    bulk.execute_many(session, _IN_CONTACT, [(written(one.at), of.device_id) for one, of in heard])


def _whole(session: Session, of: Known, report: Report) -> Standing:
    """Take everything a report says, whatever the one before said."""
    if report.apps is not None and of.platform == ANDROID:
        apps = [SeenApp(*one) for one in report.apps]
        whole = report.is_whole(APPS)
        take_inventory(
            session, of.device_id, of.integration_id, of.platform, of.profile, apps, report.at, whole=whole
        )
    known = protection_record.open_findings(session, of.device_id)
    found, whole = [Found(*one[:4]) for one in known], report.is_whole(FINDINGS)
    new, ended = differing(found, of.profile, report.threats, whole=whole)
    ended += [one.id for one in known if one.code == SILENT]
    return protection_record.apply(
        session, of.device_id, of.integration_id, report.at,
        opened=_rated(session, of, new) if new else (), closed_ids=ended, status=DeviceStatus.ACTIVE,
    )  # fmt: skip


def _rated(session: Session, of: Known, new: Sequence[Threat]) -> list[NewFinding]:
    """The findings to open, with the risk that policy and app exceptions make of them."""
    _version, record = policy.in_force(session)
    actions = _actions(session, of.platform, new)
    return [NewFinding(of.profile, *one, int(_risk(one, actions, record))) for one in new]


def _risk(threat: Threat, actions: dict[str, Action], record: PolicyRecord) -> Risk:
    action = actions.get(threat.subject) if _is_of_an_app(threat) else None
    return finding_risk(threat.code, action, record.risks, record.silent_risk)


def _is_of_an_app(threat: Threat) -> bool:
    return factor_of(threat.code).vector is Vector.APPLICATION


def _actions(session: Session, platform: str, new: Sequence[Threat]) -> dict[str, Action]:
    subjects = {one.subject for one in new if one.subject and _is_of_an_app(one)}
    if not subjects:
        return {}
    of_apps: Any = select(AppException.identifier, AppException.action).where(
        AppException.platform == platform, AppException.identifier.in_(subjects)
    )
    return {identifier: Action(action) for identifier, action in session.execute(of_apps)}
