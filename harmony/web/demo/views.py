"""Demo mode only: a device in your hand that registers, reports what you switch on, and unregisters."""

from __future__ import annotations

import msgspec
from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response

from harmony.config import current_settings
from harmony.db import db
from harmony.models import Device, Integration, Risk
from harmony.protection.risk import platform_of
from harmony.security.auth import shown_on
from harmony.security.permissions import Permission, needs
from harmony.simulator.agents.agent import Agent
from harmony.simulator.agents.records import Handset, Report
from harmony.simulator.agents.wire import Refused, Unreachable
from harmony.web.demo.forms import RegisterForm, ReportForm, by_vector, offer, switches
from harmony.web.demo.simulated_devices import token_in_force
from harmony.web.demo.state import InHand, drop, in_hand, in_hand_of, keep, send

blueprint = Blueprint("demo_device", __name__, url_prefix="/demo/device")

# Whoever is told one of these has no device key any more.
_LOST = frozenset({"key_unknown", "device_deleted"})
_RISKS = {risk.name.lower(): risk.label for risk in Risk}


@blueprint.before_request
def only_in_demo_mode() -> None:
    """Answer 404 outside demo mode."""
    if not current_settings().demo:
        abort(404)


@blueprint.get("")
@needs(Permission.ADMINISTER)
def show() -> ResponseReturnValue:
    """Show the device, or the form that registers one."""
    device = in_hand()
    if device is None:
        return _register_page(offer(RegisterForm(udid=request.args.get("udid", ""))))
    return _device_page(device, _report_form(device))


@blueprint.post("/register")
@shown_on("demo_device.show")
def register() -> ResponseReturnValue:
    """Register it through the device API."""
    form = offer(RegisterForm(request.form))
    if not form.validate():
        return _register_page(form), 422
    agent = Agent(_handset(form))
    try:
        standing = agent.register(send, Report(os_version=agent.handset.os_version))
    except (Refused, Unreachable) as error:
        form.form_errors = [_sentence(error)]
        return _register_page(form), 409
    return _back(in_hand_of(agent).told(standing), "Registered.")


@blueprint.post("/check-in")
@shown_on("demo_device.show")
def check_in() -> ResponseReturnValue:
    """Report what is switched on."""
    device = in_hand()
    if device is None:
        return _without("There is no device in your hand any more.")
    form = _report_form(device)
    if not form.validate():
        return _device_page(device, form), 422
    changed = _changed(device, form)
    try:
        standing = changed.agent().check_in(send, changed.report())
    except (Refused, Unreachable) as error:
        return _failed(changed, form, error)
    return _back(changed.told(standing), f"Checked in: {standing.status}, {_RISKS[standing.risk]}.")


@blueprint.post("/unregister")
def unregister() -> ResponseReturnValue:
    """Remove Protect from the device."""
    device = in_hand()
    if device is None:
        return _without("There is no device in your hand any more.")
    try:
        device.agent().unregister(send)
    except (Refused, Unreachable) as error:
        return _failed(device, _report_form(device), error)
    return _without("Unregistered.", "success")


def _handset(form: RegisterForm) -> Handset:
    """Return what a Protect app would know: of a listed device, what the UEM says of it."""
    udid, known = form.udid.data or "", None
    if not udid:
        known = db.session.get_one(Device, int(form.device.data))
    integration_id = known.integration_id if known else int(form.integration.data)
    integration = db.session.get_one(Integration, integration_id)
    return Handset(
        udid=known.udid if known else udid,
        platform=platform_of(known.platform) if known else form.platform.data,
        profile=form.profile.data,
        model=known.model if known else "",
        os_version=known.os_version if known else "",
        serial=known.serial if known else "",
        token=token_in_force(integration),
        code=form.code.data or "",
    )


def _report_form(device: InHand) -> ReportForm:
    """Return the form as it was sent, or as the device is."""
    codes = {factor.code for _, factors in by_vector(device.platform) for factor in factors}
    form = ReportForm(
        request.form or None,
        threats=[code for code in device.threats if code in codes],
        other=next((code for code in device.threats if code not in codes), ""),
        os_version=device.os_version,
        client_version=device.client_version,
        test_app=device.test_app,
    )
    return switches(form, device.platform)


def _changed(device: InHand, form: ReportForm) -> InHand:
    return msgspec.structs.replace(
        device,
        threats=form.codes(),
        os_version=form.os_version.data or "",
        client_version=form.client_version.data or "",
        test_app=form.test_app.data,
    )


def _failed(device: InHand, form: ReportForm, error: Refused | Unreachable) -> ResponseReturnValue:
    """Say what the dashboard said; without a valid key nothing is in the hand."""
    if isinstance(error, Refused) and error.code in _LOST:
        return _without(_sentence(error), udid=device.udid)
    form.form_errors = [_sentence(error)]
    return _device_page(device, form), 409


def _back(device: InHand, said: str) -> Response:
    flash(said, "success")
    response = redirect(url_for("demo_device.show"), 303)
    keep(response, device)
    return response


def _without(said: str, level: str = "warning", udid: str | None = None) -> Response:
    flash(said, level)
    response = redirect(url_for("demo_device.show", udid=udid), 303)
    drop(response)
    return response


def _sentence(error: Refused | Unreachable) -> str:
    return error.message if isinstance(error, Refused) and error.message else str(error)


def _register_page(form: RegisterForm) -> str:
    return render_template("demo/register.html", form=form)


def _device_page(device: InHand, form: ReportForm) -> str:
    row = db.session.get(Device, device.device_id)
    vectors = list(by_vector(device.platform))
    return render_template("demo/device.html", device=device, row=row, form=form, vectors=vectors)
