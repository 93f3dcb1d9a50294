"""Add keys of the public API, kept answers to its actions, and devices by serial number."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from harmony.db import UtcDateTime

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_HAS_SERIAL = sa.text("serial <> ''")


def upgrade() -> None:
    op.create_table(
        "api_key",
        sa.Column("id", INTEGER, nullable=False),
        sa.Column("name", sa.String(48), nullable=False),
        sa.Column("start", sa.String(16), nullable=False),
        sa.Column("key_hash", sa.String(64), nullable=False),
        sa.Column("user_id", INTEGER),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("scope", sa.JSON(none_as_null=True)),
        sa.Column("hides_personal_data", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.String(64), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("last_used_at", UtcDateTime()),
        sa.Column("revoked_at", UtcDateTime()),
        sa.Column("revoked_by", sa.String(64)),
        sa.PrimaryKeyConstraint("id", name="pk_api_key"),
        sa.UniqueConstraint("key_hash", name="uq_api_key_key_hash"),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name="fk_api_key_user_id_user", ondelete="CASCADE"),
    )
    op.create_index("ix_api_key_user_id", "api_key", ["user_id"])
    op.create_table(
        "api_answer",
        sa.Column("api_key_id", INTEGER, nullable=False),
        sa.Column("idempotency_key", sa.String(128), nullable=False),
        sa.Column("request_digest", sa.String(64), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("status", INTEGER),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("api_key_id", "idempotency_key", name="pk_api_answer"),
        sa.ForeignKeyConstraint(
            ["api_key_id"], ["api_key.id"], name="fk_api_answer_api_key_id_api_key", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_api_answer_at", "api_answer", ["at"])
    op.create_index(
        "ix_device_serial", "device", ["serial"], sqlite_where=_HAS_SERIAL, postgresql_where=_HAS_SERIAL
    )


def downgrade() -> None:
    op.drop_index("ix_device_serial", "device")
    op.drop_table("api_answer")
    op.drop_table("api_key")
