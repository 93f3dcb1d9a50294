"""When an integration was removed while that can be undone, and what an undo puts back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from harmony.db import UtcDateTime

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("integration") as batch_op:
        batch_op.add_column(sa.Column("removed_at", UtcDateTime()))
        batch_op.add_column(sa.Column("before_removal", sa.JSON(none_as_null=True)))


def downgrade() -> None:
    with op.batch_alter_table("integration") as batch_op:
        batch_op.drop_column("before_removal")
        batch_op.drop_column("removed_at")
