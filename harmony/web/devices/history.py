"""What became of a device and when, newest first; the oldest line is its arrival."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy import exists, select

from harmony.config import current_settings
from harmony.db import db
from harmony.models import Device, DeviceEvent, Happening, JobRun
from harmony.security.permissions import Permission, needs
from harmony.web.shared.paging import BEGINNING, PAGE_SIZE, Order, Place, Query

blueprint = Blueprint("device_history", __name__, url_prefix="/devices/<int:device_id>/history")

_LINE = (DeviceEvent.id, DeviceEvent.at, DeviceEvent.kind, DeviceEvent.detail)
_NEWEST_FIRST = Order(DeviceEvent.id)
LINES_ON_THE_DEVICE_PAGE = 10


@blueprint.get("")
@needs(Permission.VIEW)
def index(device_id: int) -> ResponseReturnValue:
    """Show the whole history, a page at a time."""
    device = db.get_or_404(Device, device_id)
    place = _NEWEST_FIRST.place(request.args)
    return render_template(
        "devices/history.html", device=device, place=place, history=_history(device, place)
    )


def newest_lines(device: Device) -> dict[str, Any]:
    """Return what `devices/_history.html` shows on the device's page."""
    return _history(device, BEGINNING, LINES_ON_THE_DEVICE_PAGE)


def _history(device: Device, place: Place, size: int = PAGE_SIZE) -> dict[str, Any]:
    """Return a page of lines, and whether it reaches back to the arrival."""
    # The number of a removed run may be given again, hence the conditions.
    same = (
        (JobRun.id == DeviceEvent.run_id)
        & (JobRun.integration_id == device.integration_id)
        & (JobRun.started_at <= DeviceEvent.at)
    )
    lines: Query = (
        select(*_LINE, JobRun.id.label("run_id"))
        .outerjoin(JobRun, same)
        .where(DeviceEvent.device_id == device.id)
    )
    page = _NEWEST_FIRST.page(lines, place, size)
    return {
        "page": page,
        "arrival": page.after is None,
        "by_registration": _by_registration(device),
        "kept_days": current_settings().history_kept_days,
    }


def _by_registration(device: Device) -> bool:
    """Return True if Protect brought it before any sync: still so, or said by the line of its listing."""
    listed = (DeviceEvent.device_id == device.id, DeviceEvent.kind == Happening.LISTED)
    return device.added_by is not None or db.session.scalar(select(exists().where(*listed))) is True
