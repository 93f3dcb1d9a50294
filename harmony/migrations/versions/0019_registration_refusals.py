"""Count the registrations that were refused although their token was right."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from harmony.db import UtcDateTime

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "registration_refusal",
        sa.Column("integration_id", INTEGER, nullable=False),
        sa.Column("day", sa.String(10), nullable=False),
        sa.Column("error", sa.String(32), nullable=False),
        sa.Column("count", INTEGER, nullable=False),
        sa.Column("last_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["integration_id"],
            ["integration.id"],
            name=op.f("fk_registration_refusal_integration_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("integration_id", "day", "error", name=op.f("pk_registration_refusal")),
    )


def downgrade() -> None:
    op.drop_table("registration_refusal")
