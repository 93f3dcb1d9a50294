"""The settings of single sign-on: shown, tried by a real sign-in, saved, removed."""

from __future__ import annotations

from flask import Blueprint, abort, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from harmony.audit import audit
from harmony.clock import now, steady
from harmony.db import db, write
from harmony.oidc import flow, trial
from harmony.oidc.errors import SignOnError
from harmony.oidc.flow import FlowStart
from harmony.oidc.settings import (
    ProviderChangedMeanwhile,
    ProviderSettings,
    complete,
    keeps_secret,
    put,
    saved_provider,
)
from harmony.oidc.trial import SettingsTest
from harmony.security.auth import needs_recent_proof, shown_on
from harmony.security.permissions import Permission, needs
from harmony.web.shared.ids import number
from harmony.web.sign_on.browser import browser_or_new, logout_uri, redirect_uri, set_browser, signed_out_uri
from harmony.web.sign_on.connect import provider_of
from harmony.web.sign_on.forms import ProviderForm, filled
from harmony.web.users.queries import group_options

blueprint = Blueprint("sign_on_settings", __name__, url_prefix="/settings/single-sign-on")

_CONFLICT = (
    "Somebody else saved these settings meanwhile. Your values are shown; send them again to replace theirs."
)
_TESTED_CONFLICT = "Somebody else saved single sign-on meanwhile. Look at it, then test again."
_NO_RULE = "Add at least one rule: nobody gets in without one. Test shows which values come."


@blueprint.get("")
@needs(Permission.ADMINISTER)
def show() -> ResponseReturnValue:
    """Show the provider."""
    return _page(filled(saved_provider(db.session())))


@blueprint.post("")
@shown_on("sign_on_settings.show")
@needs(Permission.ADMINISTER)
@needs_recent_proof
def save() -> ResponseReturnValue:
    """Save the provider."""
    form = ProviderForm(request.form)
    if not form.validate() or _lacks_secret(form) or _lacks_rule(form):
        return _page(form), 422
    try:
        _put(form.values(), _edition())
    except ProviderChangedMeanwhile:
        return _page(form, _CONFLICT), 409
    return _saved()


@blueprint.post("/test")
@shown_on("sign_on_settings.show")
@needs(Permission.ADMINISTER)
def test() -> ResponseReturnValue:
    """Prepare a sign-in with the values of the form, which are not saved."""
    form = ProviderForm(request.form)
    if not form.validate() or _lacks_secret(form):
        return _page(form), 422
    settings = complete(form.values())
    try:
        provider_of(settings).metadata(fresh=True)
    except SignOnError as error:
        form.issuer.errors = [f"{error.sentence} {error.advice}".strip()]
        return _page(form), 422
    test_id = trial.create(g.user.id, settings, _edition(), steady())
    return redirect(url_for("sign_on_settings.show_test", test_id=test_id), 303)


@blueprint.post("/remove")
@needs(Permission.ADMINISTER)
@needs_recent_proof
def remove() -> ResponseReturnValue:
    """Forget the provider with its secret. Its accounts stay, and cannot sign in."""
    with write() as session:
        saved = saved_provider(session)
        if saved is not None:
            session.delete(saved)
            audit(session, g.user.name, "Removed single sign-on", now(), detail=saved.issuer)
    flash("Single sign-on was removed. Local accounts sign in with their password.", "success")
    return redirect(url_for("sign_on_settings.show"), 303)


@blueprint.get("/tests/<test_id>")
@needs(Permission.ADMINISTER)
def show_test(test_id: str) -> ResponseReturnValue:
    """Show a test: the link to the provider, and afterwards what came of it."""
    return _test_page(_test_or_404(test_id))


@blueprint.get("/tests/<test_id>/sign-in")
@needs(Permission.ADMINISTER)
def begin_test(test_id: str) -> ResponseReturnValue:
    """Send the browser to the provider. A link: browsers let no form lead to another site."""
    settings, key = _test_or_404(test_id).settings, browser_or_new()
    begun = FlowStart(key, url_for("sign_on_settings.show_test", test_id=test_id), redirect_uri(), test_id)
    try:
        metadata = provider_of(settings).metadata()
    except SignOnError as error:
        trial.record(test_id, trial.outcome_of_error(error))
        return redirect(begun.target, 303)
    response = redirect(flow.begin(metadata, settings.client_id, settings.scopes, begun, steady()), 303)
    set_browser(response, key)
    return response


@blueprint.post("/tests/<test_id>/save")
@needs(Permission.ADMINISTER)
@needs_recent_proof
def save_test(test_id: str) -> ResponseReturnValue:
    """Save the values that were tested."""
    tested = _test_or_404(test_id)
    if not tested.settings.rules:
        return _test_page(tested, _NO_RULE), 422
    try:
        _put(tested.settings, tested.edition)
    except ProviderChangedMeanwhile:
        return _test_page(tested, _TESTED_CONFLICT), 409
    return _saved()


def _put(values: ProviderSettings, edition: int) -> None:
    with write() as session:
        put(session, values, edition)
        detail = f"{values.issuer}, client {values.client_id}, {len(values.rules)} rules"
        audit(session, g.user.name, "Changed single sign-on", now(), detail=detail)


def _saved() -> ResponseReturnValue:
    flash("Single sign-on was saved. The sign-in page has its button.", "success")
    return redirect(url_for("sign_on_settings.show"), 303)


def _lacks_secret(form: ProviderForm) -> bool:
    values = form.values()
    if values.client_secret or keeps_secret(saved_provider(db.session()), values):
        return False
    form.client_secret.errors = ["Enter the secret of this client at this issuer."]
    return True


def _lacks_rule(form: ProviderForm) -> bool:
    if form.values().rules:
        return False
    form.rules.errors = [_NO_RULE]
    return True


def _edition() -> int:
    return number(request.form.get("edition", "")) or 0


def _test_or_404(test_id: str) -> SettingsTest:
    found = trial.find(test_id, steady(), g.user.id)
    if found is None:
        abort(404, description="This test is not yours, or too old.")
    return found


def _test_page(tested: SettingsTest, notice: str = "") -> str:
    return render_template("sign_on/test.html", tested=tested, notice=notice)


def _page(form: ProviderForm, notice: str = "") -> str:
    addresses = {"redirect": redirect_uri(), "logout": logout_uri(), "signed_out": signed_out_uri()}
    saved, groups = saved_provider(db.session()), group_options(())
    return render_template(
        "sign_on/settings.html", form=form, saved=saved, notice=notice, addresses=addresses, groups=groups
    )
