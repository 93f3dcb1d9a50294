"""The forms of the mail server, of a channel and of a test message."""

from __future__ import annotations

from wtforms import PasswordField, SelectField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import DataRequired, Length, ValidationError

from harmony.mail.faults import NONE, STARTTLS, TLS
from harmony.mail.text import ascii_address
from harmony.messages.gateway_address import address_fault, telephone
from harmony.messages.settings import MailServerValues
from harmony.models import ChannelKind, MailServer
from harmony.web.shared.fields import CertificateField, ConnectorField, HostField, WholeNumber
from harmony.web.shared.pasted import stripped
from harmony.web.shared.typed import ConsoleForm

_SECURITY = [SelectChoice(STARTTLS, "STARTTLS"), SelectChoice(TLS, "TLS"), SelectChoice(NONE, "None")]
_KINDS = [SelectChoice("sms", "SMS"), SelectChoice("chat", "Chat")]


class MailServerForm(ConsoleForm):
    """The mail server; a password that is left empty keeps what is saved for the same server and user."""

    host = HostField(
        "Enter the name of the mail server.", "Enter the name alone, such as smtp.example.com, without port."
    )
    port = WholeNumber("Port", 1, 65535, default=587)
    security = SelectField("Encryption", choices=_SECURITY, default=STARTTLS)
    username = StringField("User name", [Length(max=256)], filters=[stripped])
    password = PasswordField("Password", [Length(max=1024)])
    sender = StringField(
        "Sender address", [DataRequired("Enter the address mails come from.")], filters=[stripped]
    )
    sender_name = StringField("Sender name", [Length(max=128)], filters=[stripped])
    certificate = CertificateField()
    connector = ConnectorField()

    def validate_sender(self, field: StringField) -> None:
        """Refuse what is no mail address."""
        if field.data and ascii_address(field.data) is None:
            raise ValidationError("Enter one mail address, such as harmony@example.com.")

    def validate_security(self, field: SelectField) -> None:
        """Refuse to send a password that anybody on the way could read."""
        if field.data == NONE and self.username.data:
            raise ValidationError(
                "A password is only sent encrypted: choose STARTTLS or TLS, or no user name."
            )

    def values(self) -> MailServerValues:
        """Return what was typed, once it is valid."""
        return MailServerValues(
            host=self.host.data or "", port=self.port.data or 0, security=self.security.data,
            username=self.username.data or "", sender=ascii_address(self.sender.data or "") or "",
            sender_name=self.sender_name.data or "", certificate=self.certificate.data or "",
            connector=self.connector.data or "",
            password=self.password.data or "",
        )  # fmt: skip


class ChannelForm(ConsoleForm):
    """A gateway for SMS or chat."""

    kind = SelectField("Kind", choices=_KINDS)
    name = StringField(
        "Name", [DataRequired("Give the channel a name."), Length(max=128)], filters=[stripped]
    )
    url = PasswordField("Address", [Length(max=1000)], filters=[stripped])

    def validate_url(self, field: PasswordField) -> None:
        """Refuse what Harmony does not send over."""
        fault = address_fault(field.data, self.kind.data) if field.data else None
        if fault:
            raise ValidationError(fault)


class TrialForm(ConsoleForm):
    """The recipient of a test message."""

    to = StringField("To", filters=[stripped])

    def complete(self, kind: ChannelKind) -> bool:
        """Tell whether the recipient fits the channel, and say so beside the field if not."""
        typed = self.to.data or ""
        if kind is ChannelKind.EMAIL and ascii_address(typed) is None:
            self.to.errors = ["Enter one mail address."]
        if kind is ChannelKind.SMS and telephone(typed) is None:
            self.to.errors = ["Enter one telephone number with its country code, such as +4722123456."]
        return not self.to.errors


def filled(server: MailServer | None) -> MailServerForm:
    """Return the form of what is saved, without its password."""
    return MailServerForm(obj=server)
