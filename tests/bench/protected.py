"""Devices of a bench's dashboard made protected by rows of their own; and their risks rated anew."""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

from sqlalchemy import func, insert, select, update

from harmony.clock import monotonic, now
from harmony.db import db, release, table_of, write
from harmony.device_api.registration.credentials import KEY_PREFIX
from harmony.models import (
    Device,
    DeviceStatus,
    Finding,
    Job,
    PolicyRecord,
    Protection,
    Registration,
    Risk,
)
from harmony.protection.policy import in_force, save
from harmony.protection.policy_rollout import roll_out
from tests.bench import dashboard

# Each checks in about once in the measured seconds.
REGISTERED = 6000
BATCH = 5000
RATED = "NO_SCREEN_LOCK"


def protect(devices: int = REGISTERED) -> list[str]:
    """Every device Active, one of three with a finding, the first `devices` registered; the keys of these."""
    ids = db.session.scalars(select(Device.id).order_by(Device.id)).all()
    release()
    keys = [KEY_PREFIX + secrets.token_urlsafe(24) for _ in ids[:devices]]
    for start in range(0, len(ids), BATCH):
        with write() as session:
            some = ids[start : start + BATCH]
            session.execute(insert(table_of(Protection)), [_protection(id_) for id_ in some])
            session.execute(insert(table_of(Finding)), [_finding(id_) for id_ in some if id_ % 3 == 0])
    with write() as session:
        pairs = zip(ids, keys, strict=False)
        session.execute(insert(table_of(Registration)), [_registration(*pair) for pair in pairs])
    return keys


def _protection(device_id: int) -> dict[str, Any]:
    return {
        "device_id": device_id, "integration_id": dashboard.INTEGRATION, "status": DeviceStatus.ACTIVE,
        "risk": int(Risk.LOW if device_id % 3 == 0 else Risk.NONE), "registered_at": now(),
        "last_contact_at": now(), "changed_at": now(),
    }  # fmt: skip


def _finding(device_id: int) -> dict[str, Any]:
    return {
        "device_id": device_id, "profile": "device", "code": RATED, "subject": "", "risk": int(Risk.LOW),
        "opened_at": now(), "closed_at": None,
    }  # fmt: skip


def _registration(device_id: int, key: str) -> dict[str, Any]:
    texts = ("request_digest", "report_digest", "model", "os_version", "client_version", "serial")
    return dict.fromkeys(texts, "") | {
        "device_id": device_id, "profile": "device", "key_hash": hashlib.sha256(key.encode()).hexdigest(),
        "platform": "android", "registered_at": now(), "last_contact_at": now(), "ended_at": None,
    }  # fmt: skip


def park_jobs() -> None:
    """Keep the app sync from running: measured is the load beside a device sync, and nothing else."""
    with write() as session:
        session.execute(update(Job).values(next_at=None, parked_why="It is not measured here."))


def rating_seconds(number: int) -> float:
    """Put a policy in force that gives the common finding another risk, and rate everything under it."""
    risk = Risk.HIGH if number % 2 == 0 else Risk.LOW
    version, _ = in_force(db.session())
    release()
    save(PolicyRecord(risks={RATED: int(risk)}), version, "bench", now())
    began = monotonic()
    roll_out(now())
    took = round(monotonic() - began, 3)
    rated = db.session.scalar(select(func.count()).select_from(Protection).where(Protection.risk == risk))
    release()
    if not rated:
        raise RuntimeError("the rating changed no device")
    return took
