"""Puts drafts in force: *Finish* for a new integration, *Save* for a page of one that runs."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from harmony.db import write
from harmony.models import Integration, IntegrationState
from harmony.models.configuration import PAGES, SERVER, SYNCHRONIZATION, ServerDetails, from_row
from harmony.setup.drafts import is_verified
from harmony.sync import schedule


class NotVerified(Exception):
    """A page's values did not pass Verify; nothing was put in force."""

    def __init__(self, page: str) -> None:
        super().__init__(page)
        self.page = page


def finish(integration_id: int, by: str, now: datetime) -> None:
    """Put every page in force and make the first sync due. Raises NotVerified with the first open page.

    Finishing what is finished already changes nothing.
    """
    with write() as session:
        integration = session.get_one(Integration, integration_id)
        if integration.state != IntegrationState.DRAFT:
            return
        for page in PAGES:
            _apply(integration, page)
        integration.state = IntegrationState.ACTIVE
        integration.next_sync_at = integration.sync_requested_at = now
        integration.sync_requested_by = by


def save(integration_id: int, page: str, now: datetime) -> None:
    """Put one page of a running integration in force, from its next run on. Raises NotVerified."""
    with write() as session:
        integration = session.get_one(Integration, integration_id)
        _apply(integration, page)
        integration.version += 1
        if page == SERVER:
            schedule.free(integration)
            integration.next_sync_at = now
        if page == SYNCHRONIZATION:
            _reschedule(session, integration, now)


def _apply(integration: Integration, page: str) -> None:
    row = integration.page(page)
    if row is None or not is_verified(integration, page):
        raise NotVerified(page)
    row.applied = row.draft
    if page == SERVER:
        integration.name = from_row(ServerDetails, row.draft).display_name


def _reschedule(session: Session, integration: Integration, now: datetime) -> None:
    """A shorter interval counts from now; what is due earlier stays so."""
    session.flush()
    if integration.next_sync_at is not None:
        integration.next_sync_at = min(integration.next_sync_at, now + schedule.interval(integration))
