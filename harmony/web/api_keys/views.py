"""API keys: create one and show it this once, list them, revoke one."""

from __future__ import annotations

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from harmony.clock import now
from harmony.config import current_settings
from harmony.db import db
from harmony.models import ApiKey, User
from harmony.security import api_keys
from harmony.security.auth import needs_recent_proof, shown_on
from harmony.security.permissions import Permission, needs
from harmony.web.api_keys.forms import ApiKeyForm
from harmony.web.users.queries import group_options

blueprint = Blueprint("api_keys", __name__, url_prefix="/settings/api-keys")

# The words of a state, and its badge.
_STATES = {
    "active": ("Active", "ok"),
    "expired": ("Expired", "warning"),
    "revoked": ("Revoked", "cancelled"),
}
_REVOKED = "The API key was revoked: it opens nothing from now on."
_WAS_REVOKED = "This API key was revoked already."


@blueprint.get("")
@needs(Permission.ADMINISTER)
def index() -> ResponseReturnValue:
    """Show every key."""
    rows = [(key, user, api_keys.state(key, now())) for key, user in api_keys.listed()]
    return render_template("api_keys/index.html", rows=rows, states=_STATES)


@blueprint.get("/new")
@needs(Permission.ADMINISTER)
def new() -> ResponseReturnValue:
    """Show the form of a new key."""
    return _form_page(ApiKeyForm())


@blueprint.post("")
@shown_on("api_keys.new")
@needs_recent_proof
@needs(Permission.ADMINISTER)
def create() -> ResponseReturnValue:
    """Create a key and show it this once; a redirect would need a place to keep it."""
    form = ApiKeyForm(request.form)
    if not form.validate():
        return _form_page(form), 422
    key_id, key = api_keys.create(form.wanted(), g.user.name, now())
    return _page(db.session.get_one(ApiKey, key_id), key)


@blueprint.get("/<int:key_id>")
@needs(Permission.ADMINISTER)
def show(key_id: int) -> ResponseReturnValue:
    """Show one key; what opens is not shown again."""
    return _page(db.get_or_404(ApiKey, key_id))


@blueprint.post("/<int:key_id>/revoke")
@needs(Permission.ADMINISTER)
def revoke(key_id: int) -> ResponseReturnValue:
    """Let the key open nothing any more."""
    db.get_or_404(ApiKey, key_id)
    done = api_keys.revoke(key_id, g.user.name, now())
    flash(_REVOKED if done else _WAS_REVOKED, "success" if done else "warning")
    return redirect(url_for("api_keys.show", key_id=key_id), 303)


def _form_page(form: ApiKeyForm) -> str:
    return render_template("api_keys/new.html", form=form, groups=group_options(form.scope.data or []))


def _page(row: ApiKey, key: str | None = None) -> str:
    return render_template(
        "api_keys/show.html",
        row=row,
        user=db.session.get(User, row.user_id) if row.user_id else None,
        groups=[option for option in group_options(row.scope or []) if option.checked],
        state=api_keys.state(row, now()),
        states=_STATES,
        key=key,
        address=current_settings().public_url or request.url_root.rstrip("/"),
    )
