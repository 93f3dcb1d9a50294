"""Remember what was told of a trouble, and when it was first seen to be gone."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from harmony.db import UtcDateTime

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("notice_state") as batch_op:
        batch_op.add_column(sa.Column("title", sa.String(256), server_default="", nullable=False))
        batch_op.add_column(sa.Column("gone_at", UtcDateTime()))


def downgrade() -> None:
    with op.batch_alter_table("notice_state") as batch_op:
        batch_op.drop_column("gone_at")
        batch_op.drop_column("title")
