"""Store the drafts of the wizard's pages, secrets sealed; in force only after Verify."""

from __future__ import annotations

import hashlib
import json
import secrets
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from harmony.db import write
from harmony.jobs.kinds import JobKind
from harmony.models import AuditEntry, Integration, IntegrationState, Job, SetupPage
from harmony.models.configuration import (
    DEPLOYMENT,
    PAGES,
    SERVER,
    Deployment,
    ServerDetails,
    to_row,
)
from harmony.security import kept_forms
from harmony.security.credentials import bound_to, seal_secrets
from harmony.security.kept_forms import TypedForm
from harmony.security.vault import VaultLocked, vault

_DEFAULT_NAME = "Workspace ONE Default"
# Starts with a fixed word, so that secret scanners recognise it.
TOKEN_PREFIX = "hmtoken_"  # noqa: S105 - the public part of it
# Deployment has nothing to verify; every other page needs a Verify that passed for its values.
WITHOUT_VERIFY = frozenset({DEPLOYMENT})


# What a chosen group says besides its identity: the UEM may call it otherwise at any time.
_READ_FROM_UEM = frozenset({"name", "organization_group_id"})


class EditedElsewhere(Exception):
    """The page was saved in another tab or by another person since this form was rendered."""


def create(kind: str, now: datetime, server: ServerDetails | None = None) -> int:
    """Store a new draft and return its id; `server` holds clear secrets, which are sealed here."""
    details = server or ServerDetails(display_name=_DEFAULT_NAME)
    with write() as session:
        integration = Integration(
            id=_unused_id(session), kind=kind, name=details.display_name, created_at=now,
            sync_job=Job(kind=JobKind.DEVICES),
        )  # fmt: skip
        session.add(integration)
        session.flush()
        _put(session, integration.id, SERVER, to_row(seal_secrets(integration.id, details)))
        _put(session, integration.id, DEPLOYMENT, to_row(Deployment(token=new_token(integration.id))))
        return integration.id


def _unused_id(session: Session) -> int:
    """Return an id that no integration has had: scopes, keys and rules may still name its device groups."""
    newest = max(
        session.scalar(select(func.max(Integration.id))) or 0,
        session.scalar(select(func.max(AuditEntry.integration_id))) or 0,
    )
    return newest + 1


def save(integration_id: int, page: str, record: msgspec.Struct, edition: int) -> None:
    """Keep `record` as the page's draft. Raises EditedElsewhere when `edition` is no longer the newest."""
    with write() as session:
        row = session.get(SetupPage, (integration_id, page))
        if (row.edition if row else 0) != edition:
            raise EditedElsewhere
        values = to_row(record)
        if row is None:
            _put(session, integration_id, page, values)
        elif row.draft != values or row.typed is not None:
            row.draft, row.typed = values, None
            row.edition += 1
            if page == SERVER:
                _rename_draft(session, integration_id, values["display_name"])


def keep_typed(integration_id: int, page: str, typed: TypedForm, edition: int) -> bool:
    """Keep a form as it was left, because it is no draft yet. False when it is too large to be kept.

    Raises EditedElsewhere when `edition` is no longer the newest.
    """
    sealed = kept_forms.seal(typed, typed_bound_to(integration_id, page))
    with write() as session:
        row = session.get(SetupPage, (integration_id, page))
        if (row.edition if row else 0) != edition:
            raise EditedElsewhere
        if row is None:
            _put(session, integration_id, page, to_row(PAGES[page]()))
            row = session.get_one(SetupPage, (integration_id, page))
        row.typed = sealed
        row.edition = edition + 1
    return sealed is not None


def typed(integration: Integration, page: str) -> TypedForm | None:
    """Return the form of a page as it was left; None when the page has a draft instead."""
    row = integration.page(page)
    if row is None or row.typed is None:
        return None
    return kept_forms.unseal(row.typed, typed_bound_to(integration.id, page))


def revert(integration_id: int, page: str) -> None:
    """Drop what was left or drafted on a page: what is in force is its draft again."""
    with write() as session:
        row = session.get(SetupPage, (integration_id, page))
        if row is not None:
            row.draft, row.typed = row.applied or row.draft, None
            row.edition += 1


def typed_bound_to(integration_id: int, page: str) -> str:
    """Name what the form of a page as it was left is bound to."""
    return f"{bound_to(integration_id, page)} as typed"


def clear_secret(integration_id: int, field: str) -> None:
    """Forget one secret of the draft; what is in force stays until the page is saved."""
    with write() as session:
        row = session.get_one(SetupPage, (integration_id, SERVER))
        row.draft = row.draft | {field: ""}
        left = kept_forms.unseal(row.typed, typed_bound_to(integration_id, SERVER)) if row.typed else None
        if left is not None:
            others = TypedForm(tuple(pair for pair in left.values if pair[0] != field))
            row.typed = kept_forms.seal(others, typed_bound_to(integration_id, SERVER))
        row.edition += 1


def renew_token(integration_id: int) -> None:
    """Put a new token into the draft of the last page."""
    with write() as session:
        row = session.get_one(SetupPage, (integration_id, DEPLOYMENT))
        row.draft = row.draft | {"token": new_token(integration_id)}
        row.edition += 1


def token(integration: Integration) -> str | None:
    """Return the token that the Protect app registers with, in clear text; None when it does not open."""
    try:
        return vault().open(integration.draft.deployment.token, bound_to(integration.id, "token"))
    except VaultLocked:
        return None


def new_token(integration_id: int) -> str:
    """Return another token, sealed."""
    return vault().seal(TOKEN_PREFIX + secrets.token_urlsafe(32), bound_to(integration_id, "token"))


def decided(values: dict[str, Any]) -> dict[str, Any]:
    """Keep the values of a page that a person decided, without those that Verify reads from the UEM.

    >>> decided({"delta": True, "groups": [{"external_id": "570", "name": "Acme"}]})
    {'delta': True, 'groups': [{'external_id': '570'}]}
    """
    groups = [
        {name: value for name, value in group.items() if name not in _READ_FROM_UEM}
        for group in values.get("groups") or ()
    ]
    return values | {"groups": groups} if "groups" in values else values


def digest(values: dict[str, Any]) -> str:
    """Return 64 hex digits for these values, as far as a person decided them."""
    text = json.dumps(decided(values), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _put(session: Session, integration_id: int, page: str, values: dict[str, Any]) -> None:
    session.add(SetupPage(integration_id=integration_id, name=page, draft=values, edition=1))


def _rename_draft(session: Session, integration_id: int, name: str) -> None:
    integration = session.get_one(Integration, integration_id)
    if integration.state == IntegrationState.DRAFT:
        integration.name = name
