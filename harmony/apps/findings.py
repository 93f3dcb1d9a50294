"""Bring findings about apps in line with the app exceptions in force: "Blocked app", and all their risks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from harmony.db import bulk
from harmony.models import Action, App
from harmony.protection.catalogue import CATALOGUE, Vector, factor_of
from harmony.protection.change import Change, DeviceState, NewFinding, OpenFinding
from harmony.protection.evaluate import Rules
from harmony.protection.expiry import counts
from harmony.protection.policy import in_force
from harmony.protection.record import load_states, record_changes
from harmony.protection.reevaluate import load_rules
from harmony.protection.risk import platform_of

BLOCKED = factor_of("BLOCKED_APP")
# What Protect reports of apps; the subject of such a finding is the app's identifier.
APP_CODES = tuple(
    factor.code
    for factor in CATALOGUE.values()
    if factor.vector is Vector.APPLICATION and not (factor.fixed or factor.concluded)
)

_SELECT_BLOCKED_APPS = (
    "SELECT i.device_id, a.identifier, max(a.name), e.ends_on FROM installed_app i "
    "JOIN app a ON a.id = i.app_id "
    "JOIN app_exception e ON e.platform = a.platform AND e.identifier = a.identifier "
    "WHERE e.action = ? AND {} GROUP BY i.device_id, a.identifier, e.ends_on"
)


def apply_exceptions(
    session: Session, device_ids: Sequence[int], now: datetime, identifier: str | None = None
) -> int:
    """Bring the app findings of these devices, at most 500, in line with the exceptions in force.

    With `identifier` only those about that app. Inside the caller's `write()`, set-wise; return how many
    devices changed. Doing it again changes nothing.
    """
    session.flush()
    states = load_states(session, device_ids).values()
    blocked = _load_blocked(session, device_ids, now)
    _version, policy = in_force(session)
    subjects = {finding.subject for state in states for finding in state.findings}
    rules = load_rules(session, policy, subjects, now=now)
    ended = {app for state in states for app in _ended(state.findings, blocked[state.device_id])}
    names = _load_names(session, ended)
    changes = [_change(state, blocked[state.device_id], names, rules, identifier) for state in states]
    changes = [change for change in changes if change.opened or change.closed or change.rated]
    return len(record_changes(session, changes, now))


def _load_blocked(
    session: Session, device_ids: Sequence[int], now: datetime
) -> defaultdict[int, dict[str, str]]:
    """Load the blocked apps on these devices, whichever profile has them: names by device and identifier."""
    blocked: defaultdict[int, dict[str, str]] = defaultdict(dict)
    sql = _SELECT_BLOCKED_APPS.format(bulk.in_list("i.device_id"))
    for device_id, app, name, ends_on in bulk.fetch_all(
        session, sql, (Action.BLOCK.value, bulk.list_param(device_ids))
    ):
        if counts(bulk.decode_date(ends_on), now):
            blocked[device_id][app] = name
    return blocked


def _ended(findings: Iterable[OpenFinding], blocked: Mapping[str, str]) -> dict[str, int]:
    """Return the "Blocked app" findings of apps that are not blocked or not there any more, ids by app."""
    open_apps = {finding.subject: finding.id for finding in findings if finding.code == BLOCKED.code}
    return {app: id_ for app, id_ in open_apps.items() if app not in blocked}


def _load_names(session: Session, identifiers: Collection[str]) -> dict[str, str]:
    """Load the names of apps that may be on none of the devices any more."""
    if not identifiers:
        return {}
    named = select(App.identifier, func.max(App.name)).where(App.identifier.in_(identifiers))
    return {app: name for app, name in session.execute(named.group_by(App.identifier))}


def _change(
    state: DeviceState, blocked: Mapping[str, str], names: Mapping[str, str], rules: Rules,
    identifier: str | None,
) -> Change:  # fmt: skip
    """Open and close "Blocked app" findings of the device, and rate what Protect reports of its apps."""
    about = [finding for finding in state.findings if identifier in {None, finding.subject}]
    open_apps = {finding.subject for finding in about if finding.code == BLOCKED.code}
    apps = sorted(app for app in blocked.keys() - open_apps if identifier in {None, app})
    system = platform_of(state.platform)
    return Change(
        state,
        [NewFinding("", BLOCKED.code, app, int(BLOCKED.risk), titled(blocked[app], app)) for app in apps],
        {id_: titled(names.get(app, ""), app) for app, id_ in _ended(about, blocked).items()},
        {
            finding.id: risk
            for finding in about
            if finding.code in APP_CODES
            and (risk := rules.risk(system, finding.code, finding.subject)) != finding.risk
        },
    )


def titled(name: str, identifier: str) -> str:
    """Name an app as events do.

    >>> titled("Maps", "com.example.maps"), titled("", "com.example.maps")
    ('Maps (com.example.maps)', 'com.example.maps')
    """
    return f"{name} ({identifier})" if name and name != identifier else identifier
