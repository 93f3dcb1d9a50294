"""The form of the app configuration: names of keys, the app's id, the authority that it trusts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from wtforms import StringField
from wtforms.validators import Length, ValidationError

from harmony.models.configuration import Deployment
from harmony.setup.app_configuration import AppKey
from harmony.web.shared.fields import CertificateField
from harmony.web.shared.pasted import stripped
from harmony.web.shared.typed import ConsoleForm

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
_APP_ID = re.compile(r"[A-Za-z][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)+")
_BAD_NAME = "Begin with a letter; letters, digits, dots, dashes and underscores may follow, 64 in all."


class _KeyName(StringField):
    """The field for the name of a key; empty is the usual one."""

    def __init__(self, label: str, **options: object) -> None:
        super().__init__(label, [self._is_name], filters=[stripped], **options)

    def _is_name(self, _form: ConsoleForm, _field: object) -> None:
        if self.data and not _NAME.fullmatch(self.data):
            raise ValidationError(_BAD_NAME)


class AppConfigurationForm(ConsoleForm):
    """The choices of an administrator; the address and the token are given."""

    app_id = StringField("Bundle ID or package name of the app", [Length(max=255)], filters=[stripped])
    app_ca = CertificateField("Certificate authority", render_kw={"rows": 4})
    server = _KeyName("Name of the key server")
    token = _KeyName("Name of the key token")
    mdm_uuid = _KeyName("Name of the key mdm_uuid")
    serial = _KeyName("Name of the key serial")
    email = _KeyName("Name of the key email")
    uem = _KeyName("Name of the key uem")
    profile = _KeyName("Name of the key profile")
    ca = _KeyName("Name of the key ca")

    def validate_app_id(self, field: StringField) -> None:
        if field.data and not _APP_ID.fullmatch(field.data):
            raise ValidationError("Enter an identifier such as com.example.protect.")

    def validate(self, extra_validators: object = None) -> bool:
        """Refuse two keys of one name, too."""
        valid: bool = super().validate(extra_validators)
        names = [self[key].data or key.value for key in AppKey]
        for key in AppKey:
            if names.count(self[key].data or key.value) > 1:
                self[key].errors = [*self[key].errors, "Another key has this name."]
                valid = False
        return valid

    def values(self) -> dict[str, Any]:
        """Return what was chosen, as `Deployment` calls it; only keys with a name of their own have one."""
        names = {key.value: self[key].data for key in AppKey if self[key].data not in {"", None, key.value}}
        return {"app_keys": names, "app_id": self.app_id.data or "", "app_ca": self.app_ca.data or ""}


def filled(deployment: Deployment) -> Mapping[str, str]:
    """Return the values of the form for what is in force."""
    return {"app_id": deployment.app_id, "app_ca": deployment.app_ca, **deployment.app_keys}
