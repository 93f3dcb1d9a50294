"""The page that the link of a registration message leads to: how to register, without signing in.

The codes stand after the # of the link, which no browser sends and no server logs; a script of the page puts
them into its form. The page says nothing of whose device it is.
"""

from __future__ import annotations

from datetime import datetime

from flask import Blueprint, Response, render_template, request
from flask.typing import ResponseReturnValue

from harmony.clock import now
from harmony.config import current_settings
from harmony.db import db
from harmony.device_api.errors import ApiError
from harmony.device_api.registration.codes import usable_code
from harmony.device_api.routes import counted
from harmony.messages.registration.content import RegistrationContent, steps_of
from harmony.messages.registration.texts import language_of, texts_in_force
from harmony.models import Device, Integration
from harmony.protection.risk import platform_of
from harmony.security.auth import public
from harmony.web.shared.qr_code import qr_code

blueprint = Blueprint("register", __name__, url_prefix="/register")

_MOST_CODES, _LONGEST = 2, 200
_WRONG = "This code is not valid, was used, or has expired. Ask your administrator for a new one."


@blueprint.get("")
@public
def show() -> ResponseReturnValue:
    """Ask for the code."""
    return render_template("registration/register.html", typed="", error=None, content=None)


@blueprint.post("")
@public
def steps() -> ResponseReturnValue:
    """Show the steps for the device of the codes."""
    typed = request.form.get("codes", "")[:_LONGEST]
    found = _content(typed, now())
    if found is None:
        return _refused(typed)
    content, device = found
    deployment = db.session.get_one(Integration, device.integration_id).in_force.deployment
    language = language_of(deployment.language)
    texts = texts_in_force(db.session(), language.key)
    return render_template(
        "registration/register.html",
        content=content,
        lines=steps_of(content, texts, language).splitlines(),
        language=language,
        code=qr_code(content.link),
    )


@blueprint.after_request
def keep_out_of_search(response: Response) -> Response:
    """Keep the page out of search engines."""
    response.headers["X-Robots-Tag"] = "noindex, nofollow"
    return response


def _content(typed: str, at: datetime) -> tuple[RegistrationContent, Device] | None:
    """Return what the typed codes register, which have to be of one device; None for anything else."""
    codes = [part.rpartition(":")[2].strip() for part in typed.split(",")][: _MOST_CODES + 1]
    found = [usable_code(code, at) for code in codes]
    right = [pair for pair in found if pair is not None]
    if len(right) != len(codes) or len(codes) > _MOST_CODES or len({device.id for _, device in right}) != 1:
        return None
    device = right[0][1]
    content = RegistrationContent(
        org=db.session.get_one(Integration, device.integration_id).name,
        server=current_settings().public_url or request.url_root.rstrip("/"),
        platform=platform_of(device.platform),
        codes={row.profile: code.upper() for (row, _), code in zip(right, codes, strict=True)},
        expires=min(row.expires_at for row, _ in right),
    )
    return content, device


def _refused(typed: str) -> ResponseReturnValue:
    """Refuse a wrong code, counted like one that a Protect app tried."""
    error, status = _WRONG, 422
    try:
        counted(ApiError("code_unknown"))
    except ApiError as too_many:
        error, status = too_many.message, too_many.status
    return render_template("registration/register.html", typed=typed, error=error, content=None), status
