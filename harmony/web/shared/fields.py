"""Fields that several forms have: secrets, numbers, servers, certificates and Connectors."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from wtforms import Field, Form, IntegerField, PasswordField, SelectField, StringField, TextAreaField
from wtforms.validators import DataRequired, Length, StopValidation, ValidationError

from harmony.clock import now
from harmony.relay import connectors
from harmony.uem.trust.certificates import CertificateRefused, read_upload
from harmony.web.shared.pasted import hidden_in, stripped, trimmed

_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.:_-]{0,251}[A-Za-z0-9])?")


class Secret(PasswordField):
    """A secret to paste: what surrounds it is cut off, what cannot be seen inside it is named.

    It is refused here because no server could say what is wrong; usual spaces may be part of a password.
    """

    def __init__(self, label: str, **options: Any) -> None:
        super().__init__(label, [self._can_be_seen, Length(max=1024)], filters=[trimmed], **options)

    def _can_be_seen(self, _form: Form, _field: object) -> None:
        if hidden := hidden_in(self.data or ""):
            sentence = f"This holds {hidden}, which cannot be seen. Copy it again, or type it."
            raise StopValidation(sentence)


class WholeNumber(IntegerField):
    """An integer field whose complaint names the range instead of the type."""

    def __init__(
        self, label: str, low: int, high: int, step: int = 1, unit: str = "", **options: Any
    ) -> None:
        super().__init__(label, validators=[self._in_range], **options)
        self.low, self.high, self.step, self.unit = low, high, step, unit
        self.render_kw = {"min": low, "max": high, "step": step, "inputmode": "numeric"}

    def process_formdata(self, valuelist: Sequence[str]) -> None:
        text = stripped(valuelist[0]) if valuelist else ""
        self.raw_data = [text]
        # int() would also take "1_0" and digits of other scripts.
        self.data = int(text) if re.fullmatch(r"-?[0-9]{1,9}", text) else None

    def _in_range(self, _form: Form, _field: object) -> None:
        if self.data is None or not self.low <= self.data <= self.high or (self.data - self.low) % self.step:
            steps = f", in steps of {self.step}" if self.step > 1 else ""
            raise ValidationError(f"Enter a whole number from {self.low} to {self.high}{self.unit}{steps}.")


class HostField(StringField):
    """The name or address of a server, without scheme and port; `refusal` names an example."""

    def __init__(self, missing: str, refusal: str, **options: Any) -> None:
        super().__init__("Server", [DataRequired(missing), self._is_host], filters=[stripped], **options)
        self._refusal = refusal

    def _is_host(self, _form: Form, _field: object) -> None:
        # One colon stands before a port, several are an IPv6 address.
        if self.data and (not _HOST.fullmatch(self.data) or self.data.count(":") == 1):
            raise ValidationError(self._refusal)


class CertificateField(TextAreaField):
    """Certificates in PEM; what is usable is kept as it is to be stored, other text is refused."""

    def __init__(self, label: str = "Certificate (PEM)", **options: Any) -> None:
        super().__init__(label, [self._is_usable], filters=[trimmed], **options)

    def _is_usable(self, _form: Form, field: Field) -> None:
        try:
            field.data = read_upload(field.data, now()).pem if field.data else ""
        except CertificateRefused as refused:
            raise ValidationError(refused.sentence) from None


class ConnectorField(SelectField):
    """The Connector that leads to a server, or none; one that was revoked is refused."""

    def __init__(self, **options: Any) -> None:
        super().__init__("Connector", [self._is_in_use], validate_choice=False, default="", **options)

    def _is_in_use(self, _form: Form, _field: object) -> None:
        if self.data and self.data not in connectors.usable_names():
            raise ValidationError(f"There is no Connector {self.data} in use. Choose another one, or none.")


def keep_unsent(field: SelectField, stored: str) -> None:
    """Put the stored name into a field that was not sent: it must not turn into "sent directly"."""
    if not field.raw_data:
        field.data = stored
