"""The authenticator app of the signed-in user: set up or replace it, remove it."""

from __future__ import annotations

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from harmony.audit import audit
from harmony.clock import now
from harmony.db import write
from harmony.security import rate_limit
from harmony.security.auth import needs_recent_proof
from harmony.security.factors import methods, passkeys, totp
from harmony.security.permissions import Permission, needs
from harmony.web.account.completion import too_often, wait_sentence
from harmony.web.account.enforcement import LAST_FACTOR, requires_factor
from harmony.web.account.factors import codes_page, first_codes
from harmony.web.account.forms import OneTimeCodeForm
from harmony.web.account.second_factor import WRONG_CODE
from harmony.web.shared.qr_code import qr_code

blueprint = Blueprint("authenticator", __name__, url_prefix="/account/factors/authenticator")


@blueprint.post("/begin")
@needs(Permission.VIEW)
@needs_recent_proof
def begin() -> ResponseReturnValue:
    """Make a new secret; it counts after its first right code."""
    user_id = g.user.id
    with write() as session:
        totp.begin(session, user_id)
    return redirect(url_for("authenticator.show"), 303)


@blueprint.get("")
@needs(Permission.VIEW)
@needs_recent_proof
def show() -> ResponseReturnValue:
    """Show the secret that waits, as a QR code and as text."""
    return _page(OneTimeCodeForm()) or redirect(url_for("factors.show"), 303)


@blueprint.post("")
@needs(Permission.VIEW)
@needs_recent_proof
def confirm() -> ResponseReturnValue:
    """Put the secret in force; with a first factor come recovery codes."""
    form, user_id, name = OneTimeCodeForm(request.form), g.user.id, g.user.name
    if totp.pending_secret(user_id) is None:
        return redirect(url_for("factors.show"), 303)
    if not form.validate():
        return _page(form), 422
    if wait := rate_limit.second_factor_wait(user_id, now()):
        return too_often(_refused(form, wait_sentence(wait)), wait)
    with write() as session:
        is_right = totp.confirm(session, user_id, form.one_time_code.data or "", now())
        codes = first_codes(session, user_id) if is_right else []
        if is_right:
            audit(session, name, "Set up an authenticator app", now())
    if not is_right:
        return _refused(form, WRONG_CODE), 422
    rate_limit.second_factor_succeeded(user_id)
    flash("The authenticator app is set up.", "success")
    return codes_page(codes) if codes else redirect(url_for("factors.show"), 303)


@blueprint.post("/remove")
@needs(Permission.VIEW)
@needs_recent_proof
def remove() -> ResponseReturnValue:
    """Remove the authenticator app."""
    user_id, name = g.user.id, g.user.name
    if requires_factor(g.user) and not passkeys.passkeys_of(user_id):
        flash(LAST_FACTOR, "warning")
        return redirect(url_for("factors.show"), 303)
    with write() as session:
        totp.remove(session, user_id)
        methods.drop_codes_without_factor(session, user_id)
        audit(session, name, "Removed the authenticator app", now())
    flash("The authenticator app was removed.", "success")
    return redirect(url_for("factors.show"), 303)


def _refused(form: OneTimeCodeForm, sentence: str) -> str:
    form.form_errors = [sentence]
    return _page(form)


def _page(form: OneTimeCodeForm) -> str:
    """Return the page of the secret that waits, "" where none does."""
    secret = totp.pending_secret(g.user.id)
    if secret is None:
        return ""
    code = qr_code(totp.provisioning_uri(secret, g.user.name))
    return render_template("account/authenticator.html", form=form, secret=secret, code=code)
