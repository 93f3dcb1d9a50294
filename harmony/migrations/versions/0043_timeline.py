"""The timeline of the database: when the caution mode last began, which every machine remembers beside it.

Revision ID: 0043
Revises: 0042
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("installation", sa.Column("timeline", sa.BigInteger(), nullable=False, server_default="0"))


def downgrade() -> None:
    op.drop_column("installation", "timeline")
