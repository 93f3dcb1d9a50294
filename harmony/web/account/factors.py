"""The sign-in methods of the signed-in user: all of them, recovery codes, and sign-in by password."""

from __future__ import annotations

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import update
from sqlalchemy.orm import Session

from harmony.audit import audit
from harmony.clock import now
from harmony.db import db, write
from harmony.models import User
from harmony.security.auth import needs_recent_proof
from harmony.security.factors import methods, recovery_codes
from harmony.security.factors.methods import FEWEST_PASSKEYS
from harmony.security.permissions import Permission, needs
from harmony.web.account.forms import PasskeyForm
from harmony.web.account.passkey_party import passkeys_problem, present_rp_id

blueprint = Blueprint("factors", __name__, url_prefix="/account/factors")

_NO_FACTOR = "Recovery codes stand in for a second factor. Set up an authenticator app or a passkey first."
_TOO_FEW = f"Register at least {FEWEST_PASSKEYS} passkeys for this address first: one may be lost."


@blueprint.get("")
@needs(Permission.VIEW)
def show() -> ResponseReturnValue:
    """Show what the user signs in with."""
    return methods_page(PasskeyForm())


@blueprint.post("/recovery-codes")
@needs(Permission.VIEW)
@needs_recent_proof
def new_recovery_codes() -> ResponseReturnValue:
    """Make new recovery codes and show them this once; the former ones count no more."""
    if not methods.has_second_factor(g.user.id):
        flash(_NO_FACTOR, "warning")
        return redirect(url_for("factors.show"), 303)
    user_id, name = g.user.id, g.user.name
    with write() as session:
        codes = recovery_codes.renew(session, user_id)
        audit(session, name, "Made recovery codes", now())
    return codes_page(codes)


@blueprint.post("/password")
@needs(Permission.VIEW)
@needs_recent_proof
def password() -> ResponseReturnValue:
    """Switch sign-in by password off, once enough passkeys are there, or on again."""
    is_off = request.form.get("password") == "off"
    if is_off and not methods.methods_of(g.user).may_drop_password(present_rp_id()):
        flash(_TOO_FEW, "warning")
        return redirect(url_for("factors.show"), 303)
    user_id, name, word = g.user.id, g.user.name, "off" if is_off else "on"
    with write() as session:
        session.execute(update(User).where(User.id == user_id).values(password_off=is_off))
        audit(session, name, f"Switched password sign-in {word}", now())
    flash(f"Password sign-in is {word}.", "success")
    return redirect(url_for("factors.show"), 303)


def first_codes(session: Session, user_id: int) -> list[str]:
    """Make recovery codes with a user's first factor; none where some are left. Inside `write()` only."""
    return [] if recovery_codes.left(user_id) else recovery_codes.renew(session, user_id)


def codes_page(codes: list[str]) -> str:
    """Return the page that shows recovery codes once; a redirect would need a place to keep them."""
    return render_template("account/recovery_codes.html", codes=codes)


def methods_page(form: PasskeyForm) -> str:
    """Return the page of the user's sign-in methods."""
    user = db.session.get_one(User, g.user.id)
    return render_template(
        "account/factors.html",
        form=form,
        methods=methods.methods_of(user),
        passkeys_problem=passkeys_problem(),
        rp_id=present_rp_id(),
        fewest=FEWEST_PASSKEYS,
    )
