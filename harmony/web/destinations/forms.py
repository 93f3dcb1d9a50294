"""The form of a destination: what every kind has, and what leads to each."""

from __future__ import annotations

import re
from typing import Any

from wtforms import BooleanField, Field, PasswordField, SelectField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import DataRequired, Length, ValidationError

from harmony.jobs.uem_client import outbound_policy, relayed_policy
from harmony.models import Destination, DestinationKind, FeedKind, RecordFormat, Severity
from harmony.outbound.destinations import DestinationValues, keeps_token, keeps_url
from harmony.outbound.formats import FORMATS
from harmony.outbound.senders import connector_of
from harmony.outbound.syslog import DOCUMENTATION_NUMBER, LOCAL0
from harmony.relay import connectors
from harmony.uem.errors import UemError
from harmony.uem.http.checked_calls import web_address
from harmony.web.shared.fields import CertificateField, ConnectorField, HostField, WholeNumber, keep_unsent
from harmony.web.shared.pasted import stripped
from harmony.web.shared.typed import ConsoleForm

FORMAT_WORDS = {
    RecordFormat.WEBHOOK: "JSON (Standard Webhooks)",
    RecordFormat.SYSLOG: "Syslog (RFC 5424 structured data)",
    RecordFormat.CEF: "CEF",
    RecordFormat.OCSF: "OCSF 1.8 (JSON)",
}
_SEVERITY_CHOICES = [
    SelectChoice(Severity.INFORMATION, "Information and above"),
    SelectChoice(Severity.WARNING, "Warning and above"),
    SelectChoice(Severity.CRITICAL, "Critical only"),
]
_START_CHOICES = [SelectChoice("now", "From now on"), SelectChoice("all", "Everything that is kept")]
_KINDS = {"events": FeedKind.EVENT, "audits": FeedKind.AUDIT, "runs": FeedKind.RUN}
_PRINTABLE = re.compile(r"[ -~]*")


class DestinationForm(ConsoleForm):
    """The fields that every destination has."""

    name = StringField(
        "Name", [DataRequired("Give the destination a name."), Length(max=128)], filters=[stripped]
    )
    format = SelectField("Format")
    events = BooleanField("Device events", default=True)
    audits = BooleanField("Audit entries")
    runs = BooleanField("Run outcomes")
    least_severity = SelectField(
        "Least severity", choices=_SEVERITY_CHOICES, default=Severity.INFORMATION.value
    )
    personal = BooleanField("Include personal data")
    start = SelectField("Begin", choices=_START_CHOICES, default="now")

    def validate_events(self, _field: Field) -> None:
        """Refuse a destination that gets nothing."""
        if not (self.events.data or self.audits.data or self.runs.data):
            raise ValidationError("Choose at least one kind of record.")

    def values(self) -> DestinationValues:
        """Return what was typed, once it is valid."""
        return DestinationValues(
            self.name.data or "", self.format.data, self._kinds(), self.least_severity.data,
            bool(self.personal.data), **self.where(),
        )  # fmt: skip

    def where(self) -> dict[str, Any]:
        """Return the values that lead to the destination."""
        return {}

    def _kinds(self) -> tuple[str, ...]:
        return tuple(kind.value for name, kind in _KINDS.items() if self[name].data)


class _FileDestinationForm(DestinationForm):
    """A file in the data folder."""


class _RemoteForm(DestinationForm):
    """A destination on another machine, reached from here or through a Connector."""

    connector = ConnectorField()

    def options(self, *names: str) -> dict[str, Any]:
        """Return what was typed in these fields, with the Connector if there is one."""
        chosen = {"connector": self.connector.data} if self.connector.data else {}
        return {name: self[name].data or "" for name in names} | chosen


class _SyslogDestinationForm(_RemoteForm):
    """A syslog server."""

    host = HostField(
        "Enter the name of the syslog server.",
        "Enter the name alone, such as siem.example.com, without port.",
    )
    port = WholeNumber("Port", 1, 65535, default=6514)
    tls = BooleanField("Encrypt with TLS", default=True)
    certificate = CertificateField()
    facility = WholeNumber("Facility of events and runs", 0, 23, default=LOCAL0)
    enterprise = WholeNumber("Private enterprise number", 1, 999_999_999, default=DOCUMENTATION_NUMBER)

    def where(self) -> dict[str, Any]:
        """Return the values that lead to the destination."""
        typed = {name: self[name].data for name in ("tls", "certificate", "facility", "enterprise")}
        return {"place": f"{self.host.data}:{self.port.data}", "options": typed | self.options()}


