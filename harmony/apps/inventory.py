"""Keep the apps of a device: which came and went since its last list, and what that means for its risk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import datetime
from typing import NamedTuple

from sqlalchemy.orm import Session

from harmony.apps.findings import apply_exceptions, titled
from harmony.db import bulk
from harmony.folding import lines, sort_key
from harmony.models import Severity, Verb
from harmony.protection.catalogue import Vector
from harmony.protection.change import EventLine
from harmony.protection.record import record_events

# Lists that are not whole let no app go, and add none beyond so many of a profile.
MOST_KEPT = 2000
LONGEST_IDENTIFIER, LONGEST_VERSION, LONGEST_NAME = 256, 64, 256

_SELECT_INSTALLED_APPS = (
    "SELECT a.id, a.identifier, a.version, a.name FROM installed_app i JOIN app a ON a.id = i.app_id "
    "WHERE i.device_id = ? AND i.profile = ?"
)
_SELECT_APP_IDS = "SELECT id, identifier, version FROM app WHERE platform = ? AND {named}"
_INSERT_APP = (
    "INSERT INTO app (platform, identifier, version, name, name_key, search_text, first_seen_at, installs) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, 0)"
)
_SELECT_APP_READING = "SELECT 1 FROM app_reading WHERE device_id = ? AND listed_at IS NOT NULL"
_SELECT_APPS_OF_OTHER_PROFILES = "SELECT app_id FROM installed_app WHERE device_id = ? AND profile <> ?"
_UPDATE_APP_INSTALLS = "UPDATE app SET installs = installs + ? WHERE id = ?"
_INSERT_INSTALLED_APP = "INSERT INTO installed_app (device_id, profile, app_id) VALUES (?, ?, ?)"
_DELETE_INSTALLED_APP = "DELETE FROM installed_app WHERE device_id = ? AND profile = ? AND app_id = ?"


class SeenApp(NamedTuple):
    """An app as a device or the UEM lists it; `identifier` is its package or bundle id."""

    identifier: str
    version: str
    name: str


def take_inventory(  # noqa: PLR0917 - what the check-in and the app sync both know, in the order they know it
    session: Session, device_id: int, integration_id: int, platform: str, profile: str,
    apps: Sequence[SeenApp], now: datetime, *, whole: bool = True,
) -> bool:  # fmt: skip
    """Store the list of apps of a profile ("" if it comes from the UEM); return True if it had changed.

    Of a list that is not `whole` no app goes that it does not name: it may be one that could not be read.
    Inside the caller's `write()`. Writes the events Installed and Removed, but none for the first list of
    all; opens and closes "Blocked app" findings. A new version of an app that was there is no event.
    """
    session.flush()
    before = _installed(session, device_id, profile)
    listed = _known(session, platform, _distinct(apps), before, now)
    came, went = _moved(before, listed, whole=whole)
    if not (came or went):
        return False
    first = not before and not _was_read(session, device_id, profile)
    _count(session, device_id, profile, came, went)
    _store(session, device_id, profile, came, went)
    if not first:
        after = {id_: app for id_, app in (before | listed).items() if id_ in came | before.keys() - went}
        whose = (Severity.INFORMATION, device_id, integration_id, "", Vector.APPLICATION.value)
        record_events(session, [EventLine(now, verb, *whose, text) for verb, text in _moves(before, after)])
    apply_exceptions(session, [device_id], now)
    return True


def _moved(
    before: Mapping[int, SeenApp], listed: Mapping[int, SeenApp], *, whole: bool
) -> tuple[set[int], set[int]]:
    """Return the apps that came and those that went."""
    came, went = listed.keys() - before.keys(), before.keys() - listed.keys()
    if whole:
        return came, went
    named = {app.identifier for app in listed.values()}
    went = {id_ for id_ in went if before[id_].identifier in named}
    return set(sorted(came)[: max(0, MOST_KEPT - len(before) + len(went))]), went


def forget_inventory(session: Session, device_id: int, profiles: Iterable[str], now: datetime) -> bool:
    """Forget the apps of these profiles, whose Protect app is no more; return False if none were listed.

    Inside the caller's `write()`. No event says Removed: nobody saw them go.
    """
    session.flush()
    known = {profile: _installed(session, device_id, profile).keys() for profile in profiles}
    if not any(known.values()):
        return False
    for profile, went in known.items():
        _count(session, device_id, profile, set(), went)
        _store(session, device_id, profile, set(), went)
    apply_exceptions(session, [device_id], now)
    return True


def _distinct(apps: Iterable[SeenApp]) -> dict[tuple[str, str], SeenApp]:
    """Keep each version of an app once, cut to what is stored; what has no identifier is no app."""
    cut = (
        SeenApp(
            app.identifier.strip()[:LONGEST_IDENTIFIER],
            app.version.strip()[:LONGEST_VERSION],
            app.name.strip()[:LONGEST_NAME],
        )
        for app in apps
    )
    return {(app.identifier, app.version): app for app in cut if app.identifier}


def _installed(session: Session, device_id: int, profile: str) -> dict[int, SeenApp]:
    rows = bulk.fetch_all(session, _SELECT_INSTALLED_APPS, (device_id, profile))
    return {id_: SeenApp(*app) for id_, *app in rows}


def _known(
    session: Session, platform: str, listed: Mapping[tuple[str, str], SeenApp],
    before: Mapping[int, SeenApp], now: datetime,
) -> dict[int, SeenApp]:  # fmt: skip
    """Find the rows of these apps by id, inserted where missing; those it had before need no query."""
    ids = {(app.identifier, app.version): id_ for id_, app in before.items()}
    ids |= _ids(session, platform, listed.keys() - ids.keys())
    if missing := listed.keys() - ids.keys():
        bulk.execute_many(session, _INSERT_APP, [_row(platform, listed[key], now) for key in sorted(missing)])
        ids |= _ids(session, platform, missing)
    return {ids[key]: app for key, app in listed.items()}


def _ids(session: Session, platform: str, keys: Set[tuple[str, str]]) -> dict[tuple[str, str], int]:
    if not keys:
        return {}
    sql = _SELECT_APP_IDS.format(named=bulk.in_list("identifier"))
    rows = bulk.fetch_all(session, sql, (platform, bulk.list_param(sorted({name for name, _ in keys}))))
    return {(identifier, version): id_ for id_, identifier, version in rows}


def _row(platform: str, app: SeenApp, now: datetime) -> tuple[object, ...]:
    name = app.name or app.identifier
    keys = (sort_key(name), lines(name, app.identifier))
    return platform, app.identifier, app.version, name, *keys, bulk.encode_time(now)


def _was_read(session: Session, device_id: int, profile: str) -> bool:
    """Return True if the UEM listed this device before and found no app on it."""
    return profile == "" and bool(bulk.fetch_all(session, _SELECT_APP_READING, (device_id,)))


def _count(session: Session, device_id: int, profile: str, came: Set[int], went: Set[int]) -> None:
    """Update the install base: an app that another profile of the device has too counts once."""
    elsewhere = {
        id_ for (id_,) in bulk.fetch_all(session, _SELECT_APPS_OF_OTHER_PROFILES, (device_id, profile))
    }
    steps = [(1, id_) for id_ in sorted(came - elsewhere)] + [(-1, id_) for id_ in sorted(went - elsewhere)]
    bulk.execute_many(session, _UPDATE_APP_INSTALLS, steps)


def _store(session: Session, device_id: int, profile: str, came: Set[int], went: Set[int]) -> None:
    bulk.execute_many(session, _DELETE_INSTALLED_APP, [(device_id, profile, id_) for id_ in sorted(went)])
    bulk.execute_many(session, _INSERT_INSTALLED_APP, [(device_id, profile, id_) for id_ in sorted(came)])


def _moves(before: Mapping[int, SeenApp], after: Mapping[int, SeenApp]) -> list[tuple[Verb, str]]:
    """Name the apps that came or went, whatever their versions."""
    had = {app.identifier: app.name for app in before.values()}
    has = {app.identifier: app.name for app in after.values()}
    installed = [(Verb.INSTALLED, titled(has[app], app)) for app in sorted(has.keys() - had.keys())]
    return installed + [(Verb.REMOVED, titled(had[app], app)) for app in sorted(had.keys() - has.keys())]
