"""What must hold whatever a UEM says: of devices, tags, apps and runs."""

from __future__ import annotations

import json
from typing import NamedTuple

from sqlalchemy import select

from harmony.db import db, release
from harmony.device_ids import udid_key
from harmony.jobs.outcome import UNEXPECTED
from harmony.models import App, Device, InstalledApp, JobRun, SyncRunState, UemTag
from harmony.simulator import apps
from harmony.simulator.changes import FIRST_NEW_TAG
from harmony.simulator.world import World
from harmony.tagging.names import tag_key


class Row(NamedTuple):
    """A device as the database has it."""

    id: int
    external_id: str | None
    udid: str
    name: str
    group: str
    missing: bool
    deleted: bool


def stored(integration_id: int) -> list[Row]:
    """Every device row, the deleted ones too."""
    columns = (Device.id, Device.external_id, Device.udid_key, Device.name, Device.group_id)
    times = (Device.missing_since, Device.deleted_at)
    found = select(*columns, *times).where(Device.integration_id == integration_id).order_by(Device.id)
    rows = [Row(*row[:5], row[5] is not None, row[6] is not None) for row in db.session.execute(found)]
    release()
    return rows


def alive(rows: list[Row]) -> set[str]:
    """The UEM's ids and UDIDs of the rows that are not deleted."""
    return {key for row in rows if not row.deleted for key in (row.external_id, row.udid) if key}


def named(world: World, listed: list[bytes]) -> set[int]:
    """The devices that some list of devices named, by whatever identifies them."""
    said = b"\n".join(listed)
    return {
        ident
        for ident, device in world.devices.items()
        if device.uuid.encode() in said or f'"{udid_of(world, ident)}"'.encode() in said
    }


def misnamed(world: World, listed: list[bytes]) -> set[int]:
    """The devices that some list showed under the id of another one, or another one under theirs."""
    owners = {udid_of(world, ident): ident for ident in world.devices}
    rows = [row for body in listed if body for row in json.loads(body)["Devices"]]
    pairs = [{row["Id"]["Value"], owners[row["Udid"]]} for row in rows]
    return {ident for pair in pairs if len(pair) > 1 for ident in pair}


def rightly_named(world: World, integration_id: int) -> set[int]:
    """The devices that are stored with the id that they have in the UEM."""
    rows = {row.udid: row.external_id for row in stored(integration_id)}
    return {ident for ident in world.devices if rows.get(udid_key(udid_of(world, ident))) == str(ident)}


def udid_of(world: World, ident: int) -> str:
    """The UDID of a device as the UEM really has it."""
    return str(world.devices[ident].json()["Udid"])


def nobody_real_is_deleted(world: World, known: set[int], rows: list[Row]) -> None:
    """A device that the UEM has and we knew is there, under its id or its UDID."""
    there = alive(rows)
    lost = [
        ident
        for ident in known & world.devices.keys()
        if str(ident) not in there and udid_key(udid_of(world, ident)) not in there
    ]
    assert not lost, f"{lost} are in the UEM and were deleted"


def nobody_named_is_newly_missing(
    world: World, scope: set[int], listed: list[bytes], before: list[Row], after: list[Row]
) -> None:
    """Whom a list of the run named is not absent; a doubt keeps what it is about."""
    fine = {row.id for row in before if not row.missing and not row.deleted}
    ids = {str(ident) for ident in named(world, listed) & scope}
    lost = [row.external_id for row in after if row.id in fine and row.missing and row.external_id in ids]
    assert not lost, f"{lost} were named in this run and are missing"


def foreign_tags(world: World) -> dict[int, tuple[str, dict[int, str]]]:
    """The tags that other people made, with those who carry them."""
    return {id_: (tag.name, dict(tag.devices)) for id_, tag in world.tags.items() if id_ < FIRST_NEW_TAG}


def no_tag_of_ours_is_forgotten(world: World, integration_id: int) -> None:
    """Whatever we made is known by its id, or by its name until the id is known; nothing is made twice."""
    columns = select(UemTag.external_id, UemTag.name).where(UemTag.integration_id == integration_id)
    rows = db.session.execute(columns).all()
    release()
    ids, names = {row[0] for row in rows}, {tag_key(row[1]) for row in rows}
    ours = [tag for id_, tag in world.tags.items() if id_ >= FIRST_NEW_TAG]
    forgotten = [tag.name for tag in ours if str(tag.id) not in ids and tag_key(tag.name) not in names]
    assert not forgotten, f"{forgotten} were forgotten"
    assert len({tag_key(tag.name) for tag in ours}) == len(ours), "a tag was made twice"


def every_run_ended_in_words() -> None:
    """With a state, and with a sentence unless it is good; none met an error that nobody foresaw."""
    columns = select(JobRun.id, JobRun.kind, JobRun.state, JobRun.reason, JobRun.finished_at)
    for id_, kind, state, reason, finished in db.session.execute(columns).all():
        assert finished is not None, f"run {id_} of {kind} did not end"
        assert state != SyncRunState.RUNNING, f"run {id_} of {kind} runs"
        assert state == SyncRunState.OK or reason, f"run {id_} of {kind} ended {state} without a word"
        assert UNEXPECTED not in reason, f"run {id_} of {kind} met an error of its own"
    release()


def installed(integration_id: int) -> dict[tuple[str, str], set[str]]:
    """The identifiers of the apps of each live device, by the UEM's id and the UDID of it."""
    columns = select(Device.external_id, Device.udid_key, App.identifier)
    joined = columns.outerjoin(InstalledApp, InstalledApp.device_id == Device.id).outerjoin(
        App, App.id == InstalledApp.app_id
    )
    live = (Device.integration_id == integration_id, Device.deleted_at.is_(None))
    found: dict[tuple[str, str], set[str]] = {}
    for external_id, udid, identifier in db.session.execute(joined.where(*live)):
        apps_of = found.setdefault((external_id or "", udid), set())
        apps_of |= {identifier} if identifier else set()
    release()
    return found


def really_installed(world: World, ident: int) -> set[str]:
    """The identifiers of the apps that a device has."""
    return {identifier for identifier, _, _ in apps.installed(world, ident)}


Apps = dict[tuple[str, str], set[str]]


def no_app_is_lost(world: World, before: Apps, after: Apps) -> None:
    """An app that we knew of a device, and that it still has, is known; of devices that are known rightly."""
    for ident in world.devices:
        key = (str(ident), udid_key(udid_of(world, ident)))
        if key in before and key in after:
            lost = before[key] & really_installed(world, ident) - after[key]
            assert not lost, f"{sorted(lost)} of {ident} were removed"
