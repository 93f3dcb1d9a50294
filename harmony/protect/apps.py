"""The apps of a device: what came and what went since its last list, and what that means for its risk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from harmony.db import table_of
from harmony.models import App, AppReading, InstalledApp, Severity, Verb
from harmony.protect import events
from harmony.protect.app_findings import settle, titled
from harmony.protect.events import Line
from harmony.protect.factors import Vector

LONGEST_IDENTIFIER, LONGEST_VERSION, LONGEST_NAME = 256, 64, 256


class SeenApp(NamedTuple):
    """An app as a device or the UEM lists it; `identifier` is its package or bundle id."""

    identifier: str
    version: str
    name: str


def take_inventory(  # noqa: PLR0917 - what the check-in and the app sync both know, in the order they know it
    session: Session, device_id: int, integration_id: int, platform: str, profile: str,
    apps: Sequence[SeenApp], now: datetime,
) -> bool:  # fmt: skip
    """Keep the whole list of a profile of a device ("" when the UEM told it); whether it had changed.

    Inside the caller's `write()`. Writes the events Installed and Removed, but none for the first list of
    all; opens and closes "Blocked app" findings. A new version of an app that was there is no event.
    """
    before = _installed(session, device_id, profile)
    listed = _known(session, platform, _distinct(apps), now)
    came, went = listed.keys() - before.keys(), before.keys() - listed.keys()
    if not (came or went):
        return False
    first = not before and not _was_read(session, device_id, profile)
    _count(session, device_id, profile, came, went)
    _store(session, device_id, profile, came, went)
    if not first:
        whose = (Severity.INFORMATION, device_id, integration_id, "", Vector.APPLICATION.value)
        events.note_many(session, [Line(now, verb, *whose, text) for verb, text in _moves(before, listed)])
    settle(session, [device_id], now)
    return True


def _distinct(apps: Iterable[SeenApp]) -> dict[tuple[str, str], SeenApp]:
    """Each version of an app once, cut to what is stored; what has no identifier is no app."""
    cut = (
        SeenApp(
            one.identifier.strip()[:LONGEST_IDENTIFIER],
            one.version.strip()[:LONGEST_VERSION],
            one.name.strip()[:LONGEST_NAME],
        )
        for one in apps
    )
    return {(one.identifier, one.version): one for one in cut if one.identifier}


def _installed(session: Session, device_id: int, profile: str) -> dict[int, SeenApp]:
    rows = (
        select(App.id, App.identifier, App.version, App.name)
        .join(InstalledApp, InstalledApp.app_id == App.id)
        .where(InstalledApp.device_id == device_id, InstalledApp.profile == profile)
    )
    return {id_: SeenApp(*app) for id_, *app in session.execute(rows)}


def _known(
    session: Session, platform: str, listed: Mapping[tuple[str, str], SeenApp], now: datetime
) -> dict[int, SeenApp]:
    """The rows of these apps by id, made where there were none."""
    ids = _ids(session, platform, listed)
    missing = [listed[one] for one in listed.keys() - ids.keys()]
    if missing:
        session.execute(insert(table_of(App)), [_row(platform, one, now) for one in missing])
        ids = _ids(session, platform, listed)
    return {ids[key]: app for key, app in listed.items()}


def _ids(
    session: Session, platform: str, listed: Mapping[tuple[str, str], SeenApp]
) -> dict[tuple[str, str], int]:
    named = {identifier for identifier, _ in listed}
    rows = select(App.identifier, App.version, App.id)
    found = session.execute(rows.where(App.platform == platform, App.identifier.in_(named)))
    return {(identifier, version): id_ for identifier, version, id_ in found}


def _row(platform: str, app: SeenApp, now: datetime) -> dict[str, object]:
    name = app.name or app.identifier
    return {
        "platform": platform, "identifier": app.identifier, "version": app.version, "name": name,
        "name_key": name.casefold()[:LONGEST_NAME], "first_seen_at": now, "installs": 0,
    }  # fmt: skip


def _was_read(session: Session, device_id: int, profile: str) -> bool:
    """Whether the UEM listed this device before and found no app on it."""
    return profile == "" and session.get(AppReading, device_id) is not None


def _count(session: Session, device_id: int, profile: str, came: Set[int], went: Set[int]) -> None:
    """Keep the install base: an app that another profile of the device has too counts once."""
    mine = (InstalledApp.device_id == device_id, InstalledApp.profile != profile)
    elsewhere = set(session.scalars(select(InstalledApp.app_id).where(*mine)))
    for ids, step in ((came - elsewhere, 1), (went - elsewhere, -1)):
        if ids:
            more = update(table_of(App)).where(App.id.in_(ids))
            session.execute(more.values(installs=App.installs + step))


def _store(session: Session, device_id: int, profile: str, came: Set[int], went: Set[int]) -> None:
    if went:
        mine = (InstalledApp.device_id == device_id, InstalledApp.profile == profile)
        session.execute(delete(table_of(InstalledApp)).where(*mine, InstalledApp.app_id.in_(went)))
    if came:
        rows = [{"device_id": device_id, "profile": profile, "app_id": id_} for id_ in sorted(came)]
        session.execute(insert(table_of(InstalledApp)), rows)


def _moves(before: Mapping[int, SeenApp], after: Mapping[int, SeenApp]) -> list[tuple[Verb, str]]:
    """The apps that came or went, whatever their versions."""
    had = {one.identifier: one.name for one in before.values()}
    has = {one.identifier: one.name for one in after.values()}
    installed = [(Verb.INSTALLED, titled(has[app], app)) for app in sorted(has.keys() - had.keys())]
    return installed + [(Verb.REMOVED, titled(had[app], app)) for app in sorted(had.keys() - has.keys())]
