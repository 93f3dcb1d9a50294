"""Sign-in at the provider: there, back again, and the provider's word that somebody has signed out."""

from __future__ import annotations

import logging
import math
from functools import partial

from flask import Blueprint, flash, jsonify, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from harmony.audit import audit
from harmony.clock import now, steady
from harmony.db import db, write
from harmony.models import User
from harmony.oidc import flow, logout, trial
from harmony.oidc.accounts import account_for
from harmony.oidc.errors import FlowLost, NoAccess, ProviderDeclined, SignOnError
from harmony.oidc.flow import Flow, FlowStart
from harmony.oidc.identity import Callback, VerifiedIdentity, identify, require_role
from harmony.security import rate_limit
from harmony.security.addresses import below_prefix, local_address
from harmony.security.auth import SIGN_IN, public
from harmony.web.account.completion import SignInMethod, complete_sign_in
from harmony.web.sign_on.browser import PREFIX, browser_or_new, read_browser, redirect_uri, set_browser
from harmony.web.sign_on.connect import provider_of, settings_or_404

log = logging.getLogger(__name__)

blueprint = Blueprint("sign_on", __name__, url_prefix=PREFIX)

_UNKNOWN = "unknown"


@blueprint.get("")
@public
def start() -> ResponseReturnValue:
    """Send the browser to the provider; with `again` it has to prove anew who it is.

    A GET, so that the provider's list of applications can link here.
    """
    settings, key = settings_or_404(), browser_or_new()
    if wait := rate_limit.sign_on_wait(request.remote_addr, now()):
        return _failed(ProviderDeclined("This was tried too often.", f"Wait {math.ceil(wait)} seconds."), 429)
    since = int(now().timestamp()) if "again" in request.args else 0
    begun = FlowStart(key, local_address(request.args.get("next")), redirect_uri(), fresh_since=since)
    try:
        metadata = provider_of(settings).metadata()
    except SignOnError as error:
        return _failed(error)
    response = redirect(flow.begin(metadata, settings.client_id, settings.scopes, begun, steady()), 303)
    set_browser(response, key)
    return response


@blueprint.get("/callback")
@public
def callback() -> ResponseReturnValue:
    """Take the answer of the provider: sign in, or finish a test."""
    brought = Callback(*map(request.args.get, ("state", "code", "error", "iss")))
    try:
        begun = flow.take(brought.state, read_browser(), steady())
    except FlowLost as lost:
        flash(f"{lost.sentence} {lost.advice}", "error")
        return redirect(below_prefix(SIGN_IN), 303)
    if begun.test_id is not None:
        return _finish_test(begun.test_id, begun, brought)
    return _finish(begun, brought)


@blueprint.post("/logout")
@public
def back_channel_logout() -> ResponseReturnValue:
    """End the sessions that the provider says have ended there (Back-Channel Logout 1.0)."""
    settings = settings_or_404()
    if rate_limit.take(f"sign-on-logout:{rate_limit.counted_address(request.remote_addr)}", 60, 60, now()):
        return jsonify(error="temporarily_unavailable"), 429
    try:
        count = logout.end_sessions(
            provider_of(settings), settings, request.form.get("logout_token", ""), now()
        )
    except SignOnError as error:
        log.warning("A logout by the provider was refused: %s", error.sentence)
        return jsonify(error="invalid_request", error_description=error.sentence), 400
    log.info("The provider ended %d sessions.", count)
    return ""


@blueprint.get("/signed-out/<key>")
@public
def signed_out(key: str) -> ResponseReturnValue:
    """Offer to sign out at the provider too, once."""
    try:
        address = flow.take(key, key, steady()).secrets.target
    except FlowLost:
        return redirect(below_prefix(SIGN_IN), 303)
    return render_template("sign_on/signed_out.html", address=address, provider=settings_or_404().name)


def _finish(begun: Flow, brought: Callback) -> ResponseReturnValue:
    """Sign in whoever the provider vouches for, with the role that the rules give."""
    settings, identity = settings_or_404(), None
    try:
        identity = identify(provider_of(settings), settings, begun.secrets, brought, now())
        role = require_role(identity, settings)
        user = _account(identity, role)
    except SignOnError as error:
        return _refused(error, identity)
    link = partial(logout.link_session, identity=identity)
    # Without `again` the provider may have let in whoever sits there, without a question.
    return complete_sign_in(
        user, SignInMethod.OPENID_CONNECT, begun.secrets.target, on_open=link,
        is_proof=bool(begun.secrets.fresh_since),
    )  # fmt: skip


def _account(identity: VerifiedIdentity, role: str) -> User:
    with write() as session:
        user_id = account_for(session, identity, role, now()).id
    return db.session.get_one(User, user_id)


def _finish_test(test_id: str, begun: Flow, brought: Callback) -> ResponseReturnValue:
    """Keep what a sign-in with the settings of the test would lead to; nobody is signed in."""
    tested = trial.find(test_id, steady())
    if tested is None:
        return _failed(FlowLost("This test took too long."))
    try:
        identity = identify(provider_of(tested.settings), tested.settings, begun.secrets, brought, now())
        outcome = trial.outcome_of(identity, tested.settings)
    except SignOnError as error:
        outcome = trial.outcome_of_error(error)
    trial.record(test_id, outcome)
    return redirect(url_for("sign_on_settings.show_test", test_id=test_id), 303)


def _refused(error: SignOnError, identity: VerifiedIdentity | None) -> ResponseReturnValue:
    """Record a refusal; whom no rule lets in any more loses every session."""
    no_access = isinstance(error, NoAccess)
    with write() as session:
        if no_access and identity is not None:
            logout.end_all(session, identity, now())
        detail = error.record or error.sentence
        who = identity.name if identity else _UNKNOWN
        audit(session, who, "Was refused by single sign-on", now(), detail=detail)
    return _failed(error)


def _failed(error: SignOnError, status: int | None = None) -> ResponseReturnValue:
    log.warning("A sign-in at the provider from %s failed: %s", request.remote_addr, type(error).__name__)
    page = render_template("sign_on/failed.html", error=error, sign_in=below_prefix(SIGN_IN))
    return make_response(page, status or error.status)
