"""The form of the provider; rules are lines of a claim's value and a role."""

from __future__ import annotations

import re

from wtforms import StringField, TextAreaField
from wtforms.validators import DataRequired, Length, ValidationError

from harmony.jobs.uem_client import address_policy
from harmony.models import IdentityProvider, Role
from harmony.oidc.metadata import issuer_of
from harmony.oidc.rules import RoleRule
from harmony.oidc.settings import DEFAULT_CLAIM_PATH, DEFAULT_SCOPES, ProviderSettings, without_secret
from harmony.uem.errors import BlockedByPolicy
from harmony.uem.trust.address import parse_address
from harmony.web.shared.fields import CertificateField, Secret
from harmony.web.shared.pasted import stripped, trimmed
from harmony.web.shared.typed import ConsoleForm

_SCOPES = re.compile(r"[!#-\[\]-~]+( [!#-\[\]-~]+)*")
_GROUP = re.compile(r"[0-9]{1,18}:[^,\s]{1,64}")
_MOST_RULES = 100
_LONGEST_VALUE = 256


class ProviderForm(ConsoleForm):
    """The provider; a secret that is left empty keeps what is saved for the same issuer and client."""

    name = StringField(
        "Name", [DataRequired("Give the provider a name."), Length(max=40)], filters=[stripped]
    )
    issuer = StringField(
        "Issuer", [DataRequired("Enter the issuer of the provider."), Length(max=512)], filters=[stripped]
    )
    client_id = StringField(
        "Client ID", [DataRequired("Enter the client ID."), Length(max=256)], filters=[stripped]
    )
    client_secret = Secret("Client secret")
    scopes = StringField(
        "Scopes", [DataRequired("Enter at least openid."), Length(max=256)], filters=[stripped],
        default=DEFAULT_SCOPES,
    )  # fmt: skip
    claim_path = StringField(
        "Claim", [DataRequired("Enter the claim that the rules look at."), Length(max=256)],
        filters=[stripped], default=DEFAULT_CLAIM_PATH,
    )  # fmt: skip
    rules = TextAreaField("Rules", filters=[trimmed])
    certificate = CertificateField()

    def validate_issuer(self, field: StringField) -> None:
        """Refuse what is no address that may be called, and cut off the path of the discovery document."""
        if not field.data:
            return
        field.data = issuer_of(field.data)
        try:
            parse_address(field.data, address_policy())
        except BlockedByPolicy as refused:
            raise ValidationError(refused.sentence) from None

    def validate_scopes(self, field: StringField) -> None:
        """Refuse scopes that no provider knows, and a list without openid."""
        if field.data and (not _SCOPES.fullmatch(field.data) or "openid" not in field.data.split(" ")):
            raise ValidationError("Enter scopes with a space between them; openid is one of them.")

    def validate_rules(self, field: TextAreaField) -> None:
        """Refuse lines that are no rules."""
        try:
            _read_rules(field.data or "")
        except ValueError as wrong:
            raise ValidationError(str(wrong)) from None

    def values(self) -> ProviderSettings:
        """Return what was typed, once it is valid."""
        return ProviderSettings(
            self.name.data or "", self.issuer.data or "", self.client_id.data or "", self.scopes.data or "",
            self.claim_path.data or "", _read_rules(self.rules.data or ""), self.certificate.data or "",
            self.client_secret.data or "",
        )  # fmt: skip


def _read_rules(text: str) -> tuple[RoleRule, ...]:
    """Return the rules of lines such as `admins = administrator`. Raises ValueError with a sentence."""
    lines = [(number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    if len(lines) > _MOST_RULES:
        raise ValueError(f"There are at most {_MOST_RULES} rules.")
    return tuple(_rule(number, line) for number, line in lines)


def _write_rules(rules: tuple[RoleRule, ...]) -> str:
    """Return rules as lines."""
    return "\n".join(f"{rule.value} = {rule.role}{_within(rule)}" for rule in rules)


def filled(saved: IdentityProvider | None) -> ProviderForm:
    """Return the form of what is saved, without its secret."""
    if saved is None:
        return ProviderForm()
    values = without_secret(saved)
    shown = {
        "name": values.name, "issuer": values.issuer, "client_id": values.client_id,
        "scopes": values.scopes, "claim_path": values.claim_path, "certificate": values.certificate,
        "rules": _write_rules(values.rules),
    }  # fmt: skip
    return ProviderForm(data=shown)


def _within(rule: RoleRule) -> str:
    return f" in {', '.join(rule.groups)}" if rule.groups else ""


def _rule(number: int, line: str) -> RoleRule:
    value, _, access = (part.strip() for part in line.rpartition("="))
    role, _, named = (part.strip() for part in access.partition(" in "))
    groups = tuple(named.replace(",", " ").split())
    if not value:
        raise ValueError(f"Line {number}: write a value, an equals sign and a role.")
    if len(value) > _LONGEST_VALUE or not value.isprintable():
        raise ValueError(f"Line {number}: a value has at most {_LONGEST_VALUE} characters that can be seen.")
    if role.lower() not in set(Role):
        raise ValueError(f"Line {number}: the role is one of {', '.join(Role)}.")
    if not all(map(_GROUP.fullmatch, groups)) or (groups and role.lower() == Role.ADMINISTRATOR):
        raise ValueError(f"Line {number}: after in stand keys of device groups, for a viewer or an operator.")
    return RoleRule(value, role.lower(), groups)
