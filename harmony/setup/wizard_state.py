"""The state of the wizard for one integration: read once a request, and read again after a write."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from functools import cached_property

from harmony.models import Integration, IntegrationState, KnownGroup, Verification
from harmony.models.configuration import PAGES, Configuration, from_row
from harmony.security.kept_forms import TypedForm
from harmony.setup import drafts, groups


class Mark(StrEnum):
    """State how far a page has come; a locked one waits for the pages before it."""

    LOCKED = "locked"
    TODO = "todo"
    DONE = "done"


class WizardState:
    """Everything the pages of the wizard ask about an integration, each answer worked out at most once.

    A `write()` makes it stale: build another one from the integration afterwards.
    """

    def __init__(self, integration: Integration) -> None:
        self.integration = integration
        self.id = integration.id

    @cached_property
    def draft(self) -> Configuration:
        """Return what was last typed on each page."""
        return self.integration.draft

    @cached_property
    def in_force(self) -> Configuration:
        """Return what each page says since it was last saved."""
        return self.integration.in_force

    @cached_property
    def effective(self) -> Configuration:
        """Return what is in force, for a page that never was its draft."""
        values = {page.name: page.applied or page.draft for page in self.integration.pages}
        return from_row(Configuration, values)

    @cached_property
    def groups(self) -> Sequence[KnownGroup]:
        """Return the groups that the account saw when Verify last read them."""
        return groups.known(self.id)

    @cached_property
    def verified(self) -> frozenset[str]:
        """Return the pages whose drafts passed Verify as they are now."""
        return frozenset(page for page in PAGES if self._is_verified(page))

    @property
    def first_open(self) -> str:
        """Return the first page that is not verified; the last page when all are."""
        return next((page for page in PAGES if page not in self.verified), list(PAGES)[-1])

    @cached_property
    def reachable(self) -> frozenset[str]:
        """Return the pages before which every page is verified."""
        names = list(PAGES)
        return frozenset(names[: names.index(self.first_open) + 1])

    @cached_property
    def marks(self) -> dict[str, Mark]:
        """Return the mark of each page, in the order of the wizard."""
        return {page: self._mark(page) for page in PAGES}

    def edition(self, page: str) -> int:
        """Return the number of the page's last change; 0 when it was never saved."""
        row = self.integration.page(page)
        return row.edition if row else 0

    def verification(self, subject: str) -> Verification | None:
        """Return the last Verify of a page, of `IN_FORCE` or of `PREVIEW`."""
        return self.integration.verification(subject)

    def typed(self, page: str) -> TypedForm | None:
        """Return the form of a page as it was left; None when the page has a draft instead."""
        return drafts.typed(self.integration, page)

    def has_unsaved_changes(self, page: str) -> bool:
        """Tell if the draft of a page differs from what is in force there."""
        row = self.integration.page(page)
        return bool(row and row.applied and drafts.decided(row.applied) != drafts.decided(row.draft))

    def _mark(self, page: str) -> Mark:
        if page not in self.reachable:
            return Mark.LOCKED
        return Mark.DONE if page in self.verified - drafts.WITHOUT_VERIFY else Mark.TODO

    def _is_verified(self, page: str) -> bool:
        row, verification = self.integration.page(page), self.verification(page)
        if row is None or (row.typed is not None and self.integration.state == IntegrationState.DRAFT):
            return False
        if page in drafts.WITHOUT_VERIFY:
            return True
        values = drafts.digest(row.draft)
        if verification is not None and verification.digest == values:
            return verification.passed
        # What is in force passed when it was put there, whatever was tried and given up since.
        return row.applied is not None and drafts.digest(row.applied) == values
