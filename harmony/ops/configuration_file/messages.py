"""The mail server and the texts of messages in a configuration file, by the forms of their pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import msgspec
from msgspec import UNSET
from werkzeug.datastructures import MultiDict
from wtforms import Form

from harmony.audit import COMMAND_LINE
from harmony.db import db
from harmony.messages import settings
from harmony.messages.registration import texts
from harmony.messages.settings import ChangedMeanwhile
from harmony.models import MailServer, MessageTemplate
from harmony.ops.configuration_file.problems import FileProblem, FileRefused, Lines
from harmony.ops.configuration_file.schema import FileMailServer, FileMessages
from harmony.ops.configuration_file.secrets import look_up
from harmony.web.messages.forms import MailServerForm
from harmony.web.registration.texts import MessageTextsForm

_MAIL_PASSWORD = "${HARMONY_MAIL_PASSWORD}"  # noqa: S105 - names the variable that supplies it
_MAIL_SERVER, _TEXTS = "messages.mail_server", "messages.texts"
_MEANWHILE = "somebody else saved it meanwhile; run plan again."
_NOT_SECRET = ("host", "port", "security", "username", "sender", "sender_name", "certificate", "connector")


def section() -> dict[str, Any]:
    """Return what the file says of messages: the mail server, if any, and texts that were changed."""
    server = settings.mail_server(db.session())
    found: dict[str, Any] = {}
    if server is not None:
        found["mail_server"] = {name: getattr(server, name) for name in _NOT_SECRET}
        found["mail_server"] |= {"password": _MAIL_PASSWORD} if server.password else {}
    rows = db.session.scalars(db.select(MessageTemplate).order_by(MessageTemplate.language)).all()
    changed = {row.language: dict(row.texts) for row in rows if row.texts}
    return found | ({"texts": changed} if changed else {})


def changes(said: FileMessages, lines: Lines) -> list[str]:
    """Return what the file would change, in the words of the pages. Raises FileRefused."""
    return [*_mail_changes(said, lines), *_text_changes(said, lines)]


def save(said: FileMessages, lines: Lines, now: datetime) -> None:
    """Put in force what differs. Raises FileRefused."""
    if _mail_changes(said, lines) and said.mail_server is not UNSET:
        server = settings.mail_server(db.session())
        edition = server.edition if server else 0
        try:
            values = _mail_form(said.mail_server, server, lines).values()
            settings.save_mail_server(values, edition, COMMAND_LINE, now)
        except ChangedMeanwhile:
            raise FileRefused([FileProblem(_MAIL_SERVER, _MEANWHILE)], lines) from None
    for language, wanted in _texts(said, lines).items():
        row = db.session.get(MessageTemplate, language)
        if wanted != texts.texts_in_force(db.session(), language):
            texts.save(language, wanted, row.edition if row else 0, COMMAND_LINE, now)


def _mail_changes(said: FileMessages, lines: Lines) -> list[str]:
    if said.mail_server is UNSET:
        return []
    server = settings.mail_server(db.session())
    form = _mail_form(said.mail_server, server, lines)
    before, after = MailServerForm(obj=server).data, form.data
    changed = [
        f"{form[name].label.text}: {before[name] or 'none'} → {after[name] or 'none'}"
        for name in _NOT_SECRET
        if (before[name] or "") != (after[name] or "") and (server is not None or after[name])
    ]
    is_kept = settings.keeps_password(server, form.values())
    return changed + (["Password: set"] if after["password"] and not is_kept else [])


def _mail_form(said: FileMailServer, server: MailServer | None, lines: Lines) -> MailServerForm:
    """Return the form as a browser would send it. Raises FileRefused with what it complains of."""
    values = {name: value for name, value in msgspec.structs.asdict(said).items() if value is not UNSET}
    secret = {"password": values.pop("password")} if "password" in values else {}
    found, problems = look_up(secret, _MAIL_SERVER)
    filled = {name: getattr(server, name) for name in _NOT_SECRET} if server else {}
    form = MailServerForm(MultiDict({key: str(value) for key, value in (filled | values).items()}))
    form.password.data = found["password"].clear if found else ""
    if problems or not form.validate():
        raise FileRefused([*problems, *_complaints(form, _MAIL_SERVER)], lines)
    return form


def _text_changes(said: FileMessages, lines: Lines) -> list[str]:
    return [
        f"{texts.languages()[language].title}, {MessageTextsForm()[name].label.text}: another text"
        for language, wanted in _texts(said, lines).items()
        for name, text in texts.texts_in_force(db.session(), language).items()
        if wanted[name] != text
    ]


def _texts(said: FileMessages, lines: Lines) -> Mapping[str, dict[str, str]]:
    """Return all texts of the languages that the file names. Raises FileRefused."""
    named = {} if said.texts is UNSET else said.texts
    problems = list(_unknown(named))
    wanted = {}
    for language, changed in named.items() if not problems else ():
        form = MessageTextsForm(data={**texts.languages()[language].texts, **changed})
        if not form.validate():
            problems += _complaints(form, f"{_TEXTS}.{language}")
        wanted[language] = {str(name): str(text) for name, text in form.data.items()}
    if problems:
        raise FileRefused(problems, lines)
    return wanted


def _unknown(named: Mapping[str, Mapping[str, str]]) -> Iterator[FileProblem]:
    for language, changed in named.items():
        if language not in texts.languages():
            known = ", ".join(texts.languages())
            yield FileProblem(f"{_TEXTS}.{language}", f"there is no such language; there are {known}.")
            continue
        for name in changed.keys() - texts.languages()[language].texts.keys():
            yield FileProblem(f"{_TEXTS}.{language}.{name}", "there is no such text.")


def _complaints(form: Form, path: str) -> list[FileProblem]:
    return [
        FileProblem(f"{path}.{name}", sentence)
        for name, sentences in form.errors.items()
        for sentence in sentences
    ]
