"""The configuration file that was last applied to an integration."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from harmony.db import Base, UtcDateTime


class AppliedFile(Base):
    """The last file that was applied; `values` are the records of all pages after it, without secrets."""

    __tablename__ = "applied_file"

    integration_id: Mapped[int] = mapped_column(
        ForeignKey("integration.id", ondelete="CASCADE"), primary_key=True
    )
    name: Mapped[str] = mapped_column(String(255))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    values: Mapped[dict[str, Any]] = mapped_column(JSON)
