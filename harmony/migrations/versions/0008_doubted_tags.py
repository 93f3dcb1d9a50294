"""Ids of another UEM wait for a complete sync; tags are doubted before they are forgotten; the size of a call."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from harmony.db import UtcDateTime

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

FIRST_SYNC = "It waits for the first complete device sync with these Server Details."
WAITED = sa.text(
    "UPDATE integration SET awaits_sync = true WHERE id IN "
    "(SELECT integration_id FROM duty WHERE parked_why = :why)"
).bindparams(why=FIRST_SYNC)
FREED = sa.text("UPDATE duty SET parked_why = NULL WHERE parked_why = :why").bindparams(why=FIRST_SYNC)
UNPROVEN = sa.text(
    "UPDATE uem_tag SET proven = false WHERE integration_id IN (SELECT id FROM integration WHERE awaits_sync)"
)
KEPT_OFF = sa.text("UPDATE uem_tag SET kept_off = true WHERE retired_at IS NOT NULL")

ADDED = {
    "integration": ("awaits_sync", "ids_proven_at"),
    "uem_tag": ("proven", "former_id", "doubted_at", "kept_off"),
    "duty": ("batch_limit",),
}


def upgrade() -> None:
    with op.batch_alter_table("integration") as batch_op:
        batch_op.add_column(_switch("awaits_sync", sa.false()))
        batch_op.add_column(sa.Column("ids_proven_at", UtcDateTime()))
    with op.batch_alter_table("uem_tag") as batch_op:
        batch_op.add_column(_switch("proven", sa.true()))
        batch_op.add_column(sa.Column("former_id", sa.String(length=64)))
        batch_op.add_column(sa.Column("doubted_at", UtcDateTime()))
        batch_op.add_column(_switch("kept_off", sa.false()))
    op.add_column("duty", sa.Column("batch_limit", sa.BigInteger().with_variant(sa.Integer(), "sqlite")))
    for statement in (WAITED, FREED, UNPROVEN, KEPT_OFF):
        op.execute(statement)


def _switch(name: str, default: sa.ColumnElement[bool]) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean(), nullable=False, server_default=default)


def downgrade() -> None:
    for table, columns in ADDED.items():
        with op.batch_alter_table(table) as batch_op:
            for column in columns:
                batch_op.drop_column(column)
