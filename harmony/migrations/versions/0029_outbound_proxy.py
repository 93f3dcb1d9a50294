"""Add the proxy that direct calls leave through."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "outbound_proxy",
        sa.Column("id", INTEGER, nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("port", INTEGER, nullable=False),
        sa.Column("username", sa.String(256), nullable=False),
        sa.Column("password", sa.String(4096), nullable=False),
        sa.Column("edition", INTEGER, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_outbound_proxy"),
    )


def downgrade() -> None:
    op.drop_table("outbound_proxy")
