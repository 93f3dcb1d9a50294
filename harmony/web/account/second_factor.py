"""The second step of a sign-in: a one-time code, a recovery code or a passkey after the password."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from harmony.audit import audit
from harmony.clock import now, steady
from harmony.db import db, write
from harmony.models import PendingSignIn, User
from harmony.security import rate_limit, sessions
from harmony.security.addresses import below_prefix
from harmony.security.auth import SIGN_IN, public
from harmony.security.factors import methods, passkeys, pending, recovery_codes, totp
from harmony.security.factors.passkeys import PasskeyRefused
from harmony.security.factors.relying_party import PasskeysUnavailable
from harmony.web.account.completion import (
    SignInMethod,
    complete_sign_in,
    refuse_sign_in,
    too_often,
    wait_sentence,
)
from harmony.web.account.forms import OneTimeCodeForm, RecoveryCodeForm
from harmony.web.account.passkey_party import options_answer, passkeys_problem, present_party, problem_answer

blueprint = Blueprint("second_factor", __name__, url_prefix="/sign-in/factor")

_OVER = "That took too long or was tried too often. Sign in again."
WRONG_CODE = "This code is wrong, too old, or was used already."
_WRONG_RECOVERY_CODE = "This is not one of your unused recovery codes."
PASSKEY_REFUSED = "The passkey was not accepted. Try again, or use another way."

_Check = Callable[[Session, int], bool]


def after_password(user: User, target: str) -> BaseResponse:
    """Sign a user in whose password was right, or ask for the second factor first."""
    if not methods.has_second_factor(user.id):
        return complete_sign_in(user, SignInMethod.PASSWORD, target)
    token = pending.open_pending(user.id, target, steady())
    response = redirect(url_for("second_factor.show"), 303)
    sessions.set_cookie(response, token, sessions.PENDING)
    return response


@blueprint.get("")
@public
def show() -> ResponseReturnValue:
    """Ask for the second factor; without a sign-in that waits for it, for the password."""
    waiting = _waiting()
    return _page(waiting) if waiting else redirect(below_prefix(SIGN_IN), 303)


@blueprint.post("/code")
@public
def code() -> ResponseReturnValue:
    """Check a code of the authenticator app."""
    waiting, form = _waiting(), OneTimeCodeForm(request.form)
    if waiting is None:
        return _over()
    if not form.validate():
        return _page(waiting, form), 422
    if wait := rate_limit.second_factor_wait(waiting.user_id, now()):
        return too_often(_page(waiting, form, wait_sentence(wait)), wait)
    typed = form.one_time_code.data or ""
    if not _uses_try(waiting, lambda session, user_id: totp.accept(session, user_id, typed, now())):
        return _refused(waiting, form, WRONG_CODE, "wrong one-time code")
    rate_limit.second_factor_succeeded(waiting.user_id)
    return _complete(waiting, SignInMethod.PASSWORD_AND_CODE)


@blueprint.post("/recovery-code")
@public
def recovery_code() -> ResponseReturnValue:
    """Check a recovery code, and use it up."""
    waiting, form = _waiting(), RecoveryCodeForm(request.form)
    if waiting is None:
        return _over()
    if not form.validate():
        return _page(waiting, form), 422
    typed = form.recovery_code.data or ""
    if not _uses_try(waiting, lambda session, user_id: recovery_codes.accept(session, user_id, typed, now())):
        return _refused(waiting, form, _WRONG_RECOVERY_CODE, "wrong recovery code")
    flash(f"A recovery code was used. {recovery_codes.left(waiting.user_id)} are left.", "warning")
    return _complete(waiting, SignInMethod.PASSWORD_AND_RECOVERY_CODE)


@blueprint.post("/passkey/options")
@public
def passkey_options() -> ResponseReturnValue:
    """Return a challenge for one of the user's passkeys."""
    waiting = _waiting()
    if waiting is None:
        return problem_answer(_OVER, 409)
    if wait := rate_limit.passkey_wait(request.remote_addr, now()):
        return problem_answer(wait_sentence(wait), 429)
    user_id = waiting.user_id
    return options_answer(lambda party: passkeys.sign_in_options(party, user_id, steady()))


@blueprint.post("/passkey")
@public
def passkey() -> ResponseReturnValue:
    """Check the answer of a passkey of this user."""
    waiting = _waiting()
    if waiting is None:
        return _over()
    try:
        answer = request.form.get("credential", "")
        proof = passkeys.prove(present_party(), waiting.user_id, answer, steady())
    except (PasskeyRefused, PasskeysUnavailable):
        _uses_try(waiting, lambda _session, _user_id: False)
        return _refused(waiting, None, PASSKEY_REFUSED, "passkey refused")
    if not _uses_try(waiting, lambda _session, _user_id: True):
        return _over()
    note_copy(proof)
    return _complete(waiting, SignInMethod.PASSWORD_AND_PASSKEY)


def note_copy(proof: passkeys.Proof) -> None:
    """Write down that the counter of a passkey fell: it may be a copy. It counts all the same."""
    if proof.is_copy:
        user = db.session.get_one(User, proof.passkey.user_id)
        with write() as session:
            audit(session, user.name, "Passkey counter fell", now(), detail=proof.passkey.name)


def _waiting() -> PendingSignIn | None:
    return pending.find(sessions.read_cookie(sessions.PENDING), steady())


def _uses_try(waiting: PendingSignIn, check: _Check) -> bool:
    """Count a try and check it; the first right one ends the wait, so that no two sessions come of it."""
    token_hash, user_id = waiting.token_hash, waiting.user_id
    with write() as session:
        if not pending.use_try(session, token_hash, steady()) or not check(session, user_id):
            return False
        return pending.close(session, token_hash)


def _complete(waiting: PendingSignIn, method: SignInMethod) -> BaseResponse:
    response = complete_sign_in(db.session.get_one(User, waiting.user_id), method, waiting.target)
    sessions.clear_cookie(response, sessions.PENDING)
    return response


def _refused(
    waiting: PendingSignIn, form: OneTimeCodeForm | RecoveryCodeForm | None, sentence: str, reason: str
) -> ResponseReturnValue:
    refuse_sign_in(db.session.get_one(User, waiting.user_id).name, reason)
    still = _waiting()
    return (_page(still, form, sentence), 422) if still else _over()


def _over() -> Response | BaseResponse:
    flash(_OVER, "warning")
    response = redirect(below_prefix(SIGN_IN), 303)
    sessions.clear_cookie(response, sessions.PENDING)
    return response


def _page(
    waiting: PendingSignIn, form: OneTimeCodeForm | RecoveryCodeForm | None = None, refusal: str = ""
) -> str:
    sent = form or OneTimeCodeForm()
    sent.form_errors = [refusal] if refusal else []
    return render_template(
        "auth/factor.html",
        form=sent,
        code_form=sent if isinstance(sent, OneTimeCodeForm) else OneTimeCodeForm(),
        recovery_form=sent if isinstance(sent, RecoveryCodeForm) else RecoveryCodeForm(),
        methods=methods.methods_of(db.session.get_one(User, waiting.user_id)),
        passkeys_problem=passkeys_problem(),
    )
