"""What the app exceptions in force make of devices: "Blocked app" findings, and the risk of app findings."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, insert, select, update
from sqlalchemy.orm import Session

from harmony.db import table_of
from harmony.models import (
    Action,
    App,
    AppException,
    Device,
    DeviceStatus,
    DutyName,
    Finding,
    InstalledApp,
    Protection,
    Severity,
    Verb,
)
from harmony.protect import events
from harmony.protect.changes import TAG_WITHIN
from harmony.protect.events import Line
from harmony.protect.factors import CATALOGUE, Vector, factor_of
from harmony.protect.policy import in_force
from harmony.protect.risk import finding_risk, platform_of, severity
from harmony.sync import duties

BLOCKED = factor_of("BLOCKED_APP")
# What Protect reports of apps; the subject of such a finding is the app's identifier.
APP_CODES = tuple(
    factor.code
    for factor in CATALOGUE.values()
    if factor.vector is Vector.APPLICATION and not (factor.fixed or factor.concluded)
)


@dataclass(frozen=True, slots=True)
class _Place:
    """A device as far as it matters here: whose it is, and on which platform its apps run."""

    integration_id: int
    platform: str


def settle(session: Session, device_ids: Sequence[int], now: datetime, identifier: str | None = None) -> int:
    """Bring the app findings of these devices, at most 500, in line with the exceptions in force.

    With `identifier` only what concerns that app. Inside the caller's `write()`, set-wise; returns how many
    devices changed. Doing it again changes nothing.
    """
    session.flush()
    places = _places(session, device_ids)
    moved = _block(session, places, now, identifier) | _rate(session, places, identifier)
    if moved:
        _protect(session, {id_: places[id_] for id_ in moved}, now)
        session.expire_all()  # the caller may have read rows that were changed around it
    return len(moved)


def _places(session: Session, device_ids: Sequence[int]) -> dict[int, _Place]:
    rows = select(Device.id, Device.integration_id, Device.platform).where(Device.id.in_(device_ids))
    return {id_: _Place(owner, platform_of(text)) for id_, owner, text in session.execute(rows)}


def _block(session: Session, places: Mapping[int, _Place], now: datetime, identifier: str | None) -> set[int]:
    """Open a finding for each blocked app on each device, and close those that no longer hold."""
    wanted = _wanted(session, places, identifier)
    there = (Finding.code == BLOCKED.code, Finding.closed_at.is_(None), Finding.device_id.in_(places))
    rows = select(Finding.device_id, Finding.subject, Finding.id).where(*there, *_about(identifier))
    found = {(device, subject): id_ for device, subject, id_ in session.execute(rows)}
    opened, closed = wanted.keys() - found.keys(), found.keys() - wanted.keys()
    if opened:
        session.execute(insert(table_of(Finding)), [_finding(*one, now) for one in sorted(opened)])
    if closed:
        over = update(Finding).where(Finding.id.in_([found[one] for one in closed]))
        session.execute(over.values(closed_at=now), execution_options={"synchronize_session": False})
    told = [_event(one, places, titled(wanted[one], one[1]), now, Verb.DETECTED) for one in sorted(opened)]
    told += [_event(one, places, one[1], now, Verb.ENDED) for one in sorted(closed)]
    events.note_many(session, told)
    return {device for device, _ in opened | closed}


def _wanted(
    session: Session, places: Mapping[int, _Place], identifier: str | None
) -> dict[tuple[int, str], str]:
    """The blocked apps on these devices, whichever profile has them, with their names."""
    same = (AppException.platform == App.platform) & (AppException.identifier == App.identifier)
    rows = (
        select(InstalledApp.device_id, App.identifier, func.max(App.name))
        .join(App, App.id == InstalledApp.app_id)
        .join(AppException, same)
        .where(InstalledApp.device_id.in_(places), AppException.action == Action.BLOCK)
        .group_by(InstalledApp.device_id, App.identifier)
    )
    if identifier is not None:
        rows = rows.where(App.identifier == identifier)
    return {(device, app): name for device, app, name in session.execute(rows)}


def _finding(device_id: int, identifier: str, now: datetime) -> dict[str, object]:
    return {
        "device_id": device_id, "profile": "", "code": BLOCKED.code, "subject": identifier,
        "risk": int(BLOCKED.risk), "opened_at": now, "closed_at": None,
    }  # fmt: skip


def _event(
    found: tuple[int, str], places: Mapping[int, _Place], detail: str, now: datetime, verb: Verb
) -> Line:
    device_id, loud = found[0], severity(BLOCKED.risk) if verb is Verb.DETECTED else Severity.INFORMATION
    owner = places[device_id].integration_id
    return Line(now, verb, loud, device_id, owner, BLOCKED.code, BLOCKED.vector.value, detail)


def titled(name: str, identifier: str) -> str:
    """An app as events name it.

    >>> titled("Maps", "com.example.maps"), titled("", "com.example.maps")
    ('Maps (com.example.maps)', 'com.example.maps')
    """
    return f"{name} ({identifier})" if name and name != identifier else identifier


def _rate(session: Session, places: Mapping[int, _Place], identifier: str | None) -> set[int]:
    """Give the findings about apps the risk that policy and exceptions in force make of them."""
    about_apps = (Finding.code.in_(APP_CODES), Finding.closed_at.is_(None), Finding.device_id.in_(places))
    rows = select(Finding.id, Finding.device_id, Finding.code, Finding.subject, Finding.risk)
    found = session.execute(rows.where(*about_apps, *_about(identifier))).all()
    if not found:
        return set()
    actions = actions_on(session, {one.subject for one in found})
    risks = in_force(session)[1].risks
    moved: dict[int, list[int]] = {}
    devices = set()
    for one in found:
        risk = finding_risk(one.code, actions.get((places[one.device_id].platform, one.subject)), risks)
        if risk != one.risk:
            moved.setdefault(int(risk), []).append(one.id)
            devices.add(one.device_id)
    for level, ids in moved.items():
        anew = update(Finding).where(Finding.id.in_(ids)).values(risk=level)
        session.execute(anew, execution_options={"synchronize_session": False})
    return devices


def actions_on(session: Session, identifiers: Collection[str]) -> dict[tuple[str, str], Action]:
    """The exceptions in force on these apps, by platform and identifier; a lifted one is not among them."""
    rows = select(AppException.platform, AppException.identifier, AppException.action)
    found = session.execute(rows.where(AppException.identifier.in_(identifiers)))
    return {(platform, app): Action(action) for platform, app, action in found}


def _about(identifier: str | None) -> tuple[ColumnElement[bool], ...]:
    return () if identifier is None else (Finding.subject == identifier,)


def _protect(session: Session, places: Mapping[int, _Place], now: datetime) -> None:
    """The risk of each device anew; the tags of its integration follow within seconds."""
    still_open = (Finding.device_id.in_(places), Finding.closed_at.is_(None))
    rows = select(Finding.device_id, func.max(Finding.risk)).where(*still_open).group_by(Finding.device_id)
    risks = {device: risk for device, risk in session.execute(rows)}
    have = select(Protection.device_id).where(Protection.device_id.in_(places))
    known = set(session.scalars(have))
    by_risk: dict[int, list[int]] = {}
    for id_ in known:
        by_risk.setdefault(risks.get(id_, 0), []).append(id_)
    for risk, ids in by_risk.items():
        anew = update(Protection).where(Protection.device_id.in_(ids)).values(risk=risk, changed_at=now)
        session.execute(anew, execution_options={"synchronize_session": False})
    fresh = [
        {
            "device_id": id_, "integration_id": places[id_].integration_id, "changed_at": now,
            "status": DeviceStatus.PROVISIONED, "risk": risks.get(id_, 0),
        }
        for id_ in places.keys() - known
    ]  # fmt: skip
    if fresh:
        session.execute(insert(table_of(Protection)), fresh)
    for integration_id in {place.integration_id for place in places.values()}:
        duties.nudge(session, integration_id, DutyName.TAGGING, now + TAG_WITHIN)
