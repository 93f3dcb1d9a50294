"""Seals everything that the vault has sealed under its newest key, from one table of the sealed columns.

What is easily had again, such as an access token, is not sealed anew but forgotten.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import delete, select, update
from sqlalchemy.orm import InstrumentedAttribute

from harmony.db import db, write
from harmony.messages.channel import PASSWORD_BOUND_TO, url_bound_to
from harmony.models import (
    AccessToken,
    Destination,
    IdentityProvider,
    Integration,
    KeptForm,
    MailServer,
    MessageChannel,
    OutboundProxy,
    ProviderSession,
    SetupPage,
    SignOnFlow,
    SignOnTest,
    TotpSecret,
    VaultCanary,
)
from harmony.oidc import settings as provider_settings
from harmony.outbound.senders import secret_bound_to as destination_secret
from harmony.outbound.senders import url_bound_to as destination_url
from harmony.security import kept_forms, outbound_proxy
from harmony.security.credentials import bound_to
from harmony.security.factors import totp
from harmony.security.vault import vault
from harmony.setup import secrets
from harmony.setup.drafts import digest, typed_bound_to


@dataclass(slots=True)
class Rotation:
    """Count the values that are sealed anew, or would be, were current already, and cannot be opened."""

    renewed: int = 0
    current: int = 0
    locked: int = 0

    def successor(self, sealed: str, where: str) -> str | None:
        """Seal a value under the newest key and count it; None when it stays as it is."""
        if vault().is_current(sealed):
            self.current += 1
        elif vault().has_key(sealed, where):
            self.renewed += 1
            return vault().reseal(sealed, where)
        else:
            self.locked += 1
        return None


class _SealedColumns(NamedTuple):
    """Columns with sealed texts, and the function that renews them: with its count, dry or not."""

    columns: tuple[InstrumentedAttribute[Any], ...]
    renew: Callable[[Rotation, bool], None]


def rotate(dry_run: bool) -> Rotation:
    """Seal every stored secret under the newest key, a few rows at a time; running it again goes on."""
    counts = Rotation()
    for sealed in SEALED_COLUMNS:
        sealed.renew(counts, dry_run)
    return counts


def _renew_settings(counts: Rotation, dry_run: bool) -> None:
    for id_ in db.session.scalars(select(Integration.id)).all():
        with write() as session:
            integration = session.get_one(Integration, id_)
            successors = _successors(integration, counts)
            if not dry_run:
                _replace(integration, successors)


def _successors(integration: Integration, counts: Rotation) -> dict[str, str]:
    """Map old sealed texts to new ones: a text has one successor, so that draft and applied stay equal."""
    values = {(field, sealed) for _page, _values, field, sealed in secrets.sealed_values(integration)}
    found = {sealed: counts.successor(sealed, bound_to(integration.id, field)) for field, sealed in values}
    return {sealed: new for sealed, new in found.items() if new is not None}


def _replace(integration: Integration, successors: dict[str, str]) -> None:
    for page in integration.pages:
        verification, before = integration.verification(page.name), digest(page.draft)
        page.draft = _replaced(page.draft, successors)
        page.applied = _replaced(page.applied, successors) if page.applied else None
        # The values are the same under another key: what was verified stays verified.
        if verification is not None and verification.digest == before:
            verification.digest = digest(page.draft)


def _replaced(values: dict[str, Any], successors: dict[str, str]) -> dict[str, Any]:
    return {
        name: successors.get(value, value) if isinstance(value, str) else value
        for name, value in values.items()
    }


def _renew_typed(counts: Rotation, dry_run: bool) -> None:
    keys = select(SetupPage.integration_id, SetupPage.name).where(SetupPage.typed.is_not(None))
    for integration_id, name in db.session.execute(keys).all():
        with write() as session:
            page = session.get(SetupPage, (integration_id, name))
            if page is None or page.typed is None:  # sent or dropped since
                continue
            sealed = counts.successor(page.typed, typed_bound_to(integration_id, name))
            if sealed and not dry_run:
                page.typed = sealed


def _renew_kept_forms(counts: Rotation, dry_run: bool) -> None:
    for id_ in db.session.scalars(select(KeptForm.id)).all():
        with write() as session:
            form = session.get(KeptForm, id_)
            if form is None:  # shown or swept since
                continue
            sealed = counts.successor(form.sealed, kept_forms.bound_to(id_, form.user_id))
            if sealed and not dry_run:
                form.sealed = sealed


def _forget_tokens(_counts: Rotation, dry_run: bool) -> None:
    """Delete the tokens under older keys; the name of their row is of that key too, nobody finds them."""
    if dry_run:
        return
    with write() as session:
        tokens = select(AccessToken.client, AccessToken.sealed).where(AccessToken.sealed.is_not(None))
        for client, sealed in session.execute(tokens).all():
            if sealed and not vault().is_current(sealed):
                session.execute(delete(AccessToken).where(AccessToken.client == client))


def _renew_mail_server(counts: Rotation, dry_run: bool) -> None:
    with write() as session:
        for server in session.scalars(select(MailServer).where(MailServer.password != "")):
            sealed = counts.successor(server.password, PASSWORD_BOUND_TO)
            if sealed and not dry_run:
                server.password = sealed


def _renew_proxy(counts: Rotation, dry_run: bool) -> None:
    with write() as session:
        for proxy in session.scalars(select(OutboundProxy).where(OutboundProxy.password != "")):
            sealed = counts.successor(proxy.password, outbound_proxy.BOUND_TO)
            if sealed and not dry_run:
                proxy.password = sealed


def _renew_channels(counts: Rotation, dry_run: bool) -> None:
    with write() as session:
        for channel in session.scalars(select(MessageChannel)):
            sealed = counts.successor(channel.url, url_bound_to(channel.id))
            if sealed and not dry_run:
                channel.url = sealed


def _renew_client_secret(counts: Rotation, dry_run: bool) -> None:
    with write() as session:
        for provider in session.scalars(select(IdentityProvider).where(IdentityProvider.client_secret != "")):
            sealed = counts.successor(provider.client_secret, provider_settings.BOUND_TO)
            if sealed and not dry_run:
                provider.client_secret = sealed


def _forget_sign_ons(_counts: Rotation, dry_run: bool) -> None:
    """Forget what is sealed for minutes: sign-ins under way, tests, and hints for signing out."""
    if dry_run:
        return
    with write() as session:
        session.execute(delete(SignOnFlow))
        session.execute(delete(SignOnTest))
        session.execute(update(ProviderSession).values(id_token=""))


def _renew_destinations(counts: Rotation, dry_run: bool) -> None:
    with write() as session:
        for row in session.scalars(select(Destination)):
            bound_to = {"url": destination_url(row.id), "secret": destination_secret(row.id)}
            bound_to["former_secret"] = bound_to["secret"]
            for column, where in bound_to.items():
                sealed = getattr(row, column)
                successor = counts.successor(sealed, where) if sealed else None
                if successor and not dry_run:
                    setattr(row, column, successor)


def _renew_totp(counts: Rotation, dry_run: bool) -> None:
    with write() as session:
        for row in session.scalars(select(TotpSecret)):
            for column in ("sealed", "pending"):
                stored = getattr(row, column)
                sealed = counts.successor(stored, totp.bound_to(row.user_id)) if stored else None
                if sealed and not dry_run:
                    setattr(row, column, sealed)


def _renew_canary(_counts: Rotation, dry_run: bool) -> None:
    if not dry_run:
        secrets.renew_canary()


SEALED_COLUMNS = (
    _SealedColumns((SetupPage.draft, SetupPage.applied), _renew_settings),
    _SealedColumns((SetupPage.typed,), _renew_typed),
    _SealedColumns((KeptForm.sealed,), _renew_kept_forms),
    _SealedColumns((AccessToken.sealed,), _forget_tokens),
    _SealedColumns((MailServer.password,), _renew_mail_server),
    _SealedColumns((MessageChannel.url,), _renew_channels),
    _SealedColumns((OutboundProxy.password,), _renew_proxy),
    _SealedColumns((IdentityProvider.client_secret,), _renew_client_secret),
    _SealedColumns(
        (SignOnFlow.sealed, SignOnTest.sealed, SignOnTest.outcome, ProviderSession.id_token),
        _forget_sign_ons,
    ),
    _SealedColumns((Destination.url, Destination.secret, Destination.former_secret), _renew_destinations),
    _SealedColumns((TotpSecret.sealed, TotpSecret.pending), _renew_totp),
    _SealedColumns((VaultCanary.sealed,), _renew_canary),
)
