"""Re-authentication with a passkey, for whoever has one; without a password it is the only way."""

from __future__ import annotations

from flask import Blueprint, flash, g, redirect, request, url_for
from flask.typing import ResponseReturnValue

from harmony.audit import audit
from harmony.clock import now, steady
from harmony.db import write
from harmony.security import sessions
from harmony.security.addresses import local_address
from harmony.security.factors import passkeys
from harmony.security.factors.passkeys import PasskeyRefused
from harmony.security.factors.relying_party import PasskeysUnavailable
from harmony.security.permissions import Permission, needs
from harmony.web.account.passkey_party import options_answer, present_party
from harmony.web.account.second_factor import PASSKEY_REFUSED

blueprint = Blueprint("passkey_proof", __name__, url_prefix="/account/confirm/passkey")


@blueprint.post("/options")
@needs(Permission.VIEW)
def options() -> ResponseReturnValue:
    """Return a challenge for one of the user's passkeys."""
    user_id = g.user.id
    return options_answer(lambda party: passkeys.sign_in_options(party, user_id, steady()))


@blueprint.post("")
@needs(Permission.VIEW)
def confirm() -> ResponseReturnValue:
    """Check the answer of the passkey, and go on where the proof was asked for."""
    target, name = local_address(request.form.get("next")), g.user.name
    try:
        passkeys.prove(present_party(), g.user.id, request.form.get("credential", ""), steady())
    except (PasskeyRefused, PasskeysUnavailable):
        flash(PASSKEY_REFUSED, "warning")
        return redirect(url_for("confirm.show", next=target), 303)
    token = sessions.mark_reauthenticated(sessions.read_cookie(), steady())
    with write() as session:
        audit(session, name, "Confirmed by passkey", now())
    response = redirect(target, 303)
    sessions.set_cookie(response, token)
    return response
