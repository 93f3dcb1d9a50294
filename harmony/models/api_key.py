"""API keys, and the answers that are kept so that an action that is sent twice is done once."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import JSON, ForeignKey, LargeBinary, String, false
from sqlalchemy.orm import Mapped, mapped_column

from harmony.db import Base, UtcDateTime

ANSWERS_KEPT = timedelta(hours=24)


class ApiKey(Base):
    """A key of the public API; only its SHA-256 is stored, and `start`, by which people know it again.

    With a `user_id` it acts for that user and never further than they may; without it is a service of its
    own. `scope` lists the keys of device groups, None for every device. `last_used_at` is coarse.
    """

    __tablename__ = "api_key"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(48))
    start: Mapped[str] = mapped_column(String(16))
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    role: Mapped[str] = mapped_column(String(16))
    scope: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    hides_personal_data: Mapped[bool] = mapped_column(default=False, server_default=false())
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_by: Mapped[str] = mapped_column(String(64))
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_by: Mapped[str | None] = mapped_column(String(64))


class ApiAnswer(Base):
    """The first answer to an action that was sent with an `Idempotency-Key`, given again for a day.

    `status` is None while the action is under way. `request_digest` stands for what was asked.
    """

    __tablename__ = "api_answer"

    api_key_id: Mapped[int] = mapped_column(ForeignKey("api_key.id", ondelete="CASCADE"), primary_key=True)
    idempotency_key: Mapped[str] = mapped_column(String(128), primary_key=True)
    request_digest: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    status: Mapped[int | None]
    body: Mapped[bytes] = mapped_column(LargeBinary, default=b"")
