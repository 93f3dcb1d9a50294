"""The columns of the device list that a person chose."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    column = sa.Column("device_columns", sa.String(length=512), nullable=False, server_default="")
    op.add_column("user", column)


def downgrade() -> None:
    op.drop_column("user", "device_columns")
