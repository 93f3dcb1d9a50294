"""The forms of a device in your hand: which device, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from sqlalchemy import select
from wtforms import BooleanField, SelectField, SelectMultipleField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import Length, ValidationError

from harmony.db import db
from harmony.models import Device, Integration, IntegrationState, Profile, Protection
from harmony.protection.catalogue import ANDROID, CATALOGUE, IOS, Factor, is_code
from harmony.protection.risk import platform_of
from harmony.web.shared.pasted import stripped
from harmony.web.shared.typed import ConsoleForm

# So many devices to choose from; any other by its UDID.
_OFFERED = 50
_PLATFORMS = [SelectChoice(IOS, "iOS"), SelectChoice(ANDROID, "Android")]
_PROFILES = [
    SelectChoice(Profile.DEVICE.value, "Whole device"),
    SelectChoice(Profile.PERSONAL.value, "Personal"),
    SelectChoice(Profile.WORK.value, "Work"),
]
_NONE = SelectChoice("", "Each has Protect already")
_NO_CODE = "Capital letters, digits and underscores, such as JUICE_JACKING."


class RegisterForm(ConsoleForm):
    """Which device. A typed UDID goes before the list."""

    device = SelectField("Device")
    udid = StringField("Or its UDID", [Length(max=128)], filters=[stripped])
    integration = SelectField("Integration")
    platform = SelectField("Platform", choices=_PLATFORMS)
    profile = SelectField("Profile", choices=_PROFILES)
    code = StringField("Registration code", [Length(max=64)], filters=[stripped])

    def validate_udid(self, field: StringField) -> None:
        if not field.data and not self.device.data:
            raise ValidationError("Choose a device, or type its UDID.")


class ReportForm(ConsoleForm):
    """The report of the device at its next check-in."""

    threats = SelectMultipleField("Threats")
    other = StringField("Another code", [Length(max=64)], filters=[stripped])
    os_version = StringField("OS version", [Length(max=64)], filters=[stripped])
    client_version = StringField("Client version", [Length(max=64)], filters=[stripped])
    test_app = BooleanField("Harmony Test App is installed")

    def validate_other(self, field: StringField) -> None:
        if field.data and not is_code(field.data):
            raise ValidationError(_NO_CODE)

    def codes(self) -> tuple[str, ...]:
        """Return every code that is switched on, each once."""
        return tuple(dict.fromkeys([*(self.threats.data or ()), *filter(None, [self.other.data])]))


def offer(form: RegisterForm) -> RegisterForm:
    """Fill in what there is to choose from: devices without Protect, active integrations."""
    form.device.choices = [SelectChoice(str(device.id), _label(device)) for device in _unprotected()] or [
        _NONE
    ]
    active = select(Integration).where(Integration.state == IntegrationState.ACTIVE).order_by(Integration.id)
    form.integration.choices = [SelectChoice(str(row.id), row.name) for row in db.session.scalars(active)]
    return form


def switches(form: ReportForm, platform: str) -> ReportForm:
    """Fill in the threat factors that a device of this platform reports itself."""
    form.threats.choices = [SelectChoice(factor.code, factor.name) for factor in _reported(platform)]
    return form


def by_vector(platform: str) -> Iterator[tuple[str, list[Factor]]]:
    """Yield the same, under their attack vectors."""
    for vector, factors in groupby(_reported(platform), lambda factor: factor.vector):
        yield vector.value, list(factors)


def _reported(platform: str) -> list[Factor]:
    reported = [
        factor for factor in CATALOGUE.values() if platform in factor.platforms and not factor.concluded
    ]
    return sorted(reported, key=lambda factor: factor.vector)


def _unprotected() -> list[Device]:
    rows = (
        select(Device)
        .join(Integration)
        .outerjoin(Protection, Protection.device_id == Device.id)
        .where(Integration.state == IntegrationState.ACTIVE, Device.deleted_at.is_(None))
        .where(Device.udid_key != "", Protection.registered_at.is_(None))
        .order_by(Device.id.desc())
        .limit(_OFFERED * 2)
    )
    return [device for device in db.session.scalars(rows) if platform_of(device.platform)][:_OFFERED]


def _label(device: Device) -> str:
    return f"{device.name or device.udid} · {device.platform}"
