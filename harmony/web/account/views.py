"""The door: set-up of the first administrator, sign-in, sign-out, and the theme."""

from __future__ import annotations

import logging
from urllib.parse import parse_qs, urlsplit

from flask import Blueprint, abort, redirect, render_template, request
from flask.typing import ResponseReturnValue

from harmony.audit import audit
from harmony.clock import now, steady
from harmony.db import write
from harmony.oidc.settings import provider_name
from harmony.security import kept_forms, rate_limit, sessions, setup_code, users
from harmony.security.addresses import HOME, below_prefix, local_address
from harmony.security.auth import KEPT, SETUP, SIGN_IN, public
from harmony.security.passwords import TooManyAtOnce
from harmony.security.permissions import Permission, needs
from harmony.web.account.completion import (
    NOBODY,
    SignInMethod,
    complete_sign_in,
    refuse_sign_in,
    too_often,
    wait_sentence,
)
from harmony.web.account.forms import SetupForm, SignInForm
from harmony.web.account.passkey_party import passkeys_problem
from harmony.web.account.second_factor import after_password
from harmony.web.sign_on.end_session import end_session_page

log = logging.getLogger(__name__)

blueprint = Blueprint("access", __name__)

_THEMES = ("auto", "light", "dark")
_THEME_KEPT_SECONDS = 365 * 24 * 3600
_WRONG = "User name and password do not match."
_BUSY = "Too many people are signing in at this moment. Wait a few seconds, then try again."
_WRONG_CODE = "This is not the current set-up code. Restarting Harmony prints a new one."


@blueprint.get("/robots.txt")
@public
def robots() -> ResponseReturnValue:
    """Answer that there is no such file; the page to sign in would be taken for one."""
    abort(404)


@blueprint.get("/sign-in")
@public
def sign_in() -> ResponseReturnValue:
    """The form; whoever is signed in already goes on."""
    if not users.any_user():
        return redirect(below_prefix(SETUP), 303)
    target = local_address(request.args.get("next"))
    if sessions.session_for(sessions.read_cookie(), steady()):
        return redirect(target, 303)
    return _sign_in_page(SignInForm(), target)


@blueprint.post("/sign-in")
@public
def sign_in_submitted() -> ResponseReturnValue:
    """Check the password; one sentence for an unknown name and a wrong password."""
    form, target = SignInForm(request.form), local_address(request.form.get("next"))
    if not form.validate():
        return _sign_in_page(form, target), 422
    if wait := rate_limit.sign_in_wait(request.remote_addr, form.name.data, now()):
        return too_often(_sign_in_page(form, target, wait_sentence(wait)), wait)
    try:
        user = users.authenticate(form.name.data, form.password.data)
    except TooManyAtOnce as busy:
        rate_limit.sign_in_not_tried(request.remote_addr, form.name.data, now())
        return too_often(_sign_in_page(form, target, _BUSY), busy.retry_after)
    if user is None:
        known = users.find(form.name.data)
        refuse_sign_in(known.name if known else NOBODY, "wrong name or password")
        return _sign_in_page(form, target, _WRONG), 422
    rate_limit.sign_in_succeeded(request.remote_addr, form.name.data, now())
    return after_password(user, target)


@blueprint.post("/sign-out")
@needs(Permission.VIEW)
def sign_out() -> ResponseReturnValue:
    """End this browser's session and have it forget what it kept of us."""
    token = sessions.read_cookie()
    page = end_session_page(token) or below_prefix(SIGN_IN)
    sessions.close_session(token)
    response = redirect(page, 303)
    sessions.clear_cookie(response)
    if not request.script_root:  # else other applications of this host would lose theirs
        response.headers["Clear-Site-Data"] = '"cookies", "storage"'
    return response


@blueprint.get("/setup")
@public
def setup() -> ResponseReturnValue:
    """The form for the first administrator, as long as there is none."""
    if users.any_user():
        return redirect(below_prefix(SIGN_IN), 303)
    return render_template("auth/setup.html", form=SetupForm())


@blueprint.post("/setup")
@public
def setup_submitted() -> ResponseReturnValue:
    """Create the first administrator for the set-up code, and sign them in."""
    if users.any_user():
        return redirect(below_prefix(SIGN_IN), 303)
    form = SetupForm(request.form)
    if not form.validate():
        return render_template("auth/setup.html", form=form), 422
    if wait := rate_limit.setup_wait(request.remote_addr, now()):
        return too_often(_setup_page(form, wait_sentence(wait)), wait)
    try:
        user = setup_code.redeem_and_create(form.code.data, form.name.data, form.password.data, now())
    except TooManyAtOnce as busy:
        rate_limit.setup_not_tried(request.remote_addr, now())
        return too_often(_setup_page(form, _BUSY), busy.retry_after)
    except setup_code.WrongCode:
        log.warning("A set-up code from %s was refused.", request.remote_addr)
        return _setup_page(form, _WRONG_CODE), 422
    with write() as session:
        audit(session, user.name, "Created the first administrator", now())
    return complete_sign_in(user, SignInMethod.PASSWORD)


@blueprint.post("/theme")
@public
def theme() -> ResponseReturnValue:
    """Remember light, dark or the system's choice in this browser."""
    response = redirect(local_address(request.form.get("next")), 303)
    if (chosen := request.form.get("theme")) in _THEMES:
        response.set_cookie(
            "theme",
            chosen,
            max_age=_THEME_KEPT_SECONDS,
            path=sessions.cookie_path(),
            secure=request.is_secure,
            httponly=True,
            samesite="Lax",
        )
    return response


def _sign_in_page(form: SignInForm, target: str, refusal: str | None = None) -> str:
    form.form_errors = [refusal] if refusal else []
    kept = parse_qs(urlsplit(target).query).get(KEPT, [""])[0]
    next_ = "" if target == below_prefix(HOME) else target
    return render_template(
        "auth/sign_in.html",
        form=form,
        next=next_,
        typed=kept_forms.is_typed(kept, steady()),
        provider=provider_name(),
        passkeys_problem=passkeys_problem(),
    )


def _setup_page(form: SetupForm, problem: str) -> str:
    form.form_errors = [problem]
    return render_template("auth/setup.html", form=form)
