"""The columns of the device list: the vendor's, unless a person chose others, which are remembered."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from flask import Blueprint, g, redirect, request
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from harmony.db import db, write
from harmony.jobs.device_sync import choice
from harmony.models import Integration, Registration, User
from harmony.security.permissions import Permission, needs
from harmony.web.devices.queries import filters_of

blueprint = Blueprint("device_columns", __name__, url_prefix="/devices/columns")


@dataclass(frozen=True, slots=True)
class DeviceColumn:
    """A column beside the name.

    `source`: what a row has under this name is shown as it is. `imported`: the switch of Synchronization
    without which the column is empty. `is_extra`: left out on a small screen.
    """

    name: str
    label: str
    source: str = ""
    sort: str | None = None
    imported: str | None = None
    is_usual: bool = True
    is_extra: bool = True


# In this order on the page, whatever the order they are chosen in.
COLUMNS = (
    DeviceColumn("id", "ID", "id"),
    DeviceColumn("status", "Status", sort="status", is_extra=False),
    DeviceColumn("risk", "Risk", sort="risk", is_extra=False),
    DeviceColumn("user", "User", "user_name", is_usual=False, is_extra=False),
    DeviceColumn("email", "Email", "email", imported="import_email"),
    DeviceColumn("number", "Device Number", "phone", imported="import_number"),
    DeviceColumn("os", "OS", "platform", sort="platform", is_extra=False),
    DeviceColumn("details", "Device Details", "model"),
    DeviceColumn("os_version", "OS Version", "os_version", is_extra=False),
    DeviceColumn("client", "Client Version"),
    DeviceColumn("contact", "Last connection", is_extra=False),
    DeviceColumn("seen", "Last seen by the UEM", is_usual=False),
    DeviceColumn("group", "Group", "group_name", sort="group"),
    DeviceColumn("serial", "Serial", "serial"),
)


class ProtectApp(NamedTuple):
    """The version and the last contact of the Protect app of a device; of two, the one heard last."""

    client: str
    contact: datetime


@blueprint.post("")
@needs(Permission.VIEW)
def choose() -> ResponseReturnValue:
    """Remember the chosen columns; none of them: the usual ones again."""
    asked = set(request.form.getlist("column")) if "usual" not in request.form else set()
    chosen = ",".join(column.name for column in COLUMNS if column.name in asked)
    with write() as session:
        session.get_one(User, g.user.id).device_columns = chosen
    return redirect(filters_of(request.args).href("devices.index"), 303)


def offered(integrations: Iterable[Integration]) -> list[DeviceColumn]:
    """Return the columns that can be chosen: personal data only where one of these imports them."""
    imported = [choice(integration) for integration in integrations]
    return [
        column
        for column in COLUMNS
        if column.imported is None or any(getattr(record, column.imported) for record in imported)
    ]


def shown(user: User, columns: Sequence[DeviceColumn]) -> list[DeviceColumn]:
    """Return those of `columns` that the person chose; the usual ones if none is left."""
    names = set(user.device_columns.split(","))
    chosen = [column for column in columns if column.name in names]
    return chosen or [column for column in columns if column.is_usual]


def protect_apps(device_ids: Iterable[int]) -> dict[int, ProtectApp]:
    """Return the Protect app of each of these devices that has one."""
    live = (Registration.device_id.in_(list(device_ids)), Registration.ended_at.is_(None))
    found = (Registration.device_id, Registration.client_version, Registration.last_contact_at)
    rows = db.session.execute(select(*found).where(*live).order_by(Registration.last_contact_at))
    return {id_: ProtectApp(version, contact) for id_, version, contact in rows}
