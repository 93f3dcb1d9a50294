"""Re-authentication: the password once more before secrets, approvals, removal, rotation and users."""

from __future__ import annotations

from flask import Blueprint, g, redirect, render_template, request
from flask.typing import ResponseReturnValue

from harmony.audit import audit
from harmony.clock import now, steady
from harmony.db import db, write
from harmony.oidc.accounts import has_identity
from harmony.oidc.settings import provider_name
from harmony.security import sessions
from harmony.security.addresses import local_address
from harmony.security.factors.methods import methods_of
from harmony.security.permissions import Permission, needs
from harmony.web.account.passkey_party import passkeys_problem
from harmony.web.own_account.forms import ConfirmForm
from harmony.web.own_account.proof import check_own_password

blueprint = Blueprint("confirm", __name__, url_prefix="/account/confirm")


@blueprint.get("")
@needs(Permission.VIEW)
def show() -> ResponseReturnValue:
    """Ask for the password."""
    return _page(ConfirmForm())


@blueprint.post("")
@needs(Permission.VIEW)
def confirm() -> ResponseReturnValue:
    """Check the password, and go on where it was asked for."""
    form = ConfirmForm(request.form)
    if not form.validate():
        return _page(form), 422
    if problem := check_own_password(form.password.data or ""):
        form.password.errors = [problem.sentence]
        return _page(form), problem.status
    name = g.user.name
    token = sessions.mark_reauthenticated(sessions.read_cookie(), steady())
    with write() as session:
        audit(session, name, "Confirmed the password", now())
    response = redirect(local_address(request.form.get("next")), 303)
    sessions.set_cookie(response, token)
    return response


def _page(form: ConfirmForm) -> str:
    provider = provider_name() if has_identity(db.session(), g.user.id) else None
    found = methods_of(g.user)
    return render_template(
        "account/confirm.html",
        form=form,
        next=local_address(request.values.get("next")),
        user=g.user,
        provider=provider,
        has_password=found.has_password,
        has_passkey=bool(found.passkeys) and not passkeys_problem(),
    )
