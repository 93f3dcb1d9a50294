"""What the app exceptions in force make of devices: "Blocked app" findings, and the risk of app findings."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from harmony.db import bulk
from harmony.jobs import lease
from harmony.jobs.kinds import JobKind
from harmony.models import Action, App, AppException, DeviceStatus, Severity, Verb
from harmony.protection import events
from harmony.protection.catalogue import CATALOGUE, Vector, factor_of
from harmony.protection.events import Line
from harmony.protection.policy import in_force
from harmony.protection.record import TAG_WITHIN
from harmony.protection.risk import finding_risk, platform_of, severity

BLOCKED = factor_of("BLOCKED_APP")
# What Protect reports of apps; the subject of such a finding is the app's identifier.
APP_CODES = tuple(
    factor.code
    for factor in CATALOGUE.values()
    if factor.vector is Vector.APPLICATION and not (factor.fixed or factor.concluded)
)

PLACES = "SELECT id, integration_id, platform FROM device WHERE {these}"
WANTED = (
    "SELECT i.device_id, a.identifier, max(a.name) FROM installed_app i JOIN app a ON a.id = i.app_id "
    "JOIN app_exception e ON e.platform = a.platform AND e.identifier = a.identifier "
    "WHERE e.action = ? AND {these}{about} GROUP BY i.device_id, a.identifier"
)
_ABOUT = " AND subject = ?"
FOUND = "SELECT device_id, subject, id FROM finding WHERE code = ? AND closed_at IS NULL AND {these}{about}"
_REPORTED = (
    "SELECT id, device_id, code, subject, risk FROM finding "
    "WHERE {these} AND closed_at IS NULL AND {codes}{about}"
)
OPEN = "INSERT INTO finding (device_id, profile, code, subject, risk, opened_at) VALUES (?, ?, ?, ?, ?, ?)"
CLOSE = "UPDATE finding SET closed_at = ? WHERE id = ?"
RATE = "UPDATE finding SET risk = ? WHERE id = ?"
_HIGHEST = "SELECT device_id, max(risk) FROM finding WHERE closed_at IS NULL AND {these} GROUP BY device_id"
KEEP = (
    "INSERT INTO protection (device_id, integration_id, status, risk, changed_at) VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT (device_id) DO UPDATE SET risk = excluded.risk, changed_at = excluded.changed_at"
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
    sql = PLACES.format(these=bulk.in_list("id"))
    rows = bulk.fetch_all(session, sql, (bulk.list_param(device_ids),))
    return {id_: _Place(owner, platform_of(text)) for id_, owner, text in rows}


def _block(session: Session, places: Mapping[int, _Place], now: datetime, identifier: str | None) -> set[int]:
    """Open a finding for each blocked app on each device, and close those that no longer hold."""
    wanted = _wanted(session, places, identifier)
    sql = FOUND.format(these=bulk.in_list("device_id"), about="" if identifier is None else _ABOUT)
    rows = bulk.fetch_all(session, sql, (BLOCKED.code, bulk.list_param([*places]), *_asked(identifier)))
    found = {(device, subject): id_ for device, subject, id_ in rows}
    opened, closed = wanted.keys() - found.keys(), found.keys() - wanted.keys()
    moment = bulk.encode_time(now)
    fresh = [(id_, "", BLOCKED.code, app, int(BLOCKED.risk), moment) for id_, app in sorted(opened)]
    bulk.execute_many(session, OPEN, fresh)
    bulk.execute_many(session, CLOSE, [(moment, found[one]) for one in closed])
    told = [_event(one, places, titled(wanted[one], one[1]), now, Verb.DETECTED) for one in sorted(opened)]
    names = _names(session, {app for _, app in closed})
    told += [
        _event(one, places, titled(names.get(one[1], ""), one[1]), now, Verb.ENDED) for one in sorted(closed)
    ]
    events.note_many(session, told)
    return {device for device, _ in opened | closed}


def _wanted(
    session: Session, places: Mapping[int, _Place], identifier: str | None
) -> dict[tuple[int, str], str]:
    """The blocked apps on these devices, whichever profile has them, with their names."""
    about = "" if identifier is None else " AND a.identifier = ?"
    sql = WANTED.format(these=bulk.in_list("i.device_id"), about=about)
    rows = bulk.fetch_all(session, sql, (Action.BLOCK.value, bulk.list_param([*places]), *_asked(identifier)))
    return {(device, app): name for device, app, name in rows}


def _names(session: Session, identifiers: Collection[str]) -> dict[str, str]:
    """What apps are called that may be on none of these devices any more."""
    if not identifiers:
        return {}
    named = select(App.identifier, func.max(App.name)).where(App.identifier.in_(identifiers))
    return {app: name for app, name in session.execute(named.group_by(App.identifier))}


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
    sql = _REPORTED.format(
        these=bulk.in_list("device_id"),
        codes=bulk.in_list("code"),
        about="" if identifier is None else _ABOUT,
    )
    among = (bulk.list_param([*places]), bulk.list_param(APP_CODES))
    found = bulk.fetch_all(session, sql, (*among, *_asked(identifier)))
    if not found:
        return set()
    actions = _actions_on(session, {subject for *_, subject, _ in found})
    risks = in_force(session)[1].risks
    moved = [
        (int(risk), id_, device)
        for id_, device, code, subject, before in found
        if (risk := finding_risk(code, actions.get((places[device].platform, subject)), risks)) != before
    ]
    bulk.execute_many(session, RATE, [(risk, id_) for risk, id_, _ in moved])
    return {device for *_, device in moved}


def _actions_on(session: Session, identifiers: Collection[str]) -> dict[tuple[str, str], Action]:
    """The exceptions in force on these apps, by platform and identifier; a lifted one is not among them."""
    rows = select(AppException.platform, AppException.identifier, AppException.action)
    found = session.execute(rows.where(AppException.identifier.in_(identifiers)))
    return {(platform, app): Action(action) for platform, app, action in found}


def _asked(identifier: str | None) -> tuple[str, ...]:
    return () if identifier is None else (identifier,)


def _protect(session: Session, places: Mapping[int, _Place], now: datetime) -> None:
    """The risk of each device anew; the tags of its integration follow within seconds."""
    sql = _HIGHEST.format(these=bulk.in_list("device_id"))
    risks: dict[int, int] = dict(bulk.fetch_all(session, sql, (bulk.list_param([*places]),)))
    moment, new = bulk.encode_time(now), DeviceStatus.PROVISIONED.value
    rows = [(id_, one.integration_id, new, risks.get(id_, 0), moment) for id_, one in places.items()]
    bulk.execute_many(session, KEEP, rows)
    for integration_id in {place.integration_id for place in places.values()}:
        lease.nudge(session, integration_id, JobKind.TAGGING, now + TAG_WITHIN)
