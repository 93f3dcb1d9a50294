"""The forms of the wizard, labels as the vendor's guide has them (facts/harmony-mobile.md §1.1)."""

from __future__ import annotations

from typing import Any

from wtforms import (
    BooleanField,
    FileField,
    Form,
    SelectField,
    SelectMultipleField,
    StringField,
    TextAreaField,
)
from wtforms.fields.choices import SelectChoice
from wtforms.validators import DataRequired, Length, StopValidation, ValidationError

from harmony.messages.registration.texts import languages
from harmony.uem.connection import REGIONS
from harmony.web.shared.fields import Secret, WholeNumber
from harmony.web.shared.pasted import stripped, trimmed

OTHER = "other"
_TOKEN_ADDRESSES = [*(SelectChoice(url, label) for label, url in REGIONS), SelectChoice(OTHER, "Other")]

_LANGUAGES = [SelectChoice(language.key, language.title) for language in languages().values()]


def complain(field: Any, sentence: str) -> None:
    """Put a sentence beside a field that is wrong for a reason the form itself cannot know."""
    field.errors = [*field.errors, sentence]


class ServerForm(Form):
    """Page 1, Server Details. A secret field that is left empty keeps what is stored."""

    display_name = StringField(
        "Display Name", [DataRequired("Give the integration a name."), Length(max=128)], filters=[stripped]
    )
    server_address = StringField(
        "Server Address",
        [DataRequired("Enter the address of the UEM, such as https://as123.awmdm.com."), Length(max=512)],
        filters=[stripped],
    )
    use_oauth2 = BooleanField("Use OAuth2 authentication method")
    token_region = SelectField("Token Address", choices=_TOKEN_ADDRESSES)
    token_other = StringField("Other Token Address", [Length(max=512)], filters=[stripped])
    client_id = StringField("Client ID", [Length(max=256)], filters=[stripped])
    client_secret = Secret("Client Secret")
    username = StringField("Username", [Length(max=256)], filters=[stripped])
    password = Secret("Password")
    api_key = Secret("API Key")
    connector = SelectField("Connector", validate_choice=False)
    self_signed = BooleanField("Server uses self-signed certificate")
    certificate = TextAreaField(
        "Certificate", filters=[trimmed], render_kw={"rows": 6, "spellcheck": "false"}
    )
    certificate_file = FileField("Certificate File")

    def token_address(self) -> str:
        """The address the token is asked from."""
        return self.token_other.data or "" if self.token_region.data == OTHER else self.token_region.data

    def validate_token_other(self, field: StringField) -> None:
        if self.use_oauth2.data and self.token_region.data == OTHER and not field.data:
            raise ValidationError("Enter the token address, or choose a region.")

    def validate_client_id(self, field: StringField) -> None:
        if self.use_oauth2.data and not field.data:
            raise StopValidation("Enter the Client ID of the OAuth client made in the UEM.")

    def validate_username(self, field: StringField) -> None:
        if not self.use_oauth2.data and not field.data:
            raise StopValidation("Enter the name of the API administrator.")


class SynchronizationForm(Form):
    """Page 2, Synchronization. Groups are named `kind:id`; the choices are those the account sees."""

    groups = SelectMultipleField("Group(s)", validate_choice=False)
    android_enterprise = SelectMultipleField("Android Enterprise Groups", validate_choice=False)
    import_name = BooleanField("Device name")
    import_number = BooleanField("Device number")
    import_email = BooleanField("Device email")
    device_interval = WholeNumber("Device sync interval", 10, 1440, 10, " minutes")
    deletion_threshold = WholeNumber("Device deletion threshold", 0, 100, unit=" percent")
    deletion_after = WholeNumber("Device deletion after", 1, 100, unit=" sync tries")
    delta = BooleanField("Refresh recently seen devices between syncs")
    app_interval = WholeNumber("App sync interval", 10, 1440, 10, " minutes")

    def validate_groups(self, field: SelectMultipleField) -> None:
        if not field.data:
            raise ValidationError("Choose at least one group.")

    def validate_android_enterprise(self, field: SelectMultipleField) -> None:
        if set(field.data or ()) - set(self.groups.data or ()):
            raise ValidationError("Only groups chosen above can be Android Enterprise groups.")


class DeploymentForm(Form):
    """Page 4, Deployment."""

    auto_addition = BooleanField("Allow auto device addition prior to device sync")
    unlisted_days = WholeNumber("Expiry of devices that no sync lists", 0, 365, unit=" days")
    send_email = BooleanField("Send email notification")
    send_sms = BooleanField("Send SMS notification")
    language = SelectField("Language", choices=_LANGUAGES)
    code_days = WholeNumber("Codes are valid for", 1, 30, unit=" days")
