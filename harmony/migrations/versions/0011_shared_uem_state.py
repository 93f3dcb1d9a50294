"""The wait that a server asked for, and the token of a client, for every process."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from harmony.db import UtcDateTime

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "server_wait",
        sa.Column("origin", sa.String(length=300), nullable=False),
        sa.Column("since", UtcDateTime(), nullable=False),
        sa.Column("until", UtcDateTime(), nullable=False),
        sa.Column("quota", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("origin", name=op.f("pk_server_wait")),
    )
    op.create_table(
        "access_token",
        sa.Column("client", sa.String(length=64), nullable=False),
        sa.Column("sealed", sa.String(length=65536)),
        sa.Column("token", sa.String(length=64)),
        sa.Column("fetched_at", UtcDateTime()),
        sa.Column("renew_at", UtcDateTime()),
        sa.Column("fetching_until", UtcDateTime()),
        sa.Column("by_header", sa.Boolean()),
        sa.Column("used_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("client", name=op.f("pk_access_token")),
    )


def downgrade() -> None:
    op.drop_table("access_token")
    op.drop_table("server_wait")
