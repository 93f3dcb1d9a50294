"""The settings of the provider: saved with the client secret sealed for the issuer."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from harmony.db import db
from harmony.models import IdentityProvider
from harmony.oidc.rules import RoleRule
from harmony.security.vault import vault

BOUND_TO = "identity_provider:client_secret"
DEFAULT_SCOPES = "openid profile email"
DEFAULT_CLAIM_PATH = "groups"


class ProviderChangedMeanwhile(Exception):
    """Somebody else saved the settings since they were shown."""


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """The provider as an administrator typed it; an empty `client_secret` stands for the saved one."""

    name: str
    issuer: str
    client_id: str
    scopes: str = DEFAULT_SCOPES
    claim_path: str = DEFAULT_CLAIM_PATH
    rules: tuple[RoleRule, ...] = ()
    certificate: str = field(default="", repr=False)
    client_secret: str = field(default="", repr=False)


def saved_provider(session: Session) -> IdentityProvider | None:
    """Return the row of the provider, if there is one."""
    return session.scalar(select(IdentityProvider))


def provider_name() -> str | None:
    """Return the name on the button of the sign-in page; None without a provider."""
    return db.session.scalar(select(IdentityProvider.name))


def settings_in_force() -> ProviderSettings | None:
    """Return the settings with the client secret in clear. Raises VaultLocked."""
    saved = saved_provider(db.session())
    if saved is None:
        return None
    return replace(without_secret(saved), client_secret=_opened(saved))


def without_secret(saved: IdentityProvider) -> ProviderSettings:
    """Return what is saved as it may be shown."""
    return ProviderSettings(
        saved.name, saved.issuer, saved.client_id, saved.scopes, saved.claim_path,
        tuple(msgspec.convert(saved.rules, list[RoleRule])), saved.certificate,
    )  # fmt: skip


def keeps_secret(saved: IdentityProvider | None, values: ProviderSettings) -> bool:
    """Tell whether the saved secret is of this client at this issuer."""
    return saved is not None and (saved.issuer, saved.client_id) == (values.issuer, values.client_id)


def complete(values: ProviderSettings) -> ProviderSettings:
    """Return the values with the saved secret where none was typed. Raises VaultLocked."""
    saved = saved_provider(db.session())
    if values.client_secret or saved is None or not keeps_secret(saved, values):
        return values
    return replace(values, client_secret=_opened(saved))


def put(session: Session, values: ProviderSettings, edition: int) -> None:
    """Save the settings; `edition` is the one that was shown, 0 for none. Raises ProviderChangedMeanwhile."""
    saved = saved_provider(session)
    if (saved.edition if saved else 0) != edition:
        raise ProviderChangedMeanwhile
    kept = saved.client_secret if saved and keeps_secret(saved, values) else ""
    row = saved or IdentityProvider()
    row.name, row.issuer, row.client_id = values.name, values.issuer, values.client_id
    row.scopes, row.claim_path, row.certificate = values.scopes, values.claim_path, values.certificate
    row.rules = msgspec.to_builtins(values.rules)
    row.client_secret, row.edition = _sealed(values) or kept, edition + 1
    session.add(row)


def _sealed(values: ProviderSettings) -> str:
    return values.client_secret and vault().seal(values.client_secret, BOUND_TO, values.issuer)


def _opened(saved: IdentityProvider) -> str:
    return saved.client_secret and vault().open(saved.client_secret, BOUND_TO, saved.issuer)
