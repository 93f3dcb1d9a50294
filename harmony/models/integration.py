"""A link to one UEM: its state and schedule, its wizard pages, the groups its account sees."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, String, Text, and_
from sqlalchemy.orm import Mapped, mapped_column, relationship

from harmony.db import Base, UtcDateTime
from harmony.models.configuration import Configuration, from_row
from harmony.models.job import SYNC_JOB, Job
from harmony.models.states import IntegrationState
from harmony.models.verification import Verification


class Integration(Base):
    """One UEM. `version` rises with every applied page; `sync_job` says when its devices are synced.

    `stopped_why` is set while only a person can help: trying again by itself could lock the account.
    `snapshots` counts the complete ones; `suspect` (an `Absence`) says why the next one may not be believed
    about what it does not list. `fresh_as_of` is when the newest read of
    everything that changed began. `redact_pending`: imported personal data is still to be purged.
    `uem_generation` counts how often Server Details led to another UEM; `awaits_sync`: no run has read all of
    the new one yet. Ids of devices are of the generation that they were placed in.
    `removed_at`: when it was removed, while that can be undone; None while it is brought back.
    `before_removal`: what an undo puts back.
    """

    __tablename__ = "integration"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(32))
    name: Mapped[str] = mapped_column(String(128))
    state: Mapped[str] = mapped_column(String(16), default=IntegrationState.DRAFT)
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    snapshots: Mapped[int] = mapped_column(default=0)
    suspect: Mapped[str | None] = mapped_column(String(16))
    fresh_as_of: Mapped[datetime | None] = mapped_column(UtcDateTime)
    redact_pending: Mapped[bool] = mapped_column(default=False)
    awaits_sync: Mapped[bool] = mapped_column(default=False)
    uem_generation: Mapped[int] = mapped_column(default=0, server_default="0")
    stopped_why: Mapped[str | None] = mapped_column(String(16))
    stopped_reason: Mapped[str | None] = mapped_column(String(1024))
    removed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    before_removal: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))

    sync_job: Mapped[Job] = relationship(
        primaryjoin=lambda: and_(Job.integration_id == Integration.id, Job.kind == SYNC_JOB),
        cascade="all, delete-orphan",
        passive_deletes=True,
        lazy="joined",
        uselist=False,
    )
    pages: Mapped[list[SetupPage]] = relationship(cascade="all, delete-orphan", passive_deletes=True)
    verifications: Mapped[list[Verification]] = relationship(
        cascade="all, delete-orphan", passive_deletes=True
    )

    @property
    def draft(self) -> Configuration:
        """Decode what was last typed on each page."""
        return from_row(Configuration, {page.name: page.draft for page in self.pages})

    @property
    def in_force(self) -> Configuration:
        """Decode what each page says since it was last saved."""
        return from_row(Configuration, {page.name: page.applied for page in self.pages if page.applied})

    @property
    def connected(self) -> bool:
        """Tell if it still is a link to a UEM, at least a draft of one."""
        gone = {IntegrationState.HIDDEN, IntegrationState.REMOVING, IntegrationState.REMOVED}
        return self.state not in gone

    @property
    def condition(self) -> str:
        """Return the state as pages show it: one that is active may be stopped or quarantined."""
        if self.state != IntegrationState.ACTIVE:
            return self.state
        return "stopped" if self.stopped_why else "quarantined" if self.sync_job.quarantined else self.state

    def page(self, name: str) -> SetupPage | None:
        """Return the wizard page of that name, if it was ever saved."""
        return next((page for page in self.pages if page.name == name), None)

    def verification(self, subject: str) -> Verification | None:
        """Return the last Verify of that page, or of `IN_FORCE`."""
        return next((found for found in self.verifications if found.subject == subject), None)


class SetupPage(Base):
    """One wizard page: what was typed (`draft`) and what is in force (`applied`).

    `typed` is the form as it was left, sealed, when it could not become a draft.
    Secrets inside both are sealed (`security.vault`). `edition` guards against two tabs.
    """

    __tablename__ = "setup_page"

    integration_id: Mapped[int] = mapped_column(
        ForeignKey("integration.id", ondelete="CASCADE"), primary_key=True
    )
    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    draft: Mapped[dict[str, Any]] = mapped_column(JSON)
    applied: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    edition: Mapped[int] = mapped_column(default=1)
    typed: Mapped[str | None] = mapped_column(Text)


class KnownGroup(Base):
    """A group that the account saw when it was last asked; the wizard's list is made of these."""

    __tablename__ = "known_group"

    integration_id: Mapped[int] = mapped_column(
        ForeignKey("integration.id", ondelete="CASCADE"), primary_key=True
    )
    kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    external_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(256))
    type: Mapped[str] = mapped_column(String(64))
    devices: Mapped[int | None]
    parent_id: Mapped[str | None] = mapped_column(String(64))
    organization_group_id: Mapped[str | None] = mapped_column(String(64))
