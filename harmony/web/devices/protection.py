"""How a device is, on its page: status, risk, profiles, findings; registration codes and the reset."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import Row, func, select

from harmony.clock import now
from harmony.db import db
from harmony.device_api.registration import codes, unregister
from harmony.device_api.registration.rules import lacking
from harmony.device_api.registration.situation import has_two_profiles
from harmony.messages.registration.content import registration_link
from harmony.models import (
    App,
    Device,
    Finding,
    Integration,
    PolicyRecord,
    Profile,
    Protection,
    Registration,
)
from harmony.protection import policy
from harmony.protection.catalogue import Vector, factor_of
from harmony.protection.evaluate import outdated
from harmony.protection.risk import platform_of
from harmony.security.permissions import Permission, needs
from harmony.web.app_configuration.views import server_address
from harmony.web.apps.queries import count_on
from harmony.web.devices.assessment import assessed_risk
from harmony.web.shared.paging import Order, Query
from harmony.web.shared.qr_code import qr_code
from harmony.web.shared.scope import in_scope

blueprint = Blueprint("protection", __name__, url_prefix="/devices/<int:device_id>")

_FINDING = (
    Finding.id, Finding.code, Finding.subject, Finding.profile, Finding.risk, Finding.opened_at,
    Finding.closed_at,
)  # fmt: skip
_NEWEST_FIRST = Order(Finding.id)
_FINDINGS_SHOWN, _PAST_SHOWN = 50, 5
_PROFILES = frozenset(Profile)
_NOTHING_TO_RESET = (
    "No Protect app is registered on this device, and none left anything: there was nothing to reset."
)
_DELETED = "This device is deleted; restore it first."


@blueprint.get("/findings")
@needs(Permission.VIEW)
def findings(device_id: int) -> ResponseReturnValue:
    """Show every finding of the device, open or closed, newest first."""
    device = db.get_or_404(Device, device_id)
    place = _NEWEST_FIRST.place(request.args)
    page = _NEWEST_FIRST.page(_findings(device), place)
    return render_template(
        "devices/findings.html", device=device, place=place, page=page, factor_of=factor_of
    )


@blueprint.get("/registration-code")
@needs(Permission.OPERATE)
def code(device_id: int) -> ResponseReturnValue:
    """Show the registration codes of the device; none can be read again."""
    return _codes_page(db.get_or_404(Device, device_id))


@blueprint.post("/registration-code")
@needs(Permission.OPERATE)
def new_code(device_id: int) -> ResponseReturnValue:
    """Make one and show it this once; a redirect would need a place to keep it."""
    device = db.get_or_404(Device, device_id)
    asked = request.form.get("profile", "")
    profile = asked if asked in _PROFILES else ""
    code = codes.issue_code(device_id, g.user.name, now(), profile)
    if code is None:
        flash(_DELETED, "warning")
        return redirect(url_for("devices.show", device_id=device_id), 303)
    return _codes_page(device, code, profile)


@blueprint.post("/reset-registration")
@needs(Permission.OPERATE)
def reset(device_id: int) -> ResponseReturnValue:
    """End what is registered; the device is Provisioned again and may register with the token."""
    db.get_or_404(Device, device_id)
    if unregister.reset(device_id, g.user.name, now()):
        flash("The registration was reset. Protect must register again on this device.", "success")
    else:
        flash(_NOTHING_TO_RESET, "info")
    return redirect(url_for("devices.show", device_id=device_id), 303)


def panel(device: Device, integration: Integration) -> dict[str, Any]:
    """Return what `devices/_protection.html` shows on the device's page."""
    registered = select(Registration).where(
        Registration.device_id == device.id, Registration.ended_at.is_(None)
    )
    live = db.session.scalars(registered.order_by(Registration.profile)).all()
    opened = _findings(device).where(Finding.closed_at.is_(None))
    ended = (Finding.device_id == device.id, Finding.closed_at.is_not(None))
    past = _findings(device).where(*ended).order_by(Finding.id.desc()).limit(_PAST_SHOWN)
    stands = db.session.get(Protection, device.id)
    _version, record = policy.in_force(db.session())
    worst_first = opened.order_by(Finding.risk.desc(), Finding.id).limit(_FINDINGS_SHOWN)
    found = db.session.execute(worst_first).all()
    return {
        "stands": stands,
        "risk": assessed_risk(stands),
        "open": found,
        "about": _outdated(device, live, record),
        "app_pages": _app_pages(device, found),
        "apps": count_on(device.id),
        "resettable": bool(live) or bool(found and stands and stands.registered_at),
        "past": db.session.execute(past).all(),
        "closed": db.session.scalar(select(func.count(Finding.id)).where(*ended)) or 0,
        "factor_of": factor_of,
    } | _profiles(live, record, two=has_two_profiles(device, integration))


def _codes_page(device: Device, code: str | None = None, profile: str = "") -> str:
    integration = db.session.get_one(Integration, device.integration_id)
    link = registration_link(server_address(), {profile: code}) if code else ""
    return render_template(
        "devices/code.html",
        device=device,
        code=code,
        link_code=qr_code(link) if link else None,
        codes=codes.issued_codes(device.id),
        two_profiles=has_two_profiles(device, integration),
        most_tries=codes.MOST_TRIES,
        now=now(),
    )


def same_udid(device: Device) -> Sequence[Device]:
    """Return the other live devices of the integration with this UDID, however it is spelt; a few of them."""
    same = (Device.integration_id == device.integration_id, Device.udid_key == device.udid_key)
    others = select(Device).where(*same, Device.id != device.id, Device.deleted_at.is_(None), *in_scope())
    return db.session.scalars(others.order_by(Device.id).limit(5)).all() if device.udid_key else []


def _profiles(live: Sequence[Registration], record: PolicyRecord, *, two: bool) -> dict[str, Any]:
    """Return where Protect is, and on which profiles it is not or is silent."""
    return {
        "registrations": live,
        "lacking": lacking(Profile(registration.profile) for registration in live) if two and live else [],
        "two_profiles": two,
        "unheard": _unheard(live, record),
        "inactive_days": record.inactive_days,
    }


def _findings(device: Device) -> Query:
    return select(*_FINDING).where(Finding.device_id == device.id)


def _unheard(live: Sequence[Registration], record: PolicyRecord) -> set[str]:
    """Return the profiles that are silent while another is heard: the status does not tell."""
    longest = timedelta(days=record.inactive_days)
    newest = max((registration.last_contact_at for registration in live), default=now())
    return {row.profile for row in live if newest - row.last_contact_at > longest}


def _outdated(device: Device, live: Iterable[Registration], record: PolicyRecord) -> dict[str, str]:
    """Return what the dashboard concludes from versions, in words."""
    versions = [(row.platform, row.os_version, row.client_version) for row in live]
    return outdated(device.platform, device.os_version, versions, record)


def _app_pages(device: Device, found: Sequence[Row[Any]]) -> dict[str, int]:
    """Return the page of each app that one of these findings is about."""
    about = {row.subject for row in found if factor_of(row.code).vector is Vector.APPLICATION}
    same = (App.platform == platform_of(device.platform), App.identifier.in_(about))
    newest = select(App.identifier, func.max(App.id)).where(*same).group_by(App.identifier)
    return {identifier: id_ for identifier, id_ in db.session.execute(newest)}
