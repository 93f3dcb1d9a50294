"""Adds a record of the scheduled backups: when the newest was made, and why the last try failed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from harmony.db import UtcDateTime

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "backup_record",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("newest_at", UtcDateTime(), nullable=True),
        sa.Column("folder", sa.String(1024), nullable=False),
        sa.Column("problem", sa.String(256), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_backup_record"),
    )


def downgrade() -> None:
    op.drop_table("backup_record")
