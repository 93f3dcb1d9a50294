"""One's own account: change the password, see the sessions and end them."""

from __future__ import annotations

from flask import Blueprint, abort, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from harmony.audit import audit
from harmony.clock import now, steady
from harmony.db import write
from harmony.security import sessions, users
from harmony.security.permissions import Permission, needs
from harmony.security.session_list import end_other_sessions, end_session, living_sessions, session_id
from harmony.web.own_account.forms import ChangePasswordForm
from harmony.web.own_account.proof import check_own_password

blueprint = Blueprint("own_account", __name__, url_prefix="/account")


@blueprint.get("")
@needs(Permission.VIEW)
def show() -> ResponseReturnValue:
    """Show the account of the signed-in person."""
    return _page(ChangePasswordForm(user_name=g.user.name))


@blueprint.post("/password")
@needs(Permission.VIEW)
def change_password() -> ResponseReturnValue:
    """Change the password; every other session ends."""
    form = ChangePasswordForm(request.form, user_name=g.user.name)
    if not form.validate():
        return _page(form), 422
    if problem := check_own_password(form.current.data or ""):
        form.current.errors = [problem.sentence]
        return _page(form), problem.status
    users.change_password(g.user, form.new.data or "", now())
    end_other_sessions(g.user.id, sessions.read_cookie())
    flash("Your password is changed, and your other sessions have ended.", "success")
    return redirect(url_for("own_account.show"), 303)


@blueprint.post("/sessions/<id_>/end")
@needs(Permission.VIEW)
def end(id_: str) -> ResponseReturnValue:
    """End one of the own sessions."""
    if not end_session(g.user.id, id_):
        abort(404)
    _note("Ended a session")
    flash("The session has ended.", "success")
    return redirect(url_for("own_account.show"), 303)


@blueprint.post("/sessions/end-others")
@needs(Permission.VIEW)
def end_others() -> ResponseReturnValue:
    """End every own session but this one."""
    ended = end_other_sessions(g.user.id, sessions.read_cookie())
    _note("Ended all other sessions")
    flash(f"{ended} other session{'s' if ended != 1 else ''} ended.", "success")
    return redirect(url_for("own_account.show"), 303)


def _note(what: str) -> None:
    with write() as session:
        audit(session, g.user.name, what, now())


def _page(form: ChangePasswordForm) -> str:
    token = sessions.read_cookie()
    here = sessions.token_hash(token) if token else ""
    rows = [
        (session_id(session), session, session.token_hash == here)
        for session in living_sessions(g.user.id, steady())
    ]
    idle, longest = sessions.limits()
    return render_template("account/show.html", form=form, rows=rows, idle=idle, longest=longest)
