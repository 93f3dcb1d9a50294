"""What came of reading the apps of a device: failed, incomplete or unconfirmed lists are read again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from harmony.db import UtcDateTime

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

COLUMNS = ("outcome", "unconfirmed", "listed_at")


def upgrade() -> None:
    with op.batch_alter_table("app_reading") as batch_op:
        batch_op.add_column(sa.Column("outcome", sa.String(16), nullable=False, server_default="whole"))
        batch_op.add_column(sa.Column("unconfirmed", sa.String(64), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("listed_at", UtcDateTime()))
    op.execute(sa.text("UPDATE app_reading SET listed_at = read_at"))


def downgrade() -> None:
    with op.batch_alter_table("app_reading") as batch_op:
        for column in COLUMNS:
            batch_op.drop_column(column)
