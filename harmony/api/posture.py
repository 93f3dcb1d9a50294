"""The posture of a device for a gateway: found by serial number or UDID with an index, in one answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, false, literal, select

from harmony.api.collection import risk_word
from harmony.api.problems import ApiProblem, Complaint
from harmony.api.schemas import Posture
from harmony.db import db
from harmony.device_ids import udid_key
from harmony.models import Device, DeviceStatus, Integration, IntegrationState, Protection, Risk
from harmony.web.devices.assessment import RISK
from harmony.web.devices.queries import STATUS
from harmony.web.shared.scope import in_scope

# The highest risk that a gateway lets pass, by its word; `low` unless it asks for another.
ACCEPTED = {"none": Risk.NONE, "low": Risk.LOW, "medium": Risk.MEDIUM}
USUAL = "low"
LONGEST_IDENTIFIER = 128
# So many devices never share an identifier that means anything.
_AT_MOST = 50
_COLUMNS = (Device.id, STATUS, RISK, Device.missing_since, Protection.last_contact_at)
# One statement: a gateway waits for it.
_SHOWN = (
    select(*_COLUMNS)
    .join(Integration, Integration.id == Device.integration_id)
    .outerjoin(Protection, Protection.device_id == Device.id)
    .where(Device.deleted_at.is_(None), Integration.state != IntegrationState.HIDDEN)
    .limit(_AT_MOST)
)


def posture(serial: str, udid: str, accept: str) -> Posture:
    """Return how the device of one of the two identifiers is. Raises ApiProblem.

    Of several devices, a device that full syncs still list goes before one that is missing; among these the
    one that would be refused, then the riskiest is the answer.
    """
    if bool(serial) == bool(udid):
        raise ApiProblem("parameter", complaints=[Complaint("serial", "Give `serial` or `udid`.")])
    if accept not in ACCEPTED:
        raise ApiProblem("parameter", complaints=[Complaint("accept", f"One of: {', '.join(ACCEPTED)}.")])
    found = _found(_has_serial(serial) if serial else _has_udid(udid))
    if not found:
        raise ApiProblem("not_found", "No device has this identifier, or this API key does not see it.")
    records = [_record(row, ACCEPTED[accept], len(found)) for row in found]
    return min(zip(found, records, strict=True), key=_preference)[1]


def _has_serial(serial: str) -> ColumnElement[bool]:
    """Compare as it is written, and in either case: UEMs write capitals, some gateways do not."""
    spellings = Device.serial.in_((serial, serial.upper(), serial.lower()))
    # The condition of the index, to the letter.
    return spellings & (Device.serial != literal("", literal_execute=True))


def _has_udid(udid: str) -> ColumnElement[bool]:
    """Compare in the form that ignores case, dashes and braces; the index begins with the integration."""
    key = udid_key(udid)
    same: ColumnElement[bool] = Device.udid_key == key if key else false()
    return Device.integration_id.in_(select(Integration.id)) & same


def _found(condition: ColumnElement[bool]) -> Sequence[Row[tuple[Any, ...]]]:
    return db.session.execute(_SHOWN.where(condition, *in_scope())).all()


def _record(row: Row[Any], accepted: Risk, matches: int) -> Posture:
    is_assessed = row.risk is not None
    return Posture(
        device_id=row.id,
        status=row.status,
        risk=risk_word(row.risk),  # type: ignore[arg-type]  # the words are those of the schema
        assessed=is_assessed,
        compliant=is_assessed and row.status == DeviceStatus.ACTIVE and row.risk <= accepted,
        last_contact_at=row.last_contact_at,
        matches=matches,
    )


def _preference(answer: tuple[Row[Any], Posture]) -> tuple[object, ...]:
    row, record = answer
    return row.missing_since is not None, record.compliant, -(row.risk or 0), -row.id
