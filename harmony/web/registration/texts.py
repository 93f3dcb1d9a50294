"""The texts of registration messages in one language: edit, preview, reset to the defaults."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import Blueprint, abort, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import StringField, TextAreaField, ValidationError

from harmony.clock import now
from harmony.config import current_settings
from harmony.db import db
from harmony.messages.registration import template
from harmony.messages.registration.content import RegistrationContent, written
from harmony.messages.registration.texts import Language, languages, save, texts_in_force
from harmony.models import ChannelKind, MessageTemplate
from harmony.protection.catalogue import ANDROID, IOS
from harmony.security.auth import shown_on
from harmony.security.permissions import Permission, needs
from harmony.web.shared import typed
from harmony.web.shared.pasted import stripped
from harmony.web.shared.qr_code import qr_code
from harmony.web.shared.typed import ConsoleForm

blueprint = Blueprint("message_texts", __name__, url_prefix="/settings/messages/texts/<language>")

_SAVED = "The texts were saved. Messages that are not sent yet carry them."
_RESET = "The texts are the defaults again."
_CONFLICT = "Somebody saved these texts meanwhile. Compare, then save yours again, or reload the page."
_CODE, _SECOND = "7K3M-0PQR-ST8V-WXYZ", "2B4D-6F8H-JKMN-PQRS"
# What the preview shows, with the codes that each kind of device gets.
_PREVIEWS = {
    "iOS": (IOS, {"": _CODE}),
    "Android": (ANDROID, {"": _CODE}),
    "Android Enterprise": (ANDROID, {"work": _CODE, "personal": _SECOND}),
}


def _trimmed(text: str | None) -> str:
    return (text or "").replace("\r\n", "\n").strip()


def _is_sendable(_form: ConsoleForm, field: Any) -> None:
    if found := template.problems(field.name, field.data):
        raise ValidationError(" ".join(found))


_RULES, _STEPS = [_is_sendable], {"rows": 6}


class MessageTextsForm(ConsoleForm):
    """The texts, in the order of the page."""

    subject = StringField("Subject", _RULES, filters=[_trimmed, stripped])
    body = TextAreaField("Mail", _RULES, filters=[_trimmed], render_kw={"rows": 16})
    sms = TextAreaField("SMS", _RULES, filters=[_trimmed], render_kw={"rows": 3})
    steps_ios = TextAreaField("Steps for iOS", _RULES, filters=[_trimmed], render_kw=_STEPS)
    steps_android = TextAreaField("Steps for Android", _RULES, filters=[_trimmed], render_kw=_STEPS)
    steps_enterprise = TextAreaField(
        "Steps for Android Enterprise", _RULES, filters=[_trimmed], render_kw=_STEPS
    )


@blueprint.get("")
@needs(Permission.ADMINISTER)
def show(language: str) -> ResponseReturnValue:
    """Show the texts in force."""
    form = MessageTextsForm(data=texts_in_force(db.session(), _language(language).key))
    if form.is_given_back:
        form.validate()
    return _page(_language(language), form, typed.edition_seen(_edition(language)))


@blueprint.post("")
@shown_on("message_texts.show")
def edit(language: str) -> ResponseReturnValue:
    """Save the texts."""
    form, edition = MessageTextsForm(request.form), request.form.get("edition", 0, int)
    if not form.validate():
        return _page(_language(language), form, edition), 422
    if not save(_language(language).key, form.data, edition, g.user.name, now()):
        return _page(_language(language), form, _edition(language), _CONFLICT), 409
    flash(_SAVED, "success")
    return redirect(url_for("message_texts.show", language=language), 303)


@blueprint.post("/preview")
@shown_on("message_texts.show")
def preview(language: str) -> ResponseReturnValue:
    """Show what the typed texts would be; nothing is saved."""
    form = MessageTextsForm(request.form)
    status = 200 if form.validate() else 422
    return _page(_language(language), form, request.form.get("edition", 0, int)), status


@blueprint.post("/reset")
@shown_on("message_texts.show")
def reset(language: str) -> ResponseReturnValue:
    """Go back to the defaults."""
    save(_language(language).key, _language(language).texts, _edition(language), g.user.name, now())
    flash(_RESET, "success")
    return redirect(url_for("message_texts.show", language=language), 303)


def _language(key: str) -> Language:
    return languages().get(key) or abort(404)


def _edition(key: str) -> int:
    row = db.session.get(MessageTemplate, key)
    return row.edition if row else 0


def _page(language: Language, form: MessageTextsForm, edition: int, notice: str = "") -> str:
    shown = {} if form.errors else {name: _preview(form.data, language, name) for name in _PREVIEWS}
    return render_template(
        "registration/texts.html",
        language=language,
        languages=languages().values(),
        form=form,
        edition=edition,
        notice=notice,
        variables=template.VARIABLES,
        previews=shown,
    )


def _preview(texts: dict[str, str], language: Language, name: str) -> dict[str, Any]:
    platform, codes = _PREVIEWS[name]
    server, expires = current_settings().public_url or request.url_root.rstrip("/"), now() + timedelta(days=7)
    content = RegistrationContent("Example Inc.", server, platform, codes, expires, "Kim Example")
    mail = written(content, ChannelKind.EMAIL, texts, language, "")
    return {
        "subject": mail.subject,
        "paragraphs": [paragraph.splitlines() for paragraph in mail.text.split("\n\n")],
        "code": qr_code(content.link) if template.uses(texts["body"], "qr") else None,
        "sms": written(content, ChannelKind.SMS, texts, language, "").text,
    }
