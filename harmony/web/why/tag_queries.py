"""Loads the tags of a device, as its state calls for them and as its outbox has them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select

from harmony.db import db
from harmony.jobs import runs
from harmony.jobs.kinds import JobKind
from harmony.models import Device, DeviceStatus, Integration, IntegrationState, TagLink, UemTag
from harmony.protection.change import OpenFinding
from harmony.tagging.names import device_keys
from harmony.web.runs.job_status import JobStatus, job_status
from harmony.web.why.given import StoredTag, TagsGiven


def tags_given(device: Device, integration: Integration, findings: Sequence[OpenFinding]) -> TagsGiven:
    """Return what decides about the tags of the device; tags follow the stored status and risk."""
    tagging = integration.in_force.tagging
    has_id = device.external_id is not None and device.uem_generation == integration.uem_generation
    is_carrier = device.deleted_at is None and has_id
    codes = [finding.code for finding in findings]
    keys = device_keys(device.status or DeviceStatus.PROVISIONED, device.risk, codes, tagging)
    pushes = job_status(integration, JobKind.TAGGING)
    return TagsGiven(
        tagging=tagging,
        keys=frozenset(keys if is_carrier and integration.connected else ()),
        stored=_stored(device.id),
        obstacle=_obstacle(device, integration, pushes),
        last_push_at=_last_push_at(integration.id),
        next_push_at=pushes.job.next_at if pushes.job else None,
    )


def _stored(device_id: int) -> tuple[StoredTag, ...]:
    same = (UemTag.integration_id == TagLink.integration_id) & (UemTag.key == TagLink.key)
    rows = db.session.execute(
        select(TagLink, UemTag)
        .outerjoin(UemTag, same)
        .where(TagLink.device_id == device_id)
        .order_by(TagLink.key)
    )
    return tuple(
        StoredTag(
            link.key, tag.name if tag else "", link.wanted, link.present, link.state, link.attempts,
            link.changed_at, link.reason, link.next_try_at, tag.checked_at if tag else None,
            tag.problem if tag else "",
        )
        for link, tag in rows
    )  # fmt: skip


def _obstacle(device: Device, integration: Integration, pushes: JobStatus) -> str:
    """Say why nothing is pushed for the device; "" while nothing is in the way."""
    if not integration.connected:
        return "The integration was removed: nothing is pushed any more."
    if device.deleted_at is not None:
        return "The device is deleted: its tags are taken off, or were."
    if device.external_id is None:
        return "The UEM has not listed the device: only what it lists can carry a tag."
    if integration.awaits_sync or device.uem_generation != integration.uem_generation:
        return "A full sync has to read the device from the UEM of the new Server Details first."
    if integration.state == IntegrationState.PAUSED:
        return "The integration is paused: nothing is pushed until Resume."
    return integration.stopped_reason or pushes.parked_why or pushes.server_wait or ""


def _last_push_at(integration_id: int) -> datetime | None:
    """Return when the newest run that has ended did."""
    last = runs.newest(db.session(), integration_id, JobKind.TAGGING, runs.ENDED)
    return last.finished_at if last else None
