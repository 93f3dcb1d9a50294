"""Settings > Users: invite, change role and scope, reset, disable, sign out, remove; the roles."""

from __future__ import annotations

from flask import Blueprint, abort, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from harmony.clock import now
from harmony.config import current_settings
from harmony.db import db
from harmony.models import Role, User
from harmony.security import role_settings, user_changes
from harmony.security.auth import needs_recent_proof, shown_on
from harmony.security.permissions import MEANINGS, ROLES, Permission, needs
from harmony.security.user_changes import LastAdministrator
from harmony.web.users.forms import ALL, SOME, AccessForm, InvitationForm, RoleForm
from harmony.web.users.queries import group_options, user_rows

blueprint = Blueprint("users", __name__, url_prefix="/settings/users")

# The words of a state, and its badge.
_STATES = {
    "active": ("Active", "active"),
    "disabled": ("Disabled", "cancelled"),
    "invited": ("Invited", "pending"),
    "single_sign_on": ("Single sign-on", "active"),
    "expired": ("Invitation expired", "warning"),
}
_OWN = "This is your own account. Ask another administrator to do this."


@blueprint.get("")
@needs(Permission.ADMINISTER)
def index() -> ResponseReturnValue:
    """Show every user."""
    rows = [(row, row.state(now())) for row in user_rows()]
    return render_template("users/index.html", rows=rows, states=_STATES)


@blueprint.get("/new")
@needs(Permission.ADMINISTER)
def new() -> ResponseReturnValue:
    """Show the form of an invitation."""
    return _invitation_page(InvitationForm())


@blueprint.post("/new")
@shown_on("users.new")
@needs_recent_proof
@needs(Permission.ADMINISTER)
def invite() -> ResponseReturnValue:
    """Create a user and show the link this once; a redirect would need a place to keep it."""
    form = InvitationForm(request.form)
    if not form.validate():
        return _invitation_page(form), 422
    user_id, token = user_changes.invite(form.name.data or "", *form.chosen(), g.user.name, now())
    return _page(db.session.get_one(User, user_id), token=token)


@blueprint.get("/roles")
@needs(Permission.ADMINISTER)
def roles() -> ResponseReturnValue:
    """Show which role has which permission, and the switches of the roles."""
    form = RoleForm(data=role_settings.hiding())
    return render_template("users/roles.html", form=form, roles=ROLES, meanings=MEANINGS)


@blueprint.post("/roles")
@shown_on("users.roles")
@needs_recent_proof
@needs(Permission.ADMINISTER)
def save_roles() -> ResponseReturnValue:
    """Switch the personal data of roles on or off."""
    form = RoleForm(request.form)
    for role in (Role.VIEWER, Role.OPERATOR):
        role_settings.hide_personal_data(role, bool(form[role.value].data), g.user.name, now())
    flash("Saved. It counts from the next page on that these users open.", "success")
    return redirect(url_for("users.roles"), 303)


@blueprint.get("/<int:user_id>")
@needs(Permission.ADMINISTER)
def show(user_id: int) -> ResponseReturnValue:
    """Show one user."""
    return _page(db.get_or_404(User, user_id))


@blueprint.post("/<int:user_id>")
@shown_on("users.show")
@needs_recent_proof
@needs(Permission.ADMINISTER)
def change_access(user_id: int) -> ResponseReturnValue:
    """Give a user another role or scope."""
    user, form = db.get_or_404(User, user_id), AccessForm(request.form)
    if not form.validate():
        return _page(user, form), 422
    try:
        user_changes.change_access(user_id, *form.chosen(), g.user.name, now())
    except LastAdministrator as last:
        form.form_errors = [last.sentence]
        return _page(user, form), 409
    flash(f"Saved {user.name}.", "success")
    return redirect(url_for("users.show", user_id=user_id), 303)


@blueprint.post("/<int:user_id>/reset")
@needs_recent_proof
@needs(Permission.ADMINISTER)
def reset(user_id: int) -> ResponseReturnValue:
    """Take the password away, and show the link that lets the user choose another this once."""
    user = db.get_or_404(User, user_id)
    if user.id == g.user.id:
        return _refused(user, _OWN)
    try:
        return _page(user, token=user_changes.reset(user_id, g.user.name, now()))
    except LastAdministrator as last:
        return _refused(user, last.sentence)


@blueprint.post("/<int:user_id>/<what>")
@needs_recent_proof
@needs(Permission.ADMINISTER)
def act(user_id: int, what: str) -> ResponseReturnValue:
    """Disable, enable, sign out or remove a user."""
    user = db.get_or_404(User, user_id)
    if what not in _ACTIONS:
        abort(404)
    if user.id == g.user.id and what in {"disable", "remove"}:
        return _refused(user, _OWN)
    change, done = _ACTIONS[what]
    try:
        change(user_id, g.user.name, now())
    except LastAdministrator as last:
        return _refused(user, last.sentence)
    flash(done.format(user.name), "success")
    page = url_for("users.index") if what == "remove" else url_for("users.show", user_id=user_id)
    return redirect(page, 303)


_ACTIONS = {
    "disable": (user_changes.disable, "{} is disabled and signed out everywhere."),
    "enable": (user_changes.enable, "{} may sign in again."),
    "sessions": (user_changes.end_all_sessions, "{} is signed out everywhere."),
    "remove": (user_changes.remove, "{} was removed."),
}


def _refused(user: User, sentence: str) -> ResponseReturnValue:
    form = _access_of(user)
    form.form_errors = [sentence]
    return _page(user, form), 409


def _access_of(user: User) -> AccessForm:
    reach = ALL if user.scope is None else SOME
    return AccessForm(data={"role": user.role, "reach": reach, "scope": user.scope or []})


def _invitation_page(form: InvitationForm) -> str:
    return render_template("users/new.html", form=form, groups=group_options(form.scope.data or []))


def _page(user: User, form: AccessForm | None = None, token: str = "") -> str:
    form, [row] = form or _access_of(user), user_rows(user.id)
    server = current_settings().public_url or request.url_root.rstrip("/")
    path = url_for("invitation.show", token=token).removeprefix(request.script_root) if token else ""
    return render_template(
        "users/show.html",
        row=row,
        state=row.state(now()),
        states=_STATES,
        form=form,
        groups=group_options(form.scope.data or []),
        is_own=user.id == g.user.id,
        link=server + path if token else "",
    )
