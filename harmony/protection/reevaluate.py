"""Reevaluate devices: load what is stored of them, evaluate it, record what differs.

Set-wise and inside the caller's `write()`; what is right already is not written again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy.orm import Session

from harmony.db import bulk
from harmony.db.bulk import in_list, list_param, time_encoder
from harmony.models import Action, DeviceStatus, PolicyRecord
from harmony.protection.change import Change, DeviceState, NewFinding, OpenFinding, ProtectionStatus
from harmony.protection.evaluate import (
    Evaluation,
    ProtectionFacts,
    Rules,
    bounds,
    evaluate,
    no_contact,
    reason,
)
from harmony.protection.expiry import counts, ended, without
from harmony.protection.outage_grace import may_judge_silence
from harmony.protection.record import open_findings, record_changes

# Devices in one write, so that no commit lasts longer than 100 ms.
BATCH = 500

_SELECT_REGISTERED = (
    "SELECT p.device_id, p.integration_id, p.last_contact_at, p.status, p.risk, d.platform, d.os_version "
    "FROM protection p JOIN device d ON d.id = p.device_id WHERE {}"
)
_SELECT_PROTECTORS = (
    "SELECT device_id, platform, os_version, client_version FROM registration WHERE ended_at IS NULL AND {}"
)
_SELECT_EXCEPTIONS = "SELECT platform, identifier, action, ends_on FROM app_exception"


def reevaluate(
    session: Session, device_ids: Sequence[int], policy: PolicyRecord, now: datetime
) -> dict[int, ProtectionStatus]:
    """Bring these devices, BATCH at most, in line with the policy; return the status of the changed ones."""
    rules = load_rules(session, policy, now=now)
    evaluate_once = cache(lambda facts: evaluate(facts, rules))
    changes = [
        _change(device_id, integration_id, findings, facts, evaluation, policy)
        for device_id, integration_id, findings, facts in load_facts(session, device_ids, policy, now)
        if (evaluation := evaluate_once(facts)).differs(facts)
    ]
    return record_changes(session, changes, now)


def load_rules(
    session: Session, policy: PolicyRecord, identifiers: Collection[str] | None = None, *, now: datetime
) -> Rules:
    """Load what counts at `now`: the policy, and the exceptions of all apps or of some."""
    rows: Sequence[Any] = ()
    if identifiers is None:
        rows = bulk.fetch_all(session, _SELECT_EXCEPTIONS)
    elif identifiers:
        apps = list_param(sorted(identifiers))
        rows = bulk.fetch_all(session, f"{_SELECT_EXCEPTIONS} WHERE {in_list('identifier')}", (apps,))
    exceptions = {
        (platform, app): Action(action)
        for platform, app, action, ends_on in rows
        if counts(bulk.decode_date(ends_on), now)
    }
    return Rules(without(policy, ended(policy, now)), exceptions)


def load_facts(
    session: Session, device_ids: Sequence[int], policy: PolicyRecord, now: datetime
) -> Iterator[tuple[int, int, Sequence[OpenFinding], ProtectionFacts]]:
    """Load those of the devices that ever registered: id, integration, open findings, facts."""
    devices = (list_param(device_ids),)
    protectors: defaultdict[int, list[Any]] = defaultdict(list)
    for device_id, *protector in bulk.fetch_all(
        session, _SELECT_PROTECTORS.format(in_list("device_id")), devices
    ):
        protectors[device_id].append(tuple(protector))
    findings = open_findings(session, device_ids)
    judged = may_judge_silence(session, now)
    # Compared as the driver gives them: a hundred thousand times need not be parsed.
    silent, inactive = map(time_encoder(), bounds(policy, now))
    for device_id, integration_id, contact, status, risk, platform, os_version in bulk.fetch_all(
        session, _SELECT_REGISTERED.format(in_list("p.device_id")), devices
    ):
        late = _late(contact, silent, inactive, judged=judged)
        found = findings.get(device_id, ())
        facts = ProtectionFacts(
            status, risk, *late, platform, os_version, tuple(protectors[device_id]),
            tuple(finding[1:] for finding in found),
        )  # fmt: skip
        yield device_id, integration_id, found, facts


def _late(contact: Any, silent: Any, inactive: Any, *, judged: bool) -> tuple[bool | None, bool | None]:
    if not judged or contact is None:
        return None, None
    return silent is not None and contact < silent, contact < inactive


def _change(  # noqa: PLR0917 - what was loaded, and what follows from it
    device_id: int, integration_id: int, findings: Sequence[OpenFinding], facts: ProtectionFacts,
    evaluation: Evaluation, policy: PolicyRecord,
) -> Change:  # fmt: skip
    state = DeviceState(device_id, integration_id, facts.platform, facts.status, facts.risk, findings)
    status = DeviceStatus(evaluation.status)
    return Change(
        state,
        [NewFinding("", code, "", risk, reason(code, facts, policy)) for code, risk in evaluation.opened],
        {findings[place].id: "" for place in evaluation.closed},
        {findings[place].id: risk for place, risk in evaluation.rated},
        status,
        no_contact(policy.inactive_days) if status is DeviceStatus.INACTIVE else "",
    )
