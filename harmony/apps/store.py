"""Store what an app sync read: the apps of devices, and the outcome of asking for each device."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from harmony.apps.app_lists import Judgement, ReadingOutcome, judge
from harmony.apps.inventory import SeenApp, take_inventory
from harmony.apps.reader import DeviceAppList, DeviceToRead
from harmony.db import bulk, table_of, upsert
from harmony.models import AppReading, Device
from harmony.protection.catalogue import IOS
from harmony.uem.records import AppList, Completeness

_SELECT_STORED_APPS = (
    "SELECT i.device_id, a.identifier FROM installed_app i JOIN app a ON a.id = i.app_id "
    "WHERE i.profile = '' AND {these}"
)
_ANNOUNCED = frozenset({Completeness.COUNTED, Completeness.UNEVEN})
_FAILED = Judgement(ReadingOutcome.FAILED)


@dataclass(slots=True)
class Stored:
    """The result for some devices: how many `changed`, and the outcome of each by its id in the UEM."""

    changed: int = 0
    outcomes: dict[str, ReadingOutcome] = field(default_factory=dict)


def store(
    session: Session, integration_id: int, batch: Sequence[DeviceAppList], now: datetime,
    *, others_counted: bool,
) -> Stored:  # fmt: skip
    """Store what was read, inside the caller's `write()`; `others_counted` as in `app_lists.judge`.

    A device whose apps could not be read keeps those it had; all but whole lists are asked for again.
    """
    present = _present(session, integration_id, [listed.target.device_id for listed in batch])
    before = _identifiers(session, present)
    stored, readings = Stored(), []
    for target, apps, _error in batch:
        if target.device_id not in present:
            continue
        earlier = present[target.device_id]
        if apps is None:
            judgement = _FAILED._replace(unconfirmed=earlier)
        else:
            known = before.get(target.device_id, set())
            judgement = judge(known, apps, earlier, others_counted=others_counted)
            stored.changed += _take(session, integration_id, target, apps, judgement, now)
        stored.outcomes[target.external_id] = judgement.outcome
        readings.append(_reading(target, judgement, now))
    _upsert(readings)
    return stored


def announces(listing: AppList | None) -> bool:
    """Tell whether the UEM announced the number of rows of a list."""
    return listing is not None and listing.completeness in _ANNOUNCED


def _present(session: Session, integration_id: int, ids: Collection[int]) -> dict[int, str]:
    """Select the devices that are still there, with the digest of their unconfirmed list."""
    there = (Device.id.in_(ids), Device.integration_id == integration_id, Device.deleted_at.is_(None))
    rows = select(Device.id, AppReading.unconfirmed).outerjoin(AppReading).where(*there)
    return {id_: unconfirmed or "" for id_, unconfirmed in session.execute(rows)}


def _identifiers(session: Session, ids: Iterable[int]) -> dict[int, set[str]]:
    """Select the identifiers of the apps that the UEM listed on these devices before."""
    found: dict[int, set[str]] = {}
    sql = _SELECT_STORED_APPS.format(these=bulk.in_list("i.device_id"))
    for device_id, identifier in bulk.fetch_all(session, sql, (bulk.list_param([*ids]),)):
        found.setdefault(device_id, set()).add(identifier)
    return found


def _take(  # noqa: PLR0917 - all that a list is judged and stored by
    session: Session,
    integration_id: int,
    target: DeviceToRead,
    apps: AppList,
    judgement: Judgement,
    now: datetime,
) -> bool:
    seen = [SeenApp(app.identifier, app.version, app.name) for app in apps.apps]
    return take_inventory(
        session, target.device_id, integration_id, IOS, "", seen, now, whole=judgement.removes
    )


def _reading(target: DeviceToRead, judgement: Judgement, now: datetime) -> dict[str, Any]:
    reading = {
        "device_id": target.device_id, "read_at": now, "seen_at": target.seen_at,
        "outcome": judgement.outcome.value, "unconfirmed": judgement.unconfirmed, "listed_at": now,
    }  # fmt: skip
    if judgement.outcome is ReadingOutcome.FAILED:
        del reading["listed_at"]
    return reading


def _upsert(readings: Sequence[dict[str, Any]]) -> None:
    """Write the readings; the time of the last list stays where no list came."""
    for listed in (True, False):
        rows = [reading for reading in readings if ("listed_at" in reading) is listed]
        columns = ["read_at", "seen_at", "outcome", "unconfirmed", *(["listed_at"] if listed else [])]
        upsert(table_of(AppReading), rows, ["device_id"], columns)