class _WebhookForm(_RemoteForm):
    """An address that gets each record by a POST of its own."""

    url = PasswordField("Address", [Length(max=1000)], filters=[stripped])
    certificate = CertificateField()

    def validate_url(self, field: PasswordField) -> None:
        """Refuse what Harmony does not call."""
        if not field.data:
            return
        try:
            web_address(field.data, relayed_policy() if self.connector.data else outbound_policy())
        except UemError as error:
            raise ValidationError(error.sentence) from None
        if not _PRINTABLE.fullmatch(field.data) or " " in field.data:
            raise ValidationError("Enter an address without blanks and odd characters.")

    def where(self) -> dict[str, Any]:
        """Return the values that lead to the destination."""
        return {"url": self.url.data or "", "options": self.options("certificate")}


class _CollectorForm(_WebhookForm):
    """An address that gets batches of records."""

    token = PasswordField("Authorization header", [Length(max=4096)], filters=[stripped])

    def validate_token(self, field: PasswordField) -> None:
        """Refuse what no header can carry."""
        if field.data and not _PRINTABLE.fullmatch(field.data):
            raise ValidationError("Enter the header as one line, such as Bearer … or Splunk ….")

    def where(self) -> dict[str, Any]:
        """Return the values that lead to the destination."""
        return super().where() | {"token": self.token.data or ""}


_FORMS: dict[DestinationKind, type[DestinationForm]] = {
    DestinationKind.WEBHOOK: _WebhookForm,
    DestinationKind.SYSLOG: _SyslogDestinationForm,
    DestinationKind.HTTP: _CollectorForm,
    DestinationKind.FILE: _FileDestinationForm,
}


def form_of(kind: DestinationKind, typed: Any = None, row: Destination | None = None) -> DestinationForm:
    """Return the form of a kind: as typed, or filled with what is saved; never with a secret."""
    saved = _saved(row) if row is not None and typed is None else {"format": FORMATS[kind][0].value}
    form = _FORMS[kind](typed, **saved)
    form.format.choices = [SelectChoice(choice.value, FORMAT_WORDS[choice]) for choice in FORMATS[kind]]
    if isinstance(form, _RemoteForm):
        saved_name = connector_of(row) if row is not None else ""
        form.connector.choices = connectors.offered(saved_name, "None: sent directly")
        if typed is not None:
            keep_unsent(form.connector, saved_name)
    return form


def is_complete(form: DestinationForm, row: Destination | None) -> bool:
    """Validate a form, with what has to be typed because nothing is saved for it."""
    valid = form.validate()
    if isinstance(form, _WebhookForm) and not form.url.data:
        form.url.errors = _lacks_url(form, row)
    if isinstance(form, _CollectorForm) and row is not None and row.secret and not form.token.data:
        form.token.errors = _lacks_token(form, row)
    return valid and not form.errors


def _lacks_url(form: _WebhookForm, row: Destination | None) -> list[str]:
    if row is None:
        return ["Enter the address that records are sent to."]
    kept = keeps_url(row, form.connector.data or "")
    return [] if kept else ["The Connector was changed: enter the address again."]


def _lacks_token(form: _CollectorForm, row: Destination) -> list[str]:
    connector = form.connector.data or ""
    if keeps_token(row, form.url.data or "", connector):
        return []
    if connector != connector_of(row):
        return ["The Connector was changed: enter the header again."]
    return ["The saved header is for another server: enter the one for this address."]


def _saved(row: Destination) -> dict[str, Any]:
    host, _, port = row.address.rpartition(":")
    kinds = {name: kind in row.kinds for name, kind in _KINDS.items()}
    place = {"host": host, "port": int(port)} if row.kind == DestinationKind.SYSLOG else {}
    return {
        "name": row.name, "format": row.format, "least_severity": row.least_severity,
        "personal": row.personal, **kinds, **row.options, **place,
    }  # fmt: skip
