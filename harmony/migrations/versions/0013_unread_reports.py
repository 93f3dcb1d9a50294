"""Which part of the last report of a Protect app could not be read."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    unread = sa.Column("unread", sa.String(length=256), nullable=False, server_default="")
    op.add_column("registration", unread)


def downgrade() -> None:
    op.drop_column("registration", "unread")
