"""The page behind the link of an invitation: choose a password."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from harmony.clock import now
from harmony.models import User
from harmony.security import invitations
from harmony.security.auth import public
from harmony.security.invitations import InvitationOver
from harmony.security.passwords import TooManyAtOnce
from harmony.web.users.forms import ChosenPasswordForm

blueprint = Blueprint("invitation", __name__, url_prefix="/invitation")

_BUSY = "Too many people are signing in at this moment. Wait a few seconds, then try again."


@blueprint.get("/<token>")
@public
def show(token: str) -> ResponseReturnValue:
    """Show the form, or why the link is worth nothing any more."""
    user = invitations.invited(token, now())
    if user is None:
        return render_template("users/invitation_over.html"), 404
    return _page(ChosenPasswordForm(user_name=user.name), user)


@blueprint.post("/<token>")
@public
def choose(token: str) -> ResponseReturnValue:
    """Set the password and lead to the sign-in page, where a second factor may be asked for."""
    user = invitations.invited(token, now())
    if user is None:
        return render_template("users/invitation_over.html"), 404
    form = ChosenPasswordForm(request.form, user_name=user.name)
    if not form.validate():
        return _page(form, user), 422
    try:
        invitations.accept(token, form.password.data or "", now())
    except InvitationOver:
        return render_template("users/invitation_over.html"), 404
    except TooManyAtOnce as busy:
        form.form_errors = [_BUSY]
        return _page(form, user), 429, {"Retry-After": str(busy.retry_after)}
    flash("Your password is set. Sign in with it.", "success")
    return redirect(url_for("access.sign_in"), 303)


def _page(form: ChosenPasswordForm, user: User) -> str:
    return render_template("users/invitation.html", form=form, user=user)
