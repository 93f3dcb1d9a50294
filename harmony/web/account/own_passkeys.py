"""The passkeys of the signed-in user: register, rename, remove."""

from __future__ import annotations

from flask import Blueprint, abort, flash, g, redirect, request, url_for
from flask.typing import ResponseReturnValue

from harmony.audit import audit
from harmony.clock import now, steady
from harmony.db import db, write
from harmony.models import Passkey, User
from harmony.security.auth import needs_recent_proof
from harmony.security.factors import methods, passkeys
from harmony.security.factors.methods import FEWEST_PASSKEYS
from harmony.security.factors.passkeys import PasskeyRefused
from harmony.security.factors.relying_party import PasskeysUnavailable
from harmony.security.permissions import Permission, needs
from harmony.web.account.enforcement import LAST_FACTOR, requires_factor
from harmony.web.account.factors import codes_page, first_codes, methods_page
from harmony.web.account.forms import PasskeyForm
from harmony.web.account.passkey_party import options_answer, present_party

blueprint = Blueprint("own_passkeys", __name__, url_prefix="/account/factors/passkeys")

_REFUSED = "The passkey was not accepted. Try again."
_NEEDED = (
    f"Password sign-in is off, so that {FEWEST_PASSKEYS} passkeys have to stay. "
    "Register another one first, or switch password sign-in on."
)


@blueprint.post("/options")
@needs(Permission.VIEW)
@needs_recent_proof
def options() -> ResponseReturnValue:
    """Return what the browser needs to make a passkey."""
    user = db.session.get_one(User, g.user.id)
    return options_answer(lambda party: passkeys.registration_options(party, user, steady()))


@blueprint.post("")
@needs(Permission.VIEW)
@needs_recent_proof
def register() -> ResponseReturnValue:
    """Store a new passkey under the name that was typed."""
    form, user_id, who = PasskeyForm(request.form), g.user.id, g.user.name
    if not form.validate():
        return methods_page(form), 422
    try:
        passkey = passkeys.verified(present_party(), user_id, request.form.get("credential", ""), steady())
    except (PasskeyRefused, PasskeysUnavailable):
        form.form_errors = [_REFUSED]
        return methods_page(form), 422
    passkey.name, passkey.created_at = form.name.data or "", now()
    with write() as session:
        codes = first_codes(session, user_id)
        session.add(passkey)
        audit(session, who, "Registered a passkey", now(), detail=form.name.data or "")
    flash("The passkey is registered.", "success")
    return codes_page(codes) if codes else redirect(url_for("factors.show"), 303)


@blueprint.post("/<int:passkey_id>/name")
@needs(Permission.VIEW)
@needs_recent_proof
def rename(passkey_id: int) -> ResponseReturnValue:
    """Give a passkey another name."""
    form, who = PasskeyForm(request.form), g.user.name
    _own(passkey_id)
    if not form.validate():
        flash(next(iter(form.name.errors)), "warning")
        return redirect(url_for("factors.show"), 303)
    with write() as session:
        stored = session.get_one(Passkey, passkey_id)
        change = f"{stored.name} is now {form.name.data}"
        stored.name = form.name.data or ""
        audit(session, who, "Renamed a passkey", now(), detail=change)
    flash("The passkey has a new name.", "success")
    return redirect(url_for("factors.show"), 303)


@blueprint.post("/<int:passkey_id>/remove")
@needs(Permission.VIEW)
@needs_recent_proof
def remove(passkey_id: int) -> ResponseReturnValue:
    """Remove a passkey, unless too few ways in would stay."""
    name, user_id, who = _own(passkey_id).name, g.user.id, g.user.name
    with write() as session:
        found = methods.methods_of(session.get_one(User, user_id))
        is_last = requires_factor(g.user) and not found.has_totp and len(found.passkeys) == 1
        refusal = LAST_FACTOR if is_last else "" if found.may_drop_passkey else _NEEDED
        if not refusal:
            session.delete(session.get_one(Passkey, passkey_id))
            methods.drop_codes_without_factor(session, user_id)
            audit(session, who, "Removed a passkey", now(), detail=name)
    flash(refusal or "The passkey was removed.", "warning" if refusal else "success")
    return redirect(url_for("factors.show"), 303)


def _own(passkey_id: int) -> Passkey:
    """Return a passkey of the signed-in user; that of another is not there."""
    found = db.session.get(Passkey, passkey_id)
    if found is None or found.user_id != g.user.id:
        abort(404)
    return found
