"""Count the moves to another UEM, and note with each device after which of them a run last placed it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from harmony.db import UtcDateTime

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

# Which devices of an integration that has moved were only kept is not known: its next sync places the others.
COUNT_MOVED = sa.text(
    "UPDATE integration SET uem_generation = 1 WHERE awaits_sync OR ids_proven_at IS NOT NULL"
)


def upgrade() -> None:
    for table in ("integration", "device"):
        integer = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
        op.add_column(table, sa.Column("uem_generation", integer, nullable=False, server_default="0"))
    op.execute(COUNT_MOVED)
    op.drop_column("integration", "ids_proven_at")


def downgrade() -> None:
    op.add_column("integration", sa.Column("ids_proven_at", UtcDateTime()))
    for table in ("integration", "device"):
        op.drop_column(table, "uem_generation")
