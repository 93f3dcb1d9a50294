"""The proxy that direct calls leave through: shown, saved, removed."""

from __future__ import annotations

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import PasswordField, StringField
from wtforms.validators import Length, ValidationError

from harmony.audit import audit
from harmony.clock import now
from harmony.db import db, write
from harmony.security import outbound_proxy
from harmony.security.auth import needs_recent_proof, shown_on
from harmony.security.outbound_proxy import ProxyChangedMeanwhile, ProxyValues
from harmony.security.permissions import Permission, needs
from harmony.web.shared.fields import HostField, WholeNumber
from harmony.web.shared.ids import number
from harmony.web.shared.pasted import stripped
from harmony.web.shared.typed import ConsoleForm

blueprint = Blueprint("proxy", __name__, url_prefix="/settings/proxy")

_CONFLICT = (
    "Somebody else saved the proxy meanwhile. Your values are shown; send them again to replace theirs."
)
_SAVED = "The proxy was saved. Verify an integration to see whether it connects."


class _ProxyForm(ConsoleForm):
    """The proxy; a password that is left empty keeps what is saved for the same proxy and user."""

    host = HostField(
        "Enter the name of the proxy.",
        "Enter the name alone, such as proxy.example.com, without http:// and port.",
    )
    port = WholeNumber("Port", 1, 65535, default=3128)
    username = StringField("User name", [Length(max=256)], filters=[stripped])
    password = PasswordField("Password", [Length(max=1024)])

    def validate_username(self, field: StringField) -> None:
        """Refuse a name that the proxy could not tell from its password."""
        if ":" in (field.data or ""):
            raise ValidationError("A user name of a proxy has no colon.")

    def values(self) -> ProxyValues:
        """Return what was typed, once it is valid."""
        return ProxyValues(
            self.host.data or "", self.port.data or 0, self.username.data or "", self.password.data or ""
        )


@blueprint.get("")
@needs(Permission.ADMINISTER)
def show() -> ResponseReturnValue:
    """Show the proxy."""
    return _page(_ProxyForm(obj=outbound_proxy.saved_proxy(db.session())))


@blueprint.post("")
@shown_on("proxy.show")
@needs_recent_proof
def save() -> ResponseReturnValue:
    """Save the proxy."""
    form = _ProxyForm(request.form)
    if not form.validate() or _lacks_password(form):
        return _page(form), 422
    values = form.values()
    try:
        with write() as session:
            outbound_proxy.put(session, values, number(request.form.get("edition", "")) or 0)
            audit(
                session,
                g.user.name,
                "Changed the outbound proxy",
                now(),
                detail=f"{values.host}:{values.port}",
            )
    except ProxyChangedMeanwhile:
        return _page(form, _CONFLICT), 409
    flash(_SAVED, "success")
    return redirect(url_for("proxy.show"), 303)


@blueprint.post("/remove")
@needs_recent_proof
def remove() -> ResponseReturnValue:
    """Call servers directly again."""
    with write() as session:
        saved = outbound_proxy.saved_proxy(session)
        if saved is not None:
            session.delete(saved)
            audit(
                session, g.user.name, "Removed the outbound proxy", now(), detail=f"{saved.host}:{saved.port}"
            )
    flash("The proxy was removed: servers are called directly.", "success")
    return redirect(url_for("proxy.show"), 303)


def _lacks_password(form: _ProxyForm) -> bool:
    values = form.values()
    saved = outbound_proxy.saved_proxy(db.session())
    if values.username and not values.password and not outbound_proxy.keeps_password(saved, values):
        form.password.errors = ["Enter the password of this user for this proxy."]
        return True
    return False


def _page(form: _ProxyForm, notice: str = "") -> str:
    saved = outbound_proxy.saved_proxy(db.session())
    return render_template("proxy/show.html", form=form, saved=saved, notice=notice)
