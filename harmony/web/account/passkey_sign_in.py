"""Sign-in with a passkey alone: the authenticator says who it is."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from harmony.clock import now, steady
from harmony.db import db
from harmony.models import User
from harmony.security import rate_limit
from harmony.security.addresses import local_address
from harmony.security.auth import public
from harmony.security.factors import passkeys
from harmony.security.factors.passkeys import PasskeyRefused
from harmony.security.factors.relying_party import PasskeysUnavailable
from harmony.web.account.completion import (
    NOBODY,
    SignInMethod,
    complete_sign_in,
    refuse_sign_in,
    wait_sentence,
)
from harmony.web.account.passkey_party import options_answer, present_party, problem_answer
from harmony.web.account.second_factor import PASSKEY_REFUSED, note_copy

blueprint = Blueprint("passkey_sign_in", __name__, url_prefix="/sign-in/passkey")


@blueprint.post("/options")
@public
def options() -> ResponseReturnValue:
    """Return a challenge for any passkey of this dashboard."""
    if wait := rate_limit.passkey_wait(request.remote_addr, now()):
        return problem_answer(wait_sentence(wait), 429)
    return options_answer(lambda party: passkeys.sign_in_options(party, None, steady()))


@blueprint.post("")
@public
def sign_in() -> ResponseReturnValue:
    """Sign in whoever the passkey belongs to."""
    target = local_address(request.form.get("next"))
    try:
        proof = passkeys.prove(present_party(), None, request.form.get("credential", ""), steady())
    except (PasskeyRefused, PasskeysUnavailable):
        refuse_sign_in(NOBODY, "passkey refused")
        flash(PASSKEY_REFUSED, "warning")
        return redirect(url_for("access.sign_in", next=target), 303)
    note_copy(proof)
    user = db.session.get_one(User, proof.passkey.user_id)
    return complete_sign_in(user, SignInMethod.PASSKEY, target)
