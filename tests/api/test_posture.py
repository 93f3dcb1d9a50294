"""The posture of a device for gateways: one answer, by an index (rung R)."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update

from harmony.api import posture
from harmony.db import db, write
from harmony.models import Device, DeviceStatus, Risk
from tests.api.program import Program, problem_of
from tests.builders import NOON, an_integration
from tests.database import on_both
from tests.stored import devices, plan_of, protect, store

database = on_both


@pytest.fixture
def ids(context: Flask) -> list[int]:
    """Eight devices."""
    integration_id = an_integration()
    store(integration_id, 8)
    return [device.id for device in devices(integration_id)]


@pytest.fixture
def gateway(app: Flask) -> Program:
    return Program.with_role(app)


def change(device_id: int, **values: Any) -> None:
    with write() as session:
        session.execute(update(Device).where(Device.id == device_id).values(values))


@pytest.mark.parametrize(
    "case",
    [
        (DeviceStatus.ACTIVE, Risk.NONE, "none", True),
        (DeviceStatus.ACTIVE, Risk.LOW, "none", False),
        (DeviceStatus.ACTIVE, Risk.LOW, "", True),
        (DeviceStatus.ACTIVE, Risk.MEDIUM, "", False),
        (DeviceStatus.ACTIVE, Risk.MEDIUM, "medium", True),
        (DeviceStatus.ACTIVE, Risk.HIGH, "medium", False),
        (DeviceStatus.INACTIVE, Risk.NONE, "medium", False),
    ],
)
def test_a_device_complies_when_it_is_active_and_no_riskier_than_accepted(
    gateway: Program, ids: list[int], case: tuple[DeviceStatus, Risk, str, bool]
) -> None:
    status, risk, accept, compliant = case
    protect(ids[3], status, risk)
    answer = gateway.read("/posture?serial=S3" + (f"&accept={accept}" if accept else ""))
    assert answer | {"last_contact_at": None} == {
        "device_id": ids[3],
        "status": status,
        "risk": risk.name.lower(),
        "assessed": True,
        "compliant": compliant,
        "last_contact_at": None,
        "matches": 1,
    }


def test_a_device_that_nobody_assesses_is_not_assessed_and_does_not_comply(
    gateway: Program, ids: list[int]
) -> None:
    answer = gateway.read("/posture?udid=UDID5&accept=medium")
    assert (answer["risk"], answer["assessed"], answer["compliant"]) == ("not_assessed", False, False)
    assert answer["status"] == "provisioned"


@pytest.mark.parametrize("asked", ["serial=s3", "serial=S3", "udid=udid3", "udid=UDID-3"])
def test_identifiers_are_found_in_other_spellings(gateway: Program, ids: list[int], asked: str) -> None:
    assert gateway.read(f"/posture?{asked}")["device_id"] == ids[3]


def test_of_several_devices_the_worst_is_the_answer(gateway: Program, ids: list[int]) -> None:
    for place, risk in ((0, Risk.NONE), (1, Risk.HIGH), (2, Risk.LOW)):
        change(ids[place], serial="SAME")
        protect(ids[place], DeviceStatus.ACTIVE, risk)
    answer = gateway.read("/posture?serial=SAME")
    assert (answer["device_id"], answer["matches"], answer["compliant"]) == (ids[1], 3, False)
    change(ids[1], missing_since=NOON)
    assert gateway.read("/posture?serial=SAME&accept=none")["device_id"] == ids[2]
    change(ids[2], deleted_at=NOON)
    assert gateway.read("/posture?serial=SAME")["device_id"] == ids[0]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", "parameter"),
        ("?serial=S1&udid=UDID1", "parameter"),
        ("?serial=S1&accept=high", "parameter"),
        ("?serial=S1&imei=1", "parameter"),
        ("?serial=" + "x" * 129, "parameter"),
        ("?serial=%00", "parameter"),
        ("?serial=nothing", "not_found"),
        ("?udid=%7BDeviceUid%7D", "not_found"),
    ],
)
def test_what_names_no_device_is_refused(gateway: Program, ids: list[int], query: str, code: str) -> None:
    assert problem_of(gateway.get(f"/posture{query}")) == code


def test_gateways_have_a_limit_of_their_own(gateway: Program, ids: list[int]) -> None:
    answer = gateway.get("/posture?serial=S1")
    assert answer.headers["RateLimit-Policy"] == '"posture";q=6000;w=60'


@pytest.mark.usefixtures("ids")
def test_both_identifiers_are_looked_up_in_an_index(context: Flask) -> None:
    if db.engine.dialect.name != "sqlite":
        return
    serial = plan_of(db.select(Device.id).where(posture._has_serial("S1")))
    udid = plan_of(db.select(Device.id).where(posture._has_udid("UDID1")))
    assert "ix_device_serial" in serial[0]
    assert "ix_device_integration_id_udid_key" in udid[0]
    assert "SCAN" not in " ".join(serial + udid)
