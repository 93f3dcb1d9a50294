"""Second factors that a role requires: the setting, and the way to set one up for whoever lacks it."""

from __future__ import annotations

from flask import Blueprint, Response, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from werkzeug.wrappers import Response as BaseResponse

from harmony.audit import audit
from harmony.clock import now
from harmony.db import db, write
from harmony.models import Role, RoleSettings, User
from harmony.security.auth import STATIC, needs_recent_proof
from harmony.security.factors import methods
from harmony.security.permissions import Permission, needs
from harmony.web.account.completion import SignInMethod

blueprint = Blueprint("sign_in_rules", __name__, url_prefix="/settings/sign-in-rules")

# Open to whoever has to set a second factor up first: the pages that do so, the help, and the way out.
_OPEN = frozenset(
    {"factors", "authenticator", "own_passkeys", "second_factor", "passkey_sign_in", "access"}
    | {"confirm", "passkey_proof", "own_account"}
)
_FIRST = "Your role needs a second factor. Set up an authenticator app or a passkey to go on."
LAST_FACTOR = "Your role needs a second factor, and this is the last. Set up another one first."
_SAVED = "Saved. Whoever lacks a second factor is led to set one up."


@blueprint.get("")
@needs(Permission.ADMINISTER)
def show() -> ResponseReturnValue:
    """Show which roles need a second factor, and how many users of each have one."""
    users = db.session.scalars(select(User).where(User.disabled_at.is_(None))).all()
    ready = {user.id: methods.has_second_factor(user.id) for user in users}
    settings = {row.role: row for row in db.session.scalars(select(RoleSettings))}
    rows = [
        (
            role,
            _is_required(settings.get(role.value)),
            [ready[user.id] for user in users if user.role == role],
        )
        for role in Role
    ]
    return render_template("account/sign_in_rules.html", rows=rows)


@blueprint.post("")
@needs(Permission.ADMINISTER)
@needs_recent_proof
def save() -> ResponseReturnValue:
    """Store which roles need a second factor."""
    required, who = set(request.form.getlist("roles")), g.user.name
    with write() as session:
        for role in Role:
            row = session.get(RoleSettings, role.value) or RoleSettings(role=role.value)
            is_required = role.value in required
            if bool(row.requires_second_factor) != is_required:
                word = "required" if is_required else "no longer required"
                audit(session, who, "Changed second factors", now(), detail=f"{role.value}: {word}")
            row.requires_second_factor = is_required
            session.add(row)
    flash(_SAVED if required else "Saved.", "success")
    return redirect(url_for("sign_in_rules.show"), 303)


def requires_factor(user: User) -> bool:
    """Tell if the role of a user needs a second factor."""
    return _is_required(user.role_settings)


def _is_required(settings: RoleSettings | None) -> bool:
    return settings is not None and settings.requires_second_factor


@blueprint.before_app_request
def _lead_to_set_up() -> BaseResponse | None:
    """Lead a user who signed in by password alone, and whose role needs more, to the set-up of a factor.

    An identity provider asks for factors of its own.
    """
    user, is_open = g.get("user"), request.blueprint in _OPEN or request.endpoint == STATIC
    if user is None or is_open or g.sign_in_session.method != SignInMethod.PASSWORD:
        return None
    if not requires_factor(user) or methods.has_second_factor(user.id):
        return None
    flash(_FIRST, "warning")
    page = url_for("factors.show")
    if "HX-Request" in request.headers:
        return Response(_FIRST, 403, {"HX-Redirect": page}, mimetype="text/plain")
    return redirect(page, 303)
