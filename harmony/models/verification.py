"""What Verify said: one row for each wizard page, and one for the server that is in force."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import JSON, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from harmony.db import Base, UtcDateTime
from harmony.models.configuration import PREVIEW, SYNCHRONIZATION

# Longer than the checks and the group list may take together; a preview reads a whole fleet.
INTERRUPTED_AFTER = timedelta(minutes=2)
_PREVIEW_INTERRUPTED_AFTER = timedelta(minutes=20)


class Verification(Base):
    """The last Verify of `subject`. `digest` stands for the values it looked at.

    `results` grows while it is under way; `started_at` also tells a newer Verify from an older one.
    `preview` is what a sync would do, where that was asked too (`sync/preview.py`).
    """

    __tablename__ = "verification"

    integration_id: Mapped[int] = mapped_column(
        ForeignKey("integration.id", ondelete="CASCADE"), primary_key=True
    )
    subject: Mapped[str] = mapped_column(String(32), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64))
    passed: Mapped[bool] = mapped_column(default=False)
    results: Mapped[list[dict[str, Any]]] = mapped_column("rungs", JSON)
    preview: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    def under_way(self, now: datetime) -> bool:
        """Tell if it still asks; a Verify whose process died counts as interrupted after a while."""
        looks = self.subject in {SYNCHRONIZATION, PREVIEW}
        longest = _PREVIEW_INTERRUPTED_AFTER if looks else INTERRUPTED_AFTER
        return self.finished_at is None and abs(now - self.started_at) < longest

    def interrupted(self, now: datetime) -> bool:
        """Tell if it never came to its end."""
        return self.finished_at is None and not self.under_way(now)
